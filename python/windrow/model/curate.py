"""Which rows of a table a model is trained on: conditions, stretches of time, and windows instead of rows.

Owns the words of `--where`, `--between`, `--drop` and `--every`. Aggregation is the engine's.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

import windrow as wr
from windrow.config.problem import near
from windrow.errors import ConfigError, DataError
from windrow.model.training_data import is_text, need

__all__ = ["AGGREGATES", "aggregated", "kept", "times_of"]

#: What becomes of each number in a window.
AGGREGATES = ("mean", "min", "max", "last")
_WORDS = {
    "==": "equal",
    "!=": "not_equal",
    "<=": "less_equal",
    ">=": "greater_equal",
    "<": "less",
    ">": "greater",
}


def times_of(table: Any, time: str = "time") -> Any:
    """Read times as the engine does; NaT where there is none."""
    pa = need("pyarrow", "train")
    from windrow.model.training_data import draft

    one = {"name": "\N{SYMBOL FOR NULL}", "low": 0.0, "high": 0.0, "fill": 0.0}
    reader = draft(
        [one],
        [{"of": ["\N{SYMBOL FOR NULL}"]}],
        target="\N{SYMBOL FOR START OF TEXT}",
        time=time,
        by=[],
        time_unit="ns",
    )
    rows = table.select([time]).append_column("\N{SYMBOL FOR NULL}", pa.array(np.zeros(len(table))))
    return pa.table(reader.predict(rows)).column(time).to_numpy().astype("M8[ns]")


def kept(
    table: Any,
    *,
    where: Sequence[str] = (),
    between: str | None = None,
    drop: Sequence[str] = (),
    time: str = "time",
) -> Any:
    """Keep rows.

    Parameters
    ----------
    table : pyarrow.Table
        The rows.
    where : sequence of str
        Conditions that all must hold, as ``torque > 0`` or ``machine == m1``.
    between : str, optional
        ``START,END`` in ISO 8601: only rows from the one up to the other; either may be empty.
    drop : sequence of str
        Likewise, stretches that are left out.
    time : str
        The time column.

    Raises
    ------
    ConfigError
        A condition that can't be meant.
    DataError
        Nothing is left.
    """
    pa, pc = need("pyarrow", "train"), need("pyarrow.compute", "train")
    table = _plain(pa, table)
    rows = np.ones(len(table), bool)
    for condition in where:
        rows &= _holds(pa, pc, table, condition)
    if between is not None or drop:
        times = times_of(table, time)
        if between is not None:
            rows &= _within(times, between, "--between")
        for stretch in drop:
            rows &= ~_within(times, stretch, "--drop")
    if not rows.any():
        raise DataError("no row is left: `--where`, `--between` and `--drop` leave all of them out")
    return table.filter(pa.array(rows))


def _holds(pa: Any, pc: Any, table: Any, condition: str) -> Any:
    found = re.fullmatch(r"\s*(.+?)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*", condition)
    if not found:
        raise ConfigError(f'`--where` must be a condition such as "torque > 0", got "{condition}"')
    name, word, text = found.groups()
    if name not in table.column_names:
        raise ConfigError(
            f"`--where` must begin with a column, got {name!r}{near(name, table.column_names, quoted=True)}: there are "
            f"{', '.join(table.column_names)}"
        )
    column = table.column(name)
    value: Any = text.strip("'\"")
    if not pa.types.is_string(column.type):
        try:
            column, value = column.cast(pa.float64()), float(value)
        except (ValueError, pa.ArrowInvalid) as error:
            raise ConfigError(f"`--where` must compare {name!r} to a number, got {value!r}") from error
    held = getattr(pc, _WORDS[word])(column, pa.scalar(value))
    return np.asarray(pc.fill_null(held, False).to_numpy(), bool)


def _within(times: Any, stretch: str, option: str) -> Any:
    begin, comma, end = stretch.partition(",")
    if not comma:
        raise ConfigError(f'`{option}` must be two times, START,END, got "{stretch}"')
    rows = ~np.isnat(times)
    if begin.strip():
        rows &= times >= _time(begin, option)
    if end.strip():
        rows &= times < _time(end, option)
    return rows


def _plain(pa: Any, table: Any) -> Any:
    """Write all text alike: not every way that Arrow keeps it can be chosen from."""
    for at, name in enumerate(table.column_names):
        column = table.column(at)
        if is_text(pa, column) and not pa.types.is_string(column.type):
            table = table.set_column(at, name, column.cast(pa.string()))
    return table


def _time(text: str, option: str) -> np.datetime64:
    try:
        time = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ConfigError(f'`{option}` must hold times in ISO 8601, got "{text.strip()}"') from error
    if time.tzinfo is not None:
        time = time.astimezone(dt.UTC).replace(tzinfo=None)
    return np.datetime64(time, "ns")


def aggregated(table: Any, every: str, *, by: Sequence[str] = (), time: str = "time") -> Any:
    """Put windows in the place of rows: mean, min, max and last of each number, last of each text.

    A window's time is its end, when all of it is known.
    """
    pa = need("pyarrow", "train")
    table = _plain(pa, table)
    aggregates: dict[str, Any] = {}
    for name in table.column_names:
        if name == time or name in by:
            continue
        if pa.types.is_string(table.column(name).type):
            aggregates[name] = wr.last(name)
        else:
            aggregates |= {f"{name}_{word}": getattr(wr, word)(name) for word in AGGREGATES}
    windows = wr.TumblingWindows(every=every, aggregates=aggregates, by=list(by) or None, time=time)
    order = pa.array(np.argsort(times_of(table, time), kind="stable"))
    windows.push(table.take(order))
    out = pa.table(windows.flush())
    return out.select([*by, "window_end", *aggregates]).rename_columns([*by, time, *aggregates])
