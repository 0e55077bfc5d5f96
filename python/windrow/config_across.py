"""What no single option of a pipeline's file can know: the checks across options and sections.

They read the raw values, so that other mistakes don't hide these. Refuses to say what an option may hold: that is the
models' affair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from windrow.config import FUNCTIONS, Aggregate
from windrow.config_problem import Problem, either, near, nearest, show, where

__all__ = ["across"]


def across(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Check what no single option can know, on the raw values, so that other mistakes don't hide these."""
    source, window, detect, alarm = (
        _mapping(data.get(name)) for name in ("source", "window", "detect", "alarm")
    )
    if window is not None:
        yield from _aggregates(window)
    if source is not None and window is None and source.get("decoder") in ("deepstream", "panorama"):
        yield Problem(
            ("source", "decoder"),
            f'[source] the decoder "{source["decoder"]}" gives messages, which need windows: add a section [window]',
        )
    if detect is not None:
        yield from _detects(detect, window)
    elif alarm is not None:
        yield Problem(("alarm",), "[alarm] has nothing to judge: add a section [detect]")
    if alarm is not None:
        yield from _alarms(alarm)
    sinks = data.get("sink")
    for at, sink in enumerate(sinks if isinstance(sinks, list) else []):
        what = (_mapping(sink) or {}).get("what", "events")
        if what == "windows" and window is None:
            yield Problem(
                ("sink", at, "what"), f'{where(("sink", at))} `what` is "windows": add a section [window]'
            )
        if what in ("events", "anomalies") and detect is None:
            yield Problem(
                ("sink", at, "what"),
                f'{where(("sink", at))} `what` is "{what}": add a section [detect], or take "windows"',
            )


def _aggregates(window: Mapping[str, Any]) -> Iterator[Problem]:
    aggregates = window.get("aggregate", [])
    if not isinstance(aggregates, list) or not aggregates:
        yield Problem(("window", "aggregate"), "[window] needs at least one [[window.aggregate]]")
        return
    names: set[str] = set()
    for at, aggregate in enumerate(aggregates):
        place = ("window", "aggregate", at)
        aggregate = _mapping(aggregate) or {}
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
            if name in names:
                yield Problem(
                    (*place, "name"), f"{where(place)} the name {show(name)} is taken by another aggregate"
                )
            names.add(name)


def _detects(detect: Mapping[str, Any], window: Mapping[str, Any] | None) -> Iterator[Problem]:
    measures = detect.get("measures", [])
    listed = list(measures) if isinstance(measures, list | dict) else []
    if detect.get("method") == "residual" and len(listed) > 1:
        yield Problem(
            ("detect", "measures"),
            f"[detect] `measures` must be one column (the observed) for residual, got {len(listed)}",
        )
    rmse = _mapping(detect.get("rmse"))
    if rmse is not None and len([name for name in ("ewm", "rolling") if name in rmse]) != 1:
        yield Problem(("detect", "rmse"), "[detect] `rmse` needs exactly one of `ewm` and `rolling`")
    for name in ("predicted", "rmse", "smooth"):
        if name in detect and detect.get("method") != "residual":
            yield Problem(("detect", name), f'[detect] `{name}` goes with `method = "residual"`')
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
    keys, by = _names(window.get("by", [])), _names(detect.get("by", []))
    for column in by:
        if column not in keys:
            known = ", ".join(keys) or "none"
            got = f"[detect] `by` must be columns of `by` in [window] ({known}), got {show(column)}"
            yield Problem(("detect", "by"), got + near(column, keys, quoted=True))


def _alarms(alarm: Mapping[str, Any]) -> Iterator[Problem]:
    if "threshold" in alarm and "severity" in alarm:
        yield Problem(("alarm", "threshold"), "[alarm] takes `threshold` or `severity`, got both")
    breaches, of = alarm.get("breaches", 1), alarm.get("of")
    if isinstance(breaches, int) and isinstance(of, int) and 1 <= of < breaches:
        yield Problem(
            ("alarm", "breaches"), f"[alarm] `breaches` must be at most `of` ({of}), got {breaches}"
        )


def _mapping(raw: Any) -> Mapping[str, Any] | None:
    return raw if isinstance(raw, Mapping) else None


def _names(raw: Any) -> list[str]:
    return (
        [raw]
        if isinstance(raw, str)
        else [one for one in raw if isinstance(one, str)]
        if isinstance(raw, list)
        else []
    )
