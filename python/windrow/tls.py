"""Certificates and keys for TLS, as files that a config names.

Owns how they are read, also when others take their place, and what is said where one can't be. No more of a certificate
is understood than when it is valid; whether it is trusted is OpenSSL's to say.
"""

from __future__ import annotations

import datetime as dt
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

from windrow.errors import ConfigError

__all__ = ["Renewed", "context", "validity"]

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
#: Tags of ASN.1.
_VERSION, _UTC_TIME, _TIME = 0xA0, 0x17, 0x18


def context(ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """Make ready for a connection that trusts `ca` (the system's authorities without one), and who we are on it.

    Raises
    ------
    ConfigError
        A file can't be read, or isn't what it has to be; the message names its option.
    """
    for option, path in (("ca", ca), ("certificate", certificate), ("key", key)):
        if path is not None:
            _read(option, path)
    try:
        made = ssl.create_default_context(cafile=ca)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"`ca` `{ca}` must hold certificates in PEM: {_words(error)}") from error
    if certificate is None:
        return made
    try:
        made.load_cert_chain(certificate, key, password=_refuse)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"`key` `{key}` is not the key of `certificate` `{certificate}`") from error
        if not _PEM.search(_read("certificate", certificate)):
            raise ConfigError(f"`certificate` `{certificate}` must be a certificate in PEM") from error
        raise ConfigError(
            f"`key` `{key or certificate}` must hold a private key in PEM: {_words(error)}"
        ) from error
    return made


class Renewed:
    """A context that follows its files: a certificate that is renewed on disk is ours from the next connection on.

    Parameters
    ----------
    ca, certificate, key : str or None
        As of `context`.

    Attributes
    ----------
    context : ssl.SSLContext
        The same object throughout.
    """

    def __init__(self, ca: str | None, certificate: str | None, key: str | None) -> None:
        self._files = ca, certificate, key
        self._seen = self._stamps()
        self.context = context(ca, certificate, key)

    def renew(self) -> bool:
        """Read the files again if they have changed; whether they had.

        Raises
        ------
        ConfigError
            They can't be used, or don't fit yet; what was read before still counts.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        ca, certificate, key = self._files
        # What doesn't fit must not spoil what does.
        context(ca, certificate, key)
        if ca is not None:
            self.context.load_verify_locations(ca)
        if certificate is not None:
            self.context.load_cert_chain(certificate, key, password=_refuse)
        self._seen = stamps
        return True

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [None if path is None else _stamp(path) for path in self._files]


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def validity(option: str, path: str) -> list[tuple[dt.datetime, dt.datetime]]:
    """Read from when to when the certificates in a file are valid.

    Raises
    ------
    ConfigError
        It can't be read, or holds none.
    """
    found = []
    for block in _PEM.findall(_read(option, path)):
        try:
            found.append(_validity(ssl.PEM_cert_to_DER_cert(block.decode("ascii"))))
        except (ValueError, IndexError, StopIteration) as error:
            raise ConfigError(f"`{option}` `{path}` holds a certificate that can't be read") from error
    if not found:
        raise ConfigError(f"`{option}` `{path}` must hold certificates in PEM, got none")
    return found


def _read(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"`{option}` `{path}` can't be read: {error.strerror}") from error


def _refuse() -> str:
    # OpenSSL would ask at the terminal, where nobody sits.
    raise ConfigError("`key` must not be encrypted: a service has nobody to ask for the password")


def _words(error: OSError) -> str:
    return (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()


# ---- ASN.1


def _validity(certificate: bytes) -> tuple[dt.datetime, dt.datetime]:
    """Find the validity: after the version, which may be left out, the number, the algorithm and the issuer."""
    _, whole = next(_parts(certificate))
    _, signed = next(_parts(whole))
    fields = [content for tag, content in _parts(signed) if tag != _VERSION]
    begin, end = (_time(tag, content) for tag, content in _parts(fields[3]))
    return begin, end


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the elements that stand one after the other: tag and content."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise ValueError("an element is longer than what holds it")
        yield tag, data[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> dt.datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        # Two digits of the year: 50 to 99 are of the last century.
        text = ("20" if text < "50" else "19") + text
    elif tag != _TIME:
        raise ValueError("a time was expected")
    return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.UTC)
