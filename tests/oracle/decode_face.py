"""`windrow.decode` and its slow twin side by side.

Owns the translation of both into the same plain values. Which of the JSON reasons a broken line has is not compared.
"""

from __future__ import annotations

from typing import Any

import windrow as wr
from oracle import decode as oracle

JSON_REASONS = {
    "json_invalid": "json",
    "json_truncated": "json",
    "json_too_deep": "json",
    "utf8_invalid": "utf8",
}


def nanoseconds(batch: Any, column: str = "time") -> Any:
    return batch.to_pyarrow()[column].cast("int64").to_pylist()


def compare(data: bytes, decoder: Any, slow: Any, **options: Any) -> Any:
    """Both give the same; returns what the fast one gave."""
    out = wr.decode(data, decoder)
    messages, rows, heartbeats, rejects = oracle.decode(data, slow, **options)
    assert out.messages == messages
    columns = out.rows.to_pydict()
    columns["time"] = nanoseconds(out.rows)
    names = list(columns)
    assert [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)] == [
        {name: row[name] for name in names} for row in rows
    ]
    beats = zip(nanoseconds(out.heartbeats), out.heartbeats.to_pydict()["camera"], strict=True)
    assert list(beats) == heartbeats
    bad = out.rejects.to_pydict()
    reasons = [JSON_REASONS.get(reason, reason) for reason in bad["reason"]]
    assert list(zip(bad["line"], reasons, strict=True)) == rejects
    return out
