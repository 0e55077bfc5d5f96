"""Writers: who may write where, what closing lets go of, and what bounds their number."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
import windrow as wr
from faults import PATIENCE


def windows(**change: Any) -> wr.TumblingWindows:
    base: dict[str, Any] = {"every": "10s", "aggregates": {"n": wr.count()}, "by": "camera", "time_unit": "s"}
    return wr.TumblingWindows(**(base | change))


def rows(*times: int, camera: Any = "a") -> dict[str, Any]:
    return {"time": np.array(times, np.int64), "camera": [camera] * len(times)}


def counts(batch: wr.Batch) -> list[int]:
    counted: list[int] = batch.to_pydict()["n"]
    return counted


# -- one writer, one thread -----------------------------------------------------------------------------


def test_a_second_thread_on_a_writer_is_refused_before_a_row_is_read() -> None:
    w = windows(every="1d")
    big = {"time": np.arange(200_000), "camera": np.arange(200_000) % 7}
    with w.writer("busy") as writer:
        accepted, refused, start = [], [], threading.Barrier(4)

        def push() -> None:
            start.wait()
            for _ in range(10):
                try:
                    writer.push(big)
                    accepted.append(1)
                except wr.BusyError as error:
                    refused.append(str(error))

        threads = [threading.Thread(target=push) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(accepted) + len(refused) == 40
        assert refused, "200,000 rows take longer than it takes another thread to come"
        assert all("lane `busy`" in message and "one writer per thread" in message for message in refused)
        assert w.stats["read"] == len(accepted) * 200_000
        writer.push(rows(1, camera=1))


def test_a_name_has_one_writer() -> None:
    w = windows()
    first = w.writer("north")
    with pytest.raises(wr.BusyError, match="lane `north` has a writer already: close it first"):
        w.writer("north")
    first.push(rows(1))
    first.close()
    with w.writer("north") as second:
        second.push(rows(2))
        with pytest.raises(wr.ConfigError, match="writer of lane `north` is closed"):
            first.push(rows(3))
        first.close()  # says nothing about who writes now
        second.push(rows(4))
    assert counts(w.flush()) == [3]


def test_a_closed_writer_refuses_everything() -> None:
    w = windows(source="camera")
    writer = w.writer("north")
    assert not writer.closed
    writer.close()
    writer.close()
    assert writer.closed
    assert repr(writer) == '<windrow.Writer of lane "north", closed>'
    for call in (
        lambda: writer.push(rows(1)),
        lambda: writer.push(rows()),
        lambda: writer.push_one(1, "a", []),
        lambda: writer.push_messages(b"", "rows"),
        lambda: writer.alive("a", 1),
    ):
        with pytest.raises(wr.ConfigError, match="is closed: ask for a new one"):
            call()
    assert w.stats["read"] == 0


def test_a_forgotten_writer_lets_go() -> None:
    w = windows()
    held, other = w.writer("held"), w.writer("other")
    held.push(rows(5))
    other.push(rows(50))
    assert counts(w.drain()) == []
    del held
    gc.collect()
    assert counts(w.drain()) == [1]
    w.writer("held")


def test_an_exception_closes_the_writer_and_keeps_what_it_read() -> None:
    w = windows()
    other = w.writer("other")

    def produce() -> None:
        with w.writer("dies") as writer:
            writer.push(rows(5))
            raise RuntimeError("camera gone")

    with pytest.raises(RuntimeError, match="camera gone"):
        produce()
    other.push(rows(11))
    assert counts(w.drain()) == [1]


def test_writers_outlive_their_windows() -> None:
    writer = windows().writer("north")
    gc.collect()
    writer.push(rows(1))
    assert writer.name == "north"


@pytest.mark.parametrize("name", ["", None, 5, b"north", ["north"], True, "\ud800"])
def test_names_are_text(name: Any) -> None:
    with pytest.raises(wr.ConfigError, match="`name`"):
        windows().writer(name)


def test_any_text_is_a_name() -> None:
    w = windows()
    for name in (" ", "\0", "ä", "x" * 100_000, "'; drop"):
        with w.writer(name) as writer:
            assert writer.name == name
            writer.push(rows(1))
    assert counts(w.flush()) == [5]


# -- who holds event time back --------------------------------------------------------------------------


def test_restored_lanes_hold_until_they_are_reopened_or_closed() -> None:
    w = windows()
    slow, fast = w.writer("slow"), w.writer("fast")
    slow.push(rows(12))
    fast.push(rows(55, 99))
    again = wr.TumblingWindows.restore(w.snapshot())
    assert again.stats["watermark"].timestamp() == 12
    assert counts(again.drain()) == []
    # Nobody writes to either yet, and both hold what they held.
    reopened = again.writer("fast")
    reopened.push(rows(60))
    assert again.stats["late"] == 1
    assert counts(again.drain()) == []
    again.writer("slow").close()
    assert counts(again.drain()) == [1, 1]


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_a_state_goes_on_in_another_number_of_lanes(lanes: int) -> None:
    w = windows(every="1m")
    writers = [w.writer(f"{at}") for at in range(3)]
    for at, writer in enumerate(writers):
        writer.push(rows(*range(at, 50, 3)))
    again = wr.TumblingWindows.restore(w.snapshot())
    for at in range(3):
        again.writer(f"{at}").close()
    fresh = [again.writer(f"new {at}") for at in range(lanes)]
    for at, writer in enumerate(fresh):
        writer.push(rows(*range(50 + at, 60, lanes)))
    assert counts(again.flush()) == [60]
    assert again.stats["late"] == 0


def test_a_closed_lane_falls_silent_whether_or_not_it_was_let_go() -> None:
    """`fill` goes on by the clock when all writers are gone, for drains in between and for none."""
    for drains in (False, True):
        w = windows(fill=True, fill_limit=3)
        with w.writer("north") as writer:
            writer.push(rows(1, 20))
        silent = []
        for now in (20, 30, 40, 50, 60, 70):
            silent += w.drain().to_pydict()["silent"] if drains else []
            w.advance(now)
        silent += w.drain().to_pydict()["silent"]
        assert silent == [False, True, False, True, True, True], drains


def test_a_lane_that_opens_starts_where_live_lanes_are() -> None:
    """Silent lanes don't hold it back, whether or not anybody has drained since they fell silent."""
    for drains in (False, True):
        w = windows(idle_timeout="30s")
        silent, live = w.writer("silent"), w.writer("live")
        silent.push(rows(5), now=0)
        live.push(rows(95), now=40)
        if drains:
            w.drain()
        late = w.writer("opens later")
        late.push(rows(5), now=40)
        assert w.stats["late"] == 1, drains
        assert not late.closed
        assert not silent.closed


