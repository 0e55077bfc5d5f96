"""How far a run is, on a terminal and only after a second.

Owns one line on standard error. Nothing is drawn where nobody looks (no terminal), so logs stay clean.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

__all__ = ["Bar"]

WIDTH = 28


class Bar:
    """A progress bar, to be called with how much is done, and of how much if that is known."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self._stream = sys.stderr if stream is None else stream
        self._begun = time.monotonic()
        self._drawn = 0.0
        self._shown = False

    def __call__(self, done: int, total: int | None) -> None:
        """Draw, at most ten times a second."""
        now = time.monotonic()
        if now - self._begun < 1 or now - self._drawn < 0.1 or not self._stream.isatty():
            return
        self._drawn, self._shown = now, True
        if total:
            share = min(done / total, 1)
            full = int(share * WIDTH)
            text = f"{'#' * full}{'.' * (WIDTH - full)} {share:4.0%}"
        else:
            text = f"{done:,} bytes"
        self._stream.write(f"\r{self.label}  {text}  {now - self._begun:.0f} s \x1b[K")
        self._stream.flush()

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
