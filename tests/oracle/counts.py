"""Counts judged one window at a time, told plainly: objects with names, lists, and one rule a function.

Source of the method and its numbers: the project's own `design/detection.md`, section 1. Slow on purpose.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from math import exp, floor, log, log2, log10, sqrt
from typing import NamedTuple

NAMES = ("spike up", "hour up", "day up", "day down", "3 days up", "silence")


def clip(value: float, most: float) -> float:
    """Limit a value to plus or minus `most`."""
    return min(max(value, -most), most)


def surprise(value: float, mean: float, deviation: float) -> float:
    """Say how strange a count is in deviations, its tail as skewed as its variance is Poisson's."""
    value, mean = max(value, 0.0), max(mean, 1e-3)
    dispersion = deviation**2 / mean
    deviance = (value * log(value / mean) if value > 0 else 0.0) - (value - mean)
    skewed, plain = sqrt(max(2 * deviance / dispersion, 0.0)), abs(value - mean) / deviation
    poisson = min(1.0, 1.6 / dispersion)
    size = poisson * skewed + (1 - poisson) * plain
    return size if value >= mean else -size


@dataclass
class Mean:
    """A running mean whose weight of a new value never falls below a rate."""

    value: float = 0.0
    weight: float = 0.0

    def learn(self, value: float, weight: float, slowest: float) -> None:
        self.weight += weight
        self.value += max(weight / self.weight, slowest * weight) * (value - self.value)

    def shrunk(self, to: float, strength: float) -> float:
        return to + (self.value - to) * self.weight / (self.weight + strength)


def means() -> defaultdict[object, Mean]:
    return defaultdict(Mean)


@dataclass
class Regression:
    """Recursive least squares of seven features."""

    weights: list[float] = field(default_factory=lambda: [0.0] * 7)
    spread: list[list[float]] = field(
        default_factory=lambda: [[float(i == j) for j in range(7)] for i in range(7)]
    )

    def forecast(self, features: list[float]) -> float:
        return sum(w * f for w, f in zip(self.weights, features, strict=True))

    def learn(self, features: list[float], error: float) -> None:
        gain = [sum(q * f for q, f in zip(row, features, strict=True)) for row in self.spread]
        scale = 0.9998 + sum(g * f for g, f in zip(gain, features, strict=True))
        self.weights = [w + g / scale * error for w, g in zip(self.weights, gain, strict=True)]
        self.spread = [
            [(self.spread[i][j] - gain[i] * gain[j] / scale) / 0.9998 for j in range(7)] for i in range(7)
        ]
        trace = sum(self.spread[i][i] for i in range(7))
        if trace > 7:
            self.spread = [[q * 7 / trace for q in row] for row in self.spread]


PRIORS = [
    (-0.07, 0.31, 0.07),
    (-0.07, 0.31, 0.07),
    (-0.96, 0.38, 0.1),
    (-0.75, 0.38, 0.13),
    (-1.0, 0.41, 0.24),
    (-0.8, 0.18, 0.04),
]
PRIOR_DAYS = [30, 30, 360, 360, 360, 360]
DECADES = [0.5, 0.5, 0.3, 0.3, 0.1, 0.5]
# Mean squares of what spikes, hours, days and three days are measured in.
TYPICAL = [0.7, 0.7, 0.003, 0.006]
SCALE_OF = [0, 1, 2, 2, 3, None]


@dataclass
class Channel:
    """The peaks of one channel: `counts` by eighth of an octave, and the newest."""

    counts: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    value: float = 0.0
    time: float = float("-inf")
    bin: int = 0

    def peak(
        self, value: float, time: float, hours: float, hold: float, counted: bool = True
    ) -> float | None:
        """Take a value in; where it is a new peak, say how many were as large before."""
        past = (time - self.time) / 3600
        if value <= 1 or value <= self.value * exp(-past / hold):
            return None
        if past <= 6.5 * hours:
            self.counts[self.bin] = max(self.counts[self.bin] - 1, 0)
        place = min(8 * log2(value), 46.999)
        own = int(place)
        beyond = self.counts[own] * (own + 1 - place) + sum(
            self.counts[above] for above in range(own + 1, 48)
        )
        self.value, self.time = value, time
        if counted:
            self.counts[own] += 1
            self.bin = own
        return beyond


class Past(NamedTuple):
    """A window that came: how many hours ago, its value, two expectations with their deviations."""

    age: float
    value: float
    expected: list[tuple[float, float]]


