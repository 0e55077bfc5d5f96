"""The alarm: the documented table, time, hysteresis, and what callers may hand it."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle import alarm as oracle

STATES = ["ok", "alarm", "insufficient_data"]
RULES = ["missing", "ignore", "breaching", "not_breaching"]
# Columns as in RULES; look_back 5, of 3, newest right. CloudWatch's documentation.
TABLE = [
    ("0-X-X", 3, "ok ok ok ok"),
    ("0----", 3, "ok ok ok ok"),
    ("-----", 3, "insufficient_data keep alarm ok"),
    ("0XX-X", 3, "alarm alarm alarm alarm"),
    ("--X--", 3, "alarm keep alarm ok"),
    ("0-X-X", 2, "alarm alarm alarm alarm"),
    ("00X0X", 2, "alarm alarm alarm alarm"),
    ("0-X--", 2, "ok ok alarm ok"),
    ("----0", 2, "ok ok alarm ok"),
    ("---X-", 2, "alarm keep alarm ok"),
]
CELLS = [
    (points, m, missing, expected)
    for points, m, row in TABLE
    for missing, expected in zip(RULES, row.split(), strict=True)
]


@pytest.mark.parametrize(("points", "m", "missing", "expected"), CELLS)
def test_documented_cell(points: str, m: int, missing: str, expected: str) -> None:
    alarm = wr.Alarm(threshold=1.0, breaches=m, of=3, missing=missing)
    assert alarm.look_back == 5
    for state in STATES:
        answer = state if expected == "keep" else expected
        assert alarm.evaluate(points, state) == answer
        listed = [{"0": False, "X": True, "-": None}[mark] for mark in points]
        assert alarm.evaluate(listed, state) == answer
        assert oracle.evaluate(listed, m, 3, 5, missing, state) == answer


shapes = st.integers(1, 6).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n), st.integers(n, n + 4)))


@given(
    st.lists(st.sampled_from([True, False, None]), max_size=14),
    shapes,
    st.sampled_from(RULES),
    st.sampled_from(STATES),
)
def test_rule_equals_its_oracle(
    points: list[bool | None], shape: tuple[int, int, int], missing: str, state: str
) -> None:
    m, n, look_back = shape
    alarm = wr.Alarm(threshold=1.0, breaches=m, of=n, missing=missing, look_back=look_back)
    assert alarm.evaluate(points, state) == oracle.evaluate(points, m, n, look_back, missing, state)


values = st.one_of(
    st.none(), st.sampled_from([0.0, 2.0, 3.0, -3.5, 4.0, float("nan"), float("inf"), -float("inf")])
)
gaps = st.lists(st.tuples(st.integers(-3, 40), values), min_size=1, max_size=40)


@given(
    rows=gaps,
    shape=shapes,
    missing=st.sampled_from(RULES),
    direction=st.sampled_from(["both", "up", "down"]),
    clear_below=st.sampled_from([None, 2.0]),
    lasting=st.sampled_from([None, 1, 25]),
    period=st.sampled_from([None, 1, 2, 10]),
    start=st.sampled_from([0, -10_000, -(2**63) + 200, 2**63 - 2_000]),
)
def test_series_equals_its_oracle(
    rows: list[tuple[int, float | None]],
    shape: tuple[int, int, int],
    missing: str,
    direction: str,
    clear_below: float | None,
    lasting: int | None,
    period: int | None,
    start: int,
) -> None:
    m, n, look_back = shape
    of_ns = {None: None, 1: "1ns", 2: "2ns", 10: "10ns", 25: "25ns"}
    alarm = wr.Alarm(
        threshold=3.0, breaches=m, of=n, missing=missing, direction=direction, clear_below=clear_below,
        lasting=of_ns[lasting], look_back=look_back, period=of_ns[period],
    )  # fmt: skip
    twin = oracle.Series(3.0, m, n, missing, direction, clear_below, lasting, look_back, period)
    times = [start + sum(gap for gap, _ in rows[: at + 1]) for at in range(len(rows))]
    expected = [twin.step(time, value)[-1][1] for time, (_, value) in zip(times, rows, strict=True)]
    assert alarm.states(times, [value for _, value in rows]) == expected


@pytest.mark.parametrize("missing", ["missing", "ignore", "not_breaching"])
def test_data_that_stops_fires_nothing_again(missing: str) -> None:
    # The pipelines we replace: 2 of 3 breached, the calm point between slides out of the range, and with
    # nothing new to see the alarm fires a second time.
    alarm = wr.Alarm(threshold=3.0, breaches=2, of=3, missing=missing)
    silence = [None] * 10
    states = alarm.states(range(13), [9.0, 0.0, 9.0, *silence])
    assert states[2] == "alarm"
    changes = [after for before, after in itertools.pairwise(states) if before != after]
    assert changes.count("alarm") == 1
    assert states[-1] == {"missing": "insufficient_data", "ignore": "ok", "not_breaching": "ok"}[missing]


def test_absent_rows_end_an_alarm_as_null_ones_do() -> None:
    alarm = wr.Alarm(threshold=3.0, period="5m")
    minute = 60_000_000_000
    assert alarm.states([0, 5 * minute, 12 * minute], [0.0, 9.0, None]) == ["ok", "alarm", "alarm"]
    # An hour without rows: forgotten; the null row afterwards brings nothing back.
    assert alarm.states([0, 5 * minute, 65 * minute], [0.0, 9.0, None]) == [
        "ok",
        "alarm",
        "insufficient_data",
    ]


def test_rows_absent_from_a_young_series_count() -> None:
    alarm = wr.Alarm(threshold=3.0, breaches=2, of=3, look_back=3, missing="breaching", period="1ns")
    assert alarm.states([0, 2], [None, 0.0]) == ["alarm", "alarm"]


def test_silence_may_be_declared_a_breach() -> None:
    alarm = wr.Alarm(threshold=3.0, breaches=2, of=3, missing="breaching", period=dt.timedelta(minutes=1))
    start = dt.datetime(1969, 12, 31, 23, 59, tzinfo=dt.UTC)
    times = [start + dt.timedelta(minutes=minute) for minute in (0, 1, 2, 3, 9)]
    # A young series is not silent before its first row; five rows that never came are.
    assert alarm.states(times, [0.0, 0.0, 0.0, 0.0, 0.0]) == ["ok", "ok", "ok", "ok", "alarm"]


def test_lasting_counts_time_not_rows() -> None:
    alarm = wr.Alarm(threshold=3.0, lasting="3m")
    second = 1_000_000_000
    dense = [(at * second, 9.0) for at in range(0, 180, 5)]
    assert alarm.states(*zip(*dense, strict=True)) == ["ok"] * len(dense)
    sparse = [(0, 9.0), (100 * second, 9.0), (180 * second, 9.0), (181 * second, 1.0), (400 * second, 9.0)]
    assert alarm.states(*zip(*sparse, strict=True)) == ["ok", "ok", "alarm", "ok", "ok"]


def test_machine_temperature(data: Path) -> None:
    path = data / "nab/data/realKnownCause/machine_temperature_system_failure.csv"
    with path.open() as file:
        rows = list(csv.DictReader(file))
    times = [dt.datetime.fromisoformat(row["timestamp"]).replace(tzinfo=dt.UTC) for row in rows]
    observed = np.array([float(row["value"]) for row in rows])
    residual = np.diff(observed, prepend=observed[0])
    scores = [float(score) for score in residual / residual.std()]
    alarm = wr.Alarm(threshold=3.0, breaches=3, of=5, period="5m", clear_below=2.0)
    twin = oracle.Series(3.0, 3, 5, clear_below=2.0, period=300)
    seconds = [int(time.timestamp()) for time in times]
    expected = [twin.step(time, score)[-1][1] for time, score in zip(seconds, scores, strict=True)]
    states = alarm.states(times, scores)
    assert states == expected
    assert {"ok", "alarm"} <= set(states)


@given(
    shape=shapes,
    threshold=st.floats(0, 1e300),
    missing=st.sampled_from(RULES),
    direction=st.sampled_from(["both", "up", "down"]),
    lasting=st.sampled_from([None, "3m", dt.timedelta(hours=1, seconds=5)]),
)
def test_alarm_is_a_value(
    shape: tuple[int, int, int],
    threshold: float,
    missing: str,
    direction: str,
    lasting: str | dt.timedelta | None,
) -> None:
    m, n, look_back = shape
    alarm = wr.Alarm(
        threshold=threshold, breaches=m, of=n, look_back=look_back, missing=missing, direction=direction,
        lasting=lasting, clear_below=threshold / 2,
    )  # fmt: skip
    again = eval(repr(alarm), {"Alarm": wr.Alarm})
    for other in (again, wr.Alarm.restore(alarm.snapshot()), pickle.loads(pickle.dumps(alarm))):
        assert other == alarm
        assert hash(other) == hash(alarm)
        assert other.snapshot() == alarm.snapshot()
    assert alarm != wr.Alarm(severity=50)


@given(st.data())
def test_hostile_snapshots(pick: st.DataObject) -> None:
    good = wr.Alarm(threshold=3.0, breaches=2, of=3, lasting="3m").snapshot()
    at = pick.draw(st.integers(0, len(good) - 1))
    with pytest.raises(wr.SnapshotError):
        wr.Alarm.restore(good[:at])
    altered = bytearray(good)
    altered[at] ^= pick.draw(st.integers(1, 255))
    with pytest.raises(wr.SnapshotError):
        wr.Alarm.restore(bytes(altered))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "exactly one of `threshold` and `severity` must be given, got neither"),
        (
            {"threshold": 3.0, "severity": 50},
            "exactly one of `threshold` and `severity` must be given, got both",
        ),
        ({"threshold": -1.0}, "`threshold` must be a finite number of at least 0, got -1"),
        ({"severity": 101}, "`severity` must be between 0 and 100, got 101"),
        ({"severity": 50, "direction": "up"}, '`direction` must be "both" with `severity`'),
        ({"threshold": 3.0, "breaches": 4, "of": 3}, "`breaches` must be at most `of` (3), got 4"),
        ({"threshold": 3.0, "breaches": 0}, "`breaches` must be at least 1, got 0"),
        ({"threshold": 3.0, "of": -1}, "`of` must be a whole number that is not negative, got -1"),
        ({"threshold": 3.0, "of": 3, "look_back": 2}, "`look_back` must be at least `of` (3), got 2"),
        ({"threshold": 3.0, "of": 5_000}, "`of` must be at most 1438, got 5000"),
        (
            {"threshold": 3.0, "clear_below": 3.5},
            "`clear_below` must be between 0 and `threshold` (3), got 3.5",
        ),
        ({"threshold": 3.0, "lasting": "-5m"}, '`lasting` must be positive, got "-5m"'),
        ({"threshold": 3.0, "period": "5 apples"}, "`period` must be a duration"),
        ({"threshold": 3.0, "missing": "none"}, '`missing` must be "missing", "ignore", "breaching" or'),
        ({"threshold": 3.0, "direction": "left"}, '`direction` must be "both", "up" or "down", got "left"'),
    ],
)
def test_mistakes_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(wr.ConfigError) as error:
        wr.Alarm(**arguments)
    assert message in str(error.value)


def test_points_and_states_are_checked() -> None:
    alarm = wr.Alarm(threshold=3.0)
    with pytest.raises(wr.ConfigError, match='`points` must be written with "0"'):
        alarm.evaluate("0?X")
    with pytest.raises(wr.ConfigError, match=r"`points` must hold True, False or None, got 3\.5"):
        alarm.evaluate([3.5])
    with pytest.raises(wr.ConfigError, match='`state` must be "ok"'):
        alarm.evaluate("0", "fine")
    with pytest.raises(wr.DataError, match=r"`values` must be as many as `times` \(2\), got 1"):
        alarm.states([1, 2], [0.0])
    assert alarm.evaluate(np.array([True, False])) == "ok"
    assert alarm.evaluate([0, 1]) == "alarm"
