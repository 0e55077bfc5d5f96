"""From the sections of a config to the stages of the engine.

Owns the translation, one function a stage. What the engine finds wrong in addition (a zone that doesn't exist, say)
gets its section's name put before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import windrow as wr
from windrow.config.problem import show
from windrow.config.sections import (
    AlarmSection,
    Config,
    DetectSection,
    FiltersSection,
    Rmse,
    Unit,
    WindowSection,
)
from windrow.errors import ConfigError

__all__ = [
    "aggregate",
    "alarm",
    "detect_keys",
    "detector",
    "filters",
    "model",
    "onnx",
    "window_keys",
    "windows",
]


def windows(config: Config, time_unit: Unit) -> wr.TumblingWindows | None:
    """Build the windows, if the config has any."""
    section = config.window
    if section is None:
        return None
    given = section.model_dump(exclude={"aggregate", "by"})
    keep = config.source.where
    with _of("window"):
        return wr.TumblingWindows(
            aggregates={one.name: aggregate(one, keep) for one in section.aggregate},
            by=window_keys(section) or None,
            time="time",
            time_unit=time_unit,
            **given,
        )


def aggregate(section: Any, keep: Mapping[str, Any]) -> Any:
    """One aggregate; rows that the source leaves out still show that it lives, so they are left out here."""
    where = _both(section.where, keep)
    function = section.function
    column = getattr(section, function)
    if function == "count":
        return wr.count(None if column is True else column, where=where)
    if function == "quantile":
        return wr.quantile(column, section.q, where=where)
    if function == "distinct":
        extra = (
            {"count_on": section.count_on, "retain": section.retain} if section.count_on != "every" else {}
        )
        return wr.distinct(column, where=where, min_hits=section.min_hits, **extra)
    return getattr(wr, function)(column, where=where)


def _both(where: Mapping[str, Any], keep: Mapping[str, Any]) -> dict[str, Any]:
    """Two conditions at once; a column in both must satisfy both."""
    both = dict(keep)
    for name, values in where.items():
        if name in keep:
            allowed = keep[name] if isinstance(keep[name], list) else [keep[name]]
            values = [
                value for value in (values if isinstance(values, list) else [values]) if value in allowed
            ]
            if not values:
                raise ConfigError(
                    f"`where` must leave something of `where` in [source] for `{name}` ({show(keep[name])}), "
                    f"got {show(where[name])}"
                )
        both[name] = values
    return both


def model(section: DetectSection | None) -> wr.Model | None:
    """Read the model that predicts, if there is one that the engine evaluates."""
    if section is None or section.model is None or section.inputs is not None:
        return None
    with _of("detect"):
        return wr.Model.load(section.model)


def onnx(section: DetectSection | None) -> Any:
    """Open the ONNX file that predicts, if there is one."""
    if section is None or section.model is None or section.inputs is None:
        return None
    from windrow.model.onnx import OnnxModel

    with _of("detect"):
        return OnnxModel(section.model, section.inputs)


def alarm(section: AlarmSection | None, detect: DetectSection | None = None) -> wr.Alarm:
    """Build the alarm; where nothing is said, by the rule of `joint` or of the model, else at severity 50."""
    if section is None and detect is not None and detect.method == "joint":
        return wr.Alarm(threshold=1.0, breaches=3, of=5, clear_below=0.8)
    trained = model(detect) if section is None else None
    if trained is not None:
        from windrow.model.file import described

        watch = described(trained)["watch"]
        return wr.Alarm(threshold=watch["threshold"], breaches=watch["breaches"], of=watch["of"])
    given = (section or AlarmSection()).model_dump(exclude_none=True)
    if "threshold" not in given:
        given.setdefault("severity", 50.0)
    given.setdefault("of", given["breaches"])
    with _of("alarm"):
        return wr.Alarm(**given)


def detector(config: Config, time_unit: Unit = "ns") -> wr.Detector | None:
    """Build the detector with its alarm, if the config has one."""
    section = config.detect
    if section is None:
        return None
    window = config.window
    trained = model(section)
    measures: Any = section.measures
    if isinstance(measures, dict):
        measures = {name: tuple(columns) for name, columns in measures.items()}
    given: dict[str, Any] = {
        "measures": measures,
        "by": detect_keys(section, window, trained),
        "time": detect_time(section, window),
        "zone": section.zone or (window.zone if window else None),
        "holidays": section.holidays,
        "every": section.every or (window.every if window else None),
        "alarm": alarm(config.alarm, section),
        "silence": section.silence,
        "adopt": section.adopt,
        # Windows bring timestamps; rows may bring integers.
        "time_unit": "ns" if window is not None else time_unit,
        **filters(section.filters),
    }
    if section.completeness is not None:
        given |= {"completeness": section.completeness, "min_completeness": section.min_completeness}
    if section.method == "residual":
        rule = {"rmse": _rmse(section.rmse), "smooth": section.smooth}
        given["drift"] = section.drift
        if trained is None:
            # What an ONNX file predicts comes in a column, as if somebody had brought it.
            given |= {"predicted": section.predicted, **rule}
        else:
            # What isn't said is the model's.
            said = {name: value for name, value in rule.items() if name in section.model_fields_set}
            given = {name: value for name, value in given.items() if value is not None}
            given |= {"model": trained, **said}
    elif section.method == "joint":
        given["fit_rows"] = section.fit_rows
    with _of("detect"):
        return wr.Detector(section.method, **given)


def filters(section: FiltersSection | None) -> dict[str, Any]:
    """Give the filters as the detector takes them."""
    if section is None:
        return {}
    given = section.model_dump(exclude={"maintenance"})
    work = [(one.start, one.end, one.where) for one in section.maintenance]
    return given | {"maintenance": work}


def detect_keys(
    section: DetectSection, window: WindowSection | None, trained: wr.Model | None = None
) -> list[str]:
    """Name the key columns of the detector's input."""
    if section.by is not None:
        return _names(section.by)
    if trained is not None:
        return list(trained.by)
    return window_keys(window)


def window_keys(window: WindowSection | None) -> list[str]:
    """Name the key columns of the windows; none where there are no windows."""
    return _names(window.by) if window is not None else []


def detect_time(section: DetectSection, window: WindowSection | None) -> str:
    """Name the time column of the detector's input."""
    if section.time is not None:
        return section.time
    return f"window_{window.label}" if window is not None else "time"


def _rmse(value: Any) -> Any:
    if isinstance(value, Rmse):
        return wr.ewm(value.ewm) if value.ewm is not None else wr.rolling(value.rolling or 0)
    return wr.cumulative() if value == "cumulative" else value


def _names(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


@contextmanager
def _of(section: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"[{section}] {error}") from error
