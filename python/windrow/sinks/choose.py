"""Which sink a section of a config means."""

from __future__ import annotations

from windrow.config import FileSink, StdoutSink
from windrow.sinks.file import File
from windrow.sinks.lines import Sink
from windrow.sinks.stdout import Stdout

__all__ = ["open_sink"]


def open_sink(sink: StdoutSink | FileSink) -> Sink:
    """Open the sink that a section of a config names."""
    if isinstance(sink, FileSink):
        return File(sink)
    return Stdout(sink)
