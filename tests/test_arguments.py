"""Every public constructor and method answers a wrong argument by its name, what was expected and what came."""

import datetime as dt
import io
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import windrow as wr

SURROGATE = "\ud800"
TABLE = {"time": [1], "camera": ["a"], "speed": [2.0]}

DURATIONS = [5, 2.5, b"5m", [], "5", "5 parsecs", "", SURROGATE, dt.timedelta(days=200_000)]
POSITIVE = [*DURATIONS, "0s", "-5m"]
TEXTS = [3, b"camera", ["camera"], True, SURROGATE]
NAMES = [3, b"camera", [3], [["camera"]], {"camera": 1}, True, SURROGATE, [SURROGATE]]
SIZES = ["3", -1, 1.5, True, [3], 2**70]
NUMBERS = ["3", True, [3.0], 1j, dt.timedelta(1), 10**400]
TABLES = [
    5,
    "text",
    b"bytes",
    [1, 2],
    object(),
    {1: [1]},
    {SURROGATE: [1]},
    {"time": [1], "camera": 5},
    {"time": [[1]]},
]
TIMES = [
    "soon",
    b"1",
    [1],
    object(),
    10**30,
    1.5,
    True,
    np.array([1, 2]),
    np.str_("soon"),
    np.datetime64("NaT"),
    pd.NaT,
]
KEYS = [object(), ["a"], ("a", "b"), {"a": 1}, SURROGATE]
BYTES = ["text", 5, None, [1], object()]
VALUES = ["x", object(), b"1", [1.0]]


def make_windows(**change):
    base = {"every": "5m", "aggregates": {"speed": wr.mean("speed")}, "by": "camera"}
    return wr.TumblingWindows(**(base | change))


def make_scorer(**change):
    return wr.ResidualScorer(**({"by": "camera"} | change))


def make_alarm(**change):
    return wr.Alarm(**({"threshold": 3.0} | change))


def make_detector(**change):
    return wr.Detector(**({"measures": ["speed"], "by": ["camera"]} | change))


def make_residual_detector(**change):
    return wr.Detector(
        **({"method": "residual", "every": "1s", "measures": ["speed"], "predicted": "model"} | change)
    )


def make_joint_detector(**change):
    return wr.Detector(**({"method": "joint", "every": "1s", "measures": ["speed", "power"]} | change))


PIPELINE = {
    "source": {"kind": "simulate", "scenario": "motor", "days": 0.1},
    "detect": {"measures": ["torque"]},
}

