"""A file that is written whole or not at all: beside its place first, then moved there.

Owns the order of steps. After a power cut the old file or the new one is there, never a part.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["sweep", "write_whole"]


def write_whole(file: Path, data: bytes, *, lasting: bool = True) -> None:
    """Put data in a file's place; `lasting` forces it to the disk before it is moved.

    Raises
    ------
    OSError
        It can't be written; what was there still is, and nothing is left beside it.
    """
    beside = file.with_name(f".{file.name}.new")
    try:
        with beside.open("wb") as out:
            out.write(data)
            if lasting:
                out.flush()
                os.fsync(out.fileno())
        beside.replace(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def sweep(folder: Path, ending: str, before: float) -> None:
    """Remove what a kill left beside files with this ending; nothing that was written since `before`, by whomever."""
    for left in folder.glob(f".*{ending}.new"):
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < before:
                left.unlink()