def test_an_opened_lane_holds_until_it_is_silent_for_long() -> None:
    """Also one that was open before, whose cameras may be others now."""
    w = windows(idle_timeout="30s", source="camera")
    with w.writer("north") as north, w.writer("live") as live:
        north.push(rows(5, camera="old"), now=0)
        live.push(rows(9), now=0)
        north.close()
        live.push(rows(31), now=90)
        north = w.writer("north")
        live.push(rows(99), now=100)
        w.drain()
        north.push(rows(42, camera="new"), now=110)
        assert w.stats["late"] == 0
        north.push(rows(77, camera="new"), now=111)
        w.drain()
        assert w.stats["watermark"].timestamp() == 77, "the old camera is not waited for"


# -- bounds ---------------------------------------------------------------------------------------------


def test_a_stuck_lane_meets_the_limit_before_a_row_is_read_and_recovers() -> None:
    w = windows(max_cells=50)
    stuck, other = w.writer("stuck"), w.writer("other")
    for turn in range(200):
        base = 100_000 * turn
        stuck.push(rows(base))
        for at in range(1, 50):
            other.push(rows(base + 10 * at))
        with pytest.raises(wr.LimitError, match="reached: 50 open windows x series of at most 50"):
            other.push(rows(base))
        before = w.stats["read"]
        with pytest.raises(wr.LimitError):
            stuck.push(rows(base + 1))
        with pytest.raises(wr.LimitError):
            w.push(rows(base + 1))
        assert w.stats["read"] == before
        # What was handed over counts as well: draining alone does not help while the lane is stuck.
        assert counts(w.drain()) == []
        w.watermark(base + 50_000)
        assert sum(counts(w.drain())) == 50
        assert w.stats["open"] == 0


