"""Sinks beyond files and MQTT, each against a real other side: an HTTP server, a shadow, S3, a program."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import paho.mqtt.client as paho
import pyarrow.parquet as pq
import pytest
import windrow as wr
from faults.broker import Broker, Certificates, free_port
from windrow.config.sections import WebhookSink
from windrow.object_path import ObjectPath, find
from windrow.pipeline import Pipeline
from windrow.sinks.spooled import UnreachableError
from windrow.sinks.webhook import Webhook
from windrow.state.spool import Message

ROWS = [("gate", 0), ("gate", 0), ("yard", 0), ("gate", 5), ("yard", 7), ("gate", 11)]


def run(folder, sink, *, state=True, rows=ROWS, **window):
    """Windows of five minutes of a few rows, to one sink."""
    data = folder / "in.jsonl"
    data.write_text(
        "".join(
            json.dumps({"time": f"2026-01-05T08:{minute:02}:00Z", "camera": camera}) + "\n"
            for camera, minute in rows
        )
    )
    config = {
        "source": {"kind": "file", "path": str(data)},
        "window": {"every": "5m", "by": ["camera"], "aggregate": [{"name": "n", "count": True}], **window},
        "sink": [{"what": "windows", **sink}],
    }
    if state:
        config["state"] = {"path": str(folder / "state")}
    return Pipeline.from_dict(config).run()


class Hook:
    """An HTTP server that answers as told."""

    def __init__(self, *answers, port=0):
        self.requests, answers = [], list(answers)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((time.monotonic(), self.headers, body))
                code, headers = answers.pop(0) if answers else (200, {})
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *ignored):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()

    @property
    def rows(self):
        return [json.loads(body) for _, _, body in self.requests]


def test_a_webhook_gets_each_result_signed_and_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", "key")
    (tmp_path / "token").write_text("t0ken\n")
    with Hook() as hook:
        run(
            tmp_path,
            {
                "kind": "webhook",
                "url": hook.url,
                "secret_env": "HOOK_SECRET",
                "token_file": str(tmp_path / "token"),
            },
        )
    assert [(row["camera"], row["n"]) for row in hook.rows] == [
        ("gate", 2),
        ("yard", 1),
        ("gate", 1),
        ("yard", 1),
    ]
    for _, headers, body in hook.requests:
        assert headers["Idempotency-Key"] == json.loads(body)["message_id"]
        assert headers["Authorization"] == "Bearer t0ken"
        seconds, _, digest = headers["Windrow-Signature"].removeprefix("t=").partition(",v1=")
        signed = hmac.new(b"key", seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(signed, digest)
        assert abs(time.time() - int(seconds)) < 60


def test_a_webhook_trusts_the_authorities_that_its_file_names_by_now(tmp_path, caplog):
    authority, other = Certificates(tmp_path / "one"), Certificates(tmp_path / "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server, authority.server_key)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(other.ca.read_bytes())
    message = Message("hook", "id", 0.0, "{}"), {}
    with Hook() as hook, caplog.at_level("INFO", "windrow"):
        hook.server.socket = context.wrap_socket(hook.server.socket, server_side=True)
        hook.server.handle_error = lambda *refused: None
        url = hook.url.replace("http:", "https:")
        webhook = Webhook(WebhookSink(kind="webhook", url=url, ca=str(ca)))
        for content, said in ((None, ""), (b"half a fi", "are as they were"), (b"", "are as they were")):
            if content is not None:
                ca.write_bytes(content)
            with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
                webhook.send([message])
            assert said in caplog.text
        assert hook.requests == []
        ca.write_bytes(authority.ca.read_bytes())
        assert webhook.send([message]) == 1
        assert "were read anew" in caplog.text
        webhook.close()


def test_a_webhook_is_tried_again_where_that_may_help_and_not_where_it_wont(tmp_path):
    with Hook(
        (503, {}), (429, {"Retry-After": "1"}), (200, {}), (400, {}), (302, {"Location": "/elsewhere"})
    ) as hook:
        run(tmp_path, {"kind": "webhook", "url": hook.url})
    ids = [headers["Idempotency-Key"] for _, headers, _ in hook.requests]
    assert ids[0] == ids[1] == ids[2]
    assert len(ids) == 6  # the first thrice, the others once each: two of them are refused for good
    assert len(set(ids)) == 4
    assert hook.requests[2][0] - hook.requests[1][0] > 0.9
    from windrow.state.spool import Spool

    assert Spool(tmp_path / "state" / "spool.sqlite3", most_bytes=1, most_seconds=1).dropped == {"refused": 2}


def test_what_a_webhook_couldnt_take_waits_for_the_next_run(tmp_path, monkeypatch):
    port = free_port()
    sink = {"kind": "webhook", "url": f"http://127.0.0.1:{port}/alerts"}
    with monkeypatch.context() as hurried:
        hurried.setattr("windrow.run.PATIENCE", 0.3)
        run(tmp_path, sink)
    with Hook(port=port) as hook:
        run(tmp_path, sink, rows=[("gate", 30)])
    assert [(row["camera"], row["window_start"][11:16]) for row in hook.rows] == [
        ("gate", "08:00"), ("yard", "08:00"), ("gate", "08:05"), ("yard", "08:05"), ("gate", "08:10"),
    ]  # fmt: skip


def script(folder, text):
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_command_gets_each_result_on_its_input_and_no_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = script(tmp_path, f'cat >> {tmp_path}/out; echo "$1" >> {tmp_path}/arguments')
    run(tmp_path, {"kind": "command", "command": [program, "$(touch never); *"]})
    rows = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert [(row["camera"], row["n"]) for row in rows] == [("gate", 2), ("yard", 1), ("gate", 1), ("yard", 1)]
    assert set((tmp_path / "arguments").read_text().splitlines()) == {"$(touch never); *"}
    assert not (tmp_path / "never").exists()


def test_a_command_that_fails_or_hangs_is_tried_and_given_up(tmp_path, caplog):
    program = script(
        tmp_path,
        f"echo x >> {tmp_path}/tries; if [ $(wc -l < {tmp_path}/tries) = 1 ]; then sleep 9; fi; exit 3",
    )
    sink = {"kind": "command", "command": [program], "tries": 2, "timeout": "300ms"}
    run(tmp_path, sink, rows=[("gate", 0), ("gate", 5)])
    assert len((tmp_path / "tries").read_text().splitlines()) == 2
    assert "it took longer than 0.3 s" in caplog.text
    assert "it ended with 3" in caplog.text
    with pytest.raises(wr.ConfigError, match="must be a program that can be run"):
        run(tmp_path, {"kind": "command", "command": ["no-such-program"]})


def objects(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_objects_are_one_a_window_and_partition_named_by_its_time(tmp_path):
    out = tmp_path / "out"
    path = f"{out}/!{{timestamp:yyyy/MM/dd}}/!{{timestamp:HHmm}}/!{{partition:camera}}.jsonl"
    run(tmp_path, {"kind": "object", "path": path})
    assert objects(out) == [
        f"2026/01/05/{name}.jsonl" for name in ("0800/gate", "0800/yard", "0805/gate", "0805/yard")
    ]
    (row,) = [json.loads(line) for line in (out / "2026/01/05/0800/gate.jsonl").read_text().splitlines()]
    assert row["n"] == 2
    before = objects(out)
    run(tmp_path, {"kind": "object", "path": path}, state=False, rows=ROWS[:-1])
    assert objects(out) == before  # sent again, the same


def test_what_comes_later_for_a_window_is_another_object(tmp_path):
    out = tmp_path / "out"
    rows = [("gate", 0), ("gate", 6), ("gate", 1), ("gate", 12)]
    sink = {"kind": "object", "path": f"{out}/!{{timestamp:HHmm}}.jsonl"}
    data = tmp_path / "in.jsonl"
    data.touch()
    run(tmp_path, sink, rows=rows[:2], allowed_lateness="10m")
    run(tmp_path, sink, rows=rows[2:], allowed_lateness="10m")
    names = objects(out)
    assert len(names) == 3
    counts = {
        name: [json.loads(line)["n"] for line in (out / name).read_text().splitlines()] for name in names
    }
    assert counts["0800.jsonl"] == [1]
    assert sorted(counts.values()) == [[1], [1], [2]]


def test_what_a_kill_left_beside_an_object_goes_with_the_next_one(tmp_path):
    """A process dies between the writing and the moving; the next run finds its half."""
    out = tmp_path / "out"
    path = f"{out}/!{{timestamp:HH}}/!{{partition:camera}}.jsonl"
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from windrow.state import whole_file\n"
        "Path.replace = lambda *ignored: os.kill(os.getpid(), signal.SIGKILL)\n"
        "whole_file.write_whole(Path(sys.argv[1]), b'half')\n"
    )
    (out / "08").mkdir(parents=True)
    done = subprocess.run([sys.executable, "-c", program, str(out / "08" / "gone.jsonl")], check=False)
    left = out / "08" / ".gone.jsonl.new"
    assert (done.returncode, left.read_bytes()) == (-signal.SIGKILL, b"half")
    others = [out / "08" / ".gone.json.new", out / "08" / "gone.jsonl.new", out / "08" / ".now.jsonl.new"]
    for other in others:
        other.write_text("somebody's")
    os.utime(others[2], (time.time() + 3600, time.time() + 3600))
    os.utime(left, (time.time() - 1, time.time() - 1))
    run(tmp_path, {"kind": "object", "path": path})
    assert (out / "08" / "gate.jsonl").exists()
    assert not left.exists()
    assert all(other.exists() for other in others)


def test_parquet_objects_and_the_layout_of_lookout_read_back(tmp_path):
    out = tmp_path / "out"
    run(
        tmp_path,
        {
            "kind": "object",
            "path": f"{out}/!{{timestamp:yyyyMMdd}}/!{{timestamp:HHmm}}/!{{random-string}}.parquet",
        },
    )
    names = objects(out)
    assert [name[:13] for name in names] == ["20260105/0800", "20260105/0805"]
    table = pq.read_table(out / names[0])
    assert table.column("window_start").type.equals(pq.read_table(out / names[1]).column("window_start").type)
    assert str(table.column("window_start").type) == "timestamp[ns, tz=UTC]"
    again = tmp_path / "again.jsonl"
    config = {
        "source": {
            "kind": "file",
            "path": f"{out}/{{{{yyyyMMdd}}}}/{{{{HHmm}}}}/*.parquet",
            "time": "window_start",
        },
        "window": {"every": "1h", "aggregate": [{"name": "n", "sum": "n"}]},
        "sink": [{"kind": "file", "path": str(again), "what": "windows"}],
    }
    Pipeline.from_dict(config).run()
    assert json.loads(again.read_text())["n"] == 5


def test_paths_are_firehoses():
    time = dt.datetime(2026, 3, 1, 7, 5, 9, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    path = ObjectPath(
        "a/!{timestamp:yyyy-MM-dd'T'HH:mm:ss'%'}/!{timestamp:yy/DDD}/!{partition:c}/!{random-string}"
    )
    filled = path.fill(time, {"c": "../x"}, ["one", "two"])
    assert filled.rpartition("/")[0] == "a/2026-03-01T05:05:09%/26/060/__x"
    assert len(filled.rpartition("/")[2]) == 11
    assert filled == path.fill(time, {"c": "../x"}, ["one", "two"]) != path.fill(time, {"c": "../x"}, ["one"])
    for bad in ("!{timestamp:YYYY}", "!{timestamp:}", "!{firehose:x}", "!{}"):
        with pytest.raises(wr.ConfigError):
            ObjectPath(bad)
    with pytest.raises(wr.ConfigError, match="at most 512 characters"):
        ObjectPath("!{partition:c}").fill(time, {"c": "x" * 513}, [])
    with pytest.raises(wr.ConfigError, match="the letters of a time"):
        find("{{yyyy}}/{{QQ}}")


def test_files_are_found_in_the_order_of_their_times(tmp_path):
    for name in ("31-01-2026/0900", "01-02-2026/0000", "31-01-2026/0005", "31-01-2026/9", "x/0000"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find(f"{tmp_path}/{{{{dd-MM-yyyy}}}}/{{{{HHmm}}}}")
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "31-01-2026/0005",
        "31-01-2026/0900",
        "01-02-2026/0000",
    ]


def test_objects_go_to_s3_whole(tmp_path, monkeypatch):
    server = pytest.importorskip("moto.server", reason="moto is missing: no S3 to test against")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    started = server.ThreadedMotoServer("127.0.0.1", 0)
    started.start()
    try:
        host, port = started.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        import s3fs

        store = s3fs.S3FileSystem(client_kwargs={"endpoint_url": endpoint})
        store.mkdir("bucket")
        path = "s3://bucket/!{timestamp:yyyy/MM/dd/HHmm}/!{partition:camera}.jsonl"
        run(tmp_path, {"kind": "object", "path": path, "endpoint": endpoint})
        store.invalidate_cache()
        assert store.find("bucket") == [
            f"bucket/2026/01/05/{at}.jsonl" for at in ("0800/gate", "0800/yard", "0805/gate", "0805/yard")
        ]
        assert json.loads(store.cat_file("bucket/2026/01/05/0800/gate.jsonl"))["n"] == 2
    finally:
        started.stop()


class Things:
    """The shadow service, for as much of it as is needed: versions, conflicts, things that there aren't."""

    def __init__(self, broker, shadows):
        self.shadows, self.conflicts, self.updates = shadows, 0, []
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, "things")
        self.ready = threading.Event()
        self.client.on_connect = lambda client, *_: client.subscribe("$aws/things/+/shadow/+", 1)
        self.client.on_subscribe = lambda *_: self.ready.set()
        self.client.on_message = self.heard
        self.client.connect_async("127.0.0.1", broker.port)
        self.client.loop_start()
        assert self.ready.wait(10)

    def heard(self, client, data, message):
        *_, thing, _, what = message.topic.split("/")
        body = json.loads(message.payload)
        token = {"clientToken": body["clientToken"]}
        shadow = self.shadows.get(thing)

        def answer(how, text):
            client.publish(f"$aws/things/{thing}/shadow/{what}/{how}", json.dumps({**text, **token}), qos=1)

        if what == "get":
            if shadow is None:
                answer("rejected", {"code": 404, "message": "no shadow"})
            else:
                version = shadow["version"]
                # Somebody else changes it between the look and the update, once.
                if self.conflicts == 0:
                    shadow["version"] += 1
                answer("accepted", {"version": version, "state": shadow["state"]})
        elif shadow is not None and body.get("version") not in (None, shadow["version"]):
            self.conflicts += 1
            answer("rejected", {"code": 409, "message": "version conflict"})
        else:
            version = (shadow or {"version": 0})["version"] + 1
            self.shadows[thing] = {"version": version, "state": body["state"]}
            self.updates.append((thing, body["state"]["desired"]))
            answer("accepted", {"version": version})

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()
        self.client._reset_sockets()


