"""Threads that share windows: one pushes, others look; a second pusher on the lane is refused."""

import threading

import numpy as np
import pytest
import windrow as wr

SECOND = 10**9


def windows():
    return wr.TumblingWindows(every="5m", aggregates={"n": wr.count()}, by="camera")


def batch(at, rows=2_000):
    times = (np.arange(rows) + at * rows) * SECOND // 10
    return {"time": times, "camera": np.arange(rows) % 50}


def test_draining_and_looking_never_refuse_a_push():
    w, done, drained = windows(), threading.Event(), []

    def look():
        while not done.is_set():
            drained.append(sum(w.drain().to_pydict()["n"]))
            w.snapshot()
            assert w.stats["late"] == 0

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    for at in range(200):
        w.push(batch(at))
    done.set()
    for looker in lookers:
        looker.join()
    assert sum(drained) + sum(w.flush().to_pydict()["n"]) == 200 * 2_000


def test_a_second_pusher_is_refused_and_loses_nothing():
    w, accepted, refused = windows(), [], []

    def push():
        for _ in range(50):
            try:
                w.push(batch(0, rows=20_000))
                accepted.append(20_000)
            except wr.BusyError as error:
                refused.append(str(error))

    pushers = [threading.Thread(target=push) for _ in range(4)]
    for pusher in pushers:
        pusher.start()
    for pusher in pushers:
        pusher.join()
    assert len(accepted) + len(refused) == 200
    assert all("one writer per thread" in message for message in refused)
    assert w.stats["read"] == sum(accepted)


def test_the_limit_of_cells_counts_windows_times_series():
    w = wr.TumblingWindows(every="5m", aggregates={"n": wr.count()}, by="camera", max_cells=3)
    w.push({"time": [0, 0], "camera": [0, 1]})
    w.push({"time": [1], "camera": [2]})
    with pytest.raises(wr.LimitError, match="3 open windows x series of at most 3"):
        w.push({"time": [2], "camera": [0]})
    assert w.stats["read"] == 3
