"""`Detector`: many series and measures in one table, whatever comes in, however it is cut."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import pickle
import threading
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st

FIGURES = ["expected", "lower", "upper", "score", "severity", "confidence"]
COLUMNS = ["time", "measure", "observed", *FIGURES, "state", "channel", "lowered_by", "reason"]
SETTINGS: dict[str, dict[str, Any]] = {
    "counts": {},
    "novelty": {},
    "auto": {},
    "residual": {"predicted": "p", "rmse": wr.ewm(50), "smooth": 3},
}


def detector(method: str, **settings: Any) -> wr.Detector:
    settings = {"measures": ["x"], "time_unit": "s", "every": "1h", **SETTINGS[method], **settings}
    return wr.Detector(method, **settings)


def rows(batch: wr.Batch) -> list[dict[str, Any]]:
    return pa.table(batch).to_pylist()


def same(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> None:
    def plain(row: dict[str, Any]) -> dict[str, Any]:
        return {name: "nan" if value != value else value for name, value in row.items()}

    assert [plain(row) for row in left] == [plain(row) for row in right]


def table(seed: int, cameras: int, windows: int) -> dict[str, Any]:
    """Cameras that take turns, hour by hour, with a fault in each."""
    rng = np.random.default_rng(seed)
    hours = np.repeat(np.arange(windows), cameras)
    values = rng.poisson(40 + 30 * np.sin(hours * np.pi / 12)).astype(float)
    for camera in range(cameras):
        at = camera + cameras * int(rng.integers(windows // 2, windows))
        values[at : at + cameras * 5 : cameras] = rng.choice([0.0, 300.0])
    return {
        "window_start": hours * 3600 + 1_600_000_000,
        "camera": np.array([f"c{at % cameras}" for at in range(len(hours))]),
        "x": values,
        "p": np.full(len(hours), 40.0),
    }


def cut(columns: dict[str, Any], edges: list[int]) -> list[dict[str, Any]]:
    edges = [0, *sorted(edges), len(columns["x"])]
    return [{name: column[a:b] for name, column in columns.items()} for a, b in itertools.pairwise(edges)]


nonsense = st.sampled_from([math.nan, math.inf, -math.inf, 1e101, -1e300, 1e90, None, -3.5, 0.0])


@st.composite
def cuts(draw: st.DrawFn) -> tuple[dict[str, Any], list[int]]:
    columns = table(draw(st.integers(0, 99)), draw(st.integers(1, 3)), draw(st.integers(2, 250)))
    length = len(columns["x"])
    x: list[float | None] = columns["x"].tolist()
    for at in draw(st.lists(st.integers(0, length - 1), max_size=5)):
        x[at] = draw(nonsense)
    columns["x"] = pa.array(x, pa.float64())
    if draw(st.booleans()):
        columns["silent"] = draw(st.lists(st.booleans(), min_size=length, max_size=length))
    if draw(st.booleans()):
        columns["revision"] = draw(st.lists(st.sampled_from([0, 0, 0, 1]), min_size=length, max_size=length))
    return columns, draw(st.lists(st.integers(0, length), max_size=4))


@pytest.mark.parametrize("method", ["counts", "novelty", "residual"])
@given(case=cuts())
def test_cuts_and_snapshots_change_nothing(method: str, case: tuple[dict[str, Any], list[int]]) -> None:
    columns, edges = case
    whole = detector(method, by="camera")
    expected = rows(whole.push(columns))
    events = {event["id"]: event for event in whole.events()}
    parts = detector(method, by="camera")
    found = []
    seen = {}
    for part in cut(columns, edges):
        found += rows(parts.push(part))
        before = parts.snapshot()
        parts = wr.Detector.restore(before)
        assert parts.snapshot() == before
        seen |= {event["id"]: event for event in parts.events()}
    same(found, expected)
    assert seen.keys() == events.keys()
    for name, event in seen.items():
        assert event["end"] == events[name]["end"]


@pytest.mark.parametrize("method", ["counts", "novelty", "residual", "auto"])
def test_each_series_alone_is_as_it_is_among_others(method: str) -> None:
    columns = table(3, 5, 400)
    together = rows(detector(method, by=["camera"]).push(columns))
    for camera in sorted(set(columns["camera"])):
        kept = [at for at, name in enumerate(columns["camera"]) if name == camera]
        alone = {name: column[kept] for name, column in columns.items()}
        same(
            [row for row in together if row["camera"] == camera],
            rows(detector(method, by=["camera"]).push(alone)),
        )


def test_rows_and_columns() -> None:
    columns = {
        "window_start": [0, 0, 3600],
        "camera": ["a", None, "a"],
        "cars": [3, 4, 5],
        "speed": [50.5, None, 51.0],
    }
    found = wr.Detector("auto", measures=["cars", "speed"], by="camera", time_unit="s").push(columns)
    assert found.columns == ["camera", *COLUMNS]
    assert [(row["camera"], row["measure"], row["observed"]) for row in found] == [
        ("a", "cars", 3.0),
        ("a", "speed", 50.5),
        (None, "cars", 4.0),
        (None, "speed", None),
        ("a", "cars", 5.0),
        ("a", "speed", 51.0),
    ]
    types = pa.table(found).schema
    assert types.field("time").type == pa.timestamp("ns", "UTC")
    assert types.field("state").type == pa.string()
    assert types.field("reason").type == pa.string()
    assert {types.field(name).type for name in ["observed", *FIGURES]} == {pa.float64()}
    assert len(wr.Detector("counts", measures=["x"]).push({"window_start": [], "x": []})) == 0


@pytest.mark.parametrize("make", [pa.table, pd.DataFrame, pl.DataFrame], ids=["pyarrow", "pandas", "polars"])
def test_any_table(make: Callable[[dict[str, Any]], Any]) -> None:
    columns = table(1, 2, 200)
    same(
        rows(detector("counts", by="camera").push(make(columns))),
        rows(detector("counts", by="camera").push(columns)),
    )


def test_what_says_nothing_teaches_nothing() -> None:
    """A missing point leaves the series as if it had not come; only its alarm may notice."""
    columns = table(2, 1, 300)
    for method in ["counts", "novelty", "residual"]:
        plain = rows(detector(method).push(columns))
        for missing in [
            {"x": None},
            {"x": math.nan},
            {"x": -math.inf},
            {"x": 1e101},
            {"silent": True},
            {"revision": 2},
        ]:
            wide = {
                "window_start": np.insert(columns["window_start"], 150, columns["window_start"][150] - 60),
                "x": pa.array(
                    [*columns["x"][:150], missing.get("x", 9_999.0), *columns["x"][150:]], pa.float64()
                ),
                "p": np.full(301, 40.0),
                "silent": [at == 150 and "silent" in missing for at in range(301)],
                "revision": [missing.get("revision", 0) if at == 150 else 0 for at in range(301)],
            }
            found = rows(detector(method).push(wide))
            blank = found.pop(150)
            assert {blank[name] for name in FIGURES} == {None}
            assert blank["reason"] is None
            assert blank["state"] == found[149]["state"]
            if "revision" in missing:
                same(found, plain)
            else:
                for ours, theirs in zip(found, plain, strict=True):
                    assert [ours[name] for name in FIGURES] == [theirs[name] for name in FIGURES]


def test_an_unreadable_time_keeps_its_place() -> None:
    times = pa.array([0, None, 7200], pa.timestamp("s", "UTC"))
    found = rows(detector("novelty").push({"window_start": times, "x": [1.0, 2.0, 3.0]}))
    assert [row["time"] is None for row in found] == [False, True, False]
    assert [row["confidence"] is None for row in found] == [False, True, False]


def test_levels_of_rollups_are_series_of_their_own() -> None:
    hours = np.arange(24 * 15)
    fine = {"window_start": hours * 3600, "camera": ["a"] * len(hours), "x": 10 + hours % 24}
    every = pl.DataFrame(fine).with_columns(level=pl.lit(0))
    none = pl.DataFrame(fine).with_columns(camera=pl.lit(None, pl.String), x=pl.col("x") * 7, level=pl.lit(1))
    null = none.with_columns(level=pl.lit(0), x=pl.col("x") * 3)
    mixed = pl.concat([every, none, null]).sort("window_start", maintain_order=True)
    found = pl.DataFrame(detector("counts", by="camera").push(mixed))
    assert found.columns == ["camera", "level", *COLUMNS]
    alone = pl.DataFrame(detector("counts", by="camera").push(pl.DataFrame(fine)))
    assert alone.columns == ["camera", *COLUMNS]
    kept = found.filter(pl.col("camera") == "a").drop("level")
    assert kept.equals(alone)
    expected = found.group_by("camera", "level").agg(pl.col("expected").last()).sort("expected")["expected"]
    assert expected[1] == pytest.approx(7 * expected[0], rel=0.2)
    assert expected[2] == pytest.approx(21 * expected[0], rel=0.2)
    # A tank's level is no level of a roll-up: named as a measure, or no integer.
    tank = wr.Detector("novelty", measures=["level"], time_unit="s").push(
        {"window_start": [0, 60], "level": [3, 4]}
    )
    assert tank.columns == COLUMNS
    other = detector("counts").push({"window_start": [0, 3600], "level": [3.5, 4.5], "x": [1, 2]})
    assert other.columns == COLUMNS


def test_drained_windows_go_straight_in() -> None:
    windows = wr.TumblingWindows(
        every="5m",
        aggregates={"cars": wr.distinct("track"), "speed": wr.mean("speed")},
        by="camera",
        time_unit="s",
        fill=True,
    )
    seconds = np.arange(0, 86_400, 20)
    windows.push({
        "time": seconds, "camera": np.where(seconds % 40, "a", "b"), "track": seconds, "speed": 50 + seconds % 7 * 0.5
    })  # fmt: skip
    ours = wr.Detector("auto", measures=["cars", "speed"], by="camera")
    found = rows(ours.push(windows.flush()))
    assert ours.status["every"] == "5m"
    assert ours.status["methods"] == {"cars": "counts", "speed": "novelty"}
    assert ours.status["learning"] == 2
    assert ours.status["active"] == 2
    assert len(found) == 2 * 2 * 288


def test_auto_chooses_once() -> None:
    def methods(**columns: Any) -> dict[str, str | None]:
        length = len(next(iter(columns.values())))
        ours = wr.Detector("auto", measures=list(columns), time_unit="s")
        ours.push({"window_start": 60 * np.arange(length), **columns})
        return ours.status["methods"]

    assert methods(a=[1, 2], b=[-1, 2]) == {"a": "counts", "b": "novelty"}
    assert methods(a=[1.0] * 29, b=[0.5] * 29) == {"a": None, "b": None}
    assert methods(a=[1.0] * 30, b=[0.5] * 30) == {"a": "counts", "b": "novelty"}
    taught = wr.Detector("auto", measures=["a", "b"], time_unit="s")
    taught.learn({"window_start": [0, 60], "a": [1.0, 2.0], "b": [1.0, 2.5]})
    assert taught.status["methods"] == {"a": "counts", "b": "novelty"}
    # What came before the choice was held, and taught with it.
    columns = table(5, 1, 500)
    fast, slow = (wr.Detector("auto", measures=["x"], time_unit="s") for _ in range(2))
    expected = rows(fast.push(columns))
    found = [row for part in cut(columns, list(range(1, 60))) for row in rows(slow.push(part))]
    assert [row["expected"] for row in found[:29]] == [None] * 29
    same(found[30:], expected[30:])


def test_the_length_of_a_window_is_known_or_learned() -> None:
    cameras = table(4, 3, 300)
    ours = wr.Detector("counts", measures=["x"], by="camera", time_unit="s")
    first = {name: column[:3] for name, column in cameras.items()}
    ours.push(first)
    assert ours.status["every"] is None
    found = rows(ours.push({name: column[3:] for name, column in cameras.items()}))
    assert ours.status["every"] == "1h"
    expected = rows(detector("counts", by="camera").push(cameras))
    same(found, expected[3:])


def test_learned_history_is_as_good_as_judged() -> None:
    columns = table(6, 2, 600)
    [history, news] = cut(columns, [800])
    judged, taught, one = (detector("counts", by="camera") for _ in range(3))
    judged.push(history)
    taught.learn(history)
    for time, key, value in zip(history["window_start"], history["camera"], history["x"], strict=True):
        one.learn_one(int(time), key, [value])
    assert len(taught.events()) == 0
    assert one.snapshot() == taught.snapshot()
    for ours, theirs in zip(rows(taught.push(news)), rows(judged.push(news)), strict=True):
        assert [ours[name] for name in FIGURES] == [theirs[name] for name in FIGURES]


@pytest.mark.parametrize("method", ["counts", "novelty", "residual"])
def test_score_one_says_what_push_will_and_learns_nothing(method: str) -> None:
    columns = table(7, 1, 500)
    ours = detector(method)
    assert ours.score_one(0, None, {"x": 1.0, "p": 2.0}) is None
    told = 0
    [history, *news] = cut(columns, list(range(300, 500)))
    ours.push(history)
    for part in news:
        before = ours.snapshot()
        time = dt.datetime.fromtimestamp(int(part["window_start"][0]), dt.UTC)
        score = ours.score_one(time, None, {"x": part["x"][0], "p": part["p"][0]})
        assert ours.snapshot() == before
        [row] = rows(ours.push(part))
        assert score == row["score"]
        told += bool(score)
    assert told >= 3
    both = wr.Detector("novelty", measures=["x", "y"], every="1h")
    assert both.inputs == ["x", "y"]
    assert both.score_one(0, None, [1.0, 2.0]) == {"x": None, "y": None}


def test_residuals_are_those_of_the_scorer() -> None:
    columns = table(8, 2, 300)
    columns["x"][400] = 4_000
    scorer = wr.ResidualScorer(
        by="camera",
        time="window_start",
        observed="x",
        predicted="p",
        rmse=wr.ewm(50),
        smooth=3,
        time_unit="s",
    )
    calm = detector("residual", by="camera", alarm=wr.Alarm(threshold=1e9))
    expected = scorer.push(columns).to_pydict()
    found = calm.push(columns).to_pydict()
    assert found["score"] == expected["score"]
    assert found["expected"] == [40.0] * 600
    assert found["upper"][-1] == 40 + 2.6 * expected["rmse"][-1]
    # In alarm nothing is learned: neither the row that opens it nor those after.
    strict = detector("residual", by="camera", alarm=wr.Alarm(threshold=5.0), smooth=1)
    found = rows(strict.push(columns))
    assert found[400]["state"] == "alarm"
    assert [row["upper"] for row in found if row["camera"] == "c0"][201] == found[400]["upper"]
    assert found[400]["channel"] == "above prediction"
    assert found[400]["reason"].startswith("x 4000, expected ")
    [event] = [event for event in strict.events() if event["observed"] == 4_000]
    assert (event["camera"], event["measure"], event["kind"], event["state"]) == ("c0", "x", "anomaly", "ok")
    assert event["start"] <= found[400]["time"] < event["end"]


def test_a_prediction_that_is_missing_is_a_missing_point() -> None:
    found = rows(detector("residual").push({"window_start": [0, 3600], "x": [1.0, 2.0], "p": [None, 1.5]}))
    assert [row["expected"] for row in found] == [None, 1.5]


@pytest.mark.parametrize("period", [None, "1h"])
def test_a_silence_says_how_long_it_lasts(period: str | None) -> None:
    hours = np.arange(480)
    alarm = wr.Alarm(severity=50, missing="breaching", breaches=3, of=3, period=period)
    ours = wr.Detector("counts", measures=["x"], every="1h", time_unit="s", alarm=alarm)
    counts = np.random.default_rng(0).poisson(50, len(hours)).astype(float)
    counts[-5:] = np.nan
    ours.push({"window_start": hours * 3_600, "x": counts})
    [event] = ours.events()
    assert (event["kind"], event["end"], event["reason"]) == (
        "silence",
        None,
        "no value for 5h, the last on a Tuesday at 18:00",
    )
    # Rows 475 to 509 never came or were empty.
    ours.push({"window_start": [510 * 3_600], "x": [50.0]})
    [event] = ours.events()
    assert (event["kind"], event["state"], event["reason"]) == (
        "silence",
        "ok",
        "no value for 1d11h, the last on a Tuesday at 18:00",
    )


def test_a_value_without_its_prediction_is_told_as_such() -> None:
    ours = detector("residual", alarm=wr.Alarm(threshold=3.0, missing="breaching", look_back=1), every="1h")
    ours.push({"window_start": np.arange(50) * 3_600, "x": np.arange(50) % 3, "p": np.ones(50)})
    assert len(ours.events()) == 0
    ours.push({"window_start": [50 * 3_600], "x": [1.0], "p": [None]})
    assert [event["reason"] for event in ours.events()] == [
        "nothing to judge for 1h, the last on a Saturday at 01:00"
    ]


def test_events_are_told_once() -> None:
    columns = table(9, 1, 900)
    ours = detector("counts", by="camera", alarm=wr.Alarm(severity=50))
    found = ours.push(columns)
    opened = [row for row in rows(found) if row["state"] == "alarm"]
    events = list(ours.events())
    assert events
    assert {event["start"] for event in events} <= {row["time"] for row in opened}
    assert all(event["severity"] >= 50 and event["reason"] for event in events)
    assert events[0]["rule"] == "1 of 1 of severity 50.0 or more"
    assert len(ours.events()) == 0
    assert ours.events().columns[:4] == ["camera", "measure", "id", "kind"]


def test_what_was_set_can_be_read_back() -> None:
    for ours in [
        detector(
            "counts",
            by=["camera", "lane"],
            zone="Europe/Berlin",
            holidays=[dt.date(2026, 12, 25), "2027-01-01"],
            silence="2h",
            alarm=wr.Alarm(severity=80, breaches=2, of=3),
        ),
        wr.Detector(measures="x"),
        wr.Detector(
            "novelty",
            measures={"speed": ("mean", "min", "max"), "y": "why"},
            time="t",
            every=dt.timedelta(minutes=5),
        ),
        detector("residual", rmse=2.5, smooth="1h", predicted={"x": "model"}),
    ]:
        again = eval(repr(ours), {"Detector": wr.Detector, "Alarm": wr.Alarm, **vars(wr)})
        assert repr(again) == repr(ours)
        assert again.snapshot() == ours.snapshot()
        assert repr(pickle.loads(pickle.dumps(ours))) == repr(ours)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "count"}, '`method` must be "auto", "counts", "novelty", "joint" or "residual", got "count"'),
        ({"measures": []}, "`measures` must name at least one column, got none"),
        ({"measures": ["x", "x"]}, '`measures` must name each measure once, got "x" twice'),
        ({"measures": {"x": ("a", "b")}}, "`measures` must have one column or three"),
        ({"measures": {"x": ("a", "b", "c")}, "method": "counts"}, '`measures` takes columns of extremes'),
        ({"measures": 3}, "`measures` must be a name or a list of names, got 3"),
        ({"every": "-5m"}, '`every` must be positive, got "-5m"'),
        ({"every": "5"}, "`every` needs a unit"),
        ({"zone": "Berlin"}, '`zone` must be a name of the IANA database such as "Europe/Berlin", got "Berlin"'),
        ({"by": ["a", "a"]}, '`by` and `time` must be different columns, got "a" twice'),
        ({"by": "score"}, '`by` can\'t hold "score": it is an output column'),
        ({"predicted": "p"}, '`predicted` is for "residual" only, got it with "auto"'),
        ({"method": "residual"}, '`predicted` must name a column for each measure, got none for "x"'),
        ({"method": "residual", "predicted": ["a", "b"]}, "`predicted` must name a column for each of 1 measures"),
        ({"rmse": 3.0}, '`rmse` is for "residual" only, got it with "auto"'),
        ({"smooth": 3, "method": "counts"}, '`smooth` is for "residual" only, got it with "counts"'),
        ({"time_unit": "m"}, "`time_unit` must be"),
    ],
)  # fmt: skip
def test_mistakes_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(wr.ConfigError) as caught:
        wr.Detector(**{"measures": ["x"], **settings})
    assert message in str(caught.value)


def test_unfit_tables_are_named_and_change_nothing() -> None:
    ours = detector("counts", by="camera")
    good = table(1, 2, 50)
    ours.push(good)
    before = ours.snapshot()
    there = '"window_start", "camera", "x", "p"'
    for change, message in [
        (
            {"x": None},
            '`measures` must name a column of the batch, got "x": there are "window_start", "camera", "p"',
        ),
        ({"camera": None}, '`by` must name a column of the batch, got "camera"'),
        ({"window_start": None}, '`time` must name a column of the batch, got "window_start"'),
        ({"x": ["many"] * 100}, "column `x` must hold numbers, got text"),
        ({"camera": list(range(100))}, "key column `camera` must hold text as before, got integers"),
    ]:
        bad = {name: column for name, column in {**good, **change}.items() if column is not None}
        for call in [ours.push, ours.learn]:
            with pytest.raises(wr.DataError) as caught:
                call(bad)
            assert message in str(caught.value), there
    for key, values, message in [
        (("a", "b"), [1.0], "`key` must have 1 values (camera), got 2"),
        ("a", [1.0, 2.0], "`values` must hold 1 values (x), got [1.0, 2.0]"),
        ("a", ["many"], "`values` must hold numbers, got 'many' for `x`"),
        ("a", {"y": 1.0}, "`values` must have `x`"),
    ]:
        with pytest.raises(wr.DataError) as caught:
            ours.learn_one(0, key, values)
        assert message in str(caught.value)
    assert ours.snapshot() == before


def test_rows_out_of_order_are_judged_as_they_come() -> None:
    rng = np.random.default_rng(4)
    times = rng.permutation(np.repeat(np.arange(400), 2)) * 3600
    for method in ["counts", "novelty", "residual"]:
        found = rows(
            detector(method).push({"window_start": times, "x": rng.poisson(9, 800), "p": np.full(800, 9.0)})
        )
        assert [row["time"].timestamp() for row in found] == times.tolist()
        assert all(math.isfinite(row["expected"]) for row in found if row["expected"] is not None)


def test_huge_values_do_not_spoil_a_series_for_good() -> None:
    columns = table(5, 1, 900)
    columns["x"][20:40] = 1e99
    for method in ["counts", "novelty"]:
        found = rows(detector(method).push(columns))
        assert all(row["severity"] is None or 0 <= row["severity"] <= 100 for row in found)
        assert all(row["expected"] is None or math.isfinite(row["expected"]) for row in found)


def test_damaged_snapshots_are_refused() -> None:
    ours = detector("counts", by="camera")
    ours.push(table(1, 2, 400))
    bytes_ = ours.snapshot()
    rng = np.random.default_rng(0)
    for at in rng.integers(19, len(bytes_), 300):
        bent = bytearray(bytes_)
        bent[at] ^= int(rng.integers(1, 256))
        with pytest.raises(wr.SnapshotError):
            wr.Detector.restore(bytes(bent))
        # Even with a checksum made to fit, nothing panics: refused, or usable.
        bent[15:19] = zlib.crc32(bytes(bent[19:])).to_bytes(4, "little")
        try:
            restored = wr.Detector.restore(bytes(bent))
        except wr.SnapshotError:
            continue
        try:
            restored.push(table(2, 2, 30))
            restored.events()
        except wr.DataError:
            continue
    for at in rng.integers(0, len(bytes_), 50):
        with pytest.raises(wr.SnapshotError):
            wr.Detector.restore(bytes_[:at])


def test_a_second_thread_is_told_to_wait() -> None:
    ours = detector("counts", by="camera")
    columns = table(1, 4, 20_000)
    seen: list[type] = []
    gate = threading.Barrier(2)

    def work() -> None:
        gate.wait()
        for _ in range(3):
            try:
                ours.push(columns)
                seen.append(type(None))
            except wr.BusyError:
                seen.append(wr.BusyError)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wr.BusyError in seen
    assert type(None) in seen


def test_state_is_small() -> None:
    """12 KB a series: what a thousand more of them add."""
    for method in ["counts", "novelty"]:
        sizes = []
        for cameras in [1, 11]:
            ours = detector(method, by="camera", alarm=wr.Alarm(severity=100))
            ours.push(table(1, cameras, 1_000))
            ours.events()
            sizes.append(len(ours.snapshot()))
        assert (sizes[1] - sizes[0]) / 10 < 12_000, method
