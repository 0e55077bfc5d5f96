"""W7: a million series, a thousand open windows, a million windows of history; drains beside all that
is kept, and what that takes in memory."""

import statistics
import subprocess
import sys

import floors
import numpy as np
import pyarrow as pa
import windrow as wr
from race import Peer, cost
from workload import BATCH, ROWS, START, events

#: A million where the rows are ten million.
SERIES = max(1, ROWS // 10)
SMALL = {"n": wr.count(), "sum": wr.sum("x")}
FULL = SMALL | {"mean": wr.mean("x"), "min": wr.min("x"), "max": wr.max("x"), "std": wr.std("x")}
SECOND = 1_000_000_000
#: What one open window of so many series adds to the resident memory, once they were there before.
MEMORY = """
import sys
import numpy as np, pyarrow as pa, windrow as wr

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

series, windows = int(sys.argv[1]), int(sys.argv[2])
codes = np.arange(series, dtype=np.int32)
names = pa.array([f"series-{at:07}" for at in range(series)])
engine = wr.TumblingWindows(every="5m", by="key", out_of_orderness="3650d", aggregates={
    "n": wr.count(), "sum": wr.sum("x"), "mean": wr.mean("x"), "min": wr.min("x"), "max": wr.max("x"),
    "std": wr.std("x")})
values = np.ones(series)
tables = [pa.table({"time": np.full(series, at * 300_000_000_000), "key": pa.DictionaryArray.from_arrays(codes, names),
                    "x": values}) for at in range(windows)]
before = resident()
for table in tables:
    engine.push(table)
print((resident() - before) / (series * windows))
"""


def test_a_million_series(race, limits):
    """One open window, ten rows a series and more, dictionary keys, `push` alone."""
    random = np.random.default_rng(3)
    codes = random.integers(0, SERIES, ROWS, dtype=np.int32)
    values = random.normal(50, 10, ROWS)
    keys = pa.DictionaryArray.from_arrays(codes, pa.array([f"series-{at:07}" for at in range(SERIES)]))
    table = pa.table({"time": np.full(ROWS, START), "key": keys, "x": values})
    batches = table.to_batches(max_chunksize=ROWS // 5)
    bare = limits.Table(codes.tobytes(), values.tobytes(), SERIES)

    def push(aggregates):
        windows = wr.TumblingWindows(every="5m", aggregates=aggregates, by="key", out_of_orderness="2s")
        for batch in batches:
            windows.push(batch)

    race(
        floors.SERIES,
        [
            Peer("windrow", lambda: push(FULL)),
            Peer("windrow, count and sum alone", lambda: push(SMALL)),
            Peer("read-modify-write of 48 bytes", lambda: bare.add(48)),
            Peer("read-modify-write of 16 bytes", lambda: bare.add(16)),
        ],
        ROWS,
        limit="read-modify-write of 48 bytes",
        rounds=3,
    )


def test_open_windows(race):
    """The same rows in order of time, in windows that stay open ten or a thousand at a time."""
    rows = min(ROWS, 5_000_000)
    # 5,000 windows pass.
    table = events(rows, 5_000 * 300_000_000_000 // rows)
    batches = table.to_batches(max_chunksize=BATCH)
    aggregates = {"n": wr.count(), "mean": wr.mean("speed"), "max": wr.max("speed")}

    def push(still_open):
        windows = wr.TumblingWindows(
            every="5m", aggregates=aggregates, by="camera", out_of_orderness=f"{still_open * 5}m"
        )
        came_out = 0
        for batch in batches:
            windows.push(batch)
            came_out += len(windows.drain())
        return came_out + len(windows.flush())

    assert push(10) == push(1_000)
    race(
        floors.OPEN,
        [
            Peer("1,000 open", lambda: push(1_000)),
            Peer("10 open", lambda: push(10)),
        ],
        rows,
    )


def test_history(race, fact):
    """A million windows come and go: the last tenth costs what the first did."""
    length = min(1_000_000, ROWS)
    every = 300_000_000_000
    tenth = length // 10
    windows = wr.TumblingWindows(every="5m", aggregates=FULL, by="key", out_of_orderness="0s")
    keys = pa.DictionaryArray.from_arrays(np.zeros(tenth, np.int32), pa.array(["the one"]))
    came_out = 0

    def push(part):
        nonlocal came_out
        times = START + (np.arange(tenth) + part * tenth) * every
        table = pa.table({"time": times, "key": keys, "x": np.ones(tenth)})
        for batch in table.to_batches(max_chunksize=1_000):
            windows.push(batch)
            came_out += len(windows.drain())

    taken = [cost(lambda part=part: push(part), tenth) for part in range(10)]
    assert came_out == length - 1
    workload = "W7 a million windows"
    fact(workload, "a window, in the first tenth", taken[0], "ns")
    fact(workload, "a window, in the last tenth", taken[-1], "ns")
    fact(workload, "snapshot after them", len(windows.snapshot()), "bytes")


def test_drains_beside_what_is_kept(fact):
    """A drain of a row or two, as long as many windows or series are kept for late rows."""

    def drain(engine, start, row):
        """What it takes to bring out the window of one row, each time the next."""
        taken = []
        for at in range(20):
            engine.push(row | {"time": [start + at * SECOND]})
            taken.append(cost(engine.drain, 1) / 1_000)
        return statistics.median(taken)

    options = {"every": "1s", "aggregates": SMALL, "allowed_lateness": "3650d", "max_cells": 10 * ROWS}

    def windows(count):
        engine = wr.TumblingWindows(by="key", **options)
        keys = pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array(["the one"]))
        engine.push(pa.table({"time": np.arange(count) * SECOND, "key": keys, "x": np.ones(count)}))
        assert len(engine.drain()) == count - 1
        return drain(engine, count * SECOND, {"key": ["the one"], "x": [1.0]})

    def series(count):
        engine = wr.TumblingWindows(by=["site", "camera"], rollup=[["site"]], **options)
        table = {"site": [f"site-{at % 100}" for at in range(count)], "camera": list(map(str, range(count)))}
        engine.push(table | {"time": np.zeros(count, np.int64), "x": np.ones(count)})
        return drain(engine, SECOND, {"site": ["site-0"], "camera": ["0"], "x": [1.0]})

    for name, run, many in (("windows", windows, ROWS // 10), ("series in a roll-up", series, ROWS // 100)):
        few = run(100)
        lots = run(max(100, many))
        fact(floors.KEPT, f"a drain beside {many:,} {name}", lots, "us")
        fact(floors.KEPT, f"over that beside 100 {name}", lots / few, "times")


def test_memory(fact):
    workload = "W7 memory, six aggregates"
    for series, windows in ((max(1, ROWS // 100), 10), (100, max(1, ROWS // 10_000))):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(series), str(windows)],
            capture_output=True,
            text=True,
            check=True,
        )
        name = f"{series:,} series in {windows:,} open windows"
        fact(workload, f"a window and series, {name}", float(done.stdout), "bytes")