@dataclass
class Series:
    """One series of counts; `every` and times in seconds of wall time."""

    every: float
    holidays: frozenset[int] = frozenset()
    seen: int = 0

    def start(self, value: float, time: float) -> None:
        self.first, self.newest = time, time - self.every
        self.level = value
        self.week, self.kind, self.hour = means(), means(), means()
        self.variance, self.innovation, self.zeros = means(), means(), means()
        self.dispersion, self.square, self.innovation_all, self.standard = 0.0, 0.0, 1.0, 1.0
        self.regression = Regression()
        self.hours: dict[int, list[float]] = {}
        self.last = [0.0, 0.0]
        self.memory = dict.fromkeys((24.0, 168.0, 6.0), 0.0)
        self.levels = {tau: [0.0, 0.0] for tau in (48.0, 72.0, 400.0)}
        self.silence, self.turbulence, self.turbulence_before = 0.0, 0.0, 0.0
        # The day's level at the end of each hour that had a window.
        self.day_level: dict[int, float] = {}
        self.past: list[Past] = []
        self.scales = list(TYPICAL)
        self.channels = [Channel() for _ in NAMES]
        self.told, self.faded = -9.0, 0.0

    def places(self, time: float) -> list[tuple[int, float]]:
        """Hours of the week that the window's middle lies between, with weights."""
        middle = (time + self.every / 2) / 3600 - 0.5
        before = floor(middle + 1e-6)
        second = middle - before

        def of_week(hour: int) -> int:
            today = floor(time / 86400) == hour // 24
            # A holiday is a Sunday.
            return 144 + hour % 24 if today and hour // 24 in self.holidays else (hour + 72) % 168

        if second < 1e-3:
            return [(of_week(before), 1.0)]
        return [(of_week(before), 1 - second), (of_week(before + 1), second)]

    @staticmethod
    def kind_of(hour: int) -> tuple[int, bool]:
        return hour % 24, hour >= 120

    def usual(self, hour: int) -> float:
        by_hour = self.hour[hour % 24].shrunk(self.level, 9)
        return self.week[hour].shrunk(self.kind[self.kind_of(hour)].shrunk(by_hour, 9), 9)

    def hourly(self, hour: int, now: int) -> float:
        """Mean residual of an hour of the week before `now`, 0 where nothing came."""
        values = self.hours.get(hour, []) if now - 168 <= hour < now else []
        return sum(values) / len(values) if values else 0.0

    def features(self, time: float) -> list[float]:
        """What the regression knows of a window's recent past."""
        now = floor(time / 3600 + 1e-6)
        features = [*self.last, self.memory[24.0], self.memory[168.0]]
        return [*features, self.hourly(now - 24, now), self.hourly(now - 168, now), self.memory[6.0]]

    def step(self, value: float, time: float, share: float = 1.0) -> dict[str, float | str | None]:
        """Judge a window of which a share was observed, then learn it."""
        counted = value
        if self.seen == 0:
            self.start(value / share, time)
        hours, elapsed = self.every / 3600, max(time - self.newest, 1.0) / 3600
        age = (time - self.first) / 86400
        decay = min(elapsed, 24.0)
        places = self.places(time)
        kind = self.kind_of(places[-1][0] if len(places) > 1 and places[1][1] > 0.5 else places[0][0])
        profile = max(sum(weight * self.usual(hour) for hour, weight in places), 0.0)

        # How far values spread around the profile, and around the forecast.
        over = max(self.dispersion / (self.square + 1e-9), 0.003) if self.seen > 20 else 0.2

        def model(mean: float) -> float:
            return 1.6 * mean + over * mean * mean + 0.1

        known = min(self.variance[kind].weight, 60.0)
        blend = (20 * (model(profile) + 1e-3 * self.level**2) + known * self.variance[kind].value) / (
            20 + known
        )
        deviation = sqrt(max(blend, 0.8 * profile + 0.1))
        now = floor(time / 3600 + 1e-6)
        missing = floor(elapsed / hours + 0.5) - 1
        if elapsed > 6 * hours + 1 or missing > 66:
            self.last = [0.0, 0.0]
        else:
            # What didn't come counts as what was to be expected of it.
            for window in range(missing):
                then = self.newest + (window + 1) * self.every
                expected = clip(self.regression.forecast(self.features(then)), 4)
                self.last = [expected, self.last[0]]
                self.hours.setdefault(floor(then / 3600 + 1e-6), []).append(expected)
        features = self.features(time)
        forecast = max(clip(self.regression.forecast(features), 4), -profile / deviation)
        blend = (20 * self.innovation_all + known * self.innovation[kind].value) / (20 + known)
        innovation = max(sqrt(blend), 0.15)
        mean = max(profile + forecast * deviation, 0.0)
        wider = max(sqrt(model(mean) / model(profile)), 1.0)
        # A part stands for a whole that is as strange.
        around = deviation * innovation * wider
        drawn = 1.0
        if share < 1:
            drawn = around / sqrt(around**2 + 1.6 * mean * (1 / share - 1))
            value = mean + drawn * (value / share - mean)
        standard = (value - profile) / deviation
        error = standard - forecast

        usual = sqrt(max(self.standard, 0.04))
        expectations = [(profile, deviation * usual), (mean, around)]
        surprises = [surprise(value, *one) for one in expectations]
        # What is older than 30 hours weighs nothing.
        self.past = (
            []
            if hours >= 1
            else [Past(past.age + decay, past.value, past.expected) for past in self.past if past.age < 30]
        )
        self.past.append(Past(0.0, value, expectations))
        values, sizes = self.measure(counted, profile, deviation, standard, surprises, error / innovation / wider,
                                     kind, now, hours * share, decay, share)  # fmt: skip
        found = self.rarest(values, sizes, time, age, hours, elapsed)

        # Learning, from the value as far as it is believed; a part teaches as a shorter window would.
        hours *= share
        learned_error = clip(error, 3 * innovation) if age > 3 else clip(error, 20)
        residual = forecast + learned_error
        believed = value if self.seen < 30 else profile + residual * deviation
        self.level += max(1 / (self.seen + 1), 0.0006 * hours) * (believed - self.level)
        for hour, weight in places:
            spent = weight * min(hours, 1.0)
            self.hour[hour % 24].learn(believed, spent, 0.05)
            self.kind[self.kind_of(hour)].learn(believed, spent, 0.05)
            self.week[hour].learn(believed, spent, 0.05)
        square = (residual * deviation) ** 2
        spent = min(hours, 1.0)
        self.variance[kind].learn(square, spent, 0.01)
        self.zeros[kind].learn(float(counted <= 0), spent, 0.01)
        self.innovation[kind].learn((clip(error, 10 * innovation) / wider) ** 2, spent, 0.01)
        rate = max(1 / (self.seen + 1), hours / 24 / 60)
        self.innovation_all += rate * (learned_error**2 - self.innovation_all)
        self.dispersion += rate * (square - 1.6 * profile - self.dispersion)
        self.square += rate * (profile**2 - self.square)
        self.standard += rate * (min(standard**2, 36 * self.standard) - self.standard)
        if self.seen > 72:
            self.regression.learn(features, learned_error)
        residual = clip(residual, 7)
        self.last = [residual, self.last[0]]
        for tau in self.memory:
            self.memory[tau] += (1 - exp(-decay / tau)) * (residual - self.memory[tau])
        self.hours.setdefault(now, []).append(residual)
        self.hours = {hour: values for hour, values in self.hours.items() if hour >= now - 168}
        self.seen += 1
        self.newest = time
        mean, band = share * mean, 2.6 * share * around / drawn
        return {
            "profile": share * profile,
            "expected": mean,
            "lower": max(mean - band, 0.0),
            "upper": mean + band,
            **found,
        }

    def past_hour(self) -> list[float]:
        """Hold all that came, the older the less, against what was expected of it."""
        weights = [exp(-past.age) for past in self.past]
        came = sum(weight * past.value for weight, past in zip(weights, self.past, strict=True))
        found = []
        for at in range(2):
            expected = [past.expected[at] for past in self.past]
            mean = sum(weight * one[0] for weight, one in zip(weights, expected, strict=True))
            square = sum((weight * one[1]) ** 2 for weight, one in zip(weights, expected, strict=True))
            found.append(surprise(came, mean, sqrt(square)))
        return found

    def measure(
        self, value, profile, deviation, standard, surprises, surprise, kind, now, hours, decay, share
    ):  # type: ignore[no-untyped-def]
        """Return the channels' values and their sizes in either direction; keep what the next window needs."""
        calm = sqrt(1 + 2 * max(self.turbulence - 1, 0))
        spike = [min(surprises) / calm, -max(surprises) / calm]
        hour = [0.0, 0.0]
        if self.every < 3600:
            calm = sqrt(1 + 2 * max(self.turbulence_before - 1, 0))
            past = self.past_hour()
            hour = [min(past) / calm, -max(past) / calm]
        weight = profile / deviation
        relative = []
        for tau, sums in self.levels.items():
            sums[0] = sums[0] * exp(-decay / tau) + weight * clip(standard, 8) * hours
            sums[1] = sums[1] * exp(-decay / tau) + weight**2 * hours
            relative.append(sums[0] / (sums[1] + 20))
        today, three_days, long = relative
        day_before = [hour for hour in self.day_level if hour <= now - 24]
        before = self.day_level[max(day_before)] if day_before else 0.0
        day = [min(today - before, today), min(before - today, -today)]
        three = [min(three_days - long, three_days), min(long - three_days, -three_days)]
        self.day_level[now] = today
        # Older ones than the newest of the day before are not asked for again.
        oldest = max(day_before, default=now - 24)
        self.day_level = {hour: level for hour, level in self.day_level.items() if hour >= oldest}
        if value > 0:
            self.silence = 0.0
        else:
            shape = 1 / max((deviation**2 - profile) / (profile**2 + 1e-9), 0.01)
            by_model = shape * log(1 + profile / shape) if profile > 0 else 0.0
            zeros = self.zeros[kind]
            learned = (zeros.value * zeros.weight + 0.3 * exp(-min(by_model, 50))) / (zeros.weight + 0.3)
            self.silence += share * min(by_model, -log(max(learned, 1e-9)))
        self.turbulence_before += (1 - exp(-decay)) * (self.turbulence - self.turbulence_before)
        self.turbulence += (1 - exp(-decay / 6)) * (min(clip(surprise, 8) ** 2, 36) - self.turbulence)
        sizes = [max(spike), max(hour), max(day), max(three)]
        return [spike[0], hour[0], *day, three[0], self.silence], sizes

    def rarest(self, values, sizes, time, age, hours, elapsed):  # type: ignore[no-untyped-def]
        """Return the longest weighted return period, if it is longer than what was told lately."""
        if age - self.faded >= 1:
            for channel in self.channels:
                for place in channel.counts:
                    channel.counts[place] *= exp(-(age - self.faded) / 700)
            self.faded = age
        scales = [
            max(sqrt(own), 0.01 * sqrt(typical)) for own, typical in zip(self.scales, TYPICAL, strict=True)
        ]
        scaled = [
            value if at is None else value / scales[at] for value, at in zip(values, SCALE_OF, strict=True)
        ]
        if age > 7:
            rate = max(hours / 24 / (3.5 + age - 7), hours / 24 / 60)
            for at, (size, scale) in enumerate(zip(sizes, scales, strict=True)):
                self.scales[at] += rate * (min(max(size, 0.0), 5 * scale) ** 2 - self.scales[at])
        provisional = age <= 7
        if provisional and self.seen < 30:
            return {"score": None, "severity": None, "channel": None}
        nothing = {"score": None, "severity": 0.0, "channel": None}
        levels = {}
        for at, (channel, value) in enumerate(zip(self.channels, scaled, strict=True)):
            beyond = channel.peak(value, time, hours, 80, counted=not provisional)
            if beyond is None:
                continue
            a, b, c = PRIORS[at]
            rate = 10 ** (a - b * log2(value) - c * log2(value) ** 2)
            worth = PRIOR_DAYS[at]
            watched = min(max(age - 7, 0), 700)
            levels[NAMES[at]] = log10((watched + worth) / (beyond + worth * rate)) + DECADES[at]
            if provisional:
                levels[NAMES[at]] -= 2 * (1 - age / 7)
        self.told -= elapsed / 24
        best = max(levels, key=lambda name: levels[name], default=None)
        if best is None or levels[best] <= max(0.3, self.told):
            return nothing
        level = self.told = levels[best]
        severity = 50 * (level - 0.3) / 2.23 if level < 2.53 else 50 + 30 * (level - 2.53) / 1.37
        return {"score": level, "severity": min(severity, 100.0), "channel": best}


def judge(
    values: list[float],
    times: list[float],
    every: float,
    holidays: frozenset[int] = frozenset(),
    shares: list[float] | None = None,
) -> list[dict[str, float | str | None]]:
    """Judge a whole series, window by window; holidays are days since the epoch, shares what was observed of each."""
    series = Series(every, holidays)
    shares = shares or [1.0] * len(values)
    return [series.step(*window) for window in zip(values, times, shares, strict=True)]
