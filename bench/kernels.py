"""One kernel, run inside of a function that Python has for little else (`PyNumber_Invert`): run as `kernels.py NAME`
under callgrind, told to count in that function alone. Emulators, which know no functions, count between two calls of
`sched_yield`.

So neither the start of Python nor the making of the rows counts, and the wheel needs no symbols.
"""

import os
import sys

import numpy as np
import windrow as wr

ROWS = 200_000
CALLS = 20_000
POINTS = 40_000
START = 1_767_225_600_000_000_000
AGGREGATES = {
    "n": wr.count(),
    "sum": wr.sum("x"),
    "mean": wr.mean("x"),
    "min": wr.min("x"),
    "max": wr.max("x"),
    "std": wr.std("x"),
}


def table(columns, series=100):
    """An Arrow table, put together from buffers: pyarrow's way from NumPy loads pandas, slowly here."""
    import pyarrow as pa

    def column(kind, values, valid=None):
        bits = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
        return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(values)])

    text = b"".join(b"series-%03d" % at for at in range(series))
    ends = np.arange(0, 10 * series + 1, 10, dtype=np.int32)
    names = pa.StringArray.from_buffers(series, pa.py_buffer(ends), pa.py_buffer(text))
    arrays = [
        column(pa.timestamp("ns", "UTC"), columns.pop("time")),
        pa.DictionaryArray.from_arrays(column(pa.int32(), columns.pop("key")), names),
        *(column(pa.float64(), *values) for values in columns.values()),
    ]
    batch = pa.RecordBatch.from_arrays(arrays, names=["time", "key", *columns])
    return [batch.slice(at, 50_000) for at in range(0, ROWS, 50_000)]


def rows(step=8_640_000):
    """As in W1, dense unless told otherwise."""
    random = np.random.default_rng(7)
    return table(
        {
            "time": START + np.arange(ROWS) * step + random.integers(-(10**9), 10**9, ROWS),
            "key": random.integers(0, 100, ROWS, dtype=np.int32),
            "x": (random.normal(50, 10, ROWS), random.random(ROWS) >= 0.02),
        }
    )


def pairs():
    """As in W2."""
    random = np.random.default_rng(11)
    predicted = random.normal(60, 5, ROWS)
    return table(
        {
            "time": START + np.arange(ROWS) * 10_000_000,
            "key": np.tile(np.arange(100, dtype=np.int32), ROWS // 100),
            "observed": (predicted + random.normal(0, 0.35, ROWS),),
            "predicted": (predicted,),
        }
    )


def windows():
    return wr.TumblingWindows(every="5m", aggregates=AGGREGATES, by="key", out_of_orderness="2s")


def scorer(columns=None):
    return wr.ResidualScorer(by="key", rmse=wr.ewm(1_000), smooth=12, columns=columns)


def push(make, batches):
    def run():
        target = make()
        for batch in batches:
            target.push(batch)

    return ROWS, run


def drained(batches):
    def run():
        target = windows()
        for batch in batches:
            target.push(batch)
            target.drain()
        target.flush()

    return ROWS, run


def window_rows():
    def run():
        push_one, value = windows().push_one, (50.5,)
        for at in range(CALLS):
            push_one(START + at * 10_000_000, "series-007", value)

    return CALLS, run


def scored_rows():
    def run():
        push_one = scorer().push_one
        for at in range(CALLS):
            push_one(START + at * 10_000_000, "series-007", 57.0, 57.5)

    return CALLS, run


def detected(method, step, make):
    """One series, as in W5."""
    times = step * np.arange(POINTS)
    level = np.sin(times * 2 * np.pi / 86_400)
    batch = {"window_start": times, "x": make(np.random.default_rng(1), level)}
    return POINTS, lambda: wr.Detector(method, measures=["x"], time_unit="s").push(batch)


def counts():
    return detected("counts", 3_600, lambda random, level: random.poisson(60 + 50 * level).astype(float))


def novelty():
    return detected("novelty", 300, lambda random, level: 50 + 20 * level + random.normal(0, 3, POINTS))


KERNELS = {
    "W1 TumblingWindows.push": lambda: push(windows, rows()),
    "W1 TumblingWindows, drained, 83 rows a cell": lambda: drained(rows(36_000_000)),
    "W2 ResidualScorer.push, score": lambda: push(lambda: scorer(["score"]), pairs()),
    "W2 ResidualScorer.push, all columns": lambda: push(scorer, pairs()),
    "W3 TumblingWindows.push_one": window_rows,
    "W3 ResidualScorer.push_one": scored_rows,
    "W5 Detector.push, counts": counts,
    "W5 Detector.push, novelty": novelty,
}


class Kernel:
    """Runs where Python is asked to invert it."""

    def __init__(self, run):
        self.run = run

    def __invert__(self):
        self.run()


if __name__ == "__main__":
    each, run = KERNELS[sys.argv[1]]()
    run()
    os.sched_yield()
    ~Kernel(run)
    os.sched_yield()
    print(each)
