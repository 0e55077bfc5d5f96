"""A level that lasts, told plainly: whole days in lists, and one rule.

Slow on purpose. What the profile expected of each window comes from the twin of counts.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import exp, floor, log
from statistics import median


@dataclass
class Day:
    """What came in a day, and what was expected."""

    start: float
    observed: list[float]
    expected: list[float]

    @property
    def ratio(self) -> float:
        """The logarithm of how many times as many came, ten more on either side."""
        return log((sum(self.observed) + 10) / (sum(self.expected) + 10))


@dataclass
class Shift:
    """A new level: since when, told when, what comes a window, what came before."""

    since: float
    told: float
    observed: float
    expected: float


def days(rows: list[tuple[float, float, float]]) -> list[Day]:
    """Gather windows (time, observed, expected) that follow each other within a day."""
    gathered: list[Day] = []
    for time, observed, expected in rows:
        if not gathered or floor(gathered[-1].start / 86400) != floor(time / 86400):
            gathered.append(Day(time, [], []))
        gathered[-1].observed.append(max(observed, 0.0))
        gathered[-1].expected.append(expected)
    return gathered


def shifts(rows: list[tuple[float, float, float]], every: float, many: int) -> list[Shift]:
    """Find the levels that lasted for `many` days; rows of the first week are left out."""
    gathered = days([row for row in rows if row[0] - rows[0][0] > 7 * 86400])
    found: list[Shift] = []
    usable: list[Day] = []
    silent = 0
    for day, following in pairwise(gathered):
        if len(day.observed) < 86400 / every / 2:
            continue
        if sum(day.observed) <= 0:
            silent += 1
            continue
        if silent >= 5:
            usable = []
        silent = 0
        usable.append(day)
        before = [one.ratio for one in usable[:-many]][-28:]
        if len(before) < 14:
            continue
        newest = usable[-many:]
        usual = median(before)
        spread = 1.4826 * median(abs(ratio - usual) for ratio in before)
        limit = max(1.5 * max(spread, 0.05), 0.2)
        away = [day.ratio - usual for day in newest]
        if min(away) > limit or max(away) < -limit:
            windows = sum(len(day.observed) for day in newest)
            observed = sum(sum(day.observed) for day in newest) / windows
            expected = sum(sum(day.expected) for day in newest) / windows * exp(usual)
            found.append(Shift(newest[0].start, following.start, observed, expected))
            # The days before are forgotten.
            usable = newest
    return found
