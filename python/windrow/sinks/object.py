"""Results as files or objects by event time: one for each window and partition, whole or not at all.

Owns what goes into an object and how it is put: a local file is written beside its place and moved there, an object of
a store (through fsspec, extra `aws` for S3) is one put. JSON lines, or Parquet where the path ends in `.parquet` (extra
`arrow`). What is sent again becomes the same object; what comes later for the same window becomes one beside it.
"""

from __future__ import annotations

import datetime as dt
import io
import time as clock
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from windrow.config.sections import ObjectSink
from windrow.errors import ConfigError, WindrowError
from windrow.object_path import ObjectPath, random_string
from windrow.sinks.spooled import RefusedError, UnreachableError
from windrow.state.spool import Message
from windrow.state.whole_file import sweep, write_whole

__all__ = ["Object"]

#: Folders that are remembered as swept.
MOST_FOLDERS = 1_000
Row = tuple[Message, Mapping[str, Any]]


class Object:
    """Groups results by window and partition, and puts each group."""

    #: Results looked at together; a window and partition with more becomes several objects.
    batch = 10_000

    def __init__(self, sink: ObjectSink, time: str) -> None:
        self._path = ObjectPath(sink.path)
        self._time = time
        self._parquet = sink.path.endswith((".parquet", ".pq"))
        if self._parquet:
            _need("pyarrow", "arrow", "Parquet objects")
        self._store: Any = None
        self._begun = clock.time()
        #: Folders that hold no halves of files any more; the newest.
        self._swept: dict[Path, None] = {}
        if "://" in sink.path:
            fsspec = _need("fsspec", "aws", "objects of a store")
            kind = sink.path.partition("://")[0]
            options = {"client_kwargs": {"endpoint_url": sink.endpoint}} if sink.endpoint else {}
            try:
                self._store = fsspec.filesystem(kind, **options)
            except (ValueError, ImportError) as error:
                raise ConfigError(f"[[sink]] `path` {sink.path!r}: {error}") from error

    def send(self, messages: Sequence[Row]) -> int:
        """Put the first window's objects."""
        first = self._when(messages[0][1])
        count = next((at for at, one in enumerate(messages) if self._when(one[1]) != first), len(messages))
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for one in messages[:count]:
            key = tuple(one[1].get(name) for name in self._path.partitions)
            groups.setdefault(key, []).append(one)
        for group in groups.values():
            self._put(first, group)
        return count

    def close(self) -> None:
        """Nothing is held."""

    def _when(self, row: Mapping[str, Any]) -> dt.datetime:
        try:
            return dt.datetime.fromisoformat(row[self._time])
        except (KeyError, TypeError, ValueError) as error:
            raise RefusedError(f"it has no time `{self._time}`") from error

    def _put(self, time: dt.datetime, group: Sequence[Row]) -> None:
        names = [message.id for message, _ in group]
        try:
            path = self._path.fill(time, group[0][1], names)
        except ConfigError as error:
            raise RefusedError(str(error)) from error
        data = self._bytes(group)
        try:
            if not self._path.unique and self._read(path) not in (None, data):
                # The window's first rows are there: these are others of it, which came later.
                stem, dot, ending = path.rpartition(".")
                path = (
                    f"{stem}-{random_string(names)}{dot}{ending}" if dot else f"{path}-{random_string(names)}"
                )
            self._write(path, data)
        except OSError as error:
            raise UnreachableError(f"`{path}` can't be written: {error.strerror or error}") from error
        except Exception as error:
            # Whatever a store's library throws: keys that don't fit, a network that isn't there.
            raise UnreachableError(f"`{path}` can't be written: {error}") from error

    def _bytes(self, group: Sequence[Row]) -> bytes:
        if not self._parquet:
            return "".join(message.body + "\n" for message, _ in group).encode()
        import pyarrow as pa
        import pyarrow.parquet as pq

        times = {"window_start", "window_end", "time", "start", "end", "peak_time"}
        columns = {}
        for name in dict.fromkeys(name for _, row in group for name in row):
            values = [row.get(name) for _, row in group]
            if name in times:
                read = [None if one is None else dt.datetime.fromisoformat(one) for one in values]
                columns[name] = pa.array(read, pa.timestamp("ns", "UTC"))
            else:
                columns[name] = pa.array(values)
        out = io.BytesIO()
        pq.write_table(pa.table(columns), out)
        return out.getvalue()

    # ---- where it goes

    def _read(self, path: str) -> bytes | None:
        try:
            if self._store is not None:
                found: bytes = self._store.cat_file(path)
                return found
            return Path(path).read_bytes()
        except FileNotFoundError:
            return None

    def _write(self, path: str, data: bytes) -> None:
        if self._store is not None:
            self._store.pipe_file(path, data)
            return
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.parent not in self._swept:
            # What a kill cut short is sent again first, and so its folder is come by again.
            sweep(file.parent, file.suffix, self._begun)
            self._swept[file.parent] = None
            while len(self._swept) > MOST_FOLDERS:
                self._swept.pop(next(iter(self._swept)))
        write_whole(file, data)


def _need(module: str, extra: str, what: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise WindrowError(f"{what} need {module}: pip install 'windrow[{extra}]'") from error
