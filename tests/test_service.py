"""`windrow run` as a service: words to systemd, reload, the end within a second, figures for those who look."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from faults import PATIENCE
from faults.broker import free_port
from faults.service import Service
from windrow.clocks import SETTLED
from windrow.service.notify import Notifier
from windrow.state.store import inspect

UNIT = Path(__file__).parents[1] / "edge_configs" / "windrow.service"


def config(folder, **more):
    lines = {
        "service": 'log = "json"\n',
        "sink": f'kind = "file"\npath = "{folder}/a.jsonl"\nwhat = "windows"\nappend = true\n',
    }
    lines |= more
    return f"""
[source]
kind = "file"
path = "{folder}/in.jsonl"
follow = true
max_leap = "1h"
[window]
every = "1m"
by = ["camera"]
source = "camera"
idle_timeout = "1h"
[[window.aggregate]]
name = "n"
count = true
[state]
path = "{folder}/state"
interval = "200ms"
[service]
{lines["service"]}
[[sink]]
{lines["sink"]}
"""


def put(folder, *minutes, camera="gate", day=5):
    with (folder / "in.jsonl").open("a") as out:
        for minute in minutes:
            out.write(json.dumps({"time": f"2026-01-{day:02}T00:{minute:02}:00Z", "camera": camera}) + "\n")


def windows(path):
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(row["camera"], row["window_start"][11:16], row["n"]) for row in rows]


def until(what, seconds=20.0):
    end = time.monotonic() + seconds * PATIENCE
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_sigterm_ends_it_within_a_second_with_everything_safe(tmp_path):
    with Service(tmp_path, config(tmp_path)) as service:
        put(tmp_path, 0, 0, 1, 2, 2)
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 2)
        put(tmp_path, 2)
        time.sleep(0.3)
        took = service.stop()
        assert "STOPPING=1" in service.hear("STOPPING=1")
    assert took < 1.0 * PATIENCE
    with Service(tmp_path, config(tmp_path)):
        put(tmp_path, 3)
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 3)
    assert windows(tmp_path / "a.jsonl") == [("gate", "00:00", 2), ("gate", "00:01", 1), ("gate", "00:02", 3)]


def test_lines_are_json_one_a_thing(tmp_path):
    with Service(tmp_path, config(tmp_path)) as service:
        put(tmp_path, 0)
        service.says('"ready"')
        service.stop()
    lines = [json.loads(line) for line in service.lines()]
    assert all({"time", "level", "part", "message"} <= line.keys() for line in lines)
    assert "rows read" in lines[-1]["message"]


def test_a_reload_changes_sinks_without_losing_a_window(tmp_path):
    other = f'kind = "file"\npath = "{tmp_path}/b.jsonl"\nwhat = "windows"\n'
    with Service(tmp_path, config(tmp_path)) as service:
        put(tmp_path, 0, 1)
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 1)
        service.reload(config(tmp_path, sink=other))
        service.says("was read anew")
        put(tmp_path, 1, 2)
        assert until(lambda: len(windows(tmp_path / "b.jsonl")) == 1)
        service.reload(config(tmp_path, sink=other).replace('every = "1m"', 'evry = "1m"'))
        assert "unknown option `evry`" in service.says("the config is refused")
        service.reload(config(tmp_path, sink=other).replace('every = "1m"', 'every = "2m"'))
        service.says(
            "[window] `every` can't change while the service runs: it takes a restart with another `path`"
        )
        put(tmp_path, 3)
        assert until(lambda: len(windows(tmp_path / "b.jsonl")) == 2)
        service.stop()
    assert windows(tmp_path / "a.jsonl") == [("gate", "00:00", 1)]
    assert windows(tmp_path / "b.jsonl") == [("gate", "00:01", 2), ("gate", "00:02", 1)]


def test_a_pipe_that_is_silent_feeds_the_watchdog_and_makes_its_rows_safe(tmp_path):
    """Without `idle_timeout` nothing but that needs to look up."""
    text = config(tmp_path).replace('idle_timeout = "1h"\n', "").replace('max_leap = "1h"\n', "")
    text = text.replace(f'kind = "file"\npath = "{tmp_path}/in.jsonl"\nfollow = true', 'kind = "stdin"')
    with Service(tmp_path, text, watchdog=4) as service:
        service.process.stdin.write(b'{"time": "2026-01-05T00:00:00Z", "camera": "gate"}\n')
        service.process.stdin.flush()
        for _ in range(2):
            service.hear("WATCHDOG=1", 10)
        assert until(lambda: any(tmp_path.glob("state/windows.*")))
        assert service.stop() < 1.5 * PATIENCE


def test_the_watchdog_is_fed_and_the_status_told(tmp_path):
    with Service(tmp_path, config(tmp_path), watchdog=0.6) as service:
        begin = time.monotonic()
        for _ in range(4):
            service.hear("WATCHDOG=1", 1.0)
        assert time.monotonic() - begin < 3 * PATIENCE
        assert any("STATUS=ok" in word for word in service.words)
        service.process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        while True:
            try:
                service.hear("WATCHDOG=1", 0.3)
            except AssertionError:
                break
        service.process.send_signal(signal.SIGCONT)
        service.stop()


def test_who_listens_no_more_holds_nothing_up(tmp_path, monkeypatch):
    """A socket takes a few words that nobody reads, then none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        address = f"windrow-test-deaf-{os.getpid()}"
        deaf.bind("\0" + address)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + address)
        notifier = Notifier()
        length = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text())
        words = threading.Thread(
            target=lambda: [notifier.status("ok") for _ in range(length + 5)], daemon=True
        )
        words.start()
        words.join(60 * PATIENCE)
        assert not words.is_alive()


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5 * PATIENCE) as answer:
        return answer.status, answer.read().decode()


