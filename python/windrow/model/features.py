"""What can be made of a model's inputs: values, texts, products of pairs, and what each was over the past.

Owns the words of the model's file for features, and which time constants are tried. The engine computes them, in
training as at work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["history", "name", "reach", "shown", "spans", "texts", "values"]

#: Time constants that are tried, in usual steps.
CONSTANTS = (3, 10, 30, 100, 300)
#: After so many time constants a history is known.
WARM = 2.3
#: The warm-up may take at most this share of a machine's rows.
SHARE = 0.1

Feature = dict[str, Any]
Signal = tuple[str, ...]

_UNITS = (
    ("d", 86_400 * 10**9),
    ("h", 3_600 * 10**9),
    ("m", 60 * 10**9),
    ("s", 10**9),
    ("ms", 10**6),
    ("us", 10**3),
)


def shown(nanoseconds: int) -> str:
    """Write a duration in its largest whole unit."""
    for unit, length in _UNITS:
        if nanoseconds % length == 0:
            return f"{nanoseconds // length}{unit}"
    return f"{nanoseconds}ns"


def reach(features: Iterable[Feature]) -> int:
    """How far back features look: their longest time constant in nanoseconds, 0 of values as they are."""
    lengths = dict(_UNITS) | {"ns": 1}
    texts = [one.get("mean") or one.get("rate") or "" for one in features]
    return max(
        (
            sum(int(many) * lengths[unit] for many, unit in re.findall(r"(\d+)([a-z]+)", text))
            for text in texts
        ),
        default=0,
    )


def spans(step: int, rows: int) -> dict[str, int]:
    """Give the time constants that machines of so many rows can be asked for, with their nanoseconds."""
    return {shown(step * many): step * many for many in CONSTANTS if WARM * many <= SHARE * rows}


def values(signals: Iterable[Signal]) -> list[Feature]:
    """Give signals as they are."""
    return [{"of": list(signal)} for signal in signals]


def texts(inputs: Sequence[dict[str, Any]]) -> list[Feature]:
    """Give 1 where an input is a text, for each but its first, which the others imply."""
    return [
        {"of": [one["name"]], "is": text} for one in inputs for text in (one["values"][1:] or one["values"])
    ]


def history(signals: Iterable[Signal], constants: Iterable[str], kind: str = "mean") -> list[Feature]:
    """Give exponentially weighted means of signals, or rates against them."""
    return [{"of": list(signal), kind: span} for signal in signals for span in constants]


def name(feature: Feature) -> str:
    """Name a feature as the engine does."""
    of = " x ".join(feature["of"])
    for kind in ("mean", "rate"):
        if kind in feature:
            return f"{of}, {kind} {feature[kind]}"
    return f"{of} is {feature['is']}" if "is" in feature else of
