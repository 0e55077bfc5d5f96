"""`counts` on real streets: the section `streets`.

    python bench/accuracy/streets.py

Owns what is asked of each part: halves, lengths of windows, sizes of counts, kinds of faults, channels, the first week.
Series, faults and budgets are `street_score`'s.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import sections
import windrow as wr
from halves import DEVELOPMENT, OTHER, WHOLE, halves, months, rate

#: Of each kind of fault and series.
REPETITIONS = int(os.environ.get("WINDROW_REPETITIONS", "3"))
#: Below this mean a window, a series is one of low counts.
LOW = 50
CHANNELS = ("spike up", "hour up", "day up", "day down", "3 days up", "silence")
#: Hourly series are cut to so many days and split into shorter windows; one in so many.
SPLIT_DAYS, SPLIT_SERIES = 150, 4
#: Bursts: how many times the usual, for how many hours.
BURSTS = ((2, 2), (3, 1), (3, 3), (6, 1))
#: The first verdicts are looked at in so many days, from starts spread over each series.
FIRST_DAYS, STARTS = 7, 8


def judge(values: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Severity of each window, 0 where there is none, and the channel that spoke."""
    detector = wr.Detector("counts", measures=["n"], time="time", time_unit="s", alarm=wr.Alarm(severity=0))
    rows = pa.table(detector.push({"time": times.astype("int64"), "n": values.astype(float)}))
    return np.nan_to_num(rows["severity"].to_numpy()), np.array(rows["channel"].to_pylist(), object)


@dataclass
class Fault:
    """A fault, and what was said of it: severities where it may be found, those of the untouched series, channels."""

    kind: str
    series: int
    severity: np.ndarray
    before: np.ndarray
    channels: np.ndarray

    def found_at(self, level: float) -> int | None:
        """The first point that tells of it at a level."""
        new = np.flatnonzero((self.severity >= level) & (self.before < level))
        return int(new[0]) if len(new) else None


class Run:
    """Series judged untouched and with faults."""

    def __init__(
        self, score: Any, series: list[Any], seed: int = 7, judge: Any = judge, repetitions: int = REPETITIONS
    ) -> None:
        self.score, self.series, self.judge, self.repetitions = score, series, judge, repetitions
        judged = [judge(values, times) for _, _, values, times, _ in series]
        self.untouched = [severity for severity, _ in judged]
        self.channels = [channels for _, channels in judged]
        rng = np.random.default_rng(seed)
        self.faults = [fault for kind in score.KINDS for fault in self._of_kind(kind, rng)]

    def _of_kind(self, kind: str, rng: np.random.Generator) -> list[Fault]:
        found = []
        for at, (_, _, values, times, day) in enumerate(self.series):
            hours = self.score.bucket(times)
            own = [values[hours == hour] for hour in range(48)]
            profile = np.array([one.mean() if len(one) else 0 for one in own])
            deviation = np.array(
                [(one - mean).std() if len(one) else 0 for one, mean in zip(own, profile, strict=True)]
            )
            for _ in range(self.repetitions):
                made = self.score.fault(kind, values, times, day, rng, profile, deviation)
                if made is None:
                    continue
                changed, first, last = made
                where = slice(first, last + 1)
                severity, channels = self.judge(changed[: last + 1], times[: last + 1])
                found.append(Fault(kind, at, severity[where], self.untouched[at][where], channels[where]))
        return found

    def levels(self, part: set[int]) -> list[float]:
        """The severities that raise each budget on a part."""
        scores = [self.untouched[at] for at in part]
        covered = months([self.series[at] for at in part])
        return [self.score.budget_level(scores, covered, budget) for budget in self.score.BUDGETS]

    def recall(self, part: set[int], level: float) -> dict[str, float]:
        """The share of each kind that is found in a part."""
        mine = [fault for fault in self.faults if fault.series in part]
        kinds = {fault.kind for fault in mine}
        hits = {
            kind: [fault.found_at(level) is not None for fault in mine if fault.kind == kind]
            for kind in kinds
        }
        return {kind: float(np.mean(hits[kind])) for kind in self.score.KINDS if kind in hits}

    def rates(self, part: set[int]) -> list[str]:
        """Events a series-month at severity 50 and 80, with their intervals."""
        covered = months([self.series[at] for at in part])
        counts = [sum(self.score.events(self.untouched[at], level) for at in part) for level in (50, 80)]
        return [rate(count / covered, covered) for count in counts]


