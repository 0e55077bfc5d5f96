"""Residuals, RMSE and scores of one series, recomputed from all rows at every row."""

from dataclasses import dataclass, field
from math import fsum, inf, isinf, isnan, nan, sqrt


@dataclass
class Rmse:
    """`kind`: cumulative, rolling_rows, rolling_time, ewm_rows, ewm_time or fixed; `size`: its parameter."""

    kind: str
    size: float = 0


def plain_sum(values: list[float]) -> float:
    """Return the sum, also of infinities."""
    infinite = {value for value in values if isinf(value)}
    if infinite:
        return nan if len(infinite) == 2 else infinite.pop()
    return fsum(values)


@dataclass
class Series:
    """One series. Times and durations in nanoseconds; `smooth` rows, or a duration with `smooth_time`."""

    rmse: Rmse
    smooth: int = 1
    smooth_time: int | None = None
    rows: list[tuple[int, float]] = field(default_factory=list)

    def current(self, time: int) -> float | None:
        """Return the RMSE of the rows before, by its definition."""
        kind, size = self.rmse.kind, self.rmse.size
        if kind == "fixed":
            return size
        squares = [(at, residual * residual) for at, residual in self.rows]
        if kind == "rolling_rows":
            squares = squares[-int(size) :]
        elif kind == "rolling_time":
            squares = [(at, square) for at, square in squares if time - size < at <= time]
        else:
            squares = [(at, square) for at, square in squares if square < inf]
        if not squares:
            return None
        if kind in ("ewm_rows", "ewm_time"):
            at, mean = squares[0]
            for then, square in squares[1:]:
                weight = 2 ** (-1 / size) if kind == "ewm_rows" else 2 ** (-(then - at) / size)
                mean = weight * mean + (1 - weight) * square
                at = then
            return sqrt(mean)
        return sqrt(plain_sum([square for _, square in squares]) / len(squares))

    def push(self, time: int, residual: float) -> tuple[float | None, float | None, float | None]:
        """Take a residual in; return smoothed, RMSE and score."""
        rmse = self.current(time)
        self.rows.append((time, residual))
        if self.smooth_time is None:
            window = [value for _, value in self.rows[-self.smooth :]]
            enough = len(window) == self.smooth
        else:
            window = [value for at, value in self.rows if time - self.smooth_time < at <= time]
            enough = True
        smoothed = plain_sum(window) / len(window) if enough else None
        if smoothed is not None and isnan(smoothed):
            smoothed = None
        if smoothed is None or not rmse or (isinf(smoothed) and isinf(rmse)):
            return smoothed, rmse, None
        return smoothed, rmse, smoothed / rmse


@dataclass
class Scorer:
    """Many series by key; rows as (key, time or None, observed or None, predicted or None)."""

    make: Series
    series: dict[object, Series] = field(default_factory=dict)
    newest: dict[object, int] = field(default_factory=dict)
    rejects: list[tuple[object, int | None, str]] = field(default_factory=list)
    nulls: int = 0

    def push(
        self, key: object, time: int | None, observed: float | None, predicted: float | None
    ) -> tuple[float | None, float | None, float | None, float | None]:
        """Take a row in; return residual, smoothed, RMSE and score."""
        nothing = (None, None, None, None)
        if time is None or time < self.newest.get(key, time):
            self.rejects.append((key, time, "time_null" if time is None else "time_backwards"))
            return nothing
        self.newest[key] = time
        if observed is None or predicted is None or isnan(observed - predicted):
            self.nulls += 1
            return nothing
        made = Series(self.make.rmse, self.make.smooth, self.make.smooth_time)
        series = self.series.setdefault(key, made)
        residual = observed - predicted
        return (residual, *series.push(time, residual))
