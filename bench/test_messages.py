"""W4, its first half: bytes of tracker messages in, the columns of a count out (time, camera, track).

The recorded DeepStream messages of `nvidia_smart_parking`, 40 times over (121,120 of 1,219 bytes). Every peer
reads the same three fields and gives columns; duckdb and polars are told the schema.
"""

import gzip
import os
from pathlib import Path

import duckdb
import polars as pl
import pytest
import windrow as wr

orjson = pytest.importorskip("orjson")

WORKLOAD = "W4 messages, decoding alone"
DATA = Path(os.environ.get("WINDROW_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    source = DATA / "nvidia_smart_parking" / "demo-1.jsonl.gz"
    if not source.exists():
        pytest.skip(f"{source} is absent: set WINDROW_DATA")
    path = tmp_path_factory.mktemp("messages") / "parking.jsonl"
    path.write_bytes(gzip.decompress(source.read_bytes()) * 40)
    return path


def windrow(path):
    rows = 0
    with path.open("rb") as lines:
        # Whole lines, about a megabyte at a time, as a pipeline reads them.
        while block := lines.read(1 << 20):
            block += lines.readline()
            rows += len(wr.decode(block, "deepstream", columns=["time", "camera", "track"]).rows)
    return rows


def duck(path):
    query = f"""
        select "@timestamp" as time, sensor.id as camera, object.id as track
        from read_json('{path}', format='newline_delimited',
                       columns={{'@timestamp': 'TIMESTAMP', 'sensor': 'STRUCT(id VARCHAR)',
                                'object': 'STRUCT(id VARCHAR)'}})
    """
    with duckdb.connect(config={"threads": 1}) as connection:
        return connection.sql(query).to_arrow_table().num_rows


def polars(path):
    name = pl.Struct({"id": pl.String})
    frame = pl.scan_ndjson(path, schema={"@timestamp": pl.String, "sensor": name, "object": name})
    return (
        frame.select(
            pl.col("@timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ").alias("time"),
            pl.col("sensor").struct.field("id").alias("camera"),
            pl.col("object").struct.field("id").alias("track"),
        )
        .collect()
        .height
    )


def python(path):
    times, cameras, tracks = [], [], []
    with path.open("rb") as lines:
        for line in lines:
            message = orjson.loads(line)
            times.append(message["@timestamp"])
            cameras.append(message["sensor"]["id"])
            tracks.append(message["object"]["id"])
    return len(tracks)


@pytest.mark.parametrize(
    ("peer", "decode"),
    [
        ("windrow", windrow),
        ("duckdb", duck),
        ("polars, schema given", polars),
        ("orjson + Python, times left as text", python),
    ],
)
def test_messages(measure, messages, peer, decode):
    rows = 40 * 3_028
    assert measure(WORKLOAD, peer, rows, lambda: decode(messages)) == rows
