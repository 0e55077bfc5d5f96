"""Levels of counts that last: equal to a slow twin; told once, from their beginning; what passes is no level."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import streets
import windrow as wr
from faults import PATIENCE
from hypothesis import given
from hypothesis import strategies as st
from oracle import counts as oracle
from oracle import levels as twin

#: Windows of a real street; the twin of an emulated run takes five minutes for as many.
MOST = 12_000 if PATIENCE == 1 else 8_000
HOURS = np.arange(24 * 70)
DAY = 86_400


def detector(**settings: Any) -> wr.Detector:
    given = {"measures": ["cars"], "time": "time", "time_unit": "s", "every": "1h"} | settings
    return wr.Detector("counts", **given)


def shifts(ours: wr.Detector) -> list[dict[str, Any]]:
    return [event for event in ours.events() if event["kind"] == "level_shift"]


def street(level: float = 60, seed: int = 1) -> np.ndarray:
    usual = level * (1 + 0.8 * np.sin(HOURS * np.pi / 12))
    return np.random.default_rng(seed).poisson(usual).astype(float)


def table(values: np.ndarray, times: np.ndarray = 3600 * HOURS) -> dict[str, np.ndarray]:
    return {"time": times, "cars": values}


def day(number: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(DAY * number, dt.UTC)


# -- equal to the twin


def compare(values: np.ndarray, times: np.ndarray, every: float, many: int) -> int:
    """Events as the twin has them; their number."""
    ours = detector(every=f"{int(every)}s", adopt=f"{many}d")
    ours.push(table(values, times))
    judged = oracle.judge(list(values), list(times), every)
    rows = [
        (float(time), float(value), float(row["profile"] or 0.0))
        for time, value, row in zip(times, values, judged, strict=True)
    ]
    found, expected = shifts(ours), twin.shifts(rows, every, many)
    assert [(one["start"].timestamp(), one["end"].timestamp()) for one in found] == [
        (one.since, one.told) for one in expected
    ]
    for name in ("observed", "expected"):
        np.testing.assert_allclose(
            [one[name] for one in found], [getattr(one, name) for one in expected], rtol=1e-9, err_msg=name
        )
    return len(found)


@st.composite
def changing_streets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float, int]:
    """Weeks with levels that come, stay and go, days without anything, and windows that are missing."""
    every = draw(st.sampled_from([3600, 7200, 86_400]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    windows = int(draw(st.integers(25, 75)) * DAY / every)
    times = draw(st.sampled_from([0, 1_600_000_000, -(10**8)])) + every * np.arange(windows)
    level = draw(st.sampled_from([0.3, 5, 80, 4e6]))
    usual = level * (1.01 + np.sin(times * 2 * np.pi / DAY))
    for _ in range(draw(st.integers(1, 3))):
        begin = int(rng.integers(windows // 3, windows))
        length = int(draw(st.sampled_from([2, 6, 20, 90])) * DAY / every)
        usual[begin : begin + length] *= draw(st.sampled_from([0.0, 0.5, 0.7, 1.4, 2.0, 10.0]))
    values = rng.poisson(usual).astype(float)
    kept = np.sort(
        rng.choice(windows, size=windows - draw(st.sampled_from([0, 3, windows // 4])), replace=False)
    )
    return values[kept], times[kept], float(every), draw(st.sampled_from([3, 5, 9]))


@given(changing_streets())
def test_made_levels_equal_the_twin(made: tuple[np.ndarray, np.ndarray, float, int]) -> None:
    compare(*made)


@pytest.mark.parametrize("factor", [0.6, 1.6])
def test_levels_of_real_streets_equal_the_twin(data: Path, factor: float) -> None:
    found = []
    for _, values, times in streets.load(data):
        changed, times = values[:MOST].copy(), times[:MOST]
        changed[int(0.75 * len(changed)) :] *= factor
        found.append(compare(changed, times, float(np.median(np.diff(times))), 5))
    # So that there is something to compare.
    assert sum(found) >= 3


# -- what is told


def test_a_level_is_told_once_from_its_beginning() -> None:
    cars = street()
    cars[24 * 40 :] = np.round(1.5 * cars[24 * 40 :])
    ours = detector()
    judged = pa.table(ours.push(table(cars)))
    [event] = shifts(ours)
    assert (event["start"], event["end"], event["state"]) == (day(40), day(47), "ok")
    assert event["measure"] == "cars"
    assert event["channel"] == "level shift"
    assert event["rule"] == "on one side of the four weeks before for 7d"
    assert 85 < event["observed"] < 95
    assert 57 < event["expected"] < 63
    assert event["peak"] == event["observed"] / event["expected"]
    now, before, times = event["observed"], event["expected"], event["peak"]
    assert event["reason"] == (
        f"cars at {now:.1f} a window for 7d instead of {before:.1f}, {times:.2f} times as many: that is the level now"
    )
    # The expectation has gone along.
    expected = judged["expected"].to_numpy()
    usual, level = (expected[24 * at : 24 * (at + 10)].mean() for at in (30, 50))
    assert abs(level / usual / 1.5 - 1) < 0.1
    # Wherever it is cut.
    first = detector()
    first.push(table(cars[: 24 * 45], 3600 * HOURS[: 24 * 45]))
    assert shifts(first) == []
    second = wr.Detector.restore(first.snapshot())
    second.push(table(cars[24 * 45 :], 3600 * HOURS[24 * 45 :]))
    assert shifts(second) == [event]


@pytest.mark.parametrize(("adopt", "days"), [("3d", 3), ("84h", 4), ("10d", 10), (dt.timedelta(days=28), 28)])
def test_how_long_it_has_to_last_is_a_choice(adopt: str | dt.timedelta, days: int) -> None:
    cars = street()
    cars[24 * 40 :] *= 0.5
    ours = detector(adopt=adopt)
    ours.push(table(cars))
    [event] = shifts(ours)
    assert (event["start"], event["end"]) == (day(40), day(40 + days))


def test_what_passes_is_no_level() -> None:
    for begin, end, factor in [(40, 46, 2.0), (40, 46, 0.4), (40, 65, 1.15), (40, 40.5, 9.0)]:
        cars = street()
        cars[int(24 * begin) : int(24 * end)] *= factor
        ours = detector()
        ours.push(table(cars))
        assert shifts(ours) == [], (begin, end, factor)


def test_a_dead_counter_is_no_level() -> None:
    """It is told as an anomaly on its first day, by its silence; when it is back, nothing has changed."""
    cars = street()
    cars[24 * 40 : 24 * 58] = 0
    ours = detector()
    ours.push(table(cars))
    events = list(ours.events())
    assert [event for event in events if event["kind"] == "level_shift"] == []
    first = next(event for event in events if event["start"] >= day(40))
    assert first["channel"] == "silence"
    assert first["start"] < day(41)


def test_a_counter_that_is_off_at_times_has_levels_too() -> None:
    """Days of which less than half is there don't count; the others do, from the first of them."""
    cars = street()
    cars[24 * 40 :] *= 2
    off = (HOURS >= 24 * 41) & (HOURS < 24 * 45) & (HOURS % 24 > 8)
    ours = detector()
    ours.push(table(cars[~off], 3600 * HOURS[~off]))
    [event] = shifts(ours)
    assert (event["start"], event["end"]) == (day(40), day(51))


