"""Everything from one file: source, windows, detector, sinks, state, report.

Owns the order of things: what is read is windowed, what fires is judged, what is found is written before more is
read. Ends in order at the end of the input, on Ctrl-C and on SIGTERM. Decides nothing about data; the engine does.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import windrow as wr
from windrow.commit import Commit
from windrow.config import Config, StdoutSink, nanoseconds
from windrow.config_check import ConfigFileError, check, load
from windrow.message_id import of_event, of_verdict, of_window
from windrow.sinks import LOCAL, Sink, open_sink
from windrow.sources import Needs, Resumable, Source, open_source
from windrow.spool import open_spool
from windrow.stages import detect_keys, detector, windows
from windrow.stopping import Stop
from windrow.store import Store

__all__ = ["Outcome", "Pipeline"]

Progress = Callable[[int, "int | None"], None]
#: Seconds that unsent results get at the end: a service is to end within one, a single run may take its time.
PATIENCE_LIVE, PATIENCE = 0.4, 10.0


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
    interrupted: bool = False


@dataclass
class History:
    """All that a report shows, kept only for one."""

    windows: list[Any] = field(default_factory=list)
    verdicts: list[Any] = field(default_factory=list)


class Pipeline:
    """A pipeline as its config says.

    Parameters
    ----------
    config : Config
        Checked sections, as `from_toml` reads them.

    Examples
    --------
    >>> import windrow as wr
    >>> pipeline = wr.Pipeline.from_dict({
    ...     "source": {"kind": "simulate", "scenario": "traffic", "days": 0.5, "healthy": True},
    ...     "window": {"every": "1h", "by": "camera", "aggregate": [{"name": "cars", "count": True}]},
    ...     "sink": [{"kind": "file", "path": "/dev/null", "what": "windows"}],
    ... })
    >>> pipeline.run().windows
    24
    """

    def __init__(self, config: Config) -> None:
        if not isinstance(config, Config):
            raise wr.ConfigError(f"`config` must be a Config, as `from_toml` reads it, got {config!r}")
        self.config = config

    @classmethod
    def from_toml(cls, path: str | Path) -> Pipeline:
        """Read a file.

        Raises
        ------
        ConfigError
            With everything that is wrong with it.
        """
        return cls(load(path))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Pipeline:
        """Take the sections as `tomllib` would read them.

        Raises
        ------
        ConfigError
            With everything that is wrong with them.
        """
        if not isinstance(data, Mapping):
            raise wr.ConfigError(f"`data` must be a mapping of sections, got {data!r}")
        config, problems = check(data)
        if config is None:
            raise ConfigFileError(problems)
        return cls(config)

    def check(self) -> None:
        """Build every stage without reading anything.

        Raises
        ------
        ConfigError
            What the engine can't be meant to do.
        """
        windows(self.config, "ns")
        detector(self.config)

    def run(
        self,
        *,
        input: str | os.PathLike[str] | None = None,
        report: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
        quiet: bool = False,
        stop: Stop | None = None,
    ) -> Outcome:
        """Run until the input ends or someone asks for the end.

        Parameters
        ----------
        input : path, optional
            A file instead of the source of the config, or `-` for standard input.
        report : path, optional
            Where to write a report, instead of where the config says.
        progress : callable, optional
            Called with how much is read, and of how much, where that is known.
        quiet : bool
            Leave out sinks that write to standard output.
        stop : Stop, optional
            How to ask for the end; Ctrl-C and SIGTERM unless given.

        Returns
        -------
        Outcome

        Raises
        ------
        ConfigError
            Something of the config can't be had: a file, a column.
        DataError
            Input of a shape that can't be read. What was found until then is written.
        """
        for name, value in (("input", input), ("report", report)):
            if value is not None and not isinstance(value, str | os.PathLike):
                raise wr.ConfigError(f"`{name}` must be a file's name, got {value!r}")
        if progress is not None and not callable(progress):
            raise wr.ConfigError(f"`progress` must be callable, got {progress!r}")
        if stop is not None and not isinstance(stop, Stop):
            raise wr.ConfigError(f"`stop` must be a Stop, got {stop!r}")
        with contextlib.ExitStack() as stack:
            if stop is None:
                stop = stack.enter_context(Stop())
            if report is not None:
                check_place(Path(report))
            run = Run(
                self.config,
                stop,
                None if input is None else os.fspath(input),
                keep=report is not None or self.config.report is not None,
            )
            run.open(stack, quiet=quiet)
            try:
                run.read(progress)
            finally:
                run.finish()
            # Who asks for the end now waits for the page, which shows what was found until then.
            path = report or (self.config.report and self.config.report.path)
            if path:
                from windrow.report import write

                write(path, self.config, run.outcome, run.history, run.faults)
        return run.outcome


def check_place(report: Path) -> None:
    """Find out before the input is read that a report can't be written after it."""
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise wr.ConfigError(f"the report `{report}` can't be written: {error.strerror}") from error
    if report.is_dir():
        raise wr.ConfigError(f"the report `{report}` can't be written: it is a folder")


