"""The unit under a real systemd: started, watched, reloaded, refused, killed and stopped by it."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from faults import PATIENCE
from faults.machine import Machine

CONFIG = """
[source]
kind = "file"
path = "/srv/in.jsonl"
follow = true
[window]
every = "1m"
by = ["camera"]
[[window.aggregate]]
name = "n"
count = true
[state]
path = "/var/lib/windrow"
interval = "200ms"
[service]
health = "/run/windrow/health.json"
[[sink]]
kind = "file"
path = "/var/lib/windrow/out.jsonl"
what = "windows"
append = true
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    with Machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


@pytest.fixture
def service(machine):
    """The service as README starts it; nothing of it is left afterwards."""
    machine.path("/srv/in.jsonl").write_text("")
    machine.install(CONFIG)
    machine.run("systemctl", "enable", "--now", "windrow")
    yield machine
    machine.run("systemctl", "disable", "--now", "windrow")
    machine.run("systemctl", "reset-failed", "windrow", check=False)
    machine.run("rm", "-rf", "/var/lib/private/windrow", "/etc/systemd/system/windrow.service.d")


def put(machine, *minutes):
    with machine.path("/srv/in.jsonl").open("a") as out:
        for minute in minutes:
            out.write(json.dumps({"time": f"2026-01-05T00:{minute:02}:00Z", "camera": "gate"}) + "\n")


def windows(machine, name="out"):
    path = machine.path(f"/var/lib/private/windrow/{name}.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(row["window_start"][11:16], row["n"]) for row in rows]


def until(what, machine, seconds=30.0):
    end = time.monotonic() + seconds * PATIENCE
    while not what():
        assert time.monotonic() < end, machine.journal()
        time.sleep(0.05)


def drop_in(machine, text):
    """Change the unit as an administrator does."""
    file = machine.path("/etc/systemd/system/windrow.service.d/test.conf")
    file.parent.mkdir()
    file.write_text(text)
    machine.run("systemctl", "daemon-reload")


def status(machine):
    """What the kernel says of the service's process."""
    text = machine.path(f"/proc/{machine.shows('MainPID')}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_systemd_starts_it_as_nobody_with_no_rights_and_hears_that_it_is_ready(service):
    # `systemctl start` has waited for READY=1.
    assert (service.shows("ActiveState"), service.shows("SubState")) == ("active", "running")
    until(lambda: service.shows("StatusText").startswith("ok"), service)
    put(service, 0, 0, 1)
    until(lambda: windows(service) == [("00:00", 2)], service)
    until(lambda: service.path("/run/windrow/health.json").exists(), service)
    process = status(service)
    assert int(process["Uid"].split()[0]) > 60_000
    assert {int(process[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert (process["NoNewPrivs"], process["Seccomp"]) == ("1", "2")
    folder = service.path("/var/lib/private/windrow").stat()
    assert (folder.st_uid, oct(folder.st_mode & 0o777)) == (int(process["Uid"].split()[0]), "0o700")


def test_a_kill_is_a_failure_and_it_is_started_again_where_it_was(service):
    put(service, 0, 1, 1, 2)
    until(lambda: len(windows(service)) == 2, service)
    before = service.shows("MainPID")
    service.run("kill", "-KILL", before)
    service.until("NRestarts", "1")
    service.until("ActiveState", "active")
    assert service.shows("MainPID") != before
    put(service, 2, 3)
    until(lambda: windows(service) == [("00:00", 1), ("00:01", 2), ("00:02", 2)], service)


def test_one_that_hangs_is_killed_by_the_watchdog_and_started_again(service):
    assert service.shows("WatchdogUSec") == "1min"
    drop_in(service, "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n")
    service.run("systemctl", "restart", "windrow")
    before = service.shows("MainPID")
    # It feeds the watchdog as long as it runs.
    time.sleep(5)
    assert (service.shows("MainPID"), service.shows("NRestarts")) == (before, "0")
    service.run("kill", "-STOP", before)
    service.until("NRestarts", "1")
    service.until("ActiveState", "active")
    assert "Watchdog timeout" in service.journal()
    put(service, 0, 1)
    until(lambda: windows(service) == [("00:00", 1)], service)


def test_a_reload_takes_other_sinks_and_refuses_mistakes(service):
    put(service, 0, 1)
    until(lambda: len(windows(service)) == 1, service)
    before = service.shows("MainPID")
    other = CONFIG.replace("out.jsonl", "other.jsonl")
    service.path("/etc/windrow/windrow.toml").write_text(other)
    service.run("systemctl", "reload", "windrow")
    service.until("SubState", "running")
    put(service, 1, 2)
    until(lambda: windows(service, "other") == [("00:01", 2)], service)
    service.path("/etc/windrow/windrow.toml").write_text(other.replace("every", "evry"))
    service.run("systemctl", "reload", "windrow")
    until(lambda: "the config is refused, and nothing changes" in service.journal(), service)
    put(service, 3)
    until(lambda: len(windows(service, "other")) == 2, service)
    assert (service.shows("MainPID"), service.shows("ActiveState")) == (before, "active")
    assert windows(service) == [("00:00", 1)]


def test_a_config_with_mistakes_is_not_started_and_not_tried_again(service):
    service.run("systemctl", "stop", "windrow")
    service.path("/etc/windrow/windrow.toml").write_text(CONFIG.replace("every", "evry"))
    with pytest.raises(AssertionError, match="unknown option `evry`"):
        service.run("systemctl", "start", "windrow")
    assert (service.shows("ActiveState"), service.shows("Result")) == ("failed", "exit-code")
    time.sleep(4)
    assert (service.shows("ActiveState"), service.shows("NRestarts")) == ("failed", "0")
    service.path("/etc/windrow/windrow.toml").write_text(CONFIG)
    service.run("systemctl", "start", "windrow")


def test_it_stops_by_itself_within_a_second(service):
    put(service, 0, 1, 1)
    until(lambda: len(windows(service)) == 1, service)
    service.run("systemctl", "stop", "windrow")
    assert [service.shows(name) for name in ("ActiveState", "Result", "ExecMainCode", "ExecMainStatus")] == [
        "inactive", "success", str(os.CLD_EXITED), "0",
    ]  # fmt: skip
    asked = int(service.shows("ActiveExitTimestampMonotonic"))
    assert int(service.shows("InactiveEnterTimestampMonotonic")) - asked < 1e6 * PATIENCE
    service.run("systemctl", "start", "windrow")
    put(service, 2)
    until(lambda: windows(service) == [("00:00", 1), ("00:01", 2)], service)


def test_sigterm_from_anybody_is_no_failure(service):
    service.run("kill", f"-{signal.SIGTERM}", service.shows("MainPID"))
    service.until("ActiveState", "inactive")
    assert (service.shows("Result"), service.shows("NRestarts")) == ("success", "0")
