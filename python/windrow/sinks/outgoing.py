"""What leaves a run: the open sinks, and which result goes to which of them in which form.

Owns the opening of a config's sinks, all of them or none, also in place of others while the run goes on; those that
stay keep their connections and what they hold. An alert's message is told once, to the sinks that asked for that form.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

from windrow.config.sections import Config, StdoutSink
from windrow.lookout import Lookout
from windrow.sinks.choose import LOCAL, open_sink
from windrow.sinks.file import File
from windrow.sinks.lines import Sink
from windrow.sinks.spooled import Spooled
from windrow.sources.piece import Linked
from windrow.state.commit import Commit
from windrow.state.message_id import of_group
from windrow.state.spool import open_spool

__all__ = ["Outgoing"]


class Outgoing:
    """The sinks of one run.

    Parameters
    ----------
    commit : Commit
        Who makes safe what they hold.
    time : str
        The column that stands for a window's time.
    zone : str or None
        The zone of the times in alerts.
    default : str
        What goes to standard output where a config has no sink.
    """

    def __init__(self, commit: Commit, *, time: str, zone: str | None, default: str) -> None:
        self.sinks: list[Sink] = []
        self._commit, self._time, self._zone, self._default = commit, time, zone, default
        self._opened: list[tuple[Any, Sink]] = []
        #: What was sent as an alert, by the alert's name.
        self._alerts: dict[str, Lookout] = {}

    def use(self, config: Config, *, quiet: bool) -> None:
        """Open the sinks of a config that aren't open yet, all of them or none, and close the others.

        Raises
        ------
        ConfigError
            One can't be opened; those that were open still are.
        """
        spool = self._commit.spool
        sections = config.sink or [StdoutSink.model_validate({"kind": "stdout", "what": self._default})]
        sections = [one for one in sections if not (quiet and isinstance(one, StdoutSink))]
        known = list(self._opened)
        with contextlib.ExitStack() as undo:
            if spool is None and any(not isinstance(section, LOCAL) for section in sections):
                spool = open_spool(config.state, self._commit.store)
                undo.callback(spool.close)
            opened: list[tuple[Any, Sink]] = []
            for section in sections:
                at = next((at for at, (one, _) in enumerate(known) if one == section), None)
                if at is not None:
                    opened.append(known.pop(at))
                    continue
                sink = open_sink(section, spool, self._time)
                undo.callback(sink.close)
                opened.append((section, sink))
            undo.pop_all()
        before, self._opened = self.sinks, opened
        self.sinks = [sink for _, sink in opened]
        self._commit.sinks, self._commit.spool = self.sinks, spool
        for sink in before:
            if sink not in self.sinks:
                sink.close()

    def forget_others(self) -> None:
        """Give up what waits for sinks that there are no more."""
        if self._commit.spool is not None:
            self._commit.spool.keep_only([sink.name for sink in self.sinks if isinstance(sink, Spooled)])

    def wants(self, what: str) -> bool:
        """Whether any sink takes results of a kind."""
        return any(sink.what == what for sink in self.sinks)

    def write(self, what: str, rows: Iterable[Any]) -> None:
        """Write results to the sinks that take their kind."""
        wanted = [sink for sink in self.sinks if sink.what == what]
        if not wanted:
            return
        rows = list(rows) if len(wanted) > 1 else rows
        for sink in wanted:
            sink.write(rows)
        self._spill()

    def tell_of(self, groups: list[dict[str, Any]]) -> None:
        """Write groups, to each sink in its form."""
        rows: list[Mapping[str, Any]] = [{"message_id": of_group(row), **row} for row in groups]
        for section, sink in self._opened:
            if sink.what != "groups":
                continue
            if getattr(section, "format", None) == "lookout":
                alerts = self._alerts.setdefault(section.alert, Lookout(section.alert, self._zone))
                sink.write(list(alerts.messages(groups)))
            else:
                sink.write(rows)
        self._spill()

    def _spill(self) -> None:
        # Input that is read once has no checkpoint before its end.
        if self._commit.interval is None:
            self._commit.spill()

    @property
    def linked(self) -> list[Linked]:
        """Those that go over a network."""
        return [sink for sink in self.sinks if isinstance(sink, Linked)]

    @property
    def fault(self) -> str | None:
        """Why a file on this device isn't written; nothing where it is."""
        return next((one.fault for one in self.sinks if isinstance(one, File) and one.fault), None)

    def close(self) -> None:
        """Close them all."""
        for sink in self.sinks:
            sink.close()
