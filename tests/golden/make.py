"""Golden snapshots: states as a version of windrow wrote them, and what must come of them.

Owns how each state is made and how it goes on; `tests/test_golden.py` restores the files beside this one and compares.
Refuses to replace a file of a released version: a new format gets files of its own. Until a format is released,

    python tests/golden/make.py

writes all files anew. Two processes write the same bytes.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import windrow as wr
from windrow.model.file import sealed

HERE = Path(__file__).parent
SECOND = 10**9
HOUR = 3600 * SECOND


def rows_of(batch: Any) -> list[dict[str, Any]]:
    """A batch as JSON can hold it."""

    def plain(value: Any) -> Any:
        if isinstance(value, dt.datetime):
            return value.isoformat()
        if isinstance(value, bytes):
            return value.hex()
        return None if isinstance(value, float) and math.isnan(value) else value

    columns = batch.to_pydict()
    return [
        {name: plain(value) for name, value in zip(columns, row, strict=True)}
        for row in zip(*columns.values(), strict=True)
    ]


# -- windows --------------------------------------------------------------------------------------------

AGGREGATES = {
    "rows": wr.count(),
    "speeds": wr.count("speed"),
    "cars": wr.count(where={"class": "car"}),
    "sum": wr.sum("speed"),
    "total": wr.sum("n"),
    "mean": wr.mean("speed", where={"class": ["car", "person"]}),
    "min": wr.min("speed"),
    "max": wr.max("n"),
    "std": wr.std("speed"),
    "var": wr.var("n"),
    "first": wr.first("speed"),
    "last": wr.last("class"),
    "tracks": wr.distinct("track"),
    "pairs": wr.distinct(["class", "track"]),
    "steady": wr.distinct("track", min_hits=2),
    "new": wr.distinct("track", count_on="first", retain="1h"),
    "many": wr.distinct("n"),
    "median": wr.quantile("speed", 0.5),
    "high": wr.quantile("n", 0.95),
}


def table(
    seed: int, start: int, rows: int, camera: str | None = None, step: int = SECOND // 2
) -> dict[str, Any]:
    """Rows of half a second each, with disorder, nulls and rows that are late."""
    pick = random.Random(seed)
    late = [90 * SECOND if pick.random() < 0.03 else 0 for _ in range(rows)]
    times = [start * SECOND + at * step - pick.randrange(4 * SECOND) for at in range(rows)]
    return {
        "time": [time - away for time, away in zip(times, late, strict=True)],
        "camera": [camera or pick.choice(["a", "b", "ä", None]) for _ in range(rows)],
        "class": [pick.choice(["car", "person", None]) for _ in range(rows)],
        "track": [pick.randrange(40) for _ in range(rows)],
        "n": [pick.randrange(-(10**12), 10**12) for _ in range(rows)],
        "speed": [None if pick.random() < 0.1 else pick.uniform(-3, 60) for _ in range(rows)],
    }


def windows(**options: Any) -> wr.TumblingWindows:
    base = {"every": "10s", "aggregates": AGGREGATES, "by": "camera", "out_of_orderness": "5s"}
    return wr.TumblingWindows(**(base | options))


def lanes() -> wr.TumblingWindows:
    """Three lanes at work, one closed, revisions to come, a window of more values than are kept one by one."""
    w = windows(allowed_lateness="20s", rollup=[[]])
    w.push(table(1, 0, 40))
    writers = [w.writer(name) for name in ("north", "south", "west")]
    for at, writer in enumerate(writers):
        writer.push(table(10 + at, 5 * at, 60))
    w.drain()
    writers[0].push(table(20, 45, 1_300, camera="b", step=SECOND // 1_000))
    writers[1].push(table(21, 20, 100))
    writers[2].close()
    w.drain()
    w.push(table(2, 15, 80))
    w.push_one(None, "a", [None, None, None, None])
    KEPT.extend([w, *writers])
    return w


def filled() -> wr.TumblingWindows:
    """Two lanes with sources and a clock, silent series, heartbeats."""
    w = windows(source="camera", fill=True, fill_limit=4, idle_timeout="30s", max_ahead="1h")
    w.advance(0)
    east, west = w.writer("east"), w.writer("west")
    east.push(table(30, 0, 60), now=30 * SECOND)
    west.push(table(31, 10, 60), now=40 * SECOND)
    west.alive("quiet", 55 * SECOND)
    w.drain()
    east.push(table(32, 60, 60, camera="a"), now=90 * SECOND)
    w.push_messages(b"not json\n", "rows", now=95 * SECOND)
    KEPT.extend([w, east, west])
    return w


def frames(seed: int, start: int, many: int) -> bytes:
    """A tracker's messages, a second apart: some objects, some of which it renames."""
    pick = random.Random(seed)
    lines = []
    for at in range(start, start + many):
        tracks = [{"object_track_id": f"t{pick.randrange(30)}", "class": {"type": "Car"}} for _ in range(3)]
        pair = {"from_id": f"t{pick.randrange(30)}", "to_id": f"t{pick.randrange(30)}"}
        lines.append(
            {
                "channel_id": pick.choice(["a", "b"]),
                "timestamp": f"1970-01-01T00:{at // 60:02}:{at % 60:02}.000000Z",
                "detections": tracks,
                "track_events": [{"type": "Rename"} | pair] if pick.random() < 0.2 else [],
            }
        )
    return "\n".join(map(json.dumps, lines)).encode()


