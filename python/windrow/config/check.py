"""Reads a pipeline's file and says everything that is wrong with it at once, with its place and the nearest right word.

Owns the checks that look across options and sections, and the wording. Each section is checked by itself, so that a
mistake in one doesn't hide those in another. Refuses to repair: a file is right or it isn't run.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from windrow.config.across import across
from windrow.config.engine import engine
from windrow.config.named import named, notes
from windrow.config.problem import Place, Problem, either, near, show, where
from windrow.config.sections import (
    LATER,
    SINKS,
    SOURCES,
    Aggregate,
    AlarmSection,
    Config,
    DetectSection,
    FiltersSection,
    Maintenance,
    ReportSection,
    Section,
    ServiceSection,
    StateSection,
    WindowSection,
)
from windrow.errors import ConfigError

__all__ = ["ConfigFileError", "check", "load", "loads", "look"]


_DURATIONS = frozenset(
    [
        "every",
        "adopt",
        "drift",
        "offset",
        "out_of_orderness",
        "allowed_lateness",
        "idle_timeout",
        "max_ahead",
        "retain",
        "lasting",
        "period",
        "interval",
        "keepalive",
        "timeout",
        "max_leap",
        "session",
        "spool_age",
    ]
)
#: What options of several types expect, where the branches of the union would say it piecemeal.
_EXPECTED = {
    "path": "a file's name or a list of them",
    "command": "a list of the program and its arguments",
    "topics": "a list of topic filters",
    "alive": "a list of topic filters",
    "by": "a column's name or a list of them",
    "time": "a column's name or a list of them",
    "start": "a time in ISO 8601",
    "classes": "a list of fields, or field = class",
    "count": "true or a column's name",
    "distinct": "a column's name or a list of them",
    "where": 'column = value, or column = ["this", "that"]',
    "rollup": "a list of lists of columns",
    "measures": "a list of columns, or name = [mean, min, max]",
    "min_deviation": "a number of at least 0, or measure = number",
    "min_relative_deviation": "a number of at least 0, or measure = number",
    "quiet_hours": 'hours such as "22:00-06:00" or a list of them',
    "rmse": '"cumulative", a positive number, { ewm = 1000 } or { rolling = "6h" }',
    "smooth": "a number of rows or a duration",
    "drift": 'a duration or "off"',
    "ewm": "a number of rows or a duration",
    "rolling": "a number of rows or a duration",
}

_SECTIONS: dict[str, type[Section]] = {
    "window": WindowSection,
    "detect": DetectSection,
    "alarm": AlarmSection,
    "state": StateSection,
    "report": ReportSection,
    "service": ServiceSection,
}
#: Sections inside of others.
_INNER: dict[str, type[Section]] = {
    "aggregate": Aggregate,
    "filters": FiltersSection,
    "maintenance": Maintenance,
}
_TOP = ("source", *_SECTIONS, "sink")


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
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"`path` must be a file's name, got {path!r}")
    return loads(_text(path))


def look(path: str | Path) -> list[Problem]:
    """Read and check a file, and look at what it names on this machine; notes on what is right and may not be meant.

    Raises
    ------
    ConfigFileError
        With everything that is wrong.
    """
    config = load(path)
    lines = _lines(_text(path))
    if problems := list(named(config)):
        raise ConfigFileError(_located(lines, problems))
    return _located(lines, list(notes(config)))


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"`{path}` can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"`{path}` must be UTF-8 text, got a byte {text_byte(error)}") from error


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
    >>> from windrow.config.check import loads
    >>> loads('[source]\nkind = "fil"')
    Traceback (most recent call last):
        ...
    windrow.config.check.ConfigFileError: line 2: [source] `kind` must be file, mqtt, stdin or simulate, got "fil" ...
    """
    if not isinstance(text, str):
        raise ConfigError(f"`text` must be text, got {text!r}")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigFileError([Problem((), f"not TOML: {str(error)[:1].lower()}{str(error)[1:]}")]) from error
    config, problems = check(data)
    if problems or config is None:
        raise ConfigFileError(_located(_lines(text), problems))
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
    problems += across(data)
    problems += engine(data, {problem.place for problem in problems})
    if problems:
        return None, problems
    return Config.model_construct(**sections), []


