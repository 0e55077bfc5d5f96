"""A file of JSON lines.

Owns what a full disk leaves: lines that can't be written wait, within bounds, and go before newer ones; while any wait,
nothing counts as safe.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from windrow.config.sections import FileSink
from windrow.errors import ConfigError
from windrow.sinks.lines import line

__all__ = ["File"]

log = logging.getLogger(__name__)

BLOCK = 1 << 16
#: Bytes that wait for a disk that takes nothing; newer lines are given up.
MOST_WAITING = 16 << 20


class File:
    """Lines in a file, started anew or added to; its folders are made."""

    def __init__(self, sink: FileSink) -> None:
        self.what: str = sink.what
        self.name = f"file {sink.path}"
        #: Why lines wait; nothing where none do.
        self.fault: str | None = None
        self.dropped = 0
        self._waiting = bytearray()
        path = Path(sink.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if sink.append:
                _cut(path)
            # Unbuffered: what a full disk took is known to the byte.
            self._opened = path.open("ab" if sink.append else "wb", buffering=0)
        except OSError as error:
            raise ConfigError(f"[[sink]] `{path}` can't be written: {error.strerror}") from error

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write one line a row, at once if the disk takes it."""
        for row in rows:
            text = f"{line(row)}\n".encode()
            if len(self._waiting) + len(text) > MOST_WAITING and self.fault is not None:
                self.dropped += 1
            else:
                self._waiting += text
        try:
            self._write()
        except OSError as error:
            reason = error.strerror or str(error)
            if reason != self.fault:
                log.error("%s can't be written: %s; lines wait in memory", self.name, reason)
            self.fault = reason

    def force(self) -> None:
        """Force lines out to the disk.

        Raises
        ------
        OSError
            Not all of them are there.
        """
        self._write()
        try:
            os.fsync(self._opened.fileno())
        except OSError as error:
            # Pipes and devices have nothing to force out.
            if error.errno != errno.EINVAL:
                raise

    def close(self) -> None:
        """Close the file."""
        if self._waiting:
            log.error("%s: %d bytes could not be written", self.name, len(self._waiting))
        self._opened.close()

    def _write(self) -> None:
        while self._waiting:
            written = self._opened.write(self._waiting)
            del self._waiting[: written or 0]
        if self.fault is not None:
            log.info("%s can be written again; %d lines were given up", self.name, self.dropped)
            self.fault = None


def _cut(path: Path) -> None:
    """Take away the half line that a power cut left: its row comes once more."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - BLOCK)
            file.seek(start)
            last = file.read(end - start).rfind(b"\n") + 1
            if last or not start:
                file.truncate(start + last)
                return
            end = start
