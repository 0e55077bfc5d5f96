"""Results as JSON lines, wherever the bytes go."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Mapping
from typing import IO, Any, Protocol

__all__ = ["JsonLines", "Sink", "line"]


class Sink(Protocol):
    """Takes results of one kind."""

    #: events, groups, anomalies or windows.
    what: str

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take rows; they have left this process's hands when this returns."""
        ...

    def force(self) -> None:
        """See to it that what was taken outlasts a power cut."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


class JsonLines:
    """Writes rows to an open text file."""

    def __init__(self, what: str, file: IO[str]) -> None:
        self.what = what
        self._file = file

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write one line a row, at once."""
        text = "".join(line(row) + "\n" for row in rows)
        if text:
            self._file.write(text)
            self._file.flush()

    def force(self) -> None:
        """Nothing to force: each batch was flushed, and a pipe has no disk."""

    def close(self) -> None:
        """Nothing to release: the file is its opener's."""


def line(row: Mapping[str, Any]) -> str:
    """One row as JSON: times in ISO 8601 with `Z`, what is no number as null.

    Examples
    --------
    >>> import datetime as dt
    >>> line({"time": dt.datetime(2026, 1, 5, tzinfo=dt.timezone.utc), "score": float("nan"), "n": 3})
    '{"time":"2026-01-05T00:00:00Z","score":null,"n":3}'
    """
    return json.dumps(
        {name: _plain(value) for name, value in row.items()}, separators=(",", ":"), ensure_ascii=False
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
