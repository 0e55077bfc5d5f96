"""What a service says while it runs: one line for each thing, as text or as JSON.

Owns the form. Time, level, the part that speaks and the words; what a line is about besides them (`extra`) is a field.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
from typing import Literal

__all__ = ["Json", "Text", "set_up"]

#: What every record has; the rest somebody gave.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class Text(logging.Formatter):
    """`2026-01-05T00:00:00.000Z warning windrow.mqtt: no connection ...`; a traceback's lines are joined."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        return f"{_time(record)} {record.levelname.lower()} {record.name}: {_words(record, self)}"


class Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "part": record.name,
            "message": _words(record, self),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _USUAL}
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(form: Literal["text", "json"], level: str) -> None:
    """Send what windrow says to standard error in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if form == "json" else Text())
    logger = logging.getLogger("windrow")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def _time(record: logging.LogRecord) -> str:
    time = dt.datetime.fromtimestamp(record.created, dt.UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"


def _words(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    text = record.getMessage()
    if record.exc_info:
        text = f"{text}: {formatter.formatException(record.exc_info)}"
    return " | ".join(line.strip() for line in text.splitlines() if line.strip())
