"""The scorer's severity: equal to its oracle and to the detector's, however the rows are cut."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle.severity import Severity

RMSE = {"cumulative": wr.cumulative(), "rolling": wr.rolling(50), "ewm": wr.ewm(100), "fixed": 0.5}
# Windows of a minute, of an hour, of a day; no step is longer than a few of them.
lengths = st.sampled_from([60, 3_600, 86_400])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """Residuals with heavy tails of a few series, some of them missing, at an even or uneven pace."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, every = draw(st.integers(0, 300)), draw(lengths)
    steps = random.integers(1, 4, rows) if draw(st.booleans()) else np.ones(rows, np.int64)
    residual = random.standard_t(draw(st.sampled_from([2, 5])), rows) * draw(st.sampled_from([0.1, 3.0]))
    predicted = random.normal(20, 5, rows)
    predicted[random.random(rows) < 0.05] = np.nan
    keys = draw(st.integers(1, 3))
    return {
        "machine": np.arange(rows) % keys,
        "time": 1_767_571_200 + np.cumsum(steps) // keys * every,
        "observed": predicted + residual,
        "predicted": predicted,
    }


def scorer(**more: Any) -> wr.ResidualScorer:
    return wr.ResidualScorer(**({"by": "machine", "time_unit": "s", "columns": ["score", "severity"]} | more))


def detector(**more: Any) -> wr.Detector:
    # An alarm that never comes: in alarm a detector doesn't learn.
    base: dict[str, Any] = {
        "by": "machine",
        "time": "time",
        "time_unit": "s",
        "alarm": wr.Alarm(threshold=1e9),
    }
    return wr.Detector("residual", measures=["observed"], predicted=["predicted"], **(base | more))


def cut(table: dict[str, Any], places: list[int]) -> list[dict[str, Any]]:
    rows = len(table["time"])
    edges = [0, *sorted(min(place, rows) for place in places), rows]
    return [
        {name: values[begin:end] for name, values in table.items()}
        for begin, end in itertools.pairwise(edges)
    ]


@given(tables(), st.sampled_from(sorted(RMSE)), st.sampled_from([1, 4]), lengths)
def test_severity_equals_its_oracle(table: dict[str, Any], rule: str, smooth: int, every: int) -> None:
    made = scorer(
        rmse=RMSE[rule], smooth=smooth, every=f"{every}s", columns=["residual", "score", "severity"]
    )
    out = made.push(table).to_pydict()
    twins: dict[Any, Severity] = {}
    rows = zip(table["machine"], table["time"], *out.values(), strict=True)
    for key, time, residual, score, severity in rows:
        if residual is None:
            assert severity is None
            continue
        expected = twins.setdefault(key, Severity(every)).push(float(time), score)
        assert (severity is None) == (expected is None)
        assert severity is None or math.isclose(severity, expected, rel_tol=1e-9, abs_tol=1e-9)


@given(
    tables(),
    st.sampled_from(sorted(RMSE)),
    st.sampled_from([1, 4]),
    st.lists(st.integers(0, 300), max_size=4),
    st.booleans(),
)
def test_severity_is_that_of_the_detector(
    table: dict[str, Any], rule: str, smooth: int, places: list[int], told: bool
) -> None:
    """Also where the first batches can't tell how long a window is."""
    more: dict[str, Any] = {"rmse": RMSE[rule], "smooth": smooth}
    more |= {"every": "1h"} if told else {}
    ours, theirs, stored = scorer(**more), detector(**more), scorer(**more)
    for piece in cut(table, [1, *places]):
        got, expected = ours.push(piece).to_pydict(), theirs.push(piece).to_pydict()
        assert got["severity"] == expected["severity"]
        stored = wr.ResidualScorer.restore(stored.snapshot())
        assert stored.push(piece).to_pydict() == got
    assert stored.snapshot() == ours.snapshot()


@given(tables(), st.sampled_from(sorted(RMSE)), st.integers(0, 60))
def test_rows_pushed_one_by_one_are_learned_too(table: dict[str, Any], rule: str, first: int) -> None:
    single, batch, theirs = (make(rmse=RMSE[rule], every="1h") for make in (scorer, scorer, detector))
    head, tail = cut(table, [first])
    for key, time, observed, predicted in zip(
        *(head[name].tolist() for name in ("machine", "time", "observed", "predicted")), strict=True
    ):
        single.push_one(time, key, observed, predicted)
    theirs.learn(head)
    batch.push(head)
    got = single.push(tail).to_pydict()
    assert got == batch.push(tail).to_pydict()
    assert got["severity"] == theirs.push(tail).to_pydict()["severity"]


