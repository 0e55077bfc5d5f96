"""Ending on request: Ctrl-C and SIGTERM ask a pipeline to finish, and wake it where it waits for input.

Owns the signal handlers while a pipeline runs. The first request lets the piece at hand be finished and everything
be closed in order; a second one falls back on Python's own handlers, for whom the first takes too long.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Stop"]


class Stop:
    """A request to end, as a context; outside the main thread only `request` can make one."""

    def __init__(self) -> None:
        self.requested = False
        self._waker, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        os.close(self._waker)
        os.close(self._wake)

    def request(self) -> None:
        """Ask for the end, from any thread."""
        self.requested = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b"\0")

    def wait(self, descriptor: int | None, seconds: float | None = None) -> bool:
        """Wait until there is something to read; whether there is (else it is time to end, or `seconds` are over)."""
        waiting = [self._waker] if descriptor is None else [descriptor, self._waker]
        ready, _, _ = select.select(waiting, [], [], seconds)
        return descriptor in ready and not self.requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._restore()
        self.request()

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
