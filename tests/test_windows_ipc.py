"""`push_ipc`: what `push` reads of the same table, from the bytes of a stream; damaged ones are refused whole."""

from __future__ import annotations

import io
import struct
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle.windows_face import SCHEMA, Fast, Rows, rows_of
from test_windows_properties import AGGREGATES, forward, plain


def stream(table: pa.Table, size: int | None = None, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=size)
    return sink.getvalue()


def windows() -> wr.TumblingWindows:
    aggregates = {"n": wr.count(), "xs": wr.count("x"), "last": wr.last("x"), "set": wr.distinct("x")}
    return wr.TumblingWindows(every="10s", by="camera", aggregates=aggregates, time_unit="s")


@given(forward(40), st.integers(1, 50), st.booleans())
def test_streams_are_the_tables_that_they_hold(rows: Rows, size: int, dictionaries: bool) -> None:
    options: dict[str, Any] = {"every": "10s", "by": ["camera", "zone"], "source": "camera"}
    tables, streams, lanes = (Fast(AGGREGATES, **options) for _ in range(3))
    table = pa.Table.from_pylist(rows, SCHEMA)
    if dictionaries:
        for name in ("camera", "class"):
            at = table.schema.get_field_index(name)
            table = table.set_column(at, name, table[name].dictionary_encode())
    tables.engine.push(table)
    streams.engine.push_ipc(stream(table, size))
    with lanes.engine.writer("one") as writer:
        writer.push_ipc(stream(table, size))
    expected = plain(tables.flush())
    assert plain(streams.flush()) == expected
    assert plain(lanes.flush()) == expected
    assert plain(streams.late()) == plain(tables.late())


VALUES = [0, 1, 2, None, 5, 1]
TYPES = [
    *[pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()],
    *[pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string()],
    *[pa.string_view(), pa.binary(), pa.null(), pa.decimal128(21, 2), pa.date32(), pa.date64()],
    *[pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "Europe/Berlin")],
    *[pa.time32("s"), pa.duration("ms"), pa.month_day_nano_interval()],
    *[pa.list_(pa.int64()), pa.struct({"a": pa.int64()}), pa.map_(pa.string(), pa.int64())],
    *[pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.uint32(), pa.int64())],
]


def column(of: pa.DataType) -> pa.Array:
    if pa.types.is_nested(of) or of in (pa.null(), pa.binary(), pa.month_day_nano_interval()):
        return pa.nulls(len(VALUES), of)
    if pa.types.is_dictionary(of):
        values = pa.array(VALUES).cast(of.value_type)
        return values.dictionary_encode().cast(of)
    if of == pa.string_view():
        return pa.array(
            [None if value is None else f"a text of more than twelve {value}" for value in VALUES], of
        )
    try:
        return pa.array(VALUES).cast(of)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.array(VALUES, pa.int32()).cast(of) if of != pa.float16() else pa.nulls(len(VALUES), of)


def outcome(push: Any, w: wr.TumblingWindows) -> Any:
    try:
        push()
    except (wr.DataError, wr.ConfigError) as error:
        assert w.stats["read"] == 0
        return str(error)
    return rows_of(w.flush()), rows_of(w.rejects())


@pytest.mark.parametrize("role", ["time", "camera", "x", "other"])
@pytest.mark.parametrize("of", TYPES, ids=str)
def test_every_type_is_read_as_in_a_table(of: pa.DataType, role: str) -> None:
    columns = {
        "time": pa.array([1, 2, 3, 4, 5, 16]),
        "camera": pa.array(list("aabbab")),
        "x": pa.array(VALUES),
    }
    table = pa.table(columns | {role: column(of)})
    whole, streamed = windows(), windows()
    expected = outcome(lambda: whole.push(table), whole)
    assert outcome(lambda: streamed.push_ipc(stream(table)), streamed) == expected


