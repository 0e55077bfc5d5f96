"""Tumbling windows of several producers, one call at a time: the slow twin of the engine's lanes.

Owns what lanes are to each other: whose watermark holds event time back, where a lane starts that opens or wakes,
what closing and silence do. What windows are is `oracle.windows`'. Refuses threads: calls come one after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from oracle import windows
from oracle.windows import KEPT


@dataclass
class Lane(windows.Lane):
    """One producer."""

    is_open: bool = False
    #: The clock when it opened or the first that came since: from then on it is silent, until a source is heard.
    waiting: int | None = None
    first_seen: dict[Any, Any] = field(default_factory=dict)
    late_rows: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))
    reject_rows: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT))


class TumblingWindows(windows.TumblingWindows):
    """Calls of one lane take its name first; that of the default lane is empty."""

    def __init__(self, every: str, aggregates: dict[str, Any], **options: Any) -> None:
        super().__init__(every, aggregates, **options)
        self.lanes = {"": Lane()}
        self.reached: int | None = None

    # -- who holds event time back ------------------------------------------------------------------

    def is_idle(self, lane: Lane) -> bool:
        if lane.sources:
            return all(source.idle for source in lane.sources.values())
        if self.idle_timeout is None or self.now is None or lane.waiting is None:
            return False
        return self.now - lane.waiting >= self.idle_timeout

    def holds(self, lane: Lane) -> bool:
        return lane.is_open and not self.is_idle(lane)

    def reach(self) -> int | None:
        """The least watermark of live lanes; that of the lane furthest on where none is live. It never falls."""
        low = -(2**63)
        live = [
            low if lane.watermark is None else lane.watermark
            for lane in self.lanes.values()
            if self.holds(lane)
        ]
        known = [lane.watermark for lane in self.lanes.values() if lane.watermark is not None]
        times = [min(live)] if live else [max(known)] if known else []
        if self.reached is not None:
            times.append(self.reached)
        self.reached = max((time for time in times if time != low), default=None)
        return self.reached

    # -- lanes --------------------------------------------------------------------------------------

    def open(self, name: str) -> None:
        """A writer asks for a lane, new or closed or, after a restore, still open."""
        lane = self.lanes.setdefault(name, Lane(name))
        if not self.holds(lane):
            lane.raise_to(self.reach())
        if not lane.is_open:
            # Whatever wrote to it before is not what writes now.
            lane.sources.clear()
            lane.is_open, lane.waiting = True, self.now
        self.fire()

    def close(self, name: str) -> None:
        self.lanes[name].is_open = False
        self.fire()

    def enter(self, name: str) -> None:
        """From here on, rows are of that lane."""
        if name == "" or name not in self.lanes or not self.lanes[name].is_open:
            self.open(name)
        lane = self.lanes[name]
        if not self.holds(lane):
            lane.raise_to(self.reach())
        self.lane, self.first_seen = lane, lane.first_seen
        self.late_rows, self.reject_rows = lane.late_rows, lane.reject_rows

    def leave(self) -> None:
        """The default lane lives from its first row or heartbeat."""
        if self.lane.name == "" and not self.lane.sources:
            self.close("")
        self.fire()

    # -- in -----------------------------------------------------------------------------------------

    def push_to(self, name: str, rows: Iterable[dict[str, Any]], now: int | None = None) -> None:
        if now is not None:
            self.clock(now * self.unit)
        self.enter(name)
        super().push(rows, now)
        self.leave()

    def alive_on(self, name: str, source: Any, time: int) -> None:
        self.enter(name)
        super().alive(source, time)
        self.leave()

    def clock(self, now: int) -> None:
        self.now = now if self.now is None else max(self.now, now)
        for lane in self.lanes.values():
            if not lane.is_open:
                continue
            lane.waiting = self.now if lane.waiting is None else lane.waiting
            self.silence(lane)
            self.follow_lane(lane)
        self.fire()

    def advance(self, now: int) -> None:
        now *= self.unit
        self.clock(now)
        begun = [lane for lane in self.lanes.values() if lane.is_open or lane.watermark is not None]
        if begun and not any(self.holds(lane) for lane in begun):
            self.come_to(now - self.out_of_orderness, self.lanes.values())

    def watermark(self, time: int) -> None:
        self.come_to(time * self.unit, [lane for lane in self.lanes.values() if lane.is_open])

    def come_to(self, time: int, lanes: Iterable[Lane]) -> None:
        for lane in lanes:
            lane.raise_to(time)
        self.reached = time if self.reached is None else max(self.reached, time)
        self.fire()

    # -- out ----------------------------------------------------------------------------------------

    def flush(self) -> list[dict[str, Any]]:
        fired = self.fired
        unfired = [window for window in self.windows if fired is None or window[1] > fired]
        if self.fill:
            unfired += [window for _, window in self.signs if fired is None or window[1] > fired]
        if unfired:
            self.come_to(max(end for _, end in unfired), self.lanes.values())
        return self.drain()

    def late(self) -> list[dict[str, Any]]:
        return self.kept("late_rows")

    def rejects(self) -> list[dict[str, Any]]:
        return self.kept("reject_rows")

    def kept(self, which: str) -> list[dict[str, Any]]:
        rows = []
        for name in sorted(self.lanes):
            kept = getattr(self.lanes[name], which)
            rows += kept
            kept.clear()
        return rows

    def next_deadline(self) -> int | None:
        """The end of the first window that holds something and has not fired."""
        ends = [end for _, end in self.windows if self.fired is None or end > self.fired]
        if self.fill:
            ends += [end for _, (_, end) in self.signs if self.fired is None or end > self.fired]
            # Series with a row in a window that fired get rows of silence until their run is over.
            runs = [self.silent_run[key] for key, since in self.born.items() if self.has_fired(since)]
            after = self.window(self.fired or 0)
            if after and self.empty < self.max_cells and any(run < self.fill_limit for run in runs):
                ends.append(after[1])
        return min(ends, default=None)

    def has_fired(self, start: int) -> bool:
        window = self.window(start)
        return window is not None and self.fired is not None and window[1] <= self.fired
