"""The demo finds each injected fault, raises nothing on a healthy world, and leaves what it says."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import windrow as wr
from windrow.cli import main
from windrow.demo import compare, show
from windrow.pipeline import Outcome, Pipeline
from windrow.simulate import traffic

FAULTS = {
    "traffic": ["blocked road", "stopped camera", "crowd"],
    "motor": ["after a long idle", "steep drop", "hot for its speed"],
}


@pytest.mark.parametrize("scenario", FAULTS)
def test_each_injected_fault_is_found_and_nothing_else(tmp_path, scenario):
    shown = show(scenario, tmp_path)
    assert [one.fault.kind for one in shown.findings] == FAULTS[scenario]
    for one in shown.findings:
        assert one.events, one.fault
        assert one.delay is not None
        assert one.delay <= one.fault.end - one.fault.start
    assert shown.false_alarms == ()
    lines = [json.loads(line) for line in shown.anomalies.read_text("utf-8").splitlines()]
    assert {line["id"] for line in lines} == set(shown.outcome.events)
    assert shown.report.read_text("utf-8").count('<tr class="event">') == len(shown.outcome.events)


@pytest.mark.parametrize("scenario", FAULTS)
@pytest.mark.parametrize("seed", [7, 8])
def test_a_healthy_world_raises_nothing(tmp_path, scenario, seed):
    shown = show(scenario, tmp_path, seed=seed, healthy=True)
    assert shown.findings == ()
    assert shown.outcome.events == {}
    assert shown.anomalies.read_text() == ""
    assert "None: no alarm was raised." in shown.report.read_text("utf-8")


def test_other_seeds_are_no_harder(tmp_path):
    for seed in (1, 2, 3):
        shown = show("motor", tmp_path, seed=seed)
        assert all(one.events for one in shown.findings)
        assert shown.false_alarms == ()


def test_the_command_prints_what_was_found(tmp_path, capsys):
    assert main(["demo", "motor", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "3 of 3 faults found, 0 false alarms" in out
    assert str(tmp_path / "motor" / "report.html") in out
    assert main(["demo", "motor", "--out", str(tmp_path), "--json", "--healthy"]) == 0
    assert json.loads(capsys.readouterr().out)["motor"]["false_alarms"] == []


def test_the_events_of_a_run_come_out_everywhere_alike(tmp_path):
    """Sinks, outcome and rows in alarm tell the same story, also when the run is cut in two."""
    sections = {
        "source": {"kind": "file"},
        "detect": {"method": "residual", "measures": ["bearing_temperature"], "by": "machine", "smooth": 12},
        "alarm": {"threshold": 3.0, "breaches": 15, "of": 20},
        "sink": [
            {"kind": "file", "path": str(tmp_path / f"{what}.jsonl"), "what": what, "append": True}
            for what in ("events", "anomalies")
        ],
    }
    rows = tmp_path / "motor.csv"
    lines = list(wr.simulate.motor().csv())
    rows.write_text("".join(lines))

    def events():
        """Each event in its newest form; a line more where it began in an earlier piece of input than it ended in."""
        lines = (tmp_path / "events.jsonl").read_text().splitlines()
        return {event["id"]: event for event in map(json.loads, lines)}

    whole = Pipeline.from_dict(sections).run(input=str(rows))
    assert len(whole.events) == 3
    found = events()
    assert set(found) == set(whole.events)
    anomalies = (tmp_path / "anomalies.jsonl").read_text().splitlines()
    assert len(anomalies) >= sum(event["points"] for event in found.values()) * 0.8
    assert all(json.loads(line)["state"] == "alarm" for line in anomalies)
    for name in ("events", "anomalies"):
        (tmp_path / f"{name}.jsonl").unlink()
    state = {"state": {"path": str(tmp_path / "state")}}
    # The cut lies within the second event.
    cut = next(at for at, line in enumerate(lines) if line.startswith("2026-01-15T09:40"))
    for part in (lines[1:cut], lines[cut:]):
        rows.write_text("".join([lines[0], *part]))
        Pipeline.from_dict(sections | state).run(input=str(rows))
    assert (tmp_path / "anomalies.jsonl").read_text().splitlines() == anomalies
    assert events() == found


def test_an_event_elsewhere_explains_no_fault():
    (fault, *_) = traffic(days=14).faults
    event = {
        "id": "1", "camera": "south", "measure": "cars", "start": fault.start, "end": None, "severity": 60.0,
        "peak": 60.0,
    }  # fmt: skip
    findings, false_alarms = compare((fault,), Outcome(events={"1": event}), dt.timedelta(minutes=5))
    assert (findings[0].events, false_alarms) == ((), (event,))
    event = {**event, "camera": "north"}
    findings, false_alarms = compare((fault,), Outcome(events={"1": event}), dt.timedelta(minutes=5))
    assert (findings[0].events, false_alarms) == ((event,), ())
    assert findings[0].delay == dt.timedelta(minutes=5)
