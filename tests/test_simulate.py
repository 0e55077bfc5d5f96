"""The simulated worlds are what they say: seeded, with the season and the faults that are labelled."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import windrow as wr
from windrow.simulate import motor, traffic


def within(columns, fault):
    time = columns["time"].astype("M8[ms]")
    start, end = (np.datetime64(moment.replace(tzinfo=None), "ms") for moment in (fault.start, fault.end))
    return (time >= start) & (time < end)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    first, again, other = (b"".join(traffic(days=1, seed=seed).messages()) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert list(motor(days=1, seed=1).csv()) == list(motor(days=1, seed=1).csv())
    assert list(motor(days=1, seed=1).csv()) != list(motor(days=1, seed=2).csv())


@pytest.mark.parametrize("form", ["deepstream", "panorama"])
@pytest.mark.parametrize("healthy", [False, True])
def test_every_message_is_json_and_says_what_the_columns_say(form, healthy):
    world = traffic(days=1.2, healthy=healthy)
    columns = world.columns()
    lines = b"".join(world.messages(form, rows=700)).splitlines()
    assert len(lines) == len(world)
    labels = set()
    for row, line in enumerate(lines):
        message = json.loads(line)
        time = message["@timestamp"] if form == "deepstream" else message["event_time"]
        assert np.datetime64(time[:-1], "ns") == columns["time"][row]
        camera = message["sensor"]["id"] if form == "deepstream" else message["camera"]
        assert camera == columns["camera"][row]
        if form == "deepstream":
            seen = next(
                (name for name in ("vehicle", "person") if message["object"] and name in message["object"]),
                "",
            )
        else:
            seen = "vehicle" if message["car"] else "person" if message["person"] else ""
        assert seen == columns["class"][row]
        assert ("fault" in message) is not healthy
        labels.add(message.get("fault"))
    assert labels == ({None} if healthy else {None, "blocked road", "stopped camera", "crowd"})


def test_the_engine_reads_the_messages_as_the_columns():
    world = traffic(days=1)
    counted = {}
    for how in ("messages", "columns"):
        windows = wr.TumblingWindows(
            every="5m",
            by="camera",
            source="camera",
            out_of_orderness="2s",
            aggregates={name: wr.distinct("track", where={"class": name}) for name in ("vehicle", "person")},
        )
        if how == "messages":
            for block in world.messages(rows=5000):
                windows.push_messages(block, "deepstream")
        else:
            windows.push(world.columns())
        counted[how] = [
            (row["camera"], row["window_start"], row["vehicle"], row["person"])
            for row in windows.flush()
            if row["vehicle"] + row["person"]
        ]
        assert windows.stats["late"] == windows.stats["rejected"] == 0
    assert counted["messages"] == counted["columns"]
    assert len(counted["messages"]) > 200


def test_tracks_live_for_several_messages_and_come_out_of_order():
    columns = traffic(days=2).columns()
    seen = columns["class"] == "vehicle"
    for camera in ("north", "south"):
        _, messages = np.unique(columns["track"][seen & (columns["camera"] == camera)], return_counts=True)
        assert 2 <= np.median(messages) <= 4
        assert messages.max() <= 4
    step = np.diff(columns["time"].astype(np.int64))
    assert (step < 0).mean() > 0.05
    newest = np.maximum.accumulate(columns["time"].astype(np.int64))
    assert (newest - columns["time"].astype(np.int64)).max() < 2_000_000_000


def test_days_have_rush_hours_and_weekends_are_calmer():
    columns = traffic(days=14, healthy=True).columns()
    cars = columns["time"][columns["class"] == "vehicle"].astype("M8[h]").astype(int)
    workday = (cars // 24 + 3) % 7 < 5
    by_hour = np.bincount(cars[workday] % 24, minlength=24) / 10
    assert by_hour[8] > 1.3 * by_hour[10]
    assert by_hour[17] > 1.3 * by_hour[13]
    assert by_hour[3] < 0.3 * by_hour[13]
    assert np.sum(~workday) / 4 < 0.8 * np.sum(workday) / 10


def test_each_traffic_fault_is_there_when_it_says():
    world = traffic()
    columns = world.columns()
    blocked, stopped, crowd = world.faults
    assert [fault.kind for fault in world.faults] == ["blocked road", "stopped camera", "crowd"]
    north, south = (columns["camera"] == name for name in ("north", "south"))
    car, person = (columns["class"] == name for name in ("vehicle", "person"))
    assert not (within(columns, blocked) & north & car).any()
    assert (within(columns, blocked) & north & person).sum() > 50
    assert not (within(columns, stopped) & south).any()
    assert (within(columns, stopped) & north).any()
    healthy = traffic(healthy=True).columns()
    usual = within(healthy, crowd) & (healthy["camera"] == "north") & (healthy["class"] == "person")
    assert (within(columns, crowd) & north & person).sum() > 5 * usual.sum()
    for fault in world.faults:
        assert set(columns["fault"][within(columns, fault)]) == {fault.kind}


def test_a_motor_is_its_model_and_noise_until_something_breaks():
    world = motor()
    error = world.bearing_temperature - world.predicted
    healthy = world.fault == ""
    assert abs(error[healthy].std() - 0.35) < 0.01
    assert abs(error[healthy].mean()) < 0.01
    assert [fault.kind for fault in world.faults] == ["after a long idle", "steep drop", "hot for its speed"]
    for fault, size in zip(world.faults, (3, -7, 3), strict=True):
        mean = error[world.fault == fault.kind].mean()
        assert mean / size > 0.75, fault.kind
    # The bearing lags behind the power: it is warmest well after the load, and warm for long after the stop.
    assert world.bearing_temperature.max() - world.ambient_temperature.max() > 20
    assert motor(healthy=True).faults == ()
    assert (motor(healthy=True).fault == "").all()


def test_csv_has_the_label_last_and_only_where_something_can_be_wrong():
    lines = list(motor(days=0.1).csv())
    assert lines[0] == (
        "time,machine,motor_speed,torque,ambient_temperature,bearing_temperature,predicted,fault\n"
    )
    assert lines[1].startswith("2026-01-05T00:00:00Z,motor-1,0.000,")
    assert next(iter(motor(days=0.1, healthy=True).csv())).rstrip().endswith(",predicted")


@pytest.mark.parametrize("make", [traffic, motor])
def test_arguments_that_cannot_be_meant(make):
    with pytest.raises(wr.ConfigError, match="`days` must be a positive number, got 0"):
        make(days=0)
    with pytest.raises(wr.ConfigError, match="`start` must be a datetime with a time zone"):
        make(start=datetime(2026, 1, 1))
    assert len(make(days=0.01)) > 0


def test_an_unknown_form_is_refused():
    with pytest.raises(wr.ConfigError, match="`form` must be one of deepstream, panorama, got 'xml'"):
        next(traffic(days=0.1).messages("xml"))


def test_a_fault_overlaps_what_touches_it():
    fault = traffic(days=10).faults[0]
    hour = timedelta(hours=1)
    assert fault.overlaps(fault.start - hour, None)
    assert fault.overlaps(fault.end, None)
    assert not fault.overlaps(fault.end + hour, None)
    assert fault.overlaps(fault.end + hour, None, slack=hour)
    assert not fault.overlaps(fault.start - 2 * hour, fault.start - hour)
    assert fault.start.tzinfo == UTC
