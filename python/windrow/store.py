"""The engine's state between runs: one snapshot a stage in a folder.

Owns the files and their names. A snapshot is written beside its place and moved there, so a cut of power leaves the
old one. What is inside is the engine's business; whether it fits the settings of today is checked here.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, TypeVar

import windrow as wr
from windrow.errors import ConfigError, SnapshotError

__all__ = ["Store", "inspect"]


class Stage(Protocol):
    """Anything with a state."""

    def snapshot(self) -> bytes:
        """Give the state as bytes."""
        ...


S = TypeVar("S", bound=Stage)


class Store:
    """A folder of snapshots."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def resume(self, name: str, fresh: S) -> S:
        """Give the stage as it was left, or the fresh one where nothing was.

        Raises
        ------
        ConfigError
            The state was made with other settings.
        SnapshotError
            The file is damaged, or from a newer version.
        """
        file = self._file(name)
        if not file.exists():
            return fresh
        try:
            stage: S = type(fresh).restore(file.read_bytes())  # type: ignore[attr-defined]
        except SnapshotError as error:
            raise SnapshotError(f"`{file}`: {error}") from error
        if repr(stage) != repr(fresh):
            raise ConfigError(
                f"`{file}` was made with other settings, {stage!r}, than these, {fresh!r}: take them back, or move the "
                "file away to start anew"
            )
        return stage

    def keep(self, name: str, stage: Stage) -> None:
        """Write a stage's state, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = self._file(name)
        beside = file.with_suffix(".new")
        with beside.open("wb") as out:
            out.write(stage.snapshot())
            out.flush()
            os.fsync(out.fileno())
        beside.replace(file)

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.windrow"


def inspect(path: str | Path) -> dict[str, str | int]:
    """Say what a snapshot holds: its kind, format, size and the parameters that it was made with.

    Raises
    ------
    ConfigError
        There is no such file.
    SnapshotError
        It is no snapshot, is damaged, or comes from a newer version.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"`{path}` can't be read: {error.strerror}") from error
    for kind in ("TumblingWindows", "ResidualScorer", "Alarm", "Detector"):
        # The engine reads the envelope and checks it; only the class that wrote it takes it.
        try:
            stage = getattr(wr, kind).restore(data)
        except SnapshotError as error:
            if str(error).startswith("expected a snapshot of a"):
                continue
            raise SnapshotError(f"`{path}`: {error}") from error
        return {
            "kind": kind,
            "format": int.from_bytes(data[5:7], "little"),
            "bytes": len(data),
            "made": repr(stage),
        }
    raise SnapshotError(f"`{path}` holds a state that this version has no class for")
