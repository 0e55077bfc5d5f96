"""What is known of messages besides their bytes, and fields that a decoder has no column for; with a slow twin."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import windrow as wr
from hypothesis import given, settings
from hypothesis import strategies as st

TIME = "2026-01-05T00:00:00Z"
BOX = {"left": 0, "top": 0, "right": 1, "bottom": 1}


def frame(*tracks, **more):
    objects = [f"{track}|0|0|9|9|car" for track in tracks]
    return {"@timestamp": TIME, "sensorId": "own", "objects": objects, **more}


def lines(*messages):
    return b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages)


MOT = {"kind": "mot", "frames_per_second": 1, "start": TIME}
SEEN = {"id": "7", "camera": "own", "frame_time": 1_767_571_200.0, "label": "car"}
#: By name: decoder, a message with one row, one that is a sign of life (where there are such), one that is broken.
MAKES = {
    "axis": (
        "axis",
        {
            "channel_id": "own",
            "timestamp": TIME,
            "detections": [{"object_track_id": "7", "bounding_box": BOX}],
        },
        {"channel_id": "own", "timestamp": TIME, "detections": []},
    ),
    "deepstream, minimal": ("deepstream", frame(7), frame()),
    "deepstream, full": (
        "deepstream",
        {"@timestamp": TIME, "sensor": {"id": "own"}, "object": {"id": "7", "vehicle": {}}},
        {"@timestamp": TIME, "sensor": {"id": "own"}, "object": None},
    ),
    "frigate": (
        "frigate",
        {"type": "new", "after": SEEN},
        {"type": "new", "after": SEEN | {"false_positive": True}},
    ),
    "mot": (MOT, b"1,7,1,1,9,9,1,-1,-1,-1", None),
    "panorama": ("panorama", {"car": 7, "camera": "own", "time": TIME}, {"camera": "own", "time": TIME}),
    "rows": ("rows", {"time": TIME, "camera": "own", "track": "7"}, None),
}


@pytest.mark.parametrize("make", MAKES)
def test_every_decoder_takes_columns_beside(make):
    decoder, row, sign = MAKES[make]
    data = lines(row, b"", b"broken", *([sign] if sign else []), row)
    count = data.count(b"\n") + 1
    sites = [f"site-{at}" for at in range(count)]
    arrivals = [1_767_571_200_000_000_000 + at * 500_000_000 for at in range(count)]
    beside = {"site": sites, "arrival": arrivals, "camera": ["told"] * count}
    found = wr.decode(data, decoder, ["site", "camera", "track", "arrival", "lag"], beside)
    last = count - 1
    assert found.rows.to_pydict() == {
        "time": [dt.datetime(2026, 1, 5, tzinfo=dt.UTC)] * 2, "site": ["site-0", sites[last]], "camera": ["told"] * 2,
        "track": ["7", "7"], "arrival": [arrivals[0], arrivals[last]], "lag": [0.0, last / 2],
    }  # fmt: skip
    assert found.rejected == 1
    assert found.heartbeats.to_pydict()["camera"] == (["told"] if sign else [])


@pytest.mark.parametrize("make", MAKES)
def test_windows_are_keyed_by_a_topics_part_and_measure_the_lag(make):
    decoder, row, sign = MAKES[make]
    aggregates = {"n": wr.count(), "lag": wr.max("lag"), "far": wr.count(where={"site": "b"})}
    windows = wr.TumblingWindows(every="1m", by=["site", "camera"], aggregates=aggregates)
    at = 1_767_571_200_000_000_000
    data = lines(*[row] * 3, *([sign] if sign else []))
    count = data.count(b"\n") + 1
    beside = {
        "site": ["a", "b", "a", "a"][:count],
        "arrival": [at + 10**9, at + 2 * 10**9, at + 3 * 10**9, at][:count],
    }
    if decoder is MOT:
        beside["camera"] = ["own"] * count
    assert windows.push_messages(data, decoder, beside=beside) == count
    rows = [(one["site"], one["camera"], one["n"], one["lag"], one["far"]) for one in windows.flush()]
    assert sorted(rows) == [("a", "own", 2, 3.0, 0), ("b", "own", 1, 2.0, 1)]


def test_signs_of_life_are_of_the_source_that_the_topic_names():
    windows = wr.TumblingWindows(
        every="1m", by="site", source="site", fill=True, aggregates={"n": wr.count()}, idle_timeout="1h"
    )
    minute = [frame(7, **{"@timestamp": f"2026-01-05T00:0{at}:00Z"}) for at in range(4)]
    alive = [frame(**{"@timestamp": f"2026-01-05T00:0{at}:00Z"}) for at in range(4)]
    windows.push_messages(
        lines(minute[0], minute[0], alive[1], minute[3], alive[3]), "deepstream",
        beside={"site": ["a", "b", "a", "a", "b"]},
    )  # fmt: skip
    found = {(one["site"], one["window_start"].minute): (one["n"], one["silent"]) for one in windows.flush()}
    assert found["a", 1] == (0, False)
    assert found["b", 1][1]
    assert found["b", 2][1]


def test_where_the_topic_says_nothing_the_message_does():
    data = lines(frame(1), frame(2, 3), frame(), frame(), frame(4))
    found = wr.decode(data, "deepstream", ["camera"], {"camera": ["told", None, None, "told", None]})
    assert found.rows.to_pydict()["camera"] == ["told", "own", "own", "own"]
    assert found.heartbeats.to_pydict()["camera"] == ["own", "told"]
    rows = lines({"time": TIME, "site": 7}, {"time": TIME, "site": 8}, {"time": TIME})
    found = wr.decode(rows, "rows", ["site"], {"site": [None, "a", None]})
    assert found.rows.to_pydict()["site"] == ["7", "a", None]
    renamed = {
        "channel_id": "own",
        "timestamp": TIME,
        "track_events": [{"type": "Rename", "from_id": "1", "to_id": "2"}],
    }
    windows = wr.TumblingWindows(every="1m", by="camera", aggregates={"n": wr.distinct("track")})
    for track, message in (("1", True), (None, renamed), ("2", True)):
        seen = {"channel_id": "own", "timestamp": TIME, "detections": [{"object_track_id": track}]}
        windows.push_messages(
            lines(seen if message is True else message), "axis", beside={"camera": ["told"]}
        )
    assert [(one["camera"], one["n"]) for one in windows.flush()] == [("told", 1)]


@pytest.mark.parametrize("make", [make for make in MAKES if make != "mot"])
def test_fields_are_columns_of_any_json(make):
    decoder, row, sign = MAKES[make]
    place = {"place": {"name": "north", "floor": 2}, "lit": True}
    data = lines(row | place, row | {"place": {"name": "south"}, "lit": None}, *([sign] if sign else []), row)
    chosen = {"kind": decoder, "fields": {"where": "place.name", "floor": "place.floor", "lit": "lit"}}
    found = wr.decode(data, chosen, ["track", "where", "floor", "lit"]).rows.to_pydict()
    assert found["where"] == ["north", "south", None]
    assert found["floor"] == [2, None, None]
    assert found["lit"] == [True, None, None]
    assert found["track"] == ["7"] * 3
    everything = wr.decode(data, chosen).rows
    assert {"where", "floor", "lit", "track"} <= set(everything.columns)
    assert everything.to_pydict()["where"] == ["north", "south", None]


def test_a_field_is_the_same_for_all_rows_of_a_message():
    data = lines(frame(1, 2, road="a"), frame(road="b"), frame(3, "x|y", road="c"))
    found = wr.decode(
        data, {"kind": "deepstream", "fields": {"road": "road"}}, ["road", "track"]
    ).rows.to_pydict()
    assert list(zip(found["road"], found["track"], strict=True)) == [
        ("a", "1"),
        ("a", "2"),
        ("c", "3"),
        ("c", "x"),
    ]


def test_rows_have_other_names_and_times():
    data = lines({"ts": TIME, "data": {"speed": 3}, "speed": 9}, {"ts": TIME, "data": {"speed": 4.5}})
    decoder = {"kind": "rows", "fields": {"time": "ts", "speed": "data.speed"}}
    found = wr.decode(data, decoder, ["speed"]).rows.to_pydict()
    assert found["speed"] == [3.0, 4.5]
    assert found["time"] == [dt.datetime(2026, 1, 5, tzinfo=dt.UTC)] * 2
    assert wr.decode(data, decoder).rows.to_pydict()["speed"] == [3.0, 4.5]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"beside": {"site": ["a"]}}, "`beside` must have a row for each line of `data` (2), got 1"),
        ({"beside": {"time": ["a", "b"]}}, "`beside` can't have the column `time`: a row's time is its message's"),
        ({"beside": {"arrival": ["a", "b"]}}, "`arrival` of `beside` must hold nanoseconds since the epoch, got text"),
        ({"beside": 3}, "`beside` must be a table"),
        ({"beside": {"site": ["a", "b"]}, "columns": ["cite"]}, 'unknown column of decoder "deepstream" "cite"'),
        ({"columns": ["lag"]}, 'unknown column of decoder "deepstream" "lag"'),
        ({"decoder": {"kind": "deepstream", "fields": {"class": "x"}}}, "can't have the column `class`"),
        ({"decoder": {"kind": "deepstream", "fields": ["x"]}}, "`fields` must be a mapping of columns"),
        ({"decoder": MOT | {"fields": {"a": "b"}}}, 'unknown option of decoder "mot" "fields"'),
    ],
)  # fmt: skip
def test_mistakes_are_named(given, message):
    call = {"data": lines(frame(1), frame(2)), "decoder": "deepstream", **given}
    with pytest.raises(wr.WindrowError) as caught:
        wr.decode(**call)
    assert message in str(caught.value)


messages = st.one_of(
    st.builds(frame, st.integers(0, 3), st.integers(0, 3)),
    st.builds(frame),
    st.sampled_from([b"", b"broken", b"{}"]),
)
value = st.one_of(st.none(), st.sampled_from(["a", "b", "ü"]))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(messages, value, st.one_of(st.none(), st.integers(-5, 5)))))
def test_the_same_as_line_by_line(given):
    data = lines(*[message for message, _, _ in given]) + b"\n" if given else b""
    beside = {"camera": [one for _, one, _ in given], "n": [one for _, _, one in given]}
    found = wr.decode(data, "deepstream", ["camera", "track", "n"], beside)
    expected = []
    for message, camera, number in given:
        alone = wr.decode(lines(message), "deepstream", ["camera", "track"])
        expected += [(camera or row["camera"], row["track"], number) for row in alone.rows]
    assert [(row["camera"], row["track"], row["n"]) for row in found.rows] == expected
