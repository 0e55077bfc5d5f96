"""What other thresholds would have done: events a week, and with labels precision and recall, from the same verdicts.

Owns the counting. The alarm's M of N is kept and its threshold varied over the scores or severities of one run; points
without one are left out. What else an alarm may ask for (`lasting`, `clear_below`) and filters are not heeded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from windrow.backtest.labels import Rates, stretches
from windrow.config.sections import AlarmSection
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
    alarm: AlarmSection | None,
    weeks: float,
    marked: Mapping[tuple[Any, ...], np.ndarray[Any, Any]] | None,
) -> Curve:
    """Count at a hundred thresholds: severities 1 to 100, or scores up to the largest."""
    scored = alarm is not None and alarm.threshold is not None
    m = 1 if alarm is None else alarm.breaches
    n = m if alarm is None or alarm.of is None else alarm.of
    sizes = [_lasting(_sizes(one, alarm), m, n) for one in series]
    top = max((float(np.nanmax(one, initial=0.0)) for one in sizes), default=0.0) if scored else 100.0
    grid = np.linspace(0, top if np.isfinite(top) and top > 0 else 1.0, 101)[1:]
    events = np.zeros(len(grid) + 1, "int64")
    for one in sizes:
        # How many thresholds a point reaches; each that its predecessor didn't reach begins an event.
        reached = np.searchsorted(grid, one[~np.isnan(one)], side="right")
        before = np.concatenate([[0], reached[:-1]]) if len(reached) else reached
        rises = reached > before
        np.add.at(events, before[rises], 1)
        np.subtract.at(events, reached[rises], 1)
    found = Curve("score" if scored else "severity", grid, np.cumsum(events)[:-1], weeks)
    if marked is None:
        return found
    rows, of_events = _labelled(series, sizes, grid, marked)
    return Curve(found.what, grid, found.events, weeks, tuple(rows), tuple(of_events))


def _sizes(one: Series, alarm: AlarmSection | None) -> Numbers:
    """Take what the alarm compares with its threshold."""
    if alarm is None or alarm.threshold is None:
        return one.severity
    score: Numbers = one.score
    if alarm.direction == "both":
        return np.abs(score)
    return score if alarm.direction == "up" else -score


def _lasting(sizes: Numbers, m: int, n: int) -> Numbers:
    """Find the M-th largest of the last N: the point is in alarm at any threshold up to that."""
    if n == 1:
        return sizes
    out = np.full(len(sizes), np.nan)
    real = np.flatnonzero(~np.isnan(sizes))
    if not len(real):
        return out
    padded = np.concatenate([np.full(n - 1, -np.inf), sizes[real]])
    wide = np.lib.stride_tricks.sliding_window_view(padded, n)
    # A few rows at a time: each is copied N times to be sorted.
    block = max(1, 4_000_000 // n)
    for begin in range(0, len(real), block):
        part = wide[begin : begin + block]
        out[real[begin : begin + block]] = np.partition(part, n - m, axis=1)[:, n - m]
    return out


def _labelled(
    series: Sequence[Series],
    sizes: Sequence[Numbers],
    grid: Numbers,
    marked: Mapping[tuple[Any, ...], np.ndarray[Any, Any]],
) -> tuple[list[Rates], list[Rates]]:
    worst = {key: np.full(len(rows), -np.inf) for key, rows in marked.items()}
    for one, size in zip(series, sizes, strict=True):
        key = tuple(one.key.values())
        worst[key] = np.fmax(worst[key], np.where(np.isnan(size), -np.inf, size))
    hit = np.concatenate([*marked.values()])
    value = np.concatenate([worst[key] for key in marked])
    peaks = np.array(
        [worst[key][a : b + 2].max() for key, rows in marked.items() for a, b in stretches(rows)]
    )
    # The series one after the other; a row below every threshold keeps them apart.
    gap = [-np.inf]
    joined = np.concatenate(
        [part for size in sizes for part in (gap, np.where(np.isnan(size), -np.inf, size))]
    )
    near = np.concatenate(
        [part for one in series for part in ([False], _and_after(marked[tuple(one.key.values())]))]
    )
    rows, events = [], []
    for threshold in grid:
        over = value >= threshold
        right = int((over & hit).sum())
        rows.append(Rates(int(over.sum()), right, int(hit.sum()), right))
        beyond = joined >= threshold
        number = np.cumsum(np.diff(beyond, prepend=False) & beyond)
        raised = int(number[-1]) if len(number) else 0
        touching = len(np.unique(number[beyond & near]))
        events.append(Rates(raised, touching, len(peaks), int((peaks >= threshold).sum())))
    return rows, events


def _and_after(marked: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Labelled rows and the one after each stretch."""
    after = marked.copy()
    after[1:] |= marked[:-1]
    return after
