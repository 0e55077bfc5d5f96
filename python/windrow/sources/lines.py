"""A stream of lines as pieces: bytes for the engine's decoders where they fit, else tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from windrow.config.sections import Decoded
from windrow.sources.blocks import blocks
from windrow.sources.first_bytes import checked, unpacked
from windrow.sources.piece import Decoder, Needs
from windrow.sources.table import Tables

__all__ = ["Lines"]


class Lines:
    """Pieces of a stream of CSV or JSON lines."""

    def __init__(self, source: Decoded, needs: Needs, form: str, what: str) -> None:
        self.form = form
        self.decoder = decoder(source)
        plain = source.decoder != "rows" or not source.time_format
        self.raw = form == "jsonl" and needs.messages and plain
        self.tables = None if self.raw else Tables(source, needs, what)

    @property
    def unreadable(self) -> int:
        """Lines and values that were none."""
        return 0 if self.tables is None else self.tables.unreadable

    def pieces(self, read: Callable[[], bytes | None]) -> Iterator[Any]:
        """Cut, and read where the engine doesn't do that itself."""
        cut = checked(blocks(unpacked(read), quotes=self.form == "csv"), self.form)
        if self.tables is None:
            return cut
        return self.tables.csv(cut) if self.form == "csv" else self.tables.json(cut)


def decoder(source: Decoded) -> Decoder:
    """How the engine is to read the source's messages."""
    names: dict[str, dict[str, Any]] = {
        "axis": {"camera": source.camera},
        "mot": {
            "frames_per_second": source.frames_per_second,
            "start": source.start,
            "camera": source.camera,
        },
        "panorama": {
            "time": source.time,
            "time_unit": source.time_unit,
            "classes": source.classes,
            "camera": source.camera,
        },
        "rows": {"time": source.time, "time_unit": source.time_unit},
    }
    options = {name: value for name, value in names.get(source.decoder, {}).items() if value is not None}
    if source.fields:
        options["fields"] = dict(source.fields)
    return {"kind": source.decoder, **options} if options else source.decoder
