"""The ready configs on the real files that they were written for, by the command line."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest
import windrow as wr
from windrow.cli import main

READY = Path(__file__).parents[1] / "edge_configs"


def run(capsys, config, path, *more):
    assert main(["run", str(READY / f"{config}.toml"), "--input", str(path), *more]) == 0
    out, err = capsys.readouterr()
    return out, err


def test_parking(data, capsys):
    path = data / "nvidia_smart_parking" / "demo-1.jsonl.gz"
    out, err = run(capsys, "parking", path)
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["cars"] for row in rows if row["level"] == 1] == [27, 22, 18, 12, 14, 8]
    assert sum(row["messages"] for row in rows if row["level"] == 1) == 3028
    assert err == f"windrow: 3,028 rows read, {len(rows)} windows\n"
    # Per camera: the same by plain Python.
    tracks = defaultdict(set)
    for line in gzip.decompress(path.read_bytes()).splitlines():
        message = json.loads(line)
        minute = int(message["@timestamp"][14:16]) // 5 * 5
        start = f"{message['@timestamp'][:14]}{minute:02}:00Z"
        tracks[message["sensor"]["id"], start].add(message["object"]["id"])
    found = {(row["camera"], row["window_start"]): row["cars"] for row in rows if row["level"] == 0}
    assert found == {key: len(ids) for key, ids in tracks.items()}
    assert len({camera for camera, _ in found}) == 51


def test_pems(data, capsys):
    for name, rows in (("train", 7776), ("test", 4320)):
        out, _ = run(capsys, "pems", data / "pems_flow_5min" / f"{name}.csv", "--json")
        found = json.loads(out)
        assert (found["rows"], found["judged"]) == (rows, rows)
        assert (found["rejected"], found["unreadable"]) == (0, 0)
        # Ordinary traffic: a handful of events a month, not one a day.
        assert len(found["events"]) <= 6


def test_nab_traffic(data, capsys):
    for path in sorted((data / "nab" / "data" / "realTraffic").glob("*.csv")):
        out, _ = run(capsys, "nab_traffic", path, "--json")
        found = json.loads(out)
        assert found["judged"] == found["rows"] == len(path.read_text().splitlines()) - 1
        assert found["unreadable"] == 0


def test_machine_temperature(data, tmp_path, capsys):
    path = data / "nab" / "data" / "realKnownCause" / "machine_temperature_system_failure.csv"
    out, err = run(capsys, "machine_temperature", path, "--report", str(tmp_path / "report.html"))
    assert "22,695 rows read" in err
    assert all(json.loads(line)["measure"] == "temperature" for line in out.splitlines())
    assert "temperature" in (tmp_path / "report.html").read_text("utf-8")


def test_pump(data, tmp_path, capsys):
    text = (data / "skab" / "valve1" / "0.csv").read_text("utf-8")
    path = tmp_path / "pump.csv"
    path.write_text(text.replace(";", ","), "utf-8")
    out, err = run(capsys, "pump", path, "--report", str(tmp_path / "report.html"))
    events = [json.loads(line) for line in out.splitlines()]
    assert {event["kind"] for event in events} == {"anomaly", "change_point"}
    faults = [
        line.split(",") for line in path.read_text("utf-8").splitlines() if line.split(",")[-2] == "1.0"
    ]
    first = min(event["start"] for event in events if event["kind"] == "anomaly")
    # Within the fault, or a minute before the labels say so: the valve is closed by hand.
    assert faults[0][0] <= first.replace("T", " ").rstrip("Z") <= faults[-1][0]
    assert "1,147 rows read" in err
    assert "Pressure" in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(("config", "scenario"), [("junction_demo", "traffic"), ("motor", "motor")])
def test_the_demo_configs_read_what_simulate_writes(tmp_path, monkeypatch, capsys, config, scenario):
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", scenario]) == 0 if scenario == "motor" else True
    text = capsys.readouterr().out if scenario == "motor" else None
    path = tmp_path / ("motor.csv" if scenario == "motor" else "traffic.jsonl")
    path.write_bytes(text.encode() if text else b"".join(wr.simulate.traffic().messages()))
    out, _ = run(capsys, config, path, "--json")
    found = json.loads(out)
    assert found["events"]
    assert (tmp_path / "demo" / scenario / "report.html").exists()
