"""`Detector(completeness=...)`: windows observed in part, against a slow twin, real streets and bad shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pytest
import streets
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle import counts as oracle
from test_detector_counts import FIGURES, column, compare, made_streets
from windrow.backtest.judge import backtest
from windrow.config.check import check

HOURS = np.arange(24 * 40)
NAN = float("nan")


def make(**settings: Any) -> wr.Detector:
    given = {"completeness": "seen", "alarm": wr.Alarm(severity=0), **settings}
    return wr.Detector("counts", measures=["cars"], time="time", time_unit="s", **given)


def judge(values: Any, times: Any, shares: Any, **settings: Any) -> pa.Table:
    return pa.table(make(**settings).push({"time": times, "cars": values, "seen": shares}))


def twin(values: Any, times: Any, every: float, shares: Any) -> dict[str, list[Any]]:
    rows = oracle.judge(list(values), list(times), every, shares=[min(share, 1.0) for share in shares])
    return {name: [row[name] for row in rows] for name in [*FIGURES, "channel"]}


def street(seed: int = 1) -> np.ndarray:
    """Hours of a street with a day."""
    return np.random.default_rng(seed).poisson(60 + 50 * np.sin(HOURS * np.pi / 12)).astype(float)


@given(made_streets(), st.integers(0, 2**32))
def test_made_streets_equal_the_twin(made: tuple[np.ndarray, np.ndarray, float], seed: int) -> None:
    values, times, every = made
    rng = np.random.default_rng(seed)
    shares = np.where(rng.random(len(values)) < 0.5, 1.0, rng.uniform(0.01, 1.01, len(values)))
    values = np.floor(values * shares)
    table = judge(values, times, shares, every=f"{int(every)}s", min_completeness=0.01)
    expected, scale = twin(values, times, every, shares), max(1.0, np.abs(values / shares).max())
    for name in FIGURES:
        # Where an expectation cancels to nothing, only its size beside the values means anything.
        np.testing.assert_allclose(
            column(table, name), np.array(expected[name], float), rtol=1e-9, atol=1e-12 * scale, err_msg=name
        )


def cameras(data: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cameras with what each counted, before it was scaled up to whole hours; times, shares."""
    frame = pd.read_csv(data / "telraam_berlin" / "berlin_dev.csv.gz")
    frame["time"] = pd.to_datetime(frame["date_local"]).to_numpy().astype("M8[s]").astype("int64")
    frame = frame.drop_duplicates(["segment_id", "time"]).sort_values("time")
    found = []
    for _, rows in frame.groupby("segment_id"):
        shares = rows["uptime"].to_numpy()
        found.append((np.round(rows["car_total"].to_numpy() * shares), rows["time"].to_numpy(), shares))
    return found


def test_real_cameras_equal_the_twin(data: Path) -> None:
    # A second more than a whole hour comes up now and then.
    mixed = [one for one in cameras(data) if one[2].min() < 0.5 and one[2].max() > 1]
    for values, times, shares in mixed[:2]:
        enough = shares >= 0.5
        table = judge(values, times, shares, every="1h")
        assert (np.array(table["state"].to_pylist()) == "incomplete").tolist() == (~enough).tolist()
        # Those that aren't judged have taught nothing.
        compare(table.filter(pa.array(enough)), twin(values[enough], times[enough], 3600.0, shares[enough]))


def test_half_a_window_is_expected_half_as_large_and_spreads_as_fewer_do() -> None:
    cars = street()
    history = {"time": 3600 * HOURS, "cars": cars, "seen": np.ones(len(cars))}
    ours = make(every="1h")
    ours.learn(history)
    ours = ours.snapshot()
    at = 3600 * len(HOURS)
    whole, half = (
        next(iter(wr.Detector.restore(ours).push({"time": [at], "cars": [20.0], "seen": [share]})))
        for share in (1.0, 0.5)
    )
    assert half["expected"] == pytest.approx(whole["expected"] / 2)
    widths = [row["upper"] - row["expected"] for row in (whole, half)]
    # More than half as far, for fewer things scatter more, and less than as far as a whole window.
    assert 0.6 < widths[1] / widths[0] < 0.9


