"""W1: keyed tumbling windows, one thread, through the Python API, beside what people use today.

10 million rows in time order with two seconds of disorder, 100 series as dictionary codes, 2 % nulls, 5-minute
windows; count, sum, mean, min, max, std of one column. At two densities: over 100 hours (83 rows a cell,
120,000 cells come out) and over one day (347 rows a cell). Likewise over ten hours of 1,000 series of which
most are rare, as in real data. Each peer gets the rows in the form it likes best, made before the clock starts;
its result is checked against ours before its time counts for anything.
"""

import math

import duckdb
import floors
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import windrow as wr
from race import Peer
from workload import BATCH, FEW, ROWS, events

EVERY = 300_000_000_000
AGGREGATES = {
    "n": wr.count(),
    "sum": wr.sum("speed"),
    "mean": wr.mean("speed"),
    "min": wr.min("speed"),
    "max": wr.max("speed"),
    "std": wr.std("speed"),
}


def windrow(batches):
    windows = wr.TumblingWindows(every="5m", aggregates=AGGREGATES, by="camera", out_of_orderness="2s")
    drained = []
    for batch in batches:
        windows.push(batch)
        drained.append(windows.drain())
    return [*drained, windows.flush()]


def polars(frame, engine):
    speed = pl.col("speed")
    lazy = frame.lazy().group_by(pl.col("time").dt.truncate("5m"), "camera")
    return lazy.agg(
        pl.len().alias("n"),
        speed.sum().alias("sum"),
        speed.mean().alias("mean"),
        speed.min().alias("min"),
        speed.max().alias("max"),
        speed.std().alias("std"),
    ).collect(engine=engine)


def pandas(frame):
    grouped = frame.groupby([frame["time"].dt.floor("5min"), "camera"], observed=True)["speed"]
    return grouped.agg(["size", "sum", "mean", "min", "max", "std"])


def duck(table):
    connection = duckdb.connect(config={"threads": 1})
    # time_bucket knows no nanoseconds.
    micros = table["time"].cast(pa.timestamp("us", "UTC"), safe=False)
    connection.register("rows", table.set_column(0, "time", micros))
    connection.execute("create table events as select * from rows")
    query = """
        select time_bucket(interval 5 minutes, time) as window_start, camera, count(*), sum(speed), avg(speed),
               min(speed), max(speed), stddev_samp(speed)
        from events group by all
    """
    return lambda: connection.sql(query).to_arrow_table()


def plain_python(times, cameras, speeds):
    """A dictionary of accumulators, as one writes it by hand."""
    cells = {}
    for time, camera, speed in zip(times, cameras, speeds, strict=True):
        key = (time - time % EVERY, camera)
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
    return cells


def reading(table):
    """The three columns, each read once: nothing can be faster."""
    columns = [
        table["time"].cast(pa.int64()).to_numpy(),
        table["camera"].combine_chunks().indices.to_numpy(),
        np.frombuffer(table["speed"].chunk(0).buffers()[1], np.float64),
    ]
    return lambda: [np.max(column) for column in columns]


def agree(ours, theirs):
    """Ours and polars' windows, value by value."""
    ours = pl.concat([batch.to_polars() for batch in ours if len(batch)]).sort("window_start", "camera")
    # In polars the sum of no value is 0; here it is null.
    total = pl.when(pl.col("mean").is_not_null()).then("sum").alias("sum")
    theirs = theirs.with_columns(pl.col("camera").cast(pl.String), total).sort("time", "camera")
    assert ours["n"].to_list() == theirs["n"].to_list()
    for column in ("sum", "mean", "min", "max", "std"):
        mine = ours[column].fill_null(math.nan).to_numpy()
        np.testing.assert_allclose(mine, theirs[column].fill_null(math.nan).to_numpy(), rtol=1e-10)
    return len(ours)


@pytest.mark.parametrize(
    ("workload", "step"), [(floors.SPARSE, 36_000_000), (floors.DENSE, 8_640_000)], ids=["sparse", "dense"]
)
def test_windows(race, workload, step):
    table = events(ROWS, step)
    batches = table.to_batches(max_chunksize=BATCH)
    frame = pl.from_arrow(table)
    pandas_frame = table.to_pandas()
    query = duck(table)
    part = table.slice(0, FEW)
    lists = part["time"].cast(pa.int64()).to_pylist(), part["camera"].to_pylist(), part["speed"].to_pylist()

    cells = agree(windrow(batches), polars(frame, "streaming"))
    assert len(pandas(pandas_frame)) == len(query()) == cells
    assert len(plain_python(*lists)) == len(polars(frame.slice(0, FEW), "in-memory"))
    race(
        workload,
        [
            Peer("windrow", lambda: windrow(batches)),
            Peer("reading the three columns", reading(table)),
            Peer("polars, lazy streaming", lambda: polars(frame, "streaming")),
            Peer("polars, group_by", lambda: polars(frame, "in-memory"), rounds=2),
            Peer("duckdb", query),
            Peer("pandas", lambda: pandas(pandas_frame), rounds=2),
            Peer("plain Python", lambda: plain_python(*lists), rows=FEW, rounds=3),
        ],
        ROWS,
        limit="reading the three columns",
    )


def test_rare_series(race):
    table = events(ROWS, 3_600_000, series=1_000, skew=1.5)
    batches = table.to_batches(max_chunksize=BATCH)
    frame = pl.from_arrow(table)
    assert agree(windrow(batches), polars(frame, "streaming")) < 0.95 * 1_000 * len(frame) * 3_600_000 / EVERY
    race(
        floors.RARE,
        [
            Peer("windrow", lambda: windrow(batches)),
            Peer("polars, lazy streaming", lambda: polars(frame, "streaming")),
        ],
        ROWS,
    )
