"""Messages in from a broker and results out to it; a real mosquitto on a loopback port."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import threading
import time

import paho.mqtt.client as paho
import pytest
import windrow as wr
from faults import PATIENCE, clients
from faults.broker import Broker, Certificates
from faults.clients import client, listen
from faults.service import Service
from windrow.config.sections import MqttSink
from windrow.mqtt import Connection
from windrow.pipeline import Pipeline
from windrow.stopping import Stop
from windrow.topic import Topic, fill

closed = clients.closed


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("broker")) as started:
        yield started


class Running:
    """A pipeline in a thread, ended by `with`."""

    def __init__(self, config):
        self.stop, self.outcome = Stop(), None
        self.pipeline = Pipeline.from_dict(config)
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        self.outcome = self.pipeline.run(stop=self.stop)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exception):
        self.stop.request()
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.stop.__exit__(None, None, None)


def config(broker, folder, topic="in/{camera}/#", decoder="rows", way=None, sinks=(), **window):
    aggregates = [{"name": "n", "count": True}]
    return {
        "source": {"kind": "mqtt", "url": broker.url, "topics": [topic], "decoder": decoder,
                   "client_id": f"reader-{folder.name}", **(way or {})},
        "window": {"every": "1m", "by": ["camera"], "aggregate": aggregates, **window},
        "state": {"path": str(folder / "state"), "interval": "50ms"},
        "sink": [{"kind": "file", "path": str(folder / "out.jsonl"), "append": True, "what": "windows"}, *sinks],
    }  # fmt: skip


def written(folder):
    path = folder / "out.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def until(what, seconds=15.0):
    end = time.monotonic() + seconds * PATIENCE
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def row(minute, **more):
    return json.dumps({"time": f"2026-01-05T00:{minute:02}:00Z", **more})


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@pytest.mark.parametrize("qos", [0, 1])
def test_topics_are_columns_on_the_way_in_and_out(broker, tmp_path, version, qos):
    name = tmp_path.name
    heard = []
    listener = client(broker, f"{name}-listener")
    listener.on_message = lambda client, data, message: heard.append(
        (message.topic, json.loads(message.payload))
    )
    listener.subscribe(f"{name}/alerts/#", 1)
    sink = {"kind": "mqtt", "url": broker.url, "version": version, "what": "windows", "qos": qos,
            "topic": name + "/alerts/{camera}", "status_topic": f"{name}/status"}  # fmt: skip
    made = config(
        broker, tmp_path, f"{name}/in/{{camera}}/#", sinks=[sink], way={"qos": qos, "version": version}
    )
    with Running(made) as running:
        sender = client(broker, f"{name}-sender")
        assert until(lambda: (tmp_path / "state").exists())
        time.sleep(0.5)
        for minute in (0, 0, 1, 9):
            sender.publish(f"{name}/in/gate/detections", row(minute), qos=qos).wait_for_publish(5)
            sender.publish(f"{name}/in/yard", row(minute), qos=qos).wait_for_publish(5)
        assert until(lambda: len(heard) == 4)
    assert running.outcome.read == 8
    assert sorted((topic, one["camera"], one["n"]) for topic, one in heard) == [
        (f"{name}/alerts/gate", "gate", 1), (f"{name}/alerts/gate", "gate", 2),
        (f"{name}/alerts/yard", "yard", 1), (f"{name}/alerts/yard", "yard", 2),
    ]  # fmt: skip
    assert [one for _, one in heard] == written(tmp_path)
    assert len({one["message_id"] for _, one in heard}) == 4


def test_what_isnt_safe_comes_again_and_counts_once(broker, tmp_path, monkeypatch):
    """Two runs: the first takes messages, writes its state and never acknowledges; the broker sends them again."""
    name = tmp_path.name
    made = config(broker, tmp_path, f"{name}/{{camera}}")
    from windrow.sources.mqtt import Mqtt

    sender = client(broker, f"{name}-sender")
    with Running(made):
        time.sleep(0.5)
    with monkeypatch.context() as patched:
        patched.setattr(Mqtt, "_acknowledge", lambda *ignored: None)
        with Running(made) as first:
            for second in range(7):
                sender.publish(f"{name}/gate", row(0, second=second), qos=1).wait_for_publish(5)
            assert until(lambda: first.pipeline is not None and _read(tmp_path) == 7)
    with Running(made) as second:
        sender.publish(f"{name}/gate", row(5), qos=1).wait_for_publish(5)
        assert until(lambda: written(tmp_path))
        time.sleep(0.3)
    assert second.outcome.read == 1
    assert [one["n"] for one in written(tmp_path)] == [7]


def _read(folder):
    from windrow.state.store import Store

    store = Store(folder / "state")
    return len((store.position or {}).get("messages", ()))


def test_a_broker_that_goes_and_comes_back_costs_nothing(tmp_path):
    with Broker(tmp_path / "broker") as broker:
        heard = []
        name = tmp_path.name
        sink = {"kind": "mqtt", "url": broker.url, "what": "windows", "topic": "alerts/{camera}"}
        made = config(broker, tmp_path, "in/{camera}", sinks=[sink])
        with Running(made) as running:
            time.sleep(0.7)
            sender = client(broker, f"{name}-sender")
            for minute in range(10):
                sender.publish("in/gate", row(minute), qos=1)
            assert until(lambda: len(written(tmp_path)) == 9)
            broker.stop()
            for minute in range(10, 20):
                sender.publish("in/gate", row(minute), qos=1)
            time.sleep(0.5)
            broker.start()
            listener = client(broker, f"{name}-listener")
            listener.on_message = lambda client, data, message: heard.append(json.loads(message.payload))
            listener.subscribe("alerts/#", 1)
            assert until(lambda: len(written(tmp_path)) == 19, 30)
            assert until(lambda: heard and heard[-1]["window_start"] == "2026-01-05T00:18:00Z", 30)
        assert running.outcome.read == 20
        starts = [one["window_start"] for one in heard]
        assert sorted(set(starts)) == list(dict.fromkeys(starts))  # in order, whatever came twice


def test_messages_leave_in_order_however_slow_the_network_thread_is(broker, monkeypatch):
    """The client would let the sender's thread write past a message that the network thread has in hand."""
    send = paho.Client._sock_send

    def slowly(self, data):
        if threading.current_thread().name.startswith("mqtt-"):
            time.sleep(0.002)
        return send(self, data)

    monkeypatch.setattr(paho.Client, "_sock_send", slowly)
    heard = []
    listener = client(broker, "listener-of-order")
    listener.on_message = lambda client, data, message: heard.append(int(message.payload))
    listener.subscribe("order/#", 1)
    time.sleep(0.2)
    link = MqttSink(kind="mqtt", url=broker.url, topic="order/x")
    for start in range(0, 100, 5):
        connection = Connection(link, f"order-{start}")
        connection.start()
        assert connection.up.wait(5)
        for sent in [connection.client.publish("order/x", str(start + at), qos=1) for at in range(5)]:
            sent.wait_for_publish(5)
        connection.close()
    assert until(lambda: len(heard) == 100)
    assert heard == list(range(100))


