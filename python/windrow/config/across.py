"""What no single option of a pipeline's file can know: the checks across options and sections.

They read the raw values, so that other mistakes don't hide these. Refuses to say what an option may hold: that is the
models' affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from windrow import topic
from windrow.config.problem import Place, Problem, either, mapping, names, near, nearest, show, where
from windrow.config.sections import ARRIVAL, DECODERS, FUNCTIONS, MESSAGES, OF_DECODER, Aggregate
from windrow.errors import ConfigError
from windrow.object_path import ObjectPath

__all__ = ["across"]


def across(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Check what no single option can know, on the raw values, so that other mistakes don't hide these."""
    source, window, detect, alarm = (
        mapping(data.get(name)) for name in ("source", "window", "detect", "alarm")
    )
    if window is not None:
        yield from _aggregates(window)
        yield from _keys(window)
    if source is not None:
        yield from _decodes(source)
    if source is not None and window is None and source.get("decoder") in MESSAGES:
        yield Problem(
            ("source", "decoder"),
            f'[source] the decoder "{source["decoder"]}" gives messages, which need windows: add a section [window]',
        )
    if source is not None and source.get("decoder") == "mot":
        for name, what in {
            "frames_per_second": "the rate of the frames",
            "start": "the time of frame 1",
        }.items():
            if name not in source:
                yield Problem(
                    ("source", name), f'[source] `{name}` is missing: the decoder "mot" needs {what}'
                )
    if detect is not None:
        yield from _detects(detect, window)
    elif alarm is not None:
        yield Problem(("alarm",), "[alarm] has nothing to judge: add a section [detect]")
    if alarm is not None:
        yield from _alarms(alarm)
    yield from _places(data)
    yield from _links(data)
    sinks = data.get("sink")
    for at, sink in enumerate(sinks if isinstance(sinks, list) else []):
        raw = mapping(sink) or {}
        what = raw.get("what", "windows" if raw.get("kind") == "object" else "events")
        if raw.get("kind") == "shadow":
            continue
        if what == "windows" and window is None:
            yield Problem(
                ("sink", at, "what"), f'{where(("sink", at))} `what` is "windows": add a section [window]'
            )
        if (mapping(sink) or {}).get("format") == "lookout" and what != "groups":
            yield Problem(
                ("sink", at, "format"),
                f'{where(("sink", at))} `format = "lookout"` goes with `what = "groups"`',
            )
        if what in ("events", "groups", "anomalies") and detect is None:
            yield Problem(
                ("sink", at, "what"),
                f'{where(("sink", at))} `what` is "{what}": add a section [detect], or take "windows"',
            )


