"""How rarely a series' residual scores are so large: the slow twin of their severity, one score at a time."""

from copy import deepcopy
from dataclasses import dataclass, field
from math import exp, inf, isinf, log, log2

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
        octaves = log2(size)
        rate = 0.0 if isinf(octaves) else 10 ** (-1.42 - 0.411 * octaves - 0.057 * octaves**2)
        # The prior is worth 10,000 windows; under an hour, its chances are those of hours.
        chances = beyond + 10_000 * min(hours, 1) * rate
        days = (min(watched, 700) + 10_000 * self.every / 86_400) / chances if chances else inf
        return min(max(50 + 30 * log(days / 30) / log(365 / 30), 0.0), 100.0) if days < inf else 100.0