def test_a_street_that_is_seen_in_part_stays_calm(data: Path) -> None:
    """Counts of a real street, of which a camera missed a part in every third hour."""
    rng = np.random.default_rng(4)
    _, values, times = streets.load(data)[2]
    shares = np.where(rng.random(len(values)) < 0.33, rng.uniform(0.5, 0.95, len(values)), 1.0)
    thinned = rng.binomial(values.astype(int), shares).astype(float)
    alarm = wr.Alarm(severity=50)
    before, blind, aware = (
        np.nan_to_num(column(table, "severity"))
        for table in (
            judge(values, times, np.ones(len(values)), alarm=alarm),
            judge(thinned, times, np.ones(len(values)), alarm=alarm),
            judge(thinned, times, shares, alarm=alarm),
        )
    )
    errors = [
        np.abs(column(judge(thinned, times, seen), "expected") - thinned)[2_000:].mean()
        for seen in (np.ones(len(values)), shares)
    ]
    assert errors[1] < 0.85 * errors[0]
    told = [(severity >= 50).sum() for severity in (before, blind, aware)]
    assert told[2] <= told[0] + 3
    # An outage is found all the same.
    thinned[8_000:8_024] = 0
    severity = np.nan_to_num(column(judge(thinned, times, shares, alarm=alarm), "severity"))
    assert severity[8_000:8_024].max() >= 50


def test_bad_and_small_shares_cost_no_other_row() -> None:
    cars, shares = street(), np.ones(len(HOURS))
    shares[1::7] = 0.7
    bad = {300: None, 301: NAN, 302: -0.1, 303: 1.02, 304: float("inf"), 310: 0.0, 311: 0.4999, 312: 1e-300}
    mixed = [bad.get(at, share) for at, share in enumerate(shares)]
    ours = make(every="1h")
    table = pa.table(ours.push({"time": 3600 * HOURS, "cars": cars, "seen": pa.array(mixed, pa.float64())}))
    rows = table.to_pylist()
    assert {at for at, row in enumerate(rows) if row["state"] == "incomplete"} == set(bad)
    assert all(rows[at]["severity"] is None and rows[at]["expected"] is None for at in bad)
    assert all(rows[at]["observed"] == cars[at] for at in bad)
    assert rows[300]["reason"] == rows[301]["reason"] == "not judged: no seen, expected a share from 0 to 1"
    assert rows[303]["reason"] == "not judged: seen 1.02, expected a share from 0 to 1"
    assert rows[311]["reason"] == "not judged: 49.9 % of the window was observed, wanted 50 %"
    assert (ours.status["incomplete"], ours.status["completeness_unreadable"]) == (3, 5)
    good = np.array([at not in bad for at in range(len(cars))])
    alone = judge(cars[good], 3600 * HOURS[good], shares[good], every="1h")
    assert table.filter(pa.array(good)).equals(alone)
    with pytest.raises(wr.DataError, match='`completeness` must name a column of the batch, got "seen"'):
        ours.push({"time": [0], "cars": [1.0]})


def test_rows_without_a_value_are_no_incomplete_ones() -> None:
    ours = make(every="1h", alarm=wr.Alarm(severity=100))
    ours.push({"time": 3600 * HOURS, "cars": street(), "seen": np.ones(len(HOURS))})
    missing = {
        "time": [4_000_000, 4_003_600],
        "cars": [NAN, 3.0],
        "silent": [False, True],
        "seen": [NAN, NAN],
    }
    assert [row["state"] for row in ours.push(missing)] == ["ok", "ok"]
    assert (ours.status["incomplete"], ours.status["completeness_unreadable"]) == (0, 0)


