"""`counts` where the same kind of event comes again and again: the section `frequent`.

    python bench/accuracy/frequent.py

Owns the events: bursts of some hours, at odd times or at one hour of the week, from a series' first day on. Faults are
`street_score`'s, at the same places whatever the rate.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import sections
from halves import months
from streets import judge

#: Events a series-month of four weeks.
RATES = (0, 1, 2, 4, 8)
#: How many hours an event lasts, and how far it lies above its hour, in deviations of that.
LASTS, SIZE = 3, 8
#: The fixed threshold: meant as once a month.
LEVEL = 50.0
#: Days that a series has to get to know its events before they count.
KNOWN = 60
#: Faults unlike the events, then one that is twice as large as they are.
KINDS = ("outage3", "outage12", "double", "shift50", "ramp", "swap", "spike16")
ODD, STEADY = "at odd times", "on Saturdays at 18:00"
DAY = 86_400


def begins(times: np.ndarray, rate: int, manner: str, rng: np.random.Generator) -> np.ndarray:
    """When events begin, in seconds; 8 a month are on Wednesdays as well."""
    first, last = float(times[0]), float(times[-1])
    if manner == ODD or not rate:
        return np.sort(rng.uniform(first, last, rng.poisson(rate * (last - first) / DAY / 28)))
    found = []
    for weekday in (5, 2)[: 2 if rate == 8 else 1]:
        # The epoch began on a Thursday.
        begin = first // (7 * DAY) * 7 * DAY + (weekday - 3) % 7 * DAY + 18 * 3600
        found.append(np.arange(begin, last, 7 * DAY * max(4 // rate, 1)))
    return np.sort(np.concatenate(found))


def measure(score: Any, series: list[Any], rate: int, manner: str) -> list[str]:
    """Shares found at one rate, and what is told beside the events."""
    found: dict[str, list[bool]] = {kind: [] for kind in ("events", *KINDS)}
    others = 0
    for at, (_, _, values, times, day) in enumerate(series):
        hours = score.bucket(times)
        own = [values[hours == hour] for hour in range(48)]
        profile = np.array([one.mean() if len(one) else 0 for one in own])
        deviation = np.array([one.std() if len(one) else 0 for one in own])
        busy, inside = values.copy(), np.zeros(len(values), bool)
        for begin in begins(times, rate, manner, np.random.default_rng([11, at])):
            inside[slice(*np.searchsorted(times, [begin, begin + LASTS * 3600]))] = True
        size = SIZE * np.maximum(deviation, np.sqrt(profile))[hours]
        busy[inside] += np.round(size[inside])
        severity, _ = judge(busy, times)
        others += score.events(np.where(inside, 0.0, severity), LEVEL)
        starts = np.flatnonzero(np.diff(inside.astype(int), prepend=0) == 1)
        for start in starts[times[starts] > times[0] + KNOWN * DAY]:
            found["events"].append(bool((severity[start : start + LASTS * day // 24] >= LEVEL).any()))
        for number, kind in enumerate(KINDS):
            rng = np.random.default_rng([7, at, number])
            made = score.fault(kind, busy, times, day, rng, profile, deviation)
            if made is None:
                continue
            changed, first, last = made
            after, _ = judge(changed[: last + 1], times[: last + 1])
            new = (after[first:] >= LEVEL) & (severity[first : last + 1] < LEVEL)
            found[kind].append(bool(new.any()))
    shares = [f"{np.mean(hits):.2f}" if hits else "" for hits in found.values()]
    return [shares[0], f"{others / months(series):.2f}", *shares[1:]]


def main() -> None:
    begun = time.process_time()
    score = sections.tool("street_score")
    series = score.load(str(sections.data()))
    rows = [["none", "0", *measure(score, series, 0, ODD)]]
    for manner in (ODD, STEADY):
        rows += [[manner, f"{rate}", *measure(score, series, rate, manner)] for rate in RATES[1:]]
    heads = ["events", "a month", "told of", "others told, a month", *KINDS]
    text = f"""
Real series ({len(series)}) with events of one kind added from their first day on, each {LASTS} hours at {SIZE}
deviations above their hour; after {KNOWN} days, at severity 50, which is meant as once a month: the share of these
events that is told of, what else is told, and the share of faults found beside them.

{sections.table(heads, rows)}

What comes at one hour of the week is expected after two months, and costs nothing else. At odd times it is told of
less and less, as it becomes more frequent than once a month; outages and ramps are found nearly as before. What is
measured on the same scales suffers: eight events a month hide a third of the doubled days and of the spikes of twice
their size, half of the steps, and most swapped workdays.

{sections.machine()}; about {time.process_time() - begun:.0f} s.
"""
    sections.replace("frequent", text)
    print(text)


if __name__ == "__main__":
    main()
