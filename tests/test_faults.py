"""What a device meets in the field: full disks, files that can't be read, floods, brokers that are gone for long."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from faults import PATIENCE, clients
from faults.broker import Broker
from faults.clients import client, listen
from faults.service import Service
from windrow.cli import main

closed = clients.closed
#: `make test-faults` asks for the full size.
FULL = os.environ.get("WINDROW_FAULTS") == "full"
WINDOW = """
[window]
every = "1m"
by = ["camera"]
max_series = 1000
[[window.aggregate]]
name = "n"
count = true
"""


def until(what, seconds=30.0):
    end = time.monotonic() + seconds * PATIENCE
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def lines(*minutes, camera="gate"):
    return "".join(
        json.dumps({"time": f"2026-01-05T{minute // 60:02}:{minute % 60:02}:00Z", "camera": camera}) + "\n"
        for minute in minutes
    )


def rows(path: Path):
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "256k"):
    """A file system of its own with little room."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("ONLY ROOT CAN MOUNT: the full disk is not tested")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(
            f"NO FILE SYSTEM CAN BE MOUNTED HERE ({done.stderr.strip()}): the full disk is not tested"
        )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_nothing_and_costs_nothing(tmp_path):
    """State, spool and a sink's file on one small disk, which fills up and is emptied again."""
    with small_disk(tmp_path / "disk") as disk, Broker(tmp_path / "broker") as broker:
        heard = listen(broker, "out/#")
        config = f"""
[source]
kind = "file"
path = "{tmp_path}/in.jsonl"
follow = true
{WINDOW}
[state]
path = "{disk}/state"
interval = "200ms"
[service]
[[sink]]
kind = "file"
path = "{disk}/out.jsonl"
what = "windows"
append = true
[[sink]]
kind = "mqtt"
url = "{broker.url}"
topic = "out/{{camera}}"
what = "windows"
"""
        with Service(tmp_path, config) as service, (tmp_path / "in.jsonl").open("a", buffering=1) as put:
            put.write(lines(0, 1, 2))
            assert until(lambda: len(heard) == 2)
            with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
                while filler.write(b"x" * 512):
                    pass
            put.write(lines(*range(3, 60)))
            service.says("no checkpoint could be written: ")
            assert service.process.poll() is None
            (disk / "filler").unlink()
            service.says("can be written again", 30)
            put.write(lines(60, 61))
            assert until(lambda: len({row["message_id"] for row in heard}) == 61)
            assert until(lambda: len(rows(disk / "out.jsonl")) == 61)
            service.stop()
        starts = [row["window_start"] for row in rows(disk / "out.jsonl")]
        assert starts == sorted(set(starts))
        assert [row["window_start"] for row in heard] == starts


def test_what_cant_be_read_is_named_and_ends_with_2(tmp_path, capsys):
    config = tmp_path / "a.toml"

    def says(path, words, command="run"):
        code = main([command, str(path)])
        said = capsys.readouterr().err
        assert (code, words in said) == (2, True), said

    for command in ("run", "check"):
        says(tmp_path / "absent.toml", "absent.toml` can't be read: No such file", command)
        says(tmp_path, "can't be read: Is a directory", command)
        config.write_bytes(b'[source]\nkind = "\xff"\n')
        says(config, "must be UTF-8 text, got a byte 0xff", command)
    for broken, words in (
        ('ca = "/no/such/ca.pem"\n', "`ca` `/no/such/ca.pem` can't be read: No such file"),
        (f'certificate = "{config}"\nkey = "{config}"\n', "must be a certificate in PEM"),
        ('user = "u"\npassword_file = "/no/such"\n', "`/no/such` can't be read: No such file"),
    ):
        config.write_text(
            f'[source]\nkind = "mqtt"\nurl = "mqtts://127.0.0.1:1"\ntopics = ["#"]\n{broken}{WINDOW}'
        )
        says(config, words)


def test_a_damaged_spool_is_set_aside_and_the_service_goes_on(tmp_path):
    config = f"""
[source]
kind = "file"
path = "{tmp_path}/in.jsonl"
follow = true
{WINDOW}
[state]
path = "{tmp_path}/state"
[service]
[[sink]]
kind = "mqtt"
url = "mqtt://127.0.0.1:1"
topic = "out/{{camera}}"
what = "windows"
"""
    (tmp_path / "in.jsonl").write_text(lines(*range(9)))
    with Service(tmp_path, config) as service:
        assert until(lambda: list(tmp_path.glob("state/checkpoint.*.json")))
        service.stop()
    spool = tmp_path / "state" / "spool.sqlite3"
    spool.write_bytes(b"\0" * 10_000)
    with Service(tmp_path, config) as service:
        line = service.says("is damaged")
        assert str(spool) in line
        assert f"kept as `{spool}.damaged`" in line
        service.stop()
    assert Path(f"{spool}.damaged").stat().st_size == 10_000


# ---- floods