def test_names_without_end_take_no_memory() -> None:
    """Closed lanes are let go; what of their rows was late is kept, no more than that of one."""
    w = windows()
    w.push(rows(10))

    def invent(start: int, many: int) -> None:
        for at in range(start, start + many):
            with w.writer(f"name {at}") as writer:
                writer.push(rows(10 + at, camera="a"))
                writer.push(rows(-100))
            w.watermark(10 + at)
            if at % 10 == 0:
                w.drain()
        w.drain()

    invent(0, 500)
    before = len(w.snapshot())
    invent(500, 2_000)
    # Late rows are all that grew: some 60 bytes each.
    assert w.stats["late"] == 2_500
    assert len(w.snapshot()) - before < 2_000 * 100
    assert len(w.late()) == 2_500
    w.drain()
    assert len(w.snapshot()) < 3_000


def test_what_gone_lanes_kept_is_bounded() -> None:
    w = windows()
    w.push(rows(1_000))
    for at in range(6):
        with w.writer(f"{at}") as writer:
            writer.push({"time": np.arange(30_000) % 900, "camera": ["a"] * 30_000})
        w.watermark(1_001 + at)
        w.drain()
    assert w.stats["late"] == 180_000
    assert len(w.late()) == 100_000
    assert len(w.late()) == 0


def test_opening_and_closing_many_is_quick() -> None:
    w = windows()
    began = time.process_time()
    writers = [w.writer(f"{at}") for at in range(1_000)]
    for at, writer in enumerate(writers):
        writer.push(rows(at))
    for writer in writers:
        writer.close()
    assert sum(counts(w.drain())) + sum(counts(w.flush())) == 1_000
    assert time.process_time() - began < 20


# -- types ----------------------------------------------------------------------------------------------


def test_lanes_agree_on_types_before_a_row_is_read() -> None:
    w = windows(aggregates={"n": wr.count(), "sum": wr.sum("x")})
    one, other = w.writer("one"), w.writer("other")
    one.push(rows(1, camera="a") | {"x": [1]})
    with pytest.raises(wr.DataError, match="`camera` must hold text as before, got integers"):
        other.push(rows(1, camera=5) | {"x": [1]})
    with pytest.raises(wr.DataError, match="key column `camera` must hold text as before"):
        other.push_one(1, 5, [1])
    with pytest.raises(wr.DataError, match="`x`"):
        other.push(rows(1) | {"x": ["text"]})
    assert w.stats["read"] == 1
    other.push(rows(2) | {"x": [0.5]})  # numbers are numbers
    one.close()
    other.close()
    assert w.flush().to_pydict()["sum"] == [1.5]
    # The agreement outlives lanes and restarts.
    again = wr.TumblingWindows.restore(w.snapshot())
    with pytest.raises(wr.DataError, match="`camera`"):
        again.writer("new").push(rows(1, camera=5) | {"x": [1]})


# -- the interpreter ------------------------------------------------------------------------------------


def test_writers_may_be_left_open_at_exit() -> None:
    code = (
        "import threading, windrow as wr\n"
        "w = wr.TumblingWindows(every='1m', aggregates={'n': wr.count()}, time_unit='s')\n"
        "lane = w.writer('north')\n"
        "lane.push({'time': [1]})\n"
        "cycle = [lane, w]; cycle.append(cycle)\n"
        "mine, pushed = w.writer('daemon'), threading.Event()\n"
        "def go():\n"
        "    while True:\n"
        # It runs no Python code and waits for none; README says what holds for `push`.
        "        mine.push_one(1, (), ())\n"
        "        pushed.set()\n"
        "threading.Thread(target=go, daemon=True).start()\n"
        "assert pushed.wait(50)\n"
    )
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60 * PATIENCE, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