def _places(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Two that write one file leave nothing that can be read."""
    sinks = data.get("sink")
    writers: list[tuple[Place, Any]] = [
        (("sink", at, "path"), (mapping(sink) or {}).get("path"))
        for at, sink in enumerate(sinks if isinstance(sinks, list) else [])
    ]
    writers.append((("report", "path"), (mapping(data.get("report")) or {}).get("path")))
    taken: set[str] = set()
    for place, path in writers:
        if isinstance(path, str) and path in taken and path != "/dev/null":
            yield Problem(
                place, f"{where(place[:-1])} `path` is written by another sink already, got {show(path)}"
            )
        if isinstance(path, str):
            taken.add(path)


def _links(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Check what the ways in and out need beside each other."""
    source = mapping(data.get("source")) or {}
    window, detect = mapping(data.get("window")), mapping(data.get("detect"))
    if source.get("kind") == "mqtt":
        yield from _link(("source",), source)
        if window is None:
            yield Problem(
                ("source", "kind"),
                '[source] the kind "mqtt" gives messages, which need windows: add a section [window]',
            )
        yield from _topics(source)
        yield from _alive(source, window)
    if source.get("kind") == "file" and source.get("follow"):
        paths = names(source.get("path"))
        zipped = [path for path in paths if path.lower().endswith((".gz", ".parquet", ".pq"))]
        if source.get("format") == "parquet" or zipped:
            got = '`format = "parquet"`' if not zipped else show(zipped[0])
            yield Problem(("source", "follow"), f"[source] `follow` needs lines of text that grow, got {got}")
        if not paths:
            yield Problem(("source", "path"), "[source] `path` is missing: which file to follow")
    if data.get("report") is not None and (data.get("service") is not None or source.get("kind") == "mqtt"):
        yield Problem(
            ("report",),
            "[report] is drawn at the end of an input, which a service doesn't have: leave it out",
        )
    listen = (mapping(data.get("service")) or {}).get("listen")
    if isinstance(listen, str) and not re.fullmatch(r"(127(\.\d{1,3}){3}|localhost|\[::1\]):\d{1,5}", listen):
        yield Problem(
            ("service", "listen"),
            f"[service] `listen` must be a loopback address such as 127.0.0.1:9108, got {show(listen)}",
        )
    sinks = data.get("sink")
    taken: list[Any] = []
    for at, raw in enumerate(sinks if isinstance(sinks, list) else []):
        sink = mapping(raw) or {}
        if sink and sink.get("kind") not in ("file", "stdout") and sink in taken:
            yield Problem(("sink", at), f"{where(('sink', at))} is there twice")
        taken.append(sink)
        yield from _sink(("sink", at), sink, window, detect)


def _sink(
    place: Place, sink: Mapping[str, Any], window: Mapping[str, Any] | None, detect: Mapping[str, Any] | None
) -> Iterator[Problem]:
    """Check what a network sink says of its rows and its secrets."""
    kind = sink.get("kind")
    if kind in ("mqtt", "shadow"):
        yield from _link(place, sink)
    if kind == "webhook":
        url = sink.get("url")
        if isinstance(url, str) and not re.fullmatch(r"https?://[^\s/?#]+\S*", url):
            yield Problem(
                (*place, "url"), f"{where(place)} `url` must be http:// or https://, got {show(url)}"
            )
        for secret in ("secret", "token"):
            if f"{secret}_env" in sink and f"{secret}_file" in sink:
                got = f"{where(place)} takes `{secret}_env` or `{secret}_file`, got both"
                yield Problem((*place, f"{secret}_file"), got)
    used: list[tuple[str, str]] = []
    if kind == "mqtt":
        used += [("topic", name) for name in topic.names(str(sink.get("topic", "")))]
    if kind == "shadow":
        states = [
            value for name in ("desired", "restored") for value in (mapping(sink.get(name)) or {}).values()
        ]
        used += [("thing", name) for name in topic.names(str(sink.get("thing", "")))]
        used += [("desired", name) for value in states for name in topic.names(str(value))]
        if detect is None:
            yield Problem(place, f"{where(place)} is set by events: add a section [detect]")
    if kind == "object" and isinstance(sink.get("path"), str):
        try:
            used += [("path", name) for name in ObjectPath(sink["path"]).partitions]
        except ConfigError as error:
            yield Problem((*place, "path"), f"{where(place)} {error}")
    what = "events" if kind == "shadow" else sink.get("what", "windows" if kind == "object" else "events")
    known = columns_of(what, window, detect)
    if sink.get("format") == "lookout":
        known = ["alertEventId", "alertName", "timestamp", "anomalyScore"]
    for option, name in used:
        if known and name not in known:
            yield Problem(
                (*place, option),
                f"{where(place)} `{option}` must name columns of its rows ({', '.join(known)}), got {show(name)}"
                f"{near(name, known, quoted=True)}",
            )


def _link(place: Place, raw: Mapping[str, Any]) -> Iterator[Problem]:
    url = raw.get("url")
    if isinstance(url, str) and not re.fullmatch(r"mqtts?://[^/@\s:]+(:[0-9]{1,5})?/?", url):
        yield Problem(
            (*place, "url"),
            f"{where(place)} `url` must be mqtt://host:1883 or mqtts://host:8883 (user and password have options of "
            f"their own), got {show(url)}",
        )
    if "password_env" in raw and "password_file" in raw:
        yield Problem(
            (*place, "password_file"), f"{where(place)} takes `password_env` or `password_file`, got both"
        )
    for one, other in (("password_env", "user"), ("password_file", "user"), ("key", "certificate")):
        if one in raw and other not in raw:
            yield Problem((*place, one), f"{where(place)} `{one}` goes with `{other}`, which is missing")
    if isinstance(url, str) and url.startswith("mqtt://"):
        for name in ("ca", "certificate"):
            if name in raw:
                yield Problem((*place, name), f"{where(place)} `{name}` goes with mqtts://, got {show(url)}")


def _alive(source: Mapping[str, Any], window: Mapping[str, Any] | None) -> Iterator[Problem]:
    for template in names(source.get("alive")):
        if topic.names(template) != ["camera"]:
            yield Problem(
                ("source", "alive"),
                f"[source] `alive` must name the camera as {{camera}}, got {show(template)}",
            )
    if source.get("alive") and not (window or {}).get("source"):
        yield Problem(
            ("source", "alive"), "[source] `alive` says which source lives: set `source` in [window]"
        )


def _topics(source: Mapping[str, Any]) -> Iterator[Problem]:
    for template in names(source.get("topics")):
        try:
            topic.Topic(template)
        except ConfigError as error:
            yield Problem(("source", "topics"), f"[source] `topics`: {error}")
            continue
        for name in topic.names(template):
            if name in ("time", *ARRIVAL):
                yield Problem(
                    ("source", "topics"),
                    f"[source] `topics` can't name {show(name)}: every message has a column of that name",
                )


def columns_of(what: Any, window: Mapping[str, Any] | None, detect: Mapping[str, Any] | None) -> list[str]:
    """Name the columns of results, as far as they are known."""
    by = names((window or {}).get("by"))
    if what == "windows" and window is not None:
        aggregates = window.get("aggregate")
        made = names([one.get("name") for one in aggregates if isinstance(one, dict)] if aggregates else [])
        return [*by, "window_start", "window_end", "revision", *made]
    if what == "groups" and detect is not None:
        return ["id", "measure", "state", "start", "end", "severity", "series_hit", "reason"]
    if what in ("events", "anomalies") and detect is not None:
        judged = ["observed", "expected", "lower", "upper", "severity", "reason"]
        own = ["id", "kind", "start", "end", "peak"] if what == "events" else ["time", "score"]
        return [*(names(detect.get("by")) or by), "measure", "state", *own, *judged]
    return []


def _aggregates(window: Mapping[str, Any]) -> Iterator[Problem]:
    aggregates = window.get("aggregate", [])
    if not isinstance(aggregates, list) or not aggregates:
        yield Problem(("window", "aggregate"), "[window] needs at least one [[window.aggregate]]")
        return
    taken: set[str] = set()
    for at, aggregate in enumerate(aggregates):
        place = ("window", "aggregate", at)
        aggregate = mapping(aggregate) or {}
        functions = [name for name in FUNCTIONS if name in aggregate]
        misspelt = any(nearest(name, FUNCTIONS) for name in aggregate if name not in Aggregate.model_fields)
        if len(functions) > 1 or (not functions and not misspelt):
            got = " and ".join(f"`{name}`" for name in functions) or "none"
            yield Problem(place, f"{where(place)} needs exactly one of {either(FUNCTIONS)}, got {got}")
        if "quantile" in functions and "q" not in aggregate:
            yield Problem(place, f"{where(place)} `q` is missing: which quantile, from 0 to 1")
        for extra, owner in {
            "q": "quantile",
            "min_hits": "distinct",
            "count_on": "distinct",
            "retain": "distinct",
        }.items():
            if extra in aggregate and functions and owner not in functions:
                yield Problem(
                    (*place, extra), f"{where(place)} `{extra}` goes with `{owner}`, got `{functions[0]}`"
                )
        name = aggregate.get("name")
        if isinstance(name, str):
            if name in names(window.get("by")):
                yield Problem(
                    (*place, "name"), f"{where(place)} the name {show(name)} is taken by a column of `by`"
                )
            if name in taken:
                yield Problem(
                    (*place, "name"), f"{where(place)} the name {show(name)} is taken by another aggregate"
                )
            taken.add(name)


def _keys(window: Mapping[str, Any]) -> Iterator[Problem]:
    by = names(window.get("by"))
    yield from _twice(("window", "by"), by)
    rollup = window.get("rollup")
    seen: list[set[str]] = []
    for level in rollup if isinstance(rollup, list) else []:
        place: Place = ("window", "rollup")
        for column in names(level):
            if column not in by:
                yield Problem(
                    place,
                    f"[window] `rollup` must have columns of `by` ({', '.join(by) or 'none'}), got {show(column)}"
                    f"{near(column, by, quoted=True)}",
                )
        if isinstance(level, list) and (set(names(level)) == set(by) or set(names(level)) in seen):
            yield Problem(
                place,
                f"[window] `rollup` must have keys that are coarser than `by`, each once, got {show(level)}",
            )
        seen.append(set(names(level)))


def _twice(place: Place, columns: list[str]) -> Iterator[Problem]:
    for column in dict.fromkeys(one for at, one in enumerate(columns) if one in columns[:at]):
        yield Problem(
            place, f"{where(place[:-1])} `{place[-1]}` must have each column once, got {show(column)} twice"
        )


def _decodes(source: Mapping[str, Any]) -> Iterator[Problem]:
    decoder = source.get("decoder", "rows")
    if source.get("kind") == "simulate" or decoder not in DECODERS:
        return
    for option, decoders in OF_DECODER.items():
        if source.get(option) and decoder not in decoders:
            yield Problem(
                ("source", option),
                f'[source] `{option}` goes with the decoder {either(decoders)}, got "{decoder}"',
            )
    if source.get("format") in ("csv", "parquet") and decoder != "rows":
        yield Problem(
            ("source", "format"),
            f"[source] `format` must be jsonl for messages, got {show(source['format'])}",
        )


def _detects(detect: Mapping[str, Any], window: Mapping[str, Any] | None) -> Iterator[Problem]:
    measures = detect.get("measures", [])
    if "measures" not in detect and "model" not in detect:
        yield Problem(("detect", "measures"), "[detect] needs `measures`, a list of columns, or a `model`")
    yield from _onnx(detect, window)
    if "model" in detect and "predicted" in detect:
        yield Problem(("detect", "predicted"), "[detect] takes `model` or `predicted`, got both")
    listed = list(measures) if isinstance(measures, list | dict) else []
    if detect.get("method") == "residual" and len(listed) > 1:
        yield Problem(
            ("detect", "measures"),
            f"[detect] `measures` must be one column (the observed) for residual, got {len(listed)}",
        )
    trained = ("model" in detect and "inputs" not in detect) or isinstance(detect.get("rmse"), int | float)
    if detect.get("drift", "off") != "off" and not trained:
        got = "[detect] `drift` needs a `model`, or a number as `rmse` (the error in training), got neither"
        yield Problem(("detect", "drift"), got)
    rmse = mapping(detect.get("rmse"))
    if rmse is not None and len([name for name in ("ewm", "rolling") if name in rmse]) != 1:
        yield Problem(("detect", "rmse"), "[detect] `rmse` needs exactly one of `ewm` and `rolling`")
    for name in ("model", "inputs", "predicted", "rmse", "smooth", "drift"):
        if name in detect and detect.get("method") != "residual":
            yield Problem(("detect", name), f'[detect] `{name}` goes with `method = "residual"`')
    if detect.get("method") == "joint" and isinstance(measures, list) and len(listed) == 1:
        yield Problem(
            ("detect", "measures"), "[detect] `measures` must be two sensors or more for joint, got 1"
        )
    for name in ("completeness", "min_completeness"):
        if name in detect and detect.get("method", "auto") not in ("auto", "counts"):
            yield Problem(("detect", name), f'[detect] `{name}` goes with `method = "counts"`')
    if "min_completeness" in detect and "completeness" not in detect:
        yield Problem(("detect", "min_completeness"), "[detect] `min_completeness` goes with `completeness`")
    if "fit_rows" in detect and detect.get("method") != "joint":
        yield Problem(("detect", "fit_rows"), '[detect] `fit_rows` goes with `method = "joint"`')
    if "adopt" in detect and detect.get("method", "auto") not in ("auto", "counts", "joint"):
        yield Problem(("detect", "adopt"), '[detect] `adopt` goes with `method = "counts"` or "joint"')
    by = names(detect.get("by", []))
    yield from _twice(("detect", "by"), by)
    if isinstance(measures, list):
        yield from _twice(("detect", "measures"), names(measures))
    if window is None:
        return
    aggregates = window.get("aggregate", [])
    named = (
        [one.get("name") for one in aggregates if isinstance(one, dict)]
        if isinstance(aggregates, list)
        else []
    )
    made: list[str] = [name for name in named if isinstance(name, str)]
    columns = (
        [column for one in measures.values() for column in one] if isinstance(measures, dict) else listed
    )
    for column in columns:
        if isinstance(column, str) and made and column not in made:
            yield Problem(
                ("detect", "measures"),
                f"[detect] `measures` must be aggregates of [window] ({', '.join(made)}), got {show(column)}"
                f"{near(column, made, quoted=True)}",
            )
    asked = [("completeness", detect.get("completeness"))]
    if detect.get("method") == "residual" and "model" not in detect:
        asked.append(("predicted", detect.get("predicted", "predicted")))
    for name, column in asked:
        if isinstance(column, str) and made and column not in made:
            yield Problem(
                ("detect", name),
                f"[detect] `{name}` must be an aggregate of [window] ({', '.join(made)}), got {show(column)}"
                f"{near(column, made, quoted=True)}",
            )
    keys = names(window.get("by", []))
    times, time = ["window_start", "window_end", *made], detect.get("time")
    if isinstance(time, str) and time not in times:
        yield Problem(
            ("detect", "time"),
            f"[detect] `time` must be window_start or window_end, got {show(time)}{near(time, times, quoted=True)}",
        )
    for column in by:
        if column not in keys:
            known = ", ".join(keys) or "none"
            got = f"[detect] `by` must be columns of `by` in [window] ({known}), got {show(column)}"
            yield Problem(("detect", "by"), got + near(column, keys, quoted=True))


def _onnx(detect: Mapping[str, Any], window: Mapping[str, Any] | None) -> Iterator[Problem]:
    """Check what the file of another model can't say by itself."""
    model = detect.get("model")
    foreign = isinstance(model, str) and model.endswith(".onnx")
    if foreign:
        for name, what in {
            "measures": "which column is observed",
            "inputs": "which columns it takes, in its order",
        }.items():
            if name not in detect:
                got = f"[detect] `{name}` is missing: an ONNX file doesn't say {what}"
                yield Problem(("detect", name), got)
        made = names(
            [one.get("name") for one in (window or {}).get("aggregate") or [] if isinstance(one, dict)]
        )
        for column in names(detect.get("inputs")):
            if made and column not in made:
                yield Problem(
                    ("detect", "inputs"),
                    f"[detect] `inputs` must be aggregates of [window] ({', '.join(made)}), got {show(column)}"
                    f"{near(column, made, quoted=True)}",
                )
    elif "inputs" in detect:
        got = "[detect] `inputs` is for a `model` that is an ONNX file (.onnx)"
        yield Problem(("detect", "inputs"), got + (f", got {show(model)}" if "model" in detect else ""))


def _alarms(alarm: Mapping[str, Any]) -> Iterator[Problem]:
    if "threshold" in alarm and "severity" in alarm:
        yield Problem(("alarm", "threshold"), "[alarm] takes `threshold` or `severity`, got both")
    breaches, of = alarm.get("breaches", 1), alarm.get("of")
    if isinstance(breaches, int) and isinstance(of, int) and 1 <= of < breaches:
        yield Problem(
            ("alarm", "breaches"), f"[alarm] `breaches` must be at most `of` ({of}), got {breaches}"
        )
