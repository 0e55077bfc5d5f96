"""The rows that a model is trained on: columns found, checked, and put in order of time.

Owns what is refused (a column that isn't there, text where numbers are wanted, too few rows, a target that never
changes) and what is left out and said: rows without a time, values that are no numbers. Times and keys are read by the
engine, as they will be when the model is at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from windrow.config.problem import near
from windrow.errors import ConfigError, DataError, WindrowError
from windrow.model.file import sealed

__all__ = ["Training", "read"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]

#: So many rows with a target are needed at least: five blocks, each with something to learn from.
FEWEST = 50
#: A text input may have so many different values.
MOST_TEXTS = 32
#: Larger values count as missing, as in the engine.
LARGEST = 1e100


@dataclass
class Training:
    """Rows in order of machine, then time.

    Attributes
    ----------
    table : pyarrow.Table
        Key columns, time and inputs.
    inputs : list of dict
        As the model's file describes them.
    target : ndarray of float64
        NaN where it is missing.
    time : ndarray of int64
        Nanoseconds since the epoch.
    machine : ndarray of int64
        Numbers of the keys.
    step : int
        The median time from row to row in nanoseconds.
    notes : list of str
        What was left out, or put in order.
    """

    table: Any
    name: str
    by: list[str]
    time_name: str
    time_unit: str
    inputs: list[dict[str, Any]]
    target: Floats
    time: Integers
    machine: Integers
    step: int
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Rows."""
        return len(self.target)

    def texts(self) -> list[dict[str, Any]]:
        """List inputs that hold text."""
        return [one for one in self.inputs if one.get("values") is not None]

    def numbers(self) -> list[str]:
        """Name the inputs that hold numbers."""
        return [one["name"] for one in self.inputs if one.get("values") is None]


