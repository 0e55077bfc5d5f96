"""A real car park: 3,028 messages of 51 cameras, out of order by up to 7.5 s, against the slow twin."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from oracle.windows_face import BOTH, Fast, Rows, Spec, slow

TRACKS: Spec = {
    "messages": ("count", [], {}),
    "tracks": ("distinct", ["track"], {}),
    "pairs": ("distinct", [["camera", "track"]], {}),
    "parked": ("count", [], {"where": {"event": "parked"}}),
    "moving": ("distinct", ["track"], {"where": {"event": ["moving", "empty"]}}),
    "steady": ("distinct", ["track"], {"min_hits": 3}),
    "new": ("distinct", ["track"], {"count_on": "first", "retain": "1h"}),
    "x": ("mean", ["x"], {}),
    "spread": ("std", ["x"], {}),
    "low": ("min", ["x"], {}),
    "high": ("max", ["x"], {}),
    "at_first": ("first", ["x"], {}),
    "at_last": ("last", ["x"], {}),
    "median": ("quantile", ["x", 0.5], {}),
}


def schema() -> Any:
    import pyarrow as pa

    text = {"camera": pa.string(), "track": pa.string(), "event": pa.string()}
    return pa.schema({"time": pa.int64(), **text, "x": pa.float64()})


@pytest.fixture(scope="module")
def messages(data: Path) -> Rows:
    rows = []
    with gzip.open(data / "nvidia_smart_parking" / "demo-1.jsonl.gz", "rt") as lines:
        for message in map(json.loads, lines):
            since = datetime.fromisoformat(message["@timestamp"]) - datetime(1970, 1, 1, tzinfo=UTC)
            rows.append(
                {
                    "time": since // timedelta(microseconds=1) * 1_000,
                    "camera": message["sensor"]["id"],
                    "track": message["object"]["id"],
                    "event": message["event"]["type"],
                    "x": float(message["object"]["bbox"]["topleftx"]),
                }
            )
    return rows


def make(name: str, aggregates: Spec, **options: Any) -> Any:
    return slow(aggregates, **options) if name == "oracle" else Fast(aggregates, schema(), **options)


@pytest.mark.parametrize("name", BOTH)
def test_tracks_over_all_cameras(messages: Rows, name: str) -> None:
    windows = make(name, {"tracks": ("distinct", ["track"], {})}, every="5m", out_of_orderness="10s")
    windows.push(messages)
    assert [row["tracks"] for row in windows.flush()] == [27, 22, 18, 12, 14, 8]


@pytest.mark.parametrize("source", [None, "camera"])
@pytest.mark.parametrize("by", [None, "camera", ["camera", "event"]])
def test_engine_equals_the_slow_twin(messages: Rows, by: Any, source: str | None) -> None:
    options = {"every": "1m", "out_of_orderness": "2s", "allowed_lateness": "3s", "by": by, "source": source}
    fast, twin = Fast(TRACKS, schema(), **options), slow(TRACKS, **options)
    for start in range(0, len(messages), 500):
        for windows in (fast, twin):
            windows.push(messages[start : start + 500])
        assert fast.drain() == twin.drain()
    assert fast.flush() == twin.flush()
    assert fast.late() == twin.late()
    for name in ("read", "counted", "late", "rejected"):
        assert fast.stats[name] == twin.stats[name]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("source", [None, "camera"])
@pytest.mark.parametrize(("patience", "late"), [("0s", 31), ("2s", 4), ("10s", 0)])
def test_late_rows_are_counted_and_handed_out(
    messages: Rows, name: str, source: str | None, patience: str, late: int
) -> None:
    options = {"every": "10s", "out_of_orderness": patience, "source": source}
    windows = make(name, {"n": ("count", [], {})}, **options)
    windows.push(messages)
    late = late if source is None else 0
    rows = windows.late()
    assert len(rows) == windows.stats["late"] == late
    assert windows.stats["counted"] + windows.stats["late"] + windows.stats["rejected"] == len(messages)
    assert windows.stats["read"] == len(messages)
    assert {row["reason"] for row in rows} <= {"late"}
    assert sum(row["n"] for row in windows.flush()) == len(messages) - late
    assert windows.late() == []


def test_roll_ups_merge_and_do_not_add(messages: Rows) -> None:
    options = {
        "every": "5m",
        "out_of_orderness": "10s",
        "by": ["camera", "event"],
        "rollup": [["camera"], []],
    }
    fast, twin = Fast(TRACKS, schema(), **options), slow(TRACKS, **options)
    for windows in (fast, twin):
        windows.push(messages)
    rows = fast.flush()
    assert rows == twin.flush()
    whole = [row for row in rows if row["level"] == 2]
    assert [row["tracks"] for row in whole] == [27, 22, 18, 12, 14, 8]
    first = [
        row["tracks"] for row in rows if row["level"] == 1 and row["window_start"] == whole[0]["window_start"]
    ]
    assert sum(first) > 27