def test_shared_subscriptions_split_the_work(broker, tmp_path):
    name = tmp_path.name
    both = []
    for at in range(2):
        (folder := tmp_path / f"{name}-{at}").mkdir()
        both.append(Running(config(broker, folder, f"{name}/{{camera}}", way={"share": "crew"})))
    with both[0], both[1]:
        time.sleep(0.7)
        sender = client(broker, f"{name}-sender")
        for at in range(40):
            sender.publish(f"{name}/gate", row(at), qos=1).wait_for_publish(5)
        time.sleep(0.7)
    reads = [one.outcome.read for one in both]
    assert sum(reads) == 40
    assert min(reads) > 0


def test_messages_of_other_makes_and_shapes(broker, tmp_path):
    name = tmp_path.name
    made = config(broker, tmp_path, f"{name}/{{camera}}", "deepstream")
    frame = {"@timestamp": "2026-01-05T00:00:00Z", "objects": ["7|0|0|9|9|car"], "sensorId": "itself"}
    with Running(made) as running:
        time.sleep(0.5)
        sender = client(broker, f"{name}-sender")
        for payload in (
            json.dumps(frame, indent=2), json.dumps(frame) + "\n" + json.dumps(frame), "", "no message",
            b"\xff\xfe", "[" * 5000, json.dumps(frame)[:-5], "{}", json.dumps(frame | {"pad": "x" * 2_000_000}),
        ):  # fmt: skip
            sender.publish(f"{name}/gate", payload, qos=1).wait_for_publish(5)
        sender.publish(f"{name}/gate", json.dumps(frame | {"@timestamp": "2026-01-05T00:05:00Z"}), qos=1)
        assert until(lambda: written(tmp_path))
    assert [(one["camera"], one["n"]) for one in written(tmp_path)] == [("gate", 3)]
    assert (running.outcome.counted, running.outcome.rejected) == (4, 6)


