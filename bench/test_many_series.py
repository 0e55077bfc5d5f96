"""W5: 100,000 series in one process: what a batch of one window costs, in time and in memory."""

import json
import subprocess
import sys

import floors
import pytest

SERIES = 100_000
SCRIPT = """
import json, resource, sys, time
import numpy as np, pyarrow as pa, windrow as wr

method, series = sys.argv[1], int(sys.argv[2])
random = np.random.default_rng(1)
keys = pa.array([f"camera-{at}" for at in range(series)]).dictionary_encode()
detector = wr.Detector(method, measures=["x"], by="camera", every="5m", time_unit="s")

def window(at):
    values = random.poisson(40, series) if method == "counts" else random.normal(40, 3, series)
    return pa.table({"window_start": np.full(series, 300 * at), "camera": keys, "x": values})

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

detector.push(window(0))
before, seconds = None, []
for at in range(1, 12):
    batch = window(at)
    began = time.process_time()
    detector.push(batch)
    seconds.append(time.process_time() - began)
print(json.dumps({
    "seconds": float(np.median(seconds)),
    "peak": peak(),
    "state": len(detector.snapshot()),
}))
"""


@pytest.mark.parametrize("method", ["counts", "novelty"])
def test_a_window_of_many_series(fact, method):
    """In a process of its own, whose peak is the detector's and one batch's."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, method, str(SERIES)], check=True, capture_output=True, text=True
    )
    found = json.loads(run.stdout)
    workload = f"{getattr(floors, method.upper())}, 100,000 series"
    fact(workload, "CPU time of a window's batch", round(found["seconds"] * 1e3), "ms")
    fact(workload, "state of a series, after 12 windows", round(found["state"] / SERIES), "bytes")
    fact(workload, "peak memory of the process", round(found["peak"] / 2**20), "MiB")
