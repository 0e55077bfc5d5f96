"""The sentences of the design about watermarks, firing, revisions, lateness and filling, one example each."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle.windows_face import BOTH, Rows, Spec

SECOND = 10**9
N: Spec = {"n": ("count", [], {})}


def make(name: str, **options: Any) -> Any:
    return BOTH[name](N, **({"every": "10s"} | options))


def rows(*seconds: float, camera: str | None = None) -> Rows:
    blank = dict.fromkeys(["zone", "class", "track", "n", "speed"])
    return [{"time": int(s * SECOND), "camera": camera, **blank} for s in seconds]


def starts(out: Rows) -> list[tuple[int, int, int]]:
    return [(row["window_start"] // SECOND, row["revision"], row["n"]) for row in out]


def filled(out: Rows) -> list[tuple[str | None, int, int | None, bool]]:
    return [(row["camera"], row["window_start"] // SECOND, row["n"], row["silent"]) for row in out]


both = pytest.mark.parametrize("name", BOTH)


@both
@pytest.mark.parametrize(
    ("minutes", "start"),
    [(-16, "23:54"), (-6, "23:54"), (4, "23:54"), (-4, "23:56"), (6, "23:56"), (16, "23:56"), (0, "00:00")],
)
def test_offsets_of_the_design(name: str, minutes: int, start: str) -> None:
    w = make(name, every="10m", offset=f"{minutes}m")
    time = datetime(2021, 6, 30, 0, 0, 4, tzinfo=UTC)
    w.push(rows(time.timestamp()))
    (row,) = w.flush()
    assert (datetime(1970, 1, 1) + timedelta(seconds=row["window_start"] // SECOND)).strftime(
        "%H:%M"
    ) == start


@both
def test_a_window_fires_when_the_watermark_reaches_its_end(name: str) -> None:
    w = make(name, out_of_orderness="2s")
    w.push(rows(0, 9, 11.999999999))
    assert w.drain() == []
    w.push(rows(12))
    assert starts(w.drain()) == [(0, 0, 2)]
    assert w.drain() == []


@both
def test_the_end_belongs_to_the_next_window(name: str) -> None:
    w = make(name)
    w.push(rows(0, 10))
    assert starts(w.flush()) == [(0, 0, 1), (10, 0, 1)]


@both
def test_the_slowest_source_holds_the_watermark(name: str) -> None:
    w = make(name, source="camera")
    w.push(rows(5, camera="a") + rows(5, camera="b") + rows(100, camera="a"))
    assert w.drain() == []
    w.push(rows(10, camera="b"))
    assert starts(w.drain()) == [(0, 0, 2)]


@both
def test_a_new_source_does_not_lower_the_watermark(name: str) -> None:
    w = make(name, source="camera")
    w.push(rows(100, camera="a") + rows(5, 95, camera="b"))
    # The first row of b is behind the watermark of 100 that there was; so is its second.
    assert [row["time"] // SECOND for row in w.late()] == [5, 95]
    w.push(rows(101, camera="b"))
    assert starts(w.flush()) == [(100, 0, 2)]


@both
def test_rows_within_the_allowed_lateness_make_revisions(name: str) -> None:
    w = make(name, allowed_lateness="5s")
    w.push(rows(0, 10))
    assert starts(w.drain()) == [(0, 0, 1)]
    w.push(rows(1, 2))
    w.push(rows(3))
    assert starts(w.drain()) == [(0, 1, 4)]
    assert w.drain() == []
    w.push(rows(4, 15, 5))
    assert starts(w.drain()) == [(0, 2, 5)]
    assert [row["time"] // SECOND for row in w.late()] == [5]


@both
def test_a_first_revision_is_exact_to_the_row(name: str) -> None:
    """Drained together, but read on either side of the end: two rows."""
    w = make(name, allowed_lateness="5s")
    w.push(rows(0, 10, 1))
    assert starts(w.drain()) == [(0, 0, 1), (0, 1, 2)]


@both
def test_a_window_filled_after_its_end_starts_at_revision_0(name: str) -> None:
    w = make(name, allowed_lateness="5s")
    w.push(rows(14, 3, 4))
    assert starts(w.drain()) == [(0, 0, 2)]
    w.push(rows(5))
    assert starts(w.drain()) == [(0, 1, 3)]


@both
def test_a_watermark_can_be_set(name: str) -> None:
    w = make(name)
    w.push(rows(1, 2))
    w.watermark(9 * SECOND)
    assert w.drain() == []
    w.watermark(10 * SECOND)
    w.watermark(0)  # never falls
    assert starts(w.drain()) == [(0, 0, 2)]
    w.push(rows(3, 11))
    assert [row["time"] // SECOND for row in w.late()] == [3]


@both
def test_a_silent_source_is_let_go(name: str) -> None:
    w = make(name, source="camera", idle_timeout="30s")
    w.push(rows(5, camera="a") + rows(5, camera="b"), now=0)
    w.push(rows(40, camera="a"), now=20 * SECOND)
    assert w.drain() == []
    w.advance(30 * SECOND)
    assert starts(w.drain()) == [(0, 0, 2)]
    # It comes back: its rows are judged by the watermark of 40, and hold it again.
    w.push(rows(20, 41, camera="b"), now=31 * SECOND)
    assert [row["time"] // SECOND for row in w.late()] == [20]
    w.push(rows(60, camera="a"), now=32 * SECOND)
    assert w.drain() == []


@both
def test_when_all_are_silent_the_clock_closes_what_is_due(name: str) -> None:
    """As nothing does in Flink (FLINK-18523)."""
    w = make(name, idle_timeout="30s", out_of_orderness="2s")
    w.push(rows(5, 12), now=12 * SECOND)
    w.advance(41 * SECOND)
    assert starts(w.drain()) == [(0, 0, 1)]
    w.advance(42 * SECOND)
    assert starts(w.drain()) == [(10, 0, 1)]


@both
def test_without_a_timeout_a_clock_closes_nothing(name: str) -> None:
    w = make(name)
    w.push(rows(5), now=5 * SECOND)
    w.advance(10_000 * SECOND)
    assert w.drain() == []


@both
def test_a_heartbeat_moves_its_source(name: str) -> None:
    w = make(name, source="camera")
    w.push(rows(5, camera="a") + rows(5, camera="b") + rows(30, camera="a"))
    w.alive("b", 9 * SECOND)
    assert w.drain() == []
    w.alive("b", 10 * SECOND)
    assert starts(w.drain()) == [(0, 0, 2)]


@both
def test_silent_rows_come_in_runs_of_at_most_the_limit(name: str) -> None:
    w = make(name, by="camera", source="camera", fill=True, fill_limit=2)
    w.push(rows(0, camera="a") + rows(0, camera="b"))
    for second in range(10, 60, 10):
        w.alive("b", second * SECOND)
    w.push(rows(60, camera="b"))
    w.watermark(60 * SECOND)
    out = filled(w.drain())
    # Zeros of a live street never stop; a dead one is said twice.
    assert out == [
        ("a", 0, 1, False),
        ("b", 0, 1, False),
        ("a", 10, None, True),
        ("b", 10, 0, False),
        ("a", 20, None, True),
        ("b", 20, 0, False),
        ("b", 30, 0, False),
        ("b", 40, 0, False),
        ("b", 50, 0, False),
    ]
    w.push(rows(70, camera="a"))
    w.watermark(90 * SECOND)
    assert [row for row in filled(w.drain()) if row[0] == "a"] == [("a", 70, 1, False), ("a", 80, None, True)]


@both
def test_silence_is_said_for_a_day_by_default(name: str) -> None:
    w = make(name, every="1h", fill=True)
    w.push(rows(0, 40 * 86_400))
    out = w.drain()
    assert [row["silent"] for row in out] == [False, *[True] * 24]


@both
def test_years_of_silence_in_windows_of_nanoseconds_end(name: str) -> None:
    w = make(name, every="1ns", by="camera", fill=True, max_cells=6, fill_limit=10**15)
    years = 50 * 365 * 86_400
    w.push(rows(0, camera="a") + rows(0, camera="b") + rows(years, camera="a"))
    w.watermark(years * SECOND + 1)
    out = [(row["camera"], row["window_start"], row["silent"]) for row in w.drain()]
    silent = [(camera, at, True) for at in (1, 2, 3) for camera in ("a", "b")]
    last = years * SECOND
    # The row of one is a sign of life of both, since nothing says whose camera is whose.
    assert out == [("a", 0, False), ("b", 0, False), *silent, ("a", last, False), ("b", last, False)]
    # A run ends with a sign of life: the next one is told anew.
    w.watermark(years * SECOND + 5)
    assert len(w.drain()) == 6


def test_a_day_of_windows_of_nanoseconds_is_not_told_in_full() -> None:
    w = make("engine", every="1ns", fill=True)
    w.push(rows(0, 10**9))
    assert len(w.drain()) == 1 + 86_400


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.sampled_from(["row", "row", "alive", "watermark"]), st.sampled_from("ab")
        ),
        max_size=12,
    ),
    st.sampled_from([1, 3, 30]),
    st.sampled_from([4, 6, 10]),
    st.sampled_from([None, "camera"]),
    st.sampled_from([None, [[]]]),
)
def test_silence_is_bounded_alike(
    steps: list[tuple[int, str, str]],
    fill_limit: int,
    max_cells: int,
    source: str | None,
    rollup: list[list[str]] | None,
) -> None:
    options = {
        "by": "camera",
        "fill": True,
        "fill_limit": fill_limit,
        "max_cells": max_cells,
        "source": source,
    }
    outs = []
    for name in BOTH:
        w = make(name, rollup=rollup, **options)
        out, now = [], 0
        for ahead, kind, camera in steps:
            now += ahead
            if kind == "row":
                w.push(rows(now, camera=camera))
            elif kind == "alive":
                w.alive(camera if source else None, now * SECOND)
            else:
                w.watermark(now * SECOND)
            # Windows must not pile up to the limit of `push` itself.
            w.watermark(now * SECOND)
            out += w.drain()
        outs.append(out)
    assert outs[0] == outs[1]


@both
def test_without_the_source_in_the_key_any_row_is_a_sign_of_life(name: str) -> None:
    w = make(name, by="camera", fill=True)
    w.push(rows(0, camera="a") + rows(1, 12, camera="b"))
    w.watermark(20 * SECOND)
    assert filled(w.drain()) == [
        ("a", 0, 1, False),
        ("b", 0, 1, False),
        ("a", 10, 0, False),
        ("b", 10, 1, False),
    ]


@both
def test_wholly_empty_windows_fire_too(name: str) -> None:
    w = make(name, fill=True)
    w.push(rows(0, 35))
    assert [(row["window_start"] // SECOND, row["n"], row["silent"]) for row in w.drain()] == [
        (0, 1, False),
        (10, None, True),
        (20, None, True),
    ]


def test_a_jump_of_years_is_quick_and_bounded() -> None:
    w = make("engine", every="1s", by="camera", fill=True)
    w.push(rows(0, camera="a") + rows(0, camera="b"))
    w.watermark(50 * 365 * 86_400 * SECOND)
    out = w.drain()
    assert len(out) == 2 * (86_400 + 1)


@pytest.mark.parametrize("way", ["late", "rejects"])
def test_the_newest_hundred_thousand_are_kept(way: str) -> None:
    w = wr.TumblingWindows(every="10s", aggregates={"n": wr.count("x")})
    n = 100_500
    w.push({"time": np.array([1_000 * SECOND]), "x": np.array([-1])})
    times = np.zeros(n, "M8[ns]") if way == "late" else np.full(n, np.datetime64("NaT"), "M8[ns]")
    for part in np.array_split(np.arange(n), 3):
        w.push({"time": times[part], "x": part})
    kept = getattr(w, way)()
    assert len(kept) == 100_000
    assert w.stats["late" if way == "late" else "rejected"] == n
    values = kept.to_pyarrow().column("x").to_numpy()
    assert (values == np.arange(500, n)).all()
    assert len(getattr(w, way)()) == 0


def test_levels_of_a_roll_up_are_other_rows_of_the_same_window() -> None:
    w = make("engine", by=["camera", "zone"], rollup=[["camera"], []], allowed_lateness="10s")
    data = rows(0, 1, camera="a") + rows(2, camera="b")
    data[0]["zone"], data[1]["zone"] = 1, 2
    w.push(data)
    w.watermark(10 * SECOND)
    out = [(row["camera"], row["zone"], row["level"], row["n"]) for row in w.drain()]
    assert sorted(out, key=str) == sorted(
        [
            ("a", 1, 0, 1),
            ("a", 2, 0, 1),
            ("b", None, 0, 1),
            ("a", None, 1, 2),
            ("b", None, 1, 1),
            (None, None, 2, 3),
        ],
        key=str,
    )
    # A later row changes one series and what it is part of, and no other.
    late = rows(3, camera="a")
    late[0]["zone"] = 2
    w.push(late)
    out = [(row["camera"], row["zone"], row["level"], row["revision"], row["n"]) for row in w.drain()]
    assert sorted(out, key=lambda row: row[2]) == [
        ("a", 2, 0, 1, 2),
        ("a", None, 1, 1, 3),
        (None, None, 2, 1, 4),
    ]


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another lane"])
@pytest.mark.parametrize("ready", [False, True], ids=["nothing due", "windows due"])
@pytest.mark.parametrize("kind", [np.float64, np.int64])
def test_a_flush_of_many_windows_is_what_they_give_one_by_one(beside: bool, ready: bool, kind: Any) -> None:
    """More than go out at once: 200 windows of 60 series."""
    random = np.random.default_rng(5)
    rows = {
        "time": random.integers(0, 2_000, 40_000),
        "key": [f"k{code}" for code in random.integers(0, 60, 40_000)],
        "x": random.integers(0, 1_000, 40_000).astype(kind),
    }
    aggregates = {"n": wr.count(), "mean": wr.mean("x"), "max": wr.max("x"), "std": wr.std("x")}

    def filled() -> wr.TumblingWindows:
        windows = wr.TumblingWindows(
            every="10s", by="key", aggregates=aggregates, time_unit="s", out_of_orderness="1h"
        )
        windows.push(rows)
        if beside:
            with windows.writer("other") as writer:
                writer.push({name: column[:500] for name, column in rows.items()})
        if ready:
            windows.watermark(datetime(1970, 1, 1, 0, 1, tzinfo=UTC))
        return windows

    at_once, one_by_one = filled(), filled()
    flushed = at_once.flush()
    told = defaultdict(list)
    for end in range(10, 2_001, 10):
        one_by_one.watermark(datetime.fromtimestamp(end, UTC))
        for name, column in one_by_one.drain().to_pydict().items():
            told[name] += column
    assert len(flushed) > 11_000
    assert flushed.to_pydict() == told
    assert len(at_once.flush()) == len(one_by_one.flush()) == 0
    assert at_once.stats == one_by_one.stats