def renamed() -> wr.TumblingWindows:
    """Objects of several ids, on two lanes, within a camera."""
    aggregates = {
        "tracks": wr.distinct("track"),
        "steady": wr.distinct("track", min_hits=2),
        "new": wr.distinct("track", count_on="first", retain="1h"),
    }
    w = wr.TumblingWindows(every="20s", aggregates=aggregates, by="camera", out_of_orderness="5s")
    one, other = w.writer("one"), w.writer("other")
    one.push_messages(frames(1, 0, 50), "axis")
    other.push_messages(frames(2, 0, 70), "axis")
    w.drain()
    one.push_messages(frames(3, 50, 10), "axis")
    KEPT.extend([w, one, other])
    return w


def go_on_with_renamed(w: wr.TumblingWindows) -> Any:
    with w.writer("one") as one, w.writer("other") as other:
        one.push_messages(frames(4, 60, 60), "axis")
        other.push_messages(frames(5, 70, 40), "axis")
    out = {"drained": rows_of(w.drain())}
    w.merge(w.split(["a"]))
    return out | {"flushed": rows_of(w.flush()), "repr": repr(w)}


#: Writers close when they are forgotten: those of a state stay as long as it takes to store it.
KEPT: list[Any] = []


def go_on_with_windows(w: wr.TumblingWindows) -> Any:
    out: dict[str, Any] = {"deadline": str(w.next_deadline()), "drained": rows_of(w.drain())}
    now = 130 * SECOND
    for at, name in enumerate(("north", "east", "new")):
        with w.writer(name) as writer:
            writer.push(table(40 + at, 70 + at, 50), now=now)
    w.push(table(43, 90, 50), now=now)
    out["more"] = rows_of(w.drain())
    out["given away"] = rows_of(wr.TumblingWindows.restore(w.split(["a"])).flush())
    out |= {"flushed": rows_of(w.flush()), "late": rows_of(w.late()), "rejects": rows_of(w.rejects())}
    return out | {"stats": {name: str(value) for name, value in w.stats.items()}, "repr": repr(w)}


# -- the other stages -----------------------------------------------------------------------------------


def machine(seed: int, start: int, rows: int) -> dict[str, Any]:
    pick = random.Random(seed)
    return {
        "time": [(start + at) * SECOND for at in range(rows)],
        "machine": [pick.choice(["m1", "m2", None]) for _ in range(rows)],
        "observed": [None if pick.random() < 0.05 else pick.uniform(44, 56) for _ in range(rows)],
        "predicted": [50.0] * rows,
    }


def scorer(rmse: Any, smooth: Any) -> Callable[[], wr.ResidualScorer]:
    def make() -> wr.ResidualScorer:
        s = wr.ResidualScorer(by="machine", rmse=rmse, smooth=smooth)
        s.push(machine(1, 0, 200))
        s.push({"time": [0], "machine": ["m1"], "observed": [1.0], "predicted": [1.0]})
        return s

    return make


