"""Standard output, as JSON lines."""

from __future__ import annotations

import sys

from windrow.config.sections import StdoutSink
from windrow.sinks.lines import JsonLines

__all__ = ["Stdout"]


class Stdout(JsonLines):
    """Lines on standard output, each batch flushed."""

    def __init__(self, sink: StdoutSink) -> None:
        super().__init__(sink.what, sys.stdout)
