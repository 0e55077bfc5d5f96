"""Results that wait for the network: a table on disk between the engine and every network sink.

Owns the SQLite file (in WAL mode). What is put here is forced out before the state that made it, and may be sent only
once that state is safe, too: nothing leaves the device that a restart would take back. Bounded by size and age: when
full, the oldest of least severity go first, and what went is counted. A damaged file is kept
aside and a fresh one begun.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from windrow.config.sections import StateSection, nanoseconds
from windrow.errors import ConfigError
from windrow.state.store import Store

__all__ = ["Message", "Spool", "open_spool"]

log = logging.getLogger(__name__)

#: What a row costs beside its text.
OVERHEAD = 128
#: Room for messages where there is no disk for them.
MOST_IN_MEMORY = 16 << 20
#: How long one connection waits for the other's write.
PATIENCE_SECONDS = 30.0
#: The clock was set if it moved by this much more or less than time went by.
JUMP_SECONDS = 60.0
_TABLES = """
CREATE TABLE IF NOT EXISTS message (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sink TEXT NOT NULL,
    id TEXT NOT NULL,
    severity REAL NOT NULL,
    made REAL NOT NULL,
    generation INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (sink, id)
);
CREATE INDEX IF NOT EXISTS least ON message (severity, number);
CREATE TABLE IF NOT EXISTS dropped (reason TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Message:
    """One result for one sink.

    Attributes
    ----------
    sink : str
        Whose it is.
    id : str
        Stable: made again after a restart, the same result has the same.
    severity : float
        What it is worth when there is no room; 0 for windows.
    body : str
        The result as one line of JSON.
    number : int
        Its place in the spool; 0 before it has one.
    """

    sink: str
    id: str
    severity: float
    body: str
    number: int = 0


class Spool:
    """A bounded queue on disk, for one writer and any number of senders.

    Parameters
    ----------
    path : path or None
        The file; in memory where there is none, for pipelines without a state.
    most_bytes : int
        Room for messages.
    most_seconds : float
        How old a message may grow.
    generation : int
        The newest checkpoint: what was put here after it will be made again, and is taken out.
    """

    def __init__(
        self, path: Path | None, *, most_bytes: int, most_seconds: float, generation: int = 0
    ) -> None:
        self.path, self.most_bytes, self.most_seconds = path, most_bytes, most_seconds
        #: Wakes senders.
        self.arrived = threading.Condition()
        #: What had to be put aside, if anything.
        self.damaged: str | None = None
        #: What has arrived without the disk taking word of it, by sink.
        self._undone: dict[str, list[Message]] = {}
        self._lock = threading.RLock()
        self._clock = time.time(), time.monotonic()
        self._writing = self._open()
        # In memory there is one connection; on disk senders don't wait for the disk to take what they took out.
        self._sending = self._writing if path is None else self._connect("NORMAL")
        with self._lock, self._writing:
            self._writing.execute("DELETE FROM message WHERE generation > ?", (generation,))
            self._bytes: int = self._writing.execute(
                "SELECT COALESCE(SUM(bytes), 0) FROM message"
            ).fetchone()[0]
        self._released = generation

    def put(self, messages: Iterable[Message], generation: int) -> None:
        """Force messages out to disk; senders see them once `generation` is released.

        Raises
        ------
        sqlite3.Error
            The disk is full or gone; none of them is kept.
        """
        with self._lock:
            with self._writing:
                now = self._now()
                total = self._bytes
                for one in messages:
                    size = _size(one)
                    # What is here already was made again after a restart: it is the same.
                    added = self._writing.execute(
                        "INSERT INTO message (sink, id, severity, made, generation, bytes, body) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sink, id) DO NOTHING",
                        (one.sink, one.id, one.severity, now, generation, size, one.body),
                    )
                    total += size if added.rowcount else 0
                total -= self._expire(now)
                if total > self.most_bytes:
                    total -= self._evict(total - self.most_bytes)
            self._bytes = total

    def release(self, generation: int) -> None:
        """Let what was put up to this checkpoint be sent."""
        with self.arrived:
            self._released = max(self._released, generation)
            self.arrived.notify_all()

    def take(self, sink: str, most: int) -> list[Message]:
        """Look at a sink's oldest messages, in order; they stay until `done`."""
        with self._lock:
            undone = self._undone.get(sink)
            rows = self._sending.execute(
                "SELECT sink, id, severity, body, number FROM message WHERE sink = ? AND generation <= ? "
                "AND number > ? ORDER BY number LIMIT ?",
                (sink, self._released, undone[-1].number if undone else 0, most),
            ).fetchall()
            if undone and not rows:
                self.done(())
        return [Message(*row) for row in rows]

    def done(self, messages: Sequence[Message]) -> None:
        """Take out what has arrived; a power cut before the disk knows sends it once more.

        Raises
        ------
        sqlite3.Error
            The disk is full or gone. They aren't sent again in this run, and go with the next ones.
        """
        with self._lock:
            for one in messages:
                self._undone.setdefault(one.sink, []).append(one)
            gone = [one for undone in self._undone.values() for one in undone]
            with self._sending:
                self._sending.executemany(
                    "DELETE FROM message WHERE number = ?", [(one.number,) for one in gone]
                )
            self._undone.clear()
            self._bytes -= sum(map(_size, gone))

    def keep_only(self, sinks: Sequence[str]) -> None:
        """Give up, and count, what waits for sinks that there are no more."""
        with self._lock, self._writing:
            holes = ", ".join("?" * len(sinks))
            rows = self._writing.execute(
                f"SELECT number, bytes FROM message WHERE sink NOT IN ({holes})", tuple(sinks)
            ).fetchall()
            self._bytes -= self._give_up(rows, "gone")

    def drop(self, messages: Sequence[Message], reason: str) -> None:
        """Take out and count what will never arrive."""
        with self._lock:
            with self._sending:
                self._count(reason, len(messages), self._sending)
            self.done(messages)

    def wait(self, seconds: float) -> None:
        """Wait until everything has been sent, at most so long."""
        until = time.monotonic() + seconds
        while self.depth() and time.monotonic() < until:
            time.sleep(0.02)

    def depth(self, sink: str | None = None) -> int:
        """How many messages wait."""
        text = "SELECT COUNT(*) FROM message" + (" WHERE sink = ?" if sink else "")
        with self._lock:
            count: int = self._sending.execute(text, (sink,) if sink else ()).fetchone()[0]
        return count

    @property
    def bytes(self) -> int:
        """How much room the messages take."""
        return self._bytes

    @property
    def dropped(self) -> dict[str, int]:
        """How many messages were given up, by reason; over all runs."""
        with self._lock:
            return dict(self._sending.execute("SELECT reason, count FROM dropped").fetchall())

    def close(self) -> None:
        """Close the file; what waits is there next time."""
        with self._lock:
            self._writing.close()
            if self._sending is not self._writing:
                self._sending.close()

    # ---- the file

    def _open(self) -> sqlite3.Connection:
        try:
            return self._checked()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) or self.path is None:
                raise ConfigError(f"[state] the spool `{self.path}` can't be opened: {error}") from error
            aside = self.path.with_name(f"{self.path.name}.damaged")
            self.path.replace(aside)
            for ending in ("-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
            self.damaged = (
                f"the spool `{self.path}` is damaged ({error}): kept as `{aside}`, a fresh one is begun"
            )
            log.error(self.damaged)
            return self._checked()

    def _checked(self) -> sqlite3.Connection:
        opened = self._connect("FULL")
        try:
            opened.executescript(_TABLES)
            found = opened.execute("PRAGMA quick_check").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(found)
        except sqlite3.DatabaseError:
            opened.close()
            raise
        return opened

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        opened = sqlite3.connect(
            ":memory:" if self.path is None else self.path, timeout=PATIENCE_SECONDS, check_same_thread=False
        )
        opened.execute("PRAGMA journal_mode = WAL")
        opened.execute(f"PRAGMA synchronous = {synchronous}")
        opened.execute("PRAGMA journal_size_limit = 1048576")
        return opened

    # ---- bounds

    def _now(self) -> float:
        """Tell the time; where the clock was set meanwhile, messages of before move along and don't age by it."""
        wall, steady = self._clock
        self._clock = time.time(), time.monotonic()
        jump = self._clock[0] - wall - (self._clock[1] - steady)
        if abs(jump) > JUMP_SECONDS:
            self._writing.execute("UPDATE message SET made = made + ? WHERE made <= ?", (jump, wall))
        return self._clock[0]

    def _expire(self, now: float) -> int:
        """Drop what is too old."""
        rows = self._writing.execute(
            "SELECT number, bytes FROM message WHERE made < ? - ?", (now, self.most_seconds)
        ).fetchall()
        return self._give_up(rows, "age")

    def _evict(self, excess: int) -> int:
        """Drop the oldest of least severity until the rest fits."""
        rows, freed = [], 0
        for row in self._writing.execute("SELECT number, bytes FROM message ORDER BY severity, number"):
            if freed >= excess:
                break
            rows.append(row)
            freed += row[1]
        return self._give_up(rows, "full")

    def _give_up(self, rows: Sequence[tuple[int, int]], reason: str) -> int:
        if not rows:
            return 0
        self._writing.executemany("DELETE FROM message WHERE number = ?", [(number,) for number, _ in rows])
        self._count(reason, len(rows), self._writing)
        why = {"age": "they are too old", "full": "the spool is full", "gone": "their sink is no more"}[
            reason
        ]
        log.warning("%d unsent results dropped: %s", len(rows), why, extra={"dropped": len(rows)})
        return sum(size for _, size in rows)

    @staticmethod
    def _count(reason: str, count: int, connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO dropped VALUES (?, ?) ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count",
            (reason, count),
        )


def _size(message: Message) -> int:
    return len(message.body.encode()) + OVERHEAD


def open_spool(state: StateSection | None, store: Store | None) -> Spool:
    """Open the spool in the state's folder, or one in memory where there is no state.

    Raises
    ------
    ConfigError
        It can't be opened.
    """
    if state is None or store is None:
        return Spool(None, most_bytes=MOST_IN_MEMORY, most_seconds=math.inf)
    try:
        store.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"[state] `path` `{store.path}` can't be made: {error.strerror}") from error
    return Spool(
        store.path / "spool.sqlite3",
        most_bytes=state.spool_bytes,
        most_seconds=nanoseconds(state.spool_age) / 1e9,
        generation=store.generation,
    )
