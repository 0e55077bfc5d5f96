"""What other thresholds would have done: events a week, and with labels precision and recall, from the same verdicts.

Owns the counting. The alarm is stepped again for each threshold, as it was set in all else, through what it was given,
so the figure at its own threshold is the run's own. What a series that holds still in alarm would have learned at a
higher one is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import windrow as wr
from windrow.backtest.labels import Rates, stretches
from windrow.backtest.replay import Fed, Opened, Told, at, fed, opened
from windrow.report.series import Series

__all__ = ["MONTH", "WEEK", "Curve", "curve"]

Numbers = np.ndarray[Any, np.dtype[np.float64]]
#: Days of the periods that a threshold is suggested for.
WEEK, MONTH = 7.0, 30.0


@dataclass(frozen=True)
class Curve:
    """One point for each threshold.

    Attributes
    ----------
    what : {"severity", "score"}
        What the thresholds are of.
    threshold : ndarray
        Ascending.
    events : ndarray
        Events, of all series, at each of them.
    weeks : float
        The time in which they were counted.
    rows, stretches : tuple of Rates
        With labels: of rows, and of events and labelled stretches, at each of them.
    """

    what: str
    threshold: Numbers
    events: np.ndarray[Any, np.dtype[np.int64]]
    weeks: float
    rows: tuple[Rates, ...] = ()
    stretches: tuple[Rates, ...] = ()

    @classmethod
    def empty(cls) -> Curve:
        """No point at all."""
        return cls("severity", np.array([]), np.array([], "int64"), 0.0)

    def suggested(self, days: float) -> float | None:
        """Find the least threshold from which on there is at most one event in so many days.

        None where there is none, or where fewer days were judged.
        """
        if self.weeks * WEEK < days:
            return None
        few = self.events <= self.weeks * WEEK / days
        quiet = np.flatnonzero(np.logical_and.accumulate(few[::-1]))
        return float(self.threshold[::-1][quiet[-1]]) if len(quiet) else None


def curve(
    series: Sequence[Series],
    alarm: wr.Alarm,
    weeks: float,
    marked: Mapping[tuple[Any, ...], np.ndarray[Any, Any]] | None,
    told: Told | None = None,
) -> Curve:
    """Count at a hundred thresholds: severities 1 to 100, or scores up to the largest; one is the alarm's own."""
    told = told or Told()
    given = fed(series, alarm, told)
    own = alarm.severity if alarm.threshold is None else alarm.threshold
    assert own is not None
    what = "severity" if alarm.threshold is None else "score"
    top = 100.0 if what == "severity" else max([own, *(_largest(one, alarm.direction) for one in given)])
    grid = np.linspace(0, top if np.isfinite(top) and top > 0 else 1.0, 101)[1:]
    grid[np.abs(grid - own).argmin()] = own
    events = np.full(len(grid), told.others, "int64")
    rows: list[Rates] = []
    of_events: list[Rates] = []
    labels = None if marked is None else _Labels(marked)
    for place, threshold in enumerate(grid.tolist()):
        rule = at(threshold, alarm)
        found = [opened(one, rule, told.silences) for one in given]
        events[place] += sum(one.events for one in found)
        if labels is not None:
            for kind, rates in zip((rows, of_events), labels.rates(given, found), strict=True):
                kind.append(rates)
    return Curve(what, grid, events, weeks, tuple(rows), tuple(of_events))


def _largest(one: Fed, direction: str) -> float:
    side = {"both": np.abs(one.value), "up": one.value, "down": -one.value}[direction]
    return float(np.nanmax(side, initial=0.0))


class _Labels:
    """What labels say of what alarms opened."""

    def __init__(self, marked: Mapping[tuple[Any, ...], np.ndarray[Any, Any]]) -> None:
        self.marked = marked
        self.near = {key: _and_after(rows) for key, rows in marked.items()}
        self.stretches = [(key, a, b) for key, rows in marked.items() for a, b in stretches(rows)]
        self.labelled = sum(int(rows.sum()) for rows in marked.values())

    def rates(self, given: Sequence[Fed], found: Sequence[Opened]) -> tuple[Rates, Rates]:
        """Hold rows in alarm, and events, against labelled rows and stretches."""
        over = {key: np.zeros(len(rows), bool) for key, rows in self.marked.items()}
        raised = touching = 0
        for one, what in zip(given, found, strict=True):
            over[one.key][one.row[what.alarmed]] = True
            raised += what.events
            touching += len(np.unique(what.number[what.alarmed & self.near[one.key][one.row]]))
        right = sum(int((over[key] & rows).sum()) for key, rows in self.marked.items())
        hit = sum(int(rows.sum()) for rows in over.values())
        seen = sum(bool(over[key][a : b + 2].any()) for key, a, b in self.stretches)
        rows = Rates(hit, right, self.labelled, right)
        return rows, Rates(raised, touching, len(self.stretches), seen)


def _and_after(marked: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Labelled rows and the one after each stretch."""
    after = marked.copy()
    after[1:] |= marked[:-1]
    return after
