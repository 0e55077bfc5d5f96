"""Labels of a backtest: which rows or windows were strange, and how well that was found.

Owns the reading of a label column, and the rule by which an event is held against labels. A label belongs to a row, and
so to all its measures; a window is labelled when a row in it is.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from windrow.config.sections import Aggregate, Config, Unit
from windrow.errors import DataError
from windrow.report.series import Series
from windrow.stages import window_keys, windows

__all__ = ["Figures", "Labels", "Rates", "figures", "stretches"]

#: Words of a text column that mark nothing.
NOTHING = frozenset({"", "0", "0.0", "false", "no", "none", "null", "nan", "n/a", "-"})


class Labels:
    """The labels of an input.

    Parameters
    ----------
    config : Config
        The pipeline; its windows say which window a labelled message falls in.
    name : str
        The column, or the field of a message.
    decoder : str or dict
        How messages are read.
    time_unit : str
        Of integer times.
    """

    def __init__(self, config: Config, name: str, decoder: Any, time_unit: Unit) -> None:
        self.name, self._decoder = name, decoder
        self._seen = False
        self._windows: Any = None
        if config.window is not None:
            # The same windows over labelled rows alone; a window that has a row is labelled. No label comes too late.
            # Empty frames of a camera label its windows too, where they make zeros of them.
            given = config.window
            by = window_keys(given)
            section = given.model_copy(
                update={
                    "aggregate": [Aggregate(name="labelled", count=True)],
                    "fill": given.fill and given.source in by,
                    "out_of_orderness": "5200w",
                }
            )
            self._windows = windows(config.model_copy(update={"window": section}), time_unit)
        field = re.escape(json.dumps(name, ensure_ascii=False).encode())
        self._field = re.compile(field + rb"\s*:\s*")
        empty = rb'(?:null|false|0|0\.0|""|"0"|"false")\s*[,}]'
        self._set = re.compile(field + rb"\s*:\s*(?!" + empty + rb")")

    def see(self, piece: Any) -> None:
        """Take the labelled rows of a piece on its way to the windows."""
        if isinstance(piece, bytes):
            self._seen = self._seen or self._field.search(piece) is not None
            lines = b"".join(self._lines(piece))
            if lines:
                self._windows.push_messages(lines, self._decoder)
            return
        table = pa.table(piece)
        self._seen = True
        self._windows.push(table.filter(pa.array(self._marks(table[self.name]))))

    def _lines(self, piece: bytes) -> Iterator[bytes]:
        """Find the lines of JSON whose own field marks them; most lines aren't parsed for it."""
        end = 0
        for found in self._set.finditer(piece):
            if found.start() < end:
                continue
            begin = piece.rfind(b"\n", 0, found.start()) + 1
            end = piece.find(b"\n", found.start()) + 1 or len(piece)
            try:
                value = json.loads(piece[begin:end]).get(self.name)
            except (ValueError, AttributeError):
                continue
            if self._mark(value):
                yield piece[begin:end] if piece[end - 1 : end] == b"\n" else piece[begin:end] + b"\n"

    def windows(self, by: Sequence[str], time: str) -> set[tuple[Any, ...]]:
        """Microseconds and key of each labelled window."""
        if not self._seen:
            raise DataError(f"`label` must be a field of the input, and no message has `{self.name}`")
        fired = pa.table(self._windows.flush())
        if "silent" in fired.column_names:
            fired = fired.filter(pa.array([not silent for silent in fired["silent"].to_pylist()], pa.bool_()))
        return _places(fired.to_pydict(), by, time)

    def rows(
        self, tables: Sequence[Any], by: Sequence[str], times: Sequence[np.ndarray[Any, Any]]
    ) -> set[tuple[Any, ...]]:
        """Microseconds and key of each labelled row."""
        found: set[tuple[Any, ...]] = set()
        for table, at in zip(tables, times, strict=True):
            marks = self._marks(table[self.name])
            keys = [table[name].filter(pa.array(marks)).to_pylist() for name in by]
            found.update(zip((at[marks] // 1000).tolist(), *keys, strict=True))
        return found

    def _marks(self, column: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return np.fromiter((self._mark(value) for value in column.to_pylist()), bool, len(column))

    def _mark(self, value: Any) -> bool:
        """Whether a label marks its row."""
        if isinstance(value, str):
            text = value.strip().lower()
            if text in NOTHING:
                return False
            try:
                value = float(text)
            except ValueError:
                return True
        if value is None or value != value:
            return False
        if isinstance(value, bool | int | float) and value in (0, 1):
            return bool(value)
        raise DataError(
            f"`label` must hold true or false, 1 or 0, or the name of a fault (nothing where there is none): "
            f"`{self.name}` holds {value!r}"
        )


def _places(columns: Mapping[str, list[Any]], by: Sequence[str], time: str) -> set[tuple[Any, ...]]:
    moments = [round(at.timestamp() * 1_000_000) for at in columns[time]]
    return set(zip(moments, *(columns[name] for name in by), strict=True))


# ---- how well it was found


@dataclass(frozen=True)
class Rates:
    """What was found of what there was.

    Attributes
    ----------
    raised, right : int
        What the detector raised, and how much of that is labelled.
    labelled, found : int
        What is labelled, and how much of that was found.
    """

    raised: int
    right: int
    labelled: int
    found: int

    @property
    def precision(self) -> float | None:
        """Right of raised; nothing where nothing was raised."""
        return self.right / self.raised if self.raised else None

    @property
    def recall(self) -> float | None:
        """Found of labelled."""
        return self.found / self.labelled if self.labelled else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both."""
        precision, recall = self.precision, self.recall
        if precision is None or recall is None:
            return None
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@dataclass(frozen=True)
class Figures:
    """The alarm held against labels.

    Attributes
    ----------
    rows : Rates
        Of rows: a row is raised when one of its measures is in alarm.
    events : Rates
        Of events and labelled stretches. A stretch is consecutive labelled rows of a key; an event is right, and the
        stretch found, when it touches it: it begins at the latest one row after it, and ends after its first row.
    delay : timedelta or None
        The median, over stretches found, from a stretch's first row to the first event that touches it.
    """

    rows: Rates
    events: Rates
    delay: dt.timedelta | None


def stretches(marked: np.ndarray[Any, Any]) -> list[tuple[int, int]]:
    """First and last row of each run of labelled rows."""
    edges = np.flatnonzero(np.diff(marked, prepend=False, append=False)).reshape(-1, 2)
    return [(int(begin), int(end) - 1) for begin, end in edges]


def figures(
    series: Sequence[Series], marked: Mapping[tuple[Any, ...], np.ndarray[Any, Any]], step: dt.timedelta
) -> Figures:
    """Hold alarms and events against the labelled rows of each key."""
    alarmed = {key: np.zeros(len(rows), bool) for key, rows in marked.items()}
    events: dict[tuple[Any, ...], list[dict[str, Any]]] = {key: [] for key in marked}
    times = {}
    for one in series:
        key = tuple(one.key.values())
        times[key] = one.time
        alarmed[key] |= one.state == "alarm"
        # What whole days or weeks have in common is neither right nor wrong about a stretch.
        events[key] += [event for event in one.events if event["kind"] not in ("drift", "level_shift")]
    raised = sum(int(one.sum()) for one in alarmed.values())
    right = sum(int((alarmed[key] & rows).sum()) for key, rows in marked.items())
    rows = Rates(raised, right, sum(int(one.sum()) for one in marked.values()), right)
    touching: set[str] = set()
    delays = []
    count = 0
    for key, labelled in marked.items():
        for begin, end in stretches(labelled):
            count += 1
            first, last = (dt.datetime.fromtimestamp(times[key][at] / 1000, dt.UTC) for at in (begin, end))
            mine = [one for one in events[key] if _touches(one, first, last + step)]
            touching.update(one["id"] for one in mine)
            if mine:
                delays.append(max(min(one["start"] for one in mine) - first, dt.timedelta(0)).total_seconds())
    of_events = Rates(sum(map(len, events.values())), len(touching), count, len(delays))
    return Figures(rows, of_events, dt.timedelta(seconds=float(np.median(delays))) if delays else None)


def _touches(event: Mapping[str, Any], first: dt.datetime, latest: dt.datetime) -> bool:
    start, end = event["start"], event["end"]
    return bool(start <= latest and (end is None or end > first or start >= first))
