"""The sensors of a machine judged together, told plainly: one regression a sensor, whole columns of the fit at once.

Source of the method and its numbers: the project's own `design/detection.md`, section 3. Slow on purpose. What is
missing, stands still or was never there is ours: the section doesn't speak of it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray


def known(rows: Array, figure: Callable[[Array], float], otherwise: float) -> Array:
    """A figure of each column, of what is known in it."""
    columns = [column[~np.isnan(column)] for column in rows.T]
    return np.array([figure(column) if len(column) else otherwise for column in columns])


class Machine:
    """One machine, fitted on rows of normal running; NaN where a reading is missing."""

    def __init__(self, rows: Array, adopt: float = 86_400.0) -> None:
        many, width = rows.shape
        self.many, self.adopt = many, adopt
        self.out: list[float] = []
        self.there = (~np.isnan(rows)).sum(0) * 2 >= many
        self.mean = known(rows, np.mean, 0.0)
        deviation = known(rows, np.std, 1.0)
        self.still = deviation <= 1e-9 * abs(self.mean)
        level = np.where(self.mean == 0, 1.0, 0.01 * abs(self.mean))
        self.unit = np.where(self.still, level, deviation)
        steps = np.where(np.isnan(rows) | ~self.there, 0.0, (rows - self.mean) / self.unit)
        self.products = steps.T @ steps + 0.3 * many * np.eye(width)
        residuals = np.array([self.residuals(row)[1] for row in rows])
        spread = np.sqrt(known(residuals**2, np.mean, np.nan))
        self.spread = np.where(self.still & self.there, 1.0, spread + 1e-12)
        self.e, self.f, self.g, self.b, self.gross = (np.zeros(width) for _ in range(5))
        self.seen = np.zeros(width)
        course, parting = [], []
        for row in residuals:
            self.average(row, 1 / (self.seen + 1))
            self.seen += ~np.isnan(row)
            course.append(self.e.copy())
            parting.append(self.f - self.g)
        means, partings = np.array(course)[40:], np.array(parting)[60:]
        self.scale = np.sqrt(
            (means**2).mean(0) + 3 * ((means[100:] - means[:-100]) ** 2).mean(0) + (0.05 * self.spread) ** 2
        )
        self.limit = max(4.5 * np.sqrt((np.nanmax(abs(means) / self.scale, axis=1) ** 2).mean()), 1.0)
        self.parting = np.sqrt((partings**2).mean(0)) + 0.02
        sizes = [self.together(one) for one in partings]
        self.change_limit = max(2.5 * np.sqrt(np.mean(np.square(sizes))), 1.0)
        self.changed = -np.inf

    def residuals(self, row: Array) -> tuple[Array, Array]:
        """Return each reading in units from its mean, and what the others don't explain of it."""
        known = ~np.isnan(row) & self.there
        z = np.where(self.there, (row - self.mean) / self.unit, 0.0)
        if gone := [at for at in range(len(row)) if self.there[at] and not known[at]]:
            kept = [at for at in range(len(row)) if at not in gone]
            z[gone] = self.regress(gone, kept) @ z[kept]
        residuals = np.full(len(row), np.nan)
        for at in np.flatnonzero(known):
            others = [other for other in range(len(row)) if other != at]
            residuals[at] = z[at] - (self.regress([at], others) @ z[others])[0]
        return z, residuals

    def regress(self, these: list[int], on: list[int]) -> Array:
        """Weights of the ridge regression of some sensors on others."""
        return np.linalg.solve(self.products[np.ix_(on, on)], self.products[np.ix_(on, these)]).T

    def average(self, residuals: Array, exact: Array | float) -> None:
        """Move the averages on by one row."""
        known = ~np.isnan(residuals)
        clipped = np.clip(residuals, -10 * self.spread, 10 * self.spread)
        standard = np.clip(residuals / self.spread, -10, 10)
        self.e = np.where(known, self.e + np.maximum(0.07, exact) * (clipped - self.e), self.e)
        gross = np.clip(residuals, -1e6 * self.spread, 1e6 * self.spread) - self.gross
        self.gross = np.where(known, self.gross + np.maximum(0.07, exact) * gross, self.gross)
        self.f = np.where(known, self.f + np.maximum(0.1, exact) * (standard - self.f), self.f)
        self.g = np.where(known, self.g + np.maximum(0.01, exact) * (standard - self.g), self.g)

    def together(self, partings: Array) -> float:
        powers = (abs(partings / self.parting) ** 4)[self.there]
        return float(powers.mean() ** 0.25) if len(powers) else 0.0

    def push(self, row: Array, time: float) -> tuple[Array, Array, int | None, int | None]:
        """Judge a row: what each sensor was expected to read, its score, who changed, who is at home elsewhere now."""
        if np.isnan(row).sum() * 2 > len(row):
            return np.full(len(row), np.nan), np.full(len(row), np.nan), None, None
        z, residuals = self.residuals(row)
        expected = self.mean + self.unit * (z - np.nan_to_num(residuals) + self.b)
        expected[~self.there] = np.nan
        self.average(residuals, 0)
        known = ~np.isnan(residuals)
        scores = np.where(known, (self.e - self.b) / self.scale / self.limit, np.nan)
        if not known.any():
            return expected, scores, None, None
        adopted = None
        farthest = int(np.nanargmax(abs(scores)))
        # A fault beyond the clip is on all that are expected from the sensor: what is beyond tells which it is.
        out = np.where(known, abs(self.gross - self.b), np.nan)
        gross = np.nanmax(out / self.spread) > 4
        to_look_at = int(np.nanargmax(out / (self.spread if gross else self.scale)))
        if abs(scores[farthest]) < 1:
            clipped = np.clip(residuals, -10 * self.spread, 10 * self.spread)
            self.b = np.where(known, self.b + 0.003 * (clipped - self.b), self.b)
        # The times of rows since a sensor was out, until none is.
        if abs(scores[farthest]) < 0.8:
            self.out = []
        elif self.out or abs(scores[farthest]) >= 1:
            self.out.append(time)
        if len(self.out) >= self.many and time - self.out[0] >= self.adopt:
            self.b, self.out, adopted = self.e.copy(), [], to_look_at
        change = None
        if self.together(self.f - self.g) > self.change_limit and abs(time - self.changed) >= 60:
            change = int(np.nanargmax(abs(self.f - self.g) / np.where(self.there, self.parting, np.nan)))
            self.g, self.changed = self.f.copy(), time
        return expected, scores, change, adopted
