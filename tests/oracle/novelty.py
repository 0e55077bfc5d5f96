"""Novelty of a metric judged value by value, told plainly: lists that are sorted, searched and cut.

Source of the method and its numbers: the project's own `design/detection.md`, section 2. Slow on purpose.
"""

from bisect import insort
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import log2, sqrt

GRAINS = (0.02, 0.03, 0.04)


@dataclass
class Sketch:
    """What a stream has shown: values, sorted, and in order of when each was met last."""

    values: list[float] = field(default_factory=list)
    met: list[float] = field(default_factory=list)

    def nearest(self, value: float) -> tuple[float, float, float] | None:
        """Return the nearest value (of two as near, the smaller), its distance, and the gap to its own neighbour."""
        if not self.values:
            return None
        near = min(self.values, key=lambda known: (abs(known - value), known))
        at = self.values.index(near)
        around = [near - self.values[at - 1]] if at > 0 else []
        around += [self.values[at + 1] - near] if at + 1 < len(self.values) else []
        return near, abs(near - value), min(around) if len(self.values) > 2 else 0.0

    def learn(self, value: float, grain: float) -> None:
        found = self.nearest(value)
        if found and found[1] <= grain:
            self.met.remove(found[0])
            self.met.append(found[0])
            return
        if len(self.values) == 128:
            self.values.remove(self.met.pop(0))
        insort(self.values, value)
        self.met.append(value)


@dataclass
class Series:
    """One series of a metric."""

    seen: int = 0
    sketches: list[list[Sketch]] = field(
        default_factory=lambda: [[Sketch() for _ in GRAINS] for _ in range(3)]
    )
    mean: list[float] = field(default_factory=lambda: [0.0] * 3)
    variance: list[float] = field(default_factory=lambda: [0.0] * 3)
    usual: float = 0.0
    buckets: defaultdict[object, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0, 0]))
    past: list[float] = field(default_factory=lambda: [0.0] * 3)
    weights: list[float] = field(default_factory=lambda: [1.0, 0.0, 0.0, 0.0])
    spread: list[list[float]] = field(
        default_factory=lambda: [[100.0 * (i == j) for j in range(4)] for i in range(4)]
    )
    middle: float = 0.0
    middle_variance: float = 0.0
    error_square: float = 0.0
    smooth_profile: float = 0.0
    smooth_error: float = 0.0
    record: float = 0.0
    former: Counter[int] = field(default_factory=Counter)

    def profile(self, time: float) -> tuple[float, list[object]]:
        """Return what is usual at that hour, and the buckets that the hour belongs to."""
        hour = int(time % 86400 // 3600)
        weekend = int(time // 86400 + 3) % 7 >= 5
        usual = self.usual
        keys: list[object] = [hour, (hour, weekend)]
        for key in keys:
            mean, count = self.buckets[key]
            usual += (mean - usual) * count / (count + 3)
        return usual, keys

    def error(self, value: float, rate: float) -> float:
        """Return the error of the forecast from the last three values, and learn the value."""
        difference = value - self.middle
        self.middle += rate * difference
        self.middle_variance += rate * (difference * (value - self.middle) - self.middle_variance)
        scale = sqrt(max(self.middle_variance, 0.0)) + 1e-9
        error = 0.0
        if self.seen > 3:
            features = [(past - self.middle) / scale for past in self.past] + [1.0]
            error = (value - self.middle) / scale - sum(
                w * f for w, f in zip(self.weights, features, strict=True)
            )
            limit = 3 * sqrt(self.error_square + 1e-6)
            square = min(error**2, 9 * self.error_square + 1e-6)
            self.error_square += max(1 / (self.seen + 1), 0.002) * (square - self.error_square)
            self.regress(features, min(max(error, -limit), limit))
        self.past = [value, *self.past[:2]]
        return error * scale

    def regress(self, features: list[float], error: float) -> None:
        gain = [sum(q * f for q, f in zip(row, features, strict=True)) for row in self.spread]
        total = 0.9999 + sum(g * f for g, f in zip(gain, features, strict=True))
        self.weights = [w + g / total * error for w, g in zip(self.weights, gain, strict=True)]
        self.spread = [
            [(self.spread[i][j] - gain[i] * gain[j] / total) / 0.9999 for j in range(4)] for i in range(4)
        ]
        trace = sum(self.spread[i][i] for i in range(4))
        if trace > 1e4:
            self.spread = [[q * 1e4 / trace for q in row] for row in self.spread]

    def step(self, value: float, time: float) -> float | None:
        """Judge a value, then learn it: the score from 0 to 100, None before there is one."""
        if self.seen == 0:
            self.middle = value
        exact = 1 / (self.seen + 1)
        rate = max(exact, 1 / 5000)
        usual, keys = self.profile(time)
        self.smooth_profile += max(0.1, exact) * (value - usual - self.smooth_profile)
        self.usual += rate * (value - self.usual)
        for key in keys:
            mean, count = self.buckets[key]
            self.buckets[key] = [mean + max(1 / (count + 1), 0.02) * (value - mean), min(count + 1, 10_000)]
        self.smooth_error += max(0.1, exact) * (self.error(value, rate) - self.smooth_error)
        squares = [0.0] * len(GRAINS)
        own = sqrt(self.variance[0])
        for stream, shown in enumerate([value, self.smooth_profile, self.smooth_error]):
            scale = max(4 * sqrt(self.variance[stream]), 2 * own, 1e-6 * abs(self.mean[0]), 1e-12)
            for at, (sketch, grain) in enumerate(zip(self.sketches[stream], GRAINS, strict=True)):
                found = sketch.nearest(shown)
                if found and self.seen >= 30:
                    squares[at] += (found[1] / (scale + 4 * found[2])) ** 2
                sketch.learn(shown, grain * scale)
            if self.seen == 0:
                self.mean[stream] = shown
            difference = shown - self.mean[stream]
            self.mean[stream] += rate * difference
            self.variance[stream] += rate * (difference**2 * (1 - rate) - self.variance[stream])
        novelty = sum(sqrt(square) for square in squares) / len(squares)
        score = 0.0
        if novelty > self.record and novelty > 1e-6:
            bin_ = int(min(39.0, max(0.0, 20 + 3 * log2(novelty))))
            before = sum(count for other, count in self.former.items() if other >= bin_)
            self.former[bin_] += 1
            raw = novelty * (1 + before) ** -0.3 * ((100 + min(self.seen, 20_000)) / 1000) ** 0.2
            score = 100 * raw / (raw + 0.045)
        self.record = max(self.record * 0.98, novelty)
        self.seen += 1
        if self.seen == 200:
            # What was provisional is no record to be held against what comes.
            self.record, self.former = 0.0, Counter()
        return score if self.seen > 30 else None


def judge(values: list[float], times: list[float]) -> list[float | None]:
    """Judge a whole series, value by value."""
    series = Series()
    return [series.step(value, time) for value, time in zip(values, times, strict=True)]
