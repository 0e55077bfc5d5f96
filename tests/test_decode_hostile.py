"""Messages of any kind into windows, by every decoder: nothing falls over, is lost, or grows without bound.

`HYPOTHESIS_PROFILE=slow` mutates a hundred times as many messages.
"""

import json
import random
import subprocess
import sys

import pytest
import windrow as wr
from faults import PATIENCE
from hypothesis import settings
from oracle import decode as oracle
from oracle.decode_face import compare

MOT = {"kind": "mot", "frames_per_second": 25, "start": "2026-01-01T00:00:00Z", "camera": "a"}
STAMP = "2026-01-01T00:00:01.000000Z"
THING = {
    "object_track_id": "9007199254740993",
    "class": {"type": "Car", "score": 0.5},
    "bounding_box": {"left": 0.1},
}
FRIGATE = {
    "id": "1607123955.475377-mxklsc",
    "camera": "gate",
    "frame_time": 1767225601.25,
    "label": "car",
    "score": 0.75,
    "box": [1, 2, 3, 4],
    "current_zones": ["street", "yard"],
    "false_positive": False,
}
#: A decoder and good messages for it.
GOOD = {
    "axis": (
        "axis",
        [
            {
                "channel_id": 1,
                "timestamp": STAMP,
                "detections": [THING, THING],
                "track_events": [
                    {"type": "Rename", "from_id": "a", "to_id": "b"},
                    {"type": "TrackEnded", "object_track_id": "c"},
                ],
            },
            {
                "id": "a",
                "channel_id": 1,
                "classes": [{"type": "Car", "score": 0.5}],
                "end_time": STAMP,
                "path": [],
            },
            {
                "frame": {
                    "timestamp": STAMP,
                    "observations": [{"track_id": "1", "class": {"type": "Bus", "score": 0.7}}],
                    "operations": [{"type": "DeleteOperation", "id": "3"}],
                }
            },
        ],
    ),
    "deepstream": (
        "deepstream",
        [
            {"@timestamp": STAMP, "sensorId": "a", "objects": ["7|0|0|9|9|car", "8|0|0|9|9|car|#|red|0.5"]},
            {"@timestamp": STAMP, "sensor": {"id": "a"}, "object": {"id": "7", "vehicle": {"confidence": 1}}},
        ],
    ),
    "frigate": ("frigate", [{"type": "new", "before": {}, "after": FRIGATE}]),
    "panorama": ("panorama", [{"person": 17, "car": None, "camera": "a", "event_time": 1767225600000}]),
    "rows": (
        {"kind": "rows", "time_unit": "s", "columns": {"camera": "text", "track": "text", "class": "text"}},
        [{"time": 1767225600, "camera": "a", "track": "1", "class": "car"}],
    ),
}
LINES = {
    name: (decoder, [json.dumps(one).encode() for one in messages])
    for name, (decoder, messages) in GOOD.items()
}
LINES["mot"] = (MOT, [b"1,7,10.5,20,30,40,0.9,-1,-1,-1", b"26,-1,1,1,9,9,-1,-1,-1,-1"])

#: Their slow twins.
SLOW = {
    "axis": oracle.axis,
    "deepstream": oracle.deepstream,
    "frigate": oracle.frigate,
    "mot": oracle.mot_of(25, 1_767_225_600 * 10**9, "a"),
    "panorama": oracle.panorama,
}

#: What stands in places where it has no business.
PIECES = [
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"\\u0000"',
    b"\x00",
    b"\xff",
    b"\xc3\xa9",
    b'"\\ud83d"',
    b"-0",
    b"1e400",
    b"9" * 400,
    b"18446744073709551616",
    b"NaN",
    b"-Infinity",
    b'"2262-04-12T00:00:00Z"',
    b'"0000-00-00T99:99:99Z"',
    b"[" * 200,
    b'{"a":' * 200,
    b",",
    b":",
    b"|",
    b"\\",
    b'"',
]


