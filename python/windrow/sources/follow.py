"""Files that grow: read to their end and on, through rotation and truncation.

Owns how far each file was read, to the line, so that a restart goes on there. A file that was replaced is read to its
end first; one that became shorter is read from its start. A line that doesn't end is left until it does.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from windrow.config.sections import FileSource, Unit
from windrow.sources.blocks import LONGEST
from windrow.sources.file import form_of
from windrow.sources.lines import Lines, decoder
from windrow.sources.piece import Needs
from windrow.stopping import Stop

__all__ = ["Follow"]

#: Read at once: a service has little memory and no hurry.
BLOCK = 1 << 18
#: How often a file that doesn't grow is looked at.
POLL_SECONDS = 0.1
#: What a file is known by, besides its number: its first bytes.
HEAD = 256


class Follow:
    """One growing file, or several in turns; ends when asked to."""

    live = True
    total: int | None = None
    pressing = False

    def __init__(
        self, source: FileSource, needs: Needs, stop: Stop, position: Mapping[str, Any] | None = None
    ) -> None:
        names = [source.path] if isinstance(source.path, str) else list(source.path or ())
        known = (position or {}).get("files", {})
        self._files = [_Growing(Path(name), source, needs, known.get(name)) for name in names]
        self.decoder = decoder(source)
        self.time_unit: Unit = source.time_unit or "ns"
        self._stop = stop

    @property
    def done(self) -> int:
        """Bytes read by this object."""
        return sum(one.read for one in self._files)

    @property
    def unreadable(self) -> int:
        """Lines and values that were none."""
        return sum(one.unreadable for one in self._files)

    def __iter__(self) -> Iterator[Any]:
        """Pieces; `None` where nothing came for a while."""
        while not self._stop.requested:
            idle = True
            for file in self._files:
                for piece in file.pieces():
                    idle = False
                    yield piece
                    if self._stop.requested:
                        return
            if idle:
                self._stop.wait(None, POLL_SECONDS)
                yield None

    def position(self) -> dict[str, Any]:
        """How far each file was read."""
        return {"kind": "file", "files": {str(one.path): one.position for one in self._files}}

    def committed(self) -> None:
        """Nobody waits to hear that it is safe."""

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()


class _Growing:
    """One file by its name, whichever file that is at the time."""

    def __init__(
        self, path: Path, source: FileSource, needs: Needs, position: Mapping[str, Any] | None
    ) -> None:
        self.path = path
        form = form_of(path, source)
        self._csv = form == "csv"
        self._tables = Lines(source, needs, form, "CSV" if self._csv else "rows").tables
        self._file: IO[bytes] | None = None
        self._stream: Iterator[Any] | None = None
        self._offset = 0
        self._skipping = False
        self._long = 0
        self.read = 0
        #: Where the last block that was given ends; nothing before there is one.
        self.position: dict[str, Any] | None = dict(position) if position else None
        if position:
            self._find(position)

    @property
    def unreadable(self) -> int:
        """Lines and values that were none."""
        return self._long + (self._tables.unreadable if self._tables is not None else 0)

    def close(self) -> None:
        """Close it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def pieces(self) -> Iterator[Any]:
        """Give what is there now, whole lines of it."""
        while self._file is not None or self._open():
            if self._stream is None:
                blocks = self._blocks()
                if self._tables is not None:
                    self._stream = self._tables.csv(blocks) if self._csv else self._tables.json(blocks)
                else:
                    self._stream = blocks
            for piece in self._stream:
                if piece is None:
                    return
                yield piece
            # The file was replaced: the new one begins anew, with a header of its own where it has one.
            self._stream = None
            self.close()
            self._offset, self._skipping = 0, False

    def _blocks(self) -> Iterator[bytes | None]:
        """Blocks of one file until it was replaced and read to its end; `None` where there is no more yet."""
        file = self._file
        assert file is not None
        if self._csv and self._offset:
            # Columns are named in the first line only.
            file.seek(0)
            yield file.read(BLOCK).partition(b"\n")[0] + b"\n"
        while True:
            if os.fstat(file.fileno()).st_size < self._offset:
                self._offset, self._skipping = 0, False
                if self._csv:
                    return
            file.seek(self._offset)
            data = file.read(BLOCK)
            before = self._offset
            lines = self._whole(file, data)
            if lines:
                yield lines
            if self._offset > before:
                continue
            if not self._replaced(file):
                yield None
                continue
            if data.strip() and not self._skipping:
                # The last line of a file that was replaced has no more end to wait for.
                self._offset += len(data)
                self._note(file)
                yield data + b"\n"
            return

    def _whole(self, file: IO[bytes], data: bytes) -> bytes:
        """Cut after the last line end; a line that is too long is passed over."""
        end = data.rfind(b"\n") + 1
        lines = data[:end]
        if self._skipping:
            start = data.find(b"\n") + 1
            self._skipping = not start
            lines, end = (lines[start:], end) if start else (b"", len(data))
        elif not end and len(data) == BLOCK:
            # Longer than a block: it ends further on, or is longer than any line may be.
            more = file.read(LONGEST)
            end = more.find(b"\n") + 1
            if end:
                lines, end = data + more[:end], len(data) + end
            elif len(more) == LONGEST:
                self._skipping, end = True, len(data)
                self._long += 1
        first = not self._offset
        self._offset += end
        self.read += end
        if end:
            self._note(file)
        return lines.removeprefix(b"\xef\xbb\xbf") if first else lines

    def _note(self, file: IO[bytes]) -> None:
        status = os.fstat(file.fileno())
        file.seek(0)
        head = file.read(min(HEAD, self._offset))
        self.position = {
            "file": status.st_ino,
            "offset": self._offset,
            "head": [len(head), hashlib.blake2b(head, digest_size=8).hexdigest()],
        }

    # ---- which file

    def _open(self) -> bool:
        try:
            self._file = self.path.open("rb", buffering=0)
        except OSError:
            return False
        return True

    def _replaced(self, file: IO[bytes]) -> bool:
        try:
            now = self.path.stat()
        except OSError:
            return False
        return now.st_ino != os.fstat(file.fileno()).st_ino

    def _find(self, position: Mapping[str, Any]) -> None:
        """Go on where a run before this one ended: in this file, or in one beside it that it became meanwhile."""
        with contextlib.suppress(OSError):
            for candidate in [self.path, *sorted(self.path.parent.glob(f"{self.path.name}*"))]:
                if candidate.is_file() and _is(candidate, position):
                    self._file = candidate.open("rb", buffering=0)
                    self._offset = int(position["offset"])
                    return


def _is(path: Path, position: Mapping[str, Any]) -> bool:
    """Whether this is the file that was read: the same number, long enough, with the same beginning."""
    length, digest = position["head"]
    status = path.stat()
    if status.st_ino != position["file"] or status.st_size < position["offset"]:
        return False
    with path.open("rb") as file:
        return bool(hashlib.blake2b(file.read(length), digest_size=8).hexdigest() == digest)
