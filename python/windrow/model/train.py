"""`train`: from a table of normal running to a model.

Owns the order of things: rows are read, candidates tried, the best fitted on everything, and what it came to is put
into the model's own report.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

import windrow as wr
from windrow.errors import ConfigError, DataError
from windrow.model.assessment import WATCH, errors, impacts, sample, skills, thresholds
from windrow.model.choose import SAMPLE, Candidate, Search
from windrow.model.features import shown
from windrow.model.file import described as described_model
from windrow.model.file import sealed
from windrow.model.fit import described, regressor
from windrow.model.training_data import FEWEST, Training, need, read

__all__ = ["train"]

#: How long an input's value stands for what comes after it, in usual steps.
HOLD = 10
#: Rows x inputs from which several threads are worth it.
SMALL = 1_000_000
METHODS = {"auto": ("ridge", "trees"), "ridge": ("ridge",), "trees": ("trees",)}


def train(
    table: Any,
    *,
    target: str | None = None,
    inputs: str | Sequence[str] | None = None,
    time: str = "time",
    by: str | Sequence[str] | None = None,
    method: str = "auto",
    seed: int = 0,
    time_unit: str = "ns",
    progress: Callable[[Candidate], None] | None = None,
    like: wr.Model | None = None,
) -> wr.Model:
    """Train a model of normal running: what the target should be, given the inputs and their past.

    Ridge regression and gradient-boosted trees are tried on the inputs, on exponentially weighted means and rates of
    them over several time constants, and on products of pairs; the simplest of those that predict best in blocked
    cross-validation is fitted on all rows. Needs scikit-learn: ``pip install 'windrow[train]'``; the model doesn't.

    Parameters
    ----------
    table : Arrow table or mapping of str to array
        Rows of normal running; anything with the Arrow PyCapsule interface, or columns by name.
    target : str
        The column to predict.
    inputs : str or list of str
        The columns to predict it from: numbers, or texts of at most 32 different values.
    time : str
        The time column.
    by : str or list of str, optional
        Key columns: each of their values is a machine with a history of its own.
    method : {"auto", "ridge", "trees"}
        What is fitted; whichever predicts better unless given.
    seed : int
        The same seed and rows give the same model.
    time_unit : {"ns", "us", "ms", "s"}
        The unit of integer times.
    progress : callable, optional
        Called with each candidate that was tried: its `name` and `rmse`.
    like : Model, optional
        Continue this one: its target, inputs and features, fitted anew on these rows, without a search. Its errors on
        them are in the report, as ``before``.

    Returns
    -------
    Model
        With its `report`.

    Raises
    ------
    ConfigError
        An argument can't be meant: a column isn't there, ...
    DataError
        A column of the wrong type, too few rows, a target that never changes.

    Examples
    --------
    >>> import windrow as wr
    >>> normal = wr.simulate.motor(days=3, healthy=True).columns()
    >>> inputs = ["motor_speed", "torque", "ambient_temperature"]
    >>> model = wr.train(normal, target="bearing_temperature", inputs=inputs, by="machine")
    >>> sorted(model.report["impact_percent"]) == sorted(inputs)
    True
    """
    if like is not None:
        if not isinstance(like, wr.Model):
            raise ConfigError(f"`like` must be a Model, got {like!r}")
        target, inputs, by = like.target, list(like.inputs), list(like.by)
    inputs, by = _names(inputs, "inputs"), _names(by or [], "by")
    for name, value in (("target", target), ("time", time)):
        if not isinstance(value, str):
            raise ConfigError(f"`{name}` must be a name, got {value!r}")
    assert isinstance(target, str)
    if method not in METHODS:
        raise ConfigError(f'`method` must be "auto", "ridge" or "trees", got {method!r}')
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ConfigError(f"`seed` must be a whole number from 0 to 4294967295, got {seed!r}")
    need("sklearn", "train")
    data = read(table, target, inputs, time, by, time_unit)
    search = Search(data, hold=HOLD * data.step, seed=seed, progress=progress)
    if len(search.target) < FEWEST:
        raise DataError(f"`table` must have more rows whose history is known, got {len(search.target)}")
    # Several threads that wait for each other cost small tables more than they give.
    small = len(search.target) * len(inputs) < SMALL
    with need("threadpoolctl", "train").threadpool_limits(1 if small else None):
        if like is not None:
            best = search.again(described_model(like))
            return _finished(data, search, best, [best], seed, like)
        kinds = METHODS[method]
        if len(search.target) > SAMPLE:
            sample, kinds = search.preview(kinds)
            if progress is not None:
                progress(replace(sample, name=f"preview on a sample, {sample.name}"))
        best, tried = search.best(kinds)
        return _finished(data, search, best, tried, seed)


def _finished(
    data: Training,
    search: Search,
    best: Candidate,
    tried: list[Candidate],
    seed: int,
    before: wr.Model | None = None,
) -> wr.Model:
    """Fit on all rows, and write down what that is worth."""
    matrix = search.matrix(best.features)
    fitted = regressor(best.kind, seed, **best.options).fit(matrix, search.target)
    rmse = best.rmse
    if not rmse > 0:
        # A target that is a column again has no error; its residuals still need a unit.
        rmse = max(float(np.ptp(search.target)) * 1e-9, float(np.finfo(float).tiny))
    model: dict[str, Any] = {
        "target": data.name,
        "time": data.time_name,
        "time_unit": data.time_unit,
        "by": data.by,
        "inputs": _ranged(data, search.rows),
        "step": shown(data.step),
        "hold": shown(search.hold),
        "features": best.features,
        "predictor": described(fitted),
        "rmse": rmse,
        "watch": WATCH,
        "made": _made(),
        "data": _fingerprint(data, search.rows),
        "report": {},
    }
    model["report"] = {
        "method": best.name,
        "candidates": [{"name": one.name, "features": len(one.features), "rmse": one.rmse} for one in tried],
        "cross_validation": errors(search.target, best.predicted),
        "training": errors(search.target, np.asarray(fitted.predict(matrix), float)),
        "skill": skills(search.target, data.machine[search.rows], rmse),
        "impact_percent": impacts(sealed(model), data, seed),
        "thresholds": thresholds(data, search.rows, best.predicted, rmse, WATCH),
        "suggested_threshold": WATCH["threshold"] * rmse,
        "sample": sample(search.target, best.predicted, data.time[search.rows]),
        "notes": data.notes,
    }
    if before is not None:
        predicted = need("pyarrow", "train").table(before.predict(data.table)).column("predicted").to_numpy()
        model["report"]["before"] = errors(search.target, np.asarray(predicted, float)[search.rows])
    return sealed(model)


def _ranged(data: Training, rows: Any) -> list[dict[str, Any]]:
    """Give inputs with what they were in the rows that were used, missing values apart."""
    ranged = []
    for one in data.inputs:
        values = np.array([])
        if one.get("values") is None:
            values = np.asarray(data.table.column(one["name"]).to_numpy(), float)[rows]
            values = values[np.isfinite(values)]
        if len(values):
            # Drift is told by the mean and the spread, extrapolation by the range.
            one = one | {
                "low": float(values.min()),
                "high": float(values.max()),
                "mean": float(values.mean()),
                "std": float(values.std()),
            }
        ranged.append(one)
    return ranged


def _made() -> dict[str, str]:
    return {
        "windrow": wr.__version__,
        "scikit-learn": need("sklearn", "train").__version__,
        "numpy": np.__version__,
    }


def _fingerprint(data: Training, rows: Any) -> dict[str, Any]:
    """Tell what the model was trained on, so that one can tell whether it was this."""
    digest = hashlib.sha256()
    for values in (data.time, data.machine, data.target):
        digest.update(np.ascontiguousarray(values).tobytes())
    for one in data.inputs:
        digest.update(repr(data.table.column(one["name"]).to_pylist()).encode())
    begin, end = (
        dt.datetime.fromtimestamp(int(at) / 1e9, dt.UTC).isoformat()
        for at in (data.time.min(), data.time.max())
    )
    return {
        "rows": len(data),
        "used": int(rows.sum()),
        "machines": int(data.machine.max()) + 1,
        "from": begin,
        "to": end,
        "sha256": digest.hexdigest(),
    }


def _names(names: Any, argument: str) -> list[str]:
    if isinstance(names, str):
        return [names]
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"`{argument}` must be a name or a list of names, got {names!r}")
    return list(names)
