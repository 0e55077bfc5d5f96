"""What only the engine knows of a pipeline's file: zones, its own columns, a decoder's columns, rules of alarms.

Owns the questions, one for each option, asked on the raw values so that other mistakes don't hide these; the answers
are the engine's own words. Refuses to know better than the engine, and stays silent where an option is wrong already.
"""

from __future__ import annotations

import contextlib
import re
import zoneinfo
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Any

from pydantic import ValidationError

import windrow as wr
from windrow import topic
from windrow.config.problem import Place, Problem, mapping, names, near, where
from windrow.config.sections import (
    ARRIVAL,
    DECODERS,
    FUNCTIONS,
    Aggregate,
    AlarmSection,
    DetectSection,
    FiltersSection,
)
from windrow.errors import ConfigError
from windrow.stages import aggregate, alarm, filters

__all__ = ["engine"]

#: A name that no column has.
NONE = "\N{NULL}"


def engine(data: Mapping[str, Any], known: Collection[Place]) -> Iterator[Problem]:
    """Ask the engine about each option; `known` are the places where something is wrong already."""
    # Of several names in `by`, each may be wrong in its own way.
    yield from (one for one in _questions(data) if one.place[-1] == "by" or one.place not in known)


def _questions(data: Mapping[str, Any]) -> Iterator[Problem]:
    source, window, detect, rule = (
        mapping(data.get(name)) for name in ("source", "window", "detect", "alarm")
    )
    if window is not None:
        yield from _windows(window, mapping((source or {}).get("where")) or {})
    if source is not None:
        yield from _columns(source, window)
    if detect is not None:
        yield from _detects(detect)
    if rule is not None:
        yield from _alarms(rule)


def _windows(window: Mapping[str, Any], keep: Mapping[str, Any]) -> Iterator[Problem]:
    def ask(place: Place, **given: Any) -> Iterator[Problem]:
        plain: dict[str, Any] = {"every": "1d", "aggregates": {NONE: wr.count()}}
        yield from _ask(("window", *place), lambda: wr.TumblingWindows(**(plain | given)))

    zone, every = window.get("zone"), window.get("every")
    wrong = list(_zone("window", zone))
    yield from wrong
    if isinstance(every, str) and zone is not None and not wrong:
        yield from ask(("every",), every=every, zone=zone)
    for name in dict.fromkeys(names(window.get("by"))):
        yield from ask(("by",), by=name)
    aggregates = window.get("aggregate")
    for at, raw in enumerate(aggregates if isinstance(aggregates, list) else []):
        output = (mapping(raw) or {}).get("name")
        if isinstance(output, str):
            yield from ask(("aggregate", at, "name"), aggregates={output: wr.count()})
        try:
            one = Aggregate.model_validate(raw)
            described = aggregate(one, keep)
        except (ValidationError, StopIteration):
            continue
        except ConfigError as error:
            yield Problem(
                ("window", "aggregate", at, "where"), f"{where(('window', 'aggregate', at))} {error}"
            )
            continue
        option = "where" if "where" in (mapping(raw) or {}) else one.function
        yield from ask(("aggregate", at, option), aggregates={NONE: described})


def _columns(source: Mapping[str, Any], window: Mapping[str, Any] | None) -> Iterator[Problem]:
    """Look up the columns of messages; those of rows are known when the first of them are read."""
    decoder = source.get("decoder", "rows")
    if source.get("kind") == "simulate":
        decoder = "deepstream" if source.get("scenario") == "traffic" else "rows"
    if decoder == "rows" or decoder not in DECODERS:
        return
    used: list[tuple[Place, str]] = [
        (("source", "where"), name) for name in mapping(source.get("where")) or {}
    ]
    if window is not None:
        used += [
            (("window", option), name) for option in ("by", "source") for name in names(window.get(option))
        ]
        aggregates = window.get("aggregate")
        for at, raw in enumerate(aggregates if isinstance(aggregates, list) else []):
            one = mapping(raw) or {}
            for option, value in one.items():
                columns = names(value) if option in FUNCTIONS else ()
                used += [(("window", "aggregate", at, option), name) for name in columns]
            used += [(("window", "aggregate", at, "where"), name) for name in mapping(one.get("where")) or {}]
    # What a decoder has to be told changes nothing about its columns.
    told: dict[str, Any] = {"frames_per_second": 1, "start": "1970-01-01"} if decoder == "mot" else {}
    fields = mapping(source.get("fields"))
    if fields and decoder != "mot":
        wrong = list(_ask(("source", "fields"), partial(wr.decode, b"", {"kind": decoder, "fields": fields})))
        yield from wrong
        told |= {} if wrong else {"fields": fields}
    beside: set[str] = set()
    if source.get("kind") == "mqtt":
        parts = [name for template in names(source.get("topics")) for name in topic.names(template)]
        beside = {*parts, *ARRIVAL}
    for place, name in dict.fromkeys(used):
        if name not in beside:
            yield from _ask(place, partial(wr.decode, b"", {"kind": decoder, **told}, columns=[name]))


