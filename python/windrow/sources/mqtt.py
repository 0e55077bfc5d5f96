"""Messages of an MQTT broker.

Owns what is received and not yet safe. A message is acknowledged when the engine's state that holds it is on disk;
what the broker then sends once more, because the power went or the link broke, is known by its number and content,
kept in the checkpoint, and not read twice. A full queue stops the reading, and so the broker.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import MQTTMessage

from windrow.config.option import nanoseconds
from windrow.config.sections import MqttSource, Unit
from windrow.mqtt import Connection
from windrow.sources.lines import decoder
from windrow.sources.payload import beside, known, one_line
from windrow.sources.piece import Alive, Messages, Needs
from windrow.stopping import Stop
from windrow.topic import Topic

__all__ = ["Mqtt"]

#: Received and not yet taken by the engine: beyond this the network has to wait.
MOST_BYTES = 8 << 20
#: Cameras whose word of life waits for the engine.
MOST_LIVES = 10_000
#: Bytes handed to the engine at once.
PIECE_BYTES = 1 << 20
#: A broker that sends no more after some messages may be waiting for acknowledgements.
QUIET_SECONDS, QUIET_MESSAGES = 0.5, 10


@dataclass
class _Known:
    """A message that was received, until the broker surely knows that we have it."""

    number: int
    #: Which connection it last came over.
    connection: int
    #: Whether the engine's state on disk holds it.
    safe: bool = False
    #: When it was acknowledged on that connection; none where it wasn't.
    acknowledged: float | None = None


class Mqtt:
    """Messages, as they come; ends when asked to."""

    live = True
    name = "source"
    total: int | None = None
    time_unit: Unit = "ns"

    def __init__(
        self,
        source: MqttSource,
        needs: Needs,
        stop: Stop,
        position: Mapping[str, Any] | None = None,
        tick: float = 0.25,
    ) -> None:
        self.decoder = decoder(source)
        self.unreadable = 0
        self.done = 0
        #: Retained messages that were left out: they were news before we came.
        self.stale = 0
        self._source, self._stop, self._tick = source, stop, tick
        self._topics = [Topic(template) for template in source.topics]
        self._alive = [Topic(template) for template in source.alive]
        #: The columns that messages have besides their own.
        self._beside = beside(self._topics, needs.columns)
        self._forget_seconds = 2 * nanoseconds(source.keepalive) / 1e9
        self._changed = threading.Condition()
        self._queue: deque[tuple[str | None, dict[str, str], bytes, int]] = deque()
        self._queued = 0
        self._lives: dict[str, None] = {}
        self._known: OrderedDict[str, _Known] = OrderedDict()
        #: Keys of messages that the engine has, but no state on disk.
        self._taken: list[str] = []
        self._last = 0.0
        self._number, self._since = 0, time.monotonic()
        for key in (position or {}).get("messages", ()):
            self._known[key] = _Known(int(key.partition(":")[0]), 0, safe=True)
        share = f"$share/{source.share}/" if source.share else ""
        self.connection = Connection(
            source,
            "source",
            subscribe=[
                *((share + topic.filter, source.qos) for topic in self._topics),
                *((topic.filter, 0) for topic in self._alive),
            ],
            receive=self._receive,
            connected=self._connected,
            most_unacknowledged=source.max_unacknowledged,
        )

    def __iter__(self) -> Iterator[Any]:
        """Pieces; `None` where nothing came for a while."""
        self.connection.start()
        while not self._stop.requested:
            with self._changed:
                if not self._queue and not self._lives:
                    self._changed.wait(self._tick)
                keys, messages = self._take()
                lives = self._living()
            yield from lives
            if messages is None and not lives:
                yield None
            self._taken += keys
            if messages is not None:
                self.done += len(messages.lines)
                yield messages

    def close(self) -> None:
        """Leave the broker, which keeps what we haven't acknowledged."""
        with self._changed:
            # A network thread that waits for room must see the end.
            self._queued = 0
            self._changed.notify_all()
        self.connection.close()

    @property
    def fault(self) -> str | None:
        """Why there is no connection; nothing where there is one."""
        return self.connection.fault

    # ---- what is safe

    @property
    def pressing(self) -> bool:
        """Whether the broker may be waiting for acknowledgements."""
        waiting = len(self._taken)
        quiet = time.monotonic() - self._last > QUIET_SECONDS
        return waiting >= self._source.max_unacknowledged or (waiting >= QUIET_MESSAGES and quiet)

    def position(self) -> dict[str, Any]:
        """Name the messages that the engine's state holds and that the broker might send once more."""
        with self._changed:
            taken = set(self._taken)
            return {
                "kind": "mqtt",
                "messages": [key for key, one in self._known.items() if one.safe or key in taken],
            }

    def committed(self) -> None:
        """Acknowledge what is safe now, and forget what the broker surely knows."""
        with self._changed:
            now = time.monotonic()
            for key in self._taken:
                if (one := self._known.get(key)) is not None:
                    one.safe = True
                    self._acknowledge(one, now)
            self._taken.clear()
            if not self.connection.up.is_set():
                return
            for key in [key for key, one in self._known.items() if one.safe and self._settled(one, now)]:
                del self._known[key]

    def _settled(self, one: _Known, now: float) -> bool:
        """Tell whether the connection has lived on for so long that what was sent over it arrived."""
        begun = self._since if one.acknowledged is None else one.acknowledged
        return now - max(begun, self._since) > self._forget_seconds

    def _acknowledge(self, one: _Known, now: float) -> None:
        # A number means something within its connection only: elsewhere it may be another message's.
        if one.connection == self._number and self.connection.up.is_set():
            self.connection.acknowledge(one.number)
            one.acknowledged = now

    # ---- the network thread

    def _connected(self, session: bool) -> None:
        with self._changed:
            self._number += 1
            self._since = time.monotonic()
            for one in self._known.values():
                one.acknowledged = None
            if not session:
                # The broker has forgotten us: nothing of before comes again.
                for key in [key for key, one in self._known.items() if one.safe]:
                    del self._known[key]

    def _receive(self, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        received = bytes(message.payload)
        if any((lives := one.columns(topic)) is not None for one in self._alive):
            self._heard(lives or {}, message)
            return
        columns = next((found for one in self._topics if (found := one.columns(topic)) is not None), {})
        with self._changed:
            self._last = time.monotonic()
            key = None
            if message.qos:
                key = f"{message.mid}:{_digest(topic, received)}"
                known = self._known.get(key)
                if known is not None and message.dup:
                    known.connection = self._number
                    if known.safe:
                        self._acknowledge(known, self._last)
                    return
                self._known[key] = _Known(message.mid, self._number)
                self._known.move_to_end(key)
            if message.retain:
                self.stale += 1
                payload = b""
            else:
                payload = one_line(received, self._source.decoder, self._source.max_message_bytes)
            while self._queued > MOST_BYTES and not self.connection.closing:
                self._changed.wait(1.0)
            self._queue.append((key, columns, payload, time.time_ns()))
            self._queued += len(payload) + 1
            self._changed.notify_all()

    def _heard(self, columns: dict[str, str], message: MQTTMessage) -> None:
        """Note that a camera lives; what the broker kept was true at another time."""
        source, word = columns.get("camera"), bytes(message.payload).strip().lower()
        if source is not None and not message.retain and word not in (b"", b"offline", b"0", b"false"):
            with self._changed:
                self._lives[source] = None
                while len(self._lives) > MOST_LIVES:
                    self._lives.pop(next(iter(self._lives)))
                self._changed.notify_all()

    def _living(self) -> list[Alive]:
        lives = [Alive(source) for source in self._lives]
        self._lives.clear()
        return lives

    def _take(self) -> tuple[list[str], Messages | None]:
        """Take what is queued: the keys of messages, and their lines, if they have any."""
        keys: list[str] = []
        lines: list[tuple[bytes, dict[str, Any]]] = []
        size = 0
        while self._queue and size < PIECE_BYTES:
            key, columns, payload, arrival = self._queue.popleft()
            size += len(payload) + 1
            if key is not None:
                keys.append(key)
            if payload:
                told = known(self._beside, columns, arrival)
                lines += [(line, told) for line in payload.split(b"\n")]
        self._queued -= size
        self._changed.notify_all()
        return keys, Messages.of(lines, self._beside) if lines else None


def _digest(topic: str, payload: bytes) -> str:
    return hashlib.blake2b(topic.encode() + b"\0" + payload, digest_size=6).hexdigest()
