"""Drift of a model at work: as the twin tells it, the same in batches, streams and over restarts."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from models import INPUTS, TARGET, small
from oracle.drift import Event, Row, drifts
from pyarrow import csv, parquet
from windrow import simulate
from windrow.cli import main
from windrow.model.file import described
from windrow.model.score import score

SECOND = 10**9
#: Two inputs of which drift knows how they were, one that never changed, and a text.
SHAPE: dict[str, Any] = {
    "inputs": [
        {"name": "a", "low": 0.0, "high": 10.0, "fill": 5.0, "mean": 5.0, "std": 2.0},
        {"name": "b", "low": 0.0, "high": 10.0, "fill": 5.0, "mean": 1.0, "std": 0.1},
        {"name": "c", "low": 3.0, "high": 3.0, "fill": 3.0, "mean": 3.0, "std": 0.0},
        {"name": "d", "values": ["x", "y"]},
    ],
    # A long mean of few rows in breach, so that some rows are in alarm and most of a drift is not.
    "watch": {"threshold": 4.0, "smooth": 3, "breaches": 2, "of": 3},
}
USUAL = {"a": (5.0, 2.0), "b": (1.0, 0.1), "c": None, "d": None}


def told(detector: wr.Detector, into: dict[str, Any]) -> None:
    into |= {event["id"]: event for event in detector.events()}


def moment(nanoseconds: int | None) -> dt.datetime | None:
    if nanoseconds is None:
        return None
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=nanoseconds // 1000)


def held_against_the_twin(found: list[dict[str, Any]], expected: list[Event]) -> None:
    found = [event for event in found if event["kind"] == "drift"]
    assert len(found) == len(expected)
    for one, twin in zip(found, expected, strict=True):
        assert (one["start"], one["end"]) == (moment(twin.start), moment(twin.end))
        assert (one["channel"], one["points"]) == (twin.input, twin.stretches)
        got = [one["peak"], one["observed"], one["expected"]]
        np.testing.assert_allclose(got, [twin.peak, twin.observed, twin.expected], rtol=1e-9, atol=1e-9)


def rows_of(table: dict[str, Any], judged: Any, target: str, inputs: list[str]) -> list[Row]:
    """As the twin takes them, from what was judged."""
    out = []
    for at, time in enumerate(judged.column("time").to_pylist()):
        if time is None:
            continue
        expected, state = judged.column("expected")[at].as_py(), judged.column("state")[at].as_py()
        out.append(
            Row(
                int(judged.column("time")[at].value),
                expected is not None and state != "alarm",
                table[target][at],
                expected or 0.0,
                {name: table[name][at] for name in inputs},
            )
        )
    return out


@st.composite
def stretches(draw: Any) -> list[dict[str, Any]]:
    """Rows in stretches that are calm, off, wide, thin or empty, some of them late or missing."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows: list[dict[str, Any]] = []
    time = draw(st.integers(-(10**6), 10**6))
    for _ in range(draw(st.integers(1, 8))):
        count = draw(st.sampled_from([40, 40, 100, 19, 5, 0]))
        off = draw(st.sampled_from([0.0, 0.0, 0.7, -0.8, 3.0]))
        spread = draw(st.sampled_from([0.1, 0.5, 0.9]))
        shift = draw(st.sampled_from([0.0, 0.0, 1.5, -0.3]))
        wild = draw(st.sampled_from([None, 1e99, float("inf"), float("nan")]))
        for at in range(count):
            a = float(random.normal(5.0 + 2 * shift, 0.5))
            y = 1 + 2 * a + off + float(random.normal(0, spread))
            row = {
                "time": time + at * 100 // count,
                "a": a,
                "b": float(random.normal(1.0, 0.2)),
                "c": 3.0,
                "d": "x",
            }
            rows.append(row | {"y": y})
        if wild is not None and rows:
            rows[-1][draw(st.sampled_from(["a", "b", "y"]))] = wild
        if rows and draw(st.booleans()):
            rows.append(rows[-1] | {"time": rows[-1]["time"] - draw(st.integers(0, 250))})
        time += 100 * draw(st.sampled_from([1, 1, 1, 3]))
    rows.append({"time": time, "a": 5.0, "b": 1.0, "c": 3.0, "d": "x", "y": 11.0})
    return rows


