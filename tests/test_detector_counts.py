"""`Detector("counts")`: equal to a slow twin on made and on real streets; holidays, silences, the first week."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import streets
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle import counts as oracle

# Low enough for a reason on every row that tells anything.
ALARM = wr.Alarm(severity=0)
FIGURES = ["expected", "lower", "upper", "score", "severity"]


def judge(values: np.ndarray, times: np.ndarray, **settings: Any) -> pa.Table:
    detector = wr.Detector("counts", measures=["cars"], time="time", time_unit="s", alarm=ALARM, **settings)
    return pa.table(detector.push({"time": times, "cars": values}))


def column(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy()


def twin(values: np.ndarray, times: np.ndarray, every: float) -> dict[str, list[Any]]:
    rows = oracle.judge(list(values), list(times), every)
    return {name: [row[name] for row in rows] for name in [*FIGURES, "channel"]}


def compare(table: pa.Table, expected: dict[str, list[Any]]) -> None:
    for name in FIGURES:
        np.testing.assert_allclose(
            column(table, name), np.array(expected[name], float), rtol=1e-9, atol=1e-9, err_msg=name
        )
    assert table["channel"].to_pylist() == expected["channel"]


@st.composite
def made_streets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float]:
    """Weeks of a season with chance, gaps, zeros, bursts and nonsense, at an odd pace."""
    every = draw(st.sampled_from([900, 1800, 3600, 7200]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    windows = draw(st.integers(2, 600))
    start = draw(st.sampled_from([0, -(10**8), 1_600_000_000, 1_600_000_123]))
    times = start + every * np.arange(windows)
    level = draw(st.sampled_from([0.3, 5, 80, 4e6]))
    values = rng.poisson(level * (1.01 + np.sin(times * 2 * np.pi / 86400))).astype(float)
    for _ in range(draw(st.integers(0, 3))):
        at = int(rng.integers(0, windows))
        fault = draw(st.sampled_from(["zeros", "burst", "negative", "huge"]))
        until = at + int(rng.integers(1, 60))
        values[at:until] = {"zeros": 0, "burst": level * 9, "negative": -level, "huge": level * 100}[fault]
    kept = np.sort(rng.choice(windows, size=max(windows - draw(st.integers(0, 200)), 2), replace=False))
    return values[kept], times[kept], float(every)


@given(made_streets())
def test_made_streets_equal_the_twin(street: tuple[np.ndarray, np.ndarray, float]) -> None:
    values, times, every = street
    table = judge(values, times, every=f"{int(every)}s")
    expected = twin(values, times, every)
    for name in FIGURES:
        # Where an expectation cancels to nothing, only its size beside the values means anything.
        scale = max(1.0, np.abs(values).max())
        np.testing.assert_allclose(
            column(table, name), np.array(expected[name], float), rtol=1e-9, atol=1e-12 * scale, err_msg=name
        )


def test_real_streets_equal_the_twin(data: Path) -> None:
    for name, values, times in streets.load(data):
        values, times = values[:6_000], times[:6_000]
        every = float(np.median(np.diff(times)))
        table = judge(values, times)
        assert np.nanmax(column(table, "severity")) > 20, (
            f"{name} tells nothing, so there is nothing to compare"
        )
        compare(table, twin(values, times, every))


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_windows_under_an_hour_are_judged_by_the_hour(seed: int) -> None:
    """The same street by the hour and by five minutes: one event, told by the hour's windows while it lasts."""
    rng = np.random.default_rng(seed)
    times = np.arange(28 * 288) * 300
    values = rng.poisson(8 * (1.2 + np.sin(times * 2 * np.pi / 86_400))).astype(float)
    burst = 24 * 288 + 7 * 12
    values[burst : burst + 12] = rng.poisson(3 * values[burst : burst + 12])
    short = judge(values, times, every="5m")
    by_hour = judge(values.reshape(-1, 12).sum(axis=1), times[::12], every="1h")
    assert (np.flatnonzero(np.nan_to_num(column(by_hour, "severity")) >= 50) == burst // 12).all()
    alarmed = np.flatnonzero(np.nan_to_num(column(short, "severity")) >= 50)
    assert burst < alarmed[0] <= burst + 3
    assert alarmed[-1] < burst + 12
    row = short.slice(int(alarmed[-1]), 1).to_pylist()[0]
    assert row["channel"] == "hour up"
    assert "; the hour " in row["reason"]


#: Those of the motorway's holidays on which people stay at home.
FREE = ["Christmas Day", "New Years Day", "Memorial Day", "Independence Day", "Labor Day", "Thanksgiving Day"]


def motorway(data: Path) -> tuple[np.ndarray, np.ndarray, list[dt.date]]:
    """A motorway's hourly counts, wall time, and its holidays."""
    frame = pd.read_csv(
        data / "metro_i94_hourly" / "Metro_Interstate_Traffic_Volume.csv.gz", keep_default_na=False
    )
    frame.index = pd.to_datetime(frame["date_time"], format="%d-%m-%Y %H:%M")
    frame = frame[~frame.index.duplicated()].sort_index()
    seconds = frame.index.to_numpy().astype("M8[s]").astype("int64")
    holidays = sorted({stamp.date() for stamp in frame.index[frame["holiday"].isin(FREE)]})
    return frame["traffic_volume"].to_numpy(float), seconds, holidays


def test_holidays_equal_the_twin_and_are_expected(data: Path) -> None:
    values, times, holidays = motorway(data)
    values, times = values[:9_000], times[:9_000]
    table = judge(values, times, holidays=holidays)
    days = frozenset(day.toordinal() - dt.date(1970, 1, 1).toordinal() for day in holidays)
    rows = oracle.judge(list(values), list(times), 3600.0, days)
    compare(table, {name: [row[name] for row in rows] for name in [*FIGURES, "channel"]})
    plain = judge(values, times)
    day = times // 86_400
    # Workdays, once Sundays are known.
    named = np.isin(day, list(days)) & ((day + 3) % 7 < 5) & (times > times[0] + 60 * 86_400)
    assert named.sum() >= 96
    off = [np.abs(values - column(one, "expected"))[named].mean() for one in (table, plain)]
    assert off[0] < 0.5 * off[1]
    told = [(column(one, "severity")[named] >= 50).sum() for one in (table, plain)]
    assert told[0] < told[1]


def test_holidays_are_dates_of_the_zone() -> None:
    hours = 1_703_980_800 + 3600 * np.arange(72)
    cars = np.arange(72.0)
    dates = [dt.date(2024, 1, 1), dt.date(2023, 12, 26)]
    forms: list[Any] = [dates, [str(day) for day in reversed(dates)], np.array(dates, "M8[D]"), dates + dates]
    tables = [judge(cars, hours, holidays=form, zone="Europe/Berlin") for form in forms]
    assert all(table.equals(tables[0]) for table in tables[1:])
    for form in ("2024-01-01", ["1st of May"], [1], 5, [None], [b"2024-01-01"]):
        with pytest.raises(wr.ConfigError, match="`holidays` must be a list of dates"):
            judge(cars, hours, holidays=form)


def test_wall_time_is_what_counts(data: Path) -> None:
    """Instants in Berlin's zone are judged as their wall time is in UTC, also where the clock is changed."""
    name, values, _ = streets.load(data)[1]
    hours = 1_711_000_000 // 3600 * 3600 + 3600 * np.arange(len(values))
    wall = pa.array(hours, pa.timestamp("s", "UTC")).cast(pa.timestamp("s", "Europe/Berlin"))
    wall = np.array([stamp.as_py().replace(tzinfo=None) for stamp in wall], "M8[s]").astype("int64")
    assert len(set(wall - hours)) == 2, name
    compare_to = judge(values, wall, every="1h")
    table = judge(values, hours, every="1h", zone="Europe/Berlin")
    for figure in FIGURES:
        np.testing.assert_array_equal(column(table, figure), column(compare_to, figure))


def test_the_length_of_a_window_is_read_off(data: Path) -> None:
    _, values, times = streets.load(data)[0]
    values, times = values[:3_000], times[:3_000]
    plain = judge(values, times)
    assert plain.equals(judge(values, times, every="5m"))
    detector = wr.Detector("counts", measures=["cars"])
    stamps = times.astype("M8[s]")
    windows = {"window_start": stamps, "window_end": stamps + np.timedelta64(300, "s"), "cars": values}
    # One row, whose own window tells.
    one = detector.push({name: array[:1] for name, array in windows.items()})
    assert detector.status["every"] == "5m"
    rest = detector.push({name: array[1:] for name, array in windows.items()})
    figures = np.concatenate([column(pa.table(one), "score"), column(pa.table(rest), "score")])
    np.testing.assert_array_equal(figures, column(plain, "score"))


def test_an_outage_says_so() -> None:
    hours = np.arange(24 * 40)
    rng = np.random.default_rng(1)
    cars = rng.poisson(60 + 50 * np.sin(hours * np.pi / 12))
    cars[24 * 35 + 4 : 24 * 35 + 10] = 0
    table = judge(cars, 3600 * hours)
    rows = [row for row in table.to_pylist() if row["severity"] and row["severity"] >= 50]
    assert rows[-1]["channel"] == "silence"
    assert rows[-1]["reason"].startswith("0 cars, expected ")
    confidence = column(table, "confidence")
    assert confidence[0] == 0
    assert (np.diff(confidence) > 0).all()
    assert confidence[24 * 21] > 0.9
    # Nothing is said of the first 30 windows.
    assert table["severity"].is_null().to_pylist() == [True] * 30 + [False] * (len(cars) - 30)
    assert table["state"].to_pylist()[0] == "learning"


def test_an_outage_in_the_first_week_is_found() -> None:
    """By a provisional verdict; what is no more than odd has to wait."""
    hours = np.arange(24 * 6)
    cars = np.random.default_rng(3).poisson(90, len(hours))
    cars[24 * 5 : 24 * 5 + 12] = 0
    severity = np.nan_to_num(column(judge(cars, 3600 * hours), "severity"))
    assert severity[24 * 5 : 24 * 5 + 12].max() >= 50
    assert severity[: 24 * 5].max() < 50


@pytest.mark.parametrize("missing", [1, 2, 3, 4, 5])
def test_what_is_missing_keeps_its_place(missing: int) -> None:
    """Hours take turns, on some days the other way round: only what came just before tells which turn it is."""
    rng, hours = np.random.default_rng(1), np.arange(24 * 60)
    other = rng.integers(0, 2, 60)[hours // 24]
    turns = np.where((hours + other) % 2, 70.0, 130.0) + rng.normal(0, 3, len(hours))
    at = 24 * 59 + 12
    kept = (hours < at) | (hours >= at + missing)
    expected = column(judge(turns[kept], 3600 * hours[kept]), "expected")[at]
    assert (expected > 100) == (turns[at + missing] > 100)


def silences(detector: wr.Detector) -> list[tuple[Any, ...]]:
    events = [event for event in detector.events() if event["kind"] == "silence"]
    return [
        (event["state"], event["start"], event["end"], event["reason"], event["rule"]) for event in events
    ]


def hour(at: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(3600 * at, dt.UTC)


def test_a_silence_is_told_once_and_ends_with_the_next_value() -> None:
    hours = np.arange(24 * 20)
    cars = np.random.default_rng(1).poisson(60 + 50 * np.sin(hours * np.pi / 12)).astype(float)
    silent = (hours >= 400) & (hours < 410)
    table = {"window_start": 3600 * hours, "cars": np.where(silent, np.nan, cars), "silent": silent}
    ours = wr.Detector("counts", measures=["cars"], time_unit="s", every="1h", silence="3h")
    ours.push({name: values[:402] for name, values in table.items()})
    assert silences(ours) == []
    ours.push({name: values[402:405] for name, values in table.items()})
    told = ("alarm", hour(402), None, "no value for 5h, the last on a Saturday at 15:00", "no value for 3h")
    assert silences(ours) == [told]
    # It lasts, also from a snapshot, and says so once.
    ours = wr.Detector.restore(ours.snapshot())
    ours.push({name: values[405:410] for name, values in table.items()})
    assert silences(ours) == []
    rest = ours.push({name: values[410:] for name, values in table.items()})
    ended = (
        "ok",
        hour(402),
        hour(410),
        "no value for 10h, the last on a Saturday at 15:00",
        "no value for 3h",
    )
    assert silences(ours) == [ended]
    # What wasn't there has taught nothing: all goes on as if the rows had never come.
    other = wr.Detector("counts", measures=["cars"], time_unit="s", every="1h", silence="3h")
    gone = other.push({name: values[~silent] for name, values in table.items()})
    assert pa.table(gone).slice(400).equals(pa.table(rest))
    # Rows that never came tell of it when the next one comes.
    assert silences(other) == [ended]


def test_a_silence_is_told_by_the_wall() -> None:
    hours = np.append(np.arange(400), 410)
    ours = wr.Detector(
        "counts", measures=["cars"], time_unit="s", every="1h", silence="3h", zone="Europe/Berlin"
    )
    ours.push({"window_start": 3600 * hours, "cars": np.ones(len(hours))})
    [event] = ours.events()
    assert event["reason"] == "no value for 10h, the last on a Saturday at 16:00"


def test_zeros_are_no_silence(data: Path) -> None:
    """A camera that is off at night is silent for those hours; a door that nobody uses at night isn't."""
    camera = next(one for one in streets.berlin(data) if np.diff(one[2]).max() > 12 * 3600)
    _, values, times = camera
    ours = wr.Detector("counts", measures=["n"], time="time", time_unit="s", every="1h", silence="4h")
    ours.push({"time": times, "n": values})
    gaps = np.diff(times) // 3600 - 1
    assert [(event[1], event[2]) for event in silences(ours)] == [
        (hour(int(times[at] // 3600 + 4)), hour(int(times[at + 1] // 3600)))
        for at in np.flatnonzero(gaps >= 4)
    ]
    door = pd.read_csv(data / "calit2_people" / "calit2_30min.csv.gz")
    ours = wr.Detector("counts", measures=["out_count"], time="timestamp", every="30m", silence="1h")
    ours.push(
        {
            "timestamp": pd.to_datetime(door["timestamp"]).to_numpy(),
            "out_count": door["out_count"].to_numpy(float),
        }
    )
    assert (door["out_count"] == 0).mean() > 0.3
    assert silences(ours) == []