def need(module: str, extra: str) -> Any:
    """Import what an extra brings, or say which."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise WindrowError(
            f"this needs {module.partition('.')[0]}: pip install 'windrow[{extra}]'"
        ) from error


def read(
    table: Any, target: str, inputs: Sequence[str], time: str, by: Sequence[str], time_unit: str
) -> Training:
    """Read a table.

    Raises
    ------
    ConfigError
        A column isn't there, or is named twice.
    DataError
        A column of the wrong type, too few rows, a target that never changes.
    """
    pa = need("pyarrow", "train")
    try:
        table = pa.table(table)
    except (TypeError, ValueError, pa.ArrowInvalid) as error:
        raise DataError(f"`table` must be a table or a dict of arrays: {error}") from error
    names = [target, *inputs, time, *by]
    for argument, wanted in (("target", [target]), ("inputs", inputs), ("time", [time]), ("by", by)):
        for name in wanted:
            if name not in table.column_names:
                raise ConfigError(
                    f"`{argument}` must name a column, got {name!r}{near(name, table.column_names, quoted=True)}: "
                    f"there are {', '.join(table.column_names)}"
                )
            if names.count(name) > 1:
                raise ConfigError(
                    f"`target`, `inputs`, `time` and `by` must be different columns, got {name!r} twice"
                )
    if not inputs:
        raise ConfigError("`inputs` must name at least one column, got none")
    if len(table) < FEWEST:
        raise DataError(
            f"`table` must have at least {FEWEST} rows with a target and a time, got {len(table)}"
        )
    notes: list[str] = []
    wanted = table.select(names)
    goal = _numbers(pa, wanted.column(target), target, notes)
    described = [_input(pa, wanted.column(name), name, notes) for name in inputs]
    keyed = _keyed(wanted.select([*inputs, time, *by]), described, time, by, time_unit)
    timed = ~np.isnat(keyed.time)
    if not timed.all():
        notes.append(f"{int((~timed).sum()):,} rows without a readable time were left out")
    ns = keyed.time.astype("M8[ns]").astype(np.int64)
    order = np.flatnonzero(timed)
    order = order[np.lexsort((ns[order], keyed.machine[order]))]
    if (np.diff(order) < 0).any() and not _is_in_order(ns[timed], keyed.machine[timed]):
        notes.append("rows were not in order of time: they were sorted")
    known = int(np.isfinite(goal[order]).sum())
    if known == 0:
        raise DataError(f"`target` must hold numbers, got {target!r} without any")
    if known < FEWEST:
        raise DataError(f"`table` must have at least {FEWEST} rows with a target and a time, got {known}")
    if np.ptp(goal[order][np.isfinite(goal[order])]) == 0:
        raise DataError(f"`target` must change, got {target!r} with the same value in all rows")
    steps = np.diff(ns[order])[np.diff(keyed.machine[order]) == 0]
    steps = steps[steps > 0]
    if not len(steps):
        raise DataError(f"`time` must increase within a machine, got {time!r} with one time only")
    return Training(
        table=wanted.select([*by, time, *inputs]).take(pa.array(order)),
        name=target,
        by=list(by),
        time_name=time,
        time_unit=time_unit,
        inputs=described,
        target=goal[order],
        time=ns[order],
        machine=keyed.machine[order],
        step=int(np.median(steps)),
        notes=notes,
    )


@dataclass(frozen=True)
class _Keyed:
    time: Any
    machine: Integers


def _keyed(table: Any, inputs: list[dict[str, Any]], time: str, by: Sequence[str], time_unit: str) -> _Keyed:
    """Have the engine read times and keys, by the plainest model there is."""
    pa = need("pyarrow", "train")
    one = inputs[0]
    feature = {"of": [one["name"]]} | ({"is": one["values"][0]} if one.get("values") else {})
    plain = draft(inputs, [feature], target="\N{NULL}", time=time, by=by, time_unit=time_unit)
    out = pa.table(plain.predict(table))
    machine = np.zeros(len(out), np.int64)
    if by:
        keys = out.select(list(by)).to_pylist()
        numbered: dict[tuple[Any, ...], int] = {}
        machine = np.array(
            [numbered.setdefault(tuple(key.values()), len(numbered)) for key in keys], dtype=np.int64
        )
    return _Keyed(out.column(time).to_numpy(), machine)


def draft(
    inputs: list[dict[str, Any]],
    features: list[dict[str, Any]],
    *,
    target: str,
    time: str,
    by: Sequence[str],
    time_unit: str,
    step: int = 1,
    hold: int = 10,
) -> Any:
    """Make a model that predicts nothing and is asked for its features only."""
    return sealed(
        {
            "target": target,
            "time": time,
            "time_unit": time_unit,
            "by": list(by),
            "inputs": inputs,
            "step": f"{step}ns",
            "hold": f"{hold}ns",
            "features": features,
            "predictor": {
                "kind": "ridge",
                "intercept": 0.0,
                "coefficients": [0.0] * len(features),
                "mean": [0.0] * len(features),
                "scale": [1.0] * len(features),
            },
            "rmse": 1.0,
            "watch": {"threshold": 3.0, "smooth": 1, "breaches": 1, "of": 1},
            "made": {},
            "data": {},
            "report": {},
        }
    )


def _is_in_order(time: Integers, machine: Integers) -> bool:
    """Whether times never fall within a machine, whatever lies between."""
    order = np.argsort(machine, kind="stable")
    return bool((np.diff(time[order])[np.diff(machine[order]) == 0] >= 0).all())


def is_text(pa: Any, column: Any) -> bool:
    """Tell whether a column holds text, in whatever way Arrow keeps it."""
    kind = column.type
    while pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _numbers(pa: Any, column: Any, name: str, notes: list[str]) -> Floats:
    if is_text(pa, column):
        raise DataError(f"column {name!r} must hold numbers, got text such as {_first(column)!r}")
    try:
        values = column.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"column {name!r} must hold numbers, got {column.type}") from error
    found: Floats = np.array(values.to_numpy(), float)
    # Null, NaN and infinite are all missing to the engine.
    wild = np.isinf(found) | (np.abs(found) > LARGEST)
    if wild.any():
        notes.append(
            f"{int(wild.sum()):,} values of {name!r} are infinite or beyond 1e100: they count as missing"
        )
        found[wild] = np.nan
    return found


def _input(pa: Any, column: Any, name: str, notes: list[str]) -> dict[str, Any]:
    """Describe an input as the model's file does."""
    if is_text(pa, column):
        texts = sorted({text for text in column.to_pylist() if text is not None})
        if not texts:
            raise DataError(f"column {name!r} must hold something, got nulls only")
        if len(texts) > MOST_TEXTS:
            raise DataError(
                f"column {name!r} must hold numbers, or at most {MOST_TEXTS} different texts, got "
                f"{len(texts):,}, such as {texts[-1]!r}"
            )
        return {"name": name, "values": texts}
    values = _numbers(pa, column, name, notes)
    values = values[np.isfinite(values)]
    if not len(values):
        raise DataError(f"column {name!r} must hold numbers, got none")
    low, high, middle = float(values.min()), float(values.max()), float(np.median(values))
    return {"name": name, "low": low, "high": high, "fill": middle}


def _first(column: Any) -> Any:
    return next((value for value in column.to_pylist() if value is not None), None)
