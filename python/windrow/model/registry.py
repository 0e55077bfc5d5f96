"""A folder of models: versions that never change, and one of them current for each type of machine.

Owns the folder's layout, `TYPE/0001.json` and `TYPE/current`, and the order of writing: a version is written whole
before anything points to it, and pointing is one move of a file.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import windrow as wr
from windrow.config.problem import near
from windrow.errors import ConfigError
from windrow.model.file import described
from windrow.state.whole_file import write_whole

__all__ = ["Registry", "current"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def current(folder: Path) -> wr.Model:
    """Read the current version from the folder of a type of machine."""
    registry = Registry(folder.parent)
    if folder.name in registry.types():
        return registry.load(folder.name)
    types = Registry(folder).types()
    if types:
        raise ConfigError(
            f"`{folder}` holds models of several types: name one, as in `{folder / types[0]}` (it has "
            f"{', '.join(types)})"
        )
    raise ConfigError(f"`{folder}` is a folder without models")


class Registry:
    """Models by type of machine.

    Parameters
    ----------
    path : path
        The folder; made when the first model is added.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def types(self) -> list[str]:
        """List the types of machines."""
        if not self.path.is_dir():
            return []
        return sorted(one.name for one in self.path.iterdir() if one.is_dir() and self._versions(one))

    def versions(self, kind: str) -> list[int]:
        """List a type's versions, oldest first."""
        return self._versions(self.path / self._known(kind))

    def current(self, kind: str) -> int | None:
        """Tell which version is at work, if any."""
        try:
            text = (self.path / self._known(kind) / "current").read_text("ascii").split()
        except FileNotFoundError:
            return None
        return int(text[-1]) if text and text[-1].isdigit() else None

    def load(self, kind: str, version: int | None = None) -> wr.Model:
        """Read a version, or the current one."""
        if version is None:
            version = self.current(kind)
            if version is None:
                raise ConfigError(f"no version of {kind!r} is current: promote one")
        return wr.Model.load(self._file(kind, version))

    def add(self, kind: str, model: wr.Model) -> int:
        """Keep a model as the newest version, which is not current yet."""
        if not _NAME.fullmatch(kind):
            raise ConfigError(f"a type of machine must be letters, digits, '.', '_' and '-', got {kind!r}")
        folder = self.path / kind
        folder.mkdir(parents=True, exist_ok=True)
        version = max(self._versions(folder), default=0) + 1
        while True:
            place = folder / f"{version:04}.json"
            try:
                # Nobody else can take a number that is there already, even if empty.
                place.touch(exist_ok=False)
            except FileExistsError:
                version += 1
                continue
            model.save(place)
            return version

    def promote(self, kind: str, version: int) -> None:
        """Make a version the current one."""
        self._file(kind, version)
        self._point(kind, [*self._trail(kind), version])

    def rollback(self, kind: str) -> int:
        """Go back to the version that was current before; its number."""
        trail = self._trail(kind)
        if len(trail) < 2:
            raise ConfigError(f"no version of {kind!r} was current before")
        self._point(kind, trail[:-1])
        return trail[-2]

    def rows(self) -> list[dict[str, Any]]:
        """Say of each version what it is."""
        found = []
        for kind in self.types():
            current = self.current(kind)
            for version in self.versions(kind):
                model = self.load(kind, version)
                what = described(model)
                found.append(
                    {
                        "type": kind,
                        "version": version,
                        "current": version == current,
                        "target": model.target,
                        "rmse": model.rmse,
                        "method": what["report"].get("method"),
                        "rows": what["data"].get("rows"),
                        "to": what["data"].get("to"),
                    }
                )
        return found

    def _trail(self, kind: str) -> list[int]:
        try:
            return [
                int(word) for word in (self.path / self._known(kind) / "current").read_text("ascii").split()
            ]
        except FileNotFoundError:
            return []

    def _point(self, kind: str, trail: list[int]) -> None:
        newest = " ".join(map(str, trail[-100:])) + "\n"
        write_whole(self.path / kind / "current", newest.encode())

    def _known(self, kind: str) -> str:
        if kind not in self.types():
            known = self.types()
            raise ConfigError(
                f"there is no model of {kind!r}{near(kind, known, quoted=True)} in `{self.path}`: it has "
                f"{', '.join(known) or 'none'}"
            )
        return kind

    def _file(self, kind: str, version: int) -> Path:
        if version not in self.versions(kind):
            known = ", ".join(map(str, self.versions(kind)))
            raise ConfigError(f"there is no version {version} of {kind!r}: it has {known}")
        return self.path / kind / f"{version:04}.json"

    @staticmethod
    def _versions(folder: Path) -> list[int]:
        return sorted(
            int(one.stem) for one in folder.glob("*.json") if one.stem.isdigit() and one.stat().st_size
        )
