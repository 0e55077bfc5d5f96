"""A program that is run with each result on its standard input.

Owns the process: no shell, no inherited input or output, an end after its time. What it does is its own affair.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from windrow.config.option import nanoseconds
from windrow.config.sections import CommandSink
from windrow.errors import ConfigError
from windrow.sinks.spooled import RefusedError, UnreachableError
from windrow.state.spool import Message

__all__ = ["Command"]


class Command:
    """Runs the program once for each result; 0 says that it is done."""

    def __init__(self, sink: CommandSink) -> None:
        program = shutil.which(sink.command[0])
        if program is None:
            raise ConfigError(
                f"[[sink]] `command` must be a program that can be run, got `{sink.command[0]}`"
            )
        self._command = [program, *sink.command[1:]]
        self._seconds, self._tries = nanoseconds(sink.timeout) / 1e9, sink.tries
        self._failed = ("", 0)
        self._closing = False

    def send(self, messages: Sequence[tuple[Message, Mapping[str, Any]]]) -> int:
        """Run it for the first result."""
        message, _ = messages[0]
        if self._closing:
            return 0
        try:
            done = subprocess.run(
                self._command,
                input=message.body.encode() + b"\n",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self._seconds,
                check=False,
                close_fds=True,
            )
        except subprocess.TimeoutExpired:
            reason = f"it took longer than {self._seconds:g} s"
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            if done.returncode == 0:
                return 1
            said = done.stderr[-200:].decode("utf-8", "replace").strip()
            reason = f"it ended with {done.returncode}" + (f": {said}" if said else "")
        tries = self._failed[1] + 1 if self._failed[0] == message.id else 1
        self._failed = (message.id, tries)
        text = f"`{self._command[0]}`: {reason}"
        if tries >= self._tries:
            raise RefusedError(text)
        raise UnreachableError(text)

    def close(self) -> None:
        """Run it no more."""
        self._closing = True
