"""Secrets by name: from the environment or from a file, never from the config itself."""

from __future__ import annotations

import os
from pathlib import Path

from windrow.errors import ConfigError

__all__ = ["secret"]


def secret(what: str, variable: str | None, file: str | None) -> str | None:
    """Read a secret from where it is said to be; nothing where nothing is said.

    Raises
    ------
    ConfigError
        It isn't there, or can't be read.
    """
    if variable is not None:
        try:
            return os.environ[variable]
        except KeyError:
            raise ConfigError(f"{what}: the environment variable `{variable}` is not set") from None
    if file is None:
        return None
    try:
        return Path(file).read_text("utf-8").strip("\r\n")
    except OSError as error:
        raise ConfigError(f"{what}: `{file}` can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{what}: `{file}` must be UTF-8 text") from None
