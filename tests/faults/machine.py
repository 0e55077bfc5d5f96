"""A machine of the test's own: systemd as the first process of namespaces, with windrow where README installs it.

Needs root and a writable cgroup2 hierarchy. The controllers of memory and tasks may belong to the machine outside: then
`MemoryMax` and `TasksMax` are accepted and not enforced here.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
import windrow

from faults import PATIENCE

SYSTEMD = Path("/usr/lib/systemd/systemd")
UNIT = Path(__file__).parents[2] / "edge_configs" / "windrow.service"


def skip(why: str) -> None:
    pytest.skip(f"SYSTEMD CAN'T BE RUN HERE ({why}): the service was not started by it")


def hierarchy() -> Path:
    """This process's own place among control groups of version 2."""
    mine = Path("/proc/self/cgroup").read_text().split("0::", 1)
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(",") and len(mine) == 2:
            return Path(place) / mine[1].splitlines()[0].lstrip("/")
    skip("no control groups of version 2 that can be written")
    raise AssertionError


class Machine:
    """Runs from `with` to its end; nothing of it is left."""

    def __init__(self, folder: Path) -> None:
        missing = [
            name for name in ("unshare", "nsenter", "systemctl", "journalctl") if not shutil.which(name)
        ]
        if missing or not SYSTEMD.exists():
            skip("systemd is not installed")
        if (
            platform.machine()
            != subprocess.run(["uname", "-m"], capture_output=True, text=True).stdout.strip()
        ):
            skip("this Python is emulated, and systemd would start it without the emulator")
        if os.geteuid() != 0:
            skip("only root may make control groups and mounts")
        self.group = hierarchy() / f"windrow-test-{os.getpid()}"
        try:
            self.group.mkdir()
        except OSError as error:
            skip(f"no control group can be made: {error}")
        root = folder / "root"
        root.mkdir()
        self.log = folder / "machine.txt"
        package = Path(windrow.__file__).parents[1]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    "sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec "$@"', self.group,
                    "unshare", "--pid", "--fork", "--mount", "--cgroup", "--uts", "--ipc", "--net", "--kill-child",
                    "sh", str(Path(__file__).with_name("machine.sh")),
                    root, sys.base_prefix, sysconfig.get_path("purelib"), package,
                ],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip

    def __enter__(self) -> Machine:
        until = time.monotonic() + 30 * PATIENCE
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        while self.process.poll() is None and time.monotonic() < until:
            found = children.read_text().split()
            self.first = int(found[0]) if found else 0
            if self.first and Path(f"/proc/{self.first}/comm").read_text() == "systemd\n":
                state = self.run("systemctl", "is-system-running", check=False)
                if state in ("running", "degraded"):
                    return self
            time.sleep(0.05)
        said = self.log.read_text(errors="replace")
        self.__exit__()
        skip(f"it did not start: {' '.join(said.splitlines()[-3:])}")
        raise AssertionError

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait(30)
        until = time.monotonic() + 30 * PATIENCE
        while self.group.exists() and time.monotonic() < until:
            for group in sorted(self.group.rglob("*"), key=lambda one: -len(one.parts)):
                if group.is_dir():
                    with contextlib.suppress(OSError):
                        group.rmdir()
            with contextlib.suppress(OSError):
                self.group.rmdir()
            time.sleep(0.05)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program in there as root; what it wrote."""
        enter = ["nsenter", "--target", str(self.first), "--all", "--root", "--wd=/"]
        done = subprocess.run(
            [*enter, "env", "-i", "PATH=/usr/bin:/usr/sbin", *command],
            capture_output=True, text=True, check=False, timeout=60 * PATIENCE,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.journal()}"
        return done.stdout.strip()

    def path(self, absolute: str) -> Path:
        """Where a file of the machine is, seen from outside."""
        return Path(f"/proc/{self.first}/root{absolute}")

    def journal(self) -> str:
        return self.run("journalctl", "--no-pager", "--output=cat", "--all", check=False)

    def shows(self, name: str) -> str:
        """What systemd knows of the service."""
        return self.run("systemctl", "show", "--property", name, "--value", "windrow.service")

    def until(self, name: str, value: str, seconds: float = 30.0) -> None:
        """Wait for systemd to know something."""
        end = time.monotonic() + seconds * PATIENCE
        while (found := self.shows(name)) != value:
            assert time.monotonic() < end, f"{name} is {found}, not {value}: {self.journal()}"
            time.sleep(0.1)

    def install(self, config: str) -> None:
        """README's last three steps but the start."""
        self.path("/etc/windrow/windrow.toml").write_text(config, "utf-8")
        self.path("/etc/systemd/system/windrow.service").write_text(UNIT.read_text("utf-8"), "utf-8")
        self.run("systemctl", "daemon-reload")
