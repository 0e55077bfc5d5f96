"""Results as messages to an MQTT broker."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from windrow.config.sections import MqttSink
from windrow.mqtt import Connection
from windrow.sinks.spooled import UnreachableError
from windrow.state.spool import Message
from windrow.topic import fill

__all__ = ["Mqtt"]


class Mqtt:
    """Publishes each row to the topic that its columns name."""

    def __init__(self, sink: MqttSink, name: str) -> None:
        self._sink = sink
        self._closing = False
        self._changed = threading.Condition()
        #: Numbers of messages whose arrival the broker has confirmed.
        self._arrived: set[int] = set()
        self.connection = Connection(sink, name)
        self.connection.client.on_publish = self._confirmed
        self.connection.start()

    @property
    def fault(self) -> str | None:
        """Why there is no connection; nothing where there is one."""
        return self.connection.fault

    def send(self, messages: Sequence[tuple[Message, Mapping[str, Any]]]) -> int:
        """Publish in order and wait for the broker's word; across a lost connection the client sends once more."""
        if not self.connection.up.wait(0.5):
            raise UnreachableError(self.connection.fault or "not connected")
        numbers = [
            self.connection.client.publish(
                fill(self._sink.topic, row), message.body, qos=self._sink.qos, retain=self._sink.retain
            ).mid
            for message, row in messages
        ]
        with self._changed:
            while not (self._closing or self._arrived.issuperset(numbers)):
                if not self._sink.qos and not self.connection.up.is_set():
                    break
                self._changed.wait(1.0)
            sent = next((at for at, one in enumerate(numbers) if one not in self._arrived), len(numbers))
            self._arrived.difference_update(numbers)
        if not sent and not self._closing:
            raise UnreachableError(self.connection.fault or "the connection was lost")
        return sent

    def close(self) -> None:
        """Leave the broker."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.connection.close()

    def _confirmed(self, client: Any, data: Any, number: int, reason: Any, properties: Any) -> None:
        with self._changed:
            self._arrived.add(number)
            self._changed.notify_all()
