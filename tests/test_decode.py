"""`windrow.decode` against its slow twin, on generated messages and on recorded ones."""

import gzip
import json
import math
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import windrow as wr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracle import decode as oracle
from oracle.decode_face import compare

DATA = Path(os.environ.get("WINDROW_DATA", Path(__file__).parents[2] / "shared" / "data"))
REFERENCE = Path(os.environ.get("WINDROW_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))


def read(path):
    if not path.exists():
        pytest.skip(f"{path} is absent: set WINDROW_DATA or WINDROW_REFERENCE")
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


pytest.importorskip("pyarrow")
thorough = settings(deadline=None, max_examples=min(200, 5 * settings.default.max_examples))


@pytest.fixture(scope="module")
def parking():
    return read(DATA / "nvidia_smart_parking" / "demo-1.jsonl.gz")


def test_recorded_messages(parking):
    out = compare(parking, "deepstream", oracle.deepstream)
    assert (out.messages, len(out.rows), len(out.rejects)) == (3028, 3028, 0)
    tracks = {}
    rows = out.rows.to_pydict()
    for time, track in zip(rows["time"], rows["track"], strict=True):
        tracks.setdefault(time.timestamp() // 300, set()).add(track)
    assert [len(tracks[window]) for window in sorted(tracks)] == [27, 22, 18, 12, 14, 8]
    assert len(set(rows["camera"])) == 51


def test_recorded_messages_cut_and_altered(parking):
    lines = parking.split(b"\n")[:400]
    broken = []
    for at, line in enumerate(lines):
        place = at * 7919 % max(len(line), 1)
        broken.append(
            [line[:place], line[:place] + b"\xff" + line[place:], line[:place] + line[place + 1 :]][at % 3]
        )
        broken.append(line)
    out = compare(b"\n".join(broken), "deepstream", oracle.deepstream)
    assert len(out.rejects) > 200
    assert len(out.rows) >= len(lines)


def test_road_camera_as_rows():
    data = read(DATA / "opendatacam" / "rawdetections.jsonl.gz")
    columns = {"frame": "int64", "detections": "text"}
    slow, unreadable = oracle.rows_of(columns, time="frame")
    out = compare(data, {"kind": "rows", "time": "frame", "columns": columns}, slow)
    assert out.unreadable == unreadable == {"detections": out.messages}


def test_case_s15():
    data = "\n".join(json.loads(read(REFERENCE / "flink" / "cases.json"))["inputs"]["bad_fields"]).encode()
    out = wr.decode(data, {"kind": "rows", "columns": {"person": "float64", "car": "float64", "ts": "time"}})
    rows = out.rows.to_pydict()
    assert sum(value is not None for value in rows["person"]) == 2
    assert sum(value is not None for value in rows["car"]) == 2
    assert (len(out.rows), out.unreadable) == (3, {"car": 1})


stamps = st.integers(0, 2_000_000_000_000).map(
    lambda ms: f"{oracle.EPOCH + oracle.timedelta(milliseconds=ms):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"
)
# Letters that decide something, and a few of two, three and four bytes, one of them half a surrogate pair.
texts = st.text('ab1-.|#"\\\n\x00 é€🚗\ud83d', max_size=6)
numbers = st.one_of(st.integers(), st.floats())
scalars = st.one_of(
    st.none(), st.booleans(), numbers, texts, st.sampled_from(["17", " 4.0 ", "-1", "x9", "nan", "1e3"])
)
values = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(texts, scalars, max_size=2))
times = st.one_of(stamps, st.integers(-(10**12), 10**13), st.floats(-1e9, 1e9), values)
entries = st.one_of(
    values,
    st.builds(
        "|".join,
        st.lists(st.one_of(st.floats(-9, 9).map(str), st.sampled_from(["#", "car", "-1", ""])), max_size=9),
    ),
)


def optional(**fields):
    return st.fixed_dictionaries(
        {}, optional={name.replace("__", "@"): field for name, field in fields.items()}
    )


frames = optional(
    __timestamp=times, sensorId=values, objects=st.one_of(st.lists(entries, max_size=4), values)
)
parts = st.one_of(values, optional(confidence=values, type=texts))
boxes = optional(topleftx=values, toplefty=values, bottomrightx=values, bottomrighty=values)
things = optional(id=values, speed=values, vehicle=parts, person=parts, bbox=boxes)
sightings = optional(
    __timestamp=stamps, sensor=st.one_of(values, optional(id=values)), object=st.one_of(things, values)
)
classes = optional(person=values, car=values, camera=values, event_time=times, timestamp=times)


def block(messages):
    return messages.flatmap(
        lambda one: st.sampled_from(
            [json.dumps(one), json.dumps(one, ensure_ascii=True, indent=0).replace("\n", "\r")]
        )
    ).map(lambda line: line.encode())


@thorough
@given(st.lists(block(st.one_of(frames, sightings)), max_size=4))
def test_deepstream_as_its_twin(lines):
    compare(b"\n".join(lines), "deepstream", oracle.deepstream)


@thorough
@given(st.lists(block(classes), max_size=4))
def test_panorama_as_its_twin(lines):
    compare(b"\n".join(lines), "panorama", oracle.panorama)


ids = st.one_of(values, st.sampled_from(["a", "b", "18446744073709551615", 9007199254740993]))
candidates = st.one_of(
    values, st.lists(optional(type=texts, score=st.one_of(st.floats(0, 1), values)), max_size=3)
)
detected = optional(
    object_track_id=ids,
    track_id=ids,
    classes=candidates,
    bounding_box=st.one_of(values, optional(left=values, top=values, right=values, bottom=values)),
    **{"class": st.one_of(values, optional(type=texts, score=values))},
)
kinds = st.sampled_from(
    ["Rename", "TrackEnded", "RenameOperation", "DeleteOperation", "SplitOperation", None, 5]
)
happened = optional(type=kinds, object_track_id=ids, id=ids, from_id=ids, to_id=ids)


def listed(things):
    return st.one_of(st.lists(st.one_of(things, things, values), max_size=3), values)


axis_frames = optional(
    channel_id=values, timestamp=times, detections=listed(detected), track_events=listed(happened)
)
axis_tracks = optional(
    id=ids, channel_id=values, classes=candidates, start_time=stamps, end_time=times, path=values
)
axis_older = st.fixed_dictionaries(
    {
        "frame": st.one_of(
            values, optional(timestamp=times, observations=listed(detected), operations=listed(happened))
        )
    }
)


@thorough
@given(st.lists(block(st.one_of(axis_frames, axis_tracks, axis_older)), max_size=4))
def test_axis_as_its_twin(lines):
    compare(b"\n".join(lines), "axis", oracle.axis)
    compare(b"\n".join(lines), {"kind": "axis", "camera": "gate"}, oracle.axis_of("gate"))


after = optional(
    id=ids,
    camera=values,
    frame_time=times,
    label=values,
    score=values,
    box=st.one_of(values, st.lists(scalars, max_size=5)),
    current_zones=st.one_of(values, st.lists(texts, max_size=3)),
    current_estimated_speed=values,
    false_positive=st.one_of(st.booleans(), values),
)
changes = optional(
    type=st.one_of(st.sampled_from(["new", "update", "end"]), values),
    before=values,
    after=st.one_of(after, after, values),
)


@thorough
@given(st.lists(block(changes), max_size=4))
def test_frigate_as_its_twin(lines):
    compare(b"\n".join(lines), "frigate", oracle.frigate)


parts_of_lines = st.one_of(
    st.integers(-2, 10**20).map(str),
    st.floats(-99, 99).map(str),
    st.sampled_from(
        ["-1", "1", "2", "30", "3.0", "", "nan", "inf", "1e400", "x", "+4", " 7 ", "1e3", "é", "\x00"]
    ),
)
# Nine parts of ten are numbers that a tracker would write.
good_lines = st.tuples(
    st.integers(1, 10**7), st.integers(-1, 99), *[st.floats(-9, 99)] * 4, st.sampled_from(["-1", "0.5", ""])
).map(lambda parts: [str(part) for part in parts])
broken_lines = st.tuples(good_lines, st.integers(0, 6), parts_of_lines).map(
    lambda line: [*line[0][: line[1]], line[2], *line[0][line[1] + 1 :]]
)


@thorough
@given(
    st.lists(
        st.one_of(st.lists(parts_of_lines, max_size=10), good_lines, broken_lines).map(
            lambda parts: ",".join(parts).encode()
        ),
        max_size=5,
    ),
    st.sampled_from([25, 29.97, 1e-300]),
)
@example([b"179769315,0,0.0,0.0,0.0,0.0,-1"], 1e-300)
def test_mot_as_its_twin(lines, rate):
    decoder = {"kind": "mot", "frames_per_second": rate, "start": "2026-01-01T00:00:00Z", "camera": "a"}
    slow = oracle.mot_of(rate, 1_767_225_600 * 10**9, "a")
    compare(b"\n".join(lines), decoder, slow, load=oracle.line_of)


@thorough
@given(st.lists(block(optional(time=st.integers(), i=values, f=values, b=values, t=values)), max_size=5))
@example([b'{"time": 0, "t": null, "b": NaN}'])
def test_rows_as_their_twin(lines):
    columns = {"i": "int64", "f": "float64", "b": "bool", "t": "text"}
    slow, unreadable = oracle.rows_of(columns)
    out = compare(b"\n".join(lines), {"kind": "rows", "columns": columns}, slow)
    assert out.unreadable == unreadable


@thorough
@given(st.lists(st.one_of(st.binary(max_size=40), block(classes)), max_size=6), st.data())
def test_bytes_of_any_kind(lines, data):
    joined = b"\n".join(lines)
    compare(joined, "panorama", oracle.panorama)
    # A block cut at a newline gives the same rows as the whole.
    cut = data.draw(st.integers(0, len(joined)))
    cut = joined.rfind(b"\n", 0, cut) + 1
    whole = wr.decode(joined, "panorama").rows.to_pydict()
    pieces = [wr.decode(piece, "panorama").rows.to_pydict() for piece in (joined[:cut], joined[cut:])]
    assert {name: pieces[0][name] + pieces[1][name] for name in whole} == whole


def test_only_the_columns_asked_for(parking):
    every = wr.decode(parking, "deepstream").rows.to_pydict()
    few = wr.decode(parking, "deepstream", columns=["track", "time"]).rows
    assert few.columns == ["track", "time"]
    assert few.to_pydict() == {name: every[name] for name in few.columns}


def test_floats_keep_their_bits():
    wanted = [0.1, 1e-320, 1.7976931348623157e308, -0.0, 123456789.12345679]
    lines = "\n".join(json.dumps({"time": 1, "x": value}) for value in wanted).encode()
    got = wr.decode(lines, {"kind": "rows", "columns": {"x": "float64"}}).rows.to_pydict()["x"]
    assert [math.copysign(1, value) for value in got] == [math.copysign(1, value) for value in wanted]
    assert got == wanted


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (
            "deepsteam",
            'unknown decoder "deepsteam": use axis, deepstream, frigate, mot, panorama or rows (did you mean '
            '"deepstream"?)',
        ),
        ({}, "`kind` is missing: use axis, deepstream, frigate, mot, panorama or rows"),
        (
            "mot",
            '`frames_per_second` is missing: the decoder "mot" needs the rate of the frames; `start` is missing: '
            'the decoder "mot" needs the time of frame 1',
        ),
        (
            {"kind": "mot", "frames_per_second": 0, "start": "noon", "camera": 5},
            '`frames_per_second` must be a positive number, got 0; `start` must be a time in ISO 8601, got "noon"; '
            "`camera` must be the name of a camera, got 5",
        ),
        ({"kind": "axis", "camera": ""}, '`camera` must be the name of a camera, got ""'),
        (5, "`decoder` must be a name or a mapping with `kind` and options, got int"),
        (
            {"kind": "rows", "tme": "x", "time_unit": "h", "columns": {"a": 3}},
            'unknown option of decoder "rows" "tme": use kind, columns, time, time_unit or fields (did you mean '
            '"time"?); `columns` must be a mapping of names to types, or a list of names, got a mapping of '
            'other things than text; `time_unit` must be "s", "ms", "us" or "ns", got "h"',
        ),
    ],
)
def test_mistakes_are_named(decoder, message):
    with pytest.raises(wr.ConfigError) as error:
        wr.decode(b"", decoder)
    assert str(error.value) == message


