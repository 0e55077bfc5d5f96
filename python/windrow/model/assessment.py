"""How good a model is, as data: honest errors, what each column matters, which thresholds suit.

Owns the figures of a model's report. Errors are those of blocked cross-validation; training errors stand beside them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import windrow as wr
from windrow.model.training_data import Training, need

__all__ = ["WATCH", "errors", "impacts", "sample", "skills", "thresholds"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

#: How residuals are watched unless someone says otherwise: a rolling mean of 12 rows, 15 of 20 beyond 3 RMSE.
WATCH: dict[str, Any] = {"threshold": 3.0, "smooth": 12, "breaches": 15, "of": 20}
#: Thresholds that a report shows, in RMSE.
SUGGESTED = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
#: Rows of the sample in a report.
SHOWN = 600
#: Rows that an impact is measured on at most.
MOST = 50_000


def sample(target: Floats, predicted: Floats, time: Any) -> dict[str, list[float]]:
    """Choose rows evenly, with their predictions by cross-validation, for pictures."""
    known = np.flatnonzero(np.isfinite(predicted))
    rows = known[np.unique(np.linspace(0, len(known) - 1, SHOWN).astype(int))] if len(known) else known

    def short(values: Any) -> list[float]:
        return [float(f"{value:.6g}") for value in values]

    return {
        "time": [int(at // 10**9) for at in time[rows]],
        "actual": short(target[rows]),
        "predicted": short(predicted[rows]),
    }


def errors(target: Floats, predicted: Floats) -> dict[str, float | None]:
    """RMSE, MAE, MAPE (in percent, of targets other than 0) and R2 of rows that have both."""
    both = np.isfinite(target) & np.isfinite(predicted)
    if not both.any():
        return {"rmse": None, "mae": None, "mape": None, "r2": None, "rows": 0}
    target, off = target[both], predicted[both] - target[both]
    spread = float(((target - target.mean()) ** 2).sum())
    some = target != 0
    return {
        "rmse": float(np.sqrt((off**2).mean())),
        "mae": float(np.abs(off).mean()),
        "mape": float(100 * np.abs(off[some] / target[some]).mean()) if some.any() else None,
        "r2": float(1 - (off**2).sum() / spread) if spread else None,
        "rows": int(both.sum()),
    }


def skills(target: Floats, machine: Any, rmse: float) -> dict[str, float | None]:
    """How much of the error of two simple predictions is gone: 1 is all of it, below 0 there is more."""
    off = np.diff(target)[np.diff(machine) == 0]
    off = off[np.isfinite(off)]
    last = float(np.sqrt((off**2).mean())) if len(off) else 0.0
    mean = float(np.nanstd(target))
    return {
        "last_value": 1 - rmse / last if last else None,
        "mean": 1 - rmse / mean if mean else None,
    }


def impacts(model: wr.Model, data: Training, seed: int) -> dict[str, float]:
    """How much worse predictions get when a column is shuffled, in percent of all columns' worsening."""
    pa = need("pyarrow", "train")
    random = np.random.default_rng(seed)
    table, target = data.table.slice(0, MOST), data.target[:MOST]

    def square(rows: Any) -> float:
        predicted = np.asarray(pa.table(model.predict(rows)).column("predicted").to_numpy(), float)
        return float(np.nanmean((predicted - target) ** 2))

    base = square(table)
    worse = {}
    for name in model.inputs:
        at = table.column_names.index(name)
        shuffled = table.column(name).take(pa.array(random.permutation(len(table))))
        worse[name] = max(square(table.set_column(at, name, shuffled)) - base, 0.0)
    total = sum(worse.values())
    return {name: 100 * value / total if total else 0.0 for name, value in worse.items()}


def thresholds(
    data: Training, rows: Any, predicted: Floats, rmse: float, watch: dict[str, Any]
) -> list[dict[str, float]]:
    """How many events each threshold would have raised on what the model was trained on."""
    pa = need("pyarrow", "train")
    table = data.table.filter(pa.array(rows)).select([*data.by, data.time_name])
    table = table.append_column("observed", pa.array(data.target[rows]))
    table = table.append_column("predicted", pa.array(predicted, from_pandas=True))
    beyond = np.abs(data.target[rows] - predicted) / rmse
    found = []
    for threshold in sorted({*SUGGESTED, float(watch["threshold"])}):
        detector = wr.Detector(
            "residual", measures="observed", predicted="predicted", by=data.by, time=data.time_name,
            time_unit=data.time_unit, rmse=rmse, smooth=watch["smooth"],
            alarm=wr.Alarm(threshold=threshold, breaches=watch["breaches"], of=watch["of"]),
        )  # fmt: skip
        detector.push(table)
        events = {event["id"] for event in detector.events()}
        found.append(
            {
                "rmse": threshold,
                "value": threshold * rmse,
                "rows_beyond_percent": float(100 * np.nanmean(beyond > threshold)),
                "past_events": len(events),
            }
        )
    return found
