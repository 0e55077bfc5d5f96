"""Filters: an anomaly that nobody wants to be told of keeps its numbers and says what lowered it."""

from __future__ import annotations

import datetime as dt
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr

START = 1_609_718_400  # Monday, the fourth of January 2021, midnight UTC
HOURS = 24 * 7 * 6
SPIKE = 24 * 7 * 5 + 24 + 8  # a Tuesday at 08:00


def street(spike: float = 600.0, camera: str = "north") -> dict[str, Any]:
    """Six weeks of hours with one spike."""
    hours = np.arange(HOURS)
    cars = np.random.default_rng(1).poisson(60 + 50 * np.sin(hours * np.pi / 12)).astype(float)
    cars[SPIKE] = spike
    return {"window_start": START + 3600 * hours, "camera": [camera] * HOURS, "cars": cars}


def judged(table: dict[str, Any], **settings: Any) -> list[dict[str, Any]]:
    settings = {"measures": ["cars"], "by": "camera", "time_unit": "s", **settings}
    return pa.table(wr.Detector("counts", **settings).push(table)).to_pylist()


def test_a_sentence_says_what_came_and_how_rare_it_is() -> None:
    row = judged(street())[SPIKE]
    assert row["state"] == "alarm"
    lower, upper = int(np.ceil(row["lower"])), int(np.floor(row["upper"]))
    assert row["reason"] == (
        f"600 cars, expected {lower} to {upper} on a Tuesday at 08:00; rarer than once in 5 years"
    )
    assert row["channel"] == "spike up"
    # In the wall's time of the zone.
    row = judged(street(), zone="Asia/Tokyo")[SPIKE]
    assert "on a Tuesday at 17:00" in row["reason"]


EXPECTED = 60 + 50 * np.sin(8 * np.pi / 12)


@pytest.mark.parametrize(
    ("filters", "by"),
    [
        ({"min_deviation": 1_000}, "min_deviation"),
        ({"min_deviation": {"cars": 1_000}}, "min_deviation"),
        ({"min_deviation": 300}, None),
        ({"min_relative_deviation": 10.0}, "min_relative_deviation"),
        ({"min_relative_deviation": 1.0}, None),
        ({"direction": "down"}, "direction"),
        ({"direction": {"cars": "up"}}, None),
        ({"sensitivity": {"camera": {"north": 0}}}, "sensitivity"),
        ({"sensitivity": {"camera": {"north": 1e-4}}}, "sensitivity"),
        ({"sensitivity": {"camera": {"south": 0}}}, None),
        ({"sensitivity": {"measure": {"cars": 0}}}, "sensitivity"),
        ({"quiet_hours": "07:00-09:00"}, "quiet_hours"),
        ({"quiet_hours": ["22:00-06:00", "tue"]}, "quiet_hours"),
        ({"quiet_hours": "09:00-08:00"}, None),
        ({"quiet_hours": "16:30-17:30", "zone": "Asia/Tokyo"}, "quiet_hours"),
        ({"maintenance": [(START + 3600 * SPIKE, START + 3600 * SPIKE + 1)]}, "maintenance"),
        ({"maintenance": [("2021-02-09T08:00Z", "2021-02-09T09:00Z", {"camera": "north"})]}, "maintenance"),
        ({"maintenance": [("2021-02-09T08:00Z", "2021-02-09T09:00Z", {"camera": ["south"]})]}, None),
        (
            {
                "maintenance": [
                    (dt.datetime(2021, 2, 9, 9, tzinfo=dt.UTC), dt.datetime(2021, 2, 9, 10, tzinfo=dt.UTC))
                ]
            },
            None,
        ),
    ],
)
def test_what_is_filtered_keeps_its_numbers(filters: dict[str, Any], by: str | None) -> None:
    plain = judged(street(), zone=filters.get("zone"))[SPIKE]
    row = judged(street(), **filters)[SPIKE]
    assert row["lowered_by"] == by
    assert row["state"] == ("alarm" if by is None else "ok")
    for name in ("observed", "expected", "lower", "upper", "score", "severity", "channel"):
        assert row[name] == plain[name]
    assert row["reason"].startswith(plain["reason"])
    assert ("no alarm: " in row["reason"]) == (by is not None)


def test_sensitivity_is_a_multiple_of_how_often() -> None:
    """The alarm sees the severity of a return period that many times as long."""
    table = street(spike=190.0)
    plain = judged(table, alarm=wr.Alarm(severity=100))
    severity = max(row["severity"] or 0 for row in plain[24 * 7 * 5 :])
    assert 20 < severity < 95
    for factor in (0.5, 2.0, 3.0):
        seen = severity + 30 * np.log(factor) / np.log(365 / 30)
        settings = {"sensitivity": {"camera": {"north": factor}}}
        for limit, state in ((min(seen, 100) - 0.01, "alarm"), (min(seen, 100) + 0.01, "ok")):
            if limit > 100:
                continue
            rows = judged(table, alarm=wr.Alarm(severity=limit), **settings)[24 * 7 * 5 :]
            assert any(row["state"] == "alarm" for row in rows) == (state == "alarm"), (factor, limit)


