"""The kinds of [[sink]]: every option with its type, its default and one line of meaning."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from windrow.config.mqtt import MqttLink
from windrow.config.option import Name, Positive, Section, Value, option

__all__ = [
    "SINKS",
    "CommandSink",
    "FileSink",
    "MqttSink",
    "ObjectSink",
    "ShadowSink",
    "StdoutSink",
    "WebhookSink",
]

SINK_KINDS = "command, file, mqtt, object, shadow, stdout or webhook"
WHAT = "events (alarms that begin or end), groups (of one measure and time), anomalies (rows in alarm) or windows"
What: TypeAlias = Literal["events", "groups", "anomalies", "windows"]
FORMAT = "groups: windrow's own rows, or lookout: the alert message of Amazon Lookout for Metrics"
Format: TypeAlias = Literal["windrow", "lookout"]


class Results(Section):
    """What goes to a sink, and in which form."""

    kind: str = option(..., SINK_KINDS)
    what: What = option("events", WHAT)
    format: Format = option("windrow", FORMAT)
    alert: Name = option("windrow", "lookout: the alert's name")


class StdoutSink(Results):
    """Results on standard output, as JSON lines."""

    kind: Literal["stdout"] = option(..., SINK_KINDS)


class FileSink(Results):
    """Results in a file, as JSON lines."""

    kind: Literal["file"] = option(..., SINK_KINDS)
    path: Name = option(..., "the file; folders are made", "anomalies.jsonl")
    append: bool = option(False, "add to the file instead of starting it anew")


class MqttSink(MqttLink, Results):
    """Results as messages to an MQTT broker, kept in the state's folder until it has them."""

    kind: Literal["mqtt"] = option(..., SINK_KINDS)
    topic: Name = option(..., "where to, with columns in braces", "alerts/{camera}")
    qos: Literal[0, 1] = option(1, "0: sent once, 1: until the broker says that it has it")
    retain: bool = option(False, "let the broker keep the newest message of each topic")


class WebhookSink(Results):
    """Results as POST requests, one each, with an idempotency key and a signature."""

    kind: Literal["webhook"] = option(..., SINK_KINDS)
    url: Name = option(..., "where to", "https://example.org/alerts")
    timeout: Positive = option("10s", "how long an answer may take")
    secret_env: Name | None = option(
        None, "sign with the secret in this environment variable", "WINDROW_WEBHOOK_SECRET"
    )
    secret_file: Name | None = option(None, "or in this file", "/etc/windrow/webhook.secret")
    token_env: Name | None = option(
        None,
        "send the token in this environment variable as `Authorization: Bearer`",
        "WINDROW_WEBHOOK_TOKEN",
    )
    token_file: Name | None = option(None, "or in this file", "/etc/windrow/webhook.token")
    ca: Name | None = option(
        None, "a file of certificates to trust; the system's unless given", "/etc/windrow/ca.pem"
    )


class ObjectSink(Section):
    """Results as files or objects, one for each window and partition, whole or not at all."""

    kind: Literal["object"] = option(..., SINK_KINDS)
    path: Name = option(
        ...,
        "a path or an address of fsspec, with !{timestamp:yyyy/MM/dd/HHmm}, !{partition:column}, !{random-string}",
        "s3://bucket/windows/!{timestamp:yyyy/MM/dd/HHmm}/!{partition:camera}.jsonl",
    )
    what: What = option("windows", WHAT)
    endpoint: Name | None = option(
        None, "S3-compatible stores: their address", "https://minio.example.org:9000"
    )


class ShadowSink(MqttLink):
    """Desired states of device shadows, set while an event lasts."""

    kind: Literal["shadow"] = option(..., SINK_KINDS)
    thing: Name = option(..., "whose shadow, with columns in braces", "sign-{camera}")
    desired: dict[Name, Value] = option(
        ..., "the state that an alarm asks for, with columns in braces", {"message": "{reason}"}
    )
    restored: dict[Name, Value] | None = option(
        None, "the state that its end asks for; nothing unless given", {"message": ""}
    )
    timeout: Positive = option("10s", "how long an answer may take")


class CommandSink(Results):
    """A program that is run with each result on its standard input; without a shell."""

    kind: Literal["command"] = option(..., SINK_KINDS)
    command: Annotated[list[Name], Field(min_length=1)] = option(
        ..., "the program and its arguments", ["/usr/local/bin/set-sign", "--quiet"]
    )
    timeout: Positive = option("30s", "how long it may take")
    tries: Annotated[int, Field(ge=1)] = option(3, "how often it is tried where it fails")


SINKS: dict[str, type[Section]] = {
    "command": CommandSink,
    "file": FileSink,
    "mqtt": MqttSink,
    "object": ObjectSink,
    "shadow": ShadowSink,
    "stdout": StdoutSink,
    "webhook": WebhookSink,
}
