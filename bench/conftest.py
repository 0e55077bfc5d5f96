"""One core, CPU time, and after the run a table of ratios: each peer's time over ours, in the same run."""

import os
from collections import defaultdict

# Before any engine starts its threads: all peers get one core, as we do.
os.environ["POLARS_MAX_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


import pytest


@pytest.fixture
def measure(benchmark, request):
    """Time one peer on one workload: the median of rounds, as CPU nanoseconds a row."""

    def run(workload: str, peer: str, rows: int, function, rounds: int = 3):
        benchmark.extra_info.update(workload=workload, peer=peer, rows=rows)
        return benchmark.pedantic(function, rounds=rounds, warmup_rounds=1 if rounds > 1 else 0)

    return run


def pytest_benchmark_update_machine_info(config, machine_info):
    machine_info["affinity"] = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.option.benchmark_timer = "time.process_time"
    config.option.benchmark_disable_gc = True


def pytest_terminal_summary(terminalreporter, config):
    session = getattr(config, "_benchmarksession", None)
    workloads = defaultdict(dict)
    for bench in session.benchmarks if session else []:
        info = bench.extra_info
        if "workload" in info and bench.stats.data:
            workloads[info["workload"]][info["peer"]] = 1e9 * bench.stats.median / info["rows"]
    for workload, peers in workloads.items():
        ours = peers.get("windrow")
        if ours is None:
            continue
        terminalreporter.write_line("")
        terminalreporter.write_line(f"{workload}: CPU ns a row, and its ratio to ours")
        for peer, each in sorted(peers.items(), key=lambda item: item[1]):
            terminalreporter.write_line(f"  {peer:<34} {each:10.2f}  {each / ours:8.2f} x")
