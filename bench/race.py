"""Peers beside each other: every round runs each of them once, so that all meet the same machine.

Owns the clock and what was measured. Knows no workload.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Peer:
    """Somebody who does the work: ours, another's, or the machine's limit."""

    name: str
    run: Callable[[], object]
    #: Rows a run; those of the race by default. Slow peers go through fewer.
    rows: int | None = None
    #: Slow peers run fewer rounds.
    rounds: int | None = None


@dataclass
class Race:
    """What the peers of one workload took, in CPU nanoseconds a row."""

    workload: str
    unit: str
    #: By which nothing can be faster.
    limit: str | None = None
    rounds: dict[str, list[float]] = field(default_factory=dict)

    def median(self, peer: str) -> float | None:
        return statistics.median(self.rounds[peer]) if peer in self.rounds else None

    def ratio(self, peer: str, ours: str = "windrow") -> float | None:
        """How many times as long as ours the peer takes."""
        theirs, own = self.median(peer), self.median(ours)
        return theirs / own if theirs is not None and own else None


@dataclass(frozen=True)
class Fact:
    """A figure that is no time: bytes, or a ratio of its own."""

    workload: str
    name: str
    value: float
    unit: str


def cost(run: Callable[[], object], rows: int) -> float:
    """Time one run: CPU nanoseconds a row."""
    started = time.process_time_ns()
    run()
    return (time.process_time_ns() - started) / rows


def race(
    workload: str,
    peers: list[Peer],
    rows: int,
    *,
    unit: str = "row",
    limit: str | None = None,
    overhead: str | None = None,
    rounds: int = 5,
) -> Race:
    """Run all peers in turns. `overhead` names a peer whose time is part of every other's and taken off."""
    done = Race(workload, unit, limit)
    gc.collect()
    gc.disable()
    try:
        for peer in peers:
            if peer.rounds is None:
                peer.run()
        for turn in range(rounds):
            for peer in peers:
                if turn < (peer.rounds or rounds):
                    taken = cost(peer.run, peer.rows or rows)
                    done.rounds.setdefault(peer.name, []).append(taken)
            gc.collect()
    finally:
        gc.enable()
    if overhead is not None:
        loop = done.median(overhead) or 0.0
        for name, each in done.rounds.items():
            if name != overhead:
                done.rounds[name] = [taken - loop for taken in each]
    return done
