"""Which sink a section of a config means; what each needs is imported when it is opened."""

from __future__ import annotations

import hashlib
from typing import Any

from windrow.config.sections import (
    CommandSink,
    FileSink,
    MqttSink,
    ObjectSink,
    Section,
    ShadowSink,
    StdoutSink,
    WebhookSink,
)
from windrow.sinks.file import File
from windrow.sinks.lines import Sink
from windrow.sinks.stdout import Stdout
from windrow.state.spool import Spool

__all__ = ["LOCAL", "name_of", "open_sink"]

#: Sinks that write where this process runs, at once; the others go through the spool.
LOCAL = (FileSink, StdoutSink)
#: What tells one sink from another: where it sends what.
_WHERE = {"kind", "what", "url", "topic", "path", "thing", "command"}


def name_of(section: Section) -> str:
    """Name a sink by where it sends what, so that its unsent results find it again."""
    where = section.model_dump(include=_WHERE)
    return f"{where['kind']}-{hashlib.blake2s(repr(where).encode(), digest_size=4).hexdigest()}"


def open_sink(sink: Any, spool: Spool | None = None, time: str = "window_start") -> Sink:
    """Open the sink that a section of a config names.

    Parameters
    ----------
    sink : section
        What it is.
    spool : Spool, optional
        Where results wait for the network; local sinks need none.
    time : str
        The column that stands for a window's time.
    """
    if isinstance(sink, FileSink):
        return File(sink)
    if isinstance(sink, StdoutSink):
        return Stdout(sink)
    assert spool is not None
    from windrow.sinks.spooled import Spooled

    name = name_of(sink)
    # A shadow is set by events; the others say what they want.
    return Spooled(getattr(sink, "what", "events"), name, spool, _delivery(sink, name, time))


def _delivery(sink: Any, name: str, time: str) -> Any:
    if isinstance(sink, MqttSink):
        from windrow.sinks.mqtt import Mqtt

        return Mqtt(sink, name)
    if isinstance(sink, WebhookSink):
        from windrow.sinks.webhook import Webhook

        return Webhook(sink)
    if isinstance(sink, ShadowSink):
        from windrow.sinks.shadow import Shadow

        return Shadow(sink, name)
    if isinstance(sink, CommandSink):
        from windrow.sinks.command import Command

        return Command(sink)
    assert isinstance(sink, ObjectSink)
    from windrow.sinks.object import Object

    return Object(
        sink, {"windows": time, "anomalies": "time", "events": "start", "groups": "start"}[sink.what]
    )
