"""Detectors that take one point at a time, run over the many variants of a series that `street_score` makes.

Owns the saving of time: a variant differs from its series in one stretch, and no detector looks ahead, so a run
begins at a state that was kept before that stretch and ends a day after it. Scores in it are those of a whole run.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable

import numpy as np

#: Gives a point's score, the larger the stranger, before it learns the point: (value, epoch seconds).
Step = Callable[[float, float], float]
#: Makes a new detector for a series of so many points a day.
Make = Callable[[int], Step]

#: Faults begin after 60 % of a series; states are kept there and at these further shares.
KEPT = np.arange(0.6, 0.91, 0.05)


def points_a_day(times: np.ndarray) -> int:
    """How many points a day has, by their median spacing; at most one in five minutes."""
    step = float(np.median(np.diff(times)))
    return int(np.clip(round(86400 / max(step, 300.0)), 1, 288))


class Stepwise:
    """A callable for `street_score`: (values, epoch seconds) -> a score a point, from 0 to under 100.

    Parameters
    ----------
    make : callable
        Makes a detector; detectors must be deterministic and bear pickling.
    scale : float
        A score of this size gives 50: a monotone map, so that thresholds can be searched between 0 and 100.
    """

    def __init__(self, make: Make, scale: float = 1.0) -> None:
        self.make, self.scale = make, scale
        self.seconds, self.points = 0.0, 0
        self._kept: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, dict[int, bytes]]] = {}

    def once(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        """The scores of a series that comes once, from 0 to under 1."""
        return self._run(self.make(points_a_day(times)), values, times, 0, len(values)) / 100

    def __call__(self, values: np.ndarray, times: np.ndarray) -> np.ndarray:
        day = points_a_day(times)
        key = (times.ctypes.data, len(times))
        if key not in self._kept:
            marks = {int(share * len(values)) for share in KEPT}
            states: dict[int, bytes] = {}
            scores = self._run(self.make(day), values, times, 0, len(values), marks, states)
            self._kept[key] = values.copy(), scores, states
        base, scores, states = self._kept[key]
        changed = np.flatnonzero(base != values)
        if not len(changed):
            return scores
        begin = max((mark for mark in states if mark <= changed[0]), default=None)
        if begin is None:
            return self._run(self.make(day), values, times, 0, len(values))
        end = min(int(changed[-1]) + day + 1, len(values))
        out = scores.copy()
        out[begin:end] = self._run(pickle.loads(states[begin]), values, times, begin, end)
        return out

    def _run(
        self,
        step: Step,
        values: np.ndarray,
        times: np.ndarray,
        begin: int,
        end: int,
        marks: set[int] | frozenset[int] = frozenset(),
        states: dict[int, bytes] | None = None,
    ) -> np.ndarray:
        raw = np.zeros(end - begin)
        clock = time.process_time()
        for at, (value, moment) in enumerate(
            zip(values[begin:end].tolist(), times[begin:end].tolist(), strict=True)
        ):
            if states is not None and at in marks:
                # Copying is our saving, not the detector's cost.
                paused = time.process_time()
                states[at] = pickle.dumps(step)
                clock += time.process_time() - paused
            raw[at] = step(value, moment)
        self.seconds += time.process_time() - clock
        self.points += len(raw)
        raw = np.maximum(np.nan_to_num(raw, nan=0.0, posinf=1e300), 0.0)
        return 100 * raw / (raw + self.scale)
