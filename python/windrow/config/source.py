"""The kinds of [source]: every option with its type, its default and one line of meaning.

Owns what can be said of a source; what is wrong across options is `across`'s business.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from windrow.config.mqtt import MqttLink
from windrow.config.option import Format, Name, Names, Positive, Section, Time, Unit, Where, option

__all__ = [
    "ARRIVAL",
    "DECODERS",
    "MESSAGES",
    "OF_DECODER",
    "SOURCES",
    "Decoded",
    "FileSource",
    "MqttSource",
    "SimulateSource",
    "StdinSource",
]

#: When a message came, and how long after the time that it tells: columns that messages of a broker can have.
ARRIVAL = ("arrival", "lag")
SOURCE_KINDS = "file, mqtt, stdin or simulate"
#: Options of [source] that only some decoders have.
OF_DECODER = {
    "fields": ("axis", "deepstream", "frigate", "panorama", "rows"),
    "time": ("rows", "panorama"),
    "time_unit": ("rows", "panorama"),
    "time_format": ("rows",),
    "classes": ("panorama",),
    "camera": ("axis", "mot", "panorama"),
    "frames_per_second": ("mot",),
    "start": ("mot",),
}


class Decoded(Section):
    """What a source's rows look like."""

    decoder: Literal["axis", "deepstream", "frigate", "mot", "panorama", "rows"] = option(
        "rows",
        "what the input holds: tracker messages (axis, deepstream, frigate, mot, panorama), or rows with named columns",
    )
    where: Where = option({}, "keep only rows whose columns hold these values", {"class": ["car", "person"]})
    fields: dict[Name, Name] = option(
        {},
        "rows: names for columns, ours = theirs; messages (not mot): further columns, ours = field.in.message",
        {"flow": "Lane 1 Flow (Veh/5 Minutes)"},
    )
    time: Names | None = option(
        None,
        'the time\'s column or field; "time" for rows, "event_time" and a few more for panorama',
        "timestamp",
    )
    time_unit: Unit | None = option(None, "unit of integer times; ns for rows, ms for panorama", "ms")
    time_format: Name | None = option(
        None,
        "rows: how times are written where not in ISO 8601, in the letters of strptime",
        "%d/%m/%Y %H:%M",
    )
    classes: list[Name] | dict[Name, Name] | None = option(
        None, "panorama: the fields that hold ids, as a list or as field = class", ["person", "car"]
    )
    camera: Name | None = option(
        None,
        'panorama: the camera\'s field, "camera" unless given; axis, mot: the camera of all messages',
        "device",
    )
    max_leap: Positive | None = option(
        None, "messages: hold a source aside whose clock leaps by more than this", "1h"
    )
    frames_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = option(
        None, "mot: how many frames a second has", 25
    )
    start: Time | None = option(None, "mot: the time of frame 1", "2026-01-01T08:00:00Z")


#: The words for `decoder`.
DECODERS: tuple[str, ...] = get_args(Decoded.model_fields["decoder"].annotation)
#: Those that read what trackers send.
MESSAGES = tuple(decoder for decoder in DECODERS if decoder != "rows")


class FileSource(Decoded):
    """A file, or several, read once from start to end, or followed as they grow."""

    kind: Literal["file"] = option(..., SOURCE_KINDS)
    path: Names | None = option(
        None,
        "the file or files, {{yyyyMMdd}}/{{HHmm}} where names hold times; may be left to `run CONFIG --input PATH`",
        "day.csv.gz",
    )
    format: Format | None = option(None, "csv, jsonl or parquet; by the file's ending unless given", "csv")
    follow: bool = option(False, "go on as the file grows, is cut or replaced, instead of ending at its end")


class StdinSource(Decoded):
    """Standard input, as it comes."""

    kind: Literal["stdin"] = option(..., SOURCE_KINDS)
    format: Literal["csv", "jsonl"] = option("jsonl", "csv or jsonl")


class SimulateSource(Section):
    """Simulated input of `windrow.simulate`."""

    kind: Literal["simulate"] = option(..., SOURCE_KINDS)
    scenario: Literal["traffic", "motor"] = option(
        ..., "traffic (tracker messages) or motor (rows)", "traffic"
    )
    days: Annotated[float, Field(gt=0, le=3653)] | None = option(
        None, "length; 21 for traffic, 14 for motor", 21
    )
    seed: Annotated[int, Field(ge=0)] = option(7, "the same seed gives the same input")
    healthy: bool = option(False, "leave the faults out")
    where: Where = option({}, "keep only rows whose columns hold these values", {"class": ["car", "person"]})


class MqttSource(Decoded, MqttLink):
    """Messages of an MQTT broker (3.1.1 or 5), acknowledged when what they led to is safe."""

    kind: Literal["mqtt"] = option(..., SOURCE_KINDS)
    topics: Annotated[list[Name], Field(min_length=1)] = option(
        ...,
        "topic filters; a part in braces becomes a column: cameras/{camera}/detections; so do arrival (ns) and lag (s)",
        ["cameras/{camera}/detections"],
    )
    alive: list[Name] = option(
        [], "topics that say which camera lives, by anything but offline; they need `source` in [window]"
    )
    share: Name | None = option(None, "share the topics with the other members of this group", "windrow")
    qos: Literal[0, 1] = option(
        1, "0: messages may be lost on the way; 1: none is, within the broker's limits"
    )
    max_message_bytes: Annotated[int, Field(ge=64)] = option(1_000_000, "larger messages are rejects")
    max_unacknowledged: Annotated[int, Field(ge=1, le=65_535)] = option(
        1_000, "a checkpoint at the latest after this many messages; the broker must allow as many in flight"
    )


SOURCES: dict[str, type[Section]] = {
    "file": FileSource,
    "mqtt": MqttSource,
    "stdin": StdinSource,
    "simulate": SimulateSource,
}