def test_polars_streams() -> None:
    frame = pl.DataFrame(
        {"time": range(50), "camera": [f"camera {at % 3}" for at in range(50)], "x": range(50)}
    )
    for made in (frame, frame.with_columns(pl.col("camera").cast(pl.Categorical)), frame.head(0)):
        for level in (None, pl.CompatLevel.oldest()):
            sink = io.BytesIO()
            made.write_ipc_stream(sink, compat_level=level)
            whole, streamed = windows(), windows()
            whole.push(made)
            streamed.push_ipc(sink.getvalue())
            assert rows_of(streamed.flush()) == rows_of(whole.flush())


def test_dictionaries_that_grow_and_change() -> None:
    parts = [["a", "b"], ["a", "b", "c"], ["z"]]
    kind = pa.dictionary(pa.int32(), pa.string())
    arrays = [pa.array(part).dictionary_encode().cast(kind) for part in parts]
    times = [pa.array(range(len(part))) for part in parts]
    batches = [
        pa.record_batch({"time": time, "camera": camera, "x": time})
        for time, camera in zip(times, arrays, strict=True)
    ]
    for deltas in (False, True):
        sink = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=deltas)
        with pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)
        w = windows()
        w.push_ipc(sink.getvalue())
        out = w.flush().to_pydict()
        assert dict(zip(out["camera"], out["n"], strict=True)) == {"a": 2, "b": 2, "c": 1, "z": 1}


def test_empty_streams_hold_no_rows_but_types() -> None:
    w = windows()
    table = pa.table({"time": pa.array([1]), "camera": pa.array(["a"]), "x": pa.array([1])})
    w.push_ipc(stream(table.slice(0, 0)))
    w.push_ipc(stream(table.slice(0, 0), 1))
    assert w.stats["read"] == 0
    for none in (b"", b"\xff\xff\xff\xff\0\0\0\0"):
        with pytest.raises(wr.DataError, match="it has no schema"):
            w.push_ipc(none)


def test_what_is_no_stream_is_named() -> None:
    table = pa.table({"time": pa.array([1]), "camera": pa.array(["a"]), "x": pa.array([1])})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    w = windows()
    for wrong, message in [
        (sink.getvalue(), "must be an Arrow IPC stream, got an Arrow IPC file"),
        (b"time,camera\n1,a\n", "Arrow IPC stream"),
        (stream(table) + b"more", "Arrow IPC stream"),
        (stream(table) + stream(table), "Arrow IPC stream"),
        (stream(pa.concat_tables([table] * 99), compression="zstd"), "can't be read as an Arrow IPC stream"),
        (stream(table.rename_columns(["time", "cam", "x"])), "camera"),
    ]:
        with pytest.raises(wr.DataError, match=message):
            w.push_ipc(wrong)
    assert w.stats["read"] == 0


def test_streams_cut_off_at_every_byte() -> None:
    """Between two messages a stream may end, by its format; anywhere else nothing of it is read."""
    table = pa.table(
        {"time": pa.array([1, 2, 3]), "camera": pa.array(["a", "b", "a"]), "x": pa.array([1, 2, 3])}
    )
    data = stream(table, 1)
    whole = []
    for at in range(len(data)):
        w = windows()
        try:
            w.push_ipc(data[:at])
            whole.append(w.stats["read"])
        except wr.DataError:
            assert w.stats["read"] == 0
    # After each batch.
    assert whole == [1, 2, 3]


@pytest.mark.parametrize("rows", [2**20, 2**31, 2**40, 2**62, -1])
@pytest.mark.parametrize("kind", [pa.null(), pa.binary(0)], ids=str)
def test_lengths_that_no_bytes_stand_for(kind: pa.DataType, rows: int) -> None:
    """Columns that take no bytes a row are as long as the stream says."""
    few = 4_097
    data = stream(pa.table({name: pa.nulls(few, kind) for name in ("time", "camera", "x")}))
    assert data.count(struct.pack("<q", few)) >= 4
    w = windows()
    with pytest.raises(wr.DataError):
        w.push_ipc(data.replace(struct.pack("<q", few), struct.pack("<q", rows)))
    assert w.stats["read"] == 0
