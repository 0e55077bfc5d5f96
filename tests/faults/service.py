"""`windrow run` as a process of its own, the way systemd runs it: with a socket for its words."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from faults import PATIENCE


class Service:
    """A running service; its lines on standard error are in `log.txt`."""

    def __init__(
        self, folder: Path, config: str, *, watchdog: float | None = None, ready: bool = True
    ) -> None:
        self.folder = folder
        self.config = folder / "service.toml"
        self.config.write_text(config, "utf-8")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A path of a socket is short; a test's folder may not be.
        self.address = f"\0windrow-test-{os.getpid()}-{time.monotonic_ns()}"
        self.socket.bind(self.address)
        self.words: list[str] = []
        environment = os.environ | {"NOTIFY_SOCKET": "@" + self.address[1:]}
        if watchdog is not None:
            environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        self.log = folder / "log.txt"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "windrow.cli", "run", str(self.config)],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=out, env=environment,
            )  # fmt: skip
        if ready:
            self.hear("READY=1")

    def hear(self, word: str, seconds: float = 30.0) -> str:
        """Wait for a word to systemd."""
        until = time.monotonic() + seconds * PATIENCE
        while time.monotonic() < until:
            self.socket.settimeout(max(0.01, until - time.monotonic()))
            try:
                said = self.socket.recv(4096).decode()
            except TimeoutError:
                break
            self.words.append(said)
            if word in said:
                return said
        raise AssertionError(f"{word} was not said, only {self.words}: {self.lines()}")

    def lines(self) -> list[str]:
        return self.log.read_text("utf-8").splitlines()

    def says(self, words: str, seconds: float = 20.0) -> str:
        """Wait for a line of the log."""
        until = time.monotonic() + seconds * PATIENCE
        while time.monotonic() < until:
            for line in self.lines():
                if words in line:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"{words!r} was not logged: {self.lines()}")

    def reload(self, config: str) -> None:
        self.config.write_text(config, "utf-8")
        self.process.send_signal(signal.SIGHUP)
        self.hear("RELOADING=1")
        self.hear("READY=1")

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Ask for the end; how long it took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(30 * PATIENCE)
        assert code == 0, self.lines()
        return time.monotonic() - begin

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        assert self.process.stdin
        self.process.stdin.close()
        self.socket.close()
