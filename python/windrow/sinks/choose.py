"""Which sink a section of a config means; what each needs is imported when it is opened."""

from __future__ import annotations

from windrow.config import FileSink, MqttSink, StdoutSink
from windrow.sinks.file import File
from windrow.sinks.lines import Sink
from windrow.sinks.stdout import Stdout
from windrow.spool import Spool

__all__ = ["LOCAL", "open_sink"]

#: Sinks that write where this process runs; the others wait for a network.
LOCAL = (FileSink, StdoutSink)


def open_sink(sink: FileSink | MqttSink | StdoutSink, name: str, spool: Spool | None = None) -> Sink:
    """Open the sink that a section of a config names.

    Parameters
    ----------
    sink : section
        What it is.
    name : str
        Its name in the spool.
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

    return Spooled(sink.what, name, spool, Mqtt(sink, name))
