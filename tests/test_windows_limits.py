"""Invented ids: what they take in memory under `max_series` and `max_cells`, and what happens past each."""

import subprocess
import sys

import pytest

#: Pushes a million ids, each once, and prints the resident memory that the last three quarters have added, then what
#: became of them.
INVENTED = """
import sys
import pyarrow as pa, windrow as wr

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

size, batches = 10_000, 100
windows = wr.TumblingWindows(every="1h", aggregates={"n": wr.count()}, by="id", %s)
lanes = [windows.writer(name) for name in %s] or [windows]
refused = 0
for at in range(batches):
    if at == batches // 4:
        before = resident()
    ids = pa.array([f"invented-{id:010}" for id in range(at * size, (at + 1) * size)])
    table = pa.table({"time": pa.array([0] * size), "id": ids if at %% 2 else ids.dictionary_encode()})
    for lane in lanes:
        try:
            lane.push(table)
        except wr.LimitError:
            refused += 1
stats = windows.stats
print(resident() - before, refused, stats["open"], stats["rejected"])
"""


def invent(limit, lanes=()):
    done = subprocess.run(
        [sys.executable, "-c", INVENTED % (limit, lanes)], capture_output=True, text=True, check=True
    )
    return map(int, done.stdout.split())


@pytest.mark.parametrize("lanes", [(), ("a", "b")])
def test_beyond_max_series_new_ids_are_rejects_and_take_no_memory(lanes):
    added, refused, still_open, rejected = invent("max_series=1_000", lanes)
    each = len(lanes) or 1
    # Each lane has its own.
    assert (refused, still_open, rejected) == (0, 1_000 * each, 999_000 * each)
    # The newest rejects are kept, 100,000 a lane: there were more before.
    assert added < 8e6


@pytest.mark.parametrize("lanes", [(), ("a", "b")])
def test_beyond_max_cells_batches_are_refused_and_take_no_memory(lanes):
    added, refused, still_open, rejected = invent("max_cells=15_000", lanes)
    # A limit for all lanes together, looked at before each batch: two of ten thousand rows come in.
    assert (refused, still_open, rejected) == (100 * (len(lanes) or 1) - 2, 20_000, 0)
    assert added < 8e6
