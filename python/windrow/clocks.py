"""Sources whose clocks leap are held aside, so that one of them can't close everybody's windows.

Owns the rule. A source leaps when its time moves by more than a bound beyond what time has gone by, and no other source
agrees with it. Its messages are kept aside, within bounds. It is let in again when its clock is back among the others
(what was kept is then of a wrong time, and dropped), when the others have come to its time, or when it has run evenly
for a number of messages and nobody who lives contradicts it (what was kept is then read).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import windrow as wr
from windrow.sources.piece import Decoder

__all__ = ["Clocks"]

log = logging.getLogger(__name__)

#: Messages that run evenly before a new time is believed.
SETTLED = 10
#: A source that was silent for so long contradicts nobody.
LIVING_SECONDS = 300.0
#: Messages of one source that are kept aside.
KEPT = 1_000
#: Bytes that are kept aside in all.
KEPT_BYTES = 4 << 20
#: Sources that are told apart; more are the engine's business.
MOST_SOURCES = 10_000


@dataclass
class _Clock:
    """One source."""

    #: Its newest time that was believed, in seconds, and when that came by our own steady clock.
    newest: float
    arrived: float
    #: While it is held aside: its last time, how many messages ran evenly, and the messages.
    last: float | None = None
    even: int = 0
    kept: deque[bytes] = field(default_factory=deque)


class Clocks:
    """Judges the times of messages by source.

    Parameters
    ----------
    bound : float or None
        Seconds by which a source's clock may move at once; none to look on only.
    column : str or None
        The column that names the source; one source where there is none.
    now : float or None
        A time in seconds that is believed to begin with: how far event time had come before a restart.
    """

    def __init__(self, bound: float | None, column: str | None, now: float | None = None) -> None:
        self.bound, self.column = bound, column
        #: Messages dropped or let go because their source's clock had leapt.
        self.dropped = 0
        self._clocks: dict[Any, _Clock] = {}
        self._before = None if now is None else (now, time.monotonic())
        self._bytes = 0

    @property
    def held(self) -> list[Any]:
        """Sources that are held aside now."""
        return [name for name, one in self._clocks.items() if one.last is not None]

    @property
    def newest(self) -> dict[Any, float]:
        """The newest believed time of each source."""
        return {name: one.newest for name, one in self._clocks.items()}

    def admit(self, piece: bytes, decoder: Decoder) -> bytes:
        """Take out of a block of messages those whose clocks leap; what is let in again is put in."""
        now = time.monotonic()
        seen = list(self._times(piece, decoder))
        if all(self._follows(source, at, now) for source, at in seen):
            for source, at in seen:
                self._believe(source, at, now)
            return piece
        return b"".join(self._lines(piece, decoder, now))

    # ---- the rule

    def _lines(self, piece: bytes, decoder: Decoder, now: float) -> Iterator[bytes]:
        for line in piece.splitlines(keepends=True):
            seen = list(self._times(line, decoder))
            if not seen:
                yield line
                continue
            source, at = seen[0][0], max(at for _, at in seen)
            one = self._clocks.get(source)
            if self._follows(source, at, now):
                self._believe(source, at, now)
                yield line
            elif one is not None and one.last is not None and self._agrees(source, at, now):
                # Where it ran evenly up to here, the others have come to its time, and what was kept is right.
                right = abs(at - one.last) <= (self.bound or 0)
                self._let_in(source, one, at, now, "the others agree" if right else "its clock is back")
                yield from self._release(one, wanted=right)
                yield line
            else:
                yield from self._hold(source, at, now, line)

    def _hold(self, source: Any, at: float, now: float, line: bytes) -> Iterator[bytes]:
        one = self._clocks.setdefault(source, _Clock(at, now))
        if one.last is None:
            log.warning(
                "source %s is held aside: its clock leapt to %s", source, _iso(at), extra={"source": source}
            )
        even = one.last is not None and abs(at - one.last) <= (self.bound or 0)
        one.even, one.last = (one.even + 1 if even else 1), at
        one.kept.append(line if line.endswith(b"\n") else line + b"\n")
        self._bytes += len(line)
        while len(one.kept) > KEPT or (self._bytes > KEPT_BYTES and one.kept):
            self._bytes -= len(one.kept.popleft())
            self.dropped += 1
        others = self._others(source, now)
        if one.even >= SETTLED and not others:
            self._let_in(source, one, at, now, "its clock runs evenly and nobody contradicts it")
            yield from self._release(one, wanted=True)

    def _follows(self, source: Any, at: float, now: float) -> bool:
        """Whether this time is no leap: near its source's own last one, or where others are."""
        one = self._clocks.get(source)
        if self.bound is None:
            return True
        if one is None:
            return self._agrees(source, at, now)
        if one.last is not None:
            return False
        gone = now - one.arrived
        return -self.bound <= at - one.newest <= self.bound + gone or self._agrees(source, at, now)

    def _agrees(self, source: Any, at: float, now: float) -> bool:
        """Whether the others are there: the newest of them, or event time before a restart; or nobody objects."""
        others = self._others(source, now)
        if not others and self._before is not None and source not in self._clocks:
            others = [self._before]
        if not others:
            return source not in self._clocks
        newest, arrived = max(others)
        bound = self.bound or 0
        return -bound <= at - newest <= bound + (now - arrived)

    def _others(self, source: Any, now: float) -> list[tuple[float, float]]:
        """Newest time and its arrival of the other sources that live and aren't held aside."""
        return [
            (one.newest, one.arrived)
            for name, one in self._clocks.items()
            if name != source and one.last is None and now - one.arrived < LIVING_SECONDS
        ]

    def _believe(self, source: Any, at: float, now: float) -> None:
        one = self._clocks.get(source)
        if one is not None:
            one.newest, one.arrived = max(one.newest, at), now
        elif len(self._clocks) < MOST_SOURCES:
            self._clocks[source] = _Clock(at, now)

    def _let_in(self, source: Any, one: _Clock, at: float, now: float, why: str) -> None:
        log.warning("source %s is let in again: %s", source, why, extra={"source": source})
        one.last, one.even = None, 0
        one.newest, one.arrived = at, now

    def _release(self, one: _Clock, *, wanted: bool) -> list[bytes]:
        kept = list(one.kept)
        one.kept.clear()
        self._bytes -= sum(map(len, kept))
        if wanted:
            return kept
        self.dropped += len(kept)
        return []

    # ---- times

    def _times(self, piece: bytes, decoder: Decoder) -> Iterable[tuple[Any, float]]:
        decoded = wr.decode(piece, decoder, columns=[self.column] if self.column else [])
        for batch, name in ((decoded.rows, self.column), (decoded.heartbeats, "camera")):
            if not len(batch):
                continue
            columns = batch.to_pydict()
            times = columns["time"]
            names = columns.get(name or "", [None] * len(times))
            yield from (
                (source, at.timestamp()) for source, at in zip(names, times, strict=True) if at is not None
            )


def _iso(seconds: float) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")
