"""Lanes under real threads: what comes out is what one thread gets of the same batches, and what the slow twin says.

`WINDROW_STRESS` is the number of rounds, each with another seed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle.lanes_face import FastLanes, slow
from oracle.windows_face import SCHEMA, Rows, Spec, rows_of
from test_windows_properties import SECOND, forward, plain

ROUNDS = int(os.environ.get("WINDROW_STRESS", "2"))
LANES = [f"lane {at}" for at in range(8)]
DIES, FALLS_SILENT = "lane 2", "lane 5"
AGGREGATES: Spec = {
    "rows": ("count", [], {}),
    "sum": ("sum", ["speed"], {}),
    "mean": ("mean", ["speed"], {}),
    "std": ("std", ["speed"], {}),
    "min": ("min", ["speed"], {}),
    "max": ("max", ["speed"], {}),
    "first": ("first", ["speed"], {}),
    "last": ("last", ["speed"], {}),
    "tracks": ("distinct", ["track"], {}),
    "high": ("quantile", ["track", 0.9], {}),
}
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "late": {"allowed_lateness": "20s"},
    "filled": {"fill": True, "fill_limit": 5},
    "rolled up": {"rollup": [[]], "allowed_lateness": "20s"},
}

Batches = dict[str, list[pa.Table]]


def batches(seed: int, size: int) -> Batches:
    """What each producer pushes: times that go forward by lanes' own speeds, disorder, rows that are late."""
    random = np.random.default_rng(seed)
    found: Batches = {}
    for name in LANES:
        at, made = 0, []
        for rows in random.integers(0, size, 12):
            steps = np.cumsum(random.integers(0, max(1, 100 * SECOND // size), rows))
            times = at + steps - random.integers(0, 4 * SECOND, rows)
            times = np.where(random.random(rows) < 0.03, times - 60 * SECOND, times)
            at += int(steps[-1]) if rows else 0
            columns = {
                "time": pa.array(times, mask=random.random(rows) < 0.01),
                "camera": pa.array(np.array(["a", "b", "c", "d"])[random.integers(0, 4, rows)]),
                "zone": pa.array(random.integers(0, 3, rows)),
                "class": pa.nulls(rows, pa.string()),
                "track": pa.array(random.integers(0, 50, rows)),
                "n": pa.array(random.integers(-100, 100, rows)),
                "speed": pa.array(random.normal(50, 20, rows)),
            }
            made.append(pa.table(columns, schema=SCHEMA))
        found[name] = made[: 6 if name == DIES else 8 if name == FALLS_SILENT else 12]
    return found


def engine(options: dict[str, Any]) -> FastLanes:
    made = FastLanes(AGGREGATES, every="5s", by="camera", out_of_orderness="3s", **options)
    # All open before the first push: then nothing hangs on which thread was first.
    for name in LANES:
        made.open(name)
    return made


def round_robin(of: Batches) -> Iterator[tuple[str, pa.Table | None]]:
    """One batch a lane in turn; None where the lane closes."""
    for at in range(13):
        for name in LANES:
            if at < len(of[name]):
                yield name, of[name][at]
            elif at == len(of[name]) and name != FALLS_SILENT:
                yield name, None


def by_one_thread(of: Batches, options: dict[str, Any], drain: bool) -> tuple[Rows, Rows, Any]:
    one = engine(options)
    rows: Rows = []
    for name, batch in round_robin(of):
        if batch is None:
            one.close(name)
        else:
            one.writers[name].push(batch)
            rows += one.drain() if drain else []
    one.close(FALLS_SILENT)
    rows += one.drain()
    return rows + one.flush(), one.late(), one.stats


class ProducerDiedError(Exception):
    """What ends a producer."""


def by_threads(of: Batches, options: dict[str, Any]) -> tuple[Rows, Rows, Any]:
    many = engine(options)
    rows: Rows = []
    late: Rows = []
    errors: list[BaseException] = []
    done = threading.Event()

    def produce(name: str) -> None:
        writer = many.writers[name]
        if name == FALLS_SILENT:
            for batch in of[name]:
                writer.push(batch)
            return
        with writer:
            for batch in of[name]:
                writer.push(batch)
            if name == DIES:
                raise ProducerDiedError

    def guarded(work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except ProducerDiedError:
            pass
        except BaseException as error:
            errors.append(error)

    def read() -> None:
        """Drains; a snapshot holds exactly what was read and is not drained."""
        while not done.is_set():
            rows.extend(many.drain())
            again = type(many.engine).restore(many.engine.snapshot())
            stats = again.stats
            assert stats["read"] == stats["counted"] + stats["late"] + stats["rejected"]
            newest: dict[Any, int] = {}
            for row in [*rows, *rows_of(again.flush())]:
                if not row.get("level"):
                    newest[row["window_start"], row["camera"]] = row["rows"] or 0
            assert sum(newest.values()) == stats["counted"]

    def look() -> None:
        while not done.is_set():
            stats = many.stats
            assert stats["read"] == stats["counted"] + stats["late"] + stats["rejected"]
            late.extend(many.late())
            many.engine.next_deadline()

    lookers = [threading.Thread(target=guarded, args=(work,)) for work in (read, look)]
    producers = [threading.Thread(target=guarded, args=(produce, name)) for name in LANES]
    for thread in [*lookers, *producers]:
        thread.start()
    for thread in producers:
        thread.join()
    done.set()
    for thread in lookers:
        thread.join()
    assert errors == []
    many.close(FALLS_SILENT)
    rows += many.drain()
    return rows + many.flush(), late + many.late(), many.stats


def words(rows: Rows) -> dict[Any, list[Any]]:
    """The first and the last revision of each window and series; each revision came once, in order."""
    found: dict[Any, list[Any]] = {}
    revisions: dict[Any, int] = {}
    for row in plain(rows):
        name = (row["window_start"], row.get("level"), row["camera"])
        assert row["revision"] == revisions.get(name, -1) + 1
        revisions[name] = row["revision"]
        value = {column: value for column, value in row.items() if column != "revision"}
        found[name] = [found.get(name, [value])[0], value]
    return found


def sorted_rows(rows: Rows) -> list[str]:
    return sorted(map(repr, rows))


@pytest.mark.parametrize("shape", SHAPES)
def test_threads_give_what_one_thread_gives(shape: str) -> None:
    for seed in range(ROUNDS):
        of = batches(seed, 6_000)
        rows, late, stats = by_threads(of, SHAPES[shape])
        expected, expected_late, expected_stats = by_one_thread(of, SHAPES[shape], drain=bool(seed % 2))
        assert stats["read"] == sum(batch.num_rows for made in of.values() for batch in made)
        assert stats == expected_stats
        assert sorted_rows(late) == sorted_rows(expected_late)
        assert len(late) == stats["late"] > 0
        ours, theirs = words(rows), words(expected)
        assert ours == theirs
        if "allowed_lateness" not in SHAPES[shape]:
            assert sorted_rows(rows) == sorted_rows(expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_threads_give_what_the_twin_gives(shape: str) -> None:
    for seed in range(ROUNDS):
        of = batches(1_000 + seed, 30)
        rows, late, stats = by_threads(of, SHAPES[shape])
        twin = slow(AGGREGATES, every="5s", by="camera", out_of_orderness="3s", **SHAPES[shape])
        for name in LANES:
            twin.open(name)
        for name, batch in round_robin(of):
            if batch is None:
                twin.close(name)
            else:
                twin.push_to(name, batch.to_pylist())
        twin.close(FALLS_SILENT)
        expected = twin.drain() + twin.flush()
        assert words(rows) == words(expected)
        assert sorted_rows(late) == sorted_rows(twin.late())
        assert {name: stats[name] for name in twin.stats} == twin.stats


def test_two_that_drain_get_each_row_once() -> None:
    for seed in range(ROUNDS):
        of = batches(2_000 + seed, 6_000)
        many = engine({})
        found: list[Rows] = [[], [], []]
        done = threading.Event()

        def drain(into: Rows, many: FastLanes = many, done: threading.Event = done) -> None:
            while not done.is_set():
                into.extend(many.drain())

        def produce(name: str, many: FastLanes = many, of: Batches = of) -> None:
            with many.writers[name] as writer:
                for batch in of[name]:
                    writer.push(batch)

        drainers = [threading.Thread(target=drain, args=(into,)) for into in found]
        producers = [threading.Thread(target=produce, args=(name,)) for name in LANES]
        for thread in [*drainers, *producers]:
            thread.start()
        for thread in producers:
            thread.join()
        done.set()
        for thread in drainers:
            thread.join()
        rows = [*found[0], *found[1], *found[2], *many.drain(), *many.flush()]
        expected, _, _ = by_one_thread(of, {}, drain=False)
        assert sorted_rows(rows) == sorted_rows(expected)


@given(st.data(), forward(40), st.integers(1, 5), st.sampled_from([[["camera"], []], None]))
def test_shares_merge_in_any_grouping(
    data: st.DataObject, rows: Rows, lanes: int, rollup: list[list[str]] | None
) -> None:
    """Rows dealt to any number of lanes, named in any order, make the same windows.

    Exactly for counts, extrema, sets and quantiles; for sums and moments within the twin's 1e-12.
    """
    times: set[int] = set()
    for row in rows:  # a tie between lanes goes by name; that is no matter of merging
        while row["time"] is not None and row["time"] in times:
            row["time"] += 1
        times.add(row["time"])
    options = {"every": "10s", "by": ["camera", "zone"], "out_of_orderness": "1d", "rollup": rollup}
    twin = slow(AGGREGATES, **options)
    twin.push_to("", rows)
    expected = twin.flush()
    exact = [name for name in AGGREGATES if name not in ("sum", "mean", "std")]
    whole = FastLanes(AGGREGATES, **options)
    whole.push_to("", rows)
    columns = [column for column in (expected[0] if expected else {}) if column not in AGGREGATES] + exact
    ones = [[row[name] for name in columns] for row in plain(whole.flush())]
    names = data.draw(st.permutations([f"lane {at}" for at in range(lanes)]))
    dealt = data.draw(st.lists(st.sampled_from(names), min_size=len(rows), max_size=len(rows)))
    split = FastLanes(AGGREGATES, **options)
    for name in names:
        split.open(name)
    for name, row in zip(dealt, rows, strict=True):
        split.push_to(name, [row])
    found = split.flush()
    assert found == expected
    assert [[row[name] for name in columns] for row in plain(found)] == ones


def test_the_number_of_lanes_changes_sums_by_rounding_alone() -> None:
    random = np.random.default_rng(7)
    values = random.normal(1e6, 1.0, 20_000)
    sums: list[tuple[float, ...]] = []
    for lanes in range(1, 6):
        windows = wr.TumblingWindows(
            every="1d",
            aggregates={"sum": wr.sum("x"), "mean": wr.mean("x"), "var": wr.var("x"), "std": wr.std("x")},
        )
        dealt = random.integers(0, lanes, len(values))
        for lane in range(lanes):
            with windows.writer(f"{lane}") as writer:
                mine = values[dealt == lane]
                writer.push({"time": np.zeros(len(mine), np.int64), "x": mine})
        row = windows.flush().to_pydict()
        sums.append(tuple(row[name][0] for name in ("sum", "mean", "var", "std")))
    for other in sums[1:]:
        np.testing.assert_allclose(other, sums[0], rtol=1e-12, atol=0)
