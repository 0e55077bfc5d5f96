"""Groups, the obvious way: all anomalies at hand, sorted, cut where two windows don't touch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log
from typing import Any

Row = dict[str, Any]


def groups(anomalies: Sequence[Row], by: Sequence[str], every: Any) -> list[Row]:
    """Group rows in alarm by measure (and level); `every` is the length of a window."""
    found = []
    for scope in sorted({(row["measure"], row.get("level", 0)) for row in anomalies}):
        rows = sorted(
            (row for row in anomalies if (row["measure"], row.get("level", 0)) == scope),
            key=lambda row: row["time"],
        )
        cuts = [at for at, (a, b) in enumerate(pairwise(rows), 1) if b["time"] - a["time"] > every]
        for first, last in pairwise([0, *cuts, len(rows)]):
            found.append(group(rows[first:last], by, every) | {"measure": scope[0], "level": scope[1]})
    return sorted(found, key=lambda one: (one["start"], one["measure"]))


def group(rows: Sequence[Row], by: Sequence[str], every: Any) -> Row:
    """One group of rows that belong together."""
    peaks: dict[tuple[Any, ...], Row] = {}
    for row in rows:  # by time: of equally severe ones the first stays
        key = tuple(row[name] for name in by)
        if key not in peaks or rank(row) > rank(peaks[key]):
            peaks[key] = row
    worst = max(map(rank, peaks.values()))
    return {
        "start": min(row["time"] for row in rows),
        "end": max(row["time"] for row in rows) + every,
        "severity": None if worst < 0 else min(worst + 30 * log(len(peaks)) / log(365 / 30), 100.0),
        "series": {key: row["time"] for key, row in peaks.items()},
        "shares": {name: shares(peaks.values(), name) for name in by},
    }


def rank(row: Row) -> float:
    """Order by severity; without one last."""
    return -1.0 if row["severity"] is None else float(row["severity"])


def distance(row: Row) -> float:
    """How far from its expectation."""
    if row["observed"] is None or row["expected"] is None:
        return 0.0
    return abs(float(row["observed"]) - float(row["expected"]))


def shares(peaks: Any, name: str) -> dict[Any, float]:
    """Each value's part of all distances, in percent."""
    sums: dict[Any, float] = {}
    for row in peaks:
        sums[row[name]] = sums.get(row[name], 0.0) + distance(row)
    total = sum(sums.values())
    return {value: 100 * part / total if total else 100 / len(sums) for value, part in sums.items()}
