"""What is wrong with a pipeline's file, in words.

Owns a mistake's place and message, and the words that messages share: the nearest right word, values as they stood in
the file, sections as people count them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Place", "Problem", "either", "mapping", "names", "near", "nearest", "show", "where"]

Place = tuple[str | int, ...]


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


def near(word: Any, choices: Iterable[str], *, quoted: bool = False) -> str:
    """Hint at the nearest right word: ` (did you mean `every`?)`, or nothing."""
    found = nearest(word, choices)
    mark = '"' if quoted else "`"
    return f" (did you mean {mark}{found}{mark}?)" if found else ""


def nearest(word: Any, choices: Iterable[str]) -> str | None:
    """Find the right word that was meant, if one is near."""
    return next(iter(difflib.get_close_matches(str(word), list(choices), n=1, cutoff=0.6)), None)


def show(value: Any) -> str:
    """Write a value as it stood in the file."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section"
    return "[" + ", ".join(map(show, value)) + "]" if isinstance(value, list) else str(value)


def either(words: Iterable[str]) -> str:
    """Join words: `a, b or c`."""
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def where(place: Place) -> str:
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


def mapping(raw: Any) -> Mapping[str, Any] | None:
    """Take a section as it stood in the file; nothing where something else stood there."""
    return raw if isinstance(raw, Mapping) else None


def names(raw: Any) -> list[str]:
    """Take a name or a list of them as it stood in the file; what isn't a name is left out."""
    if isinstance(raw, str):
        return [raw]
    return [one for one in raw if isinstance(one, str)] if isinstance(raw, list) else []
