"""One description of windows, two implementations: the same calls go to the engine and to its slow twin.

Owns the translation of rows (dicts with nanoseconds) into an Arrow table with fixed types and of drained
batches back into rows. Refuses to compare: that is the tests' own job.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from oracle.aggregates import Aggregate
from oracle.windows import TumblingWindows as Slow

Rows = list[dict[str, Any]]
#: Kind, positional arguments, options: ("distinct", ["track"], {"where": {"class": "car"}}).
Spec = dict[str, tuple[str, list[Any], dict[str, Any]]]

SCHEMA = pa.schema(
    {
        "time": pa.int64(),
        "camera": pa.string(),
        "zone": pa.int64(),
        "class": pa.string(),
        "track": pa.int64(),
        "n": pa.int64(),
        "speed": pa.float64(),
    }
)


def slow(aggregates: Spec, **options: Any) -> Slow:
    """The twin."""
    every = options.pop("every")
    made = {name: Aggregate(kind, *args, **rest) for name, (kind, args, rest) in aggregates.items()}
    return Slow(every, made, **options)


def rows_of(batch: Any) -> Rows:
    """A batch's rows, times as integer nanoseconds."""
    table = batch.to_pyarrow()
    for at, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            assert column.type == pa.timestamp("ns", "UTC")
            table = table.set_column(at, column.name, table.column(at).cast(pa.int64()))
    rows: Rows = table.to_pylist()
    return rows


class Fast:
    """The engine behind the twin's calls."""

    def __init__(self, aggregates: Spec, schema: pa.Schema = SCHEMA, **options: Any) -> None:
        import windrow

        made = {
            name: getattr(windrow, kind)(*args, **rest) for name, (kind, args, rest) in aggregates.items()
        }
        self.schema = schema
        self.engine = windrow.TumblingWindows(aggregates=made, **options)

    def push(self, rows: Rows, now: int | None = None) -> None:
        self.engine.push(pa.Table.from_pylist(rows, self.schema), now=now)

    def advance(self, now: int) -> None:
        self.engine.advance(now)

    def watermark(self, time: int) -> None:
        self.engine.watermark(time)

    def alive(self, source: Any, time: int) -> None:
        self.engine.alive(source, time)

    def drain(self) -> Rows:
        return rows_of(self.engine.drain())

    def flush(self) -> Rows:
        return rows_of(self.engine.flush())

    def late(self) -> Rows:
        return rows_of(self.engine.late())

    def rejects(self) -> Rows:
        return rows_of(self.engine.rejects())

    @property
    def stats(self) -> Any:
        return self.engine.stats

    def through_snapshot(self) -> None:
        """Goes on from its own bytes."""
        self.engine = type(self.engine).restore(self.engine.snapshot())


#: Both, for tests that hold for either.
BOTH = {"oracle": slow, "engine": Fast}
