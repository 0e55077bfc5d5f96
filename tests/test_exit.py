"""A program may end while its daemon threads are within windrow."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from faults import PATIENCE

#: Each of 15 ends failed, with arrays and with tables, where nothing was done about it. What is emulated starts slowly.
ENDS, FEW = (20, 3) if PATIENCE == 1 else (3, 1)
#: Three threads call without a pause, each a lane of its own, while the main thread ends.
BUSY = """
import threading, time
import numpy as np
import windrow as wr

def spec():
    return dict(every="1m", aggregates={"n": wr.count()}, by="camera", time_unit="s")

windows, begun = wr.TumblingWindows(**spec()), threading.Barrier(4)
rows = {"time": np.arange(ROWS), "camera": np.arange(ROWS) % 7}
CALLS

def go(lane):
    call(lane)
    begun.wait()
    while True:
        call(lane)

for name in "abc":
    threading.Thread(target=go, args=(windows.writer(name),), daemon=True).start()
begun.wait()
time.sleep(0.02)
"""
CALLS = {
    "arrays": "def call(lane): lane.push(rows)",
    "table": "import pyarrow\ntable = pyarrow.table(rows)\ndef call(lane): lane.push(table)",
    "frame": "import pandas\nframe = pandas.DataFrame(rows)\ndef call(lane): lane.push(frame)",
    "error": "def call(lane):\n    try: lane.push({'time': [1]})\n    except wr.DataError: pass",
    "out": "out = wr.TumblingWindows(**spec())\nout.push(rows)\nout = out.flush()\ndef call(lane): out.to_pandas()",
}


def ends(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60 * PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("rows", [100, 20_000])
@pytest.mark.parametrize("calls", ["arrays", "table"])
def test_daemon_threads_may_push_while_the_program_ends(calls, rows):
    """Fewer rows than are taken detached from the interpreter, and more."""
    for _ in range(ENDS if (calls, rows) == ("arrays", 100) else FEW):
        ends(BUSY.replace("ROWS", str(rows)).replace("CALLS", CALLS[calls]))


@pytest.mark.parametrize("calls", ["frame", "error", "out"])
def test_daemon_threads_may_run_python_code_from_within(calls):
    for _ in range(FEW):
        ends(BUSY.replace("ROWS", "100").replace("CALLS", CALLS[calls]))


def test_what_is_done_at_exit_may_wait_for_a_daemon_thread():
    """Asked for before windrow was there, so it is done after windrow has begun to hold calls up."""
    code = """
import atexit, threading, time
last, done = threading.Event(), threading.Event()

@atexit.register
def finish():
    windows.push({"time": [3]})
    last.set()
    assert done.wait(50)
    print(windows.flush().to_pydict()["n"])

import windrow as wr
windows = wr.TumblingWindows(every="1m", aggregates={"n": wr.count()}, time_unit="s")

def go():
    windows.writer("daemon").push({"time": [1]})
    last.wait()
    windows.writer("daemon").push({"time": [2]})
    done.set()

threading.Thread(target=go, daemon=True).start()
"""
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60 * PATIENCE, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "[3]\n")
    assert time.monotonic() - begin < 20 * PATIENCE


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_does_not_wait_for_its_parents_threads():
    code = """
import os, threading, time
import windrow as wr

class Slow:
    def __arrow_c_stream__(self, requested_schema=None):
        begun.set()
        time.sleep(60)

windows, begun = wr.TumblingWindows(every="1m", aggregates={"n": wr.count()}, time_unit="s"), threading.Event()
threading.Thread(target=windows.push, args=(Slow(),), daemon=True).start()
begun.wait()
child = os.fork()
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)
begin = time.monotonic()
import atexit
atexit._run_exitfuncs()
os._exit(time.monotonic() - begin > 3)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60 * PATIENCE,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "0\n")
