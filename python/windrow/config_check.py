"""Reads a pipeline's file and says everything that is wrong with it at once, with its place and the nearest right word.

Owns the checks that look across options and sections, and the wording. Each section is checked by itself, so that a
mistake in one doesn't hide those in another. Refuses to repair: a file is right or it isn't run.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from windrow.config import (
    FUNCTIONS,
    LATER,
    SINKS,
    SOURCES,
    Aggregate,
    AlarmSection,
    Config,
    DetectSection,
    ReportSection,
    Section,
    StateSection,
    WindowSection,
)
from windrow.errors import ConfigError

__all__ = ["ConfigFileError", "Problem", "check", "load", "loads", "near"]

Place = tuple[str | int, ...]

_DURATIONS = frozenset(
    [
        "every",
        "offset",
        "out_of_orderness",
        "allowed_lateness",
        "idle_timeout",
        "max_ahead",
        "retain",
        "lasting",
        "period",
    ]
)
#: What options of several types expect, where the branches of the union would say it piecemeal.
_EXPECTED = {
    "path": "a file's name or a list of them",
    "by": "a column's name or a list of them",
    "time": "a column's name or a list of them",
    "classes": "a list of fields, or field = class",
    "count": "true or a column's name",
    "distinct": "a column's name or a list of them",
    "where": 'column = value, or column = ["this", "that"]',
    "rollup": "a list of lists of columns",
    "measures": "a list of columns, or name = [mean, min, max]",
    "rmse": '"cumulative", a positive number, { ewm = 1000 } or { rolling = "6h" }',
    "smooth": "a number of rows or a duration",
    "ewm": "a number of rows or a duration",
    "rolling": "a number of rows or a duration",
}

_SECTIONS: dict[str, type[Section]] = {
    "window": WindowSection,
    "detect": DetectSection,
    "alarm": AlarmSection,
    "state": StateSection,
    "report": ReportSection,
}
_TOP = ("source", *_SECTIONS, "sink")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, and what."""

    place: Place
    message: str
    line: int | None = None

    def __str__(self) -> str:
        """`line 3: [window] ...`."""
        line = f"line {self.line}: " if self.line is not None else ""
        return f"{line}{self.message}"


class ConfigFileError(ConfigError):
    """A config with mistakes; `problems` has them all."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


def load(path: str | Path) -> Config:
    """Read and check a file.

    Raises
    ------
    ConfigFileError
        With every mistake in it.
    ConfigError
        There is no such file, or it can't be read.
    """
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"`{path}` can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"`{path}` must be UTF-8 text, got a byte {text_byte(error)}") from error
    return loads(text)


def text_byte(error: UnicodeDecodeError) -> str:
    """Name the byte that isn't text, and where it stands."""
    return f"0x{error.object[error.start]:02x} at {error.start}"


