"""A rename makes two ids one object: `distinct` against its slow twin, and the cases that are easily got wrong."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import windrow as wr
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle.renames import Objects

pytest.importorskip("pyarrow")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = 10**9


def stamp(seconds):
    return (EPOCH + timedelta(seconds=seconds)).isoformat().replace("+00:00", ".000000Z")


def frame(seconds, camera, renames=(), detections=()):
    """A message of `axis.scene.frame_v1`."""
    return json.dumps(
        {
            "channel_id": camera,
            "timestamp": stamp(seconds),
            "detections": [
                {"object_track_id": track, "class": {"type": kind, "score": 0.5}}
                for track, kind in detections
            ],
            "track_events": [{"type": "Rename", "from_id": old, "to_id": new} for old, new in renames],
        }
    ).encode()


def windows(aggregates, **options):
    return wr.TumblingWindows(every="1m", aggregates=aggregates, **options)


def counted(batch, column="n"):
    """By window (in seconds) and camera, for a comparison."""
    rows = batch.to_pydict()
    starts = [round((start - EPOCH).total_seconds()) for start in rows["window_start"]]
    return dict(
        zip(zip(starts, rows.get("camera", [None] * len(starts)), strict=True), rows[column], strict=True)
    )


cars = {"n": wr.distinct("track")}


def run(frames, w):
    for one in frames:
        w.push_messages(one, "axis")
    return counted(w.flush())


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
def test_any_order_within_a_window(order):
    parts = [
        frame(1, 1, detections=[("5", "Car")]),
        frame(1, 1, detections=[("7", "Car")]),
        frame(1, 1, renames=[("5", "7")]),
    ]
    assert run([parts[at] for at in order], windows(cars, by="camera")) == {(0, "1"): 1}


def test_hits_of_all_ids_add_up():
    frames = [
        frame(1, 1, detections=[("5", "Car"), ("9", "Car")]),
        frame(2, 1, renames=[("5", "7")], detections=[("7", "Car")]),
        frame(3, 1, detections=[("7", "Car")]),
    ]
    assert run(frames, windows({"n": wr.distinct("track", min_hits=3)}, by="camera")) == {(0, "1"): 1}


def test_first_counts_where_the_oldest_was_seen():
    first = {"n": wr.distinct("track", count_on="first")}
    before = frame(70, 1, detections=[("7", "Car"), ("8", "Car")])
    frames = [
        frame(1, 1, detections=[("5", "Car")]),
        before,  # counted as if it were new ...
        frame(75, 1, renames=[("5", "7")]),  # ... until the tracker knows it again
        frame(130, 1, detections=[("7", "Car")]),
    ]
    assert run(frames, windows(first, by="camera")) == {(0, "1"): 1, (60, "1"): 1, (120, "1"): 0}


def test_first_takes_the_hits_of_the_window_where_the_object_counts():
    first = {"n": wr.distinct("track", count_on="first", min_hits=2)}
    frames = [
        frame(1, 1, detections=[("5", "Car")]),
        frame(70, 1, renames=[], detections=[("7", "Car"), ("7", "Car")]),
        frame(71, 1, renames=[("5", "7")]),
        frame(2, 1, detections=[("7", "Car")]),  # late, but in time for its window
    ]
    assert run(frames, windows(first, by="camera", out_of_orderness="5m")) == {(0, "1"): 1, (60, "1"): 0}


def test_ids_are_one_within_their_camera():
    frames = [frame(1, camera, detections=[("5", "Car"), ("7", "Car")]) for camera in (1, 2)]
    frames.append(frame(2, 1, renames=[("5", "7")]))
    assert run(frames, windows(cars, by="camera")) == {(0, "1"): 1, (0, "2"): 2}
    assert run(frames, windows({"n": wr.distinct(["camera", "track"])})) == {(0, None): 3}
    alone = {"n": wr.distinct("track", where={"camera": "2"})}
    assert run(frames, windows(alone)) == {(0, None): 2}
    assert run(frames, windows(cars)) == {(0, None): 1}


def test_late_rows_of_the_other_id_revise_to_one_object():
    w = windows(cars, by="camera", allowed_lateness="5m")
    w.push_messages(frame(1, 1, detections=[("7", "Car")]), "axis")
    w.push_messages(frame(70, 1), "axis")
    assert counted(w.drain()) == {(0, "1"): 1}
    w.push_messages(frame(71, 1, renames=[("5", "7")]), "axis")
    w.push_messages(frame(2, 1, detections=[("5", "Car")]), "axis")
    rows = w.drain().to_pydict()
    assert (rows["revision"], rows["n"]) == ([1], [1])


def test_a_long_chain_is_one_object_and_forgotten_after_retain():
    w = windows(cars, by="camera")
    for at in range(30):
        w.push_messages(
            frame(at, 1, renames=[(str(at), str(at + 1))], detections=[(str(at + 1), "Car")]), "axis"
        )
    assert counted(w.flush()) == {(0, "1"): 1}
    # Beyond the hour only what is rarely looked for is kept; an id that comes back then is another object.
    later = 3 * 3_600
    w.push_messages(frame(later, 1, detections=[("0", "Car"), ("30", "Car")]), "axis")
    assert counted(w.flush()) == {(later, "1"): 2}


def test_a_restored_state_goes_on():
    w = windows({"n": wr.distinct("track", count_on="first", retain="6h")}, by="camera")
    w.push_messages(frame(1, 1, detections=[("5", "Car")]), "axis")
    w.push_messages(frame(2, 1, renames=[("5", "7")]), "axis")
    w = wr.TumblingWindows.restore(w.snapshot())
    w.push_messages(frame(3, 1, detections=[("7", "Car")]), "axis")
    w.push_messages(frame(7_200, 1, detections=[("7", "Car")]), "axis")
    assert wr.TumblingWindows.restore(w.snapshot()).snapshot() == w.snapshot()
    assert counted(w.flush()) == {(0, "1"): 1, (7_200, "1"): 0}


@pytest.mark.parametrize("told", [0, 1])
def test_two_lanes_share_what_one_of_them_was_told(told):
    w = windows(cars, by="camera")
    lanes = [w.writer("north"), w.writer("south")]
    for lane, track in zip(lanes, ["5", "7"], strict=True):
        lane.push_messages(frame(1, 1, detections=[(track, "Car")]), "axis")
    lanes[told].push_messages(frame(2, 1, renames=[("5", "7")]), "axis")
    assert counted(w.flush()) == {(0, "1"): 1}


def test_what_is_merged_or_split_off_remembers_renames():
    def fresh():
        return windows({"n": wr.distinct("track", count_on="first", retain="6h")}, by="camera")

    def later(w):
        w.push_messages(frame(7_200, 1, detections=[("7", "Car")]), "axis")
        return counted(w.flush())

    one, other = fresh(), fresh()
    one.push_messages(frame(1, 1, renames=[("5", "7")], detections=[("5", "Car")]), "axis")
    other.merge(one.snapshot())
    part = wr.TumblingWindows.restore(one.split(["1"]))
    assert later(other) == later(part) == {(0, "1"): 1, (7_200, "1"): 0}


def test_rows_of_tables_and_single_rows_know_renames():
    w = windows({"n": wr.distinct("track")}, by="camera")
    w.push_messages(frame(1, 1, renames=[("5", "7")]), "axis")
    time = int(EPOCH.timestamp()) * SECOND
    w.push_one(time, "1", ["5"])
    w.push_one(time, "1", {"track": "7"})
    w.push(
        wr.decode(frame(1, 1, detections=[("7", "Car")]), "axis", columns=["time", "camera", "track"]).rows
    )
    assert counted(w.flush()) == {(0, "1"): 1}


def test_beyond_the_exact_limit():
    w = windows(cars, by="camera")
    many = [(f"a{at}", "Car") for at in range(3_000)]
    w.push_messages(frame(1, 1, detections=many), "axis")
    w.push_messages(frame(2, 1, renames=[(f"a{at}", f"b{at}") for at in range(3_000)]), "axis")
    w.push_messages(frame(3, 1, detections=[(f"b{at}", "Car") for at in range(3_000)]), "axis")
    assert counted(w.flush())[0, "1"] == pytest.approx(3_000, rel=4 * 0.0163)


def test_many_renames_take_bounded_memory_and_time():
    w = windows(cars, by="camera")
    w.push_messages(frame(1, 1, detections=[("x", "Car")]), "axis")
    for block in range(5):
        w.push_messages(
            frame(1, 1, renames=[(f"{block}/{at}", f"{at}\\{block}") for at in range(30_000)]), "axis"
        )
    # 65,536 objects of two ids, some forty bytes each.
    assert len(w.snapshot()) < 65_536 * 60
    assert counted(w.flush()) == {(0, "1"): 1}


tracks = st.sampled_from("abcdef")
frames_of = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(1, 2),
        st.lists(st.tuples(tracks, tracks), max_size=1),
        st.lists(st.tuples(tracks, st.sampled_from(["Car", "Human"])), max_size=3),
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=min(300, 10 * settings.default.max_examples))
@given(
    frames=frames_of,
    out_of_orderness=st.sampled_from([0, 30, 500]),
    shape=st.sampled_from(["by", "tuple", "alone"]),
    where=st.sampled_from([None, "Car"]),
    min_hits=st.sampled_from([1, 2]),
    first=st.booleans(),
    data=st.data(),
)
def test_as_its_twin(frames, out_of_orderness, shape, where, min_hits, first, data):
    slow = Objects(
        60, out_of_orderness, by_camera=shape != "alone", where=where, min_hits=min_hits, first=first
    )
    options = {"min_hits": min_hits, "count_on": "first" if first else "every"}
    counting = wr.distinct(
        ["camera", "track"] if shape == "tuple" else "track",
        where={"class": where} if where else None,
        **options,
    )
    w = windows(
        {"n": counting},
        by="camera" if shape == "by" else None,
        out_of_orderness=f"{out_of_orderness}s",
        rollup=[[]] if shape == "by" else None,
    )
    block = []
    rows = {"n": {}, "all": {}}

    def take(batch):
        pieces = batch.to_pydict()
        for at, start in enumerate(pieces["window_start"]):
            seconds = round((start - EPOCH).total_seconds())
            if pieces.get("level", [0] * len(batch))[at]:
                rows["all"][seconds] = pieces["n"][at]
            else:
                rows["n"][seconds, pieces.get("camera", [None] * len(batch))[at]] = pieces["n"][at]

    for seconds, camera, renames, detections in frames:
        slow.frame(
            seconds,
            str(camera) if shape == "by" else None if shape == "alone" else (camera,),
            renames,
            detections,
        )
        block.append(frame(seconds, camera, renames, detections))
        if data.draw(st.booleans()):
            w.push_messages(b"\n".join(block), "axis")
            block = []
            if data.draw(st.booleans()):
                w = wr.TumblingWindows.restore(w.snapshot())
            take(w.drain())
    w.push_messages(b"\n".join(block), "axis")
    take(w.flush())
    slow.flush()
    if shape == "by":
        assert rows["n"] == slow.out
        assert rows["all"] == slow.overall
    else:
        whole = {}
        for (window, _), count in slow.out.items():
            whole[window, None] = whole.get((window, None), 0) + count
        assert rows["n"] == whole
