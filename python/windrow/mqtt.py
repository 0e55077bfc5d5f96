"""A connection to an MQTT broker that comes back by itself (paho-mqtt, extra `edge`).

Owns the network thread, TLS, who we are, and the waits between attempts. What arrives and what is sent is the source's
and the sink's business.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from windrow import tls
from windrow.backoff import Backoff
from windrow.config.mqtt import MqttLink
from windrow.config.option import nanoseconds
from windrow.errors import ConfigError
from windrow.secret import secret

__all__ = ["Connection", "address"]

log = logging.getLogger(__name__)

PORTS = {"mqtt": 1883, "mqtts": 8883}
#: How long a connection may take to be made.
DIAL_SECONDS = 10.0


def address(url: str) -> tuple[str, int, bool]:
    """Read `mqtt[s]://host[:port]`: host, port, whether it is TLS.

    Raises
    ------
    ConfigError
        It is something else; user and password have options of their own.

    Examples
    --------
    >>> address("mqtts://broker")
    ('broker', 8883, True)
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or parts.path.strip("/") or "@" in url:
        raise ConfigError(f"`url` must be mqtt://host:1883 or mqtts://host:8883, got {url!r}")
    return parts.hostname, port or PORTS[parts.scheme], parts.scheme == "mqtts"


class Connection:
    """One client of a broker.

    Parameters
    ----------
    link : MqttLink
        Where the broker is, who we are.
    role : str
        What the connection is for; part of the client's name unless that is given.
    subscribe : iterable of (str, int)
        Topic filters, with their quality of service.
    receive : callable, optional
        Called with each message, on the network thread.
    most_unacknowledged : int, optional
        Messages that the broker may send ahead of our acknowledgements, which `acknowledge` gives.
    """

    def __init__(
        self,
        link: MqttLink,
        role: str,
        *,
        subscribe: Iterable[tuple[str, int]] = (),
        receive: Callable[[MQTTMessage], None] | None = None,
        connected: Callable[[bool], None] | None = None,
        most_unacknowledged: int | None = None,
    ) -> None:
        self.link, self.role = link, role
        self.host, self.port, secure = address(link.url)
        #: Why there is no connection, in words; nothing where there is one.
        self.fault: str | None = "not yet connected"
        #: Set while connected.
        self.up = threading.Event()
        self._subscribe = list(subscribe)
        self._most, self._connected = most_unacknowledged, connected
        self._closing = threading.Event()
        self._refusal: str | None = None
        self._backoff = Backoff()
        self._tls: tls.Renewed | None = None
        self._five = link.version == "5"
        self._name = link.client_id or f"windrow-{socket.gethostname()}-{role}"
        lasting = most_unacknowledged is not None
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._name,
            protocol=MQTTProtocolVersion.MQTTv5 if self._five else MQTTProtocolVersion.MQTTv311,
            clean_session=None if self._five else not lasting,
            reconnect_on_failure=False,
            manual_ack=lasting,
        )
        self._lasting = lasting
        self.client.connect_timeout = DIAL_SECONDS
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        # Only the network thread writes: else the client lets each caller write what is queued, and two at once mix up
        # the order of messages, and halves of long ones.
        self.client.on_socket_register_write = lambda client, data, connection: None
        if receive is not None:
            self.client.on_message = lambda client, data, message: receive(message)
        self._identify()
        if secure:
            self._tls = tls.Renewed(link.ca, link.certificate, link.key)
            self.client.tls_set_context(self._tls.context)
        elif link.ca or link.certificate or link.key:
            raise ConfigError(f"`ca`, `certificate` and `key` go with mqtts://, got {link.url!r}")
        if link.status_topic:
            self.client.will_set(link.status_topic, "offline", qos=1, retain=True)
        self._thread = threading.Thread(target=self._work, name=f"mqtt-{role}", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def close(self, patience: float = 0.2) -> None:
        """Say goodbye, so that no last will is sent."""
        if self.link.status_topic and self.up.is_set():
            self.client.publish(self.link.status_topic, "offline", qos=0, retain=True)
        self._closing.set()
        if self._thread.is_alive():
            self.client.disconnect()
            self._thread.join(patience)

    @property
    def closing(self) -> bool:
        """Whether it is being closed."""
        return self._closing.is_set()

    def acknowledge(self, mid: int) -> None:
        """Tell the broker that a message need not be sent again."""
        self.client.ack(mid, 1)

    # ---- set-up

    def _identify(self) -> None:
        if self.link.user is not None:
            password = secret("the password for the broker", self.link.password_env, self.link.password_file)
            self.client.username_pw_set(self.link.user, password)

    # ---- the network thread

    def _work(self) -> None:
        while not self._closing.is_set():
            self._refusal = None
            try:
                self._dial()
                while not self._closing.is_set() and self.client.loop(1.0) is MQTTErrorCode.MQTT_ERR_SUCCESS:
                    pass
                reason = "the broker closed the connection"
            except (OSError, ValueError) as error:
                reason = _reason(error)
            if self._closing.is_set():
                break
            self._lost(self._refusal or reason)
            self._closing.wait(self._backoff.next())
        # What was asked to be sent last still goes; the goodbye, the last of all, closes the socket.
        until = time.monotonic() + 0.5
        while self.client.socket() is not None and time.monotonic() < until:
            if self.client.loop(0.05) is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                break

    def _dial(self) -> None:
        try:
            if self._tls is not None and self._tls.renew():
                log.info("certificates of %s were read anew", self._name)
        except ConfigError as error:
            # Files are replaced one after the other: the next attempt may find them fitting.
            log.warning("certificates of %s are as they were: %s", self._name, error)
        keepalive = max(1, nanoseconds(self.link.keepalive) // 1_000_000_000)
        if not self._five:
            self.client.connect(self.host, self.port, keepalive)
            return
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if self._lasting:
            wishes.SessionExpiryInterval = min(nanoseconds(self.link.session) // 1_000_000_000, 2**32 - 2)
            wishes.ReceiveMaximum = min(2 * (self._most or 1), 65_535)
        self.client.connect(self.host, self.port, keepalive, clean_start=not self._lasting, properties=wishes)

    def _on_connect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._refusal = f"the broker refuses us: {str(reason).lower()}"
            return
        self._backoff.reset()
        self.fault = None
        if self._connected is not None:
            self._connected(bool(flags.session_present))
        self.up.set()
        log.info("connected to %s as %s", self.link.url, self._name)
        if self._subscribe:
            # Retained messages are old news: with version 5 the broker keeps them where the session was there before.
            wanted: Any = (
                [(name, SubscribeOptions(qos=qos, retainHandling=1)) for name, qos in self._subscribe]
                if self._five
                else self._subscribe
            )
            client.subscribe(wanted)
        if self.link.status_topic:
            client.publish(self.link.status_topic, "online", qos=1, retain=True)

    def _on_disconnect(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.up.clear()
        if reason.is_failure and self._refusal is None:
            self._refusal = f"the connection was lost: {str(reason).lower()}"

    def _lost(self, reason: str) -> None:
        self.up.clear()
        if reason != self.fault:
            log.warning("no connection to %s: %s", self.link.url, reason)
        self.fault = reason


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return getattr(error, "strerror", None) or str(error)
