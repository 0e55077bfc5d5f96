"""One run of a pipeline: the stages, and what passes through them.

Owns the order of things: what is read is windowed, what fires is judged, what is found is written before more is
read, and made safe when it is time. Decides nothing about data; the engine does.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import windrow as wr
from windrow.clocks import Clocks
from windrow.config.sections import Config, nanoseconds
from windrow.device_clock import DeviceClock
from windrow.service.reload import reload, settle
from windrow.service.service import Service
from windrow.sinks.outgoing import Outgoing
from windrow.sources import Alive, Linked, Messages, Needs, Resumable, Source, open_source
from windrow.stages import detect_keys, detector, model, onnx, window_keys, windows
from windrow.state.commit import Commit
from windrow.state.message_id import of_event, of_verdict, of_window
from windrow.state.store import Store
from windrow.stopping import Stop

__all__ = ["History", "Outcome", "Progress", "Run"]

log = logging.getLogger(__name__)

Progress = Callable[[int, "int | None"], None]
#: Seconds that unsent results get at the end: a service is to end within one, a single run may take its time.
PATIENCE_LIVE, PATIENCE = 0.4, 10.0
#: Events, and groups, of live input that an outcome remembers.
MOST_EVENTS = 1_000


@dataclass
class Outcome:
    """What a run came to.

    Attributes
    ----------
    read, counted, late, rejected : int
        Rows; `counted + late + rejected = read`.
    unreadable : int
        Lines and values of which nothing could be made (a line among them was never a row).
    windows : int
        Rows of windows that fired.
    judged : int
        Verdicts of the detector.
    events : dict of str to dict
        Events by their id, each in its newest form.
    groups : dict of str to dict
        Groups of them, likewise.
    interrupted : bool
        Whether the run was ended from outside.
    """

    read: int = 0
    counted: int = 0
    late: int = 0
    rejected: int = 0
    unreadable: int = 0
    windows: int = 0
    judged: int = 0
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    interrupted: bool = False


@dataclass
class History:
    """All that a report shows, kept only for one."""

    windows: list[Any] = field(default_factory=list)
    verdicts: list[Any] = field(default_factory=list)


class Run:
    """One run: the stages and what has passed through them."""

    def __init__(self, config: Config, stop: Stop, override: str | None, *, keep: bool) -> None:
        self.config, self.stop = config, stop
        alone = config.service is not None
        self.store = Store(config.state.path, alone=alone) if config.state is not None else None
        with contextlib.ExitStack() as undo:
            if self.store is not None:
                self.store.claim()
                undo.callback(self.store.close)
            self._build(override)
            undo.pop_all()
        #: Whether the engine itself reads the input, and so knows what in it is no number.
        self.raw = False
        self.device = DeviceClock()
        self.outcome = Outcome()
        self.history = History() if keep else None
        self.before = dict(self.windows.stats) if self.windows is not None else {}
        #: Pieces that the engine refused as a whole, in a service that goes on.
        self.failed = 0
        #: Why rows didn't count, as far as a service has looked.
        self.reasons: Counter[str] = Counter()
        self._unusual = 0
        stages = {"windows": self.windows, "detector": self.detector, "clocks": self.clocks}
        interval = None
        if self.source.live:
            interval = 1.0 if config.state is None else nanoseconds(config.state.interval) / 1e9
        self.commit = Commit(self.store, self.source, stages, interval)
        window, detect = config.window, config.detect
        self.outgoing = Outgoing(
            self.commit,
            time=f"window_{'start' if self.windows is None else self.windows.label}",
            zone=(detect.zone if detect is not None else None) or (window.zone if window else None),
            default="windows" if self.detector is None else "events",
        )
        #: Whether sinks that write to standard output are left out.
        self.quiet = False
        self.service: Service | None = None
        self._again: Callable[[], Config] | None = None
        self.by = window_keys(window)
        self.judged_by = [] if detect is None else detect_keys(detect, window)

    def _build(self, override: str | None) -> None:
        """Open the source and build the stages, as they were left where there is a state."""
        config, stop = self.config, self.stop
        if self.store is not None:
            for fault in self.store.damaged:
                log.error("a checkpoint is damaged, and set aside: %s", fault)
        # Which columns a source has to bring, its windows know best; which unit, only the source.
        probe = windows(config, "ns")
        position = None if self.store is None else self.store.position
        self.source: Source = open_source(config, self._needs(probe), stop, override, position)
        # Messages bring their time in nanoseconds whatever they are told.
        self.windows = windows(config, self.source.time_unit if probe is not None else "ns")
        self.detector = detector(config, self.source.time_unit)
        self.onnx = onnx(config.detect)
        if self.store is not None:
            if self.windows is not None:
                self.windows = self.store.resume("windows", self.windows)
            if self.detector is not None:
                section = config.detect
                current = section is not None and section.model is not None and Path(section.model).is_dir()
                self.detector = self.store.resume(
                    "detector",
                    self.detector,
                    lambda stage: settle(stage, config),
                    _promoted if current else None,
                )
        self.clocks = self._clocks(config)

    def _clocks(self, config: Config) -> Clocks | None:
        """Whoever watches the clocks of messages' sources, where somebody wants to know."""
        leap = getattr(config.source, "max_leap", None)
        if self.windows is None or config.window is None or not (leap or config.service):
            return None
        column = config.window.source
        if column is None:
            messages = getattr(config.source, "decoder", "rows") != "rows"
            column = "camera" if messages else next(iter(window_keys(config.window)), None)
        watermark = self.windows.stats["watermark"]
        now = watermark.timestamp() if isinstance(watermark, dt.datetime) else None
        clocks = Clocks(nanoseconds(leap) / 1e9 if leap else None, column, now)
        return clocks if self.store is None else self.store.resume("clocks", clocks, clocks.lend)

    def serve(self, service: Service, again: Callable[[], Config]) -> None:
        """Be a service: look up between pieces, go on where one run would end, read the config anew when asked."""
        self.service, self._again = service, again

    def clear(self) -> None:
        """Take from the engine what it keeps of rows that don't count, and note why they don't."""
        if self.windows is None:
            return
        stats = self.windows.stats
        unusual = stats["late"] + stats["rejected"]
        if unusual == self._unusual:
            return
        self._unusual = unusual
        self.reasons["late"] += len(self.windows.late())
        for reason in self.windows.rejects().to_pydict()["reason"]:
            self.reasons[reason] += 1

    def links(self) -> dict[str, str | None]:
        """Say what is wrong with each way in and out."""
        return {
            one.name: one.fault for one in (self.source, *self.outgoing.linked) if isinstance(one, Linked)
        }

    def open(self, *, quiet: bool) -> None:
        """Open the sinks, and what stands between them and the engine."""
        self.quiet = quiet
        self.outgoing.use(self.config, quiet=quiet)
        self.outgoing.forget_others()

    def close(self) -> None:
        """Close everything; unsent results get a moment to arrive."""
        if self.commit.spool is not None:
            self.commit.spool.wait(PATIENCE_LIVE if self.source.live else PATIENCE)
        self.outgoing.close()
        if self.commit.spool is not None:
            self.commit.spool.close()
        if isinstance(self.source, Resumable):
            self.source.close()
        if self.store is not None:
            self.store.close()

    def reload(self) -> None:
        """Read the config anew, and go on with it where that is possible."""
        assert self.service is not None
        assert self._again is not None
        self.service.reloading()
        try:
            reload(self, self._again())
            log.info("the config was read anew")
        except wr.ConfigError as error:
            log.error("the config is refused, and nothing changes: %s", error)
        self.service.ready()

    @property
    def faults(self) -> tuple[Any, ...]:
        """What was injected, where the source is simulated."""
        return getattr(self.source, "faults", ())

    def _needs(self, probe: Any) -> Needs:
        section, window = self.config.detect, self.config.window
        if window is not None:
            by = window_keys(window)
            columns = [*by, *probe.inputs, *([window.source] if window.source else [])]
            numeric = {"sum", "mean", "min", "max", "std", "var", "quantile"}
            numbers = {getattr(one, one.function) for one in window.aggregate if one.function in numeric}
            return Needs(tuple(dict.fromkeys(columns)), messages=True, numbers=frozenset(numbers))
        if section is None:
            raise wr.ConfigError("there is nothing to do: add a section [window] or [detect]")
        trained = model(section)
        measures = section.measures or ([] if trained is None else [trained.target])
        columns = (
            [one for group in measures.values() for one in group]
            if isinstance(measures, dict)
            else list(measures)
        )
        texts: set[str] = set()
        if trained is not None:
            columns += trained.inputs
            texts = set(trained.texts)
        elif section.inputs is not None:
            columns += section.inputs
        elif section.method == "residual":
            columns.append(section.predicted)
        keys = detect_keys(section, window, trained)
        columns = [*keys, *columns, *([section.time] if section.time else [])]
        unique = tuple(name for name in dict.fromkeys(columns) if name != "time")
        values = frozenset(unique) - {*keys, section.time} - texts
        return Needs(unique, messages=False, where=self.config.source.where, numbers=values)

    def read(self, progress: Progress | None) -> None:
        """All of the input."""
        clock = self.source.live and self.config.window is not None
        clock = clock and bool(
            self.config.window and (self.config.window.idle_timeout or self.config.window.max_ahead)
        )
        for piece in self.source:
            fired = False
            now = self.now() if clock else None
            if self.windows is None:
                if piece is not None:
                    self.outcome.read += _rows(piece)
                    self.outcome.counted = self.outcome.read
                    self.judge(piece)
            else:
                if piece is None:
                    if now is not None:
                        self.windows.advance(now)
                        self.commit.changed.add("windows")
                else:
                    self.push(piece, now)
                fired = self.fired(self.windows.drain())
            if self.commit.due(fired=fired):
                self.commit.make()
            if progress is not None:
                progress(self.source.done, self.source.total)
            if self.service is not None:
                self.service.tick(self)
                if self.service.reload_requested:
                    self.reload()
            if self.stop.requested:
                break
        if progress is not None:
            progress(self.source.done, self.source.total)
        self.outcome.interrupted = self.stop.requested

    def now(self) -> dt.datetime | None:
        """Tell the time, as far as this device knows it."""
        return self.device.now(None if self.clocks is None else self.clocks.latest)

    def push(self, piece: Any, now: dt.datetime | None) -> None:
        """Rows or messages for the windows."""
        assert self.windows is not None
        self.commit.changed.add("windows")
        try:
            if isinstance(piece, bytes | Messages):
                self.raw = True
                self._messages(piece if isinstance(piece, Messages) else Messages(piece), now)
            elif isinstance(piece, Alive):
                # Without a time to believe, nobody can say when that was.
                if (at := now or self.now()) is not None:
                    self.windows.alive(piece.source, at)
                if now is not None:
                    self.windows.advance(now)
            else:
                self.windows.push(piece, now=now)
        except (wr.DataError, wr.LimitError) as error:
            if self.service is None:
                raise
            # A service outlives what it can't take; it says so, and goes on with what comes next.
            self.failed += 1
            log.error("a piece of the input can't be taken: %s", error)

    def _messages(self, piece: Messages, now: dt.datetime | None) -> None:
        assert self.windows is not None
        if self.clocks is not None:
            piece = self.clocks.admit(piece, self.source.decoder)
            if self.clocks.changed:
                self.commit.changed.add("clocks")
        self.windows.push_messages(piece.lines, self.source.decoder, now=now, beside=piece.beside or None)

    def fired(self, batch: Any) -> bool:
        """Windows that fired: written, judged; whether there are any."""
        if not len(batch):
            return False
        self.outcome.windows += len(batch)
        if self.history is not None:
            self.history.windows.append(batch)
        self.outgoing.write("windows", ({"message_id": of_window(row, self.by), **row} for row in batch))
        if self.detector is not None:
            self.judge(batch)
        return True

    def judge(self, table: Any) -> None:
        """Rows that the detector judges."""
        assert self.detector is not None
        self.commit.changed.add("detector")
        table = self.predicted(table)
        verdicts = self.detector.push(table)
        self.outcome.judged += len(verdicts)
        if self.history is not None:
            self.history.verdicts.append(verdicts)
        if self.outgoing.wants("anomalies"):
            self.outgoing.write("anomalies", self._anomalies(table, verdicts))
        self.events()

    def predicted(self, table: Any) -> Any:
        """Rows with what an ONNX file predicts of them, where there is one."""
        return table if self.onnx is None else self.onnx.predict(table)

    def _anomalies(self, table: Any, verdicts: Any) -> Iterator[dict[str, Any]]:
        """Verdicts in alarm, each named with the revision of the window that it judges."""
        revisions = table.to_pydict()["revision"] if self.windows is not None else []
        each = len(verdicts) // max(1, len(revisions))
        for at, row in enumerate(verdicts):
            if row["state"] == "alarm":
                revision = revisions[at // each] if revisions else 0
                yield {"message_id": of_verdict(row, self.judged_by, revision), **row}

    def events(self) -> None:
        """Alarms that began or ended."""
        if self.detector is None:
            return
        rows = list(self.detector.events())
        self.outcome.events.update((row["id"], row) for row in rows)
        groups = list(self.detector.groups())
        self.outcome.groups.update((row["id"], row) for row in groups)
        for kept in (self.outcome.events, self.outcome.groups) if self.source.live else ():
            # A service runs for years; who wants what it found has a sink.
            while len(kept) > MOST_EVENTS:
                kept.pop(next(iter(kept)))
        self.outgoing.write("events", ({"message_id": of_event(row), **row} for row in rows))
        if groups:
            self.outgoing.tell_of(groups)

    def finish(self) -> None:
        """End the run: open windows fire, or are kept for the next one; the counts are drawn up."""
        if self.windows is not None:
            if self.store is None:
                # Half a window would read as a drop, so with a state it waits for its other half instead.
                self.fired(self.windows.flush())
            stats = self.windows.stats
            for name in ("read", "counted", "late", "rejected"):
                setattr(self.outcome, name, stats[name] - self.before[name])
            if self.raw:
                self.outcome.unreadable = stats["nan"] - self.before["nan"]
        self.events()
        self.outcome.unreadable += self.source.unreadable
        self.commit.changed |= {"windows", "detector"}
        self.commit.make()
        lost = self.commit.fault or self.outgoing.fault
        if lost is not None:
            raise wr.WindrowError(f"not everything could be written: {lost}")


def _promoted(before: wr.Detector, fresh: wr.Detector) -> bool:
    """Whether another version of the model was made the current one meanwhile."""
    if before.model == fresh.model:
        return False
    log.warning("another version of the model is current: the detector begins anew with it")
    return True


def _rows(piece: Any) -> int:
    if isinstance(piece, dict):
        return len(next(iter(piece.values()), ()))
    return int(piece.num_rows)
