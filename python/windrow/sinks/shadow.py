"""Desired states of AWS IoT device shadows, over MQTT.

Owns the conversation: an update names the version that it was made for; where the shadow has moved on meanwhile, it is
refused, and made anew for the version that is there now.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from paho.mqtt.client import MQTTMessage

from windrow.config.option import nanoseconds
from windrow.config.sections import ShadowSink
from windrow.mqtt import Connection
from windrow.sinks.spooled import RefusedError, UnreachableError
from windrow.state.spool import Message
from windrow.topic import fill

__all__ = ["Shadow"]

#: How often an update is made anew because others were quicker.
MOST_CONFLICTS = 10
CONFLICT, NOT_FOUND = 409, 404


class Shadow:
    """Sets what an event asks for, one event after the other."""

    def __init__(self, sink: ShadowSink, name: str) -> None:
        self._sink = sink
        self._seconds = nanoseconds(sink.timeout) / 1e9
        self._changed = threading.Condition()
        self._answers: dict[str, tuple[str, dict[str, Any]]] = {}
        self._versions: dict[str, int] = {}
        self._closing = False
        topics = [
            (f"$aws/things/+/shadow/{what}/{answer}", 1)
            for what in ("update", "get")
            for answer in ("accepted", "rejected")
        ]
        self.connection = Connection(sink, name, subscribe=topics, receive=self._heard)
        self.connection.start()

    @property
    def fault(self) -> str | None:
        """Why there is no connection; nothing where there is one."""
        return self.connection.fault

    def send(self, messages: Sequence[tuple[Message, Mapping[str, Any]]]) -> int:
        """Set the state that the first event asks for."""
        _, row = messages[0]
        wanted = self._sink.desired if row.get("state") == "alarm" else self._sink.restored
        if wanted is None:
            return 1
        if not self.connection.up.wait(0.5):
            raise UnreachableError(self.connection.fault or "not connected")
        thing = fill(self._sink.thing, row, clean=_name)
        desired = {
            name: fill(value, row, clean=str) if isinstance(value, str) else value
            for name, value in wanted.items()
        }
        for _ in range(MOST_CONFLICTS):
            if thing not in self._versions:
                self._look(thing)
            # A thing without a shadow gets one by its first update, which can name no version.
            version = {"version": self._versions[thing]} if self._versions.get(thing) else {}
            answer, body = self._ask(thing, "update", {"state": {"desired": desired}, **version})
            if answer == "accepted":
                self._versions[thing] = int(body.get("version", 0))
                return 1
            if body.get("code") != CONFLICT:
                raise RefusedError(f"the shadow of {thing} refuses: {body.get('message', body.get('code'))}")
            del self._versions[thing]
        raise UnreachableError(f"the shadow of {thing} changes faster than it can be set")

    def close(self) -> None:
        """Leave the broker."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.connection.close()

    def _look(self, thing: str) -> None:
        answer, body = self._ask(thing, "get", {})
        if answer == "accepted":
            self._versions[thing] = int(body["version"])
        elif body.get("code") == NOT_FOUND:
            self._versions[thing] = 0
        else:
            raise RefusedError(f"the shadow of {thing} refuses: {body.get('message', body.get('code'))}")

    def _ask(self, thing: str, what: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        token = uuid.uuid4().hex
        text = json.dumps({**body, "clientToken": token})
        self.connection.client.publish(f"$aws/things/{thing}/shadow/{what}", text, qos=1)
        until = time.monotonic() + self._seconds
        with self._changed:
            while token not in self._answers and not self._closing and time.monotonic() < until:
                self._changed.wait(0.2)
            if token in self._answers:
                return self._answers.pop(token)
        raise UnreachableError(f"the shadow of {thing} doesn't answer")

    def _heard(self, message: MQTTMessage) -> None:
        try:
            body = json.loads(message.payload)
        except ValueError:
            return
        if isinstance(body, dict) and isinstance(token := body.get("clientToken"), str):
            with self._changed:
                self._answers[token] = (message.topic.rpartition("/")[2], body)
                while len(self._answers) > MOST_CONFLICTS:
                    # Answers to others' questions, or to ours that came too late.
                    self._answers.pop(next(iter(self._answers)))
                self._changed.notify_all()


def _name(text: str) -> str:
    """Keep what a thing's name may have: letters, digits and `:_-`."""
    return "".join(one if one.isascii() and (one.isalnum() or one in ":_-") else "_" for one in text)
