"""What a source and a sink have to say alike about an MQTT broker."""

from __future__ import annotations

from typing import Literal

from windrow.config.option import Name, Positive, Section, option

__all__ = ["MqttLink"]


class MqttLink(Section):
    """How to reach a broker, and who we are to it."""

    url: Name = option(
        ..., "the broker: mqtt://host:1883, or mqtts://host:8883 for TLS", "mqtts://broker:8883"
    )
    version: Literal["3.1.1", "5"] = option("5", "of the protocol")
    client_id: Name | None = option(
        None,
        "the name of our session at the broker, one for each client; made of the host's unless given",
        "gate-7",
    )
    session: Positive = option("7d", "how long the broker keeps our session while we are away (5 only)")
    keepalive: Positive = option("30s", "a broker silent for this long is gone")
    user: Name | None = option(None, "the user's name", "windrow")
    password_env: Name | None = option(
        None, "the environment variable that holds the password", "WINDROW_MQTT_PASSWORD"
    )
    password_file: Name | None = option(None, "or the file that holds it", "/etc/windrow/mqtt.password")
    ca: Name | None = option(
        None, "TLS: a file of certificates to trust; the system's unless given", "/etc/windrow/ca.pem"
    )
    certificate: Name | None = option(None, "mutual TLS: our certificate, a file", "/etc/windrow/device.pem")
    key: Name | None = option(None, "mutual TLS: its key, a file", "/etc/windrow/device.key")
    status_topic: Name | None = option(
        None,
        "a retained online or offline is kept here, the latter by our last will",
        "windrow/gate-7/status",
    )
