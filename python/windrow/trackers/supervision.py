"""`supervision` objects as rows: detections, line zones (which count up), polygon zones (which count what is there).

They know neither time nor camera: the caller gives both. A line's count is the sum of all crossings since the start, so
its rows hold what was added since the last look; sum them. A polygon's count is how many are inside now; take its mean
or its max, never its sum.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from windrow.trackers.columns import Columns, frame

__all__ = ["LineCounts", "rows", "zone"]


def rows(detections: Any, *, camera: str, time: dt.datetime | int) -> Columns:
    """Take one frame's detections.

    Parameters
    ----------
    detections : supervision.Detections
        `xyxy`, `confidence`, `class_id`, `tracker_id` and `data["class_name"]`, each of which may be missing.
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
    >>> one = Some(xyxy=[[0, 0, 9, 9]], confidence=[0.5], class_id=[2], tracker_id=None, data={"class_name": ["car"]})
    >>> found = rows(one, camera="gate", time=0)
    >>> found["class"], found["track"]
    (['car'], [None])
    """
    boxes = _list(detections.xyxy) or []
    names = _list((detections.data or {}).get("class_name"))
    if names is None:
        names = _list(detections.class_id) or [None] * len(boxes)
    return frame(
        time=time,
        camera=camera,
        classes=[None if one is None else str(one) for one in names],
        tracks=_list(detections.tracker_id),
        scores=_list(detections.confidence),
        boxes=boxes,
    )


def zone(polygon: Any, *, camera: str, name: str, time: dt.datetime | int) -> Columns:
    """Take how many are inside a `PolygonZone` now: a gauge, column `inside`."""
    row = frame(time=time, camera=camera, classes=[None], tracks=None, scores=None, boxes=[[0, 0, 0, 0]])
    return {
        "time": row["time"],
        "camera": row["camera"],
        "zone": [name],
        "inside": [int(polygon.current_count)],
    }


class LineCounts:
    """What a `LineZone` counted since the last look.

    Examples
    --------
    >>> from types import SimpleNamespace as Some
    >>> counts = LineCounts(camera="gate", name="stop line")
    >>> [counts.rows(Some(in_count=at, out_count=0), time=0)["in"] for at in (2, 5, 5, 1)]
    [[2], [3], [0], [1]]
    """

    def __init__(self, *, camera: str, name: str) -> None:
        self.camera, self.name = camera, name
        self._before = (0, 0)

    def rows(self, line: Any, *, time: dt.datetime | int) -> Columns:
        """Take what was added, columns `in` and `out`; a line that counts less than before was begun anew."""
        now = (int(line.in_count), int(line.out_count))
        added = [new - old if new >= old else new for new, old in zip(now, self._before, strict=True)]
        self._before = now
        row = frame(
            time=time, camera=self.camera, classes=[None], tracks=None, scores=None, boxes=[[0, 0, 0, 0]]
        )
        return {
            "time": row["time"],
            "camera": row["camera"],
            "line": [self.name],
            "in": added[:1],
            "out": added[1:],
        }


def _list(values: Any) -> list[Any] | None:
    if values is None:
        return None
    return list(values.tolist() if hasattr(values, "tolist") else values)