def test_shadows_are_set_while_an_event_lasts_also_against_others(tmp_path):
    from windrow.config.sections import ShadowSink
    from windrow.sinks.shadow import Shadow
    from windrow.state.spool import Message

    with Broker(tmp_path / "broker") as broker:
        things = Things(broker, {"sign-gate": {"version": 7, "state": {}}})
        sink = Shadow(
            ShadowSink(
                kind="shadow", url=broker.url, thing="sign-{camera}", restored={"text": "", "on": False},
                desired={"text": "{reason}", "on": True},
            ),
            "shadow",
        )  # fmt: skip
        assert sink.connection.up.wait(10)
        time.sleep(0.3)

        def send(camera, state):
            row = {"camera": camera, "state": state, "reason": "spike up: 300, expected 20"}
            return sink.send([(Message("s", "id", 0.0, "{}"), row)])

        assert [send("gate", "alarm"), send("gate", "ok"), send("new/one", "alarm")] == [1, 1, 1]
        sink.close()
        things.close()
    assert things.updates == [
        ("sign-gate", {"text": "spike up: 300, expected 20", "on": True}),
        ("sign-gate", {"text": "", "on": False}),
        ("sign-new_one", {"text": "spike up: 300, expected 20", "on": True}),
    ]
    assert things.conflicts == 1