# A handshake that fails leaves its socket to the collector; that is paho's.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_lets_the_right_certificate_in_and_no_other(tmp_path):
    made = Certificates(tmp_path / "certificates")
    other = Certificates(tmp_path / "other")
    certificate, key = made.device("device")
    with Broker(tmp_path / "broker", tls=made) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}"

        def fault(**given):
            from windrow.config.sections import MqttSource
            from windrow.mqtt import Connection

            link = MqttSource(kind="mqtt", **({"url": url, "topics": ["#"], "ca": str(made.ca)} | given))
            connection = Connection(link, "test")
            connection.start()
            until(lambda: connection.up.is_set() or connection.fault != "not yet connected", 10)
            # A broker may refuse a certificate after the handshake has ended on our side.
            time.sleep(0.3)
            found = None if connection.up.is_set() else connection.fault
            connection.close()
            return found

        right = {"certificate": str(certificate), "key": str(key)}
        assert fault(**right) is None
        assert fault() is not None
        old, old_key = made.device("old", days=-1)
        assert fault(certificate=str(old), key=str(old_key)) is not None
        wrong, wrong_key = other.device("wrong")
        assert fault(certificate=str(wrong), key=str(wrong_key)) is not None
        assert "certificate is not trusted" in fault(**right, ca=str(other.ca))
        # Without TLS there is no way in, and with it no way around.
        assert fault(url=f"mqtt://127.0.0.1:{broker.port}", ca=None) is not None
    with Broker(tmp_path / "plain") as plain:
        url = f"mqtts://127.0.0.1:{plain.port}"
        assert fault(url=url, **right) is not None


# As above.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_certificate_that_is_renewed_on_disk_lets_us_in_again(tmp_path, caplog):
    made = Certificates(tmp_path / "certificates")
    certificate, key = made.device("device", days=-1)
    fresh, fresh_key = made.device("fresh")
    with Broker(tmp_path / "broker", tls=made) as broker, caplog.at_level("INFO", "windrow"):
        link = MqttSink(
            kind="mqtt", url=f"mqtts://127.0.0.1:{broker.port}", topic="x",
            ca=str(made.ca), certificate=str(certificate), key=str(key),
        )  # fmt: skip
        connection = Connection(link, "test")
        connection.start()
        assert until(lambda: connection.fault not in (None, "not yet connected"))
        fresh.replace(certificate)
        # The key comes later: until then nothing fits, and that is told.
        assert until(lambda: "is not the key of `certificate`" in caplog.text)
        fresh_key.replace(key)
        assert connection.up.wait(15 * PATIENCE)
        assert "were read anew" in caplog.text
        connection.close()


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_password_lets_in_and_no_other_does(tmp_path, monkeypatch, version):
    names = tmp_path / "names"
    if shutil.which("mosquitto_passwd") is None:
        pytest.skip("MOSQUITTO IS MISSING: no broker can be tested against (make tools installs it)")
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(names), "windrow", "right"], check=True)
    monkeypatch.setenv("BROKER_PASSWORD", "right")
    (tmp_path / "wrong").write_text("left\n")
    with Broker(tmp_path / "broker", f"allow_anonymous false\npassword_file {names}\n") as broker:

        def fault(**given):
            link = MqttSink(kind="mqtt", url=broker.url, topic="x", version=version, **given)
            connection = Connection(link, "test")
            connection.start()
            until(lambda: connection.up.is_set() or connection.fault != "not yet connected", 10)
            found = None if connection.up.is_set() else connection.fault
            connection.close()
            return found

        assert fault(user="windrow", password_env="BROKER_PASSWORD") is None
        for given in ({"user": "windrow", "password_file": str(tmp_path / "wrong")}, {}):
            assert "ot authori" in fault(**given)