def mutated(dice, line):
    """A message with pieces cut out, doubled, swapped for others or put in."""
    for _ in range(dice.randint(1, 3)):
        start = dice.randrange(len(line) + 1)
        end = min(len(line), start + dice.choice([0, 1, 1, 3, 20]))
        piece = dice.choice([*PIECES, line[start:end] * 2, line[dice.randrange(len(line) + 1) :], b""])
        line = line[:start] + piece + line[end:]
    return line.replace(b"\n", b" ")


def windows():
    return wr.TumblingWindows(
        every="1m",
        aggregates={
            "n": wr.count(),
            "objects": wr.distinct("track", min_hits=2),
            "new": wr.distinct(["class", "track"], count_on="first"),
        },
        by="camera",
        rollup=[[]],
        allowed_lateness="1h",
    )


ROUNDS = 500 if settings.default.max_examples <= 100 else 50_000


@pytest.mark.parametrize("name", LINES)
def test_mutated_messages_are_counted_late_or_rejects(name):
    decoder, good = LINES[name]
    dice = random.Random(name)
    for _ in range(ROUNDS):
        bad = [mutated(dice, dice.choice(good)) for _ in range(20)]
        w = windows()
        assert w.push_messages(b"\n".join(bad), decoder) == sum(bool(line.strip(b" \t\r")) for line in bad)
        stats = w.stats
        assert stats["read"] == stats["counted"] + stats["late"] + stats["rejected"]
        assert len(w.rejects()) == stats["rejected"]
        # Lines between others are what they are alone.
        apart = sum(len(wr.decode(line, decoder).rows) for line in [*bad, *good])
        assert len(wr.decode(b"\n".join([*bad, *good]), decoder).rows) == apart
        again = wr.TumblingWindows.restore(w.snapshot())
        assert again.flush().to_pydict() == w.flush().to_pydict()


@pytest.mark.parametrize("name", SLOW)
def test_mutated_messages_as_their_twins(name):
    pytest.importorskip("pyarrow")
    decoder, good = LINES[name]
    dice = random.Random(name)
    bad = [mutated(dice, dice.choice(good)) for _ in range(ROUNDS * 4)]
    # The twins know only one way to write a time.
    bad = [line for line in bad if STAMP.encode() in line or STAMP.encode() not in good[0]]
    assert len(bad) > ROUNDS
    options = {"load": oracle.line_of} if name == "mot" else {}
    for at in range(0, len(bad), 20):
        compare(b"\n".join(bad[at : at + 20]), decoder, SLOW[name], **options)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("garbage", ["null", "[1]", '{"camera": 1}', '"x"', "-1e999"])
def test_of_names_that_come_twice_the_last_counts(name, garbage):
    decoder, lines = LINES[name]
    for line in lines:
        twice = ", ".join(f'"{field}": {garbage}' for field in json.loads(line))
        out, once = (wr.decode(one, decoder) for one in (f"{{{twice}, ".encode() + line[1:], line))
        assert out.rows.to_pydict() == once.rows.to_pydict()
        assert (out.unreadable, len(out.rejects)) == (once.unreadable, 0)


def test_long_ids_keep_their_digits():
    wanted = [str(2**53 + 1), str(2**64 + 1), "0" * 40 + "1"]
    frame = {"channel_id": 1, "timestamp": STAMP, "detections": [{"object_track_id": one} for one in wanted]}
    assert wr.decode(json.dumps(frame).encode(), "axis").rows.to_pydict()["track"] == wanted
    digits = b'{"person": %d, "event_time": 1}' % (2**64 + 1)
    assert wr.decode(digits, "panorama").rows.to_pydict()["track"] == [wanted[1]]
    line = f"1,{wanted[2]},1,1,9,9,-1".encode()
    assert wr.decode(line, MOT).rows.to_pydict()["track"] == [wanted[2]]


