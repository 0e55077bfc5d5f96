"""The device's own clock, in 1970, set later, or leaping: no row is lost, and no window closes before its time."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from windrow import device_clock
from windrow.device_clock import DeviceClock
from windrow.pipeline import Pipeline
from windrow.run import Run
from windrow.sources.piece import Alive, Messages
from windrow.stopping import Stop

DAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC).timestamp()
HOUR, YEAR = 3600.0, 365 * 86_400.0


class Time:
    """What the device's clock says, and how much time has gone by."""

    def __init__(self, told):
        self.told, self.steady = told, 50.0

    def time(self):
        return self.told

    def monotonic(self):
        return self.steady

    def pass_by(self, seconds):
        self.told += seconds
        self.steady += seconds


@pytest.fixture
def device(monkeypatch):
    def start(told):
        now = Time(told)
        monkeypatch.setattr(device_clock, "time", now)
        return now

    return start


def seconds(clock, newest=None):
    now = clock.now(newest)
    return None if now is None else now.timestamp()


def test_a_clock_that_goes_evenly_is_believed(device):
    now, clock = device(DAY), DeviceClock()
    assert seconds(clock) == DAY
    now.pass_by(7 * HOUR)
    now.told += 20
    assert seconds(clock, DAY - HOUR) == DAY + 7 * HOUR + 20


def test_in_1970_messages_say_what_time_it_is_until_the_clock_is_set(device):
    now, clock = device(12.0), DeviceClock()
    assert seconds(clock) is None
    assert seconds(clock, DAY) == DAY
    now.pass_by(90)
    assert seconds(clock, DAY) == DAY + 90
    now.told = DAY + 95
    assert seconds(clock, DAY) == DAY + 95
    now.pass_by(10)
    assert seconds(clock, DAY) == DAY + 105


@pytest.mark.parametrize("leap", [5 * YEAR, -56 * YEAR, HOUR])
def test_a_leap_away_from_the_messages_is_not_followed(device, leap):
    now, clock = device(DAY), DeviceClock()
    assert seconds(clock, DAY) == DAY
    now.told += leap
    now.pass_by(30)
    assert seconds(clock, DAY + 29) == DAY + 30
    now.told -= leap
    now.pass_by(30)
    assert seconds(clock, DAY + 59) == DAY + 60


def test_a_leap_to_where_the_messages_are_is_followed(device):
    now, clock = device(DAY + 5 * YEAR), DeviceClock()
    assert seconds(clock) == DAY + 5 * YEAR
    now.told = DAY
    assert seconds(clock, DAY - 1) == DAY


@pytest.fixture
def street(tmp_path):
    """A service beside cameras, with all that looks at a clock."""
    (tmp_path / "in.jsonl").touch()
    config = {
        "source": {
            "kind": "file", "path": str(tmp_path / "in.jsonl"), "follow": True, "max_leap": "1h",
            "time_unit": "s",
        },
        "window": {
            "every": "5m", "by": ["camera"], "source": "camera", "idle_timeout": "2m", "max_ahead": "1h",
            "aggregate": [{"name": "n", "count": True}],
        },
        "sink": [{"kind": "file", "path": str(tmp_path / "out.jsonl"), "what": "windows"}],
    }  # fmt: skip
    with Stop() as stop:
        yield Run(Pipeline.from_dict(config).config, stop, None, keep=False)


def send(run, *times):
    lines = b"".join(json.dumps({"camera": "a", "time": int(at)}).encode() + b"\n" for at in times)
    run.push(Messages(lines), run.now())


def test_a_device_in_1970_loses_no_row(device, street):
    now = device(12.0)
    street.push(Alive("a"), street.now())
    send(street, DAY, DAY + 1)
    now.pass_by(5)
    send(street, DAY + 6)
    now.told = DAY + 7
    send(street, DAY + 8)
    stats = street.windows.stats
    assert (stats["counted"], stats["rejected"], stats["late"], stats["open"]) == (4, 0, 0, 1)


def test_a_device_that_leaps_to_2031_closes_nobodys_windows(device, street):
    now = device(DAY)
    send(street, DAY, DAY + 1)
    now.told += 5 * YEAR
    street.windows.advance(street.now())
    send(street, DAY + 2)
    now.pass_by(60)
    street.windows.advance(street.now())
    send(street, DAY + 62)
    stats = street.windows.stats
    assert (stats["counted"], stats["late"], len(street.windows.drain())) == (4, 0, 0)
    # Who is silent is let go all the same.
    now.pass_by(15 * 60)
    street.windows.advance(street.now())
    assert len(street.windows.drain()) == 1
