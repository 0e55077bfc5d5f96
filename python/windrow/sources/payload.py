"""A message's payload as lines for the engine, and what is known of it besides.

Owns the bytes' form only; what they mean is the decoder's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from windrow.config.sections import ARRIVAL
from windrow.topic import Topic

__all__ = ["beside", "known", "one_line"]

#: What is kept of a message that is too large: enough to know it by.
KEPT = 1_024


def one_line(payload: bytes, decoder: str, most: int) -> bytes:
    """Put a JSON message that was written over several lines into one; what is too large is cut to a reject."""
    payload = payload.strip()
    if len(payload) > most:
        payload = payload[:KEPT]
    if b"\n" not in payload or decoder == "mot":
        return payload
    lines = payload.splitlines()
    # Several messages stay several; line ends within one are white space.
    if all(line.lstrip().startswith(b"{") and line.rstrip().endswith(b"}") for line in lines if line.strip()):
        return payload
    return b" ".join(lines)


def beside(topics: Iterable[Topic], wanted: Collection[str]) -> tuple[str, ...]:
    """Name the columns that messages of these topics get besides their own, of those that are wanted.

    A camera is always told: whose sign of life a message is, it decides.
    """
    parts = [name for topic in topics for name in topic.names if name is not None]
    told = [name for name in dict.fromkeys(parts) if name in wanted or name == "camera"]
    return (*told, *(("arrival",) if any(name in wanted for name in ARRIVAL) else ()))


def known(names: Iterable[str], columns: dict[str, str], arrival: int) -> dict[str, Any]:
    """Say what is known of one message: its topic's columns, and when it arrived."""
    return {name: arrival if name == "arrival" else columns.get(name) for name in names}
