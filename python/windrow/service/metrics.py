"""`/healthz` and Prometheus `/metrics` on a loopback address (prometheus-client, extra `edge`).

Owns the HTTP endpoint and the metrics' names. Refuses any address but a loopback one: who wants these figures elsewhere
puts something in front that knows who may see them.
"""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from windrow.errors import ConfigError
from windrow.service.health import Health

__all__ = ["Endpoint", "address"]

#: A run that hasn't looked up for this long hangs.
STALE_SECONDS = 60.0


def address(text: str) -> tuple[str, int]:
    """Read a loopback address with its port.

    Examples
    --------
    >>> address("[::1]:9108")
    ('::1', 9108)
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(
            f"[service] `listen` must be a loopback address such as 127.0.0.1:9108, got {text!r}"
        )
    return host, int(port)


class Metrics:
    """The figures of a run as Prometheus wants them."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Any]:
        """All metrics, from the newest look."""
        figures = self._health.figures
        if "rows" not in figures:
            return
        rows = CounterMetricFamily(
            "windrow_rows", "Rows and unreadable messages, by what became of them", labels=["fate"]
        )
        for fate, count in figures["rows"].items():
            rows.add_metric([fate], count)
        yield rows
        yield CounterMetricFamily("windrow_windows", "Rows of windows that fired", value=figures["windows"])
        for name, what in (
            ("open_windows", "Windows that take rows"),
            ("series", "Series known"),
            ("lag_seconds", "Clock minus event time"),
            ("memory_bytes", "Memory in use"),
            ("uptime_seconds", "Seconds since the start"),
        ):
            if figures[name] is not None:
                yield GaugeMetricFamily(f"windrow_{name}", what, value=figures[name])
        if (spool := figures["spool"]) is not None:
            yield GaugeMetricFamily(
                "windrow_spool_messages", "Results that wait to be sent", value=spool["messages"]
            )
            yield GaugeMetricFamily("windrow_spool_bytes", "Their size", value=spool["bytes"])
            yield CounterMetricFamily("windrow_spool_dropped", "Results given up", value=spool["dropped"])
        if (checkpoint := figures["checkpoint"]) is not None:
            yield GaugeMetricFamily(
                "windrow_checkpoint_age_seconds", "Since the last", value=checkpoint["age_seconds"]
            )
            yield CounterMetricFamily(
                "windrow_checkpoint_written_bytes", "Written", value=checkpoint["written_bytes"]
            )
        yield GaugeMetricFamily("windrow_faults", "Things that are wrong now", value=len(figures["faults"]))
        last = GaugeMetricFamily(
            "windrow_last_message_seconds", "Camera time of the newest", labels=["source"]
        )
        for source, at in self._health.newest.items():
            last.add_metric([source], at)
        yield last


class Endpoint:
    """A small HTTP server in a thread of its own."""

    def __init__(self, listen: str, health: Health) -> None:
        registry = CollectorRegistry()
        registry.register(Metrics(health))

        class Handler(BaseHTTPRequestHandler):
            timeout = 5

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
                elif self.path == "/healthz":
                    hangs = time.monotonic() - health.looked > STALE_SECONDS
                    body = (
                        json.dumps(health.figures | ({"status": "hangs"} if hangs else {})).encode() + b"\n"
                    )
                    self._answer(503 if hangs else 200, "application/json", body)
                else:
                    self._answer(404, "text/plain", b"/healthz or /metrics\n")

            def _answer(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing: asking is no event."""

        host, port = address(listen)
        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            raise ConfigError(f"[service] `listen` {listen!r} can't be had: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Two at a time are enough for a collector and a curious person.
    request_queue_size = 2

    def __init__(self, place: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in place[0]:
            import socket

            self.address_family = socket.AF_INET6
        super().__init__(place, handler)
