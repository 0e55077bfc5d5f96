"""W5: what a point costs, beside the references compiled by numba, in one run.

Medians of several rounds of CPU time on one core; the ratios are what counts, the machine is shared.
Run with `python -m pytest bench/test_detectors.py -s`.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import windrow as wr

REFERENCE = Path(os.environ.get("WINDROW_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
ROUNDS = 7
POINTS = 40_000


def load(name: str, cache: Path) -> ModuleType:
    numba = pytest.importorskip("numba")
    file = REFERENCE / "detection" / f"{name}.py"
    if not file.exists():
        pytest.skip(f"no reference at {file}")
    numba.config.CACHE_DIR = str(cache)
    spec = importlib.util.spec_from_file_location(f"bench_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def cost(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return (time.process_time() - started) * 1e9 / POINTS


def compare(title: str, ours: Callable[[], object], theirs: Callable[[], object]) -> float:
    theirs()
    ours()
    pairs = [(cost(ours), cost(theirs)) for _ in range(ROUNDS)]
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"\nW5 {title}: windrow {a:.0f} ns a point, reference {b:.0f} ns, ratio {a / b:.2f}")
    return a / b


def street() -> tuple[np.ndarray, np.ndarray]:
    times = 3600.0 * np.arange(POINTS)
    rng = np.random.default_rng(1)
    return rng.poisson(60 + 50 * np.sin(times * 2 * np.pi / 86400)).astype(float), times


def metric() -> tuple[np.ndarray, np.ndarray]:
    times = 300.0 * np.arange(POINTS)
    rng = np.random.default_rng(1)
    return 50 + 20 * np.sin(times * 2 * np.pi / 86400) + rng.normal(0, 3, POINTS), times


@pytest.mark.parametrize(("method", "make"), [("counts", street), ("novelty", metric)])
def test_a_point(method: str, make: Callable[[], tuple[np.ndarray, np.ndarray]], tmp_path: Path) -> None:
    values, times = make()
    reference = load(method, tmp_path)
    batch = {"window_start": times.astype("int64"), "x": values}

    def ours() -> object:
        return wr.Detector(method, measures=["x"], time_unit="s").push(batch)

    compare(method, ours, lambda: reference.detect(values, times))
    detector = wr.Detector(method, measures=["x"], time_unit="s")
    detector.push(batch)
    detector.events()
    print(f"W5 {method}: {len(detector.snapshot())} bytes of state a series")


def test_many_series(tmp_path: Path) -> None:
    """The same rows as 200 cameras that take turns: what the table and the caches cost."""
    values, times = street()
    cameras = np.array([f"camera-{at % 200}" for at in range(POINTS)])
    batch = {"window_start": times.astype("int64") // (3600 * 200) * 3600, "x": values, "camera": cameras}
    single = {"window_start": times.astype("int64"), "x": values}

    def ours() -> object:
        return wr.Detector("counts", measures=["x"], by="camera", every="1h", time_unit="s").push(batch)

    compare(
        "200 series beside one",
        ours,
        lambda: wr.Detector("counts", measures=["x"], time_unit="s").push(single),
    )