HUGE = r"""
import resource, sys, time
import windrow as wr

limit = 640 << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
stamp = "2026-01-01T00:00:01.000000Z"


def fill(piece):
    return (piece + ",") * (size // (len(piece) + 1)) + piece


deepstream = '{"@timestamp": "%s", "sensorId": "a", "objects": [%s]}'
axis = '{"channel_id": 1, "timestamp": "%s", "detections": [%s], "track_events": [%s]}'
frigate = '{"type": "new", "after": {"camera": "a", "frame_time": 1.5, "id": "x", "current_zones": [%s], "box": [%s]}}'
rename = '{"type":"Rename","from_id":%d,"to_id":%d}'
mot = {"kind": "mot", "frames_per_second": 25, "start": "2026-01-01T00:00:00Z"}


def messages(size):
    def fill(piece):
        return (piece + ",") * (size // (len(piece) + 1)) + piece

    yield "brackets", "rows", '{"time": 1, "a": ' + "[" * size
    yield "closed brackets", "rows", '{"time": 1, "a": ' + "[" * (size // 2) + "]" * (size // 2) + "}"
    yield "objects", "deepstream", '{"object": ' + '{"vehicle":' * (size // 11)
    yield "text", "deepstream", deepstream % (stamp, '"7|0|0|9|9|%s"' % ("c" * size))
    yield "escapes", "deepstream", deepstream % (stamp, '"%s|0|0|9|9|c"' % ("\\u0041" * (size // 6)))
    yield "digits", "panorama", '{"event_time": 1, "person": ' + "9" * size + "}"
    yield "empty entries", "deepstream", deepstream % (stamp, fill('""'))
    yield "numbers", "deepstream", deepstream % (stamp, fill("1"))
    yield "entries", "deepstream", deepstream % (stamp, fill('"1|||||"'))
    yield "no detections", "axis", axis % (stamp, fill("1"), "")
    yield "detections", "axis", axis % (stamp, fill("{}"), "")
    yield "classes", "axis", axis % (stamp, '{"classes": [%s]}' % fill('{"type":"a"}'), "")
    yield "renames", "axis", axis % (stamp, "", fill(rename % (1, 2)))
    yield "chain", "axis", axis % (stamp, "", ",".join(rename % (at, at + 1) for at in range(size // 50)))
    yield "no events", "axis", axis % (stamp, "", fill("0"))
    yield "zones", "frigate", frigate % (fill('"z"'), fill("1"))
    yield "fields", "rows", "{" + fill('"a":1') + "}"
    yield "many fields", "rows", '{"time": 1, ' + ",".join('"%d":1' % at for at in range(size // 10)) + "}"
    yield "commas", "mot", "1,1,1,1,1,1," + "," * size
    yield "ones", "mot", "1" * size + ",1,1,1,1,1,1"


size = 10 << 20
for (name, decoder, whole), (_, _, part) in zip(messages(size), messages(size // 8)):
    w = wr.TumblingWindows(every="1m", aggregates={"n": wr.count(), "d": wr.distinct("track")}, by="camera")
    # By itself and, since likeness to others is made use of, among its like.
    for block in [whole, "\n".join([part] * 8)]:
        before = time.process_time()
        read = w.push_messages(block.encode(), mot if decoder == "mot" else decoder)
        took = time.process_time() - before
        assert read == block.count("\n") + 1, name
        assert took < 10, (name, took)
        if "-v" in sys.argv:
            print(f"{name:20} {took:6.2f} s {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")
    stats = w.stats
    assert stats["read"] == stats["counted"] + stats["late"] + stats["rejected"], (name, stats)
    assert len(w.rejects()) <= 100_000
print("fine")
"""


def test_huge_messages_take_time_and_memory_by_their_length():
    out = subprocess.run(
        [sys.executable, "-c", HUGE], capture_output=True, text=True, timeout=300 * PATIENCE, check=False
    )
    assert (out.stdout.strip(), out.returncode) == ("fine", 0), out.stderr