def _detects(detect: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _zone("detect", detect.get("zone"))

    def ask(option: str, **given: Any) -> Iterator[Problem]:
        yield from _ask(("detect", option), lambda: wr.Detector(**({"measures": [NONE]} | given)))

    for name in dict.fromkeys(names(detect.get("by"))):
        yield from ask("by", by=name)
    if isinstance(detect.get("time"), str):
        yield from ask("time", time=detect["time"])
    measures, method = detect.get("measures"), detect.get("method", "auto")
    if "adopt" in detect and method in ("auto", "counts"):
        # A duration at all is the section's affair.
        with contextlib.suppress(ValidationError):
            adopt = DetectSection.model_validate({"adopt": detect["adopt"]}).adopt
            yield from ask("adopt", method=method, adopt=adopt)
    yield from _filters(detect)
    if isinstance(measures, Mapping) and isinstance(method, str) and method != "residual":
        yield from ask("measures", method=method, measures=dict(measures))


def _filters(detect: Mapping[str, Any]) -> Iterator[Problem]:
    """Ask about one filter at a time, beside the keys and measures that there are."""
    raw, measures = mapping(detect.get("filters")), detect.get("measures")
    if raw is None or not isinstance(measures, list | Mapping) or not measures:
        return
    named = [name for name in measures if isinstance(name, str)]
    by = [name for name in names(detect.get("by")) if name]
    for name in raw.keys() & FiltersSection.model_fields.keys():
        if name in ("sensitivity", "maintenance") and not by:
            # The keys are those of [window] then, and checked when the pipeline is built.
            continue
        try:
            given = filters(FiltersSection.model_validate({name: raw[name]}))[name]
        except ValidationError:
            continue
        asked = {"measures": list(dict.fromkeys(named)), "by": list(dict.fromkeys(by)), name: given}
        yield from _ask(("detect", "filters", name), partial(wr.Detector, **asked))


def _alarms(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Ask with all options, then without the one that was refused, until there is nothing to refuse."""
    given = dict(raw)
    while given:
        try:
            alarm(AlarmSection.model_validate(given))
        except ValidationError as error:
            wrong = {str(found["loc"][0]) for found in error.errors() if found["loc"]} & given.keys()
            if not wrong:
                return
            given = {name: value for name, value in given.items() if name not in wrong}
        except ConfigError as error:
            named = re.search(r"`(\w+)`", str(error))
            option = named[1] if named else ""
            yield Problem(("alarm", option), str(error))
            if given.pop(option, None) is None:
                return
        else:
            return


def _zone(section: str, zone: Any) -> Iterator[Problem]:
    if not isinstance(zone, str):
        return
    for problem in _ask((section, "zone"), lambda: wr.Detector(measures=[NONE], zone=zone)):
        # The system's list is there for the nearest right word only; it may be missing.
        yield Problem(
            problem.place, problem.message + near(zone, zoneinfo.available_timezones(), quoted=True)
        )


def _ask(place: Place, build: Callable[[], Any]) -> Iterator[Problem]:
    try:
        build()
    except ConfigError as error:
        text = str(error).removeprefix(f"`{place[-1]}` ")
        yield Problem(place, f"{where(place[:-1])} `{place[-1]}`{': ' if text == str(error) else ' '}{text}")
