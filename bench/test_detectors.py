"""W5: what a point costs, beside the references compiled by numba; and many series beside one."""

import importlib.util
import os
import sys
from pathlib import Path

import floors
import numpy as np
import pyarrow as pa
import pytest
import windrow as wr
from race import Peer

REFERENCE = Path(os.environ.get("WINDROW_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
POINTS = 40_000
SENSORS = 8


def compiled(name, cache):
    numba = pytest.importorskip("numba")
    numba.config.CACHE_DIR = str(cache)
    return load(name)


def load(name):
    file = REFERENCE / "detection" / f"{name}.py"
    if not file.exists():
        pytest.skip(f"no reference at {file}: set WINDROW_REFERENCE")
    spec = importlib.util.spec_from_file_location(f"bench_{name}", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def street():
    times = 3600.0 * np.arange(POINTS)
    random = np.random.default_rng(1)
    return random.poisson(60 + 50 * np.sin(times * 2 * np.pi / 86400)).astype(float), times


def metric():
    times = 300.0 * np.arange(POINTS)
    random = np.random.default_rng(1)
    return 50 + 20 * np.sin(times * 2 * np.pi / 86400) + random.normal(0, 3, POINTS), times


def push(method, batch, **options):
    detector = wr.Detector(method, measures=["x"], time_unit="s", **options)
    detector.push(batch)
    return detector


def most(method, batch):
    """Find the most that a state takes, also while it is remembered how a series was before an alarm."""
    detector = wr.Detector(method, measures=["x"], time_unit="s")
    sizes = []
    for first in range(0, POINTS, 200):
        detector.push({name: column[first : first + 200] for name, column in batch.items()})
        detector.events(), detector.groups()
        sizes.append(len(detector.snapshot()))
    return max(sizes)


@pytest.mark.parametrize(
    ("workload", "method", "make"),
    [(floors.COUNTS, "counts", street), (floors.NOVELTY, "novelty", metric)],
    ids=["counts", "novelty"],
)
def test_a_point(race, fact, workload, method, make, tmp_path):
    reference = compiled(method, tmp_path)
    values, times = make()
    batch = {"window_start": times.astype("int64"), "x": values}
    race(
        workload,
        [
            Peer("windrow", lambda: push(method, batch)),
            Peer("reference, compiled by numba", lambda: reference.detect(values, times)),
        ],
        POINTS,
        unit="point",
        rounds=9,
    )
    fact(workload, "state of a series", most(method, batch), "bytes")


def machine(rows):
    """As many sensors as the machine of the Skoltech benchmark has, moved by three causes."""
    random = np.random.default_rng(1)
    causes = random.normal(0, 1, (rows, 3)) @ random.normal(0, 1, (3, SENSORS))
    return causes + random.normal(0, 0.3, (rows, SENSORS))


def test_a_row_of_a_machine(race):
    """The reference is NumPy, row by row; it says but the farthest sensor of each."""
    reference = load("joint_residual")
    names = [f"s{sensor}" for sensor in range(SENSORS)]
    rows, slow, fit = POINTS // 4, POINTS // 20, 400
    table = machine(rows)

    def ours(table):
        detector = wr.Detector("joint", measures=names, time="time", time_unit="s", every="1s", fit_rows=fit)
        return detector.push({"time": np.arange(len(table))} | dict(zip(names, table.T, strict=True)))

    def theirs(table):
        detector = reference.Detector()
        detector.fit(table[:fit].copy())
        return [detector.update(row, float(fit + at))[0] for at, row in enumerate(table[fit:])]

    scores = np.abs(pa.table(ours(table[:slow]))["score"].to_numpy().reshape(-1, SENSORS)[fit:]).max(axis=1)
    assert np.allclose(scores, theirs(table[:slow]), rtol=1e-9)
    race(
        "W5 joint, a machine of 8 sensors",
        [
            Peer("windrow", lambda: ours(table)),
            Peer("reference, NumPy", lambda: theirs(table[:slow]), rows=slow),
        ],
        rows,
    )


def test_many_series(race):
    """The same rows as 200 cameras that take turns: what the table and the caches cost."""
    values, times = street()
    cameras = np.array([f"camera-{at % 200}" for at in range(POINTS)])
    starts = times.astype("int64")
    many = {"window_start": starts // (3600 * 200) * 3600, "x": values, "camera": cameras}
    race(
        "W5 counts, 200 series beside one",
        [
            Peer("windrow", lambda: push("counts", many, by="camera", every="1h")),
            Peer("windrow, one series", lambda: push("counts", {"window_start": starts, "x": values})),
        ],
        POINTS,
        unit="point",
    )
