"""Files: CSV, JSON lines and Parquet by their ending, each also gzipped, read once and never whole.

What is gzipped is told by its first bytes, as on standard input.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from windrow.config.sections import MESSAGES, FileSource, Unit
from windrow.errors import ConfigError, DataError
from windrow.object_path import find
from windrow.sources.blocks import BLOCK
from windrow.sources.first_bytes import GZIP, unpacked
from windrow.sources.lines import Lines, decoder
from windrow.sources.piece import Needs
from windrow.sources.table import Tables
from windrow.stopping import Stop

__all__ = ["File", "form_of"]

#: A file's format by how its name ends.
_ENDINGS = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


class File:
    """One file, or several one after the other."""

    live = False

    def __init__(self, source: FileSource, needs: Needs, stop: Stop) -> None:
        names = [source.path] if isinstance(source.path, str) else list(source.path or ())
        self.paths = [path for name in names for path in (find(name) if "{{" in name else [Path(name)])]
        if not self.paths:
            raise ConfigError(f"there is no file `{', '.join(names)}`")
        for path in self.paths:
            if not path.is_file():
                raise ConfigError(
                    f"there is no file `{path}`" if not path.exists() else f"`{path}` is no file"
                )
        self.forms = [form_of(path, source) for path in self.paths]
        self.source, self.needs, self.stop = source, needs, stop
        self.decoder = decoder(source)
        self.time_unit: Unit = source.time_unit or "ns"
        self.total: int | None = sum(path.stat().st_size for path in self.paths)
        self.done = 0
        self.unreadable = 0

    def __iter__(self) -> Iterator[Any]:
        """Pieces of all files."""
        before = 0
        for path, form in zip(self.paths, self.forms, strict=True):
            with path.open("rb") as raw:
                try:
                    for piece in self._parquet(raw) if form == "parquet" else self._lines(raw, form):
                        if self.stop.requested:
                            return
                        self.done = before + raw.tell()
                        yield piece
                except DataError as error:
                    raise DataError(f"`{path}`: {error}") from error
            before += path.stat().st_size
            self.done = before

    def _lines(self, opened: IO[bytes], form: str) -> Iterator[Any]:
        lines = Lines(self.source, self.needs, form, "CSV" if form == "csv" else "rows")
        before = self.unreadable
        for piece in lines.pieces(lambda: opened.read(BLOCK)):
            self.unreadable = before + lines.unreadable
            yield piece

    def _parquet(self, opened: IO[bytes]) -> Iterator[Any]:
        tables = Tables(self.source, self.needs, "Parquet")
        before = self.unreadable
        zipped = opened.read(len(GZIP)) == GZIP
        opened.seek(0)
        with tempfile.TemporaryFile() if zipped else contextlib.nullcontext(opened) as whole:
            if zipped:
                # Parquet is read from its end, gzip from its start.
                whole.writelines(filter(None, iter(unpacked(lambda: opened.read(BLOCK)), b"")))
            try:
                for piece in tables.parquet(whole):
                    self.unreadable = before + tables.unreadable
                    yield piece
            except tables.pa.ArrowInvalid as error:
                raise DataError(f"this is no Parquet file: {error}") from error


def form_of(path: Path, source: FileSource) -> str:
    """Tell a file's format: as the config says, else by its ending."""
    if source.format is not None or source.decoder in MESSAGES:
        return source.format or "jsonl"
    zipped = path.suffix.lower() == ".gz"
    ending = (path.with_suffix("") if zipped else path).suffix.lower()
    if ending not in _ENDINGS:
        raise ConfigError(
            f"the format of `{path}` can't be told by its ending: use .csv, .jsonl, .ndjson, .json or .parquet "
            "(each also .gz), or set `format` in [source]"
        )
    return _ENDINGS[ending]
