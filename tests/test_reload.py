"""What a reload changes while windows are open, and what it refuses, with what that takes."""

from __future__ import annotations

import json
import urllib.request

import pytest
import windrow as wr
from faults.broker import free_port
from faults.service import Service
from test_service import config, put, until, windows
from windrow.config.check import check
from windrow.service.reload import CHANGEABLE, refused
from windrow.state.store import inspect

DETECT = """[detect]
measures = ["n"]
[detect.filters]
min_deviation = 5
sensitivity = { camera = { gate = 2.0 } }
[alarm]
severity = 50
look_back = 9
[state]"""


def newest(folder, stage):
    return max((folder / "state").glob(f"{stage}.*.gz"), key=lambda file: int(file.name.split(".")[1]))


def test_alarm_filters_service_and_state_change_without_losing_a_window(tmp_path):
    port = free_port()
    text = config(tmp_path, service='log = "json"\n').replace("[state]", DETECT)
    with Service(tmp_path, text) as service:
        put(tmp_path, 0, 1, 2)
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 2)
        other = (
            text.replace("min_deviation = 5", "min_deviation = 7")
            .replace("sensitivity = { camera = { gate = 2.0 } }", "")
            .replace("severity = 50\nlook_back = 9", "threshold = 4.0\nbreaches = 2\nof = 3\nlook_back = 3")
            .replace(
                'log = "json"',
                f'log = "text"\nhealth = "{tmp_path}/health.json"\nlisten = "127.0.0.1:{port}"',
            )
            .replace('interval = "200ms"', 'interval = "100ms"\nspool_bytes = 100_000')
            .replace('max_leap = "1h"', 'max_leap = "2h"')
        )
        service.reload(other)
        assert not service.says("was read anew").startswith("{")
        put(tmp_path, 3, 4)
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 4)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            assert json.load(answer)["status"] == "ok"
        service.reload(other.replace(f'listen = "127.0.0.1:{port}"', ""))
        assert until(lambda: closed(port))
        service.stop()
    made = inspect(newest(tmp_path, "detector"))["made"]
    assert "min_deviation=7" in made
    assert "alarm=Alarm(threshold=4.0, breaches=2, of=3, look_back=3)" in made
    assert (tmp_path / "health.json").exists()
    # The state is taken up with yet another alarm: it is no part of what was learned.
    with Service(tmp_path, other.replace("threshold = 4.0", "threshold = 5.0")) as service:
        put(tmp_path, 5)
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 5)
        service.stop()
    assert "threshold=5.0" in inspect(newest(tmp_path, "detector"))["made"]
    starts = [start for _, start, _ in windows(tmp_path / "a.jsonl")]
    assert starts == [f"00:0{minute}" for minute in range(5)]


def closed(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
    except OSError:
        return True
    return False


def test_where_one_thing_cant_be_had_nothing_changes(tmp_path):
    port = free_port()
    text = config(tmp_path)
    with Service(tmp_path, text) as service:
        put(tmp_path, 0, 1)
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 1)
        bad = text.replace("[service]", f'[service]\nlisten = "127.0.0.1:{port}"').replace(
            "a.jsonl", "no/b.jsonl"
        )
        (tmp_path / "no").write_text("a file where a folder is wanted")
        service.reload(bad)
        service.says("the config is refused, and nothing changes: ")
        assert closed(port)
        put(tmp_path, 2)
        assert until(lambda: len(windows(tmp_path / "a.jsonl")) == 2)
        service.stop()


SOURCE = {"kind": "file", "path": "a.jsonl", "follow": True, "max_leap": "1h"}
WINDOW = {"every": "1m", "by": ["camera"], "aggregate": [{"name": "n", "count": True}]}
SINK = {"kind": "stdout", "what": "windows"}
BASE = {
    "source": SOURCE, "window": WINDOW, "detect": {"measures": ["n"]}, "alarm": {"severity": 50},
    "state": {"path": "s"}, "service": {}, "sink": [{"kind": "stdout"}],
}  # fmt: skip
ANEW = "can't change while the service runs: it takes a restart with another `path` in [state]"
KEPT = "can't change while the service runs: it takes a restart of the service, which keeps its state"


