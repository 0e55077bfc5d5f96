"""`Detector("counts")`: equal to a slow twin and to the reference, on made and on real streets."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
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


@pytest.fixture(scope="module")
def author(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The row-at-a-time reference, compiled; its cache must not go beside it."""
    numba = pytest.importorskip("numba")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "CACHE_DIR", str(tmp_path_factory.mktemp("numba")))
        spec = importlib.util.spec_from_file_location(
            "reference_counts", reference / "detection" / "counts.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        zero = np.zeros(3)
        module.explain(zero, 3600.0 * np.arange(3))
    return module


def test_real_streets_equal_the_reference(data: Path, author: ModuleType) -> None:
    for name, values, times in streets.load(data):
        theirs = author.explain(values, times)
        table = judge(values, times)
        for figure in ["expected", "lower", "upper"]:
            np.testing.assert_allclose(
                column(table, figure), theirs[figure], rtol=1e-9, atol=1e-9, err_msg=name
            )
        severity = np.nan_to_num(column(table, "severity"))
        np.testing.assert_allclose(severity, theirs["severity"], rtol=1e-9, err_msg=name)
        told = severity > 0
        assert (~np.isnan(column(table, "score"))).tolist() == told.tolist()
        best = [theirs["names"][at] for at in theirs["channels"][told].argmax(axis=1)]
        assert [channel for channel in table["channel"].to_pylist() if channel] == best


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
    # Nothing is said of the first week.
    assert table["severity"].slice(0, 24 * 7 + 1).null_count == 24 * 7 + 1
    assert table["state"].to_pylist()[0] == "learning"