def test_days_are_those_of_the_zone() -> None:
    cars = street()
    # Midnight in New York.
    begin = 24 * 40 + 5
    cars[begin:] *= 2
    ours = detector(zone="America/New_York")
    ours.push(table(cars))
    [event] = shifts(ours)
    assert (event["start"], event["end"]) == (day(begin / 24), day(begin / 24 + 7))


def test_windows_of_a_day_are_days() -> None:
    cars = street().reshape(-1, 24).sum(1)
    cars[40:] *= 0.6
    ours = detector(every="1d")
    ours.push(table(cars, DAY * np.arange(70)))
    [event] = shifts(ours)
    assert (event["start"], event["end"]) == (day(40), day(47))


def test_history_is_taught_not_told() -> None:
    cars = street()
    cars[24 * 40 :] *= 1.5
    ours = detector()
    ours.learn(table(cars[: 24 * 52], 3600 * HOURS[: 24 * 52]))
    ours.push(table(cars[24 * 52 :], 3600 * HOURS[24 * 52 :]))
    assert shifts(ours) == []


def test_what_is_maintained_or_called_an_anomaly_is_no_level() -> None:
    cars = street()
    cars[24 * 40 : 24 * 50] *= 2
    ours = detector(maintenance=[(day(40), day(50))])
    ours.push(table(cars))
    assert shifts(ours) == []
    # An answer holds for a week after the last alarm, for as long as values stay outside.
    cars = street()
    cars[24 * 40 :] *= 10
    ours = detector()
    ours.push(table(cars[: 24 * 41], 3600 * HOURS[: 24 * 41]))
    group = list(ours.groups())[-1]
    ours.feedback(group["id"], (), is_anomaly=True)
    ours.push(table(cars[24 * 41 :], 3600 * HOURS[24 * 41 :]))
    assert all(event["start"] >= day(47) for event in shifts(ours))


def test_mistakes_are_named() -> None:
    for method, adopt in [("counts", "2d"), ("counts", "29d"), ("auto", "2d23h")]:
        message = f'`adopt` must be between "3d" and "28d" with "{method}", got "{adopt}"'
        with pytest.raises(wr.ConfigError) as raised:
            wr.Detector(method, measures="cars", adopt=adopt)
        assert str(raised.value) == message
    with pytest.raises(wr.ConfigError) as raised:
        wr.Detector("novelty", measures="speed", adopt="5d")
    assert str(raised.value) == '`adopt` is for "counts" and "joint" only, got it with "novelty"'
    assert "adopt='5d'" in repr(detector(adopt="5d"))
    assert "adopt" not in repr(detector(adopt="7d"))
