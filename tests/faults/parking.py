"""The recorded messages of a car park, in the order in which they came, and pipelines over them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any


def lines(data: Path) -> list[bytes]:
    with gzip.open(data / "nvidia_smart_parking" / "demo-1.jsonl.gz") as file:
        return file.read().splitlines(keepends=True)


def sections(
    source: dict[str, Any], sinks: list[dict[str, Any]], state: Path | None = None
) -> dict[str, Any]:
    """Two-second windows of distinct cars and of messages per camera, each judged."""
    config: dict[str, Any] = {
        "source": {"decoder": "deepstream", **source},
        "window": {
            "every": "2s",
            "by": ["camera"],
            "out_of_orderness": "10s",
            "aggregate": [{"name": "cars", "distinct": "track"}, {"name": "n", "count": True}],
        },
        "detect": {"method": "counts", "measures": ["cars", "n"]},
        "alarm": {"severity": 1},
        "sink": sinks,
    }
    if state is not None:
        config["state"] = {"path": str(state)}
    return config


def rows(path: Path) -> list[dict[str, Any]]:
    """What a sink of lines has written, whole lines only."""
    text = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
