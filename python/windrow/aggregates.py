"""The aggregates of tumbling windows: what each output column computes, of which rows.

Every function here only describes; `TumblingWindows` computes. ``where`` keeps the rows whose columns hold the given
values: ``where={"class": "car"}`` or ``where={"class": ["car", "bus"]}``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from windrow.errors import ConfigError

__all__ = [
    "Aggregate",
    "count",
    "distinct",
    "first",
    "last",
    "max",
    "mean",
    "min",
    "quantile",
    "std",
    "sum",
    "var",
]

Value: TypeAlias = str | int | float | bool | None
Where: TypeAlias = Mapping[str, Value | Sequence[Value]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Aggregate:
    """One output column of `TumblingWindows`; made by the functions of this module."""

    function: str
    columns: tuple[str, ...] = ()
    where: Where = field(default_factory=dict)
    q: float | None = None
    min_hits: int = 1
    count_on: str = "every"
    retain: str | dt.timedelta = "1h"

    def __repr__(self) -> str:
        arguments = (
            [repr(self.columns[0]) if len(self.columns) == 1 else repr(list(self.columns))]
            if self.columns
            else []
        )
        if self.q is not None:
            arguments.append(repr(self.q))
        if self.min_hits != 1:
            arguments.append(f"min_hits={self.min_hits}")
        if self.count_on != "every":
            arguments.append(f"count_on={self.count_on!r}, retain={self.retain!r}")
        if self.where:
            arguments.append(f"where={dict(self.where)!r}")
        return f"{self.function}({', '.join(arguments)})"


def _one(function: str, column: str, where: Where | None) -> Aggregate:
    if not isinstance(column, str):
        raise ConfigError(f"`column` must be a column's name, got {column!r}")
    return Aggregate(function=function, columns=(column,), where=_mapping(where))


def _mapping(where: Where | None) -> Where:
    """Check the kind of `where`; what is in it is the engine's affair."""
    if where is not None and not isinstance(where, Mapping):
        raise ConfigError(f"`where` must be a mapping of columns to values, got {where!r}")
    return where or {}


def count(column: str | None = None, *, where: Where | None = None) -> Aggregate:
    """Count rows, or a column's values that are neither null nor NaN.

    Parameters
    ----------
    column : str, optional
        The column whose values count; all rows without.
    where : mapping, optional
        Columns and the values they must hold.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.count(where={"class": "car"})
    count(where={'class': 'car'})
    """
    if column is None:
        return Aggregate(function="count", where=_mapping(where))
    return _one("count", column, where)


def sum(column: str, *, where: Where | None = None) -> Aggregate:
    """Sum a column; null of no values.

    Integers are summed in 128 bits; a sum beyond 64 bits is null and counted in ``stats["overflow"]``.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.sum("axles")
    sum('axles')
    """
    return _one("sum", column, where)


def mean(column: str, *, where: Where | None = None) -> Aggregate:
    """Average a column; null of no values.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.mean("speed")
    mean('speed')
    """
    return _one("mean", column, where)


def min(column: str, *, where: Where | None = None) -> Aggregate:
    """Least value of a column, in its type; null of no values.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.min("speed")
    min('speed')
    """
    return _one("min", column, where)


def max(column: str, *, where: Where | None = None) -> Aggregate:
    """Greatest value of a column, in its type; null of no values.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.max("speed")
    max('speed')
    """
    return _one("max", column, where)


def std(column: str, *, where: Where | None = None) -> Aggregate:
    """Sample standard deviation (ddof 1); null of fewer than two values.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.std("speed")
    std('speed')
    """
    return _one("std", column, where)


def var(column: str, *, where: Where | None = None) -> Aggregate:
    """Sample variance (ddof 1); null of fewer than two values.

    Deviations are summed from a pivot and merged by the formula of Chan, Golub and LeVeque (1979), so large offsets
    don't cancel.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.var("speed")
    var('speed')
    """
    return _one("var", column, where)


