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


def process(lane, tries, barrier, results):
    rows = batches(lane)
    for _ in range(tries):
        windows = engine()
        barrier.wait()
        started = time.perf_counter()
        for batch in rows:
            windows.push(batch)
        results.put((started, time.perf_counter()))
        barrier.wait()
    results.put(windows.flush().to_polars())


def two_processes():
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=process, args=(lane, TRIES, barrier, results)) for lane in range(2)]
    for worker in workers:
        worker.start()
    spans = [(results.get(timeout=120), results.get(timeout=120)) for _ in range(TRIES)]
    windows = pl.concat([results.get(timeout=120) for _ in workers])
    for worker in workers:
        worker.join(timeout=120)
    return min(max(a[1], b[1]) - min(a[0], b[0]) for a, b in spans), windows


def two_threads():
    rows = [batches(lane) for lane in range(2)]
    best = float("inf")
    for _ in range(TRIES):
        windows = engine()
        barrier = threading.Barrier(3)

        def produce(writer, mine, barrier=barrier):
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
        best = min(best, time.perf_counter() - started)
    return best, windows.flush().to_polars()


@pytest.mark.skipif(not hasattr(wr.TumblingWindows, "writer"), reason="TumblingWindows has no writers yet")
@pytest.mark.skipif(len(cores.ALL) < 2, reason="two producers need two cores")
def test_two_producers(fact):
    cores.use(cores.ALL)
    try:
        apart, expected = two_processes()
        together, windows = two_threads()
    finally:
        cores.pin()
    assert windows.sort("window_start", "camera").equals(expected.sort("window_start", "camera"))
    for name, taken in (("two processes", apart), ("two threads", together)):
        fact(floors.LANES, name, 2 * LANE_ROWS / taken / 1e6, "million rows a second")
    fact(floors.LANES, "throughput beside two processes", apart / together, "x")
