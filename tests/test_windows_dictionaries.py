"""Keys as dictionary codes, in batches long enough for every shortcut, against the same rows as text, bit by bit.

The property tests hold the text path against the oracle on short streams; shortcuts begin at some dozens of rows that
share a window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr

SECOND = 10**9
ALL = {
    "n": wr.count(),
    "values": wr.count("v"),
    "sum": wr.sum("v"),
    "mean": wr.mean("v"),
    "min": wr.min("v"),
    "max": wr.max("v"),
    "std": wr.std("v"),
}


def rows(
    series: int, nulls: float, nan: float, disorder: int, seed: int, count: int = 20_000, rare: bool = False
) -> pa.Table:
    """Rows over some 8 windows of a minute; disorder in seconds. `rare`: some series have no row in most windows."""
    random = np.random.default_rng(seed)
    times = np.arange(count) * (8 * 60 * SECOND // count) + random.integers(0, disorder * SECOND + 1, count)
    values = random.normal(1e6, 10, count)
    values[random.random(count) < nan] = np.nan
    codes = random.geometric(0.15, count) % series if rare else random.integers(0, series, count)
    return pa.table(
        {
            "time": pa.array(times),
            "k": pa.array([f"k{code}" for code in codes]),
            "v": pa.array(values, mask=random.random(count) < nulls),
        }
    )


def columns(batch: pa.Table, keys: pa.Array) -> dict[str, Any]:
    return {"time": batch["time"].combine_chunks(), "k": keys, "v": batch["v"].combine_chunks()}


def as_text(table: pa.Table) -> list[Any]:
    return [columns(table, table["k"].combine_chunks())]


def as_codes(table: pa.Table) -> list[Any]:
    return [columns(table, table["k"].combine_chunks().dictionary_encode())]


def drained(pushes: list[list[Any]], aggregates: dict[str, Any], **options: Any) -> tuple[pa.Table, Any]:
    windows = wr.TumblingWindows(every="1m", aggregates=aggregates, by="k", **options)
    out = []
    for push in pushes:
        for batch in push:
            windows.push(batch)
        out.append(windows.drain().to_pyarrow())
        windows = wr.TumblingWindows.restore(windows.snapshot())
    out.append(windows.flush().to_pyarrow())
    stats = windows.stats
    return pa.concat_tables(out).select(["k", "window_start", "revision", *ALL]), stats


OPTIONS = [
    {"out_of_orderness": "5s"},
    {},
    {"allowed_lateness": "2m"},
    {"out_of_orderness": "1s", "source": "k"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(
    ("series", "nulls", "nan", "disorder"),
    [(3, 0, 0, 0), (3, 0.02, 0, 4), (40, 0.5, 0.1, 4), (1_500, 0, 0.01, 90), (3, 1, 0, 4)],
)
def test_codes_and_text_are_the_same(series, nulls, nan, disorder, options):
    assert_the_same(rows(series, nulls, nan, disorder, seed=series), options)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_rare_codes_and_text_are_the_same(options):
    """A window of whose series some have no row, one or only a null, and some come for the first time late."""
    table = rows(60, 0.2, 0.01, 4, seed=11, rare=True)
    windows = table["time"].to_numpy() // (60 * SECOND)
    assert len(set(zip(table["k"].to_pylist(), windows, strict=True))) < 55 * len(set(windows))
    assert_the_same(table, options)


def assert_the_same(table, options):
    # Cuts that are no multiples of a word of validity, and slices that start within one.
    parts = [table.slice(at, 1_777) for at in range(0, len(table), 1_777)]
    expected = drained([as_text(part) for part in parts], ALL, **options)
    assert expected[1]["nan"] == np.isnan(table["v"].drop_null().to_numpy()).sum()
    # A dictionary of its own for each batch, and one for all.
    each = [as_codes(part) for part in parts]
    shared = as_codes(table)[0]
    shared = [
        [{name: array.slice(at, 1_777) for name, array in shared.items()}]
        for at in range(0, len(table), 1_777)
    ]
    # One more aggregate, and columns no longer go alone.
    more = {**ALL, "last": wr.last("v")}
    for pushes in (each, shared):
        for aggregates in (ALL, more):
            assert drained(pushes, aggregates, **options) == expected


@pytest.mark.parametrize("words", [["a", "b", "a"], ["a", None, "b"], ["a", "b", "never"]], ids=str)
def test_codes_are_no_series(words):
    """A dictionary may have a text twice, a null, or one that no row has; values may be infinite."""
    table = rows(2 if "never" in words else 3, 0.1, 0.01, 4, seed=8)
    codes = pa.array([int(key[1:]) for key in table["k"].to_pylist()], pa.int32())
    values = table["v"].to_numpy().copy()
    values[7_000], values[9_000] = np.inf, -np.inf
    table = table.set_column(2, "v", pa.array(values, mask=table["v"].is_null().to_numpy()))
    keys = pa.DictionaryArray.from_arrays(codes, pa.array(words))
    pushes = [[columns(table, keys)]], [[columns(table, keys.cast(pa.string()))]]
    (coded, _), (expected, stats) = (drained(push, ALL, out_of_orderness="1s") for push in pushes)
    # Of infinities come NaN, which equal nothing.
    assert str(coded.to_pydict()) == str(expected.to_pydict())
    assert stats["late"] > 0


def test_a_leap_ends_a_run():
    """A row too far ahead of the clock is rejected by itself, wherever it stands among rows that aren't."""
    table = rows(3, 0, 0, 0, seed=9, count=4_000)
    now, times = int(table["time"][2_000].as_py()), table["time"].to_numpy().copy()
    times[3_000] = 0
    table = table.set_column(0, "time", pa.array(times))
    rejected = []
    for batch in (as_text(table)[0], as_codes(table)[0]):
        windows = wr.TumblingWindows(
            every="1h", aggregates=ALL, by="k", out_of_orderness="1h", max_ahead="1m"
        )
        windows.push(batch, now=now)
        rejected.append((windows.rejects().to_pyarrow(), windows.flush().to_pyarrow()))
    assert rejected[0] == rejected[1]
    assert 0 < len(rejected[0][0]) < 2_000


