"""Where rows come from: one file a system.

A source gives its input piece by piece: bytes of whole JSON lines for the engine's decoders, or tables with the
time in a column `time`. It counts what it could not make a row of, knows how far it is, and holds one piece at a
time. Whatever a source needs beyond NumPy is imported when it is opened.
"""

from windrow.sources.choose import open_source
from windrow.sources.piece import Alive, Linked, Messages, Needs, Resumable, Source

__all__ = ["Alive", "Linked", "Messages", "Needs", "Resumable", "Source", "open_source"]