CONSTRUCTORS = {
    make_windows: {
        "every": [*POSITIVE, None],
        "aggregates": [
            5,
            None,
            "n",
            [wr.count()],
            {},
            {1: wr.count()},
            {"n": 5},
            {"n": "count"},
            {SURROGATE: wr.count()},
        ],
        "by": [*NAMES, ["camera", "camera"]],
        "time": TEXTS,
        "time_unit": [*TEXTS, "min"],
        "source": TEXTS,
        "offset": DURATIONS,
        "zone": [*TEXTS, "Mars/Olympus"],
        "label": [*TEXTS, "middle"],
        "out_of_orderness": [*DURATIONS, "-5m"],
        "allowed_lateness": [*DURATIONS, "-5m"],
        "idle_timeout": POSITIVE,
        "max_ahead": [*DURATIONS, "-5m"],
        "fill": [3, "yes", []],
        "fill_limit": SIZES,
        "rollup": [3, "camera", [3], [["speed"]], [[3]], b"x"],
        "max_cells": SIZES,
        "max_series": SIZES,
    },
    make_scorer: {
        "by": [*NAMES, ["camera", "camera"]],
        "time": TEXTS,
        "observed": TEXTS,
        "predicted": TEXTS,
        "rmse": [*NUMBERS, -1.0, 0.0, float("nan"), float("inf"), "cumulative"],
        "smooth": ["5", 0, -1, 2.5, True, [3], "-5m", 2**70],
        "columns": [3, [3], [], ["scores"], "scores", ["score", "score"], SURROGATE],
        "time_unit": [*TEXTS, "min"],
    },
    make_alarm: {
        "threshold": [*NUMBERS, -1.0, float("nan"), float("inf")],
        "breaches": [*SIZES, 0, 5],
        "of": [*SIZES, 0],
        "missing": [*TEXTS, "mising"],
        "direction": [*TEXTS, "sideways"],
        "clear_below": [*NUMBERS, float("nan")],
        "lasting": POSITIVE,
        "look_back": [*SIZES, 0],
        "period": POSITIVE,
    },
    lambda **change: wr.Alarm(**change): {"severity": [*NUMBERS, -1.0, 101.0, float("nan")]},
    make_detector: {
        "method": [*TEXTS, "count"],
        "measures": [
            *[one for one in NAMES if not isinstance(one, dict)],
            None,
            [],
            {},
            {"a": 3},
            {3: "a"},
            {"a": ("b", "c")},
        ],
        "by": [*NAMES, ["camera", "camera"], ["score"]],
        "time": TEXTS,
        "zone": [*TEXTS, "Mars/Olympus"],
        "completeness": [*TEXTS, "camera", "window_start"],
        "min_completeness": [*NUMBERS, 0.0, 1.1, float("nan"), 0.5],
        "every": POSITIVE,
        "alarm": [5, "severity", {"severity": 50}, [], wr.count()],
        "predicted": ["model"],
        "rmse": [1.0],
        "smooth": [2],
        "drift": ["7d"],
        "fit_rows": [400],
        "adopt": ["1d", "29d"],
        "time_unit": [*TEXTS, "min"],
    },
    make_residual_detector: {
        "predicted": [3, [3], [], ["a", "b"], {}, {"speed": 3}, b"model"],
        "rmse": [*NUMBERS, -1.0, 0.0, float("nan")],
        "smooth": ["5", 0, -1, 2.5, True, [3]],
        "drift": ["7d", 5, "on", "-7d", "0s", [3]],
    },
    make_joint_detector: {"fit_rows": [*SIZES, 0, 199, 10_001, 2**40], "adopt": POSITIVE},
    wr.rolling: {"over": ["3", True, [3.0], 1j, 10**400, 0, -1, 2.5, "5", "-5m", None]},
    wr.ewm: {"half_life": ["3", True, [3.0], 1j, 10**400, 0, -1.0, float("nan"), float("inf"), "-5m", None]},
    lambda column: wr.count(column): {"column": [3, b"a", ["a"]]},
    lambda where: wr.count(where=where): {
        "where": [3, "car", ["class"], {"class": object()}, {3: "car"}, {"class": []}]
    },
    lambda columns: wr.distinct(columns): {"columns": [3, None, [], [3], b"a", {}]},
    lambda **change: wr.distinct("track", **change): {
        "min_hits": ["3", 0, 1.5, True, None, 2**70],
        "count_on": [3, None, "last"],
        "retain": [5, None, b"1h", [], "soon"],
        "where": [3, "car"],
    },
    lambda q: wr.quantile("speed", q): {"q": ["0.5", None, True, -0.1, 1.1, float("nan"), [0.5]]},
    lambda decoder: wr.decode(b"", decoder): {
        "decoder": [3, None, b"rows", "deepstreem", ["rows"], {3: "rows"}, {}]
    },
    lambda columns: wr.decode(b"", "deepstream", columns): {
        "columns": [3, [3], b"time", "tracks", ["tracks"]]
    },
}
LENGTHS = ["1", True, None, 0, -1.0, float("nan"), float("inf"), [1]]
START = [5, "2026-01-05", None, dt.datetime(2026, 1, 5)]
for world in (wr.simulate.traffic, wr.simulate.motor):
    CONSTRUCTORS[world] = {
        "days": LENGTHS,
        "seed": ["7", True, -1, 1.5, None],
        "healthy": [3, "no"],
        "start": START,
    }