def test_who_is_killed_is_said_to_be_offline_by_the_last_will(broker, tmp_path):
    heard = listen(broker, f"{tmp_path.name}/status", f"{tmp_path.name}-ear", bytes.decode)
    text = f"""
[source]
kind = "mqtt"
url = "{broker.url}"
topics = ["{tmp_path.name}/in"]
client_id = "{tmp_path.name}"
status_topic = "{tmp_path.name}/status"
[window]
every = "1m"
by = ["camera"]
aggregate = [{{ name = "n", count = true }}]
[service]
"""
    with Service(tmp_path, text) as service:
        assert until(lambda: heard == ["online"])
        service.process.kill()
        assert until(lambda: heard == ["online", "offline"])


def test_names_and_passwords_come_from_where_they_are_said_to_be(tmp_path, monkeypatch):
    made = config(
        type("B", (), {"url": "mqtt://127.0.0.1:1"}),
        tmp_path,
        way={"user": "u", "password_env": "NO_SUCH"},
    )
    with pytest.raises(wr.ConfigError, match="the environment variable `NO_SUCH` is not set"):
        Pipeline.from_dict(made).run()
    made["source"] |= {"password_file": str(tmp_path / "absent")}
    del made["source"]["password_env"]
    with pytest.raises(wr.ConfigError, match=r"`.*absent` can't be read: No such file"):
        Pipeline.from_dict(made).run()
    made["source"] = {**made["source"], "url": "mqtts://127.0.0.1:1", "ca": str(tmp_path / "ca")}
    del made["source"]["password_file"], made["source"]["user"]
    with pytest.raises(wr.ConfigError, match=r"`ca` `.*ca` can't be read: No such file"):
        Pipeline.from_dict(made).run()
    (tmp_path / "ca").write_text("no certificate")
    with pytest.raises(wr.ConfigError, match=r"`ca` `.*ca` must hold certificates in PEM"):
        Pipeline.from_dict(made).run()


def test_topics_are_read_and_filled():
    assert Topic("a/{x}/+/{y}/#").columns("a/1/2/3/4/5") == {"x": "1", "y": "3"}
    assert Topic("a/{x}/#").columns("a/1") == {"x": "1"}
    assert Topic("a/{x}").columns("a/1/2") is None
    assert Topic("a.b/{x}").columns("aXb/1") is None
    for bad in ("a/x{y}", "a/#/b", "a/b+", "{x y}", "{x}/{x}"):
        with pytest.raises(wr.ConfigError):
            Topic(bad)
    assert fill("alerts/{camera}/{n}", {"camera": "a+/#", "n": None}) == "alerts/a___/none"


def test_fields_topics_and_arrival_are_columns(broker, tmp_path):
    name = tmp_path.name
    made = config(
        broker, tmp_path, f"{name}/{{site}}/{{camera}}",
        way={"fields": {"speed": "data.speed", "time": "ts"}, "where": {"kind": ["car"]}},
        by=["site", "camera"],
        aggregate=[{"name": "speed", "max": "speed"}, {"name": "arrival", "last": "arrival"}],
    )  # fmt: skip
    begin = time.time_ns()
    with Running(made):
        time.sleep(0.5)
        sender = client(broker, f"{name}-sender")
        for minute, speed, kind in ((0, 50, "car"), (0, 90, "bus"), (2, 1, "car")):
            stamp = {
                "ts": f"2026-01-05T00:{minute:02}:00Z",
                "kind": kind,
                "data": {"speed": speed},
                "camera": "liar",
            }
            sender.publish(f"{name}/north/gate", json.dumps(stamp), qos=1).wait_for_publish(5)
        assert until(lambda: written(tmp_path))
    (only,) = written(tmp_path)
    assert (only["site"], only["camera"], only["speed"]) == ("north", "gate", 50)
    assert begin < only["arrival"] < time.time_ns()


TIMED = "2026-01-05T00:{minute:02}:00Z"
MAKES = {
    "axis": {"channel_id": "own", "timestamp": TIMED, "detections": [{"object_track_id": "7"}], "road": "A1"},
    "deepstream": {"@timestamp": TIMED, "sensor": {"id": "own"}, "object": {"id": "7"}, "road": "A1"},
    "frigate": {"type": "new", "after": {"id": "7", "camera": "own", "frame_time": 0}, "road": "A1"},
    "mot": "{frame},7,1,1,9,9,1,-1,-1,-1",
    "panorama": {"camera": "own", "time": TIMED, "car": 7, "road": "A1"},
}


