"""Batches of a detector, or of windows alone, taken apart into series, as a report draws them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

__all__ = ["Series", "series_of", "windows_of"]

#: More points than this in one plot are thinned, keeping the ones farthest from their expectation.
MOST_POINTS = 20_000


@dataclass
class Series:
    """One measure of one key over time, as columns.

    Attributes
    ----------
    key : dict of str to value
        The key columns.
    measure : str
        The measure's name.
    time : ndarray of float64
        Milliseconds since the epoch, which is what Plotly takes for a date.
    observed, expected, lower, upper, score, severity : ndarray of float64
        NaN where there is none.
    state : ndarray of str
        The alarm's state after each point.
    events : list of dict
        Its events.
    place : ndarray of int
        Which of all verdicts each is.
    """

    key: dict[str, Any]
    measure: str
    time: np.ndarray[Any, Any]
    observed: np.ndarray[Any, Any]
    expected: np.ndarray[Any, Any]
    lower: np.ndarray[Any, Any]
    upper: np.ndarray[Any, Any]
    score: np.ndarray[Any, Any]
    severity: np.ndarray[Any, Any]
    state: np.ndarray[Any, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    place: np.ndarray[Any, Any] = field(default_factory=lambda: np.array([], "int64"))

    @property
    def name(self) -> str:
        """`cars, north`."""
        return ", ".join([self.measure, *(str(value) for value in self.key.values())])

    @property
    def worst(self) -> float:
        """How bad its worst event is; 0 of an event that doesn't say, -1 without events."""
        return max((event.get("weight", event["severity"]) or 0.0 for event in self.events), default=-1.0)

    def thinned(self, most: int = MOST_POINTS) -> Series:
        """Keep at most so many points: of each stretch the one farthest from its expectation."""
        rows = len(self.time)
        if rows <= most:
            return self
        away = np.nan_to_num(
            np.abs(self.observed - np.where(np.isnan(self.expected), 0, self.expected)), nan=-1.0
        )
        edges = np.linspace(0, rows, most + 1).astype(int)[:-1]
        stretch = np.searchsorted(edges, np.arange(rows), side="right") - 1
        order = np.lexsort((-away, stretch))
        keep = np.sort(order[np.flatnonzero(np.diff(stretch[order], prepend=-1))])
        columns = ("time", "observed", "expected", "lower", "upper", "score", "severity", "state")
        return replace(self, **{name: getattr(self, name)[keep] for name in columns})


def series_of(verdicts: Iterable[Any], events: Iterable[dict[str, Any]], by: Sequence[str]) -> list[Series]:
    """Take a detector's batches apart into series, those with the worst events first."""
    names = ("time", "measure", "observed", "expected", "lower", "upper", "score", "severity", "state")
    columns: dict[str, list[Any]] = {name: [] for name in (*by, *names)}
    for batch in verdicts:
        for name, values in batch.to_pydict().items():
            if name in columns:
                columns[name] += values
    rows: dict[tuple[Any, ...], list[int]] = {}
    keys = zip(*(columns[name] for name in (*by, "measure")), strict=True)
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    figures = ("observed", "expected", "lower", "upper", "score", "severity")
    numbers = {name: np.array(columns[name], float) for name in figures}
    times = np.array([np.nan if at is None else at.timestamp() * 1000 for at in columns["time"]], float)
    states = np.array([state or "" for state in columns["state"]], str)
    made = {
        key: Series(
            dict(zip(by, key, strict=False)),
            key[-1],
            times[at],
            observed=numbers["observed"][at],
            expected=numbers["expected"][at],
            lower=numbers["lower"][at],
            upper=numbers["upper"][at],
            score=numbers["score"][at],
            severity=numbers["severity"][at],
            state=states[at],
            place=np.array(at, "int64"),
        )
        for key, at in rows.items()
    }
    for event in events:
        one = made.get((*(event[name] for name in by), event["measure"]))
        if one is not None:
            one.events.append(event)
    return sorted(made.values(), key=lambda one: (-one.worst, one.name))


def windows_of(batches: Iterable[Any], by: Sequence[str], measures: Sequence[str]) -> list[Series]:
    """Take drained windows apart into series of each measure that holds numbers; nothing was expected of them."""
    newest: dict[tuple[Any, ...], dict[Any, dict[str, Any]]] = {}
    for row in itertools.chain.from_iterable(batches):
        # A coarser key's row has nulls in the columns that it leaves out.
        key = tuple((name, row[name]) for name in by if not row.get("level") or row[name] is not None)
        # A later revision takes the place of an earlier one.
        newest.setdefault((row.get("level", 0), key), {})[row["window_start"]] = row
    made = []
    for (_, key), windows in newest.items():
        rows = [windows[time] for time in sorted(windows)]
        # The last window lasts to its end as well.
        times = [row["window_start"] for row in rows] + [rows[-1]["window_end"]]
        for measure in measures:
            values = [row[measure] for row in (*rows, rows[-1])]
            if not all(value is None or isinstance(value, int | float) for value in values):
                continue
            unknown = np.full(len(times), np.nan)
            made.append(
                Series(
                    dict(key),
                    measure,
                    np.array([time.timestamp() * 1000 for time in times]),
                    observed=np.array(values, float),
                    expected=unknown,
                    lower=unknown,
                    upper=unknown,
                    score=unknown,
                    severity=unknown,
                    state=np.full(len(times), ""),
                )
            )
    return sorted(made, key=lambda one: (len(one.key), one.name))
