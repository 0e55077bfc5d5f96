"""Stable names of results: the same result has the same one, however often it is made or sent.

Owns how a series, a time and a revision are spelled as one word. Consumers that drop what they have seen already get
each result exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

__all__ = ["of_event", "of_group", "of_row", "of_verdict", "of_window", "series"]


def series(row: Mapping[str, Any], by: Sequence[str]) -> str:
    """Spell a series: its key's values, each quoted, `*` for null.

    Examples
    --------
    >>> series({"camera": "north/1", "class": None}, ["camera", "class"])
    'north%2F1/*'
    """
    return "/".join("*" if row[name] is None else quote(str(row[name]), safe="") for name in by)


def of_row(row: Mapping[str, Any]) -> str:
    """Give the name that a row brings along: its own, or an alert's of the group that it tells of once."""
    return str(row["alertEventId"] if "alertEventId" in row else row["message_id"])


def of_window(row: Mapping[str, Any], by: Sequence[str]) -> str:
    """Name a window's row: series, start, level of a roll-up, revision.

    Examples
    --------
    >>> import datetime as dt
    >>> start = dt.datetime(2026, 1, 5, tzinfo=dt.timezone.utc)
    >>> of_window({"camera": "a", "window_start": start, "revision": 0}, ["camera"])
    'a/2026-01-05T00:00:00Z/0'
    """
    level = f"/level-{row['level']}" if "level" in row else ""
    return f"{_key(row, by)}{_time(row['window_start'])}{level}/{row['revision']}"


def of_verdict(row: Mapping[str, Any], by: Sequence[str], revision: int = 0) -> str:
    """Name a verdict: series, measure, time, revision of the window that it judges."""
    return f"{_key(row, by)}{quote(str(row['measure']), safe='')}/{_time(row['time'])}/{revision}"


def of_event(row: Mapping[str, Any]) -> str:
    """Name an event's message: the event, how many points it has, its state."""
    return f"{row['id']}/{row['points']}/{row['state']}"


def of_group(row: Mapping[str, Any]) -> str:
    """Name a group's message: the group, its state."""
    return f"{row['id']}/{row['state']}"


def _key(row: Mapping[str, Any], by: Sequence[str]) -> str:
    return f"{series(row, by)}/" if by else ""


def _time(time: Any) -> str:
    return time.isoformat().replace("+00:00", "Z") if hasattr(time, "isoformat") else str(time)