# ---- one section


def _kind(
    place: Place, raw: Any, models: Mapping[str, type[Section]], problems: list[Problem]
) -> Section | None:
    """Check a section whose options depend on its `kind`."""
    if not isinstance(raw, Mapping):
        problems.append(Problem(place, f"{where(place)} must be a section, got {show(raw)}"))
        return None
    kind = raw.get("kind")
    if isinstance(kind, str) and kind in models:
        return _section(place, raw, models[kind], problems)
    choices = either(models)
    if kind is None:
        problems.append(Problem(place, f"{where(place)} `kind` is missing: use {choices}"))
    elif isinstance(kind, str) and kind in LATER:
        problems.append(
            Problem(
                (*place, "kind"), f'{where(place)} the kind "{kind}" is not in this version: use {choices}'
            )
        )
    else:
        problems.append(
            Problem(
                (*place, "kind"),
                f"{where(place)} `kind` must be {choices}, got {show(kind)}{near(kind, models, quoted=True)}",
            )
        )
    # Which options there are isn't known now, but which there never are is.
    known = {name for model in models.values() for name in model.model_fields}
    if not isinstance(kind, str) or kind not in LATER:
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
        section = where(at[:-1] if location else at)
        context = found.get("ctx", {})
        given = show(found["input"])
        match found["type"]:
            case "extra_forbidden":
                owners = [model, *(_INNER[str(part)] for part in location[:-1] if part in _INNER)]
                yield _unknown(at, owners[-1].model_fields)
                continue
            case _ if (
                union is not None and isinstance(_dig(raw, at[len(place) :]), Mapping) and name == "rmse"
            ):
                # A table was meant: what is wrong inside it is said by itself.
                continue
            case _ if (
                union is not None and name in _EXPECTED and found["type"] not in ("duration", "missing")
            ):
                text = (
                    f"{section} `{name}` must be {_EXPECTED[name]}, got {show(_dig(raw, at[len(place) :]))}"
                )
            case "missing":
                text = f"{section} `{name}` is missing"
            case "literal_error":
                choices = re.findall(r"'([^']*)'", context["expected"])
                choices = choices or [context["expected"].lower()]
                hint = near(found["input"], choices, quoted=True)
                text = f"{section} `{name}` must be {either(choices)}, got {given}{hint}"
            case "duration":
                text = f"{section} `{name}` {found['msg']}"
            case "model_type" | "model_attributes_type" | "dict_type" if not location:
                text = f"{section} must be a section, got {given}"
            case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
                text = (
                    f"{section} `{name}` must be {found['msg'].removeprefix('Input should be ')}, got {given}"
                )
            case "string_type" if name not in _DURATIONS:
                text = f"{section} `{name}` must be text, got {given}"
            case "string_type":
                text = f'{section} `{name}` must be a duration such as "5m", got {given}'
            case "bool_type":
                text = f"{section} `{name}` must be true or false, got {given}"
            case "int_type":
                text = f"{section} `{name}` must be a whole number, got {given}"
            case "string_too_short":
                text = f"{section} `{name}` must not be empty"
            case "too_short":
                text = f"{section} `{name}` must have at least {context['min_length']}, got {given}"
            case _:
                expected = found["msg"].removeprefix("Input should be ").removeprefix("a valid ")
                text = f"{section} `{name}` must be a {expected}, got {given}".replace("a a ", "a ")
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
        hint = f" (it belongs in {either(homes)})" if homes else near(name, known)
    return Problem(at, f"{where(at[:-1])} unknown option `{name}`{hint}")


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


def _located(lines: Mapping[Place, int], problems: Iterable[Problem]) -> list[Problem]:
    """Say where each is written, in that order."""
    located = [Problem(one.place, one.message, _line(lines, one.place)) for one in problems]
    return sorted(located, key=lambda one: (one.line is None, one.line or 0))


def _line(lines: Mapping[Place, int], place: Place) -> int | None:
    for end in range(len(place), 0, -1):
        if place[:end] in lines:
            return lines[place[:end]]
    return None
