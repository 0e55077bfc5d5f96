"""What both worlds are asked for: arguments that can't be meant are refused before anything is made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from windrow.errors import ConfigError

__all__ = ["LONGEST", "asked", "positive"]

#: Days; ten years are more than a machine's memory holds.
LONGEST = 3653


def asked(days: Any, seed: Any, healthy: Any, start: Any) -> None:
    """Check what both worlds take.

    Raises
    ------
    ConfigError
        An argument can't be meant.
    """
    positive("days", days)
    if days > LONGEST:
        raise ConfigError(f"`days` must be at most {LONGEST}, got {days!r}")
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or seed < 0:
        raise ConfigError(f"`seed` must be a whole number that is not negative, got {seed!r}")
    if not isinstance(healthy, bool):
        raise ConfigError(f"`healthy` must be True or False, got {healthy!r}")
    if not isinstance(start, datetime) or start.tzinfo is None:
        raise ConfigError(f"`start` must be a datetime with a time zone, got {start!r}")


def positive(name: str, value: Any) -> None:
    """Check a number.

    Raises
    ------
    ConfigError
        It is none, or not positive.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigError(f"`{name}` must be a positive number, got {value!r}")
