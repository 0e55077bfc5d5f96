"""Bad input gets an error that names the argument, what was expected and what came; or a reject."""

from __future__ import annotations

import contextlib
import struct
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr
from oracle.windows_face import rows_of

SECOND = 10**9
N = {"n": wr.count()}


def made(**options: Any) -> wr.TumblingWindows:
    return wr.TumblingWindows(**({"every": "10s", "aggregates": N} | options))


WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "every negative": ({"every": "-5m"}, ["`every`", "positive", "-5m"]),
    "every zero": ({"every": "0s"}, ["`every`", "positive", "0s"]),
    "every without unit": ({"every": "5"}, ["`every`", "unit", '"5"']),
    "every in months": ({"every": "5mo"}, ["`every`", '"mo"', "ns, us, ms, s, m, h, d or w"]),
    "every number": ({"every": 5}, ["`every`", "duration", "5"]),
    "every too long": ({"every": "300000d"}, ["`every`", "292 years", "300000d"]),
    "no aggregates": ({"aggregates": {}}, ["`aggregates`"]),
    "aggregates a list": ({"aggregates": [wr.count()]}, ["`aggregates`", "got"]),
    "an aggregate a word": ({"aggregates": {"n": "count"}}, ["`aggregates", "got", "count"]),
    "aggregate named as a column": (
        {"aggregates": {"window_start": wr.count()}},
        ["`window_start`", "name", "column"],
    ),
    "aggregate named as a key": ({"by": "n"}, ["`n`", "name", "column"]),
    "by number": ({"by": 3}, ["`by`", "got"]),
    "by twice": ({"by": ["a", "a"]}, ["`by`", "a"]),
    "time number": ({"time": 3}, ["`time`", "got"]),
    "time_unit": ({"time_unit": "min"}, ["`time_unit`", '"s", "ms", "us" or "ns"', '"min"']),
    "source number": ({"source": 3}, ["`source`", "got"]),
    "offset": ({"offset": "soon"}, ["`offset`", "duration", '"soon"']),
    "zone": ({"zone": "Europe/Berlyn"}, ["`zone`", "Europe/Berlyn"]),
    "label": ({"label": "middle"}, ["`label`", '"start"', '"end"', '"middle"']),
    "out_of_orderness": ({"out_of_orderness": "-1s"}, ["`out_of_orderness`", "negative", "-1s"]),
    "allowed_lateness": ({"allowed_lateness": "-1s"}, ["`allowed_lateness`", "negative", "-1s"]),
    "idle_timeout": ({"idle_timeout": "-1s"}, ["`idle_timeout`", "-1s"]),
    "max_ahead": ({"max_ahead": "-1s"}, ["`max_ahead`", "-1s"]),
    "fill": ({"fill": "yes"}, ["`fill`", "got"]),
    "fill_limit": ({"fill": True, "fill_limit": -1}, ["`fill_limit`", "-1"]),
    "rollup unknown": ({"by": ["a", "b"], "rollup": [["c"]]}, ["`rollup`", "c"]),
    "rollup flat": ({"by": ["a", "b"], "rollup": "a"}, ["`rollup`", "got"]),
    "rollup without by": ({"rollup": [["a"]]}, ["`rollup`", "a"]),
    "max_cells": ({"max_cells": 0}, ["`max_cells`", "0"]),
    "max_series": ({"max_series": 0}, ["`max_series`", "0"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments(case: str) -> None:
    options, words = WRONG[case]
    with pytest.raises(wr.ConfigError) as caught:
        made(**options)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message[0] in "`" or message[0].islower(), message


AGGREGATES: dict[str, tuple[Any, list[str]]] = {
    "quantile above 1": (lambda: wr.quantile("x", 1.5), ["`q`", "1.5"]),
    "quantile NaN": (lambda: wr.quantile("x", float("nan")), ["`q`", "got"]),
    "quantile word": (lambda: wr.quantile("x", "half"), ["`q`", "got"]),
    "min_hits": (lambda: wr.distinct("x", min_hits=0), ["`min_hits`", "0"]),
    "count_on": (lambda: wr.distinct("x", count_on="last"), ["`count_on`", '"first"', "last"]),
    "retain": (lambda: wr.distinct("x", count_on="first", retain="-1h"), ["`retain`", "-1h"]),
    "distinct of nothing": (lambda: wr.distinct([]), ["`columns`", "got []"]),
    "column a number": (lambda: wr.sum(3), ["got"]),
    "where a list": (lambda: wr.count(where=["class"]), ["`where`", "got"]),
    "where a table": (lambda: wr.count(where={"x": {"y": 1}}), ["`where`", "got"]),
}


@pytest.mark.parametrize("case", AGGREGATES)
def test_wrong_aggregates(case: str) -> None:
    build, words = AGGREGATES[case]
    with pytest.raises(wr.ConfigError) as caught:
        made(aggregates={"a": build()})
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_unknown_arguments_are_no_silent_typo() -> None:
    with pytest.raises(TypeError, match="evry"):
        wr.TumblingWindows(every="10s", aggregates=N, evry="5m")  # type: ignore[call-arg]


GOOD = {"time": [0, SECOND], "camera": ["a", "b"], "x": [1.0, 2.0]}

TABLES: dict[str, tuple[Any, list[str]]] = {
    "no time": ({"camera": ["a"], "x": [1.0]}, ["`time`", "camera", "x"]),
    "no key": ({"time": [0], "x": [1.0]}, ["`camera`", "time", "x"]),
    "no input": ({"time": [0], "camera": ["a"]}, ["`x`", "time", "camera"]),
    "ragged": ({"time": [0, 1], "camera": ["a"], "x": [1.0]}, ["camera", "2", "1"]),
    "time boolean": (GOOD | {"time": [True, False]}, ["`time`", "booleans"]),
    "key nested": (GOOD | {"camera": pa.array([[1], [2]])}, ["`camera`", "got"]),
    "input text": (GOOD | {"x": ["1", "2"]}, ["`x`", "floats", "text"]),
    "matrix": (GOOD | {"x": np.ones((2, 2))}, ["`x`", "one dimension", "(2, 2)"]),
    "complex": (GOOD | {"x": np.ones(2, "c16")}, ["`x`", "complex128"]),
    "scalar": (GOOD | {"x": 3.0}, ["`x`", "one dimension"]),
    "objects": (GOOD | {"x": np.array([object(), 1], dtype=object)}, ["`x`"]),
    "number": (7, ["`batch`", "int"]),
    "text": ("rows", ["`batch`", "str"]),
    "rows": ([{"time": 0}], ["`batch`", "list"]),
    "column": (pa.array([1, 2]), ["`batch`", "got"]),
    "none": (None, ["`batch`", "None"]),
}


@pytest.mark.parametrize("case", TABLES)
def test_wrong_tables_change_nothing(case: str) -> None:
    table, words = TABLES[case]
    w = made(by="camera", aggregates={"s": wr.sum("x")})
    w.push(GOOD)
    before = w.snapshot()
    with pytest.raises(wr.DataError) as caught:
        w.push(table)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert w.snapshot() == before
    assert [row["s"] for row in w.flush()] == [1.0, 2.0]


def test_a_key_keeps_its_type() -> None:
    w = made(by="camera")
    w.push(GOOD)
    with pytest.raises(wr.DataError, match="`camera` must hold text as before, got integers"):
        w.push(GOOD | {"camera": [1, 2]})
    assert w.stats["read"] == 2


def test_wrong_times_in_calls() -> None:
    w = made()
    for call in (w.watermark, w.advance, lambda time: w.alive(None, time)):
        with pytest.raises(wr.DataError, match=r"`(time|now)`.*got"):
            call("noon")
        with pytest.raises(wr.DataError, match="1677 and 2262"):
            call(2**70)
    with pytest.raises(wr.DataError, match=r"`now`.*got"):
        w.push({"time": [0]}, now="noon")
    assert w.stats["read"] == 0


def test_wrong_push_one() -> None:
    w = made(by=["camera", "lane"], aggregates={"s": wr.sum("x")})
    w.push_one(0, ("a", 1), [1.5])
    with pytest.raises(wr.DataError, match=r"2 values.*got 1"):
        w.push_one(0, ("a",), [1.0])
    with pytest.raises(wr.DataError, match="`values`"):
        w.push_one(0, ("a", 1), [1.0, 2.0])
    with pytest.raises(wr.DataError, match="x"):
        w.push_one(0, ("a", 1), {"y": 1.0})
    with pytest.raises(wr.DataError, match="text"):
        w.push_one(0, ("a", 1), {"x": "much"})
    assert [row["s"] for row in w.flush()] == [1.5]
    assert w.stats["read"] == 1


def test_rows_without_a_readable_time_leave_the_others_alone() -> None:
    w = made(by="camera", aggregates={"s": wr.sum("x")})
    times = ["1970-01-01T00:00:00Z", "yesterday", None, "3000-01-01T00:00:00Z", "", "1970-01-01T00:00:01"]
    w.push({"time": times, "camera": list("abcdef"), "x": [1, 2, 3, 4, 5, 6]})
    rejects = rows_of(w.rejects())
    assert rejects == [
        {"time": None, "camera": "b", "x": 2, "reason": "time_unreadable"},
        {"time": None, "camera": "c", "x": 3, "reason": "time_null"},
        {"time": None, "camera": "d", "x": 4, "reason": "time_out_of_range"},
        {"time": None, "camera": "e", "x": 5, "reason": "time_unreadable"},
    ]
    assert len(w.rejects()) == 0
    assert [(row["camera"], row["s"]) for row in w.flush()] == [("a", 1), ("f", 6)]
    assert (w.stats["read"], w.stats["counted"], w.stats["rejected"]) == (6, 2, 4)


def test_float_times_that_are_none() -> None:
    w = made()
    w.push({"time": np.array([0.5, np.nan, np.inf, 1e30])})
    assert [row["reason"] for row in w.rejects()] == [
        "time_unreadable",
        "time_unreadable",
        "time_out_of_range",
    ]


def test_windows_beyond_64_bits() -> None:
    edge = 2**63 - 1
    w = made(every="1d")
    w.push({"time": np.array([edge, -edge - 1, 0])})
    assert [(row["time"], row["reason"]) for row in rows_of(w.rejects())] == [
        (edge, "window_out_of_range"),
        (-edge - 1, "window_out_of_range"),
    ]
    # A reject moves no watermark: the good row is counted.
    assert [row["window_start"] for row in rows_of(w.flush())] == [0]


def test_one_row_from_the_future_expires_nothing() -> None:
    w = made(max_ahead="1h")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    base = int(now.timestamp()) * SECOND
    century = base + 74 * 365 * 86_400 * SECOND
    w.push({"time": np.array([base, century, base + 3_600 * SECOND, base + SECOND])}, now=now)
    assert [(row["time"], row["reason"]) for row in rows_of(w.rejects())] == [(century, "leap")]
    assert w.stats["counted"] == 2
    assert w.stats["late"] == 1
    without = made(max_ahead="1h")
    without.push({"time": np.array([base, century])})
    assert len(without.rejects()) == 0


def test_a_series_too_many() -> None:
    w = made(by="camera", max_series=2)
    w.push({"time": [0, 1, 2, 3, 4], "camera": ["a", "b", "c", "a", None]})
    w.push({"time": [5, 6], "camera": ["c", "b"]})
    assert [(row["camera"], row["reason"]) for row in w.rejects()] == [
        ("c", "series_limit"),
        (None, "series_limit"),
        ("c", "series_limit"),
    ]
    assert [(row["camera"], row["n"]) for row in w.flush()] == [("a", 2), ("b", 2)]


def test_rejected_rows_take_no_series() -> None:
    """Ten rows without a time don't keep the one good row out."""
    w = made(by="camera", max_series=1, max_ahead="1h")
    w.push({"time": [None] * 10, "camera": [f"camera {at}" for at in range(10)]}, now=0)
    w.push({"time": [10**18], "camera": ["from the future"]}, now=0)
    w.push({"time": [0], "camera": ["good"]}, now=0)
    assert [(row["camera"], row["n"]) for row in w.flush()] == [("good", 1)]


def test_integer_keys_of_either_sign_are_never_taken_for_null() -> None:
    """2**64 - 1 and -1 have no integer type of 64 bits in common."""
    w = made(by="k")
    w.push({"time": [0], "k": np.array([2**64 - 1], "u8")})
    with contextlib.suppress(wr.DataError):  # refused is as good as kept
        w.push({"time": [0], "k": np.array([-1], "i8")})
    assert None not in [row["k"] for row in w.flush()]


def test_too_many_cells_are_refused_before_a_row_is_read() -> None:
    w = made(by="camera", max_cells=3)
    pushed = 0
    while pushed < 10:
        try:
            w.push({"time": [pushed], "camera": [f"camera {pushed}"]})
        except wr.LimitError:
            break
        pushed += 1
    assert 1 <= pushed <= 3
    before = w.snapshot()
    with pytest.raises(wr.LimitError, match=r"`max_cells`.*3"):
        w.push({"time": [1], "camera": ["another"]})
    assert w.snapshot() == before
    assert w.stats["read"] == w.stats["counted"] == pushed
    # Once the windows are through there is room again.
    w.watermark(10 * SECOND)
    assert len(w.drain()) == pushed
    w.push({"time": [11 * SECOND], "camera": ["another"]})
    assert len(w.flush()) == 1


def test_sums_out_of_range_are_null_and_counted() -> None:
    top = 2**63 - 1
    w = made(by="k", aggregates={"s": wr.sum("x"), "mean": wr.mean("x"), "n": wr.count("x")})
    before = dict(w.stats)
    w.push({"time": [0] * 6, "k": list("aabbbc"), "x": np.array([top, 1, top, 1, -1, -top - 1])})
    rows = list(w.flush())
    assert [row["s"] for row in rows] == [None, top, -top - 1]
    assert [row["n"] for row in rows] == [2, 3, 1]
    assert rows[0]["mean"] == pytest.approx(2.0**62)
    changed = {name for name, value in w.stats.items() if value == 1 and before.get(name) == 0}
    assert len(changed) == 1, dict(w.stats)


def test_nan_counts_as_null_and_is_reported() -> None:
    w = made(aggregates={"n": wr.count(), "x": wr.count("x"), "s": wr.sum("x"), "m": wr.max("x")})
    before = dict(w.stats)
    w.push({"time": [0] * 5, "x": np.array([1.0, np.nan, 3.0, np.nan, np.nan])})
    assert [(row["n"], row["x"], row["s"], row["m"]) for row in w.flush()] == [(5, 2, 4.0, 3.0)]
    told = {name for name, value in w.stats.items() if value == 3 and before.get(name) == 0}
    assert len(told) == 1, dict(w.stats)


def snapshot() -> bytes:
    w = made(
        by="camera",
        every="5s",
        aggregates={"s": wr.sum("x"), "d": wr.distinct("x"), "q": wr.quantile("x", 0.5)},
    )
    w.push(GOOD)
    w.push({"time": [9 * SECOND, None, 0], "camera": ["a", "b", "c"], "x": [1.0, 2.0, 3.0]})
    state: bytes = w.snapshot()
    return state


def test_truncated_snapshots() -> None:
    state = snapshot()
    for cut in [*range(40), len(state) // 2, len(state) - 1]:
        with pytest.raises(wr.SnapshotError):
            wr.TumblingWindows.restore(state[:cut])


def test_altered_snapshots() -> None:
    state = snapshot()
    for at in range(len(state)):
        altered = bytearray(state)
        altered[at] ^= 0x55
        with pytest.raises(wr.SnapshotError):
            wr.TumblingWindows.restore(bytes(altered))


def test_hostile_snapshots_with_a_right_checksum() -> None:
    """Bytes that pass the checksum aren't believed either: an error or an engine that works, no crash."""
    import zlib

    state = snapshot()
    payload = state[19:]
    refused = 0
    for at in range(len(payload)):
        for byte in (0, 0xFF, payload[at] ^ 1):
            altered = payload[:at] + bytes([byte]) + payload[at + 1 :]
            head = state[:7] + struct.pack("<QI", len(altered), zlib.crc32(altered))
            try:
                w = wr.TumblingWindows.restore(head + altered)
            except wr.WindrowError:
                refused += 1
                continue
            try:
                w.push(GOOD)
                w.drain()
                w.flush()
            except wr.WindrowError:
                refused += 1
    assert refused > 0


def test_newer_snapshots() -> None:
    newer = bytearray(snapshot())
    newer[5:7] = (99).to_bytes(2, "little")
    with pytest.raises(wr.SnapshotError, match=r"format 99.*reads formats 1 to"):
        wr.TumblingWindows.restore(bytes(newer))


@pytest.mark.parametrize("state", [b"", b"WROW", b"PK\x03\x04", b"\x00" * 100])
def test_other_bytes(state: bytes) -> None:
    with pytest.raises(wr.SnapshotError):
        wr.TumblingWindows.restore(state)


def test_repr_could_rebuild_it() -> None:
    w = made(
        every="5m",
        by=["camera", "lane"],
        aggregates={
            "cars": wr.distinct("track", where={"class": "car"}),
            "new": wr.distinct(["class", "track"], min_hits=3, count_on="first", retain="1h"),
            "p90": wr.quantile("speed", 0.9),
        },
        offset="-1m",
        zone="Europe/Berlin",
        label="end",
        fill=True,
        rollup=[["camera"], []],
        idle_timeout="1m",
    )
    again = eval(repr(w), vars(wr) | {"wr": wr, "windrow": wr})
    assert repr(again) == repr(w)
    assert again.snapshot() == w.snapshot()


def test_all_errors_have_one_root() -> None:
    for name in ("BusyError", "ConfigError", "DataError", "LimitError", "SnapshotError"):
        assert issubclass(getattr(wr, name), wr.WindrowError)
    with pytest.raises(ValueError):
        made(every="never")
