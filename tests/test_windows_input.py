"""The same five rows in every form that a table can come in give the same windows."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import windrow as wr
from oracle.windows_face import rows_of

SECOND = 10**9
BASE = 1_625_011_200  # 2021-06-30T00:00:00Z
SECONDS = [BASE, BASE + 2, BASE - 3, BASE + 11, None, BASE + 12]
CAMERAS = ["a", None, "a", "ä", "a", "a"]
VALUES = [1, 2, None, 4, 5, 100]
READ = (6, 5, 0, 1)

START = (BASE - 10) * SECOND, BASE * SECOND, (BASE + 10) * SECOND
EXPECTED = [
    ("a", START[0], 1, 0, None),
    (None, START[1], 1, 1, 2),
    ("a", START[1], 1, 1, 1),
    ("a", START[2], 1, 1, 100),
    ("ä", START[2], 1, 1, 4),
]


def windows(**options: Any) -> wr.TumblingWindows:
    aggregates = {"rows": wr.count(), "values": wr.count("value"), "sum": wr.sum("value")}
    options = {"every": "10s", "by": "camera", "out_of_orderness": "1h"} | options
    return wr.TumblingWindows(aggregates=aggregates, **options)


def outcome(w: wr.TumblingWindows) -> list[tuple[Any, ...]]:
    assert tuple(w.stats[name] for name in ("read", "counted", "late", "rejected")) == READ
    assert [row["reason"] for row in rows_of(w.rejects())] == ["time_null"]
    return [
        (row["camera"], row["window_start"], row["rows"], row["values"], row["sum"])
        for row in rows_of(w.flush())
    ]


def nanoseconds() -> list[int | None]:
    return [None if s is None else s * SECOND for s in SECONDS]


def datetimes() -> list[datetime | None]:
    return [None if s is None else datetime.fromtimestamp(s, UTC) for s in SECONDS]


def table(**columns: pa.Array) -> pa.Table:
    whole = {
        "time": pa.array(nanoseconds(), pa.int64()),
        "camera": pa.array(CAMERAS, pa.string()),
        "value": pa.array(VALUES, pa.int64()),
    }
    return pa.table(whole | columns)


def numpy_columns() -> dict[str, Any]:
    return {
        "time": np.array([np.datetime64("NaT") if s is None else np.datetime64(s, "s") for s in SECONDS]),
        "camera": np.array(CAMERAS, dtype=object),
        "value": np.array(VALUES, dtype=object),
    }


def pandas_frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "time": pd.Series(datetimes(), dtype="datetime64[us, UTC]"),
            "camera": pd.Series(CAMERAS, dtype="str"),
            "value": pd.Series(VALUES, dtype="Int64"),
        }
    )


FORMS: dict[str, Callable[[], Any]] = {
    "pyarrow table": table,
    "pyarrow record batch": lambda: table().to_batches()[0],
    "pyarrow reader": lambda: pa.RecordBatchReader.from_batches(table().schema, table().to_batches()),
    "pyarrow chunked": lambda: pa.concat_tables([table()[:2], table()[2:2], table()[2:5], table()[5:]]),
    "pyarrow sliced": lambda: pa.concat_tables([table(), table(), table()]).combine_chunks()[6:12],
    "pyarrow struct array": lambda: table().to_struct_array().combine_chunks(),
    "polars": lambda: pl.DataFrame(table()),
    "polars sliced": lambda: pl.concat([pl.DataFrame(table())] * 3)[6:12],
    "pandas": pandas_frame,
    "pandas objects": lambda: pandas_frame().astype(object),
    "pandas categorical": lambda: pandas_frame().astype({"camera": "category"}),
    "pandas arrow types": lambda: table().to_pandas(types_mapper=pd.ArrowDtype),
    "pandas odd index": lambda: pandas_frame().set_index(pd.Index([3, 1, 4, 1, 5, 9])),
    "numpy": numpy_columns,
    "dict of arrow": lambda: dict(zip(table().column_names, table().columns, strict=True)),
    "dict of polars": lambda: {column.name: column for column in pl.DataFrame(table())},
    "dict of pandas": lambda: dict(pandas_frame().items()),
    "dict of lists": lambda: {"time": datetimes(), "camera": CAMERAS, "value": VALUES},
    "more columns": lambda: table(extra=pa.array([[1]] * 6)),
    "other order": lambda: table().select(["value", "time", "camera"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_tables_of_any_make(form: str) -> None:
    w = windows()
    w.push(FORMS[form]())
    assert outcome(w) == EXPECTED


def test_duckdb_relation() -> None:
    connection = duckdb.connect()
    connection.register("rows", table())
    w = windows()
    w.push(connection.sql("select to_timestamp(time // 1000000000) as time, camera, value from rows"))
    assert outcome(w) == EXPECTED


def test_drained_windows_are_input_again() -> None:
    w = windows()
    w.push(table())
    fine = w.flush()
    coarse = wr.TumblingWindows(every="20s", time="window_start", aggregates={"rows": wr.sum("rows")})
    coarse.push(fine)
    rows = rows_of(coarse.flush())
    assert [(row["window_start"], row["rows"]) for row in rows] == [
        ((BASE - 20) * SECOND, 1),
        (BASE * SECOND, 4),
    ]


TEXTS: dict[str, pa.DataType] = {
    "plain": pa.string(),
    "large": pa.large_string(),
    "view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "dictionary of 8 bits": pa.dictionary(pa.int8(), pa.string()),
    "dictionary of 64 bits": pa.dictionary(pa.uint64(), pa.large_string()),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_of_any_layout(kind: str) -> None:
    w = windows()
    w.push(table(camera=pa.array(CAMERAS, pa.string()).cast(TEXTS[kind])))
    assert outcome(w) == EXPECTED


def test_texts_of_several_layouts_are_the_same_series() -> None:
    w = wr.TumblingWindows(every="1h", by="camera", aggregates={"rows": wr.count()}, out_of_orderness="1d")
    for kind in TEXTS.values():
        w.push(table(camera=pa.array(CAMERAS, pa.string()).cast(kind)).slice(0, 2))
    assert [(row["camera"], row["rows"]) for row in w.flush()] == [(None, 6), ("a", 6)]


def test_dictionaries_with_nulls_twice_and_unused_values() -> None:
    codes = pa.array([1, 0, 3, 2, None, 1], pa.int8())
    camera = pa.DictionaryArray.from_arrays(codes, pa.array([None, "a", "ä", "a", "unused"]))
    w = windows()
    w.push(table(camera=camera))
    assert outcome(w) == [*EXPECTED]


@pytest.mark.parametrize("bits", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integers_of_any_width(bits: str) -> None:
    kind = getattr(pa, bits)()
    w = windows()
    w.push(table(value=pa.array(VALUES, kind)))
    assert outcome(w) == EXPECTED
    by_value = wr.TumblingWindows(every="1d", by="value", aggregates={"n": wr.count()}, out_of_orderness="1m")
    by_value.push(table(value=pa.array(VALUES, kind)))
    assert [row["value"] for row in by_value.flush()] == [None, 1, 2, 4, 100]


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64(), pa.decimal128(10, 2)])
def test_floats_of_any_width(kind: pa.DataType) -> None:
    w = windows()
    w.push(table(value=pa.array([None if v is None else float(v) for v in VALUES]).cast(kind)))
    rows = outcome(w)
    assert rows == EXPECTED
    assert {type(row[4]) for row in rows} == {float, type(None)}


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Kolkata", "+03:00"])
def test_timestamps_of_any_unit_and_zone(unit: str, zone: str | None) -> None:
    stamps = pa.array(SECONDS, pa.timestamp("s", zone)).cast(pa.timestamp(unit, zone))
    w = windows()
    w.push(table(time=stamps))
    assert outcome(w) == EXPECTED


@pytest.mark.parametrize(("unit", "size"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
def test_integer_times_of_any_unit(unit: str, size: int) -> None:
    w = windows(time_unit=unit)
    w.push(table(time=pa.array([None if s is None else s * size for s in SECONDS], pa.int64())))
    assert outcome(w) == EXPECTED


@pytest.mark.parametrize("kind", [pa.int32(), pa.uint32(), pa.uint64()])
def test_integer_times_of_other_widths(kind: pa.DataType) -> None:
    w = windows(time_unit="s")
    w.push(table(time=pa.array(SECONDS, kind)))
    assert outcome(w) == EXPECTED


def test_times_as_text() -> None:
    texts = [None if t is None else t.isoformat() for t in datetimes()]
    texts[1] = "2021-06-30T00:00:02"  # naive means UTC
    texts[2] = "2021-06-30T01:59:57.000+02:00"
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        w = windows()
        w.push(table(time=pa.array(texts, pa.string()).cast(kind)))
        assert outcome(w) == EXPECTED


def test_times_as_epoch_seconds() -> None:
    w = windows()
    w.push(table(time=pa.array([None if s is None else s + 0.25 for s in SECONDS], pa.float64())))
    assert outcome(w) == EXPECTED


def test_objects_of_several_zones() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    times = [None if t is None else t.astimezone(east) if at % 2 else t for at, t in enumerate(datetimes())]
    w = windows()
    w.push(numpy_columns() | {"time": np.array(times, dtype=object)})
    assert outcome(w) == EXPECTED


@pytest.mark.parametrize("unit", ["h", "m", "s", "ms", "us", "ns", "10s"])
def test_numpy_times_of_any_unit(unit: str) -> None:
    coarse = {"h": 3600, "m": 60, "10s": 10}.get(unit, 1)
    times = np.array([-7 * coarse, BASE // 3600 * 3600, 3 * coarse], "M8[s]").astype(f"M8[{unit}]")
    times = np.append(times, np.datetime64("NaT"))
    w = wr.TumblingWindows(every="10s", aggregates={"n": wr.count()}, out_of_orderness="20000d")
    w.push({"time": times})
    expected = sorted({int(t) // 10 * 10 for t in times[:3].astype("M8[s]").astype("i8")})
    assert [row["window_start"] // SECOND for row in rows_of(w.flush())] == expected
    assert [row["reason"] for row in w.rejects()] == ["time_null"]


def test_numpy_times_beyond_64_bits_of_nanoseconds() -> None:
    times = np.array(["1500-01-01", "2021-06-30", "3000-01-01"], "M8[D]")
    for unit in ("D", "s", "us"):
        w = wr.TumblingWindows(every="10s", aggregates={"n": wr.count()})
        w.push({"time": times.astype(f"M8[{unit}]")})
        assert [row["reason"] for row in w.rejects()] == ["time_out_of_range"] * 2
        assert [row["window_start"] for row in rows_of(w.flush())] == [BASE * SECOND]


ARRAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "strided": lambda a: np.repeat(a, 3)[::3],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "column of a matrix": lambda a: np.stack([a, a], axis=1)[:, 1],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype),
    "unaligned": lambda a: np.frombuffer(
        b"x" + a.tobytes(), np.dtype([("x", "S1"), ("a", a.dtype, a.shape)])
    )["a"][0],
}


@pytest.mark.parametrize("shape", ARRAYS)
@pytest.mark.parametrize("dtype", ["i2", "i8", "u4", "f4", "f8"])
def test_numpy_memory_of_any_shape(shape: str, dtype: str) -> None:
    values = np.arange(1, 9).astype(dtype)
    times = np.arange(8, dtype="i8") * SECOND
    w = wr.TumblingWindows(every="2s", aggregates={"sum": wr.sum("value"), "last": wr.last("value")})
    w.push({"time": ARRAYS[shape](times), "value": ARRAYS[shape](values)})
    assert [(row["sum"], row["last"]) for row in w.flush()] == [(3, 2), (7, 4), (11, 6), (15, 8)]


def test_numpy_memory_may_change_after_the_push() -> None:
    times, values = np.arange(4, dtype="i8") * SECOND, np.ones(4)
    w = wr.TumblingWindows(every="1m", aggregates={"sum": wr.sum("value"), "first": wr.first("value")})
    w.push({"time": times, "value": values})
    times[:], values[:] = 0, 77
    del times, values
    assert [(row["sum"], row["first"]) for row in w.flush()] == [(4, 1)]


def test_masked_arrays() -> None:
    times = np.ma.array([0, 1, 2, 3], mask=[False, False, True, False]) * SECOND
    values = np.ma.array([1.0, 2.0, 4.0, 8.0], mask=[True, False, False, False])
    w = wr.TumblingWindows(every="1m", aggregates={"n": wr.count(), "sum": wr.sum("value")})
    w.push({"time": times, "value": values})
    assert [(row["n"], row["sum"]) for row in w.flush()] == [(3, 10.0)]
    assert len(w.rejects()) == 1


@pytest.mark.parametrize("dtype", [object, "U5", "S5", np.dtypes.StringDType(), bool])
def test_numpy_keys(dtype: Any) -> None:
    keys = np.array([True, False, True]) if dtype is bool else np.array(["b", "a", "b"]).astype(dtype)
    w = wr.TumblingWindows(every="1m", by="key", aggregates={"n": wr.count()})
    w.push({"time": np.zeros(3, "i8"), "key": keys})
    expected = [(False, 1), (True, 2)] if dtype is bool else [("a", 1), ("b", 2)]
    assert [(row["key"], row["n"]) for row in w.flush()] == expected


def test_booleans_in_where() -> None:
    moving = pa.array([True, False, None, True, True, True])
    w = wr.TumblingWindows(
        every="1d", aggregates={"n": wr.count(where={"moving": True})}, out_of_orderness="1m"
    )
    w.push(table(moving=moving))
    assert [row["n"] for row in w.flush()] == [0, 3]


@pytest.mark.parametrize(("value", "other"), [(1, 2), ("1", "2"), (1.5, 2.5), (True, False)])
def test_where_of_any_type(value: Any, other: Any) -> None:
    w = wr.TumblingWindows(every="1d", aggregates={"n": wr.count(where={"x": value})})
    w.push({"time": [0, 1, 2, 3], "x": [value, other, None, value]})
    assert [row["n"] for row in w.flush()] == [2]


EMPTY: dict[str, Callable[[], Any]] = {
    "pyarrow": lambda: table()[:0],
    "no chunks": lambda: pa.Table.from_batches([], schema=table().schema),
    "polars": lambda: pl.DataFrame(table())[:0],
    "pandas": lambda: pandas_frame()[:0],
    "numpy": lambda: {name: column[:0] for name, column in numpy_columns().items()},
    "lists": lambda: {"time": [], "camera": [], "value": []},
}


@pytest.mark.parametrize("form", EMPTY)
def test_nothing_of_an_empty_batch(form: str) -> None:
    w = windows()
    w.push(EMPTY[form]())
    assert len(w.drain()) == len(w.flush()) == len(w.late()) == len(w.rejects()) == 0
    w.push(table())
    w.push(EMPTY[form]())
    assert outcome(w) == EXPECTED


def test_all_null_columns() -> None:
    w = windows()
    w.push(table(camera=pa.nulls(6), value=pa.nulls(6)))
    assert [row[0] for row in outcome(w)] == [None, None, None]


@pytest.mark.parametrize("nothing", [[None, None], np.array([None, None], dtype=object), pa.nulls(2)])
def test_columns_of_nulls_take_the_type_of_what_follows(nothing: Any) -> None:
    w = wr.TumblingWindows(every="1m", by="k", aggregates={"s": wr.sum("x"), "d": wr.distinct("t")})
    w.push({"time": [0, 1], "k": nothing, "x": nothing, "t": nothing})
    w.push({"time": [2], "k": ["a"], "x": [3], "t": ["track"]})
    assert [(row["k"], row["s"], row["d"]) for row in w.flush()] == [(None, None, 0), ("a", 3, 1)]


def test_dictionaries_that_differ_from_chunk_to_chunk() -> None:
    chunks = [pa.array(values).dictionary_encode() for values in (["a", "b"], ["b", "c"])]
    w = wr.TumblingWindows(every="1m", by="k", aggregates={"n": wr.count()})
    w.push(pa.table({"time": pa.chunked_array([[1, 2], [3, 4]]), "k": pa.chunked_array(chunks)}))
    assert [(row["k"], row["n"]) for row in w.flush()] == [("a", 1), ("b", 2), ("c", 1)]


def test_types_come_out_as_documented() -> None:
    w = wr.TumblingWindows(
        every="10s",
        by=["camera", "lane"],
        fill=True,
        rollup=[["camera"]],
        aggregates={
            "n": wr.count(),
            "ids": wr.distinct("value"),
            "sum": wr.sum("value"),
            "mean": wr.mean("value"),
            "median": wr.quantile("value", 0.5),
        },
    )
    w.push(table(lane=pa.array([1, 2, 3, 4, 5, 6], pa.int16())))
    whole = w.flush().to_pyarrow().schema
    stamp = pa.timestamp("ns", "UTC")
    assert whole.names == [
        *["camera", "lane", "window_start", "window_end", "level", "revision", "silent"],
        *["n", "ids", "sum", "mean", "median"],
    ]
    types = dict(zip(whole.names, whole.types, strict=True))
    assert types["camera"] == pa.string()
    assert types["window_start"] == types["window_end"] == stamp
    assert types["silent"] == pa.bool_()
    for name in ("lane", "level", "revision", "n", "ids", "sum"):
        assert pa.types.is_integer(types[name]), name
    for name in ("mean", "median"):
        assert types[name] == pa.float64(), name
    assert w.late().columns == w.rejects().columns == ["time", "camera", "lane", "value", "reason"]


WITHOUT_PYARROW = """
    import sys

    class Absent:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "pyarrow":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Absent())
    import pandas as pd
    import windrow as wr

    frame = pd.DataFrame({
        "time": pd.to_datetime([0, 1, None, 12], unit="s", utc=True),
        "camera": pd.Series(["b", None, "a", "a"], dtype=object),
        "kind": pd.Categorical(["car", "car", "car", "person"]),
        "value": pd.Series([1, None, 3, 4], dtype="Int64"),
        "speed": [0.5, 1.5, 2.5, float("nan")],
    })
    w = wr.TumblingWindows(every="10s", by="camera", aggregates={
        "n": wr.count(), "sum": wr.sum("value"), "speed": wr.mean("speed"),
        "cars": wr.count(where={"kind": "car"})})
    w.push(frame)
    out = w.flush()
    assert out.to_pydict()["camera"] == [None, "b", "a"], out
    assert out.to_pydict()["sum"] == [None, 1, 4], out
    assert out.to_pydict()["speed"] == [1.5, 0.5, None], out
    assert out.to_pydict()["cars"] == [1, 1, 0], out
    assert len(out.to_pandas()) == 3
    assert w.stats["rejected"] == 1
    assert "pyarrow" not in sys.modules
"""

IMPORTS_LITTLE = """
    import sys
    import windrow
    heavy = {"pandas", "pyarrow", "polars", "duckdb", "plotly", "pydantic"} & set(sys.modules)
    assert not heavy, heavy
"""


@pytest.mark.parametrize("program", [WITHOUT_PYARROW, IMPORTS_LITTLE], ids=["pandas alone", "import"])
def test_in_a_process_of_its_own(program: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_text_among_the_numbers_of_messages_costs_no_row() -> None:
    w = wr.TumblingWindows(every="1m", aggregates={"n": wr.count(), "s": wr.sum("v")}, time_unit="s")
    lines = b'{"time": 1, "v": 1}\n{"time": 2, "v": "x"}\n{"time": 3, "v": "2.5"}\n'
    assert w.push_messages(lines, {"kind": "rows", "time_unit": "s"}) == 3
    assert w.flush().to_pydict()["s"] == [3.5]