def loads(text: str) -> Config:
    r"""Read and check a config given as text.

    Raises
    ------
    ConfigFileError
        With every mistake in it.

    Examples
    --------
    >>> from windrow.config_check import loads
    >>> loads('[source]\nkind = "fil"')
    Traceback (most recent call last):
        ...
    windrow.config_check.ConfigFileError: line 2: [source] `kind` must be file, stdin or simulate, got "fil" ...
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigFileError([Problem((), f"not TOML: {str(error)[:1].lower()}{str(error)[1:]}")]) from error
    config, problems = check(data)
    if problems or config is None:
        lines = _lines(text)
        located = [Problem(one.place, one.message, _line(lines, one.place)) for one in problems]
        raise ConfigFileError(sorted(located, key=lambda one: (one.line is None, one.line or 0)))
    return config


def check(data: Mapping[str, Any]) -> tuple[Config | None, list[Problem]]:
    """Check a config given as a mapping; the config where nothing is wrong, and all that is wrong."""
    problems = [
        Problem((name,), f"unknown section [{name}]{near(name, _TOP)}") for name in data if name not in _TOP
    ]
    sections: dict[str, Any] = {}
    if "source" not in data:
        problems.append(Problem((), "the section [source] is missing"))
    else:
        sections["source"] = _kind(("source",), data["source"], SOURCES, problems)
    for name, model in _SECTIONS.items():
        if name in data:
            sections[name] = _section((name,), data[name], model, problems)
    sinks = data.get("sink", [])
    if not isinstance(sinks, list):
        problems.append(Problem(("sink",), "sinks are written [[sink]], with two brackets"))
        sinks = []
    sections["sink"] = [_kind(("sink", at), one, SINKS, problems) for at, one in enumerate(sinks)]
    problems += _across(data)
    if problems:
        return None, problems
    return Config.model_construct(**sections), []


# ---- one section


def _kind(
    place: Place, raw: Any, models: Mapping[str, type[Section]], problems: list[Problem]
) -> Section | None:
    """Check a section whose options depend on its `kind`."""
    if not isinstance(raw, Mapping):
        problems.append(Problem(place, f"{_where(place)} must be a section, got {_show(raw)}"))
        return None
    kind = raw.get("kind")
    if isinstance(kind, str) and kind in models:
        return _section(place, raw, models[kind], problems)
    choices = _or(models)
    if kind is None:
        problems.append(Problem(place, f"{_where(place)} `kind` is missing: use {choices}"))
    elif kind in LATER:
        problems.append(
            Problem(
                (*place, "kind"), f'{_where(place)} the kind "{kind}" is not in this version: use {choices}'
            )
        )
    else:
        problems.append(
            Problem(
                (*place, "kind"),
                f"{_where(place)} `kind` must be {choices}, got {_show(kind)}{near(kind, models, quoted=True)}",
            )
        )
    # Which options there are isn't known now, but which there never are is.
    known = {name for model in models.values() for name in model.model_fields}
    if kind not in LATER:
        problems += [_unknown((*place, name), known) for name in raw if name not in known]
    return None


def _section(place: Place, raw: Any, model: type[Section], problems: list[Problem]) -> Section | None:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems += _problems(place, error, model, raw)
    return None


def _problems(place: Place, error: ValidationError, model: type[Section], raw: Any) -> Iterator[Problem]:
    """Say what pydantic found in windrow's words; of the several tries of a union, one."""
    seen: set[Place] = set()
    for found in error.errors():
        location = tuple(part for part in found["loc"] if not _is_branch(part))
        at = (*place, *location)
        union = (
            None
            if at[0] != "source" and at[-1] == "path"
            else next((end for end, part in enumerate(at, 1) if part in _EXPECTED and end > len(place)), None)
        )
        if union is not None and found["type"] not in ("extra_forbidden", "duration", "missing"):
            at = at[:union]
        if at in seen:
            continue
        seen.add(at)
        name = next((part for part in reversed(at) if isinstance(part, str)), "")
        where = _where(at[:-1] if location else at)
        context = found.get("ctx", {})
        given = _show(found["input"])
        match found["type"]:
            case "extra_forbidden":
                owner = Aggregate if "aggregate" in location else model
                yield _unknown(at, owner.model_fields)
                continue
            case _ if (
                union is not None and isinstance(_dig(raw, at[len(place) :]), Mapping) and name == "rmse"
            ):
                # A table was meant: what is wrong inside it is said by itself.
                continue
            case _ if (
                union is not None and name in _EXPECTED and found["type"] not in ("duration", "missing")
            ):
                text = f"{where} `{name}` must be {_EXPECTED[name]}, got {_show(_dig(raw, at[len(place) :]))}"
            case "missing":
                text = f"{where} `{name}` is missing"
            case "literal_error":
                choices = re.findall(r"'([^']*)'", context["expected"])
                choices = choices or [context["expected"].lower()]
                hint = near(found["input"], choices, quoted=True)
                text = f"{where} `{name}` must be {_or(choices)}, got {given}{hint}"
            case "duration":
                text = f"{where} `{name}` {found['msg']}"
            case "model_type" | "model_attributes_type" | "dict_type" if not location:
                text = f"{where} must be a section, got {given}"
            case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
                text = (
                    f"{where} `{name}` must be {found['msg'].removeprefix('Input should be ')}, got {given}"
                )
            case "string_type" if name not in _DURATIONS:
                text = f"{where} `{name}` must be text, got {given}"
            case "string_type":
                text = f'{where} `{name}` must be a duration such as "5m", got {given}'
            case "bool_type":
                text = f"{where} `{name}` must be true or false, got {given}"
            case "int_type":
                text = f"{where} `{name}` must be a whole number, got {given}"
            case "string_too_short":
                text = f"{where} `{name}` must not be empty"
            case "too_short":
                text = f"{where} `{name}` must have at least {context['min_length']}, got {given}"
            case _:
                expected = found["msg"].removeprefix("Input should be ").removeprefix("a valid ")
                text = f"{where} `{name}` must be a {expected}, got {given}".replace("a a ", "a ")
        yield Problem(at, text)


def _dig(raw: Any, place: Place) -> Any:
    for part in place:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _is_branch(part: str | int) -> bool:
    """Pydantic names the branch of a union that it tried; no option is called like that."""
    return isinstance(part, str) and bool(
        re.search(r"[\[\]()]|^(str|bool|int|float|constrained-\w+|Rmse)$", part)
    )


def _unknown(at: Place, known: Iterable[str]) -> Problem:
    name = str(at[-1])
    hint = ""
    if name not in known:
        homes = [
            f"[{section}]"
            for section, models in {
                "source": SOURCES.values(),
                **{k: (v,) for k, v in _SECTIONS.items()},
            }.items()
            if section != at[0] and any(name in model.model_fields for model in models)
        ]
        hint = f" (it belongs in {_or(homes)})" if homes else near(name, known)
    return Problem(at, f"{_where(at[:-1])} unknown option `{name}`{hint}")


