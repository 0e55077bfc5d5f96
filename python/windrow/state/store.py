"""The engine's state between runs: checkpoints in a folder, the two newest.

Owns the files and their names. A checkpoint is one small file that names a snapshot a stage and says how far the
source was read; a stage that hasn't changed keeps its snapshot. Each file is packed, written beside its place, forced
out and moved there, so a cut of power leaves the older checkpoint. What is inside a snapshot is the engine's business;
whether it fits the settings of today is checked here.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import windrow as wr
from windrow.errors import ConfigError, SnapshotError
from windrow.state.whole_file import write_whole

__all__ = ["Store", "inspect"]

#: Checkpoints that are kept.
GENERATIONS = 2
#: Files that this folder's owner may remove.
_OURS = re.compile(r"\.?(checkpoint\.\d+\.json|[a-z]+\.\d+\.windrow\.gz)(\.new)?")


class Stage(Protocol):
    """Anything with a state."""

    def snapshot(self) -> bytes:
        """Give the state as bytes."""
        ...


S = TypeVar("S", bound=Stage)


class Store:
    """A folder of checkpoints.

    Parameters
    ----------
    path : path
        The folder.
    alone : bool
        Whether nobody is there to look: where no checkpoint can be read, all are kept aside and it begins anew.

    Attributes
    ----------
    generation : int
        The number of the newest checkpoint; 0 where there is none.
    position : mapping or None
        How far the source was read when that was made.
    damaged : list of str
        What was wrong with newer checkpoints that had to be passed over; their files are kept aside.
    written : int
        Bytes written by this object.
    """

    def __init__(self, path: str | Path, *, alone: bool = False) -> None:
        self.path = Path(path)
        self.generation = 0
        self.position: Mapping[str, Any] | None = None
        self.damaged: list[str] = []
        self.written = 0
        self._stages: dict[str, dict[str, Any]] = {}
        self._kept: list[int] = []
        self._lock: IO[str] | None = None
        self._find(alone)

    def claim(self) -> None:
        """Keep others from using the folder at the same time.

        Raises
        ------
        ConfigError
            Somebody does already, or it can't be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("w")
        except OSError as error:
            raise ConfigError(f"[state] `path` `{self.path}` can't be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise ConfigError(f"[state] `path` `{self.path}` is in use by another process") from None

    def close(self) -> None:
        """Let others use the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def resume(
        self,
        name: str,
        fresh: S,
        settle: Callable[[S], None] = lambda stage: None,
        anew: Callable[[S, S], bool] | None = None,
    ) -> S:
        """Give the stage as it was left, or the fresh one where nothing was.

        `settle` sets in the restored stage what may change between runs; where `anew` says so of it and the fresh one,
        the fresh one takes its place.

        Raises
        ------
        ConfigError
            The state was made with other settings.
        SnapshotError
            The file is damaged, or from a newer version.
        """
        if name not in self._stages:
            return fresh
        file = self.path / self._stages[name]["file"]
        try:
            stage: S = type(fresh).restore(_unpacked(file.read_bytes()))  # type: ignore[attr-defined]
        except SnapshotError as error:
            raise SnapshotError(f"`{file}`: {error}") from error
        settle(stage)
        if anew is not None and anew(stage, fresh):
            return fresh
        if repr(stage) != repr(fresh):
            raise ConfigError(
                f"`{file}` was made with other settings, {stage!r}, than these, {fresh!r}: take them back, or move "
                f"`{self.path}` away to start anew"
            )
        return stage

    def keep(self, stages: Mapping[str, Stage], position: Mapping[str, Any] | None = None) -> int:
        """Make a checkpoint, whole or not at all; its number.

        Parameters
        ----------
        stages : mapping
            The stages that changed since the last checkpoint; the others are as they were.
        position : mapping, optional
            How far the source was read.

        Raises
        ------
        OSError
            It can't be written; the last one stands.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        number = self.generation + 1
        named = dict(self._stages)
        for name, stage in stages.items():
            # Flash wears by what is written to it; the same state gives the same bytes.
            data = gzip.compress(stage.snapshot(), 1, mtime=0)
            file = f"{name}.{number}.windrow.gz"
            self._write(file, data)
            named[name] = {"file": file, "sha256": hashlib.sha256(data).hexdigest()}
        checkpoint = {"format": 1, "generation": number, "stages": named, "position": position}
        self._write(_name(number), _sealed(checkpoint))
        self._force_folder()
        self.generation, self.position, self._stages = number, position, named
        self._kept.append(number)
        self._tidy()
        return number

    # ---- reading

    def _find(self, alone: bool) -> None:
        """Take the newest whole checkpoint; what is newer and damaged is kept aside."""
        numbers = sorted(self._numbers(), reverse=True)
        for number in numbers:
            try:
                checkpoint = self._read(number)
            except (ValueError, KeyError, TypeError, OSError) as error:
                self.damaged.append(f"`{self.path / _name(number)}`: {error}")
                continue
            self.generation, self.position = number, checkpoint["position"]
            self._stages = checkpoint["stages"]
            self._kept = [one for one in reversed(numbers) if one <= number]
            break
        if numbers and not self._kept and not alone:
            raise SnapshotError(
                f"no checkpoint can be read ({'; '.join(self.damaged)}): move `{self.path}` away to start anew"
            )
        for number in numbers:
            if number not in self._kept:
                bad = self.path / _name(number)
                bad.replace(bad.with_suffix(".damaged"))
        if numbers and not self._kept:
            # What waits in the spool was made before, and still counts.
            self.generation = max(numbers)

    def _numbers(self) -> Iterator[int]:
        for file in self.path.glob("checkpoint.*.json"):
            number = file.name.split(".")[1]
            if number.isdecimal():
                yield int(number)

    def _checkpoint(self, number: int) -> dict[str, Any]:
        seal = json.loads((self.path / _name(number)).read_text("utf-8"))
        checkpoint: dict[str, Any] = seal["checkpoint"]
        if _digest(checkpoint) != seal["sha256"]:
            raise ValueError("its checksum doesn't fit")
        return checkpoint

    def _read(self, number: int) -> dict[str, Any]:
        checkpoint = self._checkpoint(number)
        for stage in checkpoint["stages"].values():
            data = (self.path / Path(stage["file"]).name).read_bytes()
            if hashlib.sha256(data).hexdigest() != stage["sha256"]:
                raise ValueError(f"the checksum of `{stage['file']}` doesn't fit")
        return checkpoint

    # ---- writing

    def _write(self, name: str, data: bytes) -> None:
        write_whole(self.path / name, data)
        self.written += len(data)

    def _force_folder(self) -> None:
        """Make the moves last: a folder's entries are forced out by themselves."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _tidy(self) -> None:
        """Remove what neither of the two newest checkpoints names."""
        if len(self._kept) <= GENERATIONS:
            return
        self._kept = self._kept[-GENERATIONS:]
        wanted = {_name(number) for number in self._kept}
        for number in self._kept:
            try:
                wanted |= {stage["file"] for stage in self._checkpoint(number)["stages"].values()}
            except (ValueError, KeyError, TypeError, OSError):
                # The older of the two went bad meanwhile: its snapshots are no use any more.
                continue
        for file in self.path.iterdir():
            if _OURS.fullmatch(file.name) and file.name not in wanted:
                file.unlink(missing_ok=True)


def _name(number: int) -> str:
    return f"checkpoint.{number}.json"


def _sealed(checkpoint: Mapping[str, Any]) -> bytes:
    return json.dumps({"checkpoint": checkpoint, "sha256": _digest(checkpoint)}).encode()


def _digest(checkpoint: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(checkpoint, sort_keys=True).encode()).hexdigest()


def _unpacked(data: bytes) -> bytes:
    """Take a snapshot out of its gzip data, if it is in some."""
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise SnapshotError(f"it is no whole gzip data: {error}") from error


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
        data = _unpacked(Path(path).read_bytes())
    except OSError as error:
        raise ConfigError(f"`{path}` can't be read: {error.strerror}") from error
    except SnapshotError as error:
        raise SnapshotError(f"`{path}`: {error}") from error
    if data.startswith(b"{"):
        # What Python keeps is JSON.
        from windrow.clocks import FORMAT, Clocks

        clocks = Clocks.restore(data)
        return {"kind": "Clocks", "format": FORMAT, "bytes": len(data), "made": repr(clocks)}
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
