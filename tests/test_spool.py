"""What waits for the network: bounded, in order, kept until it has arrived, never sent before its state is safe."""

from __future__ import annotations

import math
import sqlite3
import time

import pytest
from windrow.state.spool import OVERHEAD, Message, Spool


def spool(path, **given):
    return Spool(path, **({"most_bytes": 1 << 20, "most_seconds": math.inf} | given))


def message(at, severity=0.0, sink="a", size=10):
    return Message(sink, f"id-{at}", severity, "x" * size)


def names(found):
    return [one.id for one in found]


@pytest.fixture(params=["disk", "memory"])
def path(request, tmp_path):
    return tmp_path / "spool.sqlite3" if request.param == "disk" else None


def test_messages_leave_in_order_and_stay_until_they_have_arrived(path):
    one = spool(path)
    one.put([message(at) for at in range(5)] + [message(9, sink="b")], 1)
    assert one.take("a", 10) == []  # the state that made them isn't safe yet
    one.release(1)
    first = one.take("a", 3)
    assert names(first) == ["id-0", "id-1", "id-2"]
    assert one.take("a", 3) == first
    one.done(first)
    assert names(one.take("a", 3)) == ["id-3", "id-4"]
    assert names(one.take("b", 3)) == ["id-9"]
    assert (one.depth(), one.depth("a")) == (3, 2)
    assert one.bytes == 3 * (10 + OVERHEAD)


def test_what_arrived_is_not_sent_again_while_the_disk_takes_no_word_of_it(path):
    one = spool(path)
    one.put([message(at) for at in range(4)] + [message(9, sink="b")], 1)
    one.release(1)
    one._sending.execute("PRAGMA query_only = 1")
    for _ in range(2):
        with pytest.raises(sqlite3.Error):
            one.done(one.take("a", 2))
    with pytest.raises(sqlite3.Error):
        one.take("a", 2)
    assert names(one.take("b", 2)) == ["id-9"]
    assert one.depth() == 5
    one._sending.execute("PRAGMA query_only = 0")
    assert one.take("a", 2) == []
    assert (names(one.take("b", 2)), one.depth(), one.bytes) == (["id-9"], 1, 10 + OVERHEAD)


def test_what_no_checkpoint_holds_is_made_again_and_so_taken_out(tmp_path):
    one = spool(tmp_path / "s")
    one.put([message(1)], 1)
    one.release(1)
    one.put([message(2)], 2)
    one.close()
    again = spool(tmp_path / "s", generation=1)
    assert names(again.take("a", 9)) == ["id-1"]
    again.put([message(2), message(1)], 2)
    again.release(2)
    assert names(again.take("a", 9)) == ["id-1", "id-2"]
    assert again.bytes == 2 * (10 + OVERHEAD)


def test_a_full_spool_gives_up_the_oldest_of_least_severity_and_counts_them(path):
    room = 4 * (10 + OVERHEAD)
    one = spool(path, most_bytes=room)
    one.put([message(1, 50.0), message(2), message(3, 80.0), message(4)], 1)
    one.put([message(5), message(6, 60.0)], 1)
    one.release(1)
    assert names(one.take("a", 9)) == ["id-1", "id-3", "id-5", "id-6"]
    one.put([message(7, 90.0), message(8, 10.0)], 1)
    assert names(one.take("a", 9)) == ["id-1", "id-3", "id-6", "id-7"]
    assert one.dropped == {"full": 4}
    assert one.bytes == room


def test_what_is_too_old_goes_and_is_counted(path, monkeypatch):
    one = spool(path, most_seconds=100.0)
    steady, wall = time.monotonic(), time.time()
    monkeypatch.setattr("windrow.state.spool.time.monotonic", lambda: steady)
    monkeypatch.setattr("windrow.state.spool.time.time", lambda: wall)
    one.put([message(1)], 1)
    steady, wall = steady + 50, wall + 50
    one.put([message(2)], 1)
    steady, wall = steady + 60, wall + 60
    one.put([message(3)], 1)
    one.release(1)
    assert names(one.take("a", 9)) == ["id-2", "id-3"]
    assert one.dropped == {"age": 1}


def test_a_clock_that_is_set_ages_nothing(path, monkeypatch):
    """A device without a battery begins in 1970 and learns the time later."""
    one = spool(path, most_seconds=100.0)
    steady, wall = 10.0, 10.0
    monkeypatch.setattr("windrow.state.spool.time.monotonic", lambda: steady)
    monkeypatch.setattr("windrow.state.spool.time.time", lambda: wall)
    one._clock = (wall, steady)
    one.put([message(1)], 1)
    steady, wall = steady + 20, 1_800_000_000.0
    one.put([message(2)], 1)
    one.release(1)
    assert names(one.take("a", 9)) == ["id-1", "id-2"]
    steady, wall = steady + 85, wall + 85
    one.put([message(3)], 1)
    assert names(one.take("a", 9)) == ["id-2", "id-3"]


@pytest.mark.parametrize("damage", ["header", "pages", "text"])
def test_a_damaged_spool_is_kept_aside_and_a_fresh_one_begun(tmp_path, damage, caplog):
    path = tmp_path / "s"
    one = spool(path)
    one.put([message(at, size=500) for at in range(200)], 1)
    one.close()
    data = bytearray(path.read_bytes())
    if damage == "text":
        data = bytearray(b"no database at all\n" * 100)
    else:
        start = 0 if damage == "header" else 4096
        data[start : start + 8000] = b"\xa5" * 8000
    path.write_bytes(data)
    again = spool(path, generation=1)
    assert again.depth() == 0
    again.put([message(1)], 2)
    assert again.depth() == 1
    assert (tmp_path / "s.damaged").read_bytes() == data
    assert "is damaged" in again.damaged
    assert "is damaged" in caplog.text


def test_what_is_refused_for_good_is_counted(path):
    one = spool(path)
    one.put([message(1), message(2)], 1)
    one.release(1)
    one.drop(one.take("a", 1), "refused")
    assert names(one.take("a", 9)) == ["id-2"]
    assert one.dropped == {"refused": 1}
