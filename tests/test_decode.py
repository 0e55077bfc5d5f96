"""`windrow.decode` against its slow twin, on generated messages and on recorded ones."""

import gzip
import json
import math
import os
from pathlib import Path

import pytest
import windrow as wr
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import decode as oracle

DATA = Path(os.environ.get("WINDROW_DATA", Path(__file__).parents[2] / "shared" / "data"))
REFERENCE = Path(os.environ.get("WINDROW_REFERENCE", Path(__file__).parents[2] / "shared" / "reference"))
JSON_REASONS = {
    "json_invalid": "json",
    "json_truncated": "json",
    "json_too_deep": "json",
    "utf8_invalid": "utf8",
}


def read(path):
    if not path.exists():
        pytest.skip(f"{path} is absent: set WINDROW_DATA or WINDROW_REFERENCE")
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def nanoseconds(batch, column="time"):
    return batch.to_pyarrow()[column].cast("int64").to_pylist()


def compare(data, decoder, slow):
    """Both give the same; returns what the fast one gave."""
    out = wr.decode(data, decoder)
    messages, rows, heartbeats, rejects = oracle.decode(data, slow)
    assert out.messages == messages
    columns = out.rows.to_pydict()
    columns["time"] = nanoseconds(out.rows)
    names = list(columns)
    assert [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)] == [
        {name: row[name] for name in names} for row in rows
    ]
    assert (
        list(zip(nanoseconds(out.heartbeats), out.heartbeats.to_pydict()["camera"], strict=True))
        == heartbeats
    )
    bad = out.rejects.to_pydict()
    reasons = [JSON_REASONS.get(reason, reason) for reason in bad["reason"]]
    assert list(zip(bad["line"], reasons, strict=True)) == rejects
    return out


pytest.importorskip("pyarrow")
thorough = settings(deadline=None, max_examples=200)


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


@thorough
@given(st.lists(block(optional(time=st.integers(), i=values, f=values, b=values, t=values)), max_size=5))
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
            'unknown decoder "deepsteam": use deepstream, panorama or rows (did you mean "deepstream"?)',
        ),
        ({}, "`kind` is missing: use deepstream, panorama or rows"),
        (5, "`decoder` must be a name or a mapping with `kind` and options, got int"),
        (
            {"kind": "rows", "tme": "x", "time_unit": "h", "columns": {"a": 3}},
            'unknown option of decoder "rows" "tme": use kind, columns, time or time_unit (did you mean '
            '"time"?); `columns` must be a mapping of names to types, or a list of names, got a mapping of '
            'other things than text; `time_unit` must be "s", "ms", "us" or "ns", got "h"',
        ),
    ],
)
def test_mistakes_are_named(decoder, message):
    with pytest.raises(wr.ConfigError) as error:
        wr.decode(b"", decoder)
    assert str(error.value) == message


def test_data_must_be_bytes():
    with pytest.raises(wr.DataError, match="`data` must be bytes, got str"):
        wr.decode("{}", "rows")
