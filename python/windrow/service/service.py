"""What makes a run a service: words to systemd, figures for those who look, and a reload when asked.

Owns SIGHUP while a service runs, and when figures are taken. The pipeline calls `tick` between pieces; nothing here may
take long.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from windrow.config.sections import ServiceSection
from windrow.errors import ConfigError
from windrow.service import logs
from windrow.service.health import Health
from windrow.service.notify import Notifier

if TYPE_CHECKING:
    from windrow.run import Run

__all__ = ["Service"]

log = logging.getLogger(__name__)

#: Between looks; a look costs a few statements to the spool.
LOOK_SECONDS = 1.0
#: Between health files and words to systemd.
WRITE_SECONDS = 10.0


class Service:
    """One service, over reloads of its config."""

    def __init__(self, section: ServiceSection) -> None:
        self.section = section
        self.health = Health()
        #: Whether the config is to be read anew.
        self.reload_requested = False
        self._notifier = Notifier()
        self._endpoint: Any = None
        self._listening: str | None = None
        self._looked = self._written = 0.0
        self._told = ""
        self._before: Any = None

    def __enter__(self) -> Service:
        self.use(self.section)
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGHUP, self._reload)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
        if self._endpoint is not None:
            self._endpoint.close()

    def use(self, section: ServiceSection) -> None:
        """Speak as a section says, from now on.

        Raises
        ------
        ConfigError
            Its file or its address can't be had; it is as it was.
        """
        if section.health is not None:
            path = Path(section.health)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self.health.write(path)
            except OSError as error:
                raise ConfigError(
                    f"[service] `health` `{path}` can't be written: {error.strerror}"
                ) from error
        if section.listen != self._listening:
            endpoint = None
            if section.listen is not None:
                from windrow.service.metrics import Endpoint

                endpoint = Endpoint(section.listen, self.health)
            if self._endpoint is not None:
                self._endpoint.close()
            self._endpoint, self._listening = endpoint, section.listen
        logs.set_up(section.log, section.level)
        self.section = section

    def ready(self) -> None:
        """Say that all is open."""
        self._notifier.ready()
        log.info("ready")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._notifier.stopping()

    def reloading(self) -> None:
        """Say that the config is read anew."""
        self.reload_requested = False
        self._notifier.reloading()

    def tick(self, run: Run) -> None:
        """Do what is due."""
        self._notifier.alive()
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        figures = self.health.look(run)
        if now - self._written < WRITE_SECONDS and figures["status"] == self._told:
            return
        self._written, self._told = now, figures["status"]
        rows = figures["rows"]
        self._notifier.status(
            f"{figures['status']}: {rows['read']:,} rows, {figures['windows']:,} windows fired, "
            f"{figures['open_windows']} open"
        )
        if self.section.health is not None:
            # A full disk is a fault of its own, told elsewhere.
            with contextlib.suppress(OSError):
                self.health.write(Path(self.section.health))

    def _reload(self, number: int, frame: FrameType | None) -> None:
        self.reload_requested = True
