"""What the sections of a pipeline's file are made of: options, durations, names.

Owns the types that sections share and how an option is declared. Refuses to know any section.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

__all__ = [
    "Duration",
    "Format",
    "Name",
    "Names",
    "NotNegative",
    "Positive",
    "Section",
    "Time",
    "Unit",
    "Value",
    "Where",
    "nanoseconds",
    "option",
]

_NANOSECONDS = {
    "w": 604_800_000_000_000,
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_NUMBERS: TypeAlias = "int | float"


def nanoseconds(text: str) -> int:
    """Read a duration by the engine's rules: `"5m"`, `"1h30m"`, `"-500ms"`.

    Raises
    ------
    PydanticCustomError
        With a message that `check` completes by the option's name.
    """
    found = re.fullmatch(r"\s*([+-]?)((?:[0-9]+[^\W\d_]*\s*)+)", text)
    if not found:
        raise PydanticCustomError(
            "duration", 'must be a duration such as "5m" or "1h30m", got "{text}"', {"text": text}
        )
    total = 0
    for number, unit in re.findall(r"([0-9]+)([^\W\d_]*)", found[2]):
        if not unit:
            raise PydanticCustomError(
                "duration", 'needs a unit (ns, us, ms, s, m, h, d or w), got "{text}"', {"text": text}
            )
        if unit not in _NANOSECONDS:
            raise PydanticCustomError(
                "duration", 'has the unknown unit "{unit}": use ns, us, ms, s, m, h, d or w', {"unit": unit}
            )
        total += int(number) * _NANOSECONDS[unit]
    if total >= 2**63:
        raise PydanticCustomError("duration", 'is longer than 292 years, got "{text}"', {"text": text})
    return -total if found[1] == "-" else total


def _any(text: str) -> str:
    nanoseconds(text)
    return text


def _positive(text: str) -> str:
    if nanoseconds(text) <= 0:
        raise PydanticCustomError("duration", 'must be positive, got "{text}"', {"text": text})
    return text


def _not_negative(text: str) -> str:
    if nanoseconds(text) < 0:
        raise PydanticCustomError("duration", 'must not be negative, got "{text}"', {"text": text})
    return text


def _time(text: str) -> str:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError(
            "time", 'must be a time in ISO 8601, got "{text}"', {"text": text}
        ) from None
    return text


Duration: TypeAlias = Annotated[str, AfterValidator(_any)]
Positive: TypeAlias = Annotated[str, AfterValidator(_positive)]
NotNegative: TypeAlias = Annotated[str, AfterValidator(_not_negative)]
Time: TypeAlias = dt.datetime | Annotated[str, AfterValidator(_time)]
Name: TypeAlias = Annotated[str, Field(min_length=1)]
Names: TypeAlias = Name | list[Name]
Value: TypeAlias = str | bool | int | float
Where: TypeAlias = dict[str, Value | list[Value]]
Unit: TypeAlias = Literal["ns", "us", "ms", "s"]
Format: TypeAlias = Literal["csv", "jsonl", "parquet"]


class Section(BaseModel):
    """What all sections share: no unknown words, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def option(default: Any, meaning: str, example: Any = None) -> Any:
    """Declare an option: its default (`...`: it must be given), what it means, a value to show where it has none."""
    return Field(default, description=meaning, examples=None if example is None else [example])
