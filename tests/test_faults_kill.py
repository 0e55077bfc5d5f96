"""Killed at random moments, also while a checkpoint or the spool is written: nothing is lost, nothing differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from faults import PATIENCE, parking
from faults.broker import Broker
from windrow.pipeline import Pipeline
from windrow.stopping import Stop

KILLS = int(os.environ.get("WINDROW_KILLS", "20"))
WINDOWS = {"what": "windows"}


class Subscriber:
    """Everything that a broker sends on some topics, as (topic, row)."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self.rows: list[tuple[str, dict]] = []
        self.ready = threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, "subscriber", clean_session=False)
        self.client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = lambda client, data, message: self.rows.append(
            (message.topic, json.loads(message.payload))
        )
        self.client.connect_async("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self.ready.wait(10 * PATIENCE)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def undisturbed(folder: Path, lines: list[bytes]) -> dict[str, dict]:
    """What one run over everything writes, by name; windows that are still open stay so, as in a killed run."""
    (folder / "whole.jsonl").write_bytes(b"".join(lines))
    source = {"kind": "file", "path": str(folder / "whole.jsonl")}
    sinks = [{"kind": "file", "path": str(folder / "whole.out"), **WINDOWS}]
    Pipeline.from_dict(parking.sections(source, sinks, folder / "whole.state")).run()
    found = parking.rows(folder / "whole.out")
    named = {row["message_id"]: row for row in found}
    assert len(named) == len(found) > 200
    return named


def compare(rows: list[dict], expected: dict[str, dict]) -> int:
    """Each result at least once, none that isn't expected, all alike; how many came more than once."""
    seen = defaultdict(list)
    for row in rows:
        seen[row["message_id"]].append(row)
    assert seen.keys() == expected.keys()
    for name, same in seen.items():
        assert all(one == expected[name] for one in same), name
    return len(rows) - len(seen)


def test_killed_again_and_again_nothing_is_lost_and_nothing_differs(tmp_path, data):
    """A file that grows is read; what comes of it goes to a file and to a broker."""
    lines = parking.lines(data)
    expected = undisturbed(tmp_path, lines)
    (tmp_path / "input.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "growing.jsonl").touch()
    source = {"kind": "file", "path": str(tmp_path / "growing.jsonl"), "follow": True}
    with Broker(tmp_path / "broker") as broker:
        subscriber = Subscriber(broker, "windows/#")
        sinks = [
            {"kind": "file", "path": str(tmp_path / "out.jsonl"), "append": True, **WINDOWS},
            {"kind": "mqtt", "url": broker.url, "topic": "windows/{camera}", **WINDOWS},
        ]
        kill(tmp_path, parking.sections(source, sinks, tmp_path / "state"))
        both = {
            "file": parking.rows(tmp_path / "out.jsonl"),
            "broker, by MQTT 5": settled(subscriber, len(expected)),
        }
    for where, rows in both.items():
        twice = compare(rows, expected)
        print(
            f"{KILLS} kills: {len(rows)} rows of {len(expected)} windows in the {where}, {twice} of them twice"
        )


@pytest.mark.parametrize("version", ["5", "3.1.1"] if KILLS > 20 else ["5"])
def test_messages_are_read_once_however_often_the_reader_is_killed(tmp_path, data, version):
    """What a broker sends once more, because nobody said that it had arrived, is not counted once more."""
    lines = parking.lines(data)
    expected = undisturbed(tmp_path, lines)
    with Broker(tmp_path / "broker") as broker:
        subscriber = Subscriber(broker, "windows/#")
        source = {
            "kind": "mqtt",
            "url": broker.url,
            "topics": ["cameras/{camera}/detections"],
            "client_id": "reader",
            "version": version,
        }
        sinks = [
            {"kind": "mqtt", "url": broker.url, "topic": "windows/{camera}", "version": version, **WINDOWS}
        ]
        config = parking.sections(source, sinks, tmp_path / "state")
        # The session has to be there before the first message.
        with Stop() as stop:
            threading.Timer(1.0, stop.request).start()
            Pipeline.from_dict(config).run(stop=stop)
        publisher = threading.Thread(target=publish, args=(broker, lines, tmp_path), daemon=True)
        publisher.start()
        threading.Thread(target=lambda: arrival(subscriber, len(expected), tmp_path), daemon=True).start()
        kill(tmp_path, config)
        rows = settled(subscriber, len(expected))
    twice = compare(rows, expected)
    print(
        f"{KILLS} kills, MQTT {version} in and out: {len(rows)} rows of {len(expected)} windows, {twice} of them twice"
    )


def publish(broker: Broker, lines: list[bytes], folder: Path) -> None:
    """All messages, in step with the kills."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "publisher")
    client.max_queued_messages_set(0)
    client.connect_async("127.0.0.1", broker.port)
    client.loop_start()
    sent, under_way = 0, []
    while sent < len(lines):
        text = (folder / "killed.txt").read_text() if (folder / "killed.txt").exists() else ""
        until = len(lines) if text == "all" else len(lines) * (int(text or -1) + 1) // (KILLS + 2)
        while sent < until:
            message = json.loads(lines[sent])
            topic = f"cameras/{message['sensor']['id']}/detections"
            under_way.append(client.publish(topic, lines[sent], qos=1))
            sent += 1
            if sent % 10 == 0:
                time.sleep(0.002)
        time.sleep(0.005)
    # What the broker hasn't yet goes with the connection.
    for one in under_way:
        one.wait_for_publish(60 * PATIENCE)
    client.disconnect()


def arrival(subscriber: Subscriber, count: int, folder: Path) -> None:
    while len({row["message_id"] for _, row in list(subscriber.rows)}) < count:
        time.sleep(0.05)
    (folder / "arrived.txt").touch()


def settled(subscriber: Subscriber, count: int) -> list[dict]:
    """What has come once everything expected has, or nothing more comes."""
    pause = threading.Event()
    for _ in range(int(100 * PATIENCE)):
        if len({row["message_id"] for _, row in subscriber.rows}) >= count:
            break
        pause.wait(0.1)
    pause.wait(0.3)
    subscriber.close()
    return [row for _, row in subscriber.rows]


def kill(folder: Path, config: dict, seed: int = 11) -> None:
    config["state"]["interval"] = "100ms"
    done = subprocess.run(
        [sys.executable, "-m", "faults.kill", str(folder), str(KILLS), str(seed)],
        input=json.dumps(config), text=True, capture_output=True, check=False, cwd=Path(__file__).parent,
        timeout=900 * PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == KILLS