@given(stretches(), st.lists(st.integers(1, 400), max_size=3))
def test_drift_is_as_the_twin_tells_it_however_rows_are_cut(
    rows: list[dict[str, Any]], cuts: list[int]
) -> None:
    model = small(**SHAPE)
    table = {name: [row[name] for row in rows] for name in rows[0]}
    whole = wr.Detector("residual", model=model, every="1s", drift="100s")
    judged = pa.table(whole.push(table))
    found: dict[str, Any] = {}
    told(whole, found)
    twin = drifts(rows_of(table, judged, "y", list("abcd")), 100 * SECOND, model.rmse, USUAL)
    held_against_the_twin(list(found.values()), twin)
    detector = wr.Detector("residual", model=model, every="1s", drift="100s")
    apart: dict[str, Any] = {}
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        detector = wr.Detector.restore(detector.snapshot())
        detector.push({name: column[begin:end] for name, column in table.items()})
        told(detector, apart)
    # An event that lasts was told when it opened, and is told again when it ends.
    assert found.keys() == apart.keys()
    for name, one in found.items():
        other = apart[name]
        same = one if one["end"] is not None else one.keys() & {"id", "kind", "start", "end"}
        assert {column: one[column] for column in same} == {column: other[column] for column in same}


def test_real_rows_drift_as_the_twin_tells_it(data: Path) -> None:
    """Five years of a gas turbine, by a model of its first half: hours, a week each 168 rows."""
    read = csv.read_csv(data / "gas_turbine_2011" / "gt_2011.csv.gz")
    inputs = [name for name in read.column_names if name not in ("Carbon monoxide", "Nitrogen oxides")]
    target = "Nitrogen oxides"
    table = {name: read.column(name).to_numpy().astype(float) for name in [*inputs, target]}
    table["time"] = np.arange(len(read)) * 3600
    early = {name: column[: len(read) // 2] for name, column in table.items()}
    model = wr.train(early, target=target, inputs=inputs, method="ridge", time_unit="s")
    detector = wr.Detector("residual", model=model)
    judged = pa.table(detector.push(table))
    events = list(detector.events())
    usual = {one["name"]: (one["mean"], one["std"]) for one in described(model)["inputs"]}
    plain = {name: column.tolist() for name, column in table.items()}
    twin = drifts(rows_of(plain, judged, target, inputs), 7 * 86400 * SECOND, model.rmse, usual)
    assert len(twin) > 2
    held_against_the_twin(events, twin)


# ---- what it is good for


@pytest.fixture(scope="module")
def model() -> wr.Model:
    return wr.train(simulate.motor(healthy=True).columns(), target=TARGET, inputs=INPUTS, method="ridge")


def weeks(days: int = 42, **bent: Any) -> dict[str, Any]:
    """A healthy motor whose columns are off from the third to the fourth week."""
    world = simulate.motor(seed=3, days=days, healthy=True).columns()
    week = np.arange(len(world["time"])) // (7 * 1440)
    for name, by in bent.items():
        world[name] = world[name] + np.where((week >= 2) & (week < 4), by, 0.0)
    return world


def test_a_model_that_fits_has_not_drifted(model: wr.Model) -> None:
    detector = wr.Detector("residual", model=model)
    detector.push(weeks())
    assert list(detector.events()) == []


def test_drift_is_told_once_and_is_over_when_it_is(model: wr.Model) -> None:
    """A lasting step of the target, small enough to raise no alarm: told a week later, and ended by a week without."""
    world = weeks(**{TARGET: 2 * model.rmse})
    detector = wr.Detector("residual", model=model)
    day = 1440
    news = []
    for begin in range(0, 42 * day, day):
        detector.push({name: column[begin : begin + day] for name, column in world.items()})
        news += [(begin // day, event["end"] is None, event) for event in detector.events()]
    (first, is_open, event), (last, is_over, ended) = news
    assert is_open
    assert not is_over
    assert event["id"] == ended["id"]
    # The warm-up comes before the first row that counts.
    assert (first, last) == (21, 35)
    assert (ended["end"] - ended["start"]).days == 14
    assert ended["kind"] == "drift"
    assert 1.5 < ended["peak"] < 2.5
    assert ended["points"] == 2
    assert ended["channel"] is None
    assert f"{TARGET} is 2.0 RMSE above its prediction, the mean of 7d; no input moved" == ended["reason"]
    assert ended["observed"] - ended["expected"] == pytest.approx(2 * model.rmse, rel=0.2)


def test_the_input_that_moved_is_named(model: wr.Model) -> None:
    """Weeks of heat, which the bearing follows almost, but not quite."""
    detector = wr.Detector("residual", model=model)
    detector.push(weeks(ambient_temperature=6.0, **{TARGET: 6.0 - 2 * model.rmse}))
    (event,) = (event for event in detector.events() if event["kind"] == "drift")
    assert event["channel"] == "ambient_temperature"
    assert "ambient_temperature moved by +" in event["reason"]


def test_a_wider_spread_is_drift_too(model: wr.Model) -> None:
    random = np.random.default_rng(1)
    noise = random.normal(0, 2.5 * model.rmse, 42 * 1440)
    detector = wr.Detector("residual", model=model)
    detector.push(weeks(**{TARGET: noise}))
    (event,) = detector.events()
    assert "the residuals of bearing_temperature spread by 2." in event["reason"]


def test_predictions_that_are_brought_drift_where_their_error_is_known() -> None:
    hours = np.arange(24 * 7 * 5)
    rows = {"time": hours * 3600, "y": np.where(hours >= 168 * 2, 12.0, 10.0), "p": np.full(len(hours), 10.0)}
    given: dict[str, Any] = {
        "measures": "y",
        "predicted": "p",
        "time": "time",
        "time_unit": "s",
        "every": "1h",
    }
    detector = wr.Detector("residual", rmse=1.0, drift="7d", alarm=wr.Alarm(threshold=9.0), **given)
    detector.push(rows)
    (event,) = detector.events()
    assert event["reason"] == "y is 2.0 RMSE above its prediction, the mean of 7d"
    assert event["end"] is None
    quiet = wr.Detector("residual", rmse=1.0, alarm=wr.Alarm(threshold=9.0), **given)
    quiet.push(rows)
    assert list(quiet.events()) == []
    with pytest.raises(wr.ConfigError, match="`drift` needs a `model`, or a number as `rmse`"):
        wr.Detector("residual", drift="7d", **given)


def test_planned_work_is_no_drift(model: wr.Model) -> None:
    world = weeks(**{TARGET: 2 * model.rmse})
    begin, end = world["time"][2 * 7 * 1440], world["time"][4 * 7 * 1440 + 100]
    detector = wr.Detector("residual", model=model, maintenance=[(int(begin), int(end))])
    detector.push(world)
    assert list(detector.events()) == []


def test_each_machine_drifts_by_itself() -> None:
    model = small(by=["machine"], **SHAPE)
    at = np.arange(1000)
    one = {"time": at, "a": np.full(1000, 5.0), "b": np.full(1000, 1.0), "c": np.full(1000, 3.0)}
    both: dict[str, Any] = {name: np.repeat(column, 2) for name, column in one.items()}
    both |= {"d": ["x"] * 2000, "machine": ["calm", "off"] * 1000, "y": np.tile([11.0, 11.8], 1000)}
    detector = wr.Detector("residual", model=model, every="1s", drift="100s")
    detector.push(both)
    (event,) = detector.events()
    assert (event["machine"], event["kind"]) == ("off", "drift")


def test_drift_can_be_left_out(model: wr.Model) -> None:
    detector = wr.Detector("residual", model=model, drift="off")
    detector.push(weeks(**{TARGET: 2 * model.rmse}))
    assert list(detector.events()) == []
    assert "drift='off'" in repr(detector)
    assert "drift" not in repr(wr.Detector("residual", model=model, drift="7d"))
    assert "drift='14d'" in repr(wr.Detector("residual", model=model, drift=dt.timedelta(days=14)))


# ---- on the command line, and in a pipeline


def test_a_pipeline_and_score_tell_the_same(model: wr.Model, tmp_path: Path, capsys: Any) -> None:
    """The stream stops twice, within a week that drifts and after one, with its state on the disk."""
    table = pa.table(weeks(**{TARGET: 2 * model.rmse}))
    parquet.write_table(table, tmp_path / "rows.parquet")
    model.save(tmp_path / "m.json")
    assert main(["score", str(tmp_path / "m.json"), str(tmp_path / "rows.parquet"), "--json"]) == 0
    (scored,) = json.loads(capsys.readouterr().out)["events"]
    assert scored["kind"] == "drift"
    assert main(["score", str(tmp_path / "m.json"), str(tmp_path / "rows.parquet")]) == 0
    assert "drift 2.0  bearing_temperature is 2.0 RMSE above" in capsys.readouterr().out
    config = {
        "source": {"kind": "file"},
        "detect": {"method": "residual", "model": str(tmp_path / "m.json")},
        "state": {"path": str(tmp_path / "state")},
        "sink": [{"kind": "file", "path": str(tmp_path / "events.jsonl"), "append": True}],
    }
    day = 1440
    for begin, end in ((0, 17 * day), (17 * day, 22 * day + 7), (22 * day + 7, len(table))):
        parquet.write_table(table.slice(begin, end - begin), tmp_path / "part.parquet")
        wr.Pipeline.from_dict(config).run(input=tmp_path / "part.parquet")
    opened, closed = (
        json.loads(line) for line in (tmp_path / "events.jsonl").read_text("utf-8").splitlines()
    )
    assert opened["end"] is None
    for name in ("id", "kind", "peak", "channel", "reason", "points", "observed", "expected"):
        assert closed[name] == scored[name], name
    assert score(model, tmp_path / "rows.parquet", drift="off").events == []
