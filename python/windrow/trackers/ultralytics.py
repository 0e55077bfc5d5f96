"""Results of `ultralytics` (`model.track(...)`) as rows.

They know neither time nor camera: the caller gives both. Before a tracker is sure of an object, `boxes.id` is None;
such rows have no track, and count where rows are counted but not where objects are.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from windrow.trackers.columns import Columns, frame

__all__ = ["rows"]


def rows(result: Any, *, camera: str, time: dt.datetime | int) -> Columns:
    """Take one frame's result, `model.track(frame)[0]`.

    Parameters
    ----------
    result : ultralytics.engine.results.Results
        With `names` and `boxes` (`xyxy`, `cls`, `conf`, `id`); on any device.
    camera : str
        Where the frame is from.
    time : datetime or int
        When it was taken: aware, or nanoseconds since 1970.

    Returns
    -------
    dict of str to list
        For `TumblingWindows.push`. A frame without objects has no rows: call `alive(camera, time)` for it.

    Examples
    --------
    >>> from types import SimpleNamespace as Some
    >>> boxes = Some(xyxy=[[0.0, 0.0, 9.0, 9.0]], cls=[2.0], conf=[0.9], id=[7.0])
    >>> found = rows(Some(names={2: "car"}, boxes=boxes), camera="gate", time=0)
    >>> found["class"], found["track"], found["score"]
    (['car'], ['7'], [0.9])
    """
    boxes = result.boxes
    if boxes is None:
        return frame(time=time, camera=camera, classes=[], tracks=None, scores=None, boxes=[])
    names = result.names
    classes = [int(one) for one in _list(boxes.cls)]
    return frame(
        time=time,
        camera=camera,
        classes=[names[one] if one in _keys(names) else str(one) for one in classes],
        tracks=None if boxes.id is None else _list(boxes.id),
        scores=_list(boxes.conf),
        boxes=_list(boxes.xyxy),
    )


def _keys(names: Any) -> Any:
    return names if isinstance(names, dict) else range(len(names))


def _list(values: Any) -> list[Any]:
    """Take a tensor, an array or a list: `tolist` brings it from whatever device it is on."""
    return list(values.tolist() if hasattr(values, "tolist") else values)
