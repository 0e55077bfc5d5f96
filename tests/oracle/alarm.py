"""Alarms, point by point, with lists: the rule of M out of N, and a series that goes through it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, isnan

Point = bool | None


def evaluate(
    points: Sequence[Point], m: int, n: int, look_back: int, missing: str, state: str, *, pad: bool = True
) -> str:
    """Return the state after `points`, newest last; `pad`: what a short list lacks counts as missing."""
    points = list(points)[-look_back:]
    if pad:
        points = [None] * (look_back - len(points)) + points
    real = [point for point in points if point is not None]
    if not real:
        return {"missing": "insufficient_data", "ignore": state, "breaching": "alarm", "not_breaching": "ok"}[
            missing
        ]
    if len(real) >= n:
        return "alarm" if sum(real[-n:]) >= m else "ok"
    shortfall = min(n - len(real), points.count(None))
    if sum(real) + (shortfall if missing == "breaching" else 0) >= m:
        return "alarm"
    if missing in ("missing", "ignore") and all(real) and len(points) - points.index(True) >= m:
        return "alarm" if missing == "missing" else state
    return "ok"


@dataclass
class Series:
    """One series through an alarm. Times and durations in one unit."""

    threshold: float
    m: int = 1
    n: int = 1
    missing: str = "missing"
    direction: str = "both"
    clear_below: float | None = None
    lasting: int | None = None
    look_back: int | None = None
    period: int | None = None
    state: str = "insufficient_data"
    points: list[Point] = field(default_factory=list)
    newest: int | None = None
    breach_since: int | None = None

    def breaches(self, value: float | None) -> Point:
        """Whether a value is in breach."""
        if value is None or isnan(value):
            return None
        level = {"both": abs(value), "up": value, "down": -value}[self.direction]
        if self.state == "alarm" and self.clear_below is not None:
            return level >= self.clear_below
        return level > self.threshold

    def step(self, time: int, value: float | None) -> list[tuple[int, str]]:
        """Take a row in; return every point's time and the state after it, absent rows first."""
        seen = []
        if self.period is not None and self.newest is not None:
            start = self.newest
            # Rows are due every period; the k-th is absent when the row comes over half a period after it.
            absent = ceil(Fraction(time - start, self.period) - Fraction(3, 2))
            seen.extend(self.take(start + k * self.period, None) for k in range(1, absent + 1))
        seen.append(self.take(time, self.breaches(value)))
        return seen

    def take(self, time: int, point: Point) -> tuple[int, str]:
        """Take a point in."""
        self.newest = time if self.newest is None else max(self.newest, time)
        self.points.append(point)
        held = (
            (True if self.missing == "breaching" else False if self.missing == "not_breaching" else None)
            if point is None
            else point
        )
        if held is False:
            self.breach_since = None
        elif held and self.breach_since is None:
            self.breach_since = time
        verdict = evaluate(
            self.points, self.m, self.n, self.look_back or self.n + 2, self.missing, self.state, pad=False
        )
        if verdict == "alarm" and self.state != "alarm":
            lasted = self.lasting is None or (
                self.breach_since is not None and time - self.breach_since >= self.lasting
            )
            if point is None and (self.missing != "breaching" or not lasted):
                verdict = self.state
            elif not lasted:
                verdict = "ok"
        self.state = verdict
        return time, verdict