def test_one_row_at_a_time_is_the_same() -> None:
    cars, shares = street(), np.where(HOURS % 3 == 0, 0.6, 1.0)
    shares[200] = 0.1
    # Two rows before the length of a window is known: they wait with their shares.
    one, table = make(), make()
    assert one.inputs == ["cars", "seen"]
    for at in range(600):
        given = {"cars": cars[at], "seen": shares[at]} if at % 2 else [cars[at], shares[at]]
        one.learn_one(int(3600 * HOURS[at]), None, given)
    table.learn({"time": 3600 * HOURS[:600], "cars": cars[:600], "seen": shares[:600]})
    assert one.snapshot() == table.snapshot()
    again = wr.Detector.restore(one.snapshot())
    assert again.status["incomplete"] == 1
    assert repr(again) == repr(make(every=None))
    assert "completeness='seen'" in repr(again)
    score = again.score_one(3600 * 600, None, [0.0, 0.9])
    [row] = again.push({"time": [3600 * 600], "cars": [0.0], "seen": [0.9]})
    assert score == row["score"]
    assert score is not None
    assert again.score_one(3600 * 601, None, [0.0, 0.3]) is None


def test_auto_takes_it_where_it_counts() -> None:
    ours = wr.Detector(measures=["cars", "speed"], time="time", time_unit="s", completeness="seen")
    table = {
        "time": 3600 * HOURS,
        "cars": street(),
        "speed": 40 + np.random.default_rng(2).normal(0, 1, len(HOURS)),
    }
    ours.learn({**table, "seen": np.ones(len(HOURS))})
    assert ours.status["methods"] == {"cars": "counts", "speed": "novelty"}
    at = {"time": [3600 * len(HOURS)], "cars": [30.0], "speed": [40.0]}
    whole, half = (
        list(wr.Detector.restore(ours.snapshot()).push({**at, "seen": [share]})) for share in (1.0, 0.5)
    )
    assert half[0]["expected"] == pytest.approx(whole[0]["expected"] / 2)
    assert half[1]["expected"] == whole[1]["expected"]
    assert [row["state"] for row in ours.push({**at, "seen": [0.2]})] == ["incomplete", "incomplete"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "novelty"}, '`completeness` is for "counts" only, got it with "novelty"'),
        ({"min_completeness": 0}, "`min_completeness` must be above 0 and at most 1, got 0"),
        ({"completeness": None, "min_completeness": 0.5}, "`min_completeness` goes with `completeness`"),
        ({"by": "seen"}, '`completeness` must be a column of its own, got "seen"'),
    ],
)
def test_what_cant_be_meant(settings: dict[str, Any], message: str) -> None:
    given = {"measures": ["cars"], "completeness": "seen", **settings}
    with pytest.raises(wr.ConfigError, match=message):
        wr.Detector(**given)


def config(path: Path, **detect: Any) -> dict[str, Any]:
    return {
        "source": {"kind": "file", "path": str(path), "time": "time"},
        "window": {
            "every": "1h",
            "aggregate": [{"name": "cars", "sum": "cars"}, {"name": "uptime", "mean": "seen"}],
        },
        "detect": {"method": "counts", "measures": ["cars"], "completeness": "uptime", **detect},
    }


def test_a_backtest_heeds_it(tmp_path: Path) -> None:
    """A camera that sees half of the last third of its time: without the column that is one long alarm."""
    path = tmp_path / "rows.csv"
    shares = np.where(HOURS >= 24 * 30, 0.6, 1.0)
    cars = np.random.default_rng(2).binomial(street().astype(int), shares)
    times = (1_600_000_000 + 3600 * HOURS).astype("M8[s]")
    pa.csv.write_csv(pa.table({"time": times, "cars": cars, "seen": shares}), path)
    found = {}
    for name, data in (("with", config(path)), ("without", config(path, completeness=None))):
        data["detect"] = {key: value for key, value in data["detect"].items() if value is not None}
        checked, problems = check(data)
        assert checked is not None, problems
        found[name] = backtest(checked).outcome.events
    assert not found["with"]
    assert found["without"]


@pytest.mark.parametrize(
    ("detect", "message"),
    [
        (
            {"completeness": "uptme"},
            '`completeness` must be an aggregate of [window] (cars, uptime), got "uptme"',
        ),
        ({"method": "novelty"}, '`completeness` goes with `method = "counts"`'),
        ({"min_completeness": 2}, "`min_completeness`"),
    ],
)
def test_a_config_says_what_is_wrong(tmp_path: Path, detect: dict[str, Any], message: str) -> None:
    _, problems = check(config(tmp_path / "rows.csv", **detect))
    assert any(message in problem.message for problem in problems), problems