class Run:
    """One run: the stages and what has passed through them."""

    def __init__(self, config: Config, stop: Stop, override: str | None, *, keep: bool) -> None:
        self.config, self.stop = config, stop
        self.store = Store(config.state.path) if config.state is not None else None
        # Which columns a source has to bring, its windows know best; which unit, only the source.
        probe = windows(config, "ns")
        position = None if self.store is None else self.store.position
        self.source: Source = open_source(config, self._needs(probe), stop, override, position)
        # Messages bring their time in nanoseconds whatever they are told.
        self.windows = windows(config, self.source.time_unit if probe is not None else "ns")
        self.detector = detector(config, self.source.time_unit)
        if self.store is not None:
            if self.windows is not None:
                self.windows = self.store.resume("windows", self.windows)
            if self.detector is not None:
                self.detector = self.store.resume("detector", self.detector)
        #: Whether the engine itself reads the input, and so knows what in it is no number.
        self.raw = False
        self.sinks: list[Sink] = []
        self.outcome = Outcome()
        self.history = History() if keep else None
        self.before = dict(self.windows.stats) if self.windows is not None else {}
        window, detect = config.window, config.detect
        self.by = [] if window is None else [window.by] if isinstance(window.by, str) else window.by
        self.judged_by = [] if detect is None else detect_keys(detect, window)

    def open(self, stack: contextlib.ExitStack, *, quiet: bool) -> None:
        """Open the sinks, and what stands between them and the engine; `stack` closes them."""
        if isinstance(self.source, Resumable):
            stack.callback(self.source.close)
        sections = self.config.sink or [
            StdoutSink(kind="stdout", what="windows" if self.detector is None else "events")
        ]
        spool = None
        if any(not isinstance(section, LOCAL) for section in sections):
            spool = open_spool(self.config.state, self.store)
            stack.callback(spool.close)
        for at, section in enumerate(sections, 1):
            if not (quiet and isinstance(section, StdoutSink)):
                sink = open_sink(section, f"{at}-{section.kind}", spool)
                stack.callback(sink.close)
                self.sinks.append(sink)
        if spool is not None:
            # Closed first of all: what waits gets a moment to arrive.
            stack.callback(spool.wait, PATIENCE_LIVE if self.source.live else PATIENCE)
        interval = None
        if self.source.live:
            state = self.config.state
            interval = 1.0 if state is None else nanoseconds(state.interval) / 1e9
        stages = {"windows": self.windows, "detector": self.detector}
        self.commit = Commit(self.store, spool, self.source, self.sinks, stages, interval)

    @property
    def faults(self) -> tuple[Any, ...]:
        """What was injected, where the source is simulated."""
        return getattr(self.source, "faults", ())

    def _needs(self, probe: Any) -> Needs:
        section, window = self.config.detect, self.config.window
        if window is not None:
            by = [window.by] if isinstance(window.by, str) else window.by
            columns = [*by, *probe.inputs, *([window.source] if window.source else [])]
            numeric = {"sum", "mean", "min", "max", "std", "var", "quantile"}
            numbers = {getattr(one, one.function) for one in window.aggregate if one.function in numeric}
            return Needs(tuple(dict.fromkeys(columns)), messages=True, numbers=frozenset(numbers))
        if section is None:
            raise wr.ConfigError("there is nothing to do: add a section [window] or [detect]")
        measures = section.measures
        columns = (
            [one for group in measures.values() for one in group]
            if isinstance(measures, dict)
            else list(measures)
        )
        if section.method == "residual":
            columns.append(section.predicted)
        columns = [*detect_keys(section, window), *columns, *([section.time] if section.time else [])]
        unique = tuple(name for name in dict.fromkeys(columns) if name != "time")
        keys = {*detect_keys(section, window), section.time}
        values = frozenset(name for name in unique if name not in keys)
        return Needs(unique, messages=False, where=self.config.source.where, numbers=values)

    def read(self, progress: Progress | None) -> None:
        """All of the input."""
        clock = self.source.live and self.config.window is not None
        clock = clock and bool(
            self.config.window and (self.config.window.idle_timeout or self.config.window.max_ahead)
        )
        for piece in self.source:
            fired = False
            now = dt.datetime.now(dt.UTC) if clock else None
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
            if self.stop.requested:
                break
        if progress is not None:
            progress(self.source.done, self.source.total)
        self.outcome.interrupted = self.stop.requested

    def push(self, piece: Any, now: dt.datetime | None) -> None:
        """Rows or messages for the windows."""
        assert self.windows is not None
        self.commit.changed.add("windows")
        if isinstance(piece, bytes):
            self.raw = True
            self.windows.push_messages(piece, self.source.decoder, now=now)
        else:
            self.windows.push(piece, now=now)

    def fired(self, batch: Any) -> bool:
        """Windows that fired: written, judged; whether there are any."""
        if not len(batch):
            return False
        self.outcome.windows += len(batch)
        if self.history is not None:
            self.history.windows.append(batch)
        self._write("windows", ({"message_id": of_window(row, self.by), **row} for row in batch))
        if self.detector is not None:
            self.judge(batch)
        return True

    def judge(self, table: Any) -> None:
        """Rows that the detector judges."""
        assert self.detector is not None
        self.commit.changed.add("detector")
        verdicts = self.detector.push(table)
        self.outcome.judged += len(verdicts)
        if self.history is not None:
            self.history.verdicts.append(verdicts)
        if any(sink.what == "anomalies" for sink in self.sinks):
            self._write("anomalies", self._anomalies(table, verdicts))
        self.events()

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
        self._write("events", ({"message_id": of_event(row), **row} for row in rows))

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

    def _write(self, what: str, rows: Iterable[Any]) -> None:
        wanted = [sink for sink in self.sinks if sink.what == what]
        if not wanted:
            return
        rows = list(rows) if len(wanted) > 1 else rows
        for sink in wanted:
            sink.write(rows)
        if self.commit.interval is None:
            self.commit.spill()


def _rows(piece: Any) -> int:
    if isinstance(piece, dict):
        return len(next(iter(piece.values()), ()))
    return int(piece.num_rows)
