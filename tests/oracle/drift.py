"""Drift of one series, told when all of its rows are there: each stretch from its own rows."""

from dataclasses import dataclass
from math import floor, fsum, isfinite, sqrt


@dataclass
class Row:
    """A row that was timed; `counts` if it was judged and is not in alarm. Times in nanoseconds."""

    time: int
    counts: bool
    observed: float = 0.0
    expected: float = 0.0
    inputs: dict[str, float | None] | None = None


@dataclass
class Event:
    """A drift; `end` is None where the newest stretch that says something had drifted."""

    start: int
    end: int | None
    peak: float
    input: str | None
    observed: float
    expected: float
    stretches: int


def clip(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))


def drifts(
    rows: list[Row], stretch: int, rmse: float, usual: dict[str, tuple[float, float] | None]
) -> list[Event]:
    """Tell the drifts of rows in the order of their arrival; `usual` has mean and deviation of each input."""
    first = next((at for at, row in enumerate(rows) if row.counts), None)
    if first is None:
        return []
    begin = rows[first].time
    stretches: dict[int, list[Row]] = {}
    newest = 0
    for row in rows[first:]:
        # What comes late belongs to the stretch at hand.
        newest = max(newest, floor((row.time - begin) // stretch))
        mine = stretches.setdefault(newest, [])
        if row.counts:
            mine.append(row)
    events: list[Event] = []
    full = 0
    open_event: Event | None = None
    last_end = 0
    for number in sorted(stretches)[:-1]:
        mine = stretches[number]
        full = max(len(mine), full // 2)
        if len(mine) < 20 or len(mine) * 4 < full:
            continue
        off = [clip((row.observed - row.expected) / rmse, 5.0) for row in mine]
        mean = fsum(off) / len(off)
        spread = sqrt(fsum((one - mean) ** 2 for one in off) / len(off))
        if abs(mean) <= 1.0 and spread <= 1.5:
            if open_event is not None:
                open_event.end, open_event = last_end, None
            continue
        start = begin + number * stretch
        last_end = start + stretch
        size = mean if abs(mean) > 1.0 else spread
        if open_event is None:
            open_event = Event(start, None, 0.0, None, 0.0, 0.0, 0)
            events.append(open_event)
        open_event.stretches += 1
        if open_event.stretches == 1 or abs(size) > abs(open_event.peak):
            open_event.peak, open_event.input = size, mover(mine, usual)
            open_event.observed = fsum(row.observed for row in mine) / len(mine)
            open_event.expected = fsum(row.expected for row in mine) / len(mine)
    return events


def mover(rows: list[Row], usual: dict[str, tuple[float, float] | None]) -> str | None:
    """Name the input whose mean is furthest from training, if any has moved by a quarter of its deviation."""
    best, name = 0.0, None
    for one, was in usual.items():
        if was is None:
            continue
        came = [row.inputs[one] for row in rows if row.inputs is not None]
        known = [value for value in came if value is not None and isfinite(value) and abs(value) <= 1e100]
        if not known:
            continue
        moved = fsum(clip((value - was[0]) / was[1], 30.0) for value in known) / len(known)
        if abs(moved) > abs(best):
            best, name = moved, one
    return name if abs(best) >= 0.25 else None
