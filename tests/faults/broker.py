"""A mosquitto of the test's own on a free loopback port, with certificates made here where they are asked for."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

#: With its defaults mosquitto drops most of a burst: 1,000 messages wait for a client, 20 are under way.
LIMITS = """
max_queued_messages 0
max_inflight_messages 0
allow_anonymous true
persistence true
autosave_interval 1
log_dest none
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Broker:
    """A broker that can be stopped and started again with what it has kept."""

    def __init__(self, folder: Path, extra: str = "", *, tls: Certificates | None = None) -> None:
        self.program = shutil.which("mosquitto") or shutil.which(
            "mosquitto", path="/usr/sbin:/usr/local/sbin"
        )
        if self.program is None:
            pytest.skip("MOSQUITTO IS MISSING: no broker can be tested against (make tools installs it)")
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        listener = f"listener {self.port} 127.0.0.1\n"
        if tls is not None:
            listener += f"cafile {tls.ca}\ncertfile {tls.server}\nkeyfile {tls.server_key}\nrequire_certificate true\n"
        # A broker that was started by root gives that up; it must still write where the test may.
        limits = LIMITS.replace("max_inflight_messages 0\n", "") if "max_inflight" in extra else LIMITS
        text = f"{listener}{limits}user root\npersistence_location {folder}/\n{extra}"
        self.config = folder / "mosquitto.conf"
        self.config.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        assert self.program
        self._process = subprocess.Popen(
            [self.program, "-c", str(self.config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(400):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(f"mosquitto did not start: exit {self._process.poll()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


class Certificates:
    """An authority, a server's certificate for 127.0.0.1, and devices'."""

    def __init__(self, folder: Path, *, days: int = 1) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = "test authority"
        self.ca = self._write("ca", self._certificate(self._name, self._key, days=days, authority=True))
        self.server, self.server_key = self.device("server", address="127.0.0.1")

    def device(
        self,
        name: str,
        *,
        days: int = 1,
        begin: dt.timedelta = dt.timedelta(days=-2),
        address: str | None = None,
    ) -> tuple[Path, Path]:
        """A certificate and its key; with days below zero one that has expired, with a later begin one of tomorrow."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        path = self._write(name, self._certificate(name, key, days=days, begin=begin, address=address))
        secret = self.folder / f"{name}.key"
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path, secret

    def _certificate(self, name, key, *, days=1, begin=dt.timedelta(days=-2), address=None, authority=False):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import NameOID

        def named(text):
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(self._name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin)
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if address:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            made = made.add_extension(names, critical=False)
        if authority:
            usage = x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            )  # fmt: skip
            made = made.add_extension(usage, critical=True)
        return made.sign(self._key, hashes.SHA256())

    def _write(self, name, certificate) -> Path:
        from cryptography.hazmat.primitives import serialization

        path = self.folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path