@pytest.mark.parametrize("make", MAKES)
def test_a_topics_parts_fields_and_lags_are_columns_of_any_make(broker, tmp_path, make):
    name = tmp_path.name
    way = {"where": {"site": ["north"]}}
    if make == "mot":
        way |= {"frames_per_second": 1 / 60, "start": "2026-01-05T00:00:00Z", "camera": "own"}
    else:
        way["fields"] = {"road": "road"}
    made = config(
        broker, tmp_path, f"{name}/{{site}}/{{camera}}", make, way=way, by=["site", "camera"],
        aggregate=[
            {"name": "n", "count": True}, {"name": "lag", "max": "lag"}, {"name": "arrival", "last": "arrival"},
            *([] if make == "mot" else [{"name": "road", "last": "road"}]),
        ],
    )  # fmt: skip
    start = dt.datetime(2026, 1, 5, tzinfo=dt.UTC).timestamp()

    def message(minute):
        if make == "mot":
            return MAKES[make].format(frame=minute + 1)
        text = json.dumps(MAKES[make]).replace("{minute:02}", f"{minute:02}")
        return text.replace('"frame_time": 0', f'"frame_time": {start + 60 * minute}')

    begin = time.time()
    with Running(made):
        time.sleep(0.5)
        sender = client(broker, f"{name}-sender")
        sent = (
            ("north", "gate", 0),
            ("north", "gate", 0),
            ("north", "yard", 0),
            ("south", "gate", 0),
            ("north", "gate", 5),
        )
        for site, camera, minute in sent:
            sender.publish(f"{name}/{site}/{camera}", message(minute), qos=1).wait_for_publish(5)
        assert until(lambda: len(written(tmp_path)) == 3)
    rows = written(tmp_path)
    assert [(one["site"], one["camera"], one["n"]) for one in rows] == [
        ("north", "gate", 2), ("north", "yard", 1), ("south", "gate", 0),
    ]  # fmt: skip
    for one in rows[:2]:
        assert begin - start <= one["lag"] <= time.time() - start
        assert begin <= one["arrival"] / 1e9 <= time.time()
        assert one.get("road", "A1") == "A1"


def test_a_camera_lives_while_its_status_says_so(broker, tmp_path):
    """An empty street that is looked at is a zero; nobody looking is silence."""
    name = tmp_path.name
    made = config(
        broker, tmp_path, f"{name}/in/{{camera}}", way={"alive": [f"{name}/status/{{camera}}"]},
        every="1s", source="camera", fill=True, idle_timeout="1s", out_of_orderness="200ms",
    )  # fmt: skip
    with Running(made):
        time.sleep(0.5)
        sender = client(broker, f"{name}-sender")
        for camera in ("gate", "yard"):
            stamp = json.dumps({"time": time.time_ns()})
            sender.publish(f"{name}/in/{camera}", stamp, qos=1).wait_for_publish(5)

        def says():
            sender.publish(f"{name}/status/gate", "online").wait_for_publish(5)
            sender.publish(f"{name}/status/yard", "offline").wait_for_publish(5)
            time.sleep(0.1)
            rows = written(tmp_path)
            return {
                camera: [row["silent"] for row in rows if row["camera"] == camera]
                for camera in ("gate", "yard")
            }

        assert until(lambda: len(found := says()) == 2 and min(map(len, found.values())) > 3)
    found = says()
    assert not any(found["gate"])
    assert any(found["yard"])


def test_a_broker_that_waits_for_acknowledgements_gets_them(tmp_path):
    """With its defaults mosquitto sends 20 messages ahead of them; no checkpoint would be due for an hour."""
    with Broker(tmp_path / "broker", "max_inflight_messages 20\n") as broker:
        # With version 5 we ask for more than that.
        made = config(broker, tmp_path, "in/{camera}", way={"version": "3.1.1"})
        made["state"]["interval"] = "1h"
        with Running(made) as running:
            time.sleep(0.5)
            sender = client(broker, "sender")
            for second in range(60):
                sender.publish("in/gate", row(0, second=second), qos=1)
            sender.publish("in/gate", row(5), qos=1)
            assert until(lambda: written(tmp_path), 30)
        assert [one["n"] for one in written(tmp_path)] == [60]
        assert running.outcome.read == 61