def resident(process):
    """What a process has in memory, an emulator's own included."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_figures_are_there_for_people_prometheus_and_files(tmp_path):
    port = free_port()
    section = f'health = "{tmp_path}/run/health.json"\nlisten = "127.0.0.1:{port}"\n'
    with Service(tmp_path, config(tmp_path, service=section)) as service:
        put(tmp_path, 0, 1, 2)
        put(tmp_path, 2, camera="yard")
        with (tmp_path / "in.jsonl").open("a") as out:
            out.write("no message\n")
        assert until(lambda: '"rejected": 1' in ask(port, "/healthz")[1])
        code, text = ask(port, "/healthz")
        health = json.loads(text)
        assert (code, health["status"], health["sources"], health["rows"]["read"]) == (200, "ok", 2, 5)
        assert health["last_message"] == {
            "gate": "2026-01-05T00:02:00.000Z",
            "yard": "2026-01-05T00:02:00.000Z",
        }
        assert health["memory_bytes"] == pytest.approx(resident(service.process.pid), rel=0.2)
        code, text = ask(port, "/metrics")
        assert code == 200
        for line in (
            'windrow_rows_total{fate="read"} 5.0', 'windrow_rows_total{fate="rejected"} 1.0',
            'windrow_last_message_seconds{source="yard"} 1.76757132e+09', "windrow_faults 0.0",
        ):  # fmt: skip
            assert line in text
        with pytest.raises(urllib.error.HTTPError, match="404"):
            ask(port, "/")
        assert json.loads((tmp_path / "run" / "health.json").read_text())["status"]
        assert service.stop() < 1.5 * PATIENCE


def test_a_clock_that_leaps_closes_nobodys_windows(tmp_path):
    """A camera restarts in 1970, another in 2031; the third goes on, and its windows stay whole."""
    text = config(tmp_path).replace('source = "camera"\n', "").replace('max_leap = "1h"', 'max_leap = "1h"')
    with Service(tmp_path, text) as service:
        put(tmp_path, 0, 1)
        put(tmp_path, 1, camera="yard")
        time.sleep(0.2)
        with (tmp_path / "in.jsonl").open("a") as out:
            for at in range(30):
                out.write(json.dumps({"time": f"2031-01-01T00:00:{at:02}Z", "camera": "yard"}) + "\n")
                out.write(json.dumps({"time": f"1970-01-01T00:00:{at:02}Z", "camera": "north"}) + "\n")
        service.says("yard is held aside: its clock leapt to 2031-01-01T00:00:00Z")
        service.says("north is held aside: its clock leapt to 1970-01-01T00:00:00Z")
        put(tmp_path, 1, 2)
        put(tmp_path, 2, camera="yard")
        put(tmp_path, 3)
        service.says("yard is let in again: its clock is back")
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 5)
        service.stop()
    assert windows(tmp_path / "a.jsonl") == [
        ("gate", "00:00", 1), ("gate", "00:01", 2), ("yard", "00:01", 1), ("gate", "00:02", 1), ("yard", "00:02", 1),
    ]  # fmt: skip


def test_what_is_held_aside_when_the_power_goes_is_not_lost(tmp_path):
    """A device begins in 1970 and learns the time; it is killed before its new time is believed."""

    def say(*seconds, at="2026-01-05T00:00"):
        with (tmp_path / "in.jsonl").open("a") as out:
            out.writelines(
                json.dumps({"time": f"{at}:{one:02}Z", "camera": "gate"}) + "\n" for one in seconds
            )

    with Service(tmp_path, config(tmp_path)) as service:
        say(1, 2, at="1970-01-01T00:00")
        say(*range(SETTLED - 1))
        service.says("gate is held aside: its clock leapt to 2026-01-05T00:00:00Z")
        assert until(lambda: any(inspect(file)["bytes"] > 400 for file in tmp_path.glob("state/clocks.*.gz")))
        service.process.kill()
    with Service(tmp_path, config(tmp_path)) as service:
        say(50)
        service.says("gate is let in again: its clock runs evenly")
        put(tmp_path, 1, 2)
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 3)
        service.stop()
    assert windows(tmp_path / "a.jsonl") == [
        ("gate", "00:00", 2),
        ("gate", "00:00", SETTLED),
        ("gate", "00:01", 1),
    ]


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing: the unit is not verified"
)
def test_the_unit_is_one_that_systemd_takes(tmp_path):
    unit = tmp_path / "windrow.service"
    text = UNIT.read_text("utf-8")
    # The program's place on a device is not its place here.
    unit.write_text(text.replace("/opt/windrow/bin/windrow", shutil.which("true") or "/bin/true"), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    mine = [line for line in done.stderr.splitlines() if "windrow" in line]
    assert (done.returncode, mine) == (0, [])
    exposed = ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", str(unit)]
    done = subprocess.run(exposed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Type=notify" in text
    assert "ExecStartPre=-/opt/windrow/bin/windrow check" in text


def test_one_folder_of_state_is_one_services(tmp_path):
    with Service(tmp_path, config(tmp_path)) as service:
        other = subprocess.run(
            [sys.executable, "-m", "windrow.cli", "run", str(service.config)],
            capture_output=True, text=True, check=False, timeout=30 * PATIENCE,
        )  # fmt: skip
        assert (other.returncode, "is in use by another process" in other.stderr) == (2, True)
        service.stop()


def test_why_rows_dont_count_is_told_and_not_kept(tmp_path):
    port = free_port()
    with Service(tmp_path, config(tmp_path, service=f'listen = "127.0.0.1:{port}"\n')) as service:
        put(tmp_path, 0, 5)
        with (tmp_path / "in.jsonl").open("a") as out:
            out.write("no message\n" * 30_000)
        put(tmp_path, 0)

        def reasons():
            return json.loads(ask(port, "/healthz")[1]).get("reasons")

        assert until(lambda: reasons() == {"json_invalid": 30_000, "late": 1}, 30)
        service.stop()
    newest = max((tmp_path / "state").glob("windows.*.gz"), key=lambda file: int(file.name.split(".")[1]))
    assert newest.stat().st_size < 10_000
