"""Objects of trackers in the same process: the same rows as their messages would give."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace as Some

import numpy as np
import pytest
import windrow as wr
from windrow.trackers import supervision, ultralytics

TIME = dt.datetime(2026, 1, 5, 8, 0, 1, 250_000, tzinfo=dt.UTC)


class Tensor:
    """What a tensor on another device lets one do with it."""

    def __init__(self, values):
        self.values = values

    def tolist(self):
        return self.values

    def __iter__(self):
        raise TypeError("can't convert a tensor on another device: copy it to host memory first")


def result(ids, classes=(2, 2, 0)):
    count = len(classes)
    boxes = Some(
        xyxy=Tensor([[1.0, 2.0, 3.0, 4.0]] * count), cls=Tensor([float(one) for one in classes]),
        conf=Tensor([0.5] * count), id=None if ids is None else Tensor([float(one) for one in ids]),
    )  # fmt: skip
    return Some(names={0: "person", 2: "car"}, boxes=boxes)


def windows(source=None):
    return wr.TumblingWindows(
        every="5m", by="camera", source=source,
        aggregates={"cars": wr.distinct("track", where={"class": "car"}), "n": wr.count(), "score": wr.mean("score")},
    )  # fmt: skip


def test_results_of_ultralytics_count_objects_not_frames():
    w = windows()
    for at in range(10):
        w.push(ultralytics.rows(result([7, 8, 9]), camera="gate", time=TIME + dt.timedelta(seconds=at)))
    w.push(ultralytics.rows(result(None), camera="gate", time=TIME))
    w.push(ultralytics.rows(Some(names={}, boxes=None), camera="gate", time=TIME))
    (row,) = w.flush()
    assert (row["cars"], row["n"], row["score"]) == (2, 33, 0.5)
    assert row["window_start"] == dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC)


def test_a_result_keeps_its_box_and_an_unknown_class_its_number():
    found = ultralytics.rows(result([7], classes=(5,)), camera="gate", time=TIME)
    assert [found[name] for name in ("class", "left", "top", "right", "bottom")] == [
        ["5"],
        [1.0],
        [2.0],
        [3.0],
        [4.0],
    ]
    assert found["time"] == [1_767_600_001_250_000_000]


def test_detections_of_supervision():
    sv = pytest.importorskip("supervision", reason="supervision is missing: only look-alikes are tested")
    detections = sv.Detections(
        xyxy=np.array([[0, 0, 9, 9], [1, 1, 8, 8]], float), confidence=np.array([0.25, 0.75]),
        class_id=np.array([2, 0]), tracker_id=np.array([41, 42]), data={"class_name": np.array(["car", "person"])},
    )  # fmt: skip
    w = windows()
    w.push(supervision.rows(detections, camera="gate", time=TIME))
    w.push(supervision.rows(sv.Detections.empty(), camera="gate", time=TIME))
    (row,) = w.flush()
    assert (row["cars"], row["n"], row["score"]) == (1, 2, 0.5)


def test_detections_may_lack_almost_everything():
    bare = Some(xyxy=np.zeros((2, 4)), confidence=None, class_id=np.array([2, 0]), tracker_id=None, data={})
    found = supervision.rows(bare, camera="gate", time=TIME)
    assert (found["class"], found["track"], found["score"]) == (["2", "0"], [None, None], [None, None])
    bare.class_id = None
    assert supervision.rows(bare, camera="gate", time=TIME)["class"] == [None, None]


def test_lines_are_summed_and_zones_are_not():
    w = wr.TumblingWindows(every="5m", by="line", aggregates={"in": wr.sum("in"), "out": wr.sum("out")})
    counts = supervision.LineCounts(camera="gate", name="stop line")
    for at, (inward, outward) in enumerate([(0, 0), (3, 1), (3, 1), (9, 2), (1, 0)]):
        line = Some(in_count=inward, out_count=outward)
        w.push(counts.rows(line, time=TIME + dt.timedelta(seconds=at)))
    (row,) = w.flush()
    assert (row["in"], row["out"]) == (10, 2)
    w = wr.TumblingWindows(every="5m", by="zone", aggregates={"inside": wr.max("inside")})
    for inside in (2, 5, 1):
        w.push(supervision.zone(Some(current_count=inside), camera="gate", name="lot", time=TIME))
    (row,) = w.flush()
    assert row["inside"] == 5


def test_what_doesnt_fit_is_said():
    with pytest.raises(wr.DataError, match="`time` must be an aware datetime, got"):
        ultralytics.rows(result([1, 2, 3]), camera="gate", time=dt.datetime(2026, 1, 5))
    with pytest.raises(wr.DataError, match="`tracks` must have a value for each of 3 boxes, got 1"):
        ultralytics.rows(result([1]), camera="gate", time=TIME)
    with pytest.raises(wr.DataError, match=r"must be an aware datetime or whole nanoseconds, got 1\.5"):
        ultralytics.rows(result([1, 2, 3]), camera="gate", time=1.5)
