"""Words to systemd: ready, alive, reloading, stopping. Without systemd they go nowhere."""

from __future__ import annotations

import os
import socket
import time

__all__ = ["Notifier"]

#: Who doesn't take a word within this time doesn't get it: a listener that hangs must not hang us.
PATIENCE_SECONDS = 0.2


class Notifier:
    """Speaks to the socket that the environment names (`NOTIFY_SOCKET`), and feeds the watchdog in time."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        # A leading @ is an abstract socket.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        limit = os.environ.get("WATCHDOG_USEC", "")
        #: Seconds between words to the watchdog; none where there is no watchdog.
        self.every = int(limit) / 1e6 / 3 if mine and limit.isdecimal() and int(limit) else None
        self._fed = 0.0

    def ready(self) -> None:
        """Say that the service runs, also after a reload."""
        self._say("READY=1")

    def reloading(self) -> None:
        """Say that the config is read anew."""
        self._say(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._say("STOPPING=1")

    def status(self, text: str) -> None:
        """Say how it goes, in one line."""
        self._say(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog, if it is time."""
        now = time.monotonic()
        if self.every is not None and now - self._fed >= self.every:
            self._fed = now
            self._say("WATCHDOG=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(PATIENCE_SECONDS)
                out.sendto(text.encode(), self._address)
        except OSError:
            # Nobody listens, or not now; that is no reason to fail.
            return
