"""`Detector("novelty")`: equal to a slow twin and to the reference, on made and on real metrics."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import streets
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle import novelty as oracle

FEW = [
    "realTraffic/speed_7578",
    "realTraffic/occupancy_6005",
    "realKnownCause/ec2_request_latency_system_failure",
]
FEW += [
    "realAWSCloudwatch/grok_asg_anomaly",
    "artificialWithAnomaly/art_daily_jumpsup",
    "realAdExchange/exchange-4_cpc_results",
]


def judge(values: np.ndarray, times: np.ndarray, **settings: Any) -> pa.Table:
    detector = wr.Detector("novelty", measures=["metric"], time="time", time_unit="s", **settings)
    return pa.table(detector.push({"time": times, "metric": values}))


def column(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy()


def metrics(root: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    files = sorted((root / "nab" / "data").glob("*/*.csv"))
    found = []
    for file in files:
        name = f"{file.parent.name}/{file.stem}"
        if streets.LONG or name in FEW:
            frame = pd.read_csv(file, parse_dates=["timestamp"])
            times = frame.timestamp.to_numpy().astype("M8[s]").astype("int64")
            found.append((name, frame.value.to_numpy(float), times))
    assert len(found) == (58 if streets.LONG else len(FEW))
    return found


@st.composite
def made_metrics(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """A metric of one of several habits: noise, steps, a constant, a few values only, with shocks."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    length = draw(st.integers(1, 700))
    start = draw(st.sampled_from([0, -(10**8), 1_600_000_000]))
    times = start + draw(st.sampled_from([1, 300, 3600])) * np.arange(length)
    habit = draw(st.sampled_from(["noise", "walk", "constant", "few", "season", "ramp"]))
    values = {
        "noise": lambda: rng.normal(20, 3, length),
        "walk": lambda: np.cumsum(rng.normal(0, 1, length)),
        "constant": lambda: np.full(length, 7.5),
        "few": lambda: rng.choice([0.0, 1.0, 2.5], length),
        "season": lambda: 50 + 20 * np.sin(times * 2 * np.pi / 86400) + rng.normal(0, 1, length),
        "ramp": lambda: np.arange(length) * 1.0,
    }[habit]()
    for _ in range(draw(st.integers(0, 3))):
        at = int(rng.integers(0, length))
        values[at : at + int(rng.integers(1, 10))] += draw(st.sampled_from([100.0, -1e6, 1e-3]))
    return values, times


@given(made_metrics())
def test_made_metrics_equal_the_twin(metric: tuple[np.ndarray, np.ndarray]) -> None:
    values, times = metric
    ours = column(judge(values, times, every="1m"), "score").astype(float)
    theirs = np.array(oracle.judge(list(values), list(times)), float)
    # What is left of a perfect forecast is rounding, and its novelty is, too.
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-6)


def test_real_metrics_equal_the_twin(data: Path) -> None:
    for name, values, times in metrics(data):
        values, times = values[:2_000], times[:2_000]
        ours = column(judge(values, times), "score")
        theirs = np.array(oracle.judge(list(values), list(times)), float)
        assert np.nanmax(ours) > 10, name
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, err_msg=name)


@pytest.fixture(scope="module")
def author(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The row-at-a-time reference, compiled; its cache must not go beside it."""
    numba = pytest.importorskip("numba")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "CACHE_DIR", str(tmp_path_factory.mktemp("numba")))
        spec = importlib.util.spec_from_file_location(
            "reference_novelty", reference / "detection" / "novelty.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        module.detect(np.zeros(3), np.arange(3.0))
    return module


def test_real_metrics_equal_the_reference(data: Path, author: ModuleType) -> None:
    for name, values, times in metrics(data):
        # Provisional verdicts before are ours.
        ours = column(judge(values, times), "score")[200:]
        np.testing.assert_allclose(ours, 100 * author.detect(values, times)[200:], rtol=1e-9, err_msg=name)


def test_the_expectation_is_made_before_the_value_is_seen() -> None:
    rng = np.random.default_rng(3)
    values = 10 + np.cumsum(rng.normal(0, 1, 500))
    other = values.copy()
    other[400] += 50
    times = 300 * np.arange(500)
    ours, theirs = judge(values, times), judge(other, times)
    assert column(ours, "expected")[400] == column(theirs, "expected")[400]
    assert column(ours, "expected")[401] != column(theirs, "expected")[401]
    # It is an expectation worth having: off by no more than the walk itself, in its band nearly always.
    expected, lower, upper = (column(ours, name)[200:] for name in ["expected", "lower", "upper"])
    assert np.abs(expected - values[200:]).mean() < 1.0
    inside = (lower <= values[200:]) & (values[200:] <= upper)
    assert 0.96 < inside.mean() <= 1.0
    assert ours["expected"].null_count == 1
    assert ours["score"].null_count == 30


def test_severity_grows_with_rarity() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, 4_000)
    values[3_000] = 30
    table = judge(values, 300 * np.arange(4_000))
    severity = column(table, "severity")
    assert np.nanargmax(severity) == 3_000
    assert severity[3_000] > 80
    assert table["channel"].to_pylist()[3_000] == "novelty"
    assert table["reason"].to_pylist()[3_000].startswith("metric 30, expected ")
    assert table["state"].to_pylist()[3_000] == "alarm"
    assert ((severity[200:] >= 0) & (severity[200:] <= 100)).all()


def test_the_first_move_of_a_still_series_is_no_matter_of_years() -> None:
    """Hours of the same value say little of what it may do; the novelty of its first move has no bound."""
    values = np.full(150, 20.0)
    values[100:] = 80.0
    severity = column(judge(values, 300 * np.arange(150)), "severity")
    assert 0 < severity[100] < 50


def windows_of(values: np.ndarray, size: int) -> dict[str, np.ndarray]:
    windows = values[: len(values) // size * size].reshape(-1, size)
    return {"speed_mean": windows.mean(1), "speed_min": windows.min(1), "speed_max": windows.max(1)}


def test_extremes_show_what_means_hide() -> None:
    rng = np.random.default_rng(7)
    values = 60 + rng.normal(0, 1, 12_000)
    values[9_001] += 8
    columns = windows_of(values, 5)
    columns["window_start"] = np.arange(2_400) * 300
    triple = {"speed": ("speed_mean", "speed_min", "speed_max")}
    full = pa.table(wr.Detector("novelty", measures=triple, time_unit="s").push(columns))
    plain = pa.table(wr.Detector("novelty", measures=["speed_mean"], time_unit="s").push(columns))
    assert set(full["measure"].to_pylist()) == {"speed"}
    assert column(full, "observed").tolist() == columns["speed_mean"].tolist()
    assert np.nanargmax(column(full, "score")) == 9_001 // 5
    assert column(full, "score")[1_800] > 90 > 50 > column(plain, "score")[1_800]
    assert column(full, "severity")[1_800] > 50 > column(plain, "severity")[1_800]
    # Where all three are the same, nothing changes.
    same = {"window_start": columns["window_start"], **dict.fromkeys(triple["speed"], columns["speed_mean"])}
    alike = pa.table(wr.Detector("novelty", measures=triple, time_unit="s").push(same))
    np.testing.assert_array_equal(column(alike, "score"), column(plain, "score"))
