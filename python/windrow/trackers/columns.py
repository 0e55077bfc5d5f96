"""Columns of one frame, as all adapters give them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, TypeAlias

from windrow.errors import DataError

__all__ = ["Columns", "frame"]

#: Column by name; `TumblingWindows.push` takes it.
Columns: TypeAlias = "dict[str, list[Any]]"


def frame(
    *,
    time: dt.datetime | int,
    camera: str,
    classes: Sequence[str | None],
    tracks: Sequence[Any] | None,
    scores: Sequence[float] | None,
    boxes: Sequence[Sequence[float]],
) -> Columns:
    """Put one frame's objects in columns.

    Raises
    ------
    DataError
        The lists don't fit each other, or the time is neither an aware datetime nor whole nanoseconds.
    """
    if isinstance(time, bool) or not isinstance(time, int | dt.datetime):
        raise DataError(f"`time` must be an aware datetime or whole nanoseconds, got {time!r}")
    if isinstance(time, dt.datetime):
        if time.tzinfo is None:
            raise DataError(f"`time` must be an aware datetime, got {time!r} without a zone")
        # Whole microseconds, then nanoseconds: a float would not hold them.
        past = time - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        time = (past // dt.timedelta(microseconds=1)) * 1_000
    count = len(boxes)
    for name, values in (("classes", classes), ("tracks", tracks), ("scores", scores)):
        if values is not None and len(values) != count:
            raise DataError(f"`{name}` must have a value for each of {count} boxes, got {len(values)}")
    left, top, right, bottom = (
        ([float(box[at]) for box in boxes] for at in range(4)) if count else ([], [], [], [])
    )
    return {
        "time": [time] * count,
        "camera": [camera] * count,
        "class": list(classes),
        # Ids are names: two numbers of one tracker are not near each other.
        "track": [None] * count
        if tracks is None
        else [None if one is None else str(int(one)) for one in tracks],
        "score": [None] * count if scores is None else [float(one) for one in scores],
        "left": left,
        "top": top,
        "right": right,
        "bottom": bottom,
    }
