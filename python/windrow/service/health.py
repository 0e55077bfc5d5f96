"""How a run goes, in figures: for the health file, for `/healthz`, for Prometheus and for the log.

Owns the list of figures and what makes a service degraded. Takes a look, and clears away what the engine kept for one.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from windrow.state.whole_file import write_whole

if TYPE_CHECKING:
    from windrow.run import Run

__all__ = ["Health", "memory"]

#: Sources that are listed by name; the others only counted.
MOST_SOURCES = 1_000
PAGE = os.sysconf("SC_PAGE_SIZE")


class Health:
    """The newest look at a run."""

    def __init__(self) -> None:
        self.begun = time.time()
        #: Replaced as a whole by each look; read by other threads.
        self.figures: dict[str, Any] = {"status": "starting", "faults": []}
        #: The newest time of each source, in seconds; bounded.
        self.newest: dict[str, float] = {}
        self.looked = time.monotonic()

    def look(self, run: Run) -> dict[str, Any]:
        """Take all figures anew."""
        now = time.time()
        run.clear()
        stats = run.windows.stats if run.windows is not None else {}
        commit, spool, store = run.commit, run.commit.spool, run.commit.store
        watermark = stats.get("watermark")
        newest = run.clocks.newest if run.clocks is not None else {}
        self.newest = {str(name): at for name, at in list(newest.items())[:MOST_SOURCES]}
        faults = [f"{name}: {fault}" for name, fault in run.links().items() if fault]
        if commit.fault:
            faults.append(f"checkpoint: {commit.fault}")
        held = run.clocks.held if run.clocks is not None else []
        faults += [f"the clock of {name} leaps" for name in held[:20]]
        self.figures = {
            "status": "degraded" if faults else "ok",
            "faults": faults,
            "time": _iso(now),
            "uptime_seconds": round(now - self.begun, 1),
            "rows": {
                "read": stats.get("read", run.outcome.read),
                "late": stats.get("late", 0),
                "rejected": stats.get("rejected", 0),
                "unreadable": run.source.unreadable,
                "failed": run.failed,
                "held_aside": run.clocks.dropped if run.clocks is not None else 0,
            },
            "reasons": {reason: count for reason, count in run.reasons.items() if count},
            "windows": run.outcome.windows,
            "events": len(run.outcome.events),
            "open_windows": stats.get("open", 0),
            "series": stats.get("series", 0),
            "watermark": None if watermark is None else _iso(_seconds(watermark)),
            "lag_seconds": None if watermark is None else round(now - _seconds(watermark), 3),
            "spool": None
            if spool is None
            else {
                "messages": spool.depth(),
                "bytes": spool.bytes,
                "dropped": sum(spool.dropped.values()) + commit.dropped,
            },
            "checkpoint": None
            if store is None
            else {
                "generation": store.generation,
                "age_seconds": round(commit.age, 1),
                "written_bytes": store.written,
            },
            "sources": len(newest),
            "last_message": {name: _iso(at) for name, at in self.newest.items()},
            "held_aside": [str(name) for name in held[:MOST_SOURCES]],
            "memory_bytes": memory(),
        }
        self.looked = time.monotonic()
        return self.figures

    def write(self, path: Path) -> None:
        """Write the figures, whole or not at all."""
        # Written often and worth nothing after a power cut: the disk is spared.
        write_whole(path, (json.dumps(self.figures) + "\n").encode(), lasting=False)


def memory() -> int:
    """Bytes of this process that are in memory; 0 where the system doesn't say."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE
    except (OSError, IndexError, ValueError):
        return 0


def _seconds(time: Any) -> float:
    return time.timestamp() if isinstance(time, dt.datetime) else float(time)


def _iso(seconds: float) -> str:
    return (
        dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
