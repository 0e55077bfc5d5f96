"""W6: two producers with a lane each in one engine, beside two processes with an engine each.

Wall time, of necessity: from a common start until both are through. The best of eight, since whatever else runs on
the machine takes cores away.
"""

import multiprocessing
import threading
import time

import cores
import floors
import polars as pl
import pytest
import windrow as wr
from workload import BATCH, ROWS, events

LANE_ROWS = min(ROWS, 2_000_000)
TRIES = 8
AGGREGATES = {
    "n": wr.count(),
    "sum": wr.sum("speed"),
    "mean": wr.mean("speed"),
    "min": wr.min("speed"),
    "max": wr.max("speed"),
    "std": wr.std("speed"),
}


def engine():
    return wr.TumblingWindows(every="5m", aggregates=AGGREGATES, by="camera", out_of_orderness="2s")


def batches(lane):
    table = events(LANE_ROWS, 36_000_000, names=f"lane-{lane}")
    return table.to_batches(max_chunksize=BATCH)


def process(lane, barrier, results):
    # Importing this module has pinned the new process: both would share a core.
    cores.use(cores.ALL)
    rows = batches(lane)
    for _ in range(TRIES):
        windows = engine()
        barrier.wait()
        started = time.perf_counter()
        for batch in rows:
            windows.push(batch)
        results.put((started, time.perf_counter()))
        barrier.wait()
    results.put(windows.flush().to_polars())


class Processes:
    """Two, with an engine each; they wait for their turn."""

    def __init__(self):
        context = multiprocessing.get_context("spawn")
        self.barrier, self.results = context.Barrier(3), context.Queue()
        self.workers = [
            context.Process(target=process, args=(lane, self.barrier, self.results)) for lane in range(2)
        ]
        for worker in self.workers:
            worker.start()

    def turn(self):
        self.barrier.wait(timeout=120)
        spans = [self.results.get(timeout=120) for _ in self.workers]
        self.barrier.wait(timeout=120)
        return max(end for _, end in spans) - min(start for start, _ in spans)

    def end(self):
        windows = pl.concat([self.results.get(timeout=120) for _ in self.workers])
        for worker in self.workers:
            worker.join(timeout=120)
        return windows


def two_threads(rows):
    """One turn: how long it took, and the engine."""
    windows = engine()
    barrier = threading.Barrier(3)

    def produce(writer, mine):
        with writer as lane:
            barrier.wait()
            for batch in mine:
                lane.push(batch)

    writers = [windows.writer(name) for name in "ab"]
    threads = [threading.Thread(target=produce, args=pair) for pair in zip(writers, rows, strict=True)]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started, windows


@pytest.mark.skipif(not hasattr(wr.TumblingWindows, "writer"), reason="TumblingWindows has no writers yet")
@pytest.mark.skipif(len(cores.ALL) < 2, reason="two producers need two cores")
def test_two_producers(fact):
    rows = [batches(lane) for lane in range(2)]
    cores.use(cores.ALL)
    try:
        processes = Processes()
        apart, together = [], []
        for _ in range(TRIES):
            apart.append(processes.turn())
            taken, windows = two_threads(rows)
            together.append(taken)
        expected = processes.end()
    finally:
        cores.pin()
    windows = windows.flush().to_polars()
    assert windows.sort("window_start", "camera").equals(expected.sort("window_start", "camera"))
    apart, together = min(apart), min(together)
    for name, taken in (("two processes", apart), ("two threads", together)):
        fact(floors.LANES, name, 2 * LANE_ROWS / taken / 1e6, "million rows a second")
    fact(floors.LANES, "throughput beside two processes", apart / together, "x")
