"""Standard input: a pipe or a redirected file, taken as it comes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from windrow.config.sections import StdinSource, Unit
from windrow.errors import DataError
from windrow.sources.blocks import BLOCK
from windrow.sources.lines import Lines, decoder
from windrow.sources.piece import Needs
from windrow.stopping import Stop

__all__ = ["Stdin"]

#: Seconds of silence after which the run looks up.
TICK = 1.0


class Stdin:
    """Lines from standard input; ends with it, or when asked to."""

    live = True
    total: int | None = None

    def __init__(self, source: StdinSource, needs: Needs, stop: Stop) -> None:
        self.lines = Lines(source, needs, source.format, "CSV" if source.format == "csv" else "rows")
        self.decoder = decoder(source)
        self.time_unit: Unit = source.time_unit or "ns"
        self.done = 0
        self.unreadable = 0
        self._stop = stop

    def __iter__(self) -> Iterator[Any]:
        """Pieces; `None` after each second of silence, so that whoever has a clock to look at can."""
        try:
            for piece in self.lines.pieces(self._read):
                self.unreadable = self.lines.unreadable
                yield piece
        except DataError as error:
            if not self._stop.requested:
                raise DataError(f"standard input: {error}") from error

    def _read(self) -> bytes | None:
        descriptor = sys.stdin.fileno()
        if not self._stop.wait(descriptor, TICK):
            return b"" if self._stop.requested else None
        data = os.read(descriptor, BLOCK)
        self.done += len(data)
        return data
