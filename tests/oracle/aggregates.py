"""What a window's rows come to, computed from the whole list of rows with exact arithmetic.

Owns the meaning of each aggregate. Refuses streaming: nothing here is updated, everything is computed anew.
Values that an engine may round come back as :class:`Near` or :class:`Between`, which say how far off is still
equal.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Near:
    """A float that counts as equal within `slack`."""

    value: float
    slack: float

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Near):
            other = other.value
        if not isinstance(other, int | float):
            return False
        return other == self.value or abs(other - self.value) <= self.slack


@dataclass(frozen=True)
class Between:
    """A float that counts as equal anywhere from `low` to `high`."""

    low: float
    high: float

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Between):
            return (self.low, self.high) == (other.low, other.high)
        return isinstance(other, int | float) and self.low <= other <= self.high


class NotANumber:
    """The result of arithmetic on infinities: an engine may say NaN or null."""

    def __eq__(self, other: object) -> bool:
        return (
            other is None or isinstance(other, NotANumber) or (isinstance(other, float) and math.isnan(other))
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "NotANumber()"


class Aggregate:
    """One aggregate: its kind, its columns and its options, as the public constructors take them."""

    def __init__(
        self, kind: str, *arguments: Any, where: dict[str, Any] | None = None, **options: Any
    ) -> None:
        self.kind = kind
        self.options = options
        self.where = where or {}
        column = arguments[0] if arguments else None
        self.columns = [] if column is None else [column] if isinstance(column, str) else list(column)
        self.q = arguments[1] if kind == "quantile" and len(arguments) > 1 else options.get("q")

    def takes(self, row: dict[str, Any]) -> bool:
        """Whether `where` lets the row in; a null only where it is asked for."""
        for column, wanted in self.where.items():
            choices = wanted if isinstance(wanted, list | tuple | set) else [wanted]
            if row[column] not in choices:
                return False
        return True

    def value(self, row: dict[str, Any]) -> Any:
        """The row's value, the tuple of its values, or None where any is missing."""
        values = tuple(row[column] for column in self.columns)
        if any(value is None or value != value for value in values):
            return None
        return values if len(values) > 1 else values[0]

    def of(self, rows: list[dict[str, Any]], times: list[int]) -> Any:
        """The aggregate of rows in arrival order."""
        taken = [(row, time) for row, time in zip(rows, times, strict=True) if self.takes(row)]
        if self.kind == "count" and not self.columns:
            return len(taken)
        pairs = [(self.value(row), time) for row, time in taken]
        pairs = [(value, time) for value, time in pairs if value is not None]
        values = [value for value, _ in pairs]
        match self.kind:
            case "count":
                return len(values)
            case "distinct":
                hits = Counter(values)
                return sum(1 for n in hits.values() if n >= (self.options.get("min_hits") or 1))
        if not values:
            return None
        match self.kind:
            case "min":
                return min(values)
            case "max":
                return max(values)
            case "first":
                return min(enumerate(pairs), key=lambda item: (item[1][1], item[0]))[1][0]
            case "last":
                return max(enumerate(pairs), key=lambda item: (item[1][1], item[0]))[1][0]
            case "sum":
                return total(values)
            case "mean":
                return mean(values)
            case "var":
                return variance(values)
            case "std":
                return deviation(variance(values))
            case "quantile":
                return quantile(values, self.q)
        raise ValueError(self.kind)


def total(values: list[Any]) -> Any:
    """The exact sum of integers (null beyond 64 bits); the correctly rounded one of floats."""
    if all(isinstance(value, int) for value in values):
        exact = sum(values)
        return exact if exact in INT64 else None
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < len(values):
        return spoilt(values)
    return Near(math.fsum(values), 1e-12 * math.fsum(abs(value) for value in values))


def spoilt(values: list[float]) -> Any:
    """The sum or mean of values among which there is an infinity."""
    signs = {value for value in values if math.isinf(value)}
    return signs.pop() if len(signs) == 1 else NotANumber()


def mean(values: list[Any]) -> Any:
    """The correctly rounded mean."""
    if not all(math.isfinite(value) for value in values):
        return spoilt(values)
    exact = sum(map(Fraction, values)) / len(values)
    return Near(float(exact), 1e-12 * float(sum(abs(Fraction(value)) for value in values) / len(values)))


def variance(values: list[Any]) -> Any:
    """The exact variance, with n - 1, of the values as floats; null of a single value."""
    if len(values) < 2:
        return None
    if not all(math.isfinite(value) for value in values):
        return NotANumber()
    exact = [Fraction(float(value)) for value in values]
    middle = sum(exact) / len(exact)
    variance = sum((value - middle) ** 2 for value in exact) / (len(exact) - 1)
    # A sum of squares around any pivot inside the data cancels at most this much.
    spread = max(exact) - min(exact)
    return Near(float(variance), 1e-12 * float(spread**2) * len(exact))


def deviation(variance: Any) -> Any:
    """Its root, with the slack that the root has."""
    if not isinstance(variance, Near):
        return variance
    root = math.sqrt(variance.value)
    return Near(root, variance.slack / root if root > 0 else math.sqrt(variance.slack))


def quantile(values: list[Any], q: float) -> Any:
    """The value of that rank within 1 %, whichever neighbour the rank is rounded to."""
    ordered = sorted(float(value) for value in values)
    rank = q * (len(ordered) - 1)
    low, high = ordered[math.floor(rank)], ordered[math.ceil(rank)]
    slack = 0.0100001
    return Between(low - abs(low) * slack, high + abs(high) * slack)
