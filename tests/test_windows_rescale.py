"""`merge`, `split` and `next_deadline`, for engines that spread series over workers: as if nobody had."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle.lanes_face import FastLanes, slow
from oracle.windows_face import Fast, Rows, rows_of
from test_windows_lanes import agree, interleavings
from test_windows_properties import AGGREGATES, COUNTS, SECOND, cameras, forward, plain, shapes

zones = st.sampled_from([1, 2, None])


def keys_of(by: Any) -> st.SearchStrategy[list[Any]]:
    match by:
        case None:
            return st.just([None])
        case str():
            return st.lists(cameras, max_size=3)
        case ["camera", "zone"]:
            return st.lists(st.tuples(cameras, zones), max_size=3)
        case _:
            return st.lists(st.tuples(zones, cameras), max_size=3)


@given(st.data(), forward(), shapes())
def test_what_is_given_away_and_taken_back_was_never_away(
    data: st.DataObject, rows: Rows, options: dict[str, Any]
) -> None:
    plan = data.draw(interleavings(rows, options["source"]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(plan)))
        plan.insert(at, ("rescale", data.draw(keys_of(options["by"]))))
    agree(AGGREGATES, options, plan)


@given(
    st.data(),
    forward(),
    st.sampled_from(["0s", "5s", "40s"]),
    st.booleans(),
    st.lists(cameras, min_size=1, max_size=3),
)
def test_two_workers_give_what_one_gives(
    data: st.DataObject, rows: Rows, lateness: str, fill: bool, keys: list[Any]
) -> None:
    """Series move to a second worker and back, while both are told the same watermarks."""
    options: dict[str, Any] = {"every": "10s", "by": "camera", "out_of_orderness": "1d"}
    # A worker sees the signs of life of its own series alone.
    options |= (
        {"fill": True, "fill_limit": 50, "source": "camera"} if fill else {"allowed_lateness": lateness}
    )
    twin, one, other = slow(AGGREGATES, **options), Fast(AGGREGATES, **options), None
    if fill:
        for windows in (twin, one):  # a worker without rows knows no series that it could fill
            windows.watermark(-200 * SECOND)
    reached = -(10**18) - 200 * SECOND
    for at in range(0, len(rows), 5):
        part = rows[at : at + 5]
        mine = [row for row in part if other is None or row["camera"] not in keys]
        theirs = [row for row in part if other is not None and row["camera"] in keys]
        twin.push_to("", part)
        one.push(mine)
        if other is not None:
            other.push(theirs)
        known = [row["time"] for row in part if row["time"] is not None]
        if known and data.draw(st.booleans()):
            reached = max(reached, min(known) - 2 * SECOND)
            for windows in (twin, one, *([other] if other else [])):
                windows.watermark(reached)
        if data.draw(st.booleans()):
            ours = one.drain() + (other.drain() if other else [])
            ours.sort(
                key=lambda row: (
                    row["window_start"],
                    row["camera"] is not None,
                    row["camera"] or "",
                    row["revision"],
                )
            )
            assert ours == twin.drain()
        if data.draw(st.booleans()):
            if other is None:
                other = Fast(AGGREGATES, **options)
                other.engine = wr.TumblingWindows.restore(one.engine.split(keys))
            else:
                one.engine.merge(other.engine.snapshot())
                other = None
    if other is not None:
        one.engine.merge(other.engine.snapshot())
    assert one.flush() == twin.flush()
    assert one.stats["read"] == twin.stats["read"]
    assert [one.stats[name] for name in ("counted", "late", "rejected")] == [
        twin.stats[name] for name in ("counted", "late", "rejected")
    ]
    assert sorted(map(repr, plain(one.late()))) == sorted(map(repr, plain(twin.late())))


@given(forward(40), st.lists(st.integers(0, 2), min_size=40, max_size=40), st.permutations([0, 1, 2]))
def test_merging_the_same_series_is_associative_and_commutative(
    rows: Rows, dealt: list[int], order: list[int]
) -> None:
    options: dict[str, Any] = {"every": "10s", "by": "camera", "out_of_orderness": "1d"}
    aggregates = {name: of for name, of in AGGREGATES.items() if name not in ("first", "last", "new")}
    twin = slow(aggregates, **options)
    twin.push_to("", rows)
    expected = twin.flush()

    def parts() -> list[Any]:
        made = [Fast(aggregates, **options) for _ in range(3)]
        for worker, row in zip(dealt, rows, strict=False):
            made[worker].push([row])
        return [made[at].engine for at in order]

    a, b, c = parts()
    a.merge(b.snapshot())
    a.merge(c.snapshot())
    assert rows_of(a.flush()) == expected
    a, b, c = parts()
    b.merge(c.snapshot())
    a.merge(b.snapshot())
    assert a.stats["read"] == len(rows)
    assert rows_of(a.flush()) == expected


def windows(**change: Any) -> wr.TumblingWindows:
    base: dict[str, Any] = {"every": "10s", "aggregates": {"n": wr.count()}, "by": "camera", "time_unit": "s"}
    return wr.TumblingWindows(**(base | change))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"every": "20s"}, "every"),
        ({"aggregates": {"m": wr.count()}}, "aggregates"),
        ({"by": ["camera", "zone"]}, "by"),
        ({"source": "camera"}, "source"),
        ({"offset": "1s"}, "offset"),
        ({"zone": "Europe/Berlin"}, "zone"),
        ({"out_of_orderness": "1s"}, "out_of_orderness"),
        ({"allowed_lateness": "1s"}, "allowed_lateness"),
        ({"fill": True}, "fill"),
        ({"rollup": [[]]}, "rollup"),
    ],
)
def test_windows_with_other_parameters_are_refused(change: dict[str, Any], named: str) -> None:
    ours, theirs = windows(), windows(**change)
    columns = {"time": [1], "camera": ["a"], "zone": [1]}
    ours.push(columns)
    theirs.push(columns)
    before = ours.snapshot()
    with pytest.raises(wr.SnapshotError, match=f"another `.*{named}"):
        ours.merge(theirs.snapshot())
    assert ours.snapshot() == before


def test_keys_of_another_type_are_refused_and_change_nothing() -> None:
    ours, theirs = windows(), windows()
    ours.push({"time": [1], "camera": ["a"]})
    theirs.push({"time": [1], "camera": [5]})
    before = ours.snapshot()
    with pytest.raises(
        (wr.SnapshotError, wr.DataError), match="`camera` must hold text as before, got integers"
    ):
        ours.merge(theirs.snapshot())
    assert ours.snapshot() == before


def test_damaged_snapshots_are_refused_and_change_nothing() -> None:
    ours, theirs = windows(), windows()
    for one in (ours, theirs):
        one.push({"time": [1], "camera": ["a"]})
    before, data = ours.snapshot(), theirs.snapshot()
    for at in range(len(data)):
        bent = bytearray(data)
        bent[at] ^= 0x21
        for wrong in (bytes(bent), data[:at]):
            with pytest.raises(wr.SnapshotError):
                ours.merge(wrong)
    assert ours.snapshot() == before
    with pytest.raises(wr.SnapshotError, match="got one of a"):
        ours.merge(wr.Alarm(threshold=1.0).snapshot())


def test_splitting_names_its_keys() -> None:
    w = windows()
    w.push({"time": [1, 2], "camera": ["a", "b"]})
    for keys in (5, "a", b"a", [object()], [("a", "b")], [["a"]]):
        with pytest.raises((wr.DataError, wr.ConfigError), match="`key"):
            w.split(keys)
    assert wr.TumblingWindows.restore(w.split([])).flush().to_pydict()["n"] == []
    assert wr.TumblingWindows.restore(w.split(["nobody", 7])).flush().to_pydict()["n"] == []
    assert w.flush().to_pydict() == windows_of([("a", 1), ("b", 1)])


def windows_of(counts: list[tuple[str, int]]) -> dict[str, Any]:
    w = windows()
    for camera, n in counts:
        w.push({"time": [1] * n, "camera": [camera] * n})
    return w.flush().to_pydict()


def test_a_deadline_is_the_end_of_what_has_not_fired() -> None:
    fast, twin = FastLanes(COUNTS, every="10s", by="camera"), slow(COUNTS, every="10s", by="camera")
    assert fast.next_deadline() is None
    row = {"camera": "a", "zone": 1, "class": "car", "track": 1, "n": 1, "speed": 1.0}
    for time in (3, 12, 25):
        for one in (fast, twin):
            one.push_to("", [row | {"time": time * SECOND}])
    assert fast.drain() == twin.drain()
    assert fast.next_deadline() == twin.next_deadline() == 30 * SECOND
    assert fast.flush() == twin.flush()
    assert fast.next_deadline() is None


def test_a_deadline_rings_for_rows_of_silence() -> None:
    w = windows(fill=True, fill_limit=2)
    w.push({"time": [1, 11], "camera": ["a", "a"]})
    seen = []
    while (deadline := w.next_deadline()) is not None:
        w.watermark(deadline)
        seen += w.drain().to_pydict()["silent"]
    assert seen == [False, False, True, True]


def test_a_deadline_is_not_early() -> None:
    w = wr.TumblingWindows(every="1s", offset="1ns", aggregates={"n": wr.count()})
    w.push({"time": [1]})
    deadline = w.next_deadline()
    assert deadline is not None
    assert deadline.microsecond == 1
    w.watermark(deadline)
    assert w.drain().to_pydict()["n"] == [1]


@pytest.mark.parametrize("series", [3, 5_000], ids=["at once", "in parts"])
def test_a_flush_leaves_nothing_behind_that_a_merge_has_passed(series: int) -> None:
    """A silent source's windows are open; what is merged brings event time far beyond them."""

    def windows() -> wr.TumblingWindows:
        return wr.TumblingWindows(
            every="10s", by="key", source="camera", aggregates={"mean": wr.mean("x")}, time_unit="s",
            out_of_orderness="1h", idle_timeout="1m",
        )  # fmt: skip

    here, there = windows(), windows()
    times = [at for at in range(0, 50, 10) for _ in range(series)]
    keys = list(range(series)) * 5
    columns = {"time": times, "key": keys, "camera": ["a"] * len(keys), "x": [1.0] * len(keys)}
    here.push(columns, now=datetime.fromtimestamp(0, UTC))
    here.advance(datetime.fromtimestamp(120, UTC))
    there.alive("c", datetime.fromtimestamp(10_000, UTC))
    here.merge(there.snapshot())
    assert len(here.flush()) == len(keys)
    assert here.stats["open"] == 0
