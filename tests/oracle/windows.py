"""Tumbling windows, one row at a time and from the whole list of rows: the slow twin of the engine.

Owns the meaning of windows, watermarks, firing, revisions, lateness, rejects, filling and roll-ups for one
lane; `oracle.lanes` has several. Refuses speed: a window keeps all its rows, and every output is computed anew
from them. Times inside are whole nanoseconds, unbounded as Python's integers are; the 64-bit limits are checked
where a window or a time is read.
"""

from __future__ import annotations

import zoneinfo
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from oracle.aggregates import INT64, Aggregate

UNITS = {"w": 7 * 86_400 * 10**9, "d": 86_400 * 10**9, "h": 3_600 * 10**9, "m": 60 * 10**9, "s": 10**9}
UNITS |= {"ms": 10**6, "us": 10**3, "ns": 1}
DAY = UNITS["d"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEPT = 100_000


def nanoseconds(duration: str | int | timedelta) -> int:
    """A duration of one number and one unit, such as "-5m"."""
    if isinstance(duration, int):
        return duration
    if isinstance(duration, timedelta):
        return duration // timedelta(microseconds=1) * 1_000
    digits = duration.rstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) * UNITS[duration[len(digits) :]]


def order(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Null first, numbers by size, text by code point."""
    return tuple((0,) if value is None else (1, value) for value in key)


@dataclass
class Source:
    """One producer of event time within a lane."""

    largest: int
    heard: int | None = None  # the clock when it was last heard
    idle: bool = False


@dataclass
class Lane:
    """One producer's order of rows: its sources and the watermark that late rows are judged by."""

    name: str = ""
    sources: dict[Any, Source] = field(default_factory=dict)
    watermark: int | None = None

    def raise_to(self, time: int | None) -> None:
        if time is None:
            return
        if self.watermark is None or time > self.watermark:
            self.watermark = time


@dataclass
class Read:
    """One row, as its lane read it."""

    row: dict[str, Any]
    time: int
    repeated: frozenset[str]  # aggregates that counted its track in another window
    lane: str
    late: bool  # the lane's watermark had passed the window's end


@dataclass
class Slot:
    """The rows of one window and one key of one level, and what has been handed out of them."""

    rows: list[Read] = field(default_factory=list)
    revision: int = -1
    changed: bool = False


class TumblingWindows:
    """Same constructor and calls as ``windrow.TumblingWindows``; rows are dicts, results lists of dicts."""

    def __init__(
        self,
        every: str,
        aggregates: dict[str, Aggregate],
        *,
        by: str | list[str] | None = None,
        time: str = "time",
        time_unit: str = "ns",
        source: str | None = None,
        offset: str = "0s",
        zone: str | None = None,
        label: str = "start",
        out_of_orderness: str = "0s",
        allowed_lateness: str = "0s",
        idle_timeout: str | None = None,
        max_ahead: str | None = None,
        fill: bool = False,
        fill_limit: int | None = None,
        rollup: list[list[str]] | None = None,
        max_series: int | None = None,
        max_cells: int = 10_000_000,
    ) -> None:
        self.every = nanoseconds(every)
        self.aggregates = aggregates
        self.by = [by] if isinstance(by, str) else list(by or [])
        self.time, self.unit = time, UNITS[time_unit]
        self.source = source
        self.offset = nanoseconds(offset)
        self.zone = zoneinfo.ZoneInfo(zone) if zone else None
        self.label = label
        self.out_of_orderness = nanoseconds(out_of_orderness)
        self.lateness = nanoseconds(allowed_lateness)
        self.idle_timeout = None if idle_timeout is None else nanoseconds(idle_timeout)
        self.max_ahead = None if max_ahead is None else nanoseconds(max_ahead)
        self.fill = fill
        self.fill_limit = min(max(1, DAY // self.every), 86_400) if fill_limit is None else fill_limit
        self.max_cells = max_cells
        self.empty = 0  # silent rows since the last window with a sign of life
        self.levels = [self.by, *(rollup or [])]
        self.rollup = rollup is not None
        self.max_series = max_series
        self.inputs: list[str] = []
        for aggregate in aggregates.values():
            for column in [*aggregate.columns, *aggregate.where]:
                if column not in self.inputs:
                    self.inputs.append(column)

        self.lane = Lane()
        self.now: int | None = None
        self.windows: dict[tuple[int, int], dict[tuple[int, tuple[Any, ...]], Slot]] = {}
        self.pending: list[dict[str, Any]] = []
        self.born: dict[tuple[Any, ...], int] = {}  # a series' earliest window
        self.silent_run: Counter[tuple[Any, ...]] = Counter()
        self.signs: set[tuple[Any, tuple[int, int]]] = set()  # (source, window): alive in it
        self.first_seen: dict[tuple[str, tuple[Any, ...], Any], tuple[tuple[int, int], int]] = {}
        self.late_rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.reject_rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.stats: Counter[str] = Counter()

    # -- times and windows --------------------------------------------------------------------------

    def read_time(self, value: Any) -> int | str:
        """Nanoseconds, or why there are none."""
        if value is None:
            return "time_null"
        if isinstance(value, datetime):
            value = value if value.tzinfo else value.replace(tzinfo=UTC)
            time = (value - EPOCH) // timedelta(microseconds=1) * 1_000
        elif isinstance(value, int):
            time = value * self.unit
        else:
            return "time_unreadable"
        return time if time in INT64 else "time_out_of_range"

    def utc_offset(self, time: int) -> int:
        """Nanoseconds by which the zone is ahead of UTC at an instant."""
        assert self.zone is not None
        ahead = (EPOCH + timedelta(seconds=time // 10**9)).astimezone(self.zone).utcoffset()
        assert ahead is not None
        return ahead // timedelta(microseconds=1) * 1_000

    def instant(self, civil: int) -> int:
        """The instant of a civil time: the earlier of two; where clocks skipped it, the one at which they did."""
        seconds, rest = divmod(civil, 10**9)
        wall = (datetime(1970, 1, 1) + timedelta(seconds=seconds)).replace(tzinfo=self.zone)
        later = (wall - EPOCH) // timedelta(seconds=1)
        if later * 10**9 + self.utc_offset(later * 10**9) == seconds * 10**9:
            return later * 10**9 + rest
        earlier = (wall.replace(fold=1) - EPOCH) // timedelta(seconds=1)
        return (
            next(
                s
                for s in range(earlier, later + 1)
                if self.utc_offset(s * 10**9) != self.utc_offset(earlier * 10**9)
            )
            * 10**9
        )

    def window(self, time: int) -> tuple[int, int] | None:
        """The window that holds a time, or None beyond 64 bits."""
        ahead = self.utc_offset(time) if self.zone else 0
        civil = (time + ahead - self.offset) // self.every * self.every + self.offset
        if self.zone and self.every >= DAY:
            start, end = self.instant(civil), self.instant(civil + self.every)
        else:
            start, end = civil - ahead, civil - ahead + self.every
        return (start, end) if start in INT64 and end in INT64 else None

    # -- in -----------------------------------------------------------------------------------------

    def push(self, rows: Iterable[dict[str, Any]], now: int | None = None) -> None:
        if now is not None:
            now *= self.unit
            self.clock(now)
        for row in rows:
            self.stats["read"] += 1
            self.row(row, now)

    def row(self, row: dict[str, Any], now: int | None) -> None:
        time = self.read_time(row[self.time])
        if isinstance(time, str):
            return self.reject(row, None, time)
        if now is not None and self.max_ahead is not None and time > now + self.max_ahead:
            return self.reject(row, time, "leap")
        window = self.window(time)
        if window is None:
            return self.reject(row, time, "window_out_of_range")
        key = tuple(row[column] for column in self.by)
        source = row[self.source] if self.source else None
        if self.lane.watermark is not None and window[1] + self.lateness <= self.lane.watermark:
            self.stats["late"] += 1
            self.late_rows.append(self.outcast(row, time, "late"))
            self.seen(source, time)
            return None
        if key not in self.born and self.max_series is not None and len(self.born) >= self.max_series:
            return self.reject(row, time, "series_limit")
        self.stats["counted"] += 1
        self.born[key] = min(self.born.get(key, window[0]), window[0])
        late = not self.on_time(window)
        if not late:
            self.signs.add((source, window))
        repeated = frozenset(
            name
            for name, aggregate in self.aggregates.items()
            if aggregate.options.get("count_on") == "first" and self.repeats(name, key, row, time, window)
        )
        for level, columns in enumerate(self.levels):
            of_level = tuple(row[c] if c in columns else None for c in self.by)
            slot = self.windows.setdefault(window, {}).setdefault((level, of_level), Slot())
            slot.rows.append(Read(row, time, repeated, self.lane.name, late))
            slot.changed = True
        self.seen(source, time)
        return None

    def repeats(
        self, name: str, key: tuple[Any, ...], row: dict[str, Any], time: int, window: tuple[int, int]
    ) -> bool:
        """Whether a track was first seen in another window and is still remembered."""
        aggregate = self.aggregates[name]
        value = aggregate.value(row)
        if value is None or not aggregate.takes(row):
            return False
        known = self.first_seen.get((name, key, value))
        retain = nanoseconds(aggregate.options["retain"])
        if known is None or time - known[1] > retain:
            known = (window, time)
        self.first_seen[name, key, value] = (known[0], max(known[1], time))
        return known[0] != window

    def reject(self, row: dict[str, Any], time: int | None, reason: str) -> None:
        self.stats["rejected"] += 1
        self.reject_rows.append(self.outcast(row, time, reason))

    def outcast(self, row: dict[str, Any], time: int | None, reason: str) -> dict[str, Any]:
        kept = {self.time: time} | {column: row[column] for column in [*self.by, *self.inputs]}
        return kept | {"reason": reason}

    def alive(self, source: Any, time: int) -> None:
        time *= self.unit
        window = self.window(time)
        if window is not None and self.on_time(window):
            self.signs.add((source, window))
        self.seen(source, time)

    def on_time(self, window: tuple[int, int]) -> bool:
        """Whether the lane's watermark has yet to reach a window's end."""
        return self.lane.watermark is None or window[1] > self.lane.watermark

    # -- the watermark ------------------------------------------------------------------------------

    def seen(self, source: Any, time: int) -> None:
        """A source was heard at an event time."""
        known = self.lane.sources.setdefault(source, Source(time))
        known.largest = max(known.largest, time)
        known.heard, known.idle = self.now, False
        self.follow()

    def follow(self) -> None:
        self.follow_lane(self.lane)
        self.fire()

    def follow_lane(self, lane: Lane) -> None:
        live = [source.largest for source in lane.sources.values() if not source.idle]
        if live:
            lane.raise_to(min(live) - self.out_of_orderness)

    def clock(self, now: int) -> None:
        self.now = now if self.now is None else max(self.now, now)
        self.silence(self.lane)
        self.follow()

    def silence(self, lane: Lane) -> None:
        """Sources fall silent in the order in which they were last heard, however seldom the clock is told."""
        for source in lane.sources.values():
            source.heard = self.now if source.heard is None else source.heard
        if self.idle_timeout is None or self.now is None:
            return
        for heard in sorted({source.heard for source in lane.sources.values() if source.heard is not None}):
            if self.now - heard >= self.idle_timeout:
                for source in lane.sources.values():
                    source.idle |= source.heard == heard
                self.follow_lane(lane)

    def advance(self, now: int) -> None:
        now *= self.unit
        self.clock(now)
        if self.lane.sources and all(source.idle for source in self.lane.sources.values()):
            self.lane.raise_to(now - self.out_of_orderness)
            self.fire()

    def watermark(self, time: int) -> None:
        self.lane.raise_to(time * self.unit)
        self.fire()

    # -- out ----------------------------------------------------------------------------------------

    def reach(self) -> int | None:
        """How far event time has come."""
        return self.lane.watermark

    def fire(self, limit: int | None = None) -> None:
        """Freezes revision 0 of each window that the watermark has reached; lets go of the expired ones."""
        watermark = self.reach() if limit is None else limit
        if watermark is None:
            return
        for window in self.due(watermark):
            self.first_revision(window)
        for window in [w for w in self.windows if w[1] + self.lateness <= watermark]:
            self.revise(window)
            del self.windows[window]
        self.fired = watermark

    fired: int | None = None

    def due(self, watermark: int) -> Iterator[tuple[int, int]]:
        """Windows whose end lies between the last watermark and this one, in order."""

        def reached(window: tuple[int, int]) -> bool:
            return window[1] <= watermark and (self.fired is None or window[1] > self.fired)

        if not self.fill or not self.born:
            yield from sorted(filter(reached, self.windows))
            return
        at = min(self.born.values())
        if self.fired is not None:
            at = max(at, self.fired)
        while True:
            window = self.window(at)
            if window is None or window[1] > watermark:
                return
            if reached(window):
                yield window
            at = window[1]
            if self.empty >= self.max_cells or all(
                run >= self.fill_limit for run in self.silent_run_of_all()
            ):
                # Nothing but silence that is no longer said, up to the next sign of life.
                signs = [w[0] for _, w in self.signs if w[0] >= at] + [
                    w[0] for w in self.windows if w[0] >= at
                ]
                if not signs:
                    return
                at = min(signs)

    def silent_run_of_all(self) -> list[int]:
        return [self.silent_run[key] for key in self.born]

    def first_revision(self, window: tuple[int, int]) -> None:
        slots = self.windows.get(window, {})
        filled: dict[tuple[Any, ...], bool] = {}  # key -> silent
        empty = not slots and not any(sign[1] == window for sign in self.signs)
        if not empty:
            self.empty = 0
        if self.fill and self.empty < self.max_cells:
            for key, since in self.born.items():
                if (0, key) in slots:
                    self.silent_run[key] = 0
                elif since <= window[0]:
                    silent = not self.lives(key, window)
                    self.silent_run[key] = self.silent_run[key] + 1 if silent else 0
                    if self.silent_run[key] <= self.fill_limit:
                        filled[key] = silent
        for name, slot in list(slots.items()):
            on_time = [read for read in slot.rows if not read.late]
            if on_time:
                self.emit(window, name, slot, of=on_time)
                slot.changed = len(on_time) < len(slot.rows)
        for level, columns in enumerate(self.levels):
            coarse: dict[tuple[Any, ...], bool] = {}
            for key, silent in filled.items():
                of_level = tuple(v if c in columns else None for c, v in zip(self.by, key, strict=True))
                coarse[of_level] = coarse.get(of_level, True) and silent
            for key, silent in coarse.items():
                if (level, key) not in slots:
                    self.empty += empty
                    slot = self.windows.setdefault(window, {}).setdefault((level, key), Slot())
                    self.emit(window, (level, key), slot, silent)

    def lives(self, key: tuple[Any, ...], window: tuple[int, int]) -> bool:
        """Whether the source of a series gave a sign of life in a window."""
        if self.source in self.by:
            return (key[self.by.index(self.source)], window) in self.signs
        return any(sign[1] == window for sign in self.signs)

    def revise(self, window: tuple[int, int]) -> None:
        for name, slot in self.windows[window].items():
            if slot.changed:
                self.emit(window, name, slot)

    def emit(
        self,
        window: tuple[int, int],
        name: tuple[int, tuple[Any, ...]],
        slot: Slot,
        silent: bool = False,
        of: list[Read] | None = None,
    ) -> None:
        slot.revision += 1
        slot.changed = False
        level, key = name
        out: dict[str, Any] = dict(zip(self.by, key, strict=True))
        out |= {"window_start": window[0], "window_end": window[1]}
        if self.rollup:
            out["level"] = level
        out["revision"] = slot.revision
        if self.fill:
            out["silent"] = silent
        # Lane by lane, each in its own order: what arrived on which lane first has no part in it.
        reads = sorted(slot.rows if of is None else of, key=lambda read: read.lane)
        for column, aggregate in self.aggregates.items():
            taken = [read for read in reads if column not in read.repeated]
            value = aggregate.of([read.row for read in taken], [read.time for read in taken])
            out[column] = None if silent else value
        self.pending.append({"sort": (window, order(key), level, slot.revision), "out": out})

    def drain(self) -> list[dict[str, Any]]:
        for window in self.windows:
            if self.fired is not None and window[1] <= self.fired:
                self.revise(window)
        pending, self.pending = sorted(self.pending, key=lambda item: item["sort"]), []
        return [item["out"] for item in pending]

    def flush(self) -> list[dict[str, Any]]:
        """Fires everything that holds a row or, with `fill`, a sign of life, as if the input had ended."""
        open_windows = [*self.windows, *(window for _, window in self.signs if self.fill)]
        if open_windows:
            last = max(end for _, end in open_windows)
            if self.fired is None or last > self.fired:
                self.fire(last)
        return self.drain()

    def late(self) -> list[dict[str, Any]]:
        rows = list(self.late_rows)
        self.late_rows.clear()
        return rows

    def rejects(self) -> list[dict[str, Any]]:
        rows = list(self.reject_rows)
        self.reject_rows.clear()
        return rows
