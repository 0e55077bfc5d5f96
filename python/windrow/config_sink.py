"""The kinds of [[sink]]: every option with its type, its default and one line of meaning."""

from __future__ import annotations

from typing import Literal, TypeAlias

from windrow.config_mqtt import MqttLink
from windrow.config_option import Name, Section, option

__all__ = ["SINKS", "FileSink", "MqttSink", "StdoutSink"]

SINK_KINDS = "file, mqtt or stdout"
WHAT = "events (alarms that begin or end), anomalies (rows in alarm) or windows"
What: TypeAlias = Literal["events", "anomalies", "windows"]


class StdoutSink(Section):
    """Results on standard output, as JSON lines."""

    kind: Literal["stdout"] = option(..., SINK_KINDS)
    what: What = option("events", WHAT)


class FileSink(Section):
    """Results in a file, as JSON lines."""

    kind: Literal["file"] = option(..., SINK_KINDS)
    path: Name = option(..., "the file; folders are made", "anomalies.jsonl")
    what: What = option("events", WHAT)
    append: bool = option(False, "add to the file instead of starting it anew")


class MqttSink(MqttLink):
    """Results as messages to an MQTT broker, kept in the state's folder until it has them."""

    kind: Literal["mqtt"] = option(..., SINK_KINDS)
    topic: Name = option(..., "where to, with columns in braces", "alerts/{camera}")
    what: What = option("events", WHAT)
    qos: Literal[0, 1] = option(1, "0: sent once, 1: until the broker says that it has it")
    retain: bool = option(False, "let the broker keep the newest message of each topic")


SINKS: dict[str, type[Section]] = {"file": FileSink, "mqtt": MqttSink, "stdout": StdoutSink}