# ---- across options and sections


def _across(data: Mapping[str, Any]) -> Iterator[Problem]:
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
                ("sink", at, "what"), f'{_where(("sink", at))} `what` is "windows": add a section [window]'
            )
        if what in ("events", "anomalies") and detect is None:
            yield Problem(
                ("sink", at, "what"),
                f'{_where(("sink", at))} `what` is "{what}": add a section [detect], or take "windows"',
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
        misspelt = any(_nearest(name, FUNCTIONS) for name in aggregate if name not in Aggregate.model_fields)
        if len(functions) > 1 or (not functions and not misspelt):
            got = " and ".join(f"`{name}`" for name in functions) or "none"
            yield Problem(place, f"{_where(place)} needs exactly one of {_or(FUNCTIONS)}, got {got}")
        if "quantile" in functions and "q" not in aggregate:
            yield Problem(place, f"{_where(place)} `q` is missing: which quantile, from 0 to 1")
        for extra, owner in {
            "q": "quantile",
            "min_hits": "distinct",
            "count_on": "distinct",
            "retain": "distinct",
        }.items():
            if extra in aggregate and functions and owner not in functions:
                yield Problem(
                    (*place, extra), f"{_where(place)} `{extra}` goes with `{owner}`, got `{functions[0]}`"
                )
        name = aggregate.get("name")
        if isinstance(name, str):
            if name in names:
                yield Problem(
                    (*place, "name"), f"{_where(place)} the name {_show(name)} is taken by another aggregate"
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
                f"[detect] `measures` must be aggregates of [window] ({', '.join(made)}), got {_show(column)}"
                f"{near(column, made, quoted=True)}",
            )
    keys, by = _names(window.get("by", [])), _names(detect.get("by", []))
    for column in by:
        if column not in keys:
            known = ", ".join(keys) or "none"
            got = f"[detect] `by` must be columns of `by` in [window] ({known}), got {_show(column)}"
            yield Problem(("detect", "by"), got + near(column, keys, quoted=True))


def _alarms(alarm: Mapping[str, Any]) -> Iterator[Problem]:
    if "threshold" in alarm and "severity" in alarm:
        yield Problem(("alarm", "threshold"), "[alarm] takes `threshold` or `severity`, got both")
    breaches, of = alarm.get("breaches", 1), alarm.get("of")
    if isinstance(breaches, int) and isinstance(of, int) and 1 <= of < breaches:
        yield Problem(
            ("alarm", "breaches"), f"[alarm] `breaches` must be at most `of` ({of}), got {breaches}"
        )


# ---- words


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


def _show(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section"
    return "[" + ", ".join(map(_show, value)) + "]" if isinstance(value, list) else str(value)


def _or(words: Iterable[str]) -> str:
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def _nearest(word: Any, choices: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(str(word), list(choices), n=1, cutoff=0.6)), None)


def near(word: Any, choices: Iterable[str], *, quoted: bool = False) -> str:
    """Hint at the nearest right word: ` (did you mean `every`?)`, or nothing."""
    near = _nearest(word, choices)
    mark = '"' if quoted else "`"
    return f" (did you mean {mark}{near}{mark}?)" if near else ""


def _where(place: Place) -> str:
    """`[window]`, `[[window.aggregate]] 2` (counted from one, as people do)."""
    names, number = [], None
    for part in place:
        if isinstance(part, int):
            number = part
        elif number is None or part == "aggregate":
            names.append(part)
    if (
        number is not None
        and names[0] in ("sink", "window")
        and (names[0] == "sink" or names[-1] == "aggregate")
    ):
        return f"[[{'.'.join(names)}]] {number + 1}"
    return f"[{'.'.join(names)}]" if names else ""


def _lines(text: str) -> dict[Place, int]:
    """Where each section and option is written; a hint for people, so unusual spellings may be missed."""
    lines: dict[Place, int] = {}
    section: Place = ()
    count: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.\s-]+?)\s*\]", line):
            names = tuple(re.split(r"\s*\.\s*", header[2]))
            if header[1] == "[[":
                count[header[2]] = count.get(header[2], -1) + 1
                section = (*names, count[header[2]])
            else:
                section = names
            lines.setdefault(section, number)
        elif key := re.match(r"\s*\"?([\w-]+)\"?\s*[.=]", line):
            lines.setdefault((*section, key[1]), number)
    return lines


def _line(lines: Mapping[Place, int], place: Place) -> int | None:
    for end in range(len(place), 0, -1):
        if place[:end] in lines:
            return lines[place[:end]]
    return None
