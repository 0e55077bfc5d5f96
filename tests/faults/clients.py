"""Clients of a broker, as many as a test needs, closed when it ends."""

from __future__ import annotations

import json
import threading

import paho.mqtt.client as paho
import pytest

_OPEN: list[paho.Client] = []


def client(broker, name, **given) -> paho.Client:
    """A client that is connected, and takes any number of messages at once."""
    made = paho.Client(paho.CallbackAPIVersion.VERSION2, name, **given)
    made.max_queued_messages_set(0)
    made.max_inflight_messages_set(1000)
    up = threading.Event()
    made.on_connect = lambda *_: up.set()
    made.connect_async("127.0.0.1", broker.port)
    made.loop_start()
    _OPEN.append(made)
    assert up.wait(15)
    return made


def listen(broker, topic, name="listener", take=json.loads) -> list:
    """What comes by a topic, read by `take`; also after the broker was away."""
    heard: list = []
    ready = threading.Event()
    made = client(broker, name, clean_session=False)
    made.on_message = lambda client, data, message: heard.append(take(message.payload))
    made.on_subscribe = lambda *_: ready.set()
    # A broker that forgot us is asked again.
    made.on_connect = lambda client, *_: client.subscribe(topic, 1)
    made.subscribe(topic, 1)
    assert ready.wait(10)
    return heard


@pytest.fixture(autouse=True)
def closed():
    """To be named in each module that opens clients."""
    yield
    while _OPEN:
        made = _OPEN.pop()
        made.disconnect()
        made.loop_stop()
        made._reset_sockets()  # paho leaves closing its pair of sockets to the collector
        del made
