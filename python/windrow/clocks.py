"""Sources whose clocks leap are held aside, so that one of them can't close everybody's windows.

Owns the rule. A source leaps when its time moves by more than a bound beyond what time has gone by, and no other source
agrees with it. Its messages are kept aside, within bounds. It is let in again when its clock is back among the others
(what was kept is then of a wrong time, and dropped), when the others have come to its time, or when it has run evenly
for a number of messages and nobody who lives contradicts it (what was kept is then read). Whoever is held aside when
the power goes still is afterwards, with what was kept.
"""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import windrow as wr
from windrow.errors import SnapshotError
from windrow.sources.piece import Decoder, Messages

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


#: A line and what is known of it besides.
_Line = tuple[bytes, Mapping[str, Any]]
#: The form of the state.
FORMAT = 1


@dataclass
class _Clock:
    """One source."""

    #: Its newest time that was believed, in seconds, and when that came by our own steady clock.
    newest: float
    arrived: float
    #: While it is held aside: its last time, how many messages ran evenly, and the messages.
    last: float | None = None
    even: int = 0
    kept: deque[_Line] = field(default_factory=deque)


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
        #: Whether who is held aside, or what is kept of them, is other than when the state was last taken.
        self.changed = False
        #: Messages dropped or let go because their source's clock had leapt.
        self.dropped = 0
        #: The newest time of all that was believed.
        self.latest = now
        self._clocks: dict[Any, _Clock] = {}
        #: How far event time had come when this began, and when that was.
        self.before = None if now is None else (now, time.monotonic())
        self._bytes = 0

    @property
    def held(self) -> list[Any]:
        """Sources that are held aside now."""
        return [name for name, one in self._clocks.items() if one.last is not None]

    @property
    def newest(self) -> dict[Any, float]:
        """The newest believed time of each source."""
        return {name: one.newest for name, one in self._clocks.items()}

    def admit(self, piece: Messages, decoder: Decoder) -> Messages:
        """Take out of a piece the messages whose clocks leap; what is let in again is put in."""
        now = time.monotonic()
        if self.bound is None and self.held:
            # Nobody wants them held aside any more.
            free = [
                line for one in self._clocks.values() if one.last is not None for line in self._freed(one)
            ]
            piece = Messages.of([*free, *piece.apart()], piece.beside)
        seen = list(self._times(piece, decoder))
        if all(self._known(source) and self._follows(source, at, now) for source, at in seen):
            for source, at in seen:
                self._believe(source, at, now)
            return piece
        return Messages.of(list(self._lines(piece, decoder, now)), piece.beside)

    # ---- the state

    def __repr__(self) -> str:
        return f"Clocks(column={self.column!r})"

    def snapshot(self) -> bytes:
        """Give those held aside, and what is kept of them; the others are known again by what they send."""
        self.changed = False
        held = [
            {
                "source": name,
                "newest": one.newest,
                "last": one.last,
                "even": one.even,
                "kept": [[line.decode("latin-1"), known] for line, known in one.kept],
            }
            for name, one in self._clocks.items()
            if one.last is not None
        ]
        state = {"format": FORMAT, "column": self.column, "dropped": self.dropped, "held": held}
        return json.dumps(state).encode()

    @classmethod
    def restore(cls, data: bytes) -> Clocks:
        """Take up what `snapshot` gave; the bound is the caller's to set.

        Raises
        ------
        SnapshotError
            It is something else, or from a newer version.
        """
        try:
            state = json.loads(data)
            if state["format"] > FORMAT:
                raise SnapshotError(
                    f"a state of clocks in format {state['format']}: a newer version wrote it"
                )
            clocks = cls(None, state["column"])
            clocks.dropped = int(state["dropped"])
            for held in state["held"]:
                kept: deque[_Line] = deque(
                    (str(line).encode("latin-1"), dict(known)) for line, known in held["kept"]
                )
                one = _Clock(
                    float(held["newest"]), time.monotonic(), float(held["last"]), int(held["even"]), kept
                )
                clocks._clocks[held["source"]] = one
                clocks._bytes += sum(len(line) for line, _ in kept)
        except SnapshotError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise SnapshotError(f"expected a state of clocks, got other bytes: {error}") from error
        return clocks

    def lend(self, other: Clocks) -> None:
        """Give what was set here to clocks that were taken up from a state."""
        other.bound, other.column, other.before = self.bound, self.column, self.before
        other.latest = self.latest

    # ---- the rule

    def _lines(self, piece: Messages, decoder: Decoder, now: float) -> Iterator[_Line]:
        for line in piece.apart():
            seen = list(self._times(Messages.of([line], piece.beside), decoder))
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

    def _hold(self, source: Any, at: float, now: float, line: _Line) -> Iterator[_Line]:
        one = self._clocks.setdefault(source, _Clock(at, now))
        if one.last is None:
            log.warning(
                "source %s is held aside: its clock leapt to %s", source, _iso(at), extra={"source": source}
            )
        even = one.last is not None and abs(at - one.last) <= (self.bound or 0)
        one.even, one.last = (one.even + 1 if even else 1), at
        one.kept.append(line)
        self._bytes += len(line[0])
        self.changed = True
        while len(one.kept) > KEPT or (self._bytes > KEPT_BYTES and one.kept):
            self._bytes -= len(one.kept.popleft()[0])
            self.dropped += 1
        others = self._others(source, now)
        if one.even >= SETTLED and not others:
            self._let_in(source, one, at, now, "its clock runs evenly and nobody contradicts it")
            yield from self._release(one, wanted=True)

    def _known(self, source: Any) -> bool:
        """Whether a source's messages can be looked at together: of a new one the first says what the next may be."""
        return self.bound is None or source in self._clocks or len(self._clocks) >= MOST_SOURCES

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
        if not others and self.before is not None and source not in self._clocks:
            others = [self.before]
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
        self.latest = at if self.latest is None else max(self.latest, at)
        one = self._clocks.get(source)
        if one is not None:
            one.newest, one.arrived = max(one.newest, at), now
        elif len(self._clocks) < MOST_SOURCES:
            self._clocks[source] = _Clock(at, now)

    def _let_in(self, source: Any, one: _Clock, at: float, now: float, why: str) -> None:
        log.warning("source %s is let in again: %s", source, why, extra={"source": source})
        one.newest, one.arrived = at, now
        self.latest = at

    def _release(self, one: _Clock, *, wanted: bool) -> list[_Line]:
        kept = self._freed(one)
        if wanted:
            return kept
        self.dropped += len(kept)
        return []

    def _freed(self, one: _Clock) -> list[_Line]:
        kept = list(one.kept)
        one.kept.clear()
        one.last, one.even = None, 0
        self._bytes -= sum(len(line) for line, _ in kept)
        self.changed = True
        return kept

    # ---- times

    def _times(self, piece: Messages, decoder: Decoder) -> Iterator[tuple[Any, float]]:
        """Give the times of rows and of signs of life, each with its source."""
        told = piece.beside.get(self.column or "")
        if told is None or self.column == "camera":
            yield from self._decoded(piece, decoder)
            return
        # Signs of life name no source but a camera: those of one source are looked at together.
        apart: dict[Any, list[_Line]] = {}
        for line, source in zip(piece.apart(), told, strict=True):
            apart.setdefault(source, []).append(line)
        for source, lines in apart.items():
            for found, at in self._decoded(Messages.of(lines, piece.beside), decoder):
                yield found if source is None else source, at

    def _decoded(self, piece: Messages, decoder: Decoder) -> Iterator[tuple[Any, float]]:
        columns = [self.column] if self.column else []
        decoded = wr.decode(piece.lines, decoder, columns, piece.beside or None)
        for batch, name in ((decoded.rows, self.column), (decoded.heartbeats, "camera")):
            if not len(batch):
                continue
            values = batch.to_pydict()
            times = values["time"]
            names = values.get(name or "", [None] * len(times))
            yield from (
                (source, at.timestamp()) for source, at in zip(names, times, strict=True) if at is not None
            )


def _iso(seconds: float) -> str:
    import datetime as dt

    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat().replace("+00:00", "Z")
