"""What a detector's alarm was given, taken from its verdicts, so that another alarm can be stepped through the same.

Owns what of a verdict is a value, a missing point or nothing for the alarm, and the counting of what it opens. Filters
have their say before the alarm: what they keep from it is calm at every threshold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import windrow as wr
from windrow.report.series import Series

__all__ = ["Fed", "Opened", "Told", "at", "fed"]

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Places = np.ndarray[Any, np.dtype[np.int64]]


@dataclass
class Told:
    """What a run says beside its verdicts.

    Attributes
    ----------
    revised, lowered : ndarray of bool, optional
        Of every verdict, in their order: whether it is of a window that was judged before, and whether a filter
        keeps it from the alarm, however low its threshold is. None is none of them.
    machines : bool
        The measures of a key are one machine with one alarm.
    silences : bool
        Silences are told by themselves and not by the alarm.
    sensitivity : mapping
        Factors by column and value.
    others : int
        Events that the alarm has no part in.
    """

    revised: Flags | None = None
    lowered: Flags | None = None
    machines: bool = False
    silences: bool = False
    sensitivity: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    others: int = 0


@dataclass
class Fed:
    """What the alarm of one series was given, in order.

    Attributes
    ----------
    key : tuple
        The key's values.
    row : ndarray of int
        Which of the key's verdicts each is that came.
    time : list of int
        Nanoseconds since the epoch.
    value : ndarray of float64
        Scores or severities, NaN where a point is missing.
    came : ndarray of bool
        Which points are of rows that came; the alarm's period misses the others.
    """

    key: tuple[Any, ...]
    row: Places
    time: list[int]
    value: Numbers
    came: Flags


@dataclass
class Opened:
    """What an alarm made of one series: whether each row is in alarm, and the number of the newest event by then."""

    alarmed: Flags
    number: Places
    events: int


def fed(series: Sequence[Series], alarm: wr.Alarm, told: Told) -> list[Fed]:
    """Take apart what the alarm was given; nothing before a series' first value matters to it."""
    machines: dict[tuple[Any, ...], list[Series]] = {}
    for one in series:
        key = tuple(one.key.values())
        machines.setdefault(key if told.machines else (*key, one.measure), []).append(one)
    return [_fed(sensors, alarm, told) for sensors in machines.values()]


def _fed(sensors: Sequence[Series], alarm: wr.Alarm, told: Told) -> Fed:
    first = sensors[0]
    scored = alarm.threshold is not None
    severity = np.stack([one.severity for one in sensors])
    score = np.stack([one.score for one in sensors])
    judged = ~np.isnan(severity).all(axis=0)
    if scored:
        size = np.where(np.isnan(score), -1.0, np.abs(score))
        value = np.take_along_axis(score, size.argmax(axis=0)[None], axis=0)[0]
    else:
        value = np.where(np.isnan(severity), -1.0, severity).max(axis=0)
    # Nothing to tell is a calm point, not a missing one.
    value = np.where(judged, np.where(np.isnan(value), 0.0, value), np.nan)
    if told.sensitivity:
        value = _weighed(value, _factor(first, told.sensitivity))
    if told.lowered is not None:
        value[judged & np.stack([told.lowered[one.place] for one in sensors]).any(axis=0)] = 0.0
    # Before its first verdict a series is learning; of what isn't judged nothing is expected either.
    beside = np.isnan(np.stack([one.observed if told.machines else one.expected for one in sensors]))
    given = ~np.isnan(first.time) & (judged | (2 * beside.sum(axis=0) > len(sensors)))
    if told.revised is not None:
        given &= ~told.revised[first.place]
    rows = np.flatnonzero(given)
    real = np.flatnonzero(~np.isnan(value[rows]))
    rows = rows[real[0] :] if len(real) else rows[:0]
    times = [round(time * 1000) * 1000 for time in first.time[rows].tolist()]
    return Fed(tuple(first.key.values()), rows, *_with_absent(times, value[rows], alarm))


def _factor(one: Series, sensitivity: Mapping[str, Mapping[str, float]]) -> float:
    named = {**one.key, "measure": one.measure}
    return math.prod(factors.get(str(named.get(column)), 1.0) for column, factors in sensitivity.items())


def _weighed(value: Numbers, factor: float) -> Numbers:
    """Shift severities as a filter does that makes them come so many times as often."""
    if factor <= 0:
        return np.where(value > 0, 0.0, value)
    shifted = np.clip(value + 30 * math.log(factor) / math.log(365 / 30), 0.0, 100.0)
    return np.where(value > 0, shifted, value)


def at(threshold: float, alarm: wr.Alarm) -> wr.Alarm:
    """Give the same alarm another threshold and no period; hysteresis has no room where that is below it."""
    # Rows that never came are put in already.
    names = ("breaches", "of", "missing", "lasting", "look_back")
    given: dict[str, Any] = {name: getattr(alarm, name) for name in names}
    if alarm.clear_below is not None and alarm.clear_below <= threshold:
        given["clear_below"] = alarm.clear_below
    if alarm.threshold is None:
        return wr.Alarm(severity=threshold, **given)
    return wr.Alarm(threshold=threshold, direction=alarm.direction, **given)


def opened(one: Fed, alarm: wr.Alarm, silences: bool) -> Opened:
    """Step a series through an alarm; `silences`: what opens on a missing point is no event of its."""
    limit = alarm.severity if alarm.threshold is None else alarm.threshold
    assert limit is not None
    if alarm.missing != "breaching" and not np.nanmax(np.abs(one.value), initial=-1.0) >= limit:
        return Opened(np.zeros(len(one.row), bool), np.zeros(len(one.row), "int64"), 0)
    states = alarm.states(one.time, one.value.tolist())
    alarmed = np.array([state == "alarm" for state in states], bool)
    opens = alarmed & ~np.concatenate([[False], alarmed[:-1]])
    if silences:
        opens &= ~np.isnan(one.value)
    number = np.cumsum(opens)
    return Opened(alarmed[one.came], number[one.came], int(opens.sum()))


def _with_absent(time: list[int], value: Numbers, alarm: wr.Alarm) -> tuple[list[int], Numbers, Flags]:
    """Put in the points of rows that never came: each may open or end an alarm. Last, which rows came."""
    if alarm.period is None:
        return time, value, np.ones(len(time), bool)
    from windrow.config.option import nanoseconds

    period = nanoseconds(alarm.period)
    lasting = 0 if alarm.lasting is None else nanoseconds(alarm.lasting)
    # After so many nothing can change any more.
    most = alarm.look_back + lasting // period + 2
    times: list[int] = []
    values: list[float] = []
    came: list[bool] = []
    newest: int | None = None
    for due, what in zip(time, value.tolist(), strict=True):
        if newest is not None:
            missing = (2 * (due - newest) - period - 1) // (2 * period)
            for k in range(1, min(missing, most) + 1):
                times.append(newest + k * period)
                values.append(math.nan)
                came.append(False)
            if missing > 0:
                newest += missing * period
        times.append(due)
        values.append(what)
        came.append(True)
        newest = due if newest is None else max(newest, due)
    return times, np.array(values), np.array(came, bool)
