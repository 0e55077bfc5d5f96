"""What `first`, `last`, `distinct` and `quantile` cost, each alone, beside polars on the same rows.

100 series in 5-minute windows, 347 rows a cell; for the sketch of distinct values one series, 34,700 a cell.
"""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import windrow as wr
from race import Peer
from workload import BATCH, ROWS, events

AGGREGATES = {
    "first": (wr.first("speed"), pl.col("speed").sort_by("time").first()),
    "last": (wr.last("speed"), pl.col("speed").sort_by("time").last()),
    "distinct, exact": (wr.distinct("track"), pl.col("track").n_unique()),
    "distinct, HyperLogLog": (wr.distinct("track"), pl.col("track").approx_n_unique()),
    "quantile": (wr.quantile("speed", 0.9), pl.col("speed").quantile(0.9)),
}


@pytest.mark.parametrize("name", AGGREGATES)
def test_aggregate(race, name):
    rows = min(ROWS, 2_000_000)
    sketched = name.endswith("HyperLogLog")
    # As dense at any size.
    table = events(rows, 8_640_000, series=1 if sketched else 100)
    tracks = np.random.default_rng(5).integers(0, 20_000 if sketched else 200, rows)
    table = table.append_column("track", pa.array(tracks))
    batches = table.to_batches(max_chunksize=BATCH)
    frame = pl.from_arrow(table)
    ours, theirs = AGGREGATES[name]

    def windrow():
        windows = wr.TumblingWindows(every="5m", aggregates={"it": ours}, by="camera", out_of_orderness="2s")
        came_out = 0
        for batch in batches:
            windows.push(batch)
            came_out += len(windows.drain())
        return came_out + len(windows.flush())

    def polars():
        window = pl.col("time").dt.truncate("5m")
        return frame.lazy().group_by(window, "camera").agg(theirs).collect(engine="streaming")

    assert windrow() == len(polars())
    race(f"Aggregate: {name}", [Peer("windrow", windrow), Peer("polars", polars)], rows, rounds=3)