def read(data):
    found, problems = check(data)
    assert problems == []
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"window": WINDOW | {"every": "2m"}}, [f"[window] `every` {ANEW}"]),
        (
            {"window": WINDOW | {"by": ["camera", "class"], "allowed_lateness": "1m"}},
            ["[window] `by` and `allowed_lateness` can't change"],
        ),
        ({"detect": {"measures": ["n"], "method": "counts"}}, [f"[detect] `method` {ANEW}"]),
        ({"source": SOURCE | {"path": "b.jsonl"}}, [f"[source] `path` {KEPT}"]),
        ({"source": SOURCE | {"where": {"class": "car"}}}, [f"[source] `where` {ANEW}"]),
        (
            {"source": SOURCE | {"where": {"class": "car"}, "path": "b.jsonl"}},
            ["[source] `where` can't", "[source] `path` can't"],
        ),
        ({"source": {"kind": "stdin"}}, [f"[source] {KEPT}"]),
        ({"state": {"path": "t"}}, [f"[state] `path` {KEPT}"]),
        ({"state": None}, [f"[state] {KEPT}"]),
        ({"service": None}, [f"[service] {KEPT}"]),
        ({"detect": None, "alarm": None, "sink": [SINK]}, [f"[detect] {ANEW}"]),
        ({"source": SOURCE | {"max_leap": "2h"}}, []),
        ({"detect": {"measures": ["n"], "filters": {"quiet_hours": "sat-sun"}}}, []),
        ({"alarm": None}, []),
        ({"alarm": {"threshold": 3.0, "breaches": 2}}, []),
        ({"state": {"path": "s", "interval": "5s", "spool_age": "1d", "spool_bytes": 70_000}}, []),
        ({"service": {"log": "json", "level": "debug"}}, []),
        ({"sink": [SINK]}, []),
    ],
)  # fmt: skip
def test_what_cant_change_is_named_with_what_it_takes(change, words):
    data = {name: section for name, section in (BASE | change).items() if section is not None}
    found = list(refused(read(BASE), read(data)))
    assert len(found) == len(words)
    for said, word in zip(found, words, strict=True):
        assert word in said


def test_what_may_change_is_there_to_change():
    for name, options in CHANGEABLE.items():
        section = getattr(read(BASE), name)
        assert options <= set(type(section).model_fields)


def test_another_alarm_goes_on_from_where_the_series_is():
    """An alarm that is on stays on until the new rule ends it, and remembers no more than the new rule asks for."""
    day = 1_767_571_200
    rows = {"window_start": [day + 60 * at for at in range(40)], "n": [10.0] * 39 + [900.0]}
    made = wr.Detector(
        "novelty", measures="n", time_unit="s", every="1m", alarm=wr.Alarm(threshold=1e-9, look_back=30)
    )
    made.push(rows)
    made.watch(wr.Alarm(threshold=1e9, breaches=1, of=1, look_back=2))
    assert "threshold=1000000000.0" in repr(made)
    again = wr.Detector.restore(made.snapshot())
    assert again.snapshot() == made.snapshot()
    found = again.push({"window_start": [day + 60 * 40], "n": [10.0]})
    assert [row["state"] for row in found] == ["ok"]
    with pytest.raises(wr.ConfigError, match="`alarm` must be an Alarm"):
        made.watch(50)
    picky = wr.Detector("counts", measures="n", by="camera", sensitivity={"camera": {"a": 2.0}})
    before = picky.snapshot()
    with pytest.raises(wr.ConfigError, match="`sensitivity` goes with"):
        picky.watch(wr.Alarm(threshold=3.0))
    assert picky.snapshot() == before
