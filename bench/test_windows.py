"""W1: keyed tumbling windows, one thread, through the Python API, beside what people use today.

Rows in time order with two seconds of disorder, 100 series as dictionary codes, 2 % nulls, 5-minute windows; count,
sum, mean, min, max, std of one column.
"""

import datetime as dt
import math

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import windrow as wr
from workload import ROWS

WORKLOAD = "W1 windows"
SERIES = 100


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(7)
    start = 1_767_225_600_000_000_000
    # As many rows a window and series as 10 million rows of 100 series in 100 hours.
    times = start + np.arange(ROWS) * 36_000_000 + random.integers(-(10**9), 10**9, ROWS)
    codes = random.integers(0, SERIES, ROWS, dtype=np.int32)
    values = random.normal(50, 10, ROWS)
    nulls = random.random(ROWS) < 0.02
    return pa.table(
        {
            "time": pa.array(times, pa.timestamp("ns", "UTC")),
            "camera": pa.DictionaryArray.from_arrays(codes, [f"camera-{i:03}" for i in range(SERIES)]),
            "speed": pa.array(values, mask=nulls),
        }
    )


@pytest.fixture(scope="module")
def expected(table):
    """Rows of the polars result, by which every peer is checked."""
    return len(polars(table, streaming=False))


def windrow(batches):
    windows = wr.TumblingWindows(
        every="5m",
        aggregates={
            "n": wr.count(),
            "sum": wr.sum("speed"),
            "mean": wr.mean("speed"),
            "min": wr.min("speed"),
            "max": wr.max("speed"),
            "std": wr.std("speed"),
        },
        by="camera",
        out_of_orderness="2s",
    )
    drained = 0
    for batch in batches:
        windows.push(batch)
        drained += len(windows.drain())
    assert windows.stats["late"] == 0
    return drained + len(windows.flush())


def polars(table, streaming=True):
    speed = pl.col("speed")
    lazy = (
        pl.from_arrow(table)
        .lazy()
        .group_by(pl.col("time").dt.truncate("5m"), "camera")
        .agg(
            pl.len().alias("n"),
            speed.sum().alias("sum"),
            speed.mean().alias("mean"),
            speed.min().alias("min"),
            speed.max().alias("max"),
            speed.std().alias("std"),
        )
    )
    return lazy.collect(engine="streaming" if streaming else "in-memory")


def pandas(frame):
    grouped = frame.groupby([frame["time"].dt.floor("5min"), "camera"], observed=True)["speed"]
    return grouped.agg(["size", "sum", "mean", "min", "max", "std"])


def plain_python(times, cameras, speeds):
    """A dictionary of accumulators, as one writes it by hand."""
    every = 300_000_000_000
    cells = {}
    for time, camera, speed in zip(times, cameras, speeds, strict=True):
        key = (time - time % every, camera)
        cell = cells.get(key)
        if cell is None:
            cell = cells[key] = [0, 0, 0.0, 0.0, math.inf, -math.inf]
        cell[0] += 1
        if speed is None:
            continue
        cell[1] += 1
        cell[2] += speed
        cell[3] += speed * speed
        if speed < cell[4]:
            cell[4] = speed
        if speed > cell[5]:
            cell[5] = speed
    return len(cells)


def test_windrow(measure, table, expected):
    batches = table.to_batches(max_chunksize=100_000)
    assert measure(WORKLOAD, "windrow", ROWS, lambda: windrow(batches)) == expected


def test_read_limit(measure, table):
    """Read the three columns once: nothing can be faster."""
    columns = [
        table["time"].cast(pa.int64()).to_numpy(),
        table["camera"].combine_chunks().indices.to_numpy(),
        np.frombuffer(table["speed"].chunk(0).buffers()[1], np.float64),
    ]
    measure(WORKLOAD, "reading the three columns", ROWS, lambda: [np.max(column) for column in columns])


def test_polars_streaming(measure, table, expected):
    assert len(measure(WORKLOAD, "polars, lazy streaming", ROWS, lambda: polars(table))) == expected


def test_polars_group_by(measure, table, expected):
    assert (
        len(measure(WORKLOAD, "polars, group_by", ROWS, lambda: polars(table, streaming=False))) == expected
    )


def test_duckdb(measure, table, expected):
    connection = duckdb.connect(config={"threads": 1})
    # time_bucket knows no nanoseconds.
    micros = table["time"].cast(pa.timestamp("us", "UTC"), safe=False)
    connection.register("events", table.set_column(0, "time", micros))
    query = """
        select time_bucket(interval 5 minutes, time) as window_start, camera, count(*), sum(speed), avg(speed),
               min(speed), max(speed), stddev_samp(speed)
        from events group by all
    """
    assert len(measure(WORKLOAD, "duckdb", ROWS, lambda: connection.sql(query).to_arrow_table())) == expected


def test_pandas(measure, table, expected):
    frame = table.to_pandas()
    assert len(measure(WORKLOAD, "pandas", ROWS, lambda: pandas(frame))) == expected


def test_plain_python(measure, table, expected):
    rows = ROWS // 4
    part = table.slice(0, rows)
    times = part["time"].cast(pa.int64()).to_pylist()
    cameras = part["camera"].to_pylist()
    speeds = part["speed"].to_pylist()
    cells = measure(WORKLOAD, "plain Python", rows, lambda: plain_python(times, cameras, speeds), rounds=1)
    assert 0 < cells <= expected


def test_they_agree(table):
    """The figures above are of the same result: ours and polars' windows, value by value."""
    part = table.slice(0, 200_000)
    windows = wr.TumblingWindows(
        every=dt.timedelta(minutes=5),
        aggregates={"n": wr.count(), "mean": wr.mean("speed"), "std": wr.std("speed")},
        by="camera",
        out_of_orderness="2s",
    )
    windows.push(part)
    ours = windows.flush().to_polars().sort("window_start", "camera")
    theirs = polars(part).with_columns(pl.col("camera").cast(pl.String)).sort("time", "camera")
    assert ours["n"].to_list() == theirs["n"].to_list()
    for column in ("mean", "std"):
        np.testing.assert_allclose(ours[column].to_numpy(), theirs[column].to_numpy(), rtol=1e-10)
