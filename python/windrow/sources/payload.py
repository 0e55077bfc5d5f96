"""A message's payload as lines for the engine, with what its topic says.

Owns the bytes' form only; what they mean is the decoder's business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from windrow.config.sections import MqttSource
from windrow.sources.piece import Decoder

__all__ = ["FIELD", "TOLD", "one_line", "tagged", "with_camera"]

#: The field that holds the camera, by decoder; `rows` takes any column, the others only this one.
FIELD = {"deepstream": "sensorId", "panorama": "camera"}
#: Decoders that are told the camera.
TOLD = ("axis", "mot")
UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
#: What is kept of a message that is too large: enough to know it by.
KEPT = 1_024


def one_line(payload: bytes, decoder: str, most: int) -> bytes:
    """Put a JSON message that was written over several lines into one; what is too large is cut to a reject."""
    payload = payload.strip()
    if len(payload) > most:
        payload = payload[:KEPT]
    if b"\n" not in payload or decoder == "mot":
        return payload
    lines = payload.splitlines()
    # Several messages stay several; line ends within one are white space.
    if all(line.lstrip().startswith(b"{") and line.rstrip().endswith(b"}") for line in lines if line.strip()):
        return payload
    return b" ".join(lines)


def tagged(
    payload: bytes, source: MqttSource, columns: Mapping[str, str], arrival: int | None = None
) -> bytes:
    """Add to a message's fields what its topic says and when it arrived; these win over fields of the same names.

    Rows can have all of the topic's columns, `arrival` (in the unit of their times) and renamed fields; of the messages
    of trackers only the camera is told.

    Examples
    --------
    >>> from windrow.config.sections import MqttSource
    >>> source = MqttSource(kind="mqtt", url="mqtt://broker", topics=["cameras/{camera}"])
    >>> tagged(b'{"time": 1}', source, {"camera": "gate"})
    b'{"time": 1,"camera":"gate"}'
    """
    if source.decoder == "rows":
        fields: dict[str, Any] = dict(columns)
        if arrival is not None:
            fields["arrival"] = arrival // UNITS[source.time_unit or "ns"]
        if source.fields:
            payload = b"\n".join(_renamed(line, source.fields) for line in payload.splitlines())
    elif source.decoder in FIELD and "camera" in columns:
        name = source.camera if source.decoder == "panorama" and source.camera else FIELD[source.decoder]
        fields = {name: columns["camera"]}
    else:
        return payload
    if not fields:
        return payload
    added = json.dumps(fields, separators=(",", ":"))[1:].encode()
    return b"\n".join(_with(line, added) for line in payload.splitlines())


def _renamed(line: bytes, fields: Mapping[str, str]) -> bytes:
    """Give fields the names that the config has for them; `a.b` is a field within one."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(message, dict):
        return line
    for ours, theirs in fields.items():
        value: Any = message
        for part in [theirs] if theirs in message else theirs.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        message[ours] = value
    return json.dumps(message, separators=(",", ":")).encode()


def _with(line: bytes, added: bytes) -> bytes:
    line = line.rstrip()
    if not line.startswith(b"{") or not line.endswith(b"}"):
        return line
    body = line[:-1].rstrip()
    return body + (b"" if body == b"{" else b",") + added


def with_camera(decoder: Decoder, camera: str | None) -> Decoder:
    """Tell the decoders that want to know it the camera that a topic names."""
    kind = decoder if isinstance(decoder, str) else decoder["kind"]
    if camera is None or kind not in TOLD:
        return decoder
    return {**({"kind": decoder} if isinstance(decoder, str) else decoder), "camera": camera}
