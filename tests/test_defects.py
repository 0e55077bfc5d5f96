"""The known defects of the pipelines that windrow replaces: one test each that shows ours is right.

Each test first does what the old pipeline did and shows the wrong figure, so that it can't pass by accident.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import windrow as wr
from oracle.windows_face import rows_of

SECOND = 10**9
MINUTE = 60 * SECOND
NINE = int(datetime(2026, 1, 5, 9, tzinfo=UTC).timestamp()) * SECOND


def windows(**options: Any) -> wr.TumblingWindows:
    return wr.TumblingWindows(**({"every": "5m", "aggregates": {"n": wr.count()}} | options))


def test_objects_are_counted_not_messages() -> None:
    """Three cars, one of which waits at the lights in front of the camera for a hundred messages."""
    tracks = [7] * 100 + [8, 9]
    w = windows(
        aggregates={
            "messages": wr.count(),
            "cars": wr.distinct("track"),
            "new": wr.distinct("track", count_on="first", retain="1h"),
        }
    )
    times = [NINE + at * 4 * SECOND for at in range(len(tracks))]
    w.push({"time": times, "track": tracks})
    rows = rows_of(w.flush())
    assert [row["messages"] for row in rows] == [75, 27]
    assert [row["cars"] for row in rows] == [1, 3]
    # Of each object only its first window knows.
    assert [row["new"] for row in rows] == [1, 2]


def test_camera_time_not_arrival_time() -> None:
    """A replay a day later, in another order of cameras, gives the same windows."""
    camera_time = [NINE + at * 30 * SECOND for at in range(40)]
    cameras = ["a", "b"] * 20
    live = windows(by="camera", source="camera")
    live.push({"time": camera_time, "camera": cameras})
    replay = windows(by="camera", source="camera")
    # Both are known from the start; then all of the one comes before the rest of the other.
    order = [0, 1, *range(2, 40, 2), *range(3, 40, 2)]
    replay.push(
        {
            "time": [camera_time[at] for at in order],
            "camera": [cameras[at] for at in order],
            "arrival": [NINE + 86_400 * SECOND + at for at in range(40)],
        }
    )
    assert rows_of(replay.flush()) == rows_of(live.flush())
    by_arrival = windows(by="camera", time="arrival")
    by_arrival.push({"arrival": [NINE + 86_400 * SECOND + at for at in range(40)], "camera": cameras})
    assert len(by_arrival.flush()) == 2


def test_both_ends_of_a_window_are_told() -> None:
    """The old stream stamped a window with its end, which its reader took for the start: five minutes off."""
    for label in ("start", "end"):
        w = windows(label=label)
        w.push({"time": [NINE + MINUTE]})
        (row,) = rows_of(w.flush())
        assert (row["window_start"], row["window_end"]) == (NINE, NINE + 5 * MINUTE)


def test_a_window_comes_out_once_and_whole() -> None:
    """The old files were cut by arrival and held two windows each."""
    times = [NINE + at * 20 * SECOND for at in range(60)]
    w = windows()
    seen: list[tuple[int, int]] = []
    for at in range(0, 60, 7):
        w.push({"time": times[at : at + 7]})
        drained = rows_of(w.drain())
        # Nothing of a window before its end, then all of it.
        assert all(row["window_end"] <= times[min(at + 6, 59)] for row in drained)
        seen += [(row["window_start"], row["n"]) for row in drained]
    seen += [(row["window_start"], row["n"]) for row in rows_of(w.flush())]
    assert seen == [(NINE + at * 5 * MINUTE, 15) for at in range(4)]


def test_an_empty_street_is_not_a_dead_camera() -> None:
    """Both send no car; the one is alive, the other is not."""
    w = windows(
        by="camera", source="camera", fill=True, idle_timeout="10m", aggregates={"cars": wr.count("track")}
    )
    w.push({"time": [NINE, NINE], "camera": ["street", "dead"], "track": [1, 2]}, now=NINE)
    for at in range(1, 5):
        w.alive("street", NINE + at * 5 * MINUTE)
        w.advance(NINE + at * 5 * MINUTE)
    rows = [
        (row["camera"], row["window_start"] // MINUTE % 60, row["cars"], row["silent"])
        for row in rows_of(w.drain())
    ]
    assert ("street", 5, 0, False) in rows
    assert ("dead", 5, None, True) in rows
    assert ("street", 10, 0, False) in rows
    assert ("dead", 10, None, True) in rows


def test_unfinished_windows_have_no_average() -> None:
    """The old average of the window so far was read as the average of the window."""
    w = windows(aggregates={"speed": wr.mean("speed")})
    w.push({"time": [NINE, NINE + MINUTE], "speed": [10.0, 20.0]})
    assert len(w.drain()) == 0
    w.push({"time": [NINE + 4 * MINUTE], "speed": [90.0]})
    assert len(w.drain()) == 0
    w.push({"time": [NINE + 5 * MINUTE], "speed": [1.0]})
    assert [(row["speed"], row["revision"]) for row in w.drain()] == [(40.0, 0)]


def test_alarms_do_not_fire_again_when_data_stops() -> None:
    """One breach before the silence; the bare rule of the old alarm takes the rest of the range for breaches."""
    alarm = wr.Alarm(threshold=3.0, breaches=3, of=3)
    assert alarm.evaluate("X----", "ok") == "alarm"
    scores = [0.0, 9.0, 9.0, 9.0, 0.0, 0.0, 9.0, *[None] * 12]
    states = alarm.states([NINE + at * MINUTE for at in range(len(scores))], scores)
    opened = [at for at in range(1, len(states)) if states[at] == "alarm" != states[at - 1]]
    assert opened == [3]
    assert states[-1] != "alarm"