def go_on_with_scorer(s: wr.ResidualScorer) -> Any:
    scored = rows_of(s.push(machine(2, 200, 60)))
    return {"scored": scored, "rejects": rows_of(s.rejects()), "stats": s.stats, "repr": repr(s)}


def alarm() -> wr.Alarm:
    return wr.Alarm(
        threshold=3.0,
        breaches=2,
        of=3,
        missing="ignore",
        direction="up",
        clear_below=1.5,
        look_back=6,
        period="1m",
    )


def go_on_with_alarm(a: wr.Alarm) -> Any:
    values = [0.0, 4.0, 4.0, 2.0, None, 1.0, 1.0, 5.0, -9.0, 5.0, 5.0]
    return {"states": a.states([60 * SECOND * at for at in range(len(values))], values), "repr": repr(a)}


def street(seed: int, start: int, rows: int) -> dict[str, Any]:
    """Two streets with a day's rhythm and, in the second half, a burst and a silence."""
    pick = random.Random(seed)
    level = [20 + 15 * math.floor(8 * abs((at % 24) - 12) / 12) / 8 for at in range(start, start + rows)]
    cars = [float(sum(pick.random() < 0.5 for _ in range(int(2 * mean)))) for mean in level]
    cars[rows // 2] *= 6
    cars[3 * rows // 4 : 3 * rows // 4 + 3] = [0.0] * 3
    return {
        "window_start": [(start + at) * HOUR for at in range(rows) for _ in range(2)],
        "camera": ["a", "b"] * rows,
        "cars": [value for one in cars for value in (one, one + 3)],
    }


def detector(method: str, **options: Any) -> Callable[[], wr.Detector]:
    def make() -> wr.Detector:
        d = wr.Detector(
            method, measures=["cars"], by=["camera"], every="1h", alarm=wr.Alarm(severity=50), **options
        )
        d.learn(given(method, 1, 0, 400))
        d.push(given(method, 2, 400, 100))
        return d

    return make


def given(method: str, seed: int, start: int, rows: int) -> dict[str, Any]:
    made = street(seed, start, rows)
    if method != "residual":
        return made
    load = [None if at % 17 == 0 else value / 2 for at, value in enumerate(made["cars"])]
    return made | {"model": [25.0] * (2 * rows), "load": load}


def watched() -> wr.Detector:
    """A detector with a model that remembers."""
    features = [{"of": ["load"]}, {"of": ["load"], "mean": "3h"}, {"of": ["load", "load"], "rate": "9h"}]
    model = sealed(
        {
            "target": "cars", "time": "window_start", "time_unit": "ns", "by": ["camera"],
            "inputs": [{"name": "load", "low": 0.0, "high": 40.0, "fill": 10.0, "mean": 12.5, "std": 4.0}],
            "step": "1h", "hold": "5h",
            "features": features,
            "predictor": {
                "kind": "ridge", "intercept": 25.0, "coefficients": [2.0, 0.25, 8.0], "mean": [12.5, 12.5, 0.0],
                "scale": [1.0, 2.0, 0.5],
            },
            "rmse": 4.0, "watch": {"threshold": 3.0, "smooth": 2, "breaches": 2, "of": 3},
            "made": {}, "data": {}, "report": {},
        }
    )  # fmt: skip
    d = wr.Detector("residual", model=model, every="1h")
    d.push(given("residual", 2, 400, 100))
    return d


def go_on_with_detector(method: str) -> Callable[[wr.Detector], Any]:
    def go_on(d: wr.Detector) -> Any:
        judged = rows_of(d.push(given(method, 3, 500, 60)))
        return {"judged": judged, "events": rows_of(d.events()), "status": repr(d.status), "repr": repr(d)}

    return go_on


def pumps(seed: int, start: int, rows: int) -> dict[str, Any]:
    """Two pumps of three sensors that go together, one with a hole and, later on, a fault."""
    pick = random.Random(seed)
    columns: dict[str, list[Any]] = {"window_start": [], "pump": [], "flow": [], "power": [], "heat": []}
    for at in range(start, start + rows):
        for pump in ("a", "b"):
            load = 10 + 3 * abs((at % 40) - 20) / 20 + pick.uniform(-1, 1)
            columns["window_start"].append(at * SECOND)
            columns["pump"].append(pump)
            columns["flow"].append(load + pick.uniform(-0.2, 0.2))
            columns["power"].append(5 * load + pick.uniform(-1, 1) - (15 if pump == "b" and at > 260 else 0))
            columns["heat"].append(None if pick.random() < 0.05 else 50 - load + pick.uniform(-0.3, 0.3))
    return columns


def joint() -> wr.Detector:
    d = wr.Detector("joint", measures=["flow", "power", "heat"], by="pump", every="1s", fit_rows=220)
    d.push(pumps(1, 0, 250))
    # One that still learns.
    d.push({"window_start": [0], "pump": ["c"], "flow": [1.0], "power": [None], "heat": [2.5]})
    return d


def go_on_with_joint(d: wr.Detector) -> Any:
    judged = rows_of(d.push(pumps(2, 250, 40)))
    return {"judged": judged, "events": rows_of(d.events()), "status": repr(d.status), "repr": repr(d)}


def talked_to() -> wr.Detector:
    """Groups open and closed, feedback of both kinds, filters."""
    d = wr.Detector(
        "counts", measures=["cars"], by=["camera"], every="1h", alarm=wr.Alarm(severity=30), min_deviation=3.0,
        sensitivity={"camera": {"b": 0.9}}, quiet_hours=["sun 02:00-03:00"], maintenance=[(0, HOUR, {"camera": "a"})],
    )  # fmt: skip
    d.push(street(1, 0, 400))
    d.push(street(2, 400, 100))
    told = [(row["id"], one["camera"]) for row in d.groups() for one in row["series"]]
    for at, (group, camera) in enumerate(told):
        d.feedback(group, camera, is_anomaly=at % 2 == 0)
    d.push(street(4, 500, 60))
    return d


def go_on_with_talk(d: wr.Detector) -> Any:
    judged = rows_of(d.push(street(3, 560, 60)))
    listed = {"groups": list(d.groups()), "feedbacks": list(d.feedbacks()), "states": list(d.states())}
    return {"judged": judged, **json.loads(json.dumps(listed, default=str)), "repr": repr(d)}


#: By name: how it is made, how it is restored, what it goes on with.
STATES: dict[str, tuple[Callable[[], Any], Any, Callable[[Any], Any]]] = {
    "windows_lanes": (lanes, wr.TumblingWindows, go_on_with_windows),
    "windows_filled": (filled, wr.TumblingWindows, go_on_with_windows),
    "windows_renamed": (renamed, wr.TumblingWindows, go_on_with_renamed),
    "scorer_cumulative": (scorer(wr.cumulative(), 3), wr.ResidualScorer, go_on_with_scorer),
    "scorer_rolling": (scorer(wr.rolling("40s"), "5s"), wr.ResidualScorer, go_on_with_scorer),
    "scorer_ewm": (scorer(wr.ewm(20), 1), wr.ResidualScorer, go_on_with_scorer),
    "alarm": (alarm, wr.Alarm, go_on_with_alarm),
    "detector_counts": (detector("counts"), wr.Detector, go_on_with_detector("counts")),
    "detector_novelty": (detector("novelty"), wr.Detector, go_on_with_detector("novelty")),
    "detector_joint": (joint, wr.Detector, go_on_with_joint),
    "detector_talk": (talked_to, wr.Detector, go_on_with_talk),
    "detector_residual": (
        detector("residual", predicted="model"),
        wr.Detector,
        go_on_with_detector("residual"),
    ),
    "detector_model": (watched, wr.Detector, go_on_with_detector("residual")),
}


def expected(name: str, data: bytes) -> str:
    """What comes of a state, as text."""
    _, kind, go_on = STATES[name]
    return json.dumps(go_on(kind.restore(data)), ensure_ascii=False, separators=(",", ":")).replace(
        "},{", "},\n{"
    )


def main() -> None:
    """Write every file anew, or the bytes of one state to standard output."""
    if sys.argv[1:]:
        sys.stdout.buffer.write(STATES[sys.argv[1]][0]().snapshot())
        return
    for name, (make, _, _) in STATES.items():
        data = make().snapshot()
        (HERE / f"{name}.snapshot").write_bytes(data)
        (HERE / f"{name}.expected").write_text(expected(name, data) + "\n", "utf-8")
        print(f"{name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