def quarter_hours(series: list[Any]) -> list[Any]:
    """Series of 5 minutes as quarter hours, and thinned to low counts: lengths and sizes that the data lack."""
    rng, made = np.random.default_rng(1), []
    for group, name, values, times, day in series:
        if day != 288:
            continue
        quarters = times // 900
        starts = np.flatnonzero(np.diff(quarters, prepend=-1))
        whole = np.diff(starts, append=len(times)) == 3
        summed = np.add.reduceat(values, starts)[whole]
        for share in (1.0, 0.1):
            thin = rng.binomial(summed.astype(int), share).astype(float)
            made.append((f"{group} 15 min", f"{name} x {share:g}", thin, quarters[starts][whole] * 900, 96))
        thin = rng.binomial(values.astype(int), 0.1).astype(float)
        made.append((f"{group} 5 min", f"{name} x 0.1", thin, times, day))
    return made


def groups(series: list[Any]) -> dict[str, set[int]]:
    """By length of window and size of count."""

    def those(test: Any) -> set[int]:
        return {at for at, one in enumerate(series) if test(one)}

    return {
        "5 min": those(lambda one: one[4] == 288),
        "15 min (summed from 5 min)": those(lambda one: one[4] == 96),
        "hourly": those(lambda one: one[4] == 24),
        f"low counts (mean below {LOW})": those(lambda one: one[2].mean() < LOW),
        "high counts": those(lambda one: one[2].mean() >= LOW),
    }


def shown(found: dict[str, float]) -> str:
    return f"{np.mean(list(found.values())):.2f}" if found else ""


def by_part(run: Run, parts: dict[str, set[int]]) -> str:
    """Halves: recall at each budget, the other half at the levels of the development half, and the rates."""
    rows = []
    fixed = run.levels(parts[DEVELOPMENT])
    for part, members in parts.items():
        levels = fixed if part == OTHER else run.levels(members)
        cells = [shown(run.recall(members, level)) for level in levels]
        rows.append([part, *cells, *run.rates(members)])
    heads = ["", *(f"at {budget:g}" for budget in run.score.BUDGETS), "events a month at 50", "at 80"]
    return sections.table(heads, rows)


def by_kind(run: Run, parts: dict[str, set[int]]) -> str:
    """Kinds of faults at budget 1."""
    level = {part: run.levels(parts[DEVELOPMENT if part == OTHER else part])[1] for part in parts}
    found = {part: run.recall(members, level[part]) for part, members in parts.items()}
    rows = [[kind, *(f"{found[part][kind]:.2f}" for part in parts)] for kind in run.score.KINDS]
    return sections.table(["fault", *parts], rows)


def by_channel(run: Run, part: set[int]) -> str:
    """What each channel costs in events on untouched series, and gains in faults, at budget 1."""
    level, covered = run.levels(part)[1], months([run.series[at] for at in part])
    told: Counter[str] = Counter()
    for at in part:
        above = np.flatnonzero(run.untouched[at] >= level)
        told.update(run.channels[at][above[np.diff(above, prepend=-10) > 6]])
    gained: dict[str, Counter[str]] = {kind: Counter() for kind in run.score.KINDS}
    made = Counter(fault.kind for fault in run.faults)
    for fault in run.faults:
        at = fault.found_at(level)
        if at is not None:
            gained[fault.kind][str(fault.channels[at])] += 1
    rows = []
    for channel in CHANNELS:
        cells = [gained[kind][channel] / made[kind] for kind in run.score.KINDS]
        rows.append(
            [channel, f"{told[channel] / covered:.2f}", *(f"{cell:.2f}" if cell else "" for cell in cells)]
        )
    return sections.table(["channel", "events a month", *run.score.KINDS], rows)


