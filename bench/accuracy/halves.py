"""The real streets in halves, and how sure a count of events is.

Owns the split: of each set every second series, as they are loaded, belongs to the development half; sets of a single
series take turns.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from scipy.stats import chi2

WHOLE, DEVELOPMENT, OTHER = "whole", "development half", "other half"


def halves(series: list[Any]) -> dict[str, list[Any]]:
    """What `street_score.load` gives, whole and in halves."""
    parts: dict[str, list[Any]] = {WHOLE: series, DEVELOPMENT: [], OTHER: []}
    size = Counter(one[0] for one in series)
    seen: Counter[str] = Counter()
    for one in series:
        group = one[0] if size[one[0]] > 1 else "alone"
        parts[OTHER if seen[group] % 2 else DEVELOPMENT].append(one)
        seen[group] += 1
    return parts


def months(series: list[Any]) -> float:
    """How many series-months of 30 days the series cover."""
    return sum(float(times[-1] - times[0]) for _, _, _, times, _ in series) / 86400 / 30


def interval(count: int, share: float = 0.95) -> tuple[float, float]:
    """The exact Poisson interval of a count."""
    tail = (1 - share) / 2
    low = chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    return float(low), float(chi2.ppf(1 - tail, 2 * count + 2) / 2)


def rate(per_month: float, in_months: float) -> str:
    """A rate with its interval: `0.78 (0.73 to 0.84)`."""
    low, high = interval(round(per_month * in_months))
    return f"{per_month:.2f} ({low / in_months:.2f} to {high / in_months:.2f})"
