"""What a config names beside itself, looked at where it will be used: certificates, keys, secrets, programs.

Owns the looking and its wording; what is wrong keeps the pipeline from running, or soon would. `notes` are things that
are right and may yet not be meant.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator

from windrow import tls
from windrow.config.problem import Place, Problem, where
from windrow.config.sections import CommandSink, Config, Section, StdinSource
from windrow.errors import ConfigError
from windrow.secret import secret

__all__ = ["named", "notes"]

#: A certificate that ends within this time is told of.
SOON = dt.timedelta(days=30)
_SECRETS = ("password", "secret", "token")


def named(config: Config) -> Iterator[Problem]:
    """Look at everything that a config names, and say what is wrong with it."""
    for place, section in _sections(config):
        yield from _certificates(place, section)
        for what in _SECRETS:
            yield from _secret(place, section, what)
        if isinstance(section, CommandSink) and shutil.which(section.command[0]) is None:
            text = f"{where(place)} `command`: there is no program `{section.command[0]}` that can be run"
            yield Problem((*place, "command"), text)


def notes(config: Config) -> Iterator[Problem]:
    """Say what is right and may yet not be meant."""
    if isinstance(config.source, StdinSource) and (config.service is not None or config.state is not None):
        yield Problem(
            ("source", "kind"),
            "[source] what a pipe has given can't be asked for again: a kill or a power cut loses what came since the "
            'last checkpoint. Where that matters take `kind = "mqtt"`, or `kind = "file"` with `follow = true`',
        )
    for place, section in _sections(config):
        for option in ("ca", "certificate"):
            ends = _ends(option, getattr(section, option, None))
            if ends is not None and _now() <= ends < _now() + SOON:
                yield Problem((*place, option), f"{where(place)} `{option}` is valid until {_day(ends)} only")


def _sections(config: Config) -> Iterator[tuple[Place, Section]]:
    yield ("source",), config.source
    for at, sink in enumerate(config.sink):
        yield ("sink", at), sink


def _certificates(place: Place, section: Section) -> Iterator[Problem]:
    ca, certificate, key = (getattr(section, name, None) for name in ("ca", "certificate", "key"))
    if ca is None and certificate is None:
        return
    try:
        tls.context(ca, certificate, key)
        for option, path in (("ca", ca), ("certificate", certificate)):
            yield from _dates(place, option, path)
    except ConfigError as error:
        option = str(error).split("`")[1]
        yield Problem((*place, option), f"{where(place)} {error}")


def _dates(place: Place, option: str, path: str | None) -> Iterator[Problem]:
    if path is None:
        return
    begin = min(begin for begin, _ in _validities(option, path))
    ends = _ends(option, path)
    said = f"{where(place)} `{option}` `{path}`"
    if ends is not None and ends < _now():
        yield Problem((*place, option), f"{said} has expired: it was valid until {_day(ends)}")
    elif begin > _now():
        text = f"{said} is not valid before {_day(begin)}, and this machine's clock says {_day(_now())}"
        yield Problem((*place, option), text)


def _validities(option: str, path: str) -> list[tuple[dt.datetime, dt.datetime]]:
    found = tls.validity(option, path)
    # Our own certificate comes first, then those that vouch for it; of authorities each may do.
    return found[:1] if option == "certificate" else found


def _ends(option: str, path: str | None) -> dt.datetime | None:
    """When a file's certificates are of no more use; nothing where there are none."""
    if path is None:
        return None
    try:
        return max(end for _, end in _validities(option, path))
    except ConfigError:
        return None


def _secret(place: Place, section: Section, what: str) -> Iterator[Problem]:
    for option in (f"{what}_env", f"{what}_file"):
        name = getattr(section, option, None)
        if name is None:
            continue
        try:
            found = secret(f"`{option}`", *((name, None) if option.endswith("_env") else (None, name)))
        except ConfigError as error:
            yield Problem((*place, option), f"{where(place)} {error}")
            continue
        if not found:
            yield Problem((*place, option), f"{where(place)} `{option}`: what `{name}` holds is empty")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _day(time: dt.datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
