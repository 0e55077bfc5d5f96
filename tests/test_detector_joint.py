"""`Detector("joint")`: equal to a slow twin and to the reference, on made and on real machines."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle import joint as oracle
from windrow import stages
from windrow.config import check

#: The files of the benchmark that are quick to compare row by row.
FEW = ["valve1/0", "valve2/3", "other/9"]


def names(width: int) -> list[str]:
    return [f"s{at}" for at in range(width)]


def columns(rows: np.ndarray, times: np.ndarray) -> dict[str, Any]:
    return {"time": times} | {f"s{at}": rows[:, at] for at in range(rows.shape[1])}


def detector(width: int, **settings: Any) -> wr.Detector:
    settings = {"time": "time", "time_unit": "s", "every": "1s"} | settings
    return wr.Detector("joint", measures=names(width), **settings)


def figures(batch: wr.Batch, name: str, width: int) -> np.ndarray:
    """One column of the output as a table of rows and sensors."""
    return pa.table(batch)[name].to_numpy().reshape(-1, width)


def machine(seed: int, rows: int, width: int = 4) -> np.ndarray:
    """Sensors that share two hidden causes, each with noise of its own."""
    rng = np.random.default_rng(seed)
    causes = np.cumsum(rng.normal(0, 1, (rows, 2)), axis=0) * 0.05 + rng.normal(0, 1, (rows, 2))
    return causes @ rng.normal(0, 1, (2, width)) + rng.normal(0, 0.3, (rows, width)) + 10 * np.arange(width)


@st.composite
def made(draw: st.DrawFn) -> np.ndarray:
    """A machine with what goes wrong: sensors that stand still, are doubled or missing, faults, holes."""
    width = draw(st.integers(2, 6))
    rows = machine(draw(st.integers(0, 2**32)), 600, width)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    for habit in draw(st.lists(st.sampled_from(["still", "zero", "twin", "dead", "late"]), max_size=3)):
        at = int(rng.integers(width))
        match habit:
            case "still":
                rows[:, at] = 32.0
                rows[300:, at] += draw(st.sampled_from([0.0, 0.01, 5.0]))
            case "zero":
                rows[:, at] = 0.0
            case "twin":
                rows[:, at] = rows[:, 0]
            case "dead":
                rows[:, at] = np.nan
            case "late":
                rows[:150, at] = np.nan
    for _ in range(draw(st.integers(0, 3))):
        at = int(rng.integers(600))
        sensor = int(rng.integers(width))
        rows[at : at + int(rng.integers(1, 400)), sensor] += draw(st.sampled_from([3.0, -50.0, 1e6, np.nan]))
    holes = rng.random(rows.shape) < draw(st.sampled_from([0.0, 0.02, 0.3]))
    rows[holes] = np.nan
    return rows


Moments = dict[str, list[tuple[int, str]]]


def judged_by_twin(
    rows: np.ndarray, times: np.ndarray, fit: int, adopt: float = 86_400.0
) -> tuple[np.ndarray, np.ndarray, Moments]:
    """Expected values, scores, and when which sensor changed or was adopted, after the fit."""
    is_row = np.isnan(rows).sum(1) * 2 <= rows.shape[1]
    last = np.flatnonzero(is_row)[fit - 1]
    twin = oracle.Machine(rows[: last + 1][is_row[: last + 1]], adopt)
    expected, scores = np.full(rows.shape, np.nan), np.full(rows.shape, np.nan)
    moments: Moments = {"change_point": [], "level_shift": []}
    for at in range(last + 1, len(rows)):
        expected[at], scores[at], *sensors = twin.push(rows[at], times[at])
        for found, sensor in zip(moments.values(), sensors, strict=True):
            if sensor is not None:
                found.append((int(times[at]), f"s{sensor}"))
    return expected, scores, moments


def moments_of(events: wr.Batch) -> Moments:
    found: Moments = {"change_point": [], "level_shift": []}
    for row in pa.table(events).to_pylist():
        if row["kind"] in found:
            found[row["kind"]].append((int(row["start"].timestamp()), row["measure"]))
    return found


@given(made(), st.sampled_from([10, 100, 86_400]))
def test_made_machines_equal_the_twin(rows: np.ndarray, adopt: int) -> None:
    times, width = 1_600_000_000 + np.arange(len(rows)), rows.shape[1]
    if (np.isnan(rows).sum(1) * 2 <= width).sum() <= 200:
        return
    ours = detector(width, fit_rows=200, adopt=f"{adopt}s")
    batch = ours.push(columns(rows, times))
    expected, scores, moments = judged_by_twin(rows, times, 200, adopt)
    np.testing.assert_allclose(figures(batch, "score", width), scores, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(figures(batch, "expected", width), expected, rtol=1e-7, atol=1e-7)
    found = moments_of(ours.events())
    if any(np.array_equal(rows[:, at], rows[:, 0], equal_nan=True) for at in range(1, width)):
        # Of sensors that say the same, rounding chooses.
        found, moments = (
            {kind: [time for time, _ in one] for kind, one in all_.items()} for all_ in (found, moments)
        )
    assert found == moments


def load(root: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    frame = pd.read_csv(root / "skab" / f"{name}.csv", sep=";", parse_dates=["datetime"])
    return frame.iloc[:, 1:9].to_numpy(float), frame.datetime.to_numpy().astype("M8[s]").astype("int64")


@pytest.mark.parametrize("name", FEW)
def test_a_real_machine_equals_the_twin(data: Path, name: str) -> None:
    rows, times = load(data, name)
    batch = detector(8).push(columns(rows, times))
    expected, scores, _ = judged_by_twin(rows, times, 400)
    np.testing.assert_allclose(figures(batch, "score", 8), scores, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(figures(batch, "expected", 8), expected, rtol=1e-9)


@pytest.fixture(scope="module")
def author(reference: Path) -> ModuleType:
    path = reference / "detection" / "joint_residual.py"
    spec = importlib.util.spec_from_file_location("reference_joint", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_whole_benchmark_equals_the_reference(data: Path, author: ModuleType) -> None:
    """Score, alarm, change point and sensor, on every row of all 34 runs."""
    files = sorted(
        file for group in ("valve1", "valve2", "other") for file in (data / "skab" / group).glob("*.csv")
    )
    assert len(files) == 34
    for file in files:
        rows, times = load(data, f"{file.parent.name}/{file.stem}")
        theirs = author.Detector()
        theirs.fit(rows[:400].copy())
        said = [theirs.update(row, float(time)) for row, time in zip(rows[400:], times[400:], strict=True)]
        ours = detector(8)
        batch = ours.push(columns(rows, times))
        scores = figures(batch, "score", 8)[400:]
        most = np.abs(scores).max(1)
        np.testing.assert_allclose(most, [one[0] for one in said], rtol=1e-9, err_msg=file.name)
        states = figures(batch, "state", 8)[400:, 0] == "alarm"
        assert states.tolist() == [one[1] == 1 for one in said], file.name
        assert np.abs(scores).argmax(1).tolist() == [one[3] for one in said], file.name
        changes = [int(time) for time, one in zip(times[400:], said, strict=True) if one[2]]
        found = moments_of(ours.events())
        assert [time for time, _ in found["change_point"]] == changes, file.name
        assert found["level_shift"] == []


# -- what comes of a fault


def broken(shift: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    rows = machine(3, 1_200)
    rows[800:900, 2] += shift
    return rows, 1_600_000_000 + np.arange(1_200)


def test_an_event_names_the_sensor_to_look_at() -> None:
    rows, times = broken()
    ours = detector(4)
    batch = ours.push(columns(rows, times))
    table = pa.table(batch).to_pandas()
    alarms = table[table.state == "alarm"]
    # The state is that of the machine, on the rows of all its sensors.
    assert (alarms.groupby("time").size() == 4).all()
    told = table.dropna(subset="reason")
    assert (told.groupby("time").size() == 1).all()
    assert told.measure[told.time >= pd.Timestamp(times[805], unit="s", tz="UTC")].iloc[0] == "s2"
    event = next(row for row in pa.table(ours.events()).to_pylist() if row["kind"] == "anomaly")
    assert event["measure"] == "s2"
    assert event["start"] < event["end"]
    assert event["reason"].startswith("s2: ")
    assert "times its limit" in event["reason"]
    assert event["rule"] == "3 of 5 above 1.0"
    assert abs(event["peak"]) > 1
    assert event["lower"] < event["expected"] < event["upper"] < event["observed"]
    assert (table.severity.dropna() >= 0).all()


@pytest.mark.parametrize("sensor", range(4))
@pytest.mark.parametrize("shift", [-30.0, 200.0, -1e4])
def test_the_sensor_at_fault_is_named_however_gross_it_is(sensor: int, shift: float) -> None:
    rows, times = machine(3, 1_200), np.arange(1_200)
    rows[800:860, sensor] += shift
    ours = detector(4)
    ours.push(columns(rows, times))
    events = [row for row in pa.table(ours.events()).to_pylist() if row["kind"] == "anomaly"]
    assert next(row["measure"] for row in events if row["start"].timestamp() >= 800) == f"s{sensor}"


def test_baselines_stand_still_while_a_sensor_is_out() -> None:
    rows = machine(3, 6_000)
    rows[800:, 2] += 4.0
    batch = detector(4).push(columns(rows, np.arange(6_000)))
    states = figures(batch, "state", 4)[:, 0]
    assert (states[900:] == "alarm").all()
    # A slow drift is followed.
    rows = machine(3, 6_000)
    rows[400:, 2] += np.linspace(0, 1.0, 5_600)
    states = figures(detector(4).push(columns(rows, np.arange(6_000))), "state", 4)[:, 0]
    assert (states[400:] == "alarm").mean() < 0.05


def test_what_lasts_is_adopted() -> None:
    rows, hours = machine(3, 2_400), np.arange(2_400)
    rows[800:, 2] += 12.0
    ours = detector(4, every="1h", adopt="20d")
    states = figures(ours.push(columns(rows, hours * 3600)), "state", 4)[:, 0]
    assert (states[820:1_280] == "alarm").all()
    assert (states[1_290:] == "ok").mean() > 0.98
    [event] = [row for row in pa.table(ours.events()).to_pylist() if row["kind"] == "level_shift"]
    assert event["measure"] == "s2"
    assert event["reason"] == "s2 has been out for 20d: that is its level now"
    assert 800 * 3600 + 20 * 86_400 <= event["start"].timestamp() < 830 * 3600 + 20 * 86_400
    assert event["end"] == event["start"]


def test_severity_judges_as_well() -> None:
    rows, hours = broken(shift=40.0)
    ours = detector(4, alarm=wr.Alarm(severity=50), every="1h")
    ours.push(columns(rows, (hours - hours[0]) * 3600))
    events = [row for row in pa.table(ours.events()).to_pylist() if row["kind"] == "anomaly"]
    event = max(events, key=lambda row: row["severity"])
    assert event["measure"] == "s2"
    assert event["severity"] >= 50


def test_learning_says_how_far_it_is() -> None:
    rows, times = machine(1, 500), np.arange(500)
    ours = detector(4, fit_rows=300)
    batch = ours.push(columns(rows[:120], times[:120]))
    assert ours.status["learning"] == 1
    assert ours.status["windows_wanted"] == 180
    assert set(figures(batch, "state", 4).ravel()) == {"learning"}
    assert np.isnan(figures(batch, "score", 4).astype(float)).all()
    batch = ours.push(columns(rows[120:], times[120:]))
    assert ours.status["active"] == 1
    assert ours.status["windows_wanted"] == 0
    scores = figures(batch, "score", 4).astype(float)
    assert np.isnan(scores[:180]).all()
    assert not np.isnan(scores[180:]).any()


def test_history_is_fitted_as_a_whole() -> None:
    rows, times = machine(1, 3_000), np.arange(3_000)
    taught = detector(4, fit_rows=500)
    taught.learn(columns(rows[:2_000], times[:2_000]))
    assert taught.status["active"] == 1
    whole = detector(4, fit_rows=2_000)
    whole.push(columns(rows[:2_000], times[:2_000]))
    more = columns(rows[2_000:], times[2_000:])
    assert pa.table(taught.push(more)).equals(pa.table(whole.push(more)))
    # Too short a history waits for the rest.
    short = detector(4, fit_rows=500)
    short.learn(columns(rows[:300], times[:300]))
    assert short.status["windows_wanted"] == 200
    # One row at a time is the same.
    one = detector(4, fit_rows=500)
    for row, time in zip(rows[:500].tolist(), times[:500].tolist(), strict=True):
        one.learn_one(time, None, row)
    first = detector(4, fit_rows=500)
    first.push(columns(rows[:500], times[:500]))
    assert pa.table(one.push(more)).equals(pa.table(first.push(more)))


def test_scores_are_those_of_the_next_row() -> None:
    rows, times = broken()
    ours = detector(4)
    assert ours.score_one(0, None, rows[0].tolist()) == dict.fromkeys(names(4))
    ours.push(columns(rows[:850], times[:850]))
    before = ours.snapshot()
    scores = ours.score_one(int(times[850]), None, rows[850].tolist())
    assert ours.snapshot() == before
    batch = ours.push(columns(rows[850:851], times[850:851]))
    assert list(scores.values()) == figures(batch, "score", 4)[0].tolist()


def test_pumps_don_t_hear_each_other() -> None:
    parts = {name: machine(seed, 700) for seed, name in enumerate(["a", "b", "c"])}
    parts["b"][500:, 1] -= 6
    alone = {name: detector(4).push(columns(rows, np.arange(700))) for name, rows in parts.items()}
    rows = np.stack(list(parts.values()), axis=1).reshape(-1, 4)
    both = columns(rows, np.repeat(np.arange(700), 3)) | {"pump": np.array(list(parts) * 700)}
    ours = detector(4, by="pump")
    found = pa.table(ours.push(both)).to_pandas()
    for name in parts:
        mine = found[found["pump"] == name]
        expected = pa.table(alone[name]).to_pandas()
        pd.testing.assert_frame_equal(mine.drop(columns="pump").reset_index(drop=True), expected)
    assert {row["pump"] for row in pa.table(ours.events()).to_pylist() if row["end"] is None} == {"b"}
    # The state goes on wherever it is cut.
    first = detector(4, by="pump")
    first.push({name: values[:1_200] for name, values in both.items()})
    second = pickle.loads(pickle.dumps(first))
    rest = {name: values[1_200:] for name, values in both.items()}
    assert pa.table(second.push(rest)).equals(pa.table(first.push(rest)))


def test_without_a_stated_length_the_first_rows_tell() -> None:
    rows, times = broken()
    told, asked = detector(4), detector(4, every=None)
    assert pa.table(told.push(columns(rows, times))).equals(pa.table(asked.push(columns(rows, times))))
    single = detector(4, every=None)
    for at in range(3):
        single.push(columns(rows[at : at + 1], times[at : at + 1]))
    assert single.status["every"] == "1s"


def test_a_row_without_readings_is_a_missing_point() -> None:
    rows, times = broken()
    rows[820:840] = np.nan
    ours = detector(4, alarm=wr.Alarm(threshold=1.0, period="1s"))
    batch = ours.push(columns(rows, times))
    assert figures(batch, "state", 4)[819, 0] == "alarm"
    assert figures(batch, "state", 4)[830, 0] == "insufficient_data"
    assert np.isnan(figures(batch, "expected", 4)[820:840].astype(float)).all()
    # One missing reading of four is expected from the others, and the others are judged.
    rows, times = broken()
    rows[850, 2] = np.nan
    batch = detector(4).push(columns(rows, times))
    assert np.isnan(figures(batch, "score", 4)[850].astype(float)).tolist() == [False, False, True, False]
    assert abs(figures(batch, "expected", 4)[850, 2] - machine(3, 1_200)[850, 2]) < 3


def test_a_config_without_an_alarm_has_the_rule_of_the_method() -> None:
    base = '[source]\nkind = "stdin"\n[detect]\nmethod = "joint"\nmeasures = ["a", "b"]\nfit_rows = 300\n'
    plain = stages.detector(check.loads(base))
    assert repr(plain) == repr(wr.Detector("joint", measures=["a", "b"], time="time", fit_rows=300))
    other = stages.detector(check.loads(base + "[alarm]\nbreaches = 2\n"))
    assert "alarm=Alarm(severity=50.0, breaches=2, of=2)" in repr(other)


def test_mistakes_are_named() -> None:
    for settings, message in [
        ({"measures": ["a"]}, '`measures` must name 2 to 500 sensors with "joint", got 1'),
        ({"measures": ["a", "b"], "fit_rows": 10}, "`fit_rows` must be between 200 and 10000, got 10"),
        (
            {"measures": {"a": ("a", "b", "c"), "d": "d"}},
            '`measures` takes columns of extremes with "novelty" only, got "a" with "joint"',
        ),
    ]:
        with pytest.raises(wr.ConfigError) as raised:
            wr.Detector("joint", **settings)
        assert str(raised.value) == message
    with pytest.raises(wr.ConfigError, match='`fit_rows` is for "joint" only, got it with "counts"'):
        wr.Detector("counts", measures="x", fit_rows=400)
    assert repr(detector(2, fit_rows=500, adopt="2d")) == (
        "Detector('joint', measures=['s0', 's1'], time='time', every='1s', alarm=Alarm(threshold=1.0, breaches=3, "
        "of=5, clear_below=0.8), fit_rows=500, adopt='2d', time_unit='s')"
    )
