"""Both scenarios on simulated input, with what was found held against what was injected.

Owns the demo's two pipelines (also in `edge_configs`, a test keeps them equal) and the comparison. The simulated
faults are the answer; nothing here tells the detector about them.
"""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from windrow.pipeline import Outcome, Pipeline
from windrow.run import Progress
from windrow.simulate import Fault, motor, traffic

__all__ = ["PIPELINES", "Finding", "Shown", "show"]

TRAFFIC: dict[str, Any] = {
    "source": {"kind": "simulate", "scenario": "traffic"},
    "window": {
        "every": "5m",
        "by": ["camera"],
        "source": "camera",
        "out_of_orderness": "2s",
        "fill": True,
        "aggregate": [
            {"name": "cars", "distinct": "track", "where": {"class": "vehicle"}},
            {"name": "persons", "distinct": "track", "where": {"class": "person"}},
        ],
    },
    "detect": {"method": "counts", "measures": ["cars", "persons"]},
    "alarm": {"severity": 50, "missing": "breaching"},
    "sink": [{"kind": "file", "path": "demo/traffic/anomalies.jsonl"}],
    "report": {"path": "demo/traffic/report.html", "title": "A junction with two cameras"},
}
MOTOR: dict[str, Any] = {
    "source": {"kind": "simulate", "scenario": "motor"},
    "detect": {
        "method": "residual",
        "measures": ["bearing_temperature"],
        "by": ["machine"],
        "predicted": "predicted",
        "rmse": {"ewm": 1000},
        "smooth": 12,
    },
    "alarm": {"threshold": 3.0, "breaches": 15, "of": 20},
    "sink": [{"kind": "file", "path": "demo/motor/anomalies.jsonl"}],
    "report": {"path": "demo/motor/report.html", "title": "A motor's bearing temperature"},
}
PIPELINES = {"traffic": TRAFFIC, "motor": MOTOR}


@dataclass(frozen=True)
class Finding:
    """A fault, and the events that were raised for it."""

    fault: Fault
    events: tuple[dict[str, Any], ...]
    #: From the fault's beginning to the end of the first window (or row) in alarm.
    delay: dt.timedelta | None

    @property
    def severity(self) -> float | None:
        """The highest of its events."""
        return max(
            (event["severity"] for event in self.events if event["severity"] is not None), default=None
        )

    @property
    def peak(self) -> float | None:
        """The largest size of what the alarm looked at: a severity, or a score in units of the RMSE."""
        return max((abs(event["peak"]) for event in self.events if event["peak"] is not None), default=None)


@dataclass(frozen=True)
class Shown:
    """One scenario's demo."""

    scenario: str
    outcome: Outcome
    findings: tuple[Finding, ...]
    #: Events that no fault explains.
    false_alarms: tuple[dict[str, Any], ...]
    report: Path
    anomalies: Path


def show(
    scenario: str, folder: Path, *, seed: int = 7, healthy: bool = False, progress: Progress | None = None
) -> Shown:
    """Run one scenario, write its report and anomalies, and compare.

    Parameters
    ----------
    scenario : {"traffic", "motor"}
        Which.
    folder : Path
        Where to write; a folder of the scenario's name is made in it.
    seed : int
        Of the simulator.
    healthy : bool
        Leave the faults out.
    progress : callable, optional
        As of `Pipeline.run`.
    """
    config = copy.deepcopy(PIPELINES[scenario])
    report, anomalies = folder / scenario / "report.html", folder / scenario / "anomalies.jsonl"
    config["source"] |= {"seed": seed, "healthy": healthy}
    config["sink"][0]["path"] = str(anomalies)
    config["report"]["path"] = str(report)
    outcome = Pipeline.from_dict(config).run(progress=progress)
    # The same seed makes the same world, so its faults can be asked for again.
    world = (traffic if scenario == "traffic" else motor)(seed=seed, healthy=healthy)
    length = dt.timedelta(minutes=5) if scenario == "traffic" else dt.timedelta(minutes=1)
    findings, false_alarms = compare(world.faults, outcome, length)
    return Shown(scenario, outcome, findings, false_alarms, report, anomalies)


def compare(
    faults: tuple[Fault, ...], outcome: Outcome, length: dt.timedelta
) -> tuple[tuple[Finding, ...], tuple[dict[str, Any], ...]]:
    """Hold events against faults: an event belongs to a fault of its series and measure that it overlaps."""
    left = dict(outcome.events)
    findings = []
    for fault in faults:
        mine = [
            event
            for event in outcome.events.values()
            if event["measure"] in fault.measures
            and all(event[name] == value for name, value in fault.series.items())
            and fault.overlaps(event["start"], event["end"])
        ]
        for event in mine:
            left.pop(event["id"], None)
        first = min((event["start"] for event in mine), default=None)
        delay = None if first is None else max(first + length - fault.start, dt.timedelta(0))
        findings.append(Finding(fault, tuple(mine), delay))
    return tuple(findings), tuple(left.values())
