"""Whether a model still fits: the residual's mean and spread week by week, held against training.

Owns what counts as drift, and which input moved with it. A fault lasts hours; drift is what whole weeks have in common.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

import windrow as wr
from windrow.model.file import described

__all__ = ["MOVED", "SPREAD", "drifts"]

#: A week has drifted where its mean residual is further off than this, in RMSE, ...
MOVED = 1.0
#: ... or its spread is so many times the RMSE.
SPREAD = 1.5
#: A week with fewer rows than this share of the fullest one says nothing.
FILLED = 0.25
WEEK = np.timedelta64(7, "D")


def drifts(model: wr.Model, table: Any) -> list[dict[str, Any]]:
    """Find the stretches of weeks in which a scored table drifted.

    Parameters
    ----------
    model : Model
        What predicted.
    table : pyarrow.Table
        Rows with `time`, the inputs, `residual` and `state`, as `score` gives them.

    Returns
    -------
    list of dict
        Events with `kind` "drift": `start`, `end`, `mean` and `spread` of the residual in RMSE, the `input` that moved
        most (in its own standard deviations, `moved`), and a `reason`.
    """
    times = table.column("time").to_numpy()
    residual = np.array(table.column("residual").to_numpy(), float) / model.rmse
    # What is in alarm is told as such; drift is what remains.
    calm = np.isfinite(residual) & (np.array(table.column("state").to_pylist()) != "alarm") & ~np.isnat(times)
    if not calm.any():
        return []
    first = times[calm].min()
    week = np.where(calm, (times - first) // WEEK, -1)
    rows = np.bincount(week[calm])
    found: list[dict[str, Any]] = []
    for at in np.flatnonzero(rows >= FILLED * rows.max()):
        mine = week == at
        mean, spread = float(residual[mine].mean()), float(residual[mine].std())
        if abs(mean) <= MOVED and spread <= SPREAD:
            continue
        start, end = first + at * WEEK, first + (at + 1) * WEEK
        if found and found[-1]["end"] == start:
            found[-1]["end"] = end
            continue
        name, moved = _mover(model, table, mine)
        found.append(
            {
                "kind": "drift",
                "start": start,
                "end": end,
                "mean": mean,
                "spread": spread,
                "input": name,
                "moved": moved,
                "reason": _reason(mean, spread, name, moved),
            }
        )
    for event in found:
        for name in ("start", "end"):
            event[name] = event[name].astype("M8[us]").item().replace(tzinfo=dt.UTC)
    return found


def _mover(model: wr.Model, table: Any, rows: Any) -> tuple[str | None, float]:
    """Find the input whose mean is furthest from training, in standard deviations of training."""
    best: tuple[str | None, float] = (None, 0.0)
    for name, was in described(model)["report"].get("inputs", {}).items():
        values = np.array(table.column(name).to_numpy(), float)[rows]
        values = values[np.isfinite(values)]
        if len(values) and was.get("std"):
            moved = (float(values.mean()) - was["mean"]) / was["std"]
            if abs(moved) > abs(best[1]):
                best = (name, moved)
    return best


def _reason(mean: float, spread: float, name: str | None, moved: float) -> str:
    off = (
        f"the residual is {mean:+.1f} RMSE off"
        if abs(mean) > MOVED
        else f"the residual's spread is {spread:.1f} RMSE"
    )
    if name is None or abs(moved) < 0.5:
        return f"{off} for a week; no input moved"
    return f"{off} for a week; {name} moved by {moved:+.1f} of its standard deviations"
