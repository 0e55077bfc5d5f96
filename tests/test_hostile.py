"""Bytes from outside that lie: an error of the package's own or a working object, in bounded memory and time.

Each fuzzer is a process of its own with a limit on its memory: an allocation without bound ends it. `WINDROW_FUZZ` is
the number of altered inputs for each state.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import windrow as wr
from faults import PATIENCE

sys.path.insert(0, str(Path(__file__).parent / "golden"))

import make

ROUNDS = int(os.environ.get("WINDROW_FUZZ", "200"))
HOSTILE = Path(__file__).parent / "hostile"
HEADER = 19

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux'")


def fuzz(script: str, *arguments: str) -> None:
    command = [sys.executable, str(HOSTILE / script), *arguments, "0", str(ROUNDS)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=(60 + 2 * ROUNDS) * PATIENCE, check=False
    )
    said = done.stdout.splitlines()
    assert [line for line in said if line.startswith("WRONG")] == []
    assert done.returncode == 0, f"ended by {said[-1:]}: {done.stderr[-1_000:]}"


@pytest.mark.parametrize("name", sorted(make.STATES))
def test_altered_snapshots(name: str) -> None:
    fuzz("snapshots.py", name)


@pytest.mark.parametrize("name", sorted(make.STATES))
def test_snapshots_cut_off_anywhere(name: str) -> None:
    """Also where length and checksum were made to fit what is left."""
    _, kind, _ = make.STATES[name]
    data = (make.HERE / f"{name}.snapshot").read_bytes()
    for at in range(0, len(data), max(1, len(data) // 2_000)):
        with pytest.raises(wr.SnapshotError):
            kind.restore(data[:at])
        if at > HEADER:
            payload = data[HEADER:at]
            head = data[:7] + len(payload).to_bytes(8, "little") + zlib.crc32(payload).to_bytes(4, "little")
            with pytest.raises(wr.SnapshotError):
                kind.restore(head + payload)


@pytest.mark.parametrize("kind", ["plain", "dictionary", "polars", "nulls", "nested"])
def test_altered_ipc_streams(kind: str) -> None:
    fuzz("ipc.py", kind)