def memory(process: int) -> int:
    """The most that a process has held, in bytes."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


#: How many times a good camera's rows the loud one sends.
LOUD = 1_000


def hostile(count: int):
    """What nobody should send, in between what somebody does; the good cameras' rows come evenly."""
    for at in range(count):
        second = at * 600 // count
        time = f"2026-01-05T00:{second // 60:02}:{second % 60:02}Z"
        yield b'{"time": "%s", "camera": "invented-%d"}\n' % (time.encode(), at)
        yield b'{"time": "%s", "camera": "loud"}\n' % time.encode()
        if at % LOUD == 0:
            for camera in (b"north", b"south"):
                yield b'{"time": "%s", "camera": "%s"}\n' % (time.encode(), camera)
        if at % (count // 20) == 0:
            yield b"[" * 100_000 + b"\n"
            yield b'{"time": "' + b"\xff\xfe" * 50 + b'"}\n'
            yield b'{"time": 1, "camera": "' + b"x" * (10 << 20) + b"\n"
            yield b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"\n"


def expected(count: int) -> dict[tuple[str, str], int]:
    """The windows of the good cameras, which each sent one row before the flood."""
    counts = {(camera, "00:00"): 1 for camera in ("north", "south")}
    for at in range(0, count, LOUD):
        second = at * 600 // count
        for camera in ("north", "south"):
            key = (camera, f"00:{second // 60:02}")
            counts[key] = counts.get(key, 0) + 1
    return counts


def flood_config(tmp_path: Path, source: str) -> str:
    return f"""
[source]
{source}
{WINDOW}
[service]
level = "error"
[[sink]]
kind = "file"
path = "{tmp_path}/out.jsonl"
what = "windows"
"""


def judged(path: Path) -> dict[tuple[str, str], int]:
    return {
        (row["camera"], row["window_start"][11:16]): row["n"]
        for row in rows(path)
        if row["camera"] in ("north", "south")
    }


def loudness(path: Path, minutes: int) -> float:
    """How many times the rows of a good camera the loud one had, in the windows of the flood."""
    counted = dict.fromkeys(("loud", "north"), 0)
    for row in rows(path):
        if row["camera"] in counted and row["window_start"] < f"2026-01-05T00:{minutes:02}":
            counted[row["camera"]] += row["n"]
    # One row of the good camera's came before.
    return counted["loud"] / (counted["north"] - 1)


def test_a_flood_by_pipe_costs_neither_memory_nor_the_others_windows(tmp_path):
    count = 1_000_000 if FULL else 60_000
    with Service(tmp_path, flood_config(tmp_path, 'kind = "stdin"')) as service:
        assert service.process.stdin
        # The good cameras are known before the flood.
        service.process.stdin.write(lines(0, camera="north").encode() + lines(0, camera="south").encode())
        for line in hostile(count):
            service.process.stdin.write(line)
        service.process.stdin.flush()
        most = memory(service.process.pid)
        service.process.stdin.close()
        assert service.process.wait(120 * PATIENCE) == 0
    assert judged(tmp_path / "out.jsonl") == expected(count)
    assert most < 256 << 20, f"{most >> 20} MB"
    factor = loudness(tmp_path / "out.jsonl", 10)
    assert factor >= LOUD
    print(f"{count} invented cameras and one {factor:.0f} times as loud, by pipe: at most {most >> 20} MB")


def test_a_flood_by_mqtt_costs_neither_memory_nor_the_others_windows(tmp_path):
    count = 200_000 if FULL else 10_000
    with Broker(tmp_path / "broker") as broker:
        source = f'kind = "mqtt"\nurl = "{broker.url}"\ntopics = ["in/#"]\nclient_id = "flood"'
        with Service(tmp_path, flood_config(tmp_path, source)) as service:
            service.process.stdin.close()
            time.sleep(0.5)
            sender = client(broker, "sender")
            begin = time.monotonic()
            sent = []
            for line in [lines(0, camera="north"), lines(0, camera="south"), *hostile(count)]:
                sent.append(sender.publish("in/x", line, qos=1))
                if len(sent) % 10_000 == 0:
                    # A client has 65,535 numbers for messages that are under way.
                    sent[-1].wait_for_publish(120)
            sent.append(sender.publish("in/x", lines(20, camera="north"), qos=1))
            sent[-1].wait_for_publish(300)
            rate = len(sent) / (time.monotonic() - begin)
            assert until(lambda: judged(tmp_path / "out.jsonl") == expected(count), 120)
            assert until(lambda: loudness(tmp_path / "out.jsonl", 10) >= LOUD)
            most = memory(service.process.pid)
            service.stop()
    assert most < 256 << 20, f"{most >> 20} MB"
    factor = loudness(tmp_path / "out.jsonl", 10)
    print(
        f"{len(sent)} messages by MQTT at {rate:.0f}/s, one camera {factor:.0f} times as loud: at most {most >> 20} MB"
    )


def test_an_hour_without_a_broker_arrives_afterwards_in_order(tmp_path):
    with Broker(tmp_path / "broker") as broker:
        heard = listen(broker, "out/#")
        config = f"""
[source]
kind = "file"
path = "{tmp_path}/in.jsonl"
follow = true
{WINDOW}
[state]
path = "{tmp_path}/state"
interval = "200ms"
[service]
[[sink]]
kind = "mqtt"
url = "{broker.url}"
topic = "out/{{camera}}"
what = "windows"
"""
        with Service(tmp_path, config) as service, (tmp_path / "in.jsonl").open("a", buffering=1) as put:
            cameras = ("north", "south", "gate")
            put.write("".join(lines(at, camera=camera) for at in (0, 1) for camera in cameras))
            assert until(lambda: len(heard) == 3)
            broker.stop()
            service.says("no connection to")
            for minute in range(2, 62):
                put.write("".join(lines(minute, camera=camera) for camera in cameras))
            assert until(
                lambda: "STATUS=degraded" in " ".join(service.words) or service.hear("STATUS=degraded", 30)
            )
            service.stop()
            with Service(tmp_path, config) as again:
                broker.start()
                assert until(lambda: len({row["message_id"] for row in heard}) == 3 * 61, 90)
                again.stop()
    for camera in cameras:
        starts = [row["window_start"] for row in heard if row["camera"] == camera]
        assert list(dict.fromkeys(starts)) == sorted(set(starts))
        assert len(set(starts)) == 61
