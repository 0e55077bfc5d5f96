"""The order in which things become safe: results, then state and position, then the word to whoever waits for it.

Owns when a checkpoint is due and its order. Results that a restart would make again may be written twice, with the same
name; none is lost, and none leaves the device that a restart would take back. A full disk stops nothing: results wait
in memory, within bounds, until there is room.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from windrow.sinks import Sink
from windrow.sinks.spooled import Spooled
from windrow.sources.piece import Resumable
from windrow.state.spool import Spool
from windrow.state.store import Stage, Store

__all__ = ["Commit"]

log = logging.getLogger(__name__)

#: How long to wait after a checkpoint that failed.
RETRY_SECONDS = 5.0
#: Results held in memory while the disk takes nothing; beyond them the oldest of least severity go.
MOST_HELD = 20_000


class Commit:
    """Makes checkpoints of one run.

    Parameters
    ----------
    store : Store or None
        Where; without one only the spool is released.
    source : Source
        What was read.
    stages : mapping
        The engine's stages by name.
    interval : float or None
        Seconds between checkpoints at most; none where there is one at the end only.
    """

    def __init__(
        self,
        store: Store | None,
        source: Any,
        stages: Mapping[str, Stage | None],
        interval: float | None,
    ) -> None:
        self.store, self.interval = store, interval
        #: Results for the network, and what writes them; others after a reload.
        self.spool: Spool | None = None
        self.sinks: Sequence[Sink] = ()
        self._source: Resumable | None = source if isinstance(source, Resumable) else None
        self._stages = stages
        #: Stages that changed since the last checkpoint.
        self.changed: set[str] = set()
        #: Why the last one failed; nothing where it didn't.
        self.fault: str | None = None
        #: Results given up because neither disk nor memory had room.
        self.dropped = 0
        self._last = time.monotonic()
        self._retry = 0.0

    def due(self, *, fired: bool) -> bool:
        """Whether it is time: windows closed, somebody waits, or the interval is over."""
        now = time.monotonic()
        if self.interval is None or now < self._retry:
            return False
        pressing = self._source is not None and self._source.pressing
        return fired or pressing or now - self._last >= self.interval

    @property
    def age(self) -> float:
        """Seconds since the last one."""
        return time.monotonic() - self._last

    def make(self) -> bool:
        """Make a checkpoint; whether it is on disk."""
        spooled = [sink for sink in self.sinks if isinstance(sink, Spooled)]
        generation = 0 if self.store is None else self.store.generation + 1
        try:
            for sink in self.sinks:
                if self.store is not None:
                    sink.force()
            if self.spool is not None:
                held = [message for sink in spooled for message in sink.held()]
                if held:
                    self.spool.put(held, generation)
            if self.store is not None:
                stages = {
                    name: stage for name, stage in self._stages.items() if stage and name in self.changed
                }
                self.store.keep(stages, None if self._source is None else self._source.position())
        except (OSError, sqlite3.Error) as error:
            self._failed(error, spooled)
            return False
        for sink in spooled:
            sink.forget()
        self.changed.clear()
        if self.spool is not None:
            self.spool.release(generation)
        if self._source is not None:
            self._source.committed()
        if self.fault is not None:
            log.info("checkpoints can be written again")
        self.fault, self._last = None, time.monotonic()
        return True

    def spill(self) -> None:
        """Let results be sent at once: of input that is read once there is no checkpoint before its end."""
        spooled = [sink for sink in self.sinks if isinstance(sink, Spooled) and sink.held()]
        if self.spool is None or not spooled:
            return
        generation = 0 if self.store is None else self.store.generation
        self.spool.put([message for sink in spooled for message in sink.held()], generation)
        for sink in spooled:
            sink.forget()
        self.spool.release(generation)

    def _failed(self, error: Exception, spooled: Sequence[Spooled]) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        if reason != self.fault:
            log.error("no checkpoint could be written: %s; going on in memory", reason)
        self.fault = reason
        self._retry = time.monotonic() + RETRY_SECONDS
        for sink in spooled:
            self.dropped += sink.shorten(MOST_HELD)