def first_week(score: Any, series: list[Any]) -> str:
    """Faults in a series' first week, found by provisional verdicts and by waiting for 300 windows."""
    rng = np.random.default_rng(5)
    kinds = ("spike8", "outage3", "outage12", "double")
    hits, made, events, days = Counter(), Counter(), 0, 0.0
    for _, _, values, times, day in series:
        span = (times[-1] - times[0]) / 86400 - 3 * FIRST_DAYS
        for begin in np.linspace(0, max(span, 0), STARTS if span > 200 else 2):
            part = (times >= times[0] + begin * 86400) & (times < times[0] + (begin + 3 * FIRST_DAYS) * 86400)
            own, at = values[part], times[part]
            if len(own) < FIRST_DAYS * day:
                continue
            young = at < at[0] + FIRST_DAYS * 86400
            untouched, _ = judge(own, at)
            events += score.events(untouched[young], 50)
            days += FIRST_DAYS
            hours = score.bucket(at)
            profile = np.array(
                [own[hours == hour].mean() if (hours == hour).any() else 0 for hour in range(48)]
            )
            spread = np.array(
                [own[hours == hour].std() if (hours == hour).any() else 0 for hour in range(48)]
            )
            for kind in kinds:
                fault = early(score, kind, own, at, day, rng, profile, spread)
                if fault is None:
                    continue
                changed, first, last = fault
                severity, _ = judge(changed[: last + 1], at[: last + 1])
                found = np.flatnonzero((severity[first:] >= 50) & (untouched[first : last + 1] < 50))
                made[kind] += 1
                hits[kind, "provisional"] += len(found) > 0
                hits[kind, "300"] += bool((found + first >= 300).any())
    heads = ["", *kinds, "events a month at 50"]
    rows = []
    for who, name in (("provisional", "provisional verdicts"), ("300", "waiting for 300 windows")):
        rows.append([name, *(f"{hits[kind, who] / max(made[kind], 1):.2f}" for kind in kinds)])
    rows[0].append(rate(events / (days / 30), days / 30))
    rows[1].append("")
    return sections.table(heads, rows)


def early(
    score: Any, kind: str, values: Any, times: Any, day: int, rng: Any, profile: Any, spread: Any
) -> tuple[np.ndarray, int, int] | None:
    """A fault between the second and the sixth day, made as `street_score` makes its own."""
    low, high = np.searchsorted(times, times[0] + np.array([1.3, 6.0]) * 86400)
    hours = score.bucket(times)
    for _ in range(40):
        at, changed = int(rng.integers(low, max(high, low + 1))), values.copy()
        length = {"spike8": 1, "double": day}.get(kind) or int(kind.removeprefix("outage"))
        part = slice(at, at + length)
        if at + length >= len(values):
            continue
        if kind == "spike8":
            if profile[hours[at]] < 5:
                continue
            changed[at] += 8 * max(spread[hours[at]], np.sqrt(profile[hours[at]]))
        elif kind == "double":
            changed[part] *= 2
        else:
            if values[part].sum() < 20 or profile[hours[part]].sum() < 20:
                continue
            changed[part] = 0
        return changed, at, at + length - 1
    return None


