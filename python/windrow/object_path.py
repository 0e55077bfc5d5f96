"""Paths of objects by event time, in the spelling of Firehose's prefixes.

Owns `!{timestamp:yyyy/MM/dd/HHmm}` (letters of Java's DateTimeFormatter, UTC), `!{partition:column}` and
`!{random-string}`, and the same letters in double braces, which find files again: `{{yyyyMMdd}}/{{HHmm}}`.
"""

from __future__ import annotations

import datetime as dt
import glob
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from windrow.errors import ConfigError

__all__ = ["ObjectPath", "find"]

#: Characters of a path that was evaluated.
LONGEST = 512
RANDOM = 11
_PART = re.compile(r"!\{([^}]*)\}")
_LETTERS = {
    "yyyy": ("%Y", 4), "uuuu": ("%Y", 4), "yy": ("%y", 2), "MM": ("%m", 2), "dd": ("%d", 2), "HH": ("%H", 2),
    "mm": ("%M", 2), "ss": ("%S", 2), "DDD": ("%j", 3),
}  # fmt: skip


class ObjectPath:
    """A template, checked.

    Examples
    --------
    >>> import datetime as dt
    >>> path = ObjectPath("in/!{timestamp:yyyy/MM/dd/HHmm}/!{partition:camera}.jsonl")
    >>> path.fill(dt.datetime(2026, 1, 5, 8, 5, tzinfo=dt.UTC), {"camera": "north/1"}, ["id"])
    'in/2026/01/05/0805/north_1.jsonl'
    """

    def __init__(self, template: str) -> None:
        self.template = template
        self.partitions: list[str] = []
        for part in _PART.findall(template):
            kind, _, rest = part.partition(":")
            if kind == "timestamp" and rest:
                _formatted(rest)
            elif kind == "partition" and rest:
                self.partitions.append(rest)
            elif part != "random-string":
                raise ConfigError(
                    "`path` knows !{timestamp:yyyy/MM/dd/HHmm}, !{partition:column} and !{random-string}, "
                    f"got !{{{part}}}"
                )
        #: Whether no two objects can have the same path.
        self.unique = "!{random-string}" in template

    def fill(self, time: dt.datetime, row: Mapping[str, Any], names: Iterable[str]) -> str:
        """Evaluate it; the random string is made of the results' names, so that what is sent again replaces itself.

        Raises
        ------
        ConfigError
            It becomes longer than 512 characters.
        """

        def value(found: re.Match[str]) -> str:
            kind, _, rest = found[1].partition(":")
            if kind == "timestamp":
                return time.astimezone(dt.UTC).strftime(_formatted(rest))
            if kind == "partition":
                one = row.get(rest)
                return "none" if one is None else re.sub(r"[^\w.=-]|^\.+", "_", str(one)) or "_"
            return random_string(names)

        path = _PART.sub(value, self.template)
        if len(path) > LONGEST:
            raise ConfigError(f"`path` must be at most {LONGEST} characters when filled in, got {len(path)}")
        return path


def random_string(names: Iterable[str]) -> str:
    """Eleven letters and digits that belong to these names."""
    number = int.from_bytes(hashlib.blake2b("\n".join(names).encode(), digest_size=8).digest())
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    for _ in range(RANDOM):
        number, digit = divmod(number, 36)
        text += digits[digit]
    return text


def _formatted(letters: str) -> str:
    """Translate Java's letters to those of strftime."""
    out = ""
    for found in re.finditer(r"'([^']*)'|(([A-Za-z])\3*)|([^A-Za-z'])", letters):
        quoted, run, other = found[1], found[2], found[4]
        if run:
            if run not in _LETTERS:
                raise ConfigError(f"the letters of a timestamp must be {', '.join(_LETTERS)}, got {run!r}")
            out += _LETTERS[run][0]
        else:
            out += (quoted or other or "'").replace("%", "%%")
    return out


def find(pattern: str) -> list[Path]:
    """List files whose names hold times in double braces, oldest first; `*` stands for anything within a name.

    Raises
    ------
    ConfigError
        A brace holds other letters.
    """
    loose, strict, at = "", "", 0
    order: list[str] = []
    for found in re.finditer(r"\{\{([^}]*)\}\}", pattern):
        between = pattern[at : found.start()]
        loose += between
        strict += _translated(between)
        letters = re.findall(r"([A-Za-z])(\1*)|([^A-Za-z])", found[1])
        for one, more, other in letters:
            if other:
                loose, strict = loose + other, strict + re.escape(other)
                continue
            if one + more not in _LETTERS:
                raise ConfigError(f"the letters of a time must be {', '.join(_LETTERS)}, got {one + more!r}")
            width = _LETTERS[one + more][1]
            loose += "[0-9]" * width
            name = f"t{len(order)}"
            order.append(one)
            strict += f"(?P<{name}>[0-9]{{{width}}})"
        at = found.end()
    loose += pattern[at:]
    strict += _translated(pattern[at:])
    matcher = re.compile(strict)
    files = []
    for name in glob.iglob(loose):  # noqa: PTH207
        matched = matcher.fullmatch(name)
        if matched and Path(name).is_file():
            values = dict(zip(order, matched.groups(), strict=True))
            files.append((tuple(values.get(letter, "") for letter in "yuMDdHms"), name))
    return [Path(name) for _, name in sorted(files)]


def _translated(text: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(one) or re.escape(one) for one in text)
