"""Topics with columns in braces: read on the way in, filled on the way out.

Owns the spelling `cameras/{camera}/detections`. A name in braces is one whole level of a topic that is read, and any
part of one that is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from windrow.errors import ConfigError

__all__ = ["Topic", "fill", "names"]

_NAME = re.compile(r"\{(\w+)\}")


def names(template: str) -> list[str]:
    """List the columns that a template names, in order."""
    return _NAME.findall(template)


class Topic:
    """A topic filter with columns.

    Examples
    --------
    >>> topic = Topic("cameras/{camera}/detections")
    >>> topic.filter, topic.columns("cameras/gate/detections"), topic.columns("cameras/gate/status")
    ('cameras/+/detections', {'camera': 'gate'}, None)
    """

    def __init__(self, template: str) -> None:
        levels = template.split("/")
        self.names: list[str | None] = []
        for at, level in enumerate(levels):
            whole = _NAME.fullmatch(level)
            if not whole and re.search(r"[{}]", level):
                raise ConfigError(f"a column in braces must be a whole level of the topic, got {template!r}")
            if (level == "#" and at != len(levels) - 1) or (
                level not in ("#", "+") and re.search(r"[+#\0]", level)
            ):
                raise ConfigError(
                    f"+ and # must be whole levels of the topic, # the last one, got {template!r}"
                )
            if whole and whole[1] in self.names:
                raise ConfigError(f"each column in braces stands in a topic once, got {template!r}")
            self.names.append(whole[1] if whole else None)
        self.filter = "/".join("+" if name else level for level, name in zip(levels, self.names, strict=True))
        self._pattern = re.compile("/".join(map(_level, levels)).replace("/.*", "(?:/.*)?"), re.DOTALL)

    def columns(self, topic: str) -> dict[str, str] | None:
        """Read the columns of a topic; nothing where it doesn't match."""
        found = self._pattern.fullmatch(topic)
        return found.groupdict() if found else None


def _level(level: str) -> str:
    if name := _NAME.fullmatch(level):
        return f"(?P<{name[1]}>[^/]*)"
    return {"+": "[^/]*", "#": ".*"}.get(level) or re.escape(level)


def fill(template: str, row: Mapping[str, Any], clean: Callable[[str], str] | None = None) -> str:
    """Fill in a row's columns; what has a meaning in topics becomes `_`, null becomes `none`.

    Examples
    --------
    >>> fill("alerts/{camera}", {"camera": "north/1"})
    'alerts/north_1'
    """
    clean = clean or (lambda text: re.sub(r"[/+#\0]", "_", text))

    def value(found: re.Match[str]) -> str:
        one = row.get(found[1])
        return "none" if one is None else clean(str(one)) or "_"

    return _NAME.sub(value, template)