def shorter(series: list[Any], windows: int) -> list[Any]:
    """Hourly series whose objects are spread over the windows of their hour at random."""
    rng, made = np.random.default_rng(3), []
    for group, name, values, times, day in [one for one in series if one[4] == 24][::SPLIT_SERIES]:
        kept = times < times[0] + SPLIT_DAYS * 86400
        split = [rng.multinomial(int(value), [1 / windows] * windows) for value in values[kept]]
        starts = times[kept][:, None] + np.arange(windows) * (3600 // windows)
        made.append((group, name, np.ravel(split).astype(float), starts.ravel(), day * windows))
    return made


def burst(
    values: Any, day: int, rng: Any, times_usual: int, hours: int
) -> tuple[np.ndarray, int, int] | None:
    """Several times as many for some hours, in the second half of a series, where there are ten an hour or more."""
    length = hours * day // 24
    for _ in range(60):
        at = int(len(values) * rng.uniform(0.5, 0.95))
        part = slice(at, at + length)
        if values[part].sum() >= 10 * hours:
            changed = values.copy()
            changed[part] = rng.poisson(values[part] * times_usual)
            return changed, at, at + length - 1
    return None


def by_length(score: Any, series: list[Any]) -> str:
    """The same streets by windows of other lengths: what is told of them, and when of bursts."""
    rows = []
    for name, windows in (("hourly", 1), ("15 min", 4), ("5 min", 12)):
        split, told, delays = shorter(series, windows), [], {kind: [] for kind in BURSTS}
        for at, (_, _, values, times, day) in enumerate(split):
            untouched, _ = judge(values, times)
            told.append(untouched)
            rng = np.random.default_rng(at)
            for kind in BURSTS * REPETITIONS:
                fault = burst(values, day, rng, *kind)
                if fault is None:
                    continue
                changed, first, last = fault
                severity, _ = judge(changed[: last + 1], times[: last + 1])
                found = np.flatnonzero((severity[first:] >= 50) & (untouched[first : last + 1] < 50))
                delays[kind].append((found[0] + 1) * 60 / windows if len(found) else np.nan)
        covered = months(split)
        rates = [sum(score.events(one, level, 6 * windows) for one in told) / covered for level in (50, 80)]
        cells = []
        for found in delays.values():
            late = f", {np.nanmedian(found):.0f} min" if np.isfinite(found).any() else ""
            cells.append(f"{np.isfinite(found).mean():.2f}{late}")
        rows.append([name, *(rate(one, covered) for one in rates), *cells])
    heads = [
        "windows",
        "events a month at 50",
        "at 80",
        *(f"x {usual} for {hours} h" for usual, hours in BURSTS),
    ]
    return sections.table(heads, rows)


def main() -> None:
    begun = time.process_time()
    score = sections.tool("street_score")
    series = score.load(str(sections.data()))
    run = Run(score, series)
    place = {(one[0], one[1]): at for at, one in enumerate(series)}
    parts = {part: {place[one[0], one[1]] for one in members} for part, members in halves(series).items()}
    more = Run(score, quarter_hours(series))
    by_group = []
    for name, members in groups(series).items():
        others = groups(more.series)[name]
        # One level for all: that of the whole at budget 1.
        level = run.levels(parts[WHOLE])[1]
        by_group.append(
            [
                name,
                *(f"{len(own)}" for own in (members, others)),
                shown(run.recall(members, level)),
                shown(more.recall(others, level)),
            ]
        )
    size = f"{len(series)} series, {months(series):.0f} series-months, {len(run.faults)} faults"
    text = f"""
Mean share found of nine kinds of faults added to real series ({size}), at thresholds that raise 0.5, 1 and 2 events a
series-month on the untouched ones, which hold real events too; the other half at the thresholds of the development
half. Beside it the events a series-month at severity 50 and 80 with the 95 % interval of a Poisson count.

{by_part(run, parts)}

`*` The priors, the scale of severity and the weights of channels were fitted on the development half; which changes
to keep was decided with both halves in sight, so neither is untouched.

By kind of fault, at 1 event a series-month:

{by_kind(run, parts)}

By length of window and size of count, at the level that raises 1 event a series-month on the whole; derived series are
those of 5 minutes summed to quarter hours and thinned to a tenth:

{sections.table(["", "series", "derived", "found", "found in derived"], by_group)}

The same streets by windows of other lengths: every {SPLIT_SERIES}th hourly series, {SPLIT_DAYS} days of it, its objects
spread at random over the windows of their hour (nothing was fitted on these). Events on untouched series, those within
6 hours being one; bursts found at severity 50 while they last, and the median time until then:

{by_length(score, series)}

What each channel costs and gains, at 1 event a series-month on the whole: events on untouched series, share of faults
that it is the first to tell of:

{by_channel(run, parts[WHOLE])}

Faults between the second and sixth day of a series, found at severity 50, and what that costs on untouched first weeks:

{first_week(score, series)}

{sections.machine()}; about {time.process_time() - begun:.0f} s.
"""
    sections.replace(
        "streets",
        text.replace(f"| {WHOLE} |", f"| {WHOLE} * |", 1).replace(
            f"| {DEVELOPMENT} |", f"| {DEVELOPMENT} * |", 1
        ),
    )
    print(text)


if __name__ == "__main__":
    main()
