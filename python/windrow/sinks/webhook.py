"""Results as POST requests (urllib3, extra `edge`).

Owns the headers: `Idempotency-Key` names the result, the same however often it is sent; `Windrow-Signature` is
`t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>">`, so that whoever knows the secret can tell that it is from us, and
when it was sent. Redirects are not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3

from windrow import tls
from windrow.config.option import nanoseconds
from windrow.config.sections import WebhookSink
from windrow.errors import ConfigError
from windrow.secret import secret
from windrow.sinks.spooled import RefusedError, UnreachableError
from windrow.state.spool import Message

__all__ = ["Webhook", "signature"]

log = logging.getLogger(__name__)

#: Answers that may be others later.
LATER = frozenset({408, 425, 429})
#: The longest wait that an answer may ask for.
MOST_WAIT_SECONDS = 3600.0


def signature(secret: str, body: bytes, seconds: int) -> str:
    """Sign a body as sent at a time.

    Examples
    --------
    >>> signature("key", b"{}", 0)[:17]
    't=0,v1=7314351dd9'
    """
    made = hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256)
    return f"t={seconds},v1={made.hexdigest()}"


class Webhook:
    """Posts one result after the other."""

    def __init__(self, sink: WebhookSink) -> None:
        self._sink = sink
        self._secret = secret("the secret of the webhook", sink.secret_env, sink.secret_file)
        token = secret("the token of the webhook", sink.token_env, sink.token_file)
        self._headers = {"Content-Type": "application/json", "User-Agent": "windrow"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._tls = tls.Renewed(sink.ca, None, None)
        self._pool = urllib3.PoolManager(
            ssl_context=self._tls.context,
            timeout=nanoseconds(sink.timeout) / 1e9,
            retries=False,
            maxsize=1,
        )
        self._closing = False

    def send(self, messages: Sequence[tuple[Message, Mapping[str, Any]]]) -> int:
        """Post in order, until one doesn't arrive."""
        self._renew()
        sent = 0
        for message, _ in messages:
            if self._closing:
                break
            try:
                self._post(message)
            except (UnreachableError, RefusedError) as error:
                error.sent = sent
                raise
            sent += 1
        return sent

    def close(self) -> None:
        """Let go of connections."""
        self._closing = True
        self._pool.clear()

    def _renew(self) -> None:
        """Trust the authorities that the file names by now."""
        try:
            if self._tls.renew():
                log.info("authorities for %s were read anew", self._sink.url)
        except ConfigError as error:
            log.warning("authorities for %s are as they were: %s", self._sink.url, error)

    def _post(self, message: Message) -> None:
        body = message.body.encode()
        headers = {**self._headers, "Idempotency-Key": message.id}
        if self._secret is not None:
            headers["Windrow-Signature"] = signature(self._secret, body, int(time.time()))
        try:
            answer = self._pool.request("POST", self._sink.url, body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(f"{self._sink.url}: {error}") from error
        if 200 <= answer.status < 300:
            return
        text = f"{self._sink.url} answers {answer.status}"
        if answer.status in LATER or answer.status >= 500:
            asked = answer.headers.get("Retry-After", "")
            wait = min(float(asked), MOST_WAIT_SECONDS) if asked.isdecimal() else None
            raise UnreachableError(text, wait)
        raise RefusedError(text)
