"""What is kept of a series in alarm until somebody says what it was: few bytes, and a restart changes nothing."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streets
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st

HOUR = 3600
#: 12 KB a series.
MOST = 12 * 1024


def made(hours: int, seed: int, spikes: list[int]) -> np.ndarray:
    """Counts with a day's rhythm, and hours in which far more came."""
    at = np.arange(hours)
    values = np.random.default_rng(seed).poisson(60 + 50 * np.sin(at * np.pi / 12)).astype(float)
    for spike in spikes:
        values[spike % hours] += 400
    return values


@given(
    st.sampled_from(["counts", "novelty"]),
    st.integers(0, 2**32),
    st.lists(st.integers(250, 420), max_size=4),
    st.lists(st.sampled_from(["restart", True, False, None]), min_size=1, max_size=8),
    st.booleans(),
)
def test_a_restart_changes_nothing(
    method: str, seed: int, spikes: list[int], acts: list[Any], fraction: bool
) -> None:
    """Between parts of the rows a detector is restored or told something; another one is only told it."""
    values = made(450, seed, spikes) + (0.25 if fraction else 0.0)
    times = HOUR * np.arange(450)
    seen = np.random.default_rng(seed).choice([1.0, 1.0, 1.0, 0.7], 450)
    gone = np.random.default_rng(seed + 1).random(450) < 0.02
    rows = {
        "window_start": times[~gone],
        "x": values[~gone],
        "seen": seen[~gone],
        "camera": np.full(450, "a")[~gone],
    }

    def detector() -> wr.Detector:
        return wr.Detector(
            method,
            measures=["x"],
            by="camera",
            every="1h",
            time_unit="s",
            alarm=wr.Alarm(severity=40),
            maintenance=[(300 * HOUR, 303 * HOUR)],
            zone="Europe/Berlin",
            completeness="seen" if method == "counts" else None,
        )

    ours, whole = detector(), detector()
    told: list[Any] = []
    cuts = np.linspace(240, len(rows["x"]), len(acts) + 1).astype(int)
    for first, last, act in zip([0, *cuts], cuts, ["restart", *acts], strict=False):
        part = {name: column[first:last] for name, column in rows.items()}
        assert list(ours.push(part)) == list(whole.push(part))
        told += [row["id"] for row in whole.groups()]
        ours.groups()
        if act == "restart":
            ours = pickle.loads(pickle.dumps(ours))
        elif told:
            for one in (ours, whole):
                try:
                    one.feedback(told[-1], "a", is_anomaly=act)
                except wr.DataError:
                    assert act is None
        assert ours.snapshot() == whole.snapshot()


def test_a_series_that_is_kept_is_small() -> None:
    """The most that it takes, over two years of hours."""
    hours = 24 * 365 * 2
    values = made(hours, 1, [])
    times = HOUR * np.arange(hours)
    ours = wr.Detector("counts", measures=["x"], every="1h", time_unit="s")
    sizes = []
    for first in range(0, hours, 50):
        ours.push({"window_start": times[first : first + 50], "x": values[first : first + 50]})
        ours.events(), ours.groups()
        sizes.append(len(ours.snapshot()))
    assert max(sizes) <= MOST


def test_real_series_are_small(data: Path) -> None:
    """All but one snapshot in a dozen; the largest takes at most 16 KB."""
    sizes: dict[str, list[int]] = {}
    for name, values, times in streets.load(data):
        ours = wr.Detector("counts", measures=["x"], time_unit="s")
        for first in range(0, len(times), 200):
            part = slice(first, first + 200)
            ours.push({"window_start": np.asarray(times[part], "int64"), "x": values[part]})
            ours.events(), ours.groups()
            sizes.setdefault(name, []).append(len(ours.snapshot()))
    assert [name for name, found in sizes.items() if np.quantile(found, 11 / 12) > MOST] == []
    assert max(map(max, sizes.values())) <= 16 * 1024, sizes


def test_a_memory_beside_what_is_kept_is_refused() -> None:
    """Alter each byte of a snapshot of a kept series: an error of the package's own, or a detector that works."""
    ours = wr.Detector("counts", measures=["x"], every="1h", time_unit="s", alarm=wr.Alarm(severity=30))
    values = made(400, 3, [380])
    ours.push({"window_start": HOUR * np.arange(400), "x": values})
    assert any(ours.groups())
    data = ours.snapshot()
    assert wr.Detector.restore(data).snapshot() == data
    with pytest.raises(wr.SnapshotError):
        wr.Detector.restore(data[:-40])