def test_what_is_maintained_teaches_nothing() -> None:
    plain, worked = street(), street()
    day = slice(SPIKE, SPIKE + 24)
    worked["cars"][day] = 0
    stretch = [(START + 3600 * SPIKE, START + 3600 * (SPIKE + 24))]
    without = {name: np.delete(np.array(column), day) for name, column in plain.items()}
    after = judged(worked, maintenance=stretch)[SPIKE + 24 :]
    for ours, theirs in zip(after, judged(without)[SPIKE:], strict=True):
        for name in ("expected", "lower", "upper", "score", "severity"):
            assert ours[name] == theirs[name]


def test_an_event_says_which_filter_ended_it() -> None:
    table = street()
    table["cars"][SPIKE : SPIKE + 4] = [600, 900, 1400, 2200]
    detector = wr.Detector(
        "counts", measures=["cars"], by="camera", time_unit="s", quiet_hours="tue 10:00-11:00",
        alarm=wr.Alarm(severity=50),
    )  # fmt: skip
    detector.push(table)
    events = [event for event in detector.events() if event["observed"] and event["observed"] >= 600]
    assert events[0]["lowered_by"] in ("quiet_hours", None)
    assert all(event["channel"] and event["reason"] for event in events)


def test_filters_can_be_replaced_and_are_kept() -> None:
    detector = wr.Detector(
        "counts",
        measures=["cars"],
        by="camera",
        time_unit="s",
        min_deviation=5,
        direction="up",
        sensitivity={"camera": {"north": 0.5, None: 2.0}, "measure": {"cars": 1.5}},
        quiet_hours=["sat-sun"],
        maintenance=[(0, 10), (5, 6, {"camera": ["north", None]})],
    )
    for again in (
        eval(repr(detector), {"Detector": wr.Detector, "Alarm": wr.Alarm}),
        pickle.loads(pickle.dumps(detector)),
    ):
        assert repr(again) == repr(detector)
        assert again.snapshot() == detector.snapshot()
    detector.filter(direction={"cars": "down"})
    assert repr(detector).endswith("time_unit='s', direction='down')")
    with pytest.raises(wr.ConfigError):
        detector.filter(sensitivity={"lane": {"north": 0.5}})
    assert repr(detector).endswith("time_unit='s', direction='down')")


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"min_deviation": -1}, "`min_deviation` must be a finite number of at least 0, got -1"),
        ({"min_deviation": "5"}, "`min_deviation` must be a number, got '5'"),
        ({"min_relative_deviation": float("nan")}, "`min_relative_deviation` must be a finite number"),
        ({"min_deviation": {"bikes": 3}}, "`min_deviation` must name measures (cars), got 'bikes'"),
        ({"direction": "above"}, '`direction` must be "both", "up" or "down", got "above"'),
        ({"direction": 3}, "`direction` must be text, got 3"),
        ({"sensitivity": {"lane": {"a": 2}}}, '`sensitivity` must name columns of `by` (camera, measure), got "lane"'),
        ({"sensitivity": {"camera": 2}}, "`sensitivity` must be of the form"),
        ({"sensitivity": {"camera": {"a": -2}}}, "`sensitivity` must be between 0 and 1e6 for each value, got -2"),
        ({"sensitivity": {"camera": {"a": 2}}, "alarm": wr.Alarm(threshold=3.0)}, "`sensitivity` goes with"),
        ({"quiet_hours": "10-12"}, '`quiet_hours` must be hours such as "22:00-06:00"'),
        ({"quiet_hours": 7}, "`quiet_hours` must be a name or a list of names, got 7"),
        ({"maintenance": 7}, "`maintenance` must be a list of (start, end)"),
        ({"maintenance": [(1,)]}, "`maintenance` must be a list of (start, end)"),
        ({"maintenance": [(2, 1)]}, "`maintenance` must end after it starts"),
        ({"maintenance": [("soon", 1)]}, "`maintenance` must hold times in ISO 8601, got 'soon'"),
        ({"maintenance": [(0, 1, {"lane": 2})]}, '`maintenance` must name columns of `by` (camera), got "lane"'),
        ({"maintenance": [(0, 1, 2)]}, "`maintenance` must be a list of (start, end)"),
    ],
)  # fmt: skip
def test_mistakes_are_named(filters: dict[str, Any], message: str) -> None:
    with pytest.raises(wr.ConfigError) as caught:
        wr.Detector(**{"measures": ["cars"], "by": "camera", **filters})
    assert message in str(caught.value)
