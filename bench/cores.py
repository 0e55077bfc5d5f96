"""One core for all: set before any engine starts its threads. Imported first."""

import os

os.environ["POLARS_MAX_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
#: Those that a bench of several threads may use.
ALL = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


def pin():
    """The last core, which least runs on."""
    use({max(ALL)})


def use(cores):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


pin()
