"""W3: one row at a time, beside a method that only takes the same arguments and beside Python by hand.

The loop that makes the calls is timed alone and taken off everybody's time.
"""

import math
from collections import deque

import floors
import windrow as wr
from race import Peer
from workload import START

CALLS = 200_000
STEP = 10_000_000
HALF_LIFE = 1_000
SMOOTH = 12
TIMES = [START + at * STEP for at in range(CALLS)]
#: A hundred series that take turns, whose names are kept as a program keeps them.
KEYS = [f"series-{at % 100:03}" for at in range(100)] * (CALLS // 100)
LOOP = "the loop that calls"


def windows_by_hand():
    """A dictionary of accumulators; windows are handed out when time has passed them."""
    cells, every, closed, watermark = {}, 300_000_000_000, [], 0

    def push_one(time, key, values):
        nonlocal watermark
        start = time - time % every
        if start > watermark:
            watermark = start
            closed.extend((at, cells.pop(at)) for at in [at for at in cells if at[0] < start])
        cell = cells.get((start, key))
        if cell is None:
            cell = cells[start, key] = [0, 0.0, 0.0, math.inf, -math.inf]
        (value,) = values
        cell[0] += 1
        cell[1] += value
        cell[2] += value * value
        if value < cell[3]:
            cell[3] = value
        if value > cell[4]:
            cell[4] = value

    return push_one


def scores_by_hand():
    keep, states = 2 ** (-1 / HALF_LIFE), {}

    def push_one(time, key, observed, predicted):
        residual = observed - predicted
        state = states.get(key)
        if state is None:
            state = states[key] = [None, deque(maxlen=SMOOTH)]
        square, recent = state
        recent.append(residual)
        full = square is not None and len(recent) == SMOOTH and square > 0
        score = sum(recent) / SMOOTH / math.sqrt(square) if full else None
        state[0] = residual * residual if square is None else keep * square + (1 - keep) * residual * residual
        return score

    return push_one


def test_windows(race, limits):
    def rows(push_one):
        def run():
            value = (50.5,)
            for time, key in zip(TIMES, KEYS, strict=True):
                push_one(time, key, value)

        return run

    def loop():
        for _, _ in zip(TIMES, KEYS, strict=True):
            pass

    def ours():
        aggregates = {
            "n": wr.count(),
            "sum": wr.sum("speed"),
            "mean": wr.mean("speed"),
            "min": wr.min("speed"),
            "max": wr.max("speed"),
            "std": wr.std("speed"),
        }
        rows(wr.TumblingWindows(every="5m", aggregates=aggregates, by="camera").push_one)()

    race(
        floors.ONE_ROW,
        [
            Peer("windrow", ours),
            Peer("an empty method", rows(limits.Empty().row)),
            Peer("plain Python", lambda: rows(windows_by_hand())()),
            Peer(LOOP, loop),
        ],
        CALLS,
        limit="an empty method",
        overhead=LOOP,
        rounds=9,
    )


def test_scores(race, limits):
    values = [50.0 + at % 17 for at in range(CALLS)]

    def rows(push_one):
        def run():
            for time, key, value in zip(TIMES, KEYS, values, strict=True):
                push_one(time, key, value, 57.5)

        return run

    def loop():
        for _, _, _ in zip(TIMES, KEYS, values, strict=True):
            pass

    def ours():
        scorer = wr.ResidualScorer(by="machine", rmse=wr.ewm(HALF_LIFE), smooth=SMOOTH)
        rows(scorer.push_one)()

    scorer = wr.ResidualScorer(by="machine", rmse=wr.ewm(HALF_LIFE), smooth=SMOOTH)
    by_hand = scores_by_hand()
    for time, value in zip(TIMES[:100], values[:100], strict=True):
        mine, theirs = (push(time, "m", value, 57.5) for push in (scorer.push_one, by_hand))
        assert mine is theirs is None or math.isclose(mine, theirs, rel_tol=1e-12)
    race(
        floors.ONE_SCORE,
        [
            Peer("windrow", ours),
            Peer("an empty method", rows(limits.Empty().score)),
            Peer("plain Python", lambda: rows(scores_by_hand())()),
            Peer(LOOP, loop),
        ],
        CALLS,
        limit="an empty method",
        overhead=LOOP,
        rounds=9,
    )
