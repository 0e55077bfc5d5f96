"""Clocks that leap: who is held aside, who is let in again, and what becomes of what was kept."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from windrow import clocks
from windrow.clocks import Clocks
from windrow.errors import SnapshotError
from windrow.sources.piece import Messages

DAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC).timestamp()
HOUR = 3600.0


class Street:
    """Messages of cameras, with a clock of our own."""

    def __init__(self, monkeypatch, bound=HOUR, now=None):
        self.steady = 1_000.0
        monkeypatch.setattr("windrow.clocks.time.monotonic", lambda: self.steady)
        self.clocks = Clocks(bound, "camera", now)

    def send(self, *messages):
        """(camera, seconds) each; what is let through of them, and of what was kept."""
        lines = b"".join(
            json.dumps({"camera": camera, "time": int(at)}).encode() + b"\n" for camera, at in messages
        )
        passed = self.clocks.admit(Messages(lines), {"kind": "rows", "time_unit": "s"}).lines
        return [(one["camera"], float(one["time"])) for one in map(json.loads, passed.splitlines())]


@pytest.fixture
def street(monkeypatch):
    return Street(monkeypatch)


def test_what_keeps_time_passes_untouched(street):
    sent = [("a", DAY), ("b", DAY + 5), ("a", DAY - 60), ("b", DAY + HOUR)]
    assert street.send(*sent) == sent
    assert street.clocks.held == []
    assert street.clocks.newest == {"a": DAY, "b": DAY + HOUR}


def test_a_leap_is_held_aside_and_dropped_when_the_clock_is_back(street):
    street.send(("a", DAY), ("b", DAY))
    assert street.send(("a", DAY + 9 * HOUR), ("b", DAY + 1), ("a", DAY + 9 * HOUR + 1)) == [("b", DAY + 1)]
    assert street.clocks.held == ["a"]
    assert street.send(("a", DAY + 2)) == [("a", DAY + 2)]
    assert (street.clocks.held, street.clocks.dropped) == ([], 2)
    assert street.send(("b", DAY - 2 * HOUR)) == []
    assert street.clocks.held == ["b"]


def test_a_new_source_far_from_the_others_is_held_aside(street):
    street.send(("a", DAY))
    assert street.send(("new", 0.0), ("newer", DAY + 30)) == [("newer", DAY + 30)]
    assert street.clocks.held == ["new"]


def test_a_new_source_may_leap_within_its_first_messages(street):
    assert street.send(("a", 0.0), ("a", 1.0), ("a", DAY)) == [("a", 0.0), ("a", 1.0)]
    assert street.clocks.held == ["a"]
    assert street.send(("b", 2.0), ("c", DAY), ("b", 3.0)) == [("b", 2.0), ("b", 3.0)]
    assert street.clocks.held == ["a", "c"]


def test_time_that_went_by_is_no_leap(street):
    street.send(("a", DAY))
    street.steady += 5 * HOUR
    assert street.send(("a", DAY + 5 * HOUR + 10)) == [("a", DAY + 5 * HOUR + 10)]
    assert street.send(("a", DAY + 7 * HOUR)) == []


def test_a_lonely_source_is_believed_once_it_runs_evenly_and_nothing_of_it_is_lost(street):
    """A device begins in 1970 and then learns the time."""
    street.send(("a", 0.0), ("a", 1.0))
    sent = [("a", DAY + at) for at in range(clocks.SETTLED)]
    assert street.send(*sent) == sent
    assert (street.clocks.held, street.clocks.dropped) == ([], 0)
    assert street.send(("a", DAY + 60)) == [("a", DAY + 60)]


def test_when_all_leap_together_all_are_believed(street):
    street.send(("a", 0.0), ("b", 0.0))
    sent = [(camera, DAY + at) for at in range(30) for camera in "ab"]
    passed = [one for message in sent for one in street.send(message)]
    assert sorted(passed) == sorted(sent)
    assert (street.clocks.held, street.clocks.dropped) == ([], 0)


def test_a_source_that_never_runs_evenly_stays_aside(street):
    street.send(("a", DAY))
    assert street.send(*[("a", DAY + at * 10 * HOUR) for at in range(1, 100)]) == []
    assert street.clocks.held == ["a"]


def test_who_is_silent_contradicts_nobody(street):
    street.send(("dead", DAY), ("a", DAY))
    sent = [("a", DAY + 9 * HOUR + at) for at in range(clocks.SETTLED)]
    assert street.send(*sent) == []
    street.steady += clocks.LIVING_SECONDS + 1
    last = ("a", DAY + 9 * HOUR + 60)
    assert street.send(last) == [*sent, last]


def test_what_is_kept_aside_is_bounded(street, monkeypatch):
    monkeypatch.setattr(clocks, "KEPT_BYTES", 1_000)
    street.send(("a", DAY), ("b", DAY))
    for at in range(500):
        assert street.send(("a", DAY + 9 * HOUR + at)) == []
        street.send(("b", DAY + at))
    assert street.clocks._bytes <= 1_000
    assert street.clocks.dropped > 400


def test_after_a_restart_event_time_is_what_others_are_held_to(monkeypatch):
    street = Street(monkeypatch, now=DAY)
    assert street.send(("a", DAY + 5 * HOUR)) == []
    assert street.send(("b", DAY + 10)) == [("b", DAY + 10)]


def test_what_has_no_time_is_the_engines_to_reject(street):
    street.send(("a", DAY))
    broken = (
        b'{"camera": "a"}\nno message\n' + json.dumps({"camera": "a", "time": int(DAY + 9 * HOUR)}).encode()
    )
    passed = street.clocks.admit(Messages(broken), {"kind": "rows", "time_unit": "s"})
    assert passed.lines == b'{"camera": "a"}\nno message\n'


def test_who_is_held_aside_still_is_after_a_restart_with_what_was_kept(street, monkeypatch):
    street.send(("a", 0.0), ("b", 0.0))
    street.send(*[("a", DAY + at) for at in range(clocks.SETTLED - 1)])
    assert street.clocks.changed
    state = street.clocks.snapshot()
    assert not street.clocks.changed
    again = Street(monkeypatch, now=0.0)
    taken = Clocks.restore(state)
    again.clocks.lend(taken)
    assert (taken.held, repr(taken), taken.bound) == (["a"], repr(street.clocks), HOUR)
    assert taken.snapshot() == state
    again.clocks = taken
    last = ("a", DAY + 60)
    assert again.send(last) == [*[("a", DAY + at) for at in range(clocks.SETTLED - 1)], last]
    assert (taken.held, taken._bytes, taken.changed) == ([], 0, True)


def test_what_is_known_of_a_message_is_kept_and_let_in_with_it(street):
    def send(topic, at, arrival):
        line = json.dumps({"time": int(at), "camera": "its own"}).encode()
        piece = Messages(line, {"camera": [topic], "arrival": [arrival]})
        return street.clocks.admit(piece, {"kind": "rows", "time_unit": "s"})

    assert send("b", DAY, 1).beside == {"camera": ["b"], "arrival": [1]}
    for at in range(3):
        assert send("a", DAY + 9 * HOUR + at, 2 + at).lines == b""
    assert street.clocks.held == ["a"]
    street.clocks = Clocks.restore(street.clocks.snapshot())
    # Nobody wants it held aside any more.
    passed = send("a", DAY, 9)
    assert passed.beside == {"camera": ["a"] * 4, "arrival": [2, 3, 4, 9]}
    assert passed.lines.count(b"\n") == 4


def test_signs_of_life_are_of_the_source_that_the_topic_names(street):
    street.clocks.column = "site"
    empty = b'{"@timestamp": "2026-01-05T00:00:00Z", "sensorId": "x", "objects": []}\n'
    street.clocks.admit(Messages(empty * 2, {"site": ["north", "south"]}), "deepstream")
    assert street.clocks.newest == {"north": DAY, "south": DAY}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "column": "a", "dropped": 0, "held": [{}]}', b"\xff",
        b'{"format": 1, "column": "a", "dropped": 0, "held": [{"source": [], "newest": 0, "last": 0}]}',
    ],
)  # fmt: skip
def test_a_state_that_is_none_is_refused(data):
    with pytest.raises(SnapshotError, match="state of clocks"):
        Clocks.restore(data)
