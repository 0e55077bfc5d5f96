"""Arrow IPC streams that lie: altered bytes pushed, one stream after the other.

Run as a process of its own with little memory: `ipc.py KIND SEED ROUNDS`; prints as `snapshots.py` does.
"""

from __future__ import annotations

import io
import random
import resource
import struct
import sys
import time
from collections.abc import Callable

import polars as pl
import pyarrow as pa
import windrow as wr

GIGABYTE = 2**30
ROWS = 60


def stream(*batches: pa.RecordBatch) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write(batch)
    return sink.getvalue()


def plain() -> bytes:
    batch = pa.record_batch(
        {
            "time": pa.array([at * 10**8 for at in range(ROWS)], pa.timestamp("ns", "UTC")),
            "camera": pa.array([f"camera {at % 3}" for at in range(ROWS)]),
            "x": pa.array([None if at % 7 == 0 else at / 3 for at in range(ROWS)]),
        }
    )
    return stream(batch, batch.slice(3, 0), batch.slice(0, 10))


def dictionary() -> bytes:
    batch = pa.record_batch(
        {
            "time": pa.array(range(ROWS)),
            "camera": pa.array([f"camera {at % 3}" for at in range(ROWS)]).dictionary_encode(),
            "x": pa.array([at % 5 for at in range(ROWS)], pa.int16()).dictionary_encode(),
        }
    )
    return stream(batch, batch)


def polars() -> bytes:
    sink = io.BytesIO()
    columns = {"time": range(ROWS), "camera": [f"a camera of a long name {at % 3}" for at in range(ROWS)]}
    frame = pl.DataFrame(columns | {"x": [float(at) for at in range(ROWS)]})
    frame.with_columns(pl.col("camera").cast(pl.Categorical)).write_ipc_stream(sink)
    return sink.getvalue()


def nulls() -> bytes:
    """Columns that take no bytes a row: their length is the stream's word alone."""
    columns = {
        "time": pa.nulls(ROWS),
        "camera": pa.nulls(ROWS),
        "x": pa.array([True] * ROWS),
        "other": pa.array([b""] * ROWS, pa.binary(0)),
    }
    return stream(pa.record_batch(columns))


def nested() -> bytes:
    columns = {
        "time": pa.array(range(ROWS)),
        "camera": pa.array([f"{at % 3}" for at in range(ROWS)], pa.string_view()),
        "x": pa.array([1.0] * ROWS, pa.float32()),
        "list": pa.array([[at, [1, 2][at % 2]] for at in range(ROWS)]),
        "struct": pa.array([{"a": at, "b": None} for at in range(ROWS)]),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([10, ROWS], pa.int32()), pa.array([1.0, 2.0])),
    }
    return stream(pa.record_batch(columns))


MAKERS: dict[str, Callable[[], bytes]] = {
    "plain": plain,
    "dictionary": dictionary,
    "polars": polars,
    "nulls": nulls,
    "nested": nested,
}


def alter(data: bytes, pick: random.Random) -> bytes:
    """Flips, and numbers of four or eight bytes that are lengths too large or below zero."""
    bent = bytearray(data)
    for _ in range(pick.choice([1, 1, 2, 4])):
        at = pick.randrange(len(bent))
        size = pick.choice([0, 1, -1, 2**31 - 1, -(2**31), 2**20, 2**28, ROWS + 1, pick.randrange(2**31)])
        match pick.randrange(5):
            case 0:
                bent[at] ^= 1 << pick.randrange(8)
            case 1:
                bent[at] = pick.choice([0, 1, 0x7F, 0x80, 0xFF])
            case 2:
                at = at // 4 * 4
                bent[at : at + 4] = struct.pack("<i", size)
            case 3:
                at = at // 8 * 8
                bent[at : at + 8] = struct.pack("<q", pick.choice([size, 2**62, -(2**63), 2**40]))
            case 4:
                del bent[at : at + 8]
        if not bent:
            break
    return bytes(bent)


def main() -> None:
    kind, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    data = MAKERS[kind]()
    resource.setrlimit(resource.RLIMIT_AS, (3 * GIGABYTE, 3 * GIGABYTE))
    for at in range(seed, seed + 10 * rounds):
        print(at, flush=True)
        w = wr.TumblingWindows(
            every="1s",
            by="camera",
            aggregates={"n": wr.count(), "sum": wr.sum("x"), "set": wr.distinct("x"), "last": wr.last("x")},
            max_cells=100_000,
        )
        began = time.process_time()
        try:
            w.push_ipc(alter(data, random.Random(at)))
        except (wr.DataError, wr.LimitError):
            assert w.stats["read"] == 0
        except BaseException as error:
            print(f"WRONG {kind} {at}: {type(error).__name__}: {error}"[:300], flush=True)
        w.flush(), w.snapshot()
        if time.process_time() - began > 2:
            print(f"WRONG {kind} {at}: it took {time.process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
