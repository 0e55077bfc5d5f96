"""Which sink a section of a config means; what each needs is imported when it is opened."""

from __future__ import annotations

import hashlib

from windrow.config import FileSink, MqttSink, Section, StdoutSink
from windrow.sinks.file import File
from windrow.sinks.lines import Sink
from windrow.sinks.stdout import Stdout
from windrow.spool import Spool

__all__ = ["LOCAL", "name_of", "open_sink"]

#: Sinks that write where this process runs; the others wait for a network.
LOCAL = (FileSink, StdoutSink)


def name_of(section: Section) -> str:
    """Name a network sink by where it sends what, so that its unsent results find it again."""
    where = section.model_dump(include={"kind", "what", "format", "url", "topic", "path", "thing", "command"})
    return f"{where['kind']}-{hashlib.blake2s(repr(where).encode(), digest_size=4).hexdigest()}"


def open_sink(sink: FileSink | MqttSink | StdoutSink, spool: Spool | None = None) -> Sink:
    """Open the sink that a section of a config names.

    Parameters
    ----------
    sink : section
        What it is.
    spool : Spool, optional
        Where results wait for the network; local sinks need none.
    """
    if isinstance(sink, FileSink):
        return File(sink)
    if isinstance(sink, StdoutSink):
        return Stdout(sink)
    assert spool is not None
    from windrow.sinks.mqtt import Mqtt
    from windrow.sinks.spooled import Spooled

    name = name_of(sink)
    return Spooled(sink.what, name, spool, Mqtt(sink, name))
