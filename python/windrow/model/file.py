"""A model's file: read, written whole or not at all, sealed with a version and a checksum.

Owns the bytes on the disk. What is in them and whether it can be meant is checked by the engine.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import windrow as wr
from windrow.errors import ConfigError, ModelError
from windrow.state.whole_file import write_whole

__all__ = ["described", "load", "report", "save", "sealed"]

FORMAT, VERSION = "windrow-model", 1


def sealed(model: Mapping[str, Any]) -> wr.Model:
    """Put version and checksum around what a model is."""
    text = json.dumps(model, ensure_ascii=False, allow_nan=False)
    crc32 = f"{zlib.crc32(text.encode()):08x}"
    return wr.Model.from_json(
        f'{{"format": "{FORMAT}", "version": {VERSION}, "crc32": "{crc32}", "model": {text}}}'
    )


def described(model: wr.Model) -> dict[str, Any]:
    """Give what is in a model's file."""
    found: dict[str, Any] = json.loads(model.to_json())["model"]
    return found


def report(model: wr.Model) -> dict[str, Any]:
    """Give the report that a model carries."""
    found: dict[str, Any] = described(model)["report"]
    return found


def load(path: str | os.PathLike[str]) -> wr.Model:
    """Read a model: a file, or the current version of a type's folder in a registry."""
    file = _path(path)
    if file.is_dir():
        from windrow.model.registry import current

        return current(file)
    if file.suffix == ".onnx":
        raise ConfigError(
            f"`{file}` is an ONNX file, which doesn't say what its columns are: name them in a pipeline ([detect] "
            "`model`, `inputs` and `measures`), or use `windrow.model.onnx.OnnxModel`"
        )
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"the model `{file}` can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"`{file}`: this is no model file: it is no text") from error
    try:
        return wr.Model.from_json(text)
    except ModelError as error:
        raise ModelError(f"`{file}`: {error}") from error


def save(model: wr.Model, path: str | os.PathLike[str]) -> None:
    """Write a model beside its place and move it there."""
    file = _path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, model.to_json().encode())
    except OSError as error:
        raise ConfigError(f"the model `{file}` can't be written: {error.strerror}") from error


def _path(path: Any) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"`path` must be a file's name, got {path!r}")
    return Path(path)
