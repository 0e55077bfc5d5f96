"""Blocked cross-validation: errors as they will be on rows that the model hasn't seen, nor their neighbours.

Owns the blocks. Rows of a machine resemble those around them, so each block is one stretch of time (of all machines
at once, or of whole machines where there are many), and rows whose history reaches into it are left out of training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Blocks", "predict"]

Rows = np.ndarray[Any, np.dtype[np.bool_]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
#: Makes a model of features and target; what it gives predicts.
Fit = Callable[[Floats, Floats], Callable[[Floats], Floats]]

#: How many blocks.
BLOCKS = 5
#: From so many machines on, blocks are of whole machines.
MANY = 10


@dataclass(frozen=True)
class Blocks:
    """Which block each row is in.

    Attributes
    ----------
    number : ndarray of int64
        The block of each row.
    time : ndarray of int64
        Nanoseconds since the epoch.
    gap : int
        Rows closer to a block than this, in nanoseconds, don't train what predicts it; 0 for blocks of machines.
    """

    number: np.ndarray[Any, np.dtype[np.int64]]
    time: np.ndarray[Any, np.dtype[np.int64]]
    gap: int

    @classmethod
    def of(cls, time: Any, machine: Any, gap: int) -> Blocks:
        """Cut rows into blocks of about as many each."""
        rows = len(time)
        if len(np.unique(machine)) >= MANY:
            # Rows come in order of machine.
            begins = np.flatnonzero(np.diff(machine, prepend=machine[0] - 1))
            length = np.diff(begins, append=rows)
            middle = np.repeat(begins + length / 2, length)
            return cls((middle * BLOCKS / rows).astype(np.int64), time, 0)
        rank = np.empty(rows, np.int64)
        rank[np.argsort(time, kind="stable")] = np.arange(rows)
        return cls(rank * BLOCKS // rows, time, gap)

    def splits(self) -> Iterator[tuple[Rows, Rows]]:
        """Give the rows to train on, and those to predict, block by block."""
        for block in np.unique(self.number):
            held = self.number == block
            train = ~held
            if self.gap:
                first, last = self.time[held].min(), self.time[held].max()
                train &= (self.time < first - self.gap) | (self.time > last + self.gap)
            if train.any():
                yield train, held


def predict(fit: Fit, features: Floats, target: Floats, blocks: Blocks) -> Floats:
    """Predict each row by what was fitted without its block."""
    out = np.full(len(target), np.nan)
    for train, held in blocks.splits():
        out[held] = fit(features[train], target[train])(features[held])
    return out
