"""A file of JSON lines."""

from __future__ import annotations

import os
from pathlib import Path

from windrow.config import FileSink
from windrow.errors import ConfigError
from windrow.sinks.lines import JsonLines

__all__ = ["File"]

BLOCK = 1 << 16


class File(JsonLines):
    """Lines in a file, started anew or added to; its folders are made."""

    def __init__(self, sink: FileSink) -> None:
        path = Path(sink.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if sink.append:
                _cut(path)
            self._opened = path.open("a" if sink.append else "w", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"[[sink]] `{path}` can't be written: {error.strerror}") from error
        super().__init__(sink.what, self._opened)

    def close(self) -> None:
        """Close the file."""
        self._opened.close()


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
