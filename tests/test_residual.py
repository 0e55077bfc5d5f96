"""Residual scores: equal to their oracle however the rows are cut, and unharmed by bad ones."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import math
import pickle
import threading
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle import residual as oracle

COLUMNS = ["residual", "smoothed", "rmse", "score"]
Row = tuple[str | None, int | None, float | None, float | None]

# Each rule as the package and as the oracle knows it.
RULES = {
    "cumulative": (wr.cumulative(), oracle.Rmse("cumulative")),
    "rolling 1": (wr.rolling(1), oracle.Rmse("rolling_rows", 1)),
    "rolling 3": (wr.rolling(3), oracle.Rmse("rolling_rows", 3)),
    "rolling 20ns": (wr.rolling("20ns"), oracle.Rmse("rolling_time", 20)),
    "ewm 2": (wr.ewm(2), oracle.Rmse("ewm_rows", 2)),
    "ewm 0.5": (wr.ewm(0.5), oracle.Rmse("ewm_rows", 0.5)),
    "ewm 15ns": (wr.ewm("15ns"), oracle.Rmse("ewm_time", 15)),
    "fixed": (2.5, oracle.Rmse("fixed", 2.5)),
}
SMOOTH = {"1": (1, 1, None), "3": (3, 3, None), "12ns": ("12ns", 1, 12)}
rules = st.sampled_from(sorted(RULES))
smooths = st.sampled_from(sorted(SMOOTH))

numbers = st.one_of(
    st.none(),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.sampled_from([0.0, 1.0, math.nan, math.inf, -math.inf, 1e200]),
)
# Steps in time: mostly forward, sometimes none or back; every so often no time at all.
steps = st.one_of(st.integers(0, 9), st.just(60), st.just(-4), st.none())
starts = st.sampled_from([0, -1_000, 1_600_000_000_000_000_000, -(2**63) + 50, 2**63 - 5_000])


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    now = draw(starts)
    rows = []
    for _ in range(draw(st.integers(0, 40))):
        step = draw(steps)
        now += step or 0
        key = draw(st.sampled_from(["a", "b", None]))
        rows.append((key, None if step is None else now, draw(numbers), draw(numbers)))
    return rows


def arrow(rows: list[Row]) -> pa.Table:
    key, time, observed, predicted = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pa.table(
        {
            "key": pa.array(key, pa.string()),
            "time": pa.array(time, pa.int64()),
            "observed": pa.array(observed, pa.float64(), from_pandas=False),
            "predicted": pa.array(predicted, pa.float64(), from_pandas=False),
        }
    )


def scorer(rule: str, smooth: str, **more: object) -> wr.ResidualScorer:
    return wr.ResidualScorer(by="key", rmse=RULES[rule][0], smooth=SMOOTH[smooth][0], **more)


def same(got: float | None, expected: float | None, scale: float = 1.0) -> bool:
    if got is None or expected is None:
        return got is None and expected is None
    return got == expected or math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-12 * scale)


@given(rows=tables(), rule=rules, smooth=smooths)
def test_scorer_equals_its_oracle(rows: list[Row], rule: str, smooth: str) -> None:
    _, rows_smoothed, time_smoothed = SMOOTH[smooth]
    twin = oracle.Scorer(oracle.Series(RULES[rule][1], rows_smoothed, time_smoothed))
    made = scorer(rule, smooth)
    out = made.push(arrow(rows))
    assert out.columns == ["key", "time", *COLUMNS]
    assert len(out) == len(rows)
    for row, got in zip(rows, out, strict=True):
        residual, smoothed, rmse, score = twin.push(*row)
        assert got["key"] == row[0]
        # A mean near nothing has the rounding of what it is a mean of.
        scale = max(
            (abs(value) for value in (row[2], row[3]) if value is not None and math.isfinite(value)),
            default=1,
        )
        scale = max(scale, 1e6)
        assert same(got["residual"], residual), (row, got, residual)
        assert same(got["smoothed"], smoothed, scale), (row, got, smoothed)
        assert same(got["rmse"], rmse), (row, got, rmse)
        assert same(got["score"], score, scale / rmse if rmse else 1.0), (row, got, score)
    stats = made.stats
    assert stats["read"] == len(rows)
    assert stats["nulls"] == twin.nulls
    assert stats["rejected"] == len(twin.rejects)
    assert stats["read"] == stats["scored"] + stats["nulls"] + stats["waiting"] + stats["rejected"]
    rejects = made.rejects().to_pyarrow()
    assert rejects.column_names == ["time", "key", "observed", "predicted", "reason"]
    times = [None if at is None else at.value for at in rejects["time"]]
    assert (
        list(zip(rejects["key"].to_pylist(), times, rejects["reason"].to_pylist(), strict=True))
        == twin.rejects
    )
    assert len(made.rejects()) == 0


@given(rows=tables(), rule=rules, smooth=smooths, cuts=st.lists(st.integers(0, 40), max_size=6))
def test_cuts_and_snapshots_change_nothing(rows: list[Row], rule: str, smooth: str, cuts: list[int]) -> None:
    whole = scorer(rule, smooth)
    expected = whole.push(arrow(rows)).to_pyarrow()
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pieces = [arrow(rows[start:end]) for start, end in itertools.pairwise(edges)]
    in_parts = scorer(rule, smooth)
    stored = scorer(rule, smooth)
    parts, parts_stored = [], []
    for piece in pieces:
        parts.append(in_parts.push(piece).to_pyarrow())
        stored = wr.ResidualScorer.restore(stored.snapshot())
        parts_stored.append(stored.push(piece).to_pyarrow())
    assert pa.concat_tables(parts).combine_chunks().equals(expected)
    assert pa.concat_tables(parts_stored).combine_chunks().equals(expected)
    # One table of several chunks is read as one, too.
    assert scorer(rule, smooth).push(pa.concat_tables(pieces)).to_pyarrow().equals(expected)
    assert in_parts.snapshot() == stored.snapshot() == whole.snapshot()
    assert pickle.loads(pickle.dumps(whole)).stats == whole.stats


@given(rows=tables(), rule=rules, smooth=smooths)
def test_row_by_row_is_the_batch(rows: list[Row], rule: str, smooth: str) -> None:
    batch, single = scorer(rule, smooth, columns=["score"]), scorer(rule, smooth, columns=["score"])
    out = batch.push(arrow(rows))
    assert out.columns == ["score"]
    one_by_one = [single.push_one(time, key, observed, predicted) for key, time, observed, predicted in rows]
    assert out.to_pydict()["score"] == one_by_one
    assert single.stats == batch.stats
    assert single.rejects().to_pydict() == batch.rejects().to_pydict()


@given(st.data())
def test_hostile_snapshots(pick: st.DataObject) -> None:
    made = scorer(pick.draw(rules), pick.draw(smooths))
    made.push(arrow([("a", 5, 1.0, 0.5), (None, 7, 2.0, 1.0), ("a", 4, 1.0, None)]))
    good = made.snapshot()
    at = pick.draw(st.integers(0, len(good) - 1))
    with pytest.raises(wr.SnapshotError):
        wr.ResidualScorer.restore(good[:at])
    altered = bytearray(good)
    altered[at] ^= pick.draw(st.integers(1, 255))
    with pytest.raises(wr.SnapshotError):
        wr.ResidualScorer.restore(bytes(altered))


@given(st.data())
def test_snapshots_altered_with_a_right_checksum_never_panic(pick: st.DataObject) -> None:
    columns = pick.draw(st.sampled_from([None, ["severity", "score"]]))
    made = scorer(pick.draw(rules), pick.draw(smooths), columns=columns)
    made.push(arrow([("a", 5, 1.0, 0.5), ("b", 7, 2.0, 1.0), ("a", 9, 1.0, 0.0), ("a", 11, 3.0, 0.0)]))
    altered = bytearray(made.snapshot())
    for _ in range(pick.draw(st.integers(1, 3))):
        altered[pick.draw(st.integers(19, len(altered) - 1))] = pick.draw(st.integers(0, 255))
    altered[15:19] = zlib.crc32(altered[19:]).to_bytes(4, "little")
    try:
        restored = wr.ResidualScorer.restore(bytes(altered))
    except wr.SnapshotError:
        return
    # What passes the checks may score nonsense, but goes on without failing.
    try:
        restored.push(arrow([("a", 20, 1.0, 0.0), ("c", 21, 1.0, 0.0), (None, None, 0.0, 0.0)]))
        restored.rejects()
    except wr.DataError:
        pass
    assert isinstance(restored.snapshot(), bytes)


def test_an_infinity_leaves_again() -> None:
    values = [1.0, -1.0, math.inf, 1.0, -1.0, 2.0]
    for rmse, expected in [
        (wr.rolling(2), [math.inf, 0.0, 0.0, 2.0]),
        (wr.cumulative(), [math.inf, 1.0, -1.0, 2.0]),
    ]:
        made = wr.ResidualScorer(rmse=rmse)
        scores = [made.push_one(at, None, value, 0.0) for at, value in enumerate(values)]
        assert scores[2:] == expected


def test_nothing_is_divided_by_nothing() -> None:
    made = wr.ResidualScorer(columns=["rmse", "score"])
    out = made.push({"time": [0, 1, 2], "observed": [1.0, 1.0, 3.0], "predicted": [1.0, 1.0, 1.0]})
    assert out.to_pydict() == {"rmse": [None, 0.0, 0.0], "score": [None, None, None]}
    assert made.stats["waiting"] == 3


def test_every_kind_of_input() -> None:
    rows = {
        "machine": ["a", "b", "a", "a"],
        "time": np.array([1000, 1000, 2000, 3000], "M8[ms]"),
        "observed": np.array([1, 2, 3, 5], "i2"),
        "predicted": np.array([0, 0, 1, 1], "f4"),
    }
    frame = pl.DataFrame(rows)
    table = frame.to_arrow()
    dictionary = table.set_column(0, "machine", table["machine"].cast(pa.string()).dictionary_encode())
    expected = None
    for form in (rows, frame, frame.to_pandas(), table, dictionary, table.slice(0)):
        made = wr.ResidualScorer(by=["machine"], rmse=wr.rolling("1h"), smooth=dt.timedelta(seconds=2))
        out = made.push(form).to_pydict()
        assert expected is None or out == expected
        expected = out
    assert expected is not None
    assert expected["score"] == [None, None, 1.5, 3.0 / math.sqrt(2.5)]
    assert expected["time"][3] == dt.datetime(1970, 1, 1, 0, 0, 3, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("int", pa.int32()),
        ("text", pa.large_string()),
        ("flag", pa.bool_()),
        ("float", pa.float64()),
        ("big", pa.uint64()),
    ],
)
def test_keys_of_every_type_come_back(column: str, kind: pa.DataType) -> None:
    values = {
        "int": [3, None],
        "text": ["x", None],
        "flag": [True, None],
        "float": [0.5, None],
        "big": [2**64 - 1, None],
    }
    keys = [values[column][row % 2] for row in range(6)]
    table = pa.table(
        {"key": pa.array(keys, kind), "time": range(6), "observed": [1.0] * 6, "predicted": [0.0] * 6}
    )
    out = wr.ResidualScorer(by="key").push(table).to_pydict()
    assert out["key"] == keys
    assert out["score"] == [None, None, 1.0, 1.0, 1.0, 1.0]


def test_empty_tables() -> None:
    made = wr.ResidualScorer(by="key")
    out = made.push(arrow([]))
    assert (len(out), out.columns) == (0, ["key", "time", *COLUMNS])
    assert len(made.push(arrow([]).slice(0, 0))) == 0
    assert made.stats["read"] == 0


def test_a_bad_column_scores_nothing() -> None:
    made = wr.ResidualScorer(by="key")
    good = {"key": ["a"], "time": [1], "observed": [1.0], "predicted": [0.0]}
    for change, message in [
        (
            {"observed": None},
            '`observed` must name a column of the batch, got "observed": there are "key", "time", "pred',
        ),
        ({"observed": ["x"]}, "column `observed` must hold numbers, got text"),
        ({"time": [True]}, "time column `time` must hold times, got booleans"),
    ]:
        bad = {name: values for name, values in (good | change).items() if values is not None}
        with pytest.raises(wr.DataError) as error:
            made.push(bad)
        assert message in str(error.value)
    made.push(good)
    with pytest.raises(wr.DataError, match="key column `key` must hold text as before, got integers"):
        made.push(good | {"key": [1]})
    with pytest.raises(wr.DataError, match="`key` must have 1 values"):
        made.push_one(1, ("a", "b"), 1.0, 0.0)
    assert made.stats["read"] == 1


def test_times_that_are_none_keep_their_rows() -> None:
    made = wr.ResidualScorer(rmse=1.0)
    out = made.push(
        {
            "time": [
                "2024-01-01T00:00:00Z",
                "soon",
                None,
                "3024-01-01T00:00:00Z",
                "2023-01-01",
                "2024-01-02",
            ],
            "observed": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "predicted": np.zeros(6),
        }
    )
    assert out.to_pydict()["score"] == [1.0, None, None, None, None, 6.0]
    reasons = made.rejects().to_pydict()
    assert reasons["reason"] == ["time_unreadable", "time_null", "time_out_of_range", "time_backwards"]
    assert reasons["observed"] == [2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: wr.rolling(0), "`over` must be 1 to 100000000 rows, got 0"),
        (lambda: wr.rolling("-1h"), '`over` must be positive, got "-1h"'),
        (lambda: wr.ewm(0), "`half_life` must be positive, got 0"),
        (lambda: wr.ewm(math.nan), "`half_life` must be positive, got NaN"),
        (lambda: wr.ewm("0s"), '`half_life` must be positive, got "0s"'),
        (
            lambda: wr.ResidualScorer(rmse="ewm"),
            "`rmse` must be cumulative(), rolling(...), ewm(...) or a number, got 'ewm'",
        ),
        (lambda: wr.ResidualScorer(rmse=0.0), "`rmse` must be a positive number, got 0"),
        (lambda: wr.ResidualScorer(smooth=0), "`smooth` must be 1 to 100000000 rows, got 0"),
        (lambda: wr.ResidualScorer(smooth="-5m"), '`smooth` must be positive, got "-5m"'),
        (lambda: wr.ResidualScorer(columns=["scores"]), '"score" and "severity", got "scores"'),
        (lambda: wr.ResidualScorer(columns=[]), "`columns` must name at least one column, got none"),
        (
            lambda: wr.ResidualScorer(columns=["rmse", "rmse"]),
            '`columns` must name each column once, got "rmse" twice',
        ),
        (lambda: wr.ResidualScorer(by="time"), '`by` and `time` must be different columns, got "time" twice'),
        (lambda: wr.ResidualScorer(time_unit="m"), '`time_unit` must be "s", "ms", "us" or "ns", got "m"'),
    ],
)
def test_mistakes_are_named(make: object, message: str) -> None:
    with pytest.raises(wr.ConfigError) as error:
        make()
    assert message in str(error.value)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_repr_rebuilds(rule: str) -> None:
    names = {name: getattr(wr, name) for name in wr.__all__}
    spec = RULES[rule][0]
    assert eval(repr(spec), names) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    made = wr.ResidualScorer(
        by=["a", "b c'"], rmse=spec, smooth="2m", columns=["score", "rmse"], time_unit="s"
    )
    assert repr(eval(repr(made), names)) == repr(made)
    assert repr(wr.ResidualScorer.restore(made.snapshot())) == repr(made)


def test_two_threads_lose_no_row() -> None:
    made = wr.ResidualScorer(columns=["score"])
    rows = 200_000
    table = {"time": np.arange(rows), "observed": np.ones(rows), "predicted": np.zeros(rows)}
    done: list[int] = []
    refused: list[str] = []

    def work() -> None:
        for _ in range(5):
            try:
                done.append(len(made.push(table)))
            except wr.BusyError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.stats["read"] == sum(done) > 0
    assert len(done) + len(refused) == 10
    assert all("use one scorer per thread" in message for message in refused)


def test_machine_temperature(data: Path) -> None:
    path = data / "nab/data/realKnownCause/machine_temperature_system_failure.csv"
    with path.open() as file:
        rows = list(csv.DictReader(file))
    observed = np.array([float(row["value"]) for row in rows])
    predicted = np.concatenate([[np.nan], observed[:-1]])
    table = {"time": [row["timestamp"] for row in rows], "observed": observed, "predicted": predicted}
    made = wr.ResidualScorer(rmse=wr.ewm("6h"), smooth=12)
    out = made.push(table).to_pyarrow()
    # The file turns its clock back once a while; what lies before is refused, and nothing else is.
    times = [
        int(dt.datetime.fromisoformat(row["timestamp"]).replace(tzinfo=dt.UTC).timestamp()) for row in rows
    ]
    newest = -math.inf
    mean, at, recent = None, 0, []
    for row, (time, got) in enumerate(zip(times, out["score"].to_pylist(), strict=True)):
        if time < newest or math.isnan(predicted[row]):
            assert got is None
            newest = max(newest, time)
            continue
        newest = time
        residual = observed[row] - predicted[row]
        recent = [*recent, residual][-12:]
        expected = sum(recent) / 12 / math.sqrt(mean) if mean and len(recent) == 12 else None
        assert same(got, expected), row
        weight = 0.0 if mean is None else 2 ** (-(time - at) / 21_600)
        mean, at = weight * (mean or 0.0) + (1 - weight) * residual * residual, time
    stats = made.stats
    assert stats["read"] == len(rows) == 22_695
    assert stats["scored"] > 22_000