def first(column: str, *, where: Where | None = None) -> Aggregate:
    """Value of the earliest row by event time, of several the one that came first.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.first("phase")
    first('phase')
    """
    return _one("first", column, where)


def last(column: str, *, where: Where | None = None) -> Aggregate:
    """Value of the latest row by event time, of several the one that came last.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.last("phase")
    last('phase')
    """
    return _one("last", column, where)


def distinct(
    columns: str | Sequence[str],
    *,
    where: Where | None = None,
    min_hits: int = 1,
    count_on: str = "every",
    retain: str | dt.timedelta = "1h",
) -> Aggregate:
    """Count different values of a column, or different tuples of several.

    Exact up to 1,024 values a series and window; beyond, a HyperLogLog of 4,096 registers (Apache DataSketches), whose
    standard error is 1.6 %. A tuple with a null in it doesn't count.

    Parameters
    ----------
    columns : str or sequence of str
        What is compared: a tracker's id, or its camera and id.
    where : mapping, optional
        Columns and the values they must hold.
    min_hits : int, default 1
        Rows that a value needs to count; leaves out what flickers.
    count_on : {"every", "first"}, default "every"
        ``"first"`` counts a value only in the window in which it was first seen, in the order of arrival.
    retain : str or datetime.timedelta, default "1h"
        With ``count_on="first"``: event time without a value after which it is forgotten.

    Raises
    ------
    ConfigError
        An argument can't be meant.

    Notes
    -----
    Ids in the column ``track`` that are one object by a tracker's messages (`TumblingWindows.push_messages`) count
    once, whichever comes first: the rename, the old id or the new one. Their hits add up; with ``count_on="first"``
    the object counts where it was first seen. What has fired stays. A rename is remembered from the object's last
    sighting for the longest ``retain``, at least an hour, of at most 65,536 objects with eight ids each; rows that
    come after it carry the oldest id. An id stands for one object of its ``camera`` where that is in ``by``, among
    the columns or fixed by ``where``; else ids are compared alone.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.distinct("track", where={"class": "car"}, min_hits=3)
    distinct('track', min_hits=3, where={'class': 'car'})
    """
    names = (
        (columns,) if isinstance(columns, str) else tuple(columns) if isinstance(columns, Iterable) else ()
    )
    if not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"`columns` must be a column's name or several, got {columns!r}")
    if isinstance(min_hits, bool) or not isinstance(min_hits, int) or min_hits < 1:
        raise ConfigError(f"`min_hits` must be at least 1, got {min_hits!r}")
    if count_on not in ("every", "first"):
        raise ConfigError(f'`count_on` must be "every" or "first", got {count_on!r}')
    if not isinstance(retain, str | dt.timedelta):
        raise ConfigError(f'`retain` must be a duration such as "1h" or a timedelta, got {retain!r}')
    return Aggregate(
        function="distinct",
        columns=names,
        where=_mapping(where),
        min_hits=min_hits,
        count_on=count_on,
        retain=retain,
    )


def quantile(column: str, q: float, *, where: Where | None = None) -> Aggregate:
    """Quantile of a column, within 1 % of the value of rank ``floor(q * (n - 1))``, whatever the order of rows.

    A DDSketch (Masson, Rim and Lee, 2019) for each band of magnitudes, so that extremes don't spoil the rest.

    Parameters
    ----------
    column : str
        The column.
    q : float
        Between 0 and 1.
    where : mapping, optional
        Columns and the values they must hold.

    Raises
    ------
    ConfigError
        `q` lies outside 0 to 1.

    Examples
    --------
    >>> import windrow as wr
    >>> wr.quantile("speed", 0.85)
    quantile('speed', 0.85)
    """
    if isinstance(q, bool) or not isinstance(q, int | float) or not 0 <= q <= 1:
        raise ConfigError(f"`q` must be between 0 and 1, got {q!r}")
    described = _one("quantile", column, where)
    return Aggregate(function="quantile", columns=described.columns, where=described.where, q=float(q))
