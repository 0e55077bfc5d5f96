"""Counts judged one window at a time, told plainly: objects with names, lists, and one rule a function.

Source of the method and its numbers: the project's own `design/detection.md`, section 1. Slow on purpose.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from math import exp, floor, log, log2, log10, sqrt

NAMES = ("spike up", "spike down", "3 points up", "3 points down", "day up", "day down", "3 days up")
NAMES += ("3 days down", "silence", "wrong kind of day")


def clip(value: float, most: float) -> float:
    """Limit a value to plus or minus `most`."""
    return min(max(value, -most), most)


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


PRIORS = [(0.48, 0.70, 0), (0.67, 0.88, 0.093), (-0.09, 0, 0.269), (0.92, 1.16, 0.063), (-0.81, 0.36, 0.108)]
PRIORS += [
    (-0.88, 0.34, 0.092),
    (-0.94, 0.40, 0.296),
    (-1.00, 0.46, 0.168),
    (-0.74, 0.36, 0.009),
    (-0.60, 0.35, 0.153),
]
DECADES = [0.5, -1.1, -0.8, -1.4, 0.4, 0.5, 0.3, -1.8, 0.4, -0.6]
HOLD = [40.0, 40, 40, 40, 80, 80, 84, 84, 40, 40]
TYPICAL = [0.7, 0.6, 0.003, 0.006]


@dataclass
class Channel:
    """The peaks of one channel: `counts` by eighth of an octave, and the newest."""

    counts: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    value: float = 0.0
    time: float = float("-inf")
    bin: int = 0

    def peak(self, value: float, time: float, hours: float, hold: float) -> float | None:
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
        self.counts[own] += 1
        self.value, self.time, self.bin = value, time, own
        return beyond


@dataclass
class Series:
    """One series of counts; `every` and times in seconds of wall time."""

    every: float
    seen: int = 0

    def start(self, value: float, time: float) -> None:
        self.first, self.newest = time, time - self.every
        self.level = value
        self.week, self.kind, self.hour = means(), means(), means()
        self.variance, self.innovation, self.zeros = means(), means(), means()
        self.dispersion, self.square, self.innovation_all, self.standard = 0.0, 0.0, 1.0, 1.0
        self.regression = Regression()
        self.hours: dict[int, list[float]] = {}
        self.last, self.last_forecast = [0.0, 0.0], [0.0, 0.0]
        self.memory = dict.fromkeys((24.0, 168.0, 6.0), 0.0)
        self.levels = {tau: [0.0, 0.0] for tau in (34.0, 72.0, 400.0)}
        self.silence, self.turbulence = 0.0, 0.0
        self.day_kind, self.day_kind_mean, self.day_kind_square = 0.0, 0.0, 0.0
        self.day_level = [0.0] * 24
        self.scales = list(TYPICAL)
        self.channels = [Channel() for _ in range(10)]
        self.told, self.faded = -9.0, 0.0

    def places(self, time: float) -> list[tuple[int, float]]:
        """Hours of the week that the window's middle lies between, with weights."""
        middle = (time + self.every / 2) / 3600 - 0.5
        before = floor(middle + 1e-6)
        second = middle - before
        if second < 1e-3:
            return [((before + 72) % 168, 1.0)]
        return [((before + 72) % 168, 1 - second), ((before + 73) % 168, second)]

    @staticmethod
    def kind_of(hour: int, weekend: bool | None = None) -> tuple[int, bool]:
        return hour % 24, hour >= 120 if weekend is None else weekend

    def usual(self, hour: int) -> float:
        by_hour = self.hour[hour % 24].shrunk(self.level, 4.5 * 0.4)
        return self.week[hour].shrunk(self.kind[self.kind_of(hour)].shrunk(by_hour, 4.5), 4.5)

    def usual_of_other_day(self, hour: int) -> float:
        workday = hour < 120
        usual = self.kind[self.kind_of(hour, weekend=workday)].shrunk(self.hour[hour % 24].value, 3)
        return max(self.week[144 + hour % 24].shrunk(usual, 3) if workday else usual, 0.0)

    def hourly(self, hour: int, now: int) -> float:
        """Mean residual of an hour of the week before `now`, 0 where nothing came."""
        values = self.hours.get(hour, []) if now - 168 <= hour < now else []
        return sum(values) / len(values) if values else 0.0

    def step(self, value: float, time: float) -> dict[str, float | str | None]:
        """Judge a window, then learn it."""
        if self.seen == 0:
            self.start(value, time)
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
        blend = (5 * (model(profile) + 1e-3 * self.level**2) + known * self.variance[kind].value) / (
            5 + known
        )
        deviation = sqrt(max(blend, 0.8 * profile + 0.1))
        standard = (value - profile) / deviation
        now = floor(time / 3600 + 1e-6)
        if elapsed > 6 * hours + 1:
            self.last, self.last_forecast = [0.0, 0.0], [0.0, 0.0]
        features = [*self.last, self.memory[24.0], self.memory[168.0]]
        features += [self.hourly(now - 24, now), self.hourly(now - 168, now), self.memory[6.0]]
        forecast = max(clip(self.regression.forecast(features), 4), -profile / deviation)
        error = standard - forecast
        blend = (5 * self.innovation_all + known * self.innovation[kind].value) / (5 + known)
        innovation = max(sqrt(blend), 0.15)
        mean = max(profile + forecast * deviation, 0.0)
        wider = max(sqrt(model(mean) / model(profile)), 1.0)

        values = self.measure(value, profile, deviation, standard, error / innovation / wider, over, places[0][0],
                              kind, now, hours, decay)  # fmt: skip
        found = self.rarest(values, time, age, hours, elapsed)

        # Learning, from the value as far as it is believed.
        learned_error = clip(error, 2.4 * innovation) if age > 3 else clip(error, 20)
        residual = forecast + learned_error
        believed = value if self.seen < 30 else profile + residual * deviation
        self.level += max(1 / (self.seen + 1), 0.0006 * hours) * (believed - self.level)
        for hour, weight in places:
            spent = weight * min(hours, 1.0)
            self.hour[hour % 24].learn(believed, spent, 0.055)
            self.kind[self.kind_of(hour)].learn(believed, spent, 0.04)
            self.week[hour].learn(believed, spent, 0.07)
        square = (residual * deviation) ** 2
        spent = min(hours, 1.0)
        self.variance[kind].learn(square, spent, 0.02)
        self.zeros[kind].learn(float(value <= 0), spent, 0.02)
        self.innovation[kind].learn((clip(error, 10 * innovation) / wider) ** 2, spent, 0.02)
        rate = max(1 / (self.seen + 1), hours / 24 / 72)
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
        band = 2.6 * deviation * innovation * wider
        return {"expected": mean, "lower": max(mean - band, 0.0), "upper": mean + band, **found}

    def measure(self, value, profile, deviation, standard, surprise, over, hour, kind, now, hours, decay):  # type: ignore[no-untyped-def]
        """Return the ten channels' values, and keep what the next window needs of them."""
        usual = sqrt(max(self.standard, 0.04))
        calm = sqrt(1 + 2.5 * max(self.turbulence - 1, 0))
        clipped, clipped_standard = clip(surprise, 8), clip(standard, 8)
        three = (clipped + sum(self.last_forecast)) / 1.732
        three_standard = (clipped_standard + sum(self.last)) / 1.732 / usual
        pairs = [min(surprise, standard / usual) / calm, min(-surprise, -standard / usual) / calm]
        pairs += [min(three, three_standard) / calm, min(-three, -three_standard) / calm]
        weight = profile / deviation
        relative = []
        for tau, sums in self.levels.items():
            sums[0] = sums[0] * exp(-decay / tau) + weight * clipped_standard * hours
            sums[1] = sums[1] * exp(-decay / tau) + weight**2 * hours
            relative.append(sums[0] / (sums[1] + 2))
        day, three_days, long = relative
        before = self.day_level[now % 24]
        pairs += [min(day - before, day), min(before - day, -day)]
        pairs += [min(three_days - 0.6 * long, three_days), min(0.6 * long - three_days, -three_days)]
        self.day_level[now % 24] = day
        if value > 0:
            self.silence = 0.0
        else:
            shape = 1 / max((deviation**2 - profile) / (profile**2 + 1e-9), 0.01)
            by_model = shape * log(1 + profile / shape) if profile > 0 else 0.0
            zeros = self.zeros[kind]
            learned = (zeros.value * zeros.weight + 0.3 * exp(-min(by_model, 50))) / (zeros.weight + 0.3)
            self.silence += min(by_model, -log(max(learned, 1e-9)))
        other = self.usual_of_other_day(hour)
        spread = max(deviation**2, 1.6 * other + over * other**2 + 0.1)
        better = ((value - profile) ** 2 - (value - other) ** 2) / (2 * spread)
        self.day_kind += (1 - exp(-decay / 6)) * (clip(better, 4) - self.day_kind)
        scale = sqrt(max(self.day_kind_square, 1e-4))
        beyond = self.day_kind - self.day_kind_mean
        values = [*pairs, self.silence, beyond / scale]
        if self.seen > 48:
            beyond = clip(beyond, 4 * scale)
        rate = max(1 / (self.seen + 1), hours / 24 / 60)
        self.day_kind_mean += rate * beyond
        self.day_kind_square += rate * (beyond**2 - self.day_kind_square)
        self.turbulence += (1 - exp(-decay / 12)) * (min(clipped**2, 36) - self.turbulence)
        self.last_forecast = [clipped, self.last_forecast[0]]
        return values

    def rarest(self, values, time, age, hours, elapsed):  # type: ignore[no-untyped-def]
        """Return the longest weighted return period, if it is longer than what was told lately."""
        if age - self.faded >= 1:
            for channel in self.channels:
                for place in channel.counts:
                    channel.counts[place] *= exp(-(age - self.faded) / 700)
            self.faded = age
        scaled = list(values)
        for pair, typical in enumerate(TYPICAL):
            scale = max(sqrt(self.scales[pair]), 0.01 * sqrt(typical))
            up, down = values[2 * pair : 2 * pair + 2]
            scaled[2 * pair : 2 * pair + 2] = [up / scale, down / scale]
            if age > 7:
                rate = max(hours / 24 / (3.5 + age - 7), hours / 24 / 60)
                self.scales[pair] += rate * (min(max(up, down, 0.0), 5 * scale) ** 2 - self.scales[pair])
        nothing = {"score": None, "severity": None if age <= 7 else 0.0, "channel": None}
        if age <= 7:
            return nothing
        levels = {}
        for at, (channel, value) in enumerate(zip(self.channels, scaled, strict=True)):
            beyond = channel.peak(value, time, hours, HOLD[at])
            if beyond is None:
                continue
            a, b, c = PRIORS[at]
            rate = 10 ** (a - b * log2(value) - c * log2(value) ** 2)
            if at < 4 and hours < 1:
                rate /= hours
            worth = 30 if at < 4 else 180
            levels[NAMES[at]] = log10((min(age - 7, 700) + worth) / (beyond + worth * rate)) + DECADES[at]
        self.told -= elapsed / 24
        best = max(levels, key=lambda name: levels[name], default=None)
        if best is None or levels[best] <= max(0.3, self.told):
            return nothing
        level = self.told = levels[best]
        severity = 50 * (level - 0.3) / 2.39 if level < 2.69 else 50 + 30 * (level - 2.69) / 1.45
        return {"score": level, "severity": min(severity, 100.0), "channel": best}


def judge(values: list[float], times: list[float], every: float) -> list[dict[str, float | str | None]]:
    """Judge a whole series, window by window."""
    series = Series(every)
    return [series.step(value, time) for value, time in zip(values, times, strict=True)]
