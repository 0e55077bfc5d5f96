"""What has to be reached: how many times as long as ours each peer takes at least, within the stated noise.

A floor of 0.5 means that we may take twice as long as the peer. Noise is how far medians of two runs of the same
build on a shared machine were seen apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from race import Fact, Race


@dataclass(frozen=True)
class Floor:
    """A peer's time over ours in one workload."""

    workload: str
    peer: str
    ratio: float
    noise: float = 0.1
    ours: str = "windrow"


@dataclass(frozen=True)
class Bound:
    """A figure that must not be above (or, with `least`, below) a value."""

    workload: str
    name: str
    value: float
    noise: float = 0.0
    least: bool = False


SPARSE = "W1 windows, 83 rows a cell"
DENSE = "W1 windows, 347 rows a cell"
RARE = "W1 windows, rare series"
SCORES = "W2 scores, 100 series"
SCORES_ONE = "W2 scores, one series"
SCORES_ALL = "W2 all columns, 100 series"
ONE_ROW = "W3 TumblingWindows.push_one"
ONE_SCORE = "W3 ResidualScorer.push_one"
MESSAGES = "W4 messages to windows"
COUNTS = "W5 counts"
NOVELTY = "W5 novelty"
LANES = "W6 two producers"
SERIES = "W7 a million series"
OPEN = "W7 open windows"
KEPT = "W7 drains"
EDGE = "W8 a device"
RIDGE = "W9 ridge"
TREES = "W9 trees"

FLOORS = [
    *(
        floor
        for workload in (SPARSE, DENSE)
        for floor in (
            Floor(workload, "polars, lazy streaming", 8),
            Floor(workload, "duckdb", 10),
            Floor(workload, "plain Python", 120),
        )
    ),
    *(
        floor
        for workload in (SCORES, SCORES_ONE)
        for floor in (
            Floor(workload, "polars", 4),
            Floor(workload, "plain Python", 50),
            Floor(workload, "river", 300),
        )
    ),
    Floor(SCORES_ALL, "polars", 2),
    *(
        floor
        for workload in (ONE_ROW, ONE_SCORE)
        for floor in (Floor(workload, "an empty method", 0.5), Floor(workload, "plain Python", 5))
    ),
    Floor(MESSAGES, "duckdb", 2),
    Floor(MESSAGES, "orjson and Python", 6),
    Floor(COUNTS, "reference, compiled by numba", 1),
    Floor(NOVELTY, "reference, compiled by numba", 1),
    Floor(SERIES, "read-modify-write of 48 bytes", 1 / 3),
    Floor(OPEN, "10 open", 1, ours="1,000 open"),
    *(
        floor
        for model in (RIDGE, TREES)
        for floor in (
            Floor(f"{model}, batches", "onnxruntime", 1),
            Floor(f"{model}, a row at a time", "onnxruntime", 10),
            Floor(f"{model}, a row at a time", "scikit-learn", 100),
        )
    ),
]
BOUNDS = [
    Bound(COUNTS, "state of a series", 12 * 1024),
    Bound(NOVELTY, "state of a series", 12 * 1024),
    Bound(KEPT, "over that beside 100 windows", 10),
    Bound(KEPT, "over that beside 100 series in a roll-up", 10),
    Bound(EDGE, "start to first window, import of numpy", 3),
    Bound(EDGE, "resident after a day of 50 cameras", 60),
    Bound(EDGE, "resident after a month", 60),
    Bound(EDGE, "growth from the tenth day to the thirtieth", 2),
    Bound(LANES, "throughput beside two processes", 0.9, noise=0.05, least=True),
]


def verdicts(races: list[Race], facts: list[Fact]) -> list[tuple[bool | None, str]]:
    """Each floor: whether it holds (None where it was not measured), and what to say of it."""
    found = []
    by_name = {race.workload: race for race in races}
    for floor in FLOORS:
        race = by_name.get(floor.workload)
        ratio = race.ratio(floor.peer, floor.ours) if race else None
        said = f"{floor.workload}: {floor.peer} {floor.ratio:.3g} x"
        if ratio is None:
            found.append((None, f"{said}: not measured"))
        else:
            holds = ratio >= floor.ratio * (1 - floor.noise)
            found.append((holds, f"{said}, within {floor.noise:.0%}: {ratio:.2f} x"))
    for bound in BOUNDS:
        value = next((f.value for f in facts if (f.workload, f.name) == (bound.workload, bound.name)), None)
        said = f"{bound.workload}: {bound.name} {'at least' if bound.least else 'at most'} {bound.value:g}"
        if value is None:
            found.append((None, f"{said}: not measured"))
        else:
            low, high = bound.value * (1 - bound.noise), bound.value * (1 + bound.noise)
            found.append((value >= low if bound.least else value <= high, f"{said}: {value:.6g}"))
    return found
