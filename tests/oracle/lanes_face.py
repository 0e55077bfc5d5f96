"""Windows of several producers, two implementations: the same calls go to the engine and to its slow twin.

Owns the writers that the engine wants for what the twin is told by name. Refuses to compare.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
from oracle.aggregates import Aggregate
from oracle.lanes import TumblingWindows as Slow
from oracle.windows import EPOCH
from oracle.windows_face import SCHEMA, Fast, Rows, Spec


def slow(aggregates: Spec, **options: Any) -> Slow:
    """The twin."""
    options = dict(options)
    made = {name: Aggregate(kind, *args, **rest) for name, (kind, args, rest) in aggregates.items()}
    return Slow(options.pop("every"), made, **options)


class FastLanes(Fast):
    """The engine behind the twin's calls."""

    def __init__(self, aggregates: Spec, schema: pa.Schema = SCHEMA, **options: Any) -> None:
        super().__init__(aggregates, schema, **options)
        self.writers: dict[str, Any] = {"": self.engine}

    def writer(self, name: str) -> Any:
        if name not in self.writers:
            self.writers[name] = self.engine.writer(name)
        return self.writers[name]

    def open(self, name: str) -> None:
        self.writer(name)

    def close(self, name: str) -> None:
        self.writer(name).close()
        del self.writers[name]

    def push_to(self, name: str, rows: Rows, now: int | None = None) -> None:
        self.writer(name).push(pa.Table.from_pylist(rows, self.schema), now=now)

    def alive_on(self, name: str, source: Any, time: int) -> None:
        self.writer(name).alive(source, time)

    def rescale(self, keys: list[Any]) -> None:
        """Gives series away and takes them back."""
        self.engine.merge(self.engine.split(keys))

    def reach(self) -> int | None:
        """The engine's watermark in nanoseconds, whole microseconds of it."""
        reached = self.stats["watermark"]
        return None if reached is None else (reached - EPOCH) // timedelta(microseconds=1) * 1_000

    def next_deadline(self) -> int | None:
        deadline = self.engine.next_deadline()
        return None if deadline is None else (deadline - EPOCH) // timedelta(microseconds=1) * 1_000

    def through_snapshot(self) -> None:
        """Goes on from its own bytes; lanes stand as they were, their writers are gone."""
        super().through_snapshot()
        self.writers = {"": self.engine}