def test_another_dictionary_at_hand_is_another():
    """Codes mean what the batch's own dictionary says, also when the one before was alike."""
    windows = wr.TumblingWindows(every="1m", aggregates={"n": wr.count(), "sum": wr.sum("v")}, by="k")
    time, codes, ones = pa.array([0] * 200), pa.array([0, 1] * 100, pa.int32()), pa.array([1.0] * 200)
    for words in (["a", "b"], ["b", "a"], ["c", "a"], [None, "a"]):
        keys = pa.DictionaryArray.from_arrays(codes, pa.array(words))
        windows.push({"time": time, "k": keys, "v": ones})
    counts = windows.flush().to_pydict()
    assert dict(zip(counts["k"], counts["n"], strict=True)) == {None: 100, "a": 400, "b": 200, "c": 100}
    assert counts["sum"] == [float(n) for n in counts["n"]]


@pytest.mark.parametrize("first", ["integers", "floats"])
def test_integers_before_and_after_floats(first):
    """A column's integers count as floats from the first float on; a restored state goes on likewise."""
    integers, floats = pa.array([2**53, 1, None, 3] * 50), pa.array([0.5, None, 2.5, 3.5] * 50)
    keys = pa.array(["a", "b"] * 100).dictionary_encode()
    windows = wr.TumblingWindows(every="1m", aggregates=ALL, by="k")
    for values in (integers, floats) if first == "integers" else (floats, integers):
        windows.push({"time": pa.array([0] * 200), "k": keys, "v": values})
        windows.push_one(0, "a", [7])
        windows = wr.TumblingWindows.restore(windows.snapshot())
    out = windows.flush().to_pydict()
    a = [float(2**53)] * 50 + [0.5] * 50 + [2.5] * 50 + [7.0] * 2
    b = [1.0] * 50 + [3.0] * 50 + [3.5] * 50
    assert (out["n"], out["values"]) == ([202, 200], [152, 150])
    assert (out["min"], out["max"]) == ([0.5, 1.0], [float(2**53), 3.5])
    np.testing.assert_allclose(out["sum"], [sum(a), sum(b)], rtol=1e-12)
    np.testing.assert_allclose(out["std"], [np.std(a, ddof=1), np.std(b, ddof=1)], rtol=1e-12)