def test_frames_of_a_video_have_the_configured_times():
    lines = (
        b"1,-1,1,1,10,10,-1,-1,-1,-1\n26,18446744073709551616,-5,2.5,10,10,0.9,-1,-1,-1\n0,1,1,1,1,1,1\n1,2,3"
    )
    decoder = {
        "kind": "mot",
        "frames_per_second": 25,
        "start": datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    }
    out = wr.decode(lines, decoder)
    rows = out.rows.to_pydict()
    assert [f"{time:%H:%M:%S}" for time in rows["time"]] == ["23:00:00", "23:00:01"]
    assert rows["track"] == [None, "18446744073709551616"]
    assert rows["score"] == [None, 0.9]
    assert [rows[corner][1] for corner in oracle.CORNERS] == [-6.0, 1.5, 4.0, 11.5]
    assert out.rejects.to_pydict()["reason"] == ["line_unreadable"] * 2


def test_events_beside_sightings_are_rows_but_not_counted():
    frame = json.dumps(
        {
            "channel_id": 1,
            "timestamp": "2026-01-01T00:00:00.000000Z",
            "detections": [{"object_track_id": "b", "class": {"type": "Car", "score": 0.5}}],
            "track_events": [
                {"type": "Rename", "from_id": "a", "to_id": "b"},
                {"type": "TrackEnded", "object_track_id": "c"},
            ],
        }
    ).encode()
    rows = wr.decode(frame, "axis").rows.to_pydict()
    told = list(zip(rows["event"], rows["track"], rows["renamed_from"], rows["class"], strict=True))
    assert told == [("rename", "b", "a", None), ("end", "c", None, None), ("seen", "b", None, "Car")]
    w = wr.TumblingWindows(
        every="1m", aggregates={"n": wr.count(), "events": wr.distinct("event")}, by="camera"
    )
    assert w.push_messages(frame, "axis") == 1
    assert (w.stats["read"], w.stats["counted"]) == (1, 1)
    counts = w.flush().to_pydict()
    assert (counts["n"], counts["events"]) == ([1], [1])


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.4, 0.9, 0.6], 1), ([None, 0.1], 1), ([0.5, None], 0), ([None, None], 0), ([0.5, 0.5], 0)],
)
def test_of_several_classes_the_likeliest_counts(scores, best):
    classes = [{"type": f"c{at}", "score": score} for at, score in enumerate(scores)]
    ended = {"id": "a", "channel_id": 1, "classes": classes, "end_time": "2026-01-01T00:00:00Z"}
    seen = {
        "frame": {
            "timestamp": "2026-01-01T00:00:00Z",
            "observations": [{"track_id": "a", "classes": classes}],
        }
    }
    for message in (ended, seen):
        out = compare(json.dumps(message).encode(), "axis", oracle.axis).rows.to_pydict()
        assert (out["class"], out["score"]) == ([f"c{best}"], [scores[best]])


def test_what_frigate_calls_false_is_a_sign_of_life():
    def change(kind, **after):
        after = {
            "id": "x",
            "camera": "gate",
            "frame_time": 1.5,
            "label": "car",
            "false_positive": False,
        } | after
        return json.dumps({"type": kind, "before": {}, "after": after}).encode()

    lines = [
        change("new", current_zones=["street", "yard"], box=[1, 2, 3, 4], score=0.5),
        change("update", false_positive=True),
        change("end"),
    ]
    out = wr.decode(b"\n".join(lines), "frigate")
    rows = out.rows.to_pydict()
    assert (rows["event"], rows["zones"]) == (["new", "end"], ["street,yard", None])
    assert (rows["left"][0], rows["bottom"][0], rows["score"]) == (1.0, 4.0, [0.5, None])
    assert out.heartbeats.to_pydict()["camera"] == ["gate"]


def test_data_must_be_bytes():
    with pytest.raises(wr.DataError, match="`data` must be bytes, got str"):
        wr.decode("{}", "rows")