def test_what_alarms_counts_too() -> None:
    """A burst each week is once a week, however it alarmed; the RMSE meanwhile holds still."""
    random = np.random.default_rng(6)
    hours = np.arange(24 * 7 * 60)
    observed = random.normal(0, 1, len(hours))
    observed[24 * 7 :: 24 * 7] = 15
    table = {"time": hours * 3_600, "observed": observed, "predicted": np.zeros(len(hours))}
    more: dict[str, Any] = {"by": None, "every": "1h", "rmse": wr.ewm(1_000)}
    found = detector(**more, alarm=wr.Alarm(severity=50)).push(table).to_pydict()
    twin = Severity(3_600)
    for time, score, severity in zip(table["time"], found["score"], found["severity"], strict=True):
        expected = twin.push(float(time), score)
        assert (severity is None) == (expected is None)
        assert severity is None or math.isclose(severity, expected, rel_tol=1e-9, abs_tol=1e-9)
    bursts = found["severity"][24 * 7 :: 24 * 7]
    assert found["state"].count("alarm") > 0
    assert bursts[0] > 50
    assert max(bursts[40:]) < 50


def test_the_length_of_a_window_is_read_off_the_windows_or_their_steps() -> None:
    hours = np.arange(2_000) * 3_600
    residual = np.random.default_rng(4).standard_t(3, len(hours))
    table = {"time": hours, "observed": residual, "predicted": np.zeros(len(hours))}
    start = hours.astype("M8[s]")
    windows = {**table, "window_start": start, "window_end": start + np.timedelta64(2, "h")}

    def severity(table: dict[str, Any], **more: Any) -> list[float | None]:
        made = scorer(by=None, columns=["severity"], **more)
        found: list[float | None] = made.push(table).to_pydict()["severity"]
        return found

    assert severity(table) == severity(table, every="1h")
    assert severity(windows) == severity(table, every="2h") != severity(table)
    assert max(filter(None, severity(table))) > 40


def test_an_infinite_score_is_severe_and_silences_nothing_after_it() -> None:
    hours = np.arange(3_000) * 3_600
    observed = np.random.default_rng(5).normal(0, 1, len(hours))
    observed[1_000] = np.inf
    observed[2_000] = 40.0
    found = scorer(by=None, every="1h", rmse=1.0).push(
        {"time": hours, "observed": observed, "predicted": np.zeros(len(hours))}
    )
    severity = found.to_pydict()["severity"]
    assert severity[1_000] == 100
    assert severity[2_000] > 50


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"every": "1h", "columns": ["score"]}, '`every` is for "severity", which `columns` must name'),
        ({"every": "1h", "columns": None}, '`every` is for "severity"'),
        ({"every": "0s"}, '`every` must be positive, got "0s"'),
        ({"every": 5}, '`every` must be a duration such as "5m" or a timedelta, got 5'),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(wr.ConfigError) as error:
        scorer(**given)
    assert message in str(error.value)


def test_repr_rebuilds() -> None:
    made = scorer(every="90m")
    names = {name: getattr(wr, name) for name in wr.__all__}
    assert "columns=['score', 'severity'], every='1h30m'" in repr(made)
    assert repr(eval(repr(made), names)) == repr(made)


def test_machine_temperature(data: Path) -> None:
    """On real input: a persistence forecast of a machine's temperature, whose file turns its clock back at times."""
    with (data / "nab/data/realKnownCause/machine_temperature_system_failure.csv").open() as file:
        rows = list(csv.DictReader(file))
    observed = np.array([float(row["value"]) for row in rows])
    times = np.array([row["timestamp"] for row in rows], "M8[s]").astype(np.int64)
    ahead = np.concatenate([[True], times[1:] > np.maximum.accumulate(times)[:-1]])
    table = {
        "time": times[ahead],
        "observed": observed[ahead],
        "predicted": np.concatenate([[np.nan], observed[ahead][:-1]]),
    }
    more: dict[str, Any] = {"by": None, "rmse": wr.ewm("6h"), "smooth": 3}
    found, expected = scorer(**more).push(table).to_pydict(), detector(**more).push(table).to_pydict()
    assert found["severity"] == expected["severity"]
    assert sum(severity is not None and severity >= 50 for severity in found["severity"]) > 0
