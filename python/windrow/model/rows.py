"""A file of measurements as one table: CSV, JSON lines or Parquet, each also gzipped, with all its columns or some.

Owns which columns there are, and that the time column is called `time` from here on, as in a pipeline. Reading itself
is the sources' business.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from windrow.config.sections import FileSource
from windrow.errors import ConfigError, DataError
from windrow.model.training_data import need
from windrow.sources.blocks import BLOCK
from windrow.sources.file import File, form_of
from windrow.sources.first_bytes import unpacked
from windrow.sources.piece import Needs
from windrow.stopping import Stop

__all__ = ["columns_of", "read", "time_of"]

#: What a time column may be called where nobody says.
TIMES = ("time", "timestamp", "datetime", "date", "date_time", "ts")
#: Lines of JSON whose fields are looked at.
MOST_LINES = 1000


def columns_of(path: Path) -> list[str]:
    """List the columns of a file."""
    if not path.is_file():
        raise ConfigError(f"there is no file `{path}`" if not path.exists() else f"`{path}` is no file")
    kind = form_of(path, FileSource(kind="file"))
    if kind == "parquet":
        schema = need("pyarrow.parquet", "train").read_schema(path)
        return list(schema.names)
    with path.open("rb") as raw:
        blocks: Iterable[bytes | None] = iter(unpacked(lambda: raw.read(BLOCK)), b"")
        text = next((block for block in blocks if block), b"").decode("utf-8-sig", "replace")
    lines = itertools.islice(io.StringIO(text), MOST_LINES)
    if kind == "csv":
        return next(csv.reader(lines), [])
    names: dict[str, None] = {}
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        names |= dict.fromkeys(row if isinstance(row, dict) else ())
    return list(names)


def time_of(columns: list[str], named: str | None) -> str:
    """Find the time column."""
    if named is not None:
        return named
    found = next((name for word in TIMES for name in columns if name.lower() == word), None)
    if found is None:
        raise ConfigError(f"there is no time column among {', '.join(columns) or 'none'}: name it by --time")
    return found


def read(
    path: Path,
    columns: Iterable[str],
    *,
    time: str,
    numbers: Iterable[str] = (),
    time_format: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> tuple[Any, int]:
    """Read these columns and the time; the table, and how many values or lines could not be read."""
    pa = need("pyarrow", "train")
    wanted = tuple(name for name in dict.fromkeys(columns) if name != time)
    source = FileSource(kind="file", path=str(path), time=time, time_format=time_format)
    with Stop() as stop:
        file = File(source, Needs(wanted, messages=False, numbers=frozenset(numbers)), stop)
        pieces = []
        for piece in file:
            if piece is not None:
                pieces.append(piece)
            if progress is not None:
                progress(file.done, file.total)
        if stop.requested:
            raise KeyboardInterrupt
    if not pieces:
        raise DataError(f"`{path}` must have rows, got none")
    return pa.concat_tables(pieces, promote_options="permissive"), file.unreadable
