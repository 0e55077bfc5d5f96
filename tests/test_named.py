"""`windrow check` looks at what a config names: certificates, keys, secrets, programs."""

from __future__ import annotations

import contextlib
import datetime as dt

import pytest
from faults.broker import Certificates
from windrow import tls
from windrow.cli import main
from windrow.errors import ConfigError

SOURCE = """
[source]
kind = "mqtt"
url = "mqtts://127.0.0.1:1"
topics = ["cameras/{camera}"]
"""
REST = """
[window]
every = "1m"
by = ["camera"]
[[window.aggregate]]
name = "n"
count = true
"""
SINK = '[[sink]]\nkind = "mqtt"\nurl = "mqtts://127.0.0.1:1"\ntopic = "out"\nwhat = "windows"\n'
HOOK = '[[sink]]\nkind = "webhook"\nurl = "https://127.0.0.1/"\nwhat = "windows"\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def look(tmp_path, capsys):
    def check(text, *arguments):
        config = tmp_path / "config.toml"
        config.write_text(text, "utf-8")
        code = main(["check", str(config), *arguments])
        said = capsys.readouterr()
        return code, said.err

    return check


def lines(**options):
    return "".join(f'{name} = "{value}"\n' for name, value in options.items())


def test_what_is_right_passes(made, look, monkeypatch, tmp_path):
    certificate, key = made.device("right", days=90)
    authority = Certificates(tmp_path / "lasting", days=90).ca
    monkeypatch.setenv("WINDROW_TEST_PASSWORD", "p")
    (tmp_path / "token").write_text("t")
    whole = lines(
        ca=authority, certificate=certificate, key=key, user="u", password_env="WINDROW_TEST_PASSWORD"
    )
    sink = SINK + lines(ca=authority, user="u", password_file=tmp_path / "token")
    hook = HOOK + lines(ca=authority, token_file=tmp_path / "token", secret_env="WINDROW_TEST_PASSWORD")
    program = '[[sink]]\nkind = "command"\ncommand = ["true"]\nwhat = "windows"\n'
    assert look(SOURCE + whole + REST + sink + hook + program) == (0, "")


def test_what_is_wrong_is_named_with_its_section_and_line(made, look, monkeypatch, tmp_path):
    certificate, key = made.device("one")
    _, other_key = made.device("other")
    old, old_key = made.device("old", days=-1)
    young, young_key = made.device("young", begin=dt.timedelta(days=1), days=5)
    (tmp_path / "text").write_text("no certificate")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "locked").mkdir()
    monkeypatch.delenv("NO_SUCH", raising=False)
    monkeypatch.setenv("BLANK", "")
    day = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    for given, words in (
        ({"ca": "/no/such.pem"}, "line 6: [source] `ca` `/no/such.pem` can't be read: No such file"),
        ({"ca": tmp_path / "locked"}, f"line 6: [source] `ca` `{tmp_path}/locked` can't be read: Is a directory"),
        ({"ca": tmp_path / "text"}, f"[source] `ca` `{tmp_path}/text` must hold certificates in PEM"),
        ({"certificate": certificate, "key": other_key},
         f"line 7: [source] `key` `{other_key}` is not the key of `certificate` `{certificate}`"),
        ({"certificate": certificate, "key": "/no/such.key"}, "line 7: [source] `key` `/no/such.key` can't be read"),
        ({"certificate": certificate, "key": tmp_path / "text"}, f"`key` `{tmp_path}/text` must hold a private key"),
        ({"certificate": certificate}, f"`key` `{certificate}` must hold a private key in PEM"),
        ({"certificate": tmp_path / "text", "key": key}, f"`certificate` `{tmp_path}/text` must be a certificate"),
        ({"certificate": old, "key": old_key},
         f"line 6: [source] `certificate` `{old}` has expired: it was valid until {day:%Y-%m-%d}"),
        ({"certificate": young, "key": young_key}, f"[source] `certificate` `{young}` is not valid before "),
        ({"user": "u", "password_env": "NO_SUCH"},
         "line 7: [source] `password_env`: the environment variable `NO_SUCH` is not set"),
        ({"user": "u", "password_env": "BLANK"}, "[source] `password_env`: what `BLANK` holds is empty"),
        ({"user": "u", "password_file": "/no/such"}, "[source] `password_file`: `/no/such` can't be read"),
        ({"user": "u", "password_file": tmp_path / "empty"}, "empty` holds is empty"),
    ):  # fmt: skip
        code, said = look(SOURCE + lines(**given) + REST)
        assert (code, words in said) == (2, True), said
        assert look(SOURCE + lines(**given) + REST, "--elsewhere") == (0, "")


def test_each_sink_is_looked_at_and_all_is_said_at_once(made, look):
    old, old_key = made.device("old", days=-1)
    sinks = (
        SINK + lines(certificate=old, key=old_key)
        + HOOK + lines(ca="/no/ca", token_env="NO_TOKEN")
        + '[[sink]]\nkind = "command"\ncommand = ["/no/program"]\nwhat = "windows"\n'
    )  # fmt: skip
    code, said = look(SOURCE + lines(ca="/no/other") + REST + sinks)
    assert code == 2
    for words in (
        "[source] `ca` `/no/other`", "[[sink]] 1 `certificate`", "has expired", "[[sink]] 2 `ca` `/no/ca`",
        "[[sink]] 2 `token_env`: the environment variable `NO_TOKEN` is not set",
        "[[sink]] 3 `command`: there is no program `/no/program`",
    ):  # fmt: skip
        assert words in said


def test_an_encrypted_key_is_refused_and_nobody_asked(made, look, tmp_path):
    from cryptography.hazmat.primitives import serialization

    certificate, key = made.device("secret")
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    code, said = look(SOURCE + lines(certificate=certificate, key=locked) + REST)
    assert (code, "[source] `key` must not be encrypted" in said) == (2, True), said


def test_what_ends_soon_is_noted(made, look):
    certificate, key = made.device("short", days=10)
    code, said = look(SOURCE + lines(certificate=certificate, key=key) + REST)
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=10)
    assert code == 0
    assert f"note: line 6: [source] `certificate` is valid until {ends:%Y-%m-%d}" in said


def test_a_pipe_that_is_a_service_is_noted(look):
    code, said = look('[source]\nkind = "stdin"\n' + REST + "[service]\n")
    assert code == 0
    assert "note: line 2: [source] what a pipe has given can't be asked for again" in said
    assert "`follow = true`" in said
    assert look('[source]\nkind = "stdin"\n' + REST) == (0, "")


def test_validity_is_that_of_the_certificate(made, tmp_path):
    from cryptography import x509

    chain = tmp_path / "chain.pem"
    chain.write_bytes(made.device("a", days=40)[0].read_bytes() + b"between\n" + made.ca.read_bytes())
    found = tls.validity("certificate", str(chain))
    known = x509.load_pem_x509_certificates(chain.read_bytes())
    assert found == [(one.not_valid_before_utc, one.not_valid_after_utc) for one in known]
    far = tmp_path / "far.pem"
    far.write_bytes(made.device("far", days=60 * 365)[0].read_bytes())
    assert (
        tls.validity("ca", str(far))[0][1]
        == x509.load_pem_x509_certificate(far.read_bytes()).not_valid_after_utc
    )
    whole = chain.read_bytes()
    for cut in range(60, 400, 7):
        broken = whole[:cut] + whole[cut + 4 : whole.index(b"-----END") + 26]
        chain.write_bytes(broken)
        # Whatever stands there, it is understood or refused in words.
        with contextlib.suppress(ConfigError):
            assert len(tls.validity("certificate", str(chain))) >= 1
