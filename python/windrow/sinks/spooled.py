"""What all network sinks have in common: results wait in the spool, a thread of the sink's own sends them.

Owns the thread. The engine never waits for a network; each sink's results leave in the order in which they were made,
and stay in the spool until the other side has them.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from windrow.backoff import Backoff
from windrow.sinks.lines import line
from windrow.state.message_id import of_row
from windrow.state.spool import Message, Spool

__all__ = ["Delivery", "RefusedError", "Spooled", "UnreachableError"]

log = logging.getLogger(__name__)

#: Messages that are looked at together.
BATCH = 100


class UnreachableError(Exception):
    """The other side can't be reached now, after so many messages; later it may, after so many seconds."""

    def __init__(self, text: str, wait: float | None = None, sent: int = 0) -> None:
        super().__init__(text)
        self.wait, self.sent = wait, sent


class RefusedError(Exception):
    """The other side will never take this message, the one after so many that it took."""

    def __init__(self, text: str, sent: int = 0) -> None:
        super().__init__(text)
        self.sent = sent


class Delivery(Protocol):
    """How one kind of sink sends."""

    def send(self, messages: Sequence[tuple[Message, Mapping[str, Any]]]) -> int:
        """Send messages with their rows, in order; how many of them, from the first on, have arrived.

        Raises
        ------
        UnreachableError
            It isn't possible now.
        RefusedError
            One of them never will.
        """
        ...

    def close(self) -> None:
        """Stop: `send` returns soon."""
        ...


class Spooled:
    """A network sink behind the spool."""

    def __init__(self, what: str, name: str, spool: Spool, delivery: Delivery) -> None:
        self.what, self.name = what, name
        self._fault: str | None = None
        #: Results that have arrived, in this run.
        self.sent = 0
        self._spool, self._delivery = spool, delivery
        self._held: list[Message] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"sink-{name}", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str | None:
        """Why nothing can be sent now; nothing where it can."""
        return self._fault or getattr(self._delivery, "fault", None)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Hold rows until the next checkpoint takes them."""
        self._held += [
            Message(
                self.name,
                of_row(row),
                float(row.get("severity") or row.get("anomalyScore") or 0.0),
                line(row),
            )
            for row in rows
        ]

    def held(self) -> list[Message]:
        """List what no checkpoint has taken yet."""
        return self._held

    def forget(self) -> None:
        """Let go of what was held: a checkpoint has taken it."""
        self._held = []

    def shorten(self, most: int) -> int:
        """Hold at most so many, the newest of most severity; how many went."""
        excess = len(self._held) - most
        if excess <= 0:
            return 0
        order = sorted(range(len(self._held)), key=lambda at: self._held[at].severity)
        gone = set(order[:excess])
        self._held = [one for at, one in enumerate(self._held) if at not in gone]
        return excess

    def force(self) -> None:
        """Nothing to do: the spool forces its own file out."""

    def close(self) -> None:
        """Stop sending; what hasn't arrived stays in the spool."""
        self._closing.set()
        self._delivery.close()
        with self._spool.arrived:
            self._spool.arrived.notify_all()
        self._thread.join(0.3)

    def _work(self) -> None:
        backoff = Backoff()
        while not self._closing.is_set():
            try:
                self._step(backoff)
            except Exception as error:
                # A disk that takes nothing, or what nobody has thought of: results wait, and it is tried again.
                if str(error) != self._fault and not self._closing.is_set():
                    log.error("sink %s: %s", self.name, error, exc_info=not isinstance(error, sqlite3.Error))
                self._fault = str(error)
                self._closing.wait(backoff.next())

    def _step(self, backoff: Backoff) -> None:
        """Send what is there, or wait for something."""
        messages = self._spool.take(self.name, getattr(self._delivery, "batch", BATCH))
        if not messages:
            self._fault = None
            with self._spool.arrived:
                if not self._closing.is_set():
                    self._spool.arrived.wait(1.0)
            return
        try:
            sent = self._delivery.send([(one, json.loads(one.body)) for one in messages])
        except UnreachableError as error:
            self._arrived(messages[: error.sent])
            if self._fault is None:
                log.warning("sink %s: %s; results wait in the spool", self.name, error)
            self._fault = str(error)
            self._closing.wait(backoff.next() if error.wait is None else error.wait)
        except RefusedError as error:
            self._arrived(messages[: error.sent])
            refused = messages[error.sent : error.sent + 1]
            log.error("sink %s refuses %s: %s", self.name, refused[0].id, error)
            self._spool.drop(refused, "refused")
        else:
            if self._fault is not None:
                log.info("sink %s: reachable again", self.name)
            self._fault = None
            backoff.reset()
            self._arrived(messages[:sent])

    def _arrived(self, messages: Sequence[Message]) -> None:
        self._spool.done(messages)
        self.sent += len(messages)