CONSTRUCTORS[lambda rate: wr.simulate.traffic(rate=rate)] = {"rate": LENGTHS[:-2]}
CONSTRUCTORS[lambda machine: wr.simulate.motor(machine=machine)] = {"machine": [5, None]}
CONSTRUCTORS[lambda form: list(wr.simulate.traffic(days=0.01).messages(form))] = {
    "form": [5, None, ["panorama"], "x"]
}
CONSTRUCTORS[wr.Pipeline] = {"config": [5, None, {}, "edge.toml"]}
CONSTRUCTORS[lambda path: wr.Pipeline.from_toml(path)] = {"path": [5, None, ["a"], {}]}
CONSTRUCTORS[lambda data: wr.Pipeline.from_dict(data)] = {"data": [5, None, "text", []]}
CONSTRUCTORS[lambda **change: wr.Pipeline.from_dict(PIPELINE).run(**change)] = {
    "input": [5, ["a"]],
    "report": [5, ["a"]],
    "progress": [5, "bar"],
    "stop": [5, True],
}
for function in (wr.sum, wr.mean, wr.min, wr.max, wr.std, wr.var, wr.first, wr.last):
    CONSTRUCTORS[function] = {"column": [3, None, b"a", ["a"]]}
    CONSTRUCTORS[lambda where, function=function: function("speed", where=where)] = {
        "where": [3, {"a": object()}]
    }

windows, scorer, alarm = make_windows(), make_scorer(), make_alarm()
writer = windows.writer("north")
STREAM = io.BytesIO()
with pa.ipc.new_stream(STREAM, pa.table(TABLE).schema) as stream:
    stream.write_table(pa.table(TABLE))
detector, residual = make_detector(), make_residual_detector()
METHODS = {
    "windows.push": (windows.push, (TABLE,), {"batch": TABLES, "now": TIMES}),
    "windows.push_one": (
        windows.push_one,
        (1, "a", [2.0]),
        {
            "time": TIMES,
            "key": KEYS,
            "values": [5, None, "2.0", [], [1, 2], [object()], {}, {"speed": object()}],
        },
    ),
    "windows.push_messages": (
        windows.push_messages,
        (b"", "deepstream"),
        {"data": BYTES, "decoder": [3, None, "deepstreem"], "now": TIMES},
    ),
    "windows.advance": (windows.advance, (1,), {"now": [*TIMES, None]}),
    "windows.watermark": (windows.watermark, (1,), {"time": [*TIMES, None]}),
    "windows.alive": (windows.alive, ("a", 1), {"source": [object(), ["a"]], "time": [*TIMES, None]}),
    "windows.writer": (windows.writer, ("south",), {"name": [*TEXTS, None, ""]}),
    "windows.merge": (windows.merge, (b"",), {"snapshot": BYTES}),
    "windows.split": (windows.split, (["a"],), {"keys": [5, None, "a", b"a", object()]}),
    "windows.split one": (lambda key: windows.split([key]), ("a",), {"key": KEYS}),
    "windows.push_ipc": (windows.push_ipc, (STREAM.getvalue(),), {"data": BYTES, "now": TIMES}),
    "writer.push": (writer.push, (TABLE,), {"batch": TABLES, "now": TIMES}),
    "writer.push_one": (
        writer.push_one,
        (1, "a", [2.0]),
        {"time": TIMES, "key": KEYS, "values": [5, None, "2.0", [], [1, 2], [object()], {}]},
    ),
    "writer.push_messages": (
        writer.push_messages,
        (b"", "deepstream"),
        {"data": BYTES, "decoder": [3, None, "deepstreem"], "now": TIMES},
    ),
    "writer.push_ipc": (writer.push_ipc, (STREAM.getvalue(),), {"data": BYTES, "now": TIMES}),
    "writer.alive": (writer.alive, ("a", 1), {"source": [object(), ["a"]], "time": [*TIMES, None]}),
    "windows.restore": (wr.TumblingWindows.restore, (b"",), {"data": BYTES}),
    "scorer.push": (scorer.push, (TABLE,), {"batch": TABLES}),
    "scorer.push_one": (
        scorer.push_one,
        (1, "a", 2.0, 2.0),
        {"time": TIMES, "key": KEYS, "observed": VALUES, "predicted": VALUES},
    ),
    "scorer.restore": (wr.ResidualScorer.restore, (b"",), {"data": BYTES}),
    "alarm.evaluate": (
        alarm.evaluate,
        ("X",),
        {"points": [5, None, "Y", [2], ["X"], [object()]], "state": [5, "calm"]},
    ),
    "alarm.states": (
        alarm.states,
        ([1], [1.0]),
        {"times": [5, None, "soon", ["soon"], [1, 2]], "values": [5, None, "x", ["x"], [object()], []]},
    ),
    "alarm.restore": (wr.Alarm.restore, (b"",), {"data": BYTES}),
    "detector.push": (detector.push, (TABLE,), {"batch": TABLES}),
    "detector.learn": (detector.learn, (TABLE,), {"history": TABLES}),
    "detector.learn_one": (
        detector.learn_one,
        (1, "a", [2.0]),
        {
            "time": [*TIMES, None],
            "key": KEYS,
            "values": ["2.0", [], [1, 2], [object()], {}, {"speed": "x"}, object()],
        },
    ),
    "detector.score_one": (
        detector.score_one,
        (1, "a", [2.0]),
        {"time": [*TIMES, None], "key": KEYS, "values": ["2.0", [], [1, 2], object()]},
    ),
    "detector.restore": (wr.Detector.restore, (b"",), {"data": BYTES}),
    "decode": (wr.decode, (b"", "deepstream"), {"data": BYTES, "decoder": [3], "columns": [3]}),
}


