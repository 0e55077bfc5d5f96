"""How rarely a series' residual scores are so large: the slow twin of their severity, one score at a time."""

from copy import deepcopy
from dataclasses import dataclass, field
from math import exp, isinf, log, log2

from oracle.counts import Channel


@dataclass
class Severity:
    """One series; `every` and times in seconds."""

    every: float
    seen: int = 0
    faded: float = 0.0
    past: Channel = field(default_factory=Channel)

    def push(self, time: float, score: float | None) -> float | None:
        """Take a score in, None where there is a residual but no score yet; return its severity."""
        watched = self.seen * self.every / 86_400
        self.seen += 1
        if score is None:
            return None
        hours, size = self.every / 3_600, abs(score)
        if watched - self.faded >= 1:
            for bin_ in self.past.counts:
                self.past.counts[bin_] *= exp(-(watched - self.faded) / 700)
            self.faded = watched
        before = deepcopy(self.past)
        beyond = self.past.peak(size, time, hours, 40, counted=True)
        if isinf(size):
            self.past = before
        if beyond is None:
            return 0.0
        # The prior is worth one peak, which takes as long to come as a typical series takes to show its like; under an
        # hour the chances are those of hours.
        octaves = log2(size)
        rate = 0.0 if isinf(octaves) else 10 ** (-1.37 - 0.394 * octaves - 0.0441 * octaves**2)
        if not rate:
            return 100.0
        windows = 1 / (rate * min(hours, 1))
        days = (min(watched, 700) + windows * self.every / 86_400) / (beyond + 1)
        return min(max(50 + 30 * log(days / 30) / log(365 / 30), 0.0), 100.0)
