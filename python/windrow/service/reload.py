"""Another config for a run that goes on: what of it can change, and the change, all of it or none.

Owns the list of options that may change while windows are open. The others are refused with what it takes to change
them: a restart that keeps the state, or one that begins anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from windrow.config.sections import Config, Section, nanoseconds
from windrow.errors import ConfigError
from windrow.stages import alarm, filters

if TYPE_CHECKING:
    from windrow.run import Run

__all__ = ["CHANGEABLE", "refused", "reload", "settle"]

#: What may change, by section; of `[alarm]`, `[[sink]]` and `[service]` all of it.
CHANGEABLE: dict[str, frozenset[str]] = {
    "source": frozenset({"max_leap"}),
    "window": frozenset(),
    "detect": frozenset({"filters"}),
    "state": frozenset({"interval", "spool_bytes", "spool_age"}),
}
_KEPT = "a restart of the service, which keeps its state"
_ANEW = "a restart with another `path` in [state]: what is in this one was made with the old setting"


def refused(before: Config, after: Config) -> Iterator[str]:
    """Name what can't change while it is in use, and what it takes to change it."""
    for name, free in CHANGEABLE.items():
        old, new = getattr(before, name), getattr(after, name)
        if type(old) is not type(new):
            yield _sentence(name, [], _KEPT if name in ("source", "state") else _ANEW)
            continue
        ways: dict[str, list[str]] = {}
        for option in _differing(old, new):
            # Which rows of the source count is in the windows' own state.
            anew = name in ("window", "detect") or (option == "where" and after.window is not None)
            if option not in free:
                ways.setdefault(_ANEW if anew else _KEPT, []).append(option)
        for way, options in ways.items():
            yield _sentence(name, options, way)
    if before.service is not None and after.service is None:
        yield _sentence("service", [], _KEPT)


def _sentence(section: str, options: list[str], way: str) -> str:
    what = "".join(f" `{option}`" for option in options[:1]) + "".join(f" and `{one}`" for one in options[1:])
    return f"[{section}]{what} can't change while the service runs: it takes {way}"


def reload(run: Run, config: Config) -> None:
    """Go on with another config.

    Raises
    ------
    ConfigError
        Something of it can't change now, or can't be had; nothing changed.
    """
    if problems := list(refused(run.config, config)):
        raise ConfigError("; ".join(problems))
    run.commit.make()
    with contextlib.ExitStack() as undo:
        if run.service is not None and config.service is not None:
            undo.callback(run.service.use, run.service.section)
            run.service.use(config.service)
        run.outgoing.use(config, quiet=run.quiet)
        undo.pop_all()
    # What follows was checked when the config was read, and can't fail.
    if run.detector is not None:
        settle(run.detector, config)
        run.commit.changed.add("detector")
    if run.clocks is not None:
        leap = getattr(config.source, "max_leap", None)
        run.clocks.bound = nanoseconds(leap) / 1e9 if leap else None
    if config.state is not None:
        if run.commit.interval is not None:
            run.commit.interval = nanoseconds(config.state.interval) / 1e9
        if run.commit.spool is not None:
            run.commit.spool.most_bytes = config.state.spool_bytes
            run.commit.spool.most_seconds = nanoseconds(config.state.spool_age) / 1e9
    run.config = config


def settle(detector: Any, config: Config) -> None:
    """Set in a detector what may change while it learns: when it speaks."""
    section = config.detect
    # Some filters go with some alarms only: neither is in the other's way.
    detector.filter()
    detector.watch(alarm(config.alarm, section))
    detector.filter(**filters(section.filters if section is not None else None))


def _differing(before: Section | None, after: Section | None) -> list[str]:
    if before is None or after is None:
        return []
    options = type(after).model_fields
    return [name for name in options if getattr(before, name) != getattr(after, name)]
