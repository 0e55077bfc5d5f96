"""What keeps an anomaly from the alarm, as a file says it: `[detect.filters]`."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from windrow.config.option import Name, Names, Section, Time, Where, option

__all__ = ["FiltersSection", "Maintenance"]


class Maintenance(Section):
    """A stretch of planned work."""

    start: Time = option(..., "the first instant", "2026-03-01T22:00:00Z")
    end: Time = option(..., "the first one after it", "2026-03-02T05:00:00Z")
    where: Where = option({}, "only series whose keys hold these values", {"camera": "north"})


_Bound: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Side: TypeAlias = Literal["both", "up", "down"]


class FiltersSection(Section):
    """What keeps an anomaly from the alarm, though its numbers stay; leave the section out for none."""

    min_deviation: _Bound | dict[Name, _Bound] = option(
        0.0, "no alarm nearer to the expectation than this; a number, or measure = number"
    )
    min_relative_deviation: _Bound | dict[Name, _Bound] = option(
        0.0, "the same as a share of what was expected"
    )
    direction: _Side | dict[Name, _Side] = option("both", "the side of the expectation that alarms")
    sensitivity: dict[Name, dict[str, _Bound]] = option(
        {},
        "how many times as often a series is told of, such as { camera = { north = 0.5 } }",
        {"camera": {"north": 0.5}},
    )
    quiet_hours: Names = option(
        [],
        'no alarm in these hours, such as "22:00-06:00", "sat-sun" or "mon-fri 07:00-09:00"',
        ["22:00-06:00", "sat-sun", "mon-fri 07:00-09:00"],
    )
    maintenance: list[Maintenance] = option(
        [], "planned work, not told of nor learned from: { start, end, where }"
    )
