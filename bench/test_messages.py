"""W4: bytes of tracker messages in, distinct ids per camera and window out; and the first half of it alone.

The recorded DeepStream messages of `nvidia_smart_parking`, 40 times over (121,120 of 1,219 bytes), in 10-second
windows. Every peer reads the same three fields; duckdb and polars are told the schema. What comes out is the same.
"""

import datetime as dt
import gzip
import os
from pathlib import Path

import duckdb
import floors
import orjson
import polars as pl
import pytest
import windrow as wr
from race import Peer

DATA = Path(os.environ.get("WINDROW_DATA", Path(__file__).parents[2] / "shared" / "data"))
MESSAGES = 40 * 3_028
COLUMNS = ["time", "camera", "track"]


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    source = DATA / "nvidia_smart_parking" / "demo-1.jsonl.gz"
    if not source.exists():
        pytest.skip(f"{source} is absent: set WINDROW_DATA")
    path = tmp_path_factory.mktemp("messages") / "parking.jsonl"
    path.write_bytes(gzip.decompress(source.read_bytes()) * 40)
    return path


def blocks(path):
    """Whole lines, about a megabyte at a time, as a pipeline reads them."""
    with path.open("rb") as lines:
        while block := lines.read(1 << 20):
            yield block + lines.readline()


def decode(path):
    return sum(len(wr.decode(block, "deepstream", columns=COLUMNS).rows) for block in blocks(path))


def windrow(path):
    # The recording begins anew 40 times: nothing is late.
    windows = wr.TumblingWindows(
        every="10s", aggregates={"n": wr.distinct("track")}, by="camera", out_of_orderness="3650d"
    )
    assert sum(windows.push_messages(block, "deepstream") for block in blocks(path)) == MESSAGES
    return windows.flush()


def duck_columns(path):
    return f"""
        select "@timestamp" as time, sensor.id as camera, object.id as track
        from read_json('{path}', format='newline_delimited',
                       columns={{'@timestamp': 'TIMESTAMP', 'sensor': 'STRUCT(id VARCHAR)',
                                'object': 'STRUCT(id VARCHAR)'}})
    """


def duck(query):
    with duckdb.connect(config={"threads": 1}) as connection:
        return connection.sql(query).to_arrow_table()


def duck_windows(path):
    return duck(
        f"""select time_bucket(interval 10 seconds, time) as start, camera, count(distinct track) as n
            from ({duck_columns(path)}) group by all"""
    )


def polars_columns(path):
    name = pl.Struct({"id": pl.String})
    frame = pl.scan_ndjson(path, schema={"@timestamp": pl.String, "sensor": name, "object": name})
    return frame.select(
        pl.col("@timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ").alias("time"),
        pl.col("sensor").struct.field("id").alias("camera"),
        pl.col("object").struct.field("id").alias("track"),
    )


def polars_windows(path):
    start = pl.col("time").dt.truncate("10s").alias("start")
    return polars_columns(path).group_by(start, "camera").agg(pl.col("track").n_unique().alias("n")).collect()


def python_columns(path):
    times, cameras, tracks = [], [], []
    with path.open("rb") as lines:
        for line in lines:
            message = orjson.loads(line)
            times.append(message["@timestamp"])
            cameras.append(message["sensor"]["id"])
            tracks.append(message["object"]["id"])
    return len(tracks)


def python_windows(path):
    cells = {}
    with path.open("rb") as lines:
        for line in lines:
            message = orjson.loads(line)
            time = dt.datetime.fromisoformat(message["@timestamp"])
            key = time.timestamp() // 10, message["sensor"]["id"]
            cells.setdefault(key, set()).add(message["object"]["id"])
    return cells


def counts(starts, cameras, distinct):
    return sorted(zip((int(start.timestamp()) for start in starts), cameras, distinct, strict=True))


def test_messages_to_windows(race, messages):
    ours = windrow(messages).to_pydict()
    ours = counts(ours["window_start"], ours["camera"], ours["n"])
    in_utc = [
        {**row, "start": row["start"].replace(tzinfo=dt.UTC)} for row in duck_windows(messages).to_pylist()
    ]
    assert ours == sorted((int(row["start"].timestamp()), row["camera"], row["n"]) for row in in_utc)
    in_utc = polars_windows(messages).with_columns(pl.col("start").dt.replace_time_zone("UTC"))
    assert ours == counts(*in_utc.to_dict(as_series=False).values())
    by_hand = python_windows(messages).items()
    assert ours == sorted((int(start) * 10, camera, len(tracks)) for (start, camera), tracks in by_hand)
    race(
        floors.MESSAGES,
        [
            Peer("windrow", lambda: windrow(messages)),
            Peer("duckdb", lambda: duck_windows(messages)),
            Peer("polars, schema given", lambda: polars_windows(messages), rounds=2),
            Peer("orjson and Python", lambda: python_windows(messages), rounds=3),
            Peer("counting newlines", lambda: sum(block.count(b"\n") for block in blocks(messages))),
        ],
        MESSAGES,
        unit="message",
        limit="counting newlines",
    )


def test_decoding_alone(race, messages):
    assert decode(messages) == python_columns(messages) == MESSAGES
    race(
        "W4 decoding alone",
        [
            Peer("windrow", lambda: decode(messages)),
            Peer("duckdb", lambda: duck(duck_columns(messages))),
            Peer("polars, schema given", lambda: polars_columns(messages).collect(), rounds=2),
            Peer("orjson and Python, times left as text", lambda: python_columns(messages), rounds=3),
        ],
        MESSAGES,
        unit="message",
        rounds=3,
    )
