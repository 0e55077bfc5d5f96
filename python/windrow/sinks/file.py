"""A file of JSON lines."""

from __future__ import annotations

from pathlib import Path

from windrow.config import FileSink
from windrow.errors import ConfigError
from windrow.sinks.lines import JsonLines

__all__ = ["File"]


class File(JsonLines):
    """Lines in a file, started anew or added to; its folders are made."""

    def __init__(self, sink: FileSink) -> None:
        path = Path(sink.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._opened = path.open("a" if sink.append else "w", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"[[sink]] `{path}` can't be written: {error.strerror}") from error
        super().__init__(sink.what, self._opened)

    def close(self) -> None:
        """Close the file."""
        self._opened.close()
