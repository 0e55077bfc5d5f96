"""Snapshots that lie: altered bytes behind a checksum that fits, restored and used, one after the other.

Run as a process of its own with little memory: `snapshots.py FILE SEED ROUNDS`. Prints each seed before it is tried, so
that the last one tells what ended the process; prints what is no error of the package's own and goes on.
"""

from __future__ import annotations

import random
import resource
import sys
import time
import zlib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))

import make
import windrow as wr

HEADER = 19
GIGABYTE = 2**30
#: What a restored state may say about bytes or rows that make no sense.
OWN = (wr.SnapshotError, wr.DataError, wr.ConfigError, wr.LimitError)


def alter(data: bytes, pick: random.Random) -> bytes:
    """One to four changes of the payload, of the kinds that lie best."""
    payload = bytearray(data[HEADER:])
    for _ in range(pick.choice([1, 1, 1, 2, 4])):
        at = (
            pick.randrange(len(payload))
            if pick.random() < 0.7
            else min(pick.randrange(400), len(payload) - 1)
        )
        match pick.randrange(7):
            case 0:
                payload[at] ^= 1 << pick.randrange(8)
            case 1:
                payload[at] = pick.choice([0, 1, 0x7F, 0x80, 0xFF])
            case 2:  # a length or an id beyond all bounds
                size = pick.randrange(1, 11)
                payload[at : at + pick.randrange(3)] = b"\xff" * (size - 1) + b"\x7f"
            case 3:
                del payload[at : at + pick.randrange(1, 9)]
            case 4:
                payload[at:at] = payload[at : at + pick.randrange(1, 30)]
            case 5:
                other = pick.randrange(len(payload))
                size = pick.randrange(1, 17)
                payload[at : at + size] = payload[other : other + size]
            case 6:
                del payload[at:]
        if not payload:
            break
    return data[:7] + len(payload).to_bytes(8, "little") + zlib.crc32(payload).to_bytes(4, "little") + payload


def use(kind: Any, go_on: Any, data: bytes) -> None:
    """Restores and, where that succeeds, does all that one may do with it."""
    state = kind.restore(data)
    kind.restore(state.snapshot())
    if kind is wr.TumblingWindows:
        whole = kind.restore(data)
        whole.merge(kind.restore(data).snapshot())
        whole.split(["a", None])
        whole.advance(10**18)
        whole.drain()
        rows = {
            name: ["a"] if name in ("camera", "class") else [1] for name in ("camera", "time", *whole.inputs)
        }
        whole.push(rows | {"time": [10**10]}, now=10**10)
        whole.flush()
    go_on(state)


def main() -> None:
    name, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _, kind, go_on = make.STATES[name]
    data = (make.HERE / f"{name}.snapshot").read_bytes()
    resource.setrlimit(resource.RLIMIT_AS, (3 * GIGABYTE, 3 * GIGABYTE))
    for at in range(seed, seed + rounds):
        print(at, flush=True)
        bent = alter(data, random.Random(at))
        began = time.process_time()
        try:
            use(kind, go_on, bent)
        except OWN:
            pass
        except BaseException as error:
            print(f"WRONG {name} {at}: {type(error).__name__}: {error}"[:300], flush=True)
        if time.process_time() - began > 5:
            print(f"WRONG {name} {at}: it took {time.process_time() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