def cases():
    for make, arguments in CONSTRUCTORS.items():
        for name, values in arguments.items():
            for value in values:
                label = getattr(make, "__name__", "").replace("<lambda>", "aggregate").removeprefix("make_")
                yield pytest.param(make, name, value, id=f"{label}({name}={short(value)})")


def method_cases():
    for label, (call, given, arguments) in METHODS.items():
        for name, values in arguments.items():
            for value in values:
                yield pytest.param(
                    call, given, list(arguments), name, value, id=f"{label}({name}={short(value)})"
                )


def short(value):
    return (
        ascii(value)[:30]
        if "object at" not in repr(value) and len(repr(value)) < 300
        else type(value).__name__
    )


@pytest.mark.parametrize(("make", "name", "value"), list(cases()))
def test_constructors(make, name, value):
    def use():
        # An aggregate that can't be used may be refused by the windows.
        make_windows(aggregates={"n": make(**{name: value})})

    with pytest.raises(wr.ConfigError) as caught:
        use()
    check(str(caught.value), name)


@pytest.mark.parametrize(("call", "given", "names", "name", "value"), list(method_cases()))
def test_methods(call, given, names, name, value):
    arguments = dict(zip(names, given, strict=False)) | {name: value}
    with pytest.raises((wr.ConfigError, wr.DataError)) as caught:
        call(**arguments)
    check(str(caught.value), name)


#: What says in other words which argument it is about.
NAMED = {
    "batch": "column `",
    "history": "column `",
    "decoder": ("unknown decoder", "`kind` is missing"),
    "columns": "unknown column of decoder",
}


def check(message, name):
    assert f"`{name}" in message or message.startswith(NAMED.get(name, "?")), message
    assert re.search(
        r"\bgot\b|unknown|is longer than|needs a unit|names column|can't hold|is missing", message
    ), message
    assert message[0] in "`abcdefghijklmnopqrstuvwxyz", message


def test_missing_and_unknown_keywords_are_pythons():
    for make in (make_windows, make_scorer, make_alarm, make_detector):
        with pytest.raises(TypeError, match="colour"):
            make(colour="red")
    with pytest.raises(TypeError, match="every"):
        wr.TumblingWindows()
    # Measures may be those of a model.
    with pytest.raises(wr.ConfigError, match="measures"):
        wr.Detector()
