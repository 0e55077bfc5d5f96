"""Simulated input as a source: the traffic scenario's messages as bytes, the motor's rows as columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from windrow.config.sections import SimulateSource, Unit
from windrow.errors import ConfigError
from windrow.simulate import Fault, Motor, Traffic, motor, traffic
from windrow.sources.piece import Decoder, Needs
from windrow.stopping import Stop

__all__ = ["Simulate"]


class Simulate:
    """One of the two simulated worlds."""

    live = False
    decoder: Decoder = "deepstream"
    time_unit: Unit = "ns"
    unreadable = 0

    def __init__(self, source: SimulateSource, needs: Needs, stop: Stop) -> None:
        if source.scenario == "traffic" and not needs.messages:
            raise ConfigError(
                '[source] the scenario "traffic" gives messages, which need windows: add a section [window]'
            )
        make: Any = traffic if source.scenario == "traffic" else motor
        length = {} if source.days is None else {"days": source.days}
        self.world: Traffic | Motor = make(seed=source.seed, healthy=source.healthy, **length)
        self.needs, self._stop = needs, stop
        self.total: int | None = len(self.world)
        self.done = 0

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What a detector should find."""
        return self.world.faults

    def __iter__(self) -> Iterator[Any]:
        """Blocks of messages, or of columns."""
        if isinstance(self.world, Traffic):
            for block in self.world.messages():
                if self._stop.requested:
                    return
                self.done += block.count(b"\n")
                yield block
            return
        columns = self.world.columns()
        missing = [name for name in (*self.needs.columns, *self.needs.where) if name not in columns]
        if missing:
            raise ConfigError(f"unknown column `{missing[0]}`: the simulated motor has {', '.join(columns)}")
        keep = np.ones(len(self.world), bool)
        for name, values in self.needs.where.items():
            keep &= np.isin(columns[name], values)
        rows = {name: columns[name][keep] for name in ("time", *self.needs.columns)}
        self.done = len(self.world)
        yield rows
