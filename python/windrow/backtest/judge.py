"""A pipeline's detector on an input of the past: taught by the oldest part and judging the rest, or walking forward.

Owns the split and the order of teaching and judging. What labels say about it is `labels`'s business, what
other thresholds would have done `curve`'s. Nothing of the config's state, sinks and report is touched. What
is to be judged, rows or windows, is held in memory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

import windrow as wr
from windrow.backtest.curve import Curve, curve
from windrow.backtest.labels import Figures, Labels, figures
from windrow.backtest.replay import Told
from windrow.config.sections import AlarmSection, Config
from windrow.errors import ConfigError, DataError
from windrow.report.series import Series, series_of
from windrow.run import Outcome, Progress, Run
from windrow.sources import Needs
from windrow.stages import alarm, detect_keys, detect_time, detector
from windrow.stopping import Stop

__all__ = ["Backtest", "backtest"]

#: Rows between two looks at whether to go on.
BLOCK = 65_536
#: Kinds of sources that end of themselves.
ENDING = ("file", "stdin", "simulate")
#: Stands for a time that can't be read: older than everything, so it never judges.
NEVER = np.iinfo("int64").min
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass
class Backtest:
    """What a backtest came to.

    Attributes
    ----------
    config : Config
        What was run.
    input : str or None
        What was read in place of the config's source.
    teach : float or None
        The share of times that taught; None of a walk forward.
    outcome : Outcome
        What was read, how many verdicts there are, and the events.
    taught, judged : int
        Rows (or windows of a series) that only taught, and that were judged.
    begin, cut, end : datetime
        The first time, the first that was judged, the last.
    step : timedelta
        The usual spacing of times.
    series : list of Series
        Verdicts by series, those with the worst events first.
    curve : Curve
        What other thresholds would have done.
    label : str or None
        Where labels are from: a column, or the faults of a simulated input.
    marked : mapping or None
        Which rows of each key are labelled, in the order of its verdicts.
    figures : Figures or None
        What the labels say.
    faults : tuple of Fault
        What was injected, where the input is simulated.
    """

    config: Config
    input: str | None
    teach: float | None
    outcome: Outcome
    taught: int
    judged: int
    begin: dt.datetime
    cut: dt.datetime
    end: dt.datetime
    step: dt.timedelta
    series: list[Series]
    curve: Curve
    label: str | None = None
    marked: Mapping[tuple[Any, ...], np.ndarray[Any, Any]] | None = None
    figures: Figures | None = None
    faults: tuple[Any, ...] = field(default=())

    @property
    def weeks(self) -> float:
        """How long the judged part is, its last row included."""
        return (self.end - self.cut + self.step) / dt.timedelta(weeks=1)


def backtest(
    config: Config,
    *,
    input: str | None = None,
    label: str | None = None,
    teach: float = 0.7,
    walk_forward: bool = False,
    reading: Progress | None = None,
    judging: Progress | None = None,
) -> Backtest:
    """Run the detector of a config over an input of the past.

    Parameters
    ----------
    config : Config
        A checked config with a section [detect].
    input : str, optional
        A file instead of the config's source, or `-` for standard input.
    label : str, optional
        A column of the input that is true, 1 or the name of a fault in rows that the detector should find.
    teach : float
        The share of times, oldest first and the same for all series, that teaches; the rest is judged.
    walk_forward : bool
        Judge everything instead, each row before it is learned.
    reading, judging : callable, optional
        Called with how much is done, and of how much where that is known.

    Raises
    ------
    ConfigError
        There is no detector, or the label is a column that the detector itself reads.
    DataError
        There is too little to teach or to judge, or the labels can't be used.
    """
    if config.detect is None:
        raise ConfigError("a backtest judges: add a section [detect]")
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(Stop())
        run = _Reading(config, stop, input, label)
        stack.callback(run.close)
        run.open(quiet=True)
        run.read(reading)
        run.finish()
        if run.outcome.interrupted:
            raise KeyboardInterrupt
        return _judge(run, None if walk_forward else teach, judging)


class _Reading(Run):
    """The stages before the detector; keeps what it would judge instead of judging it."""

    def __init__(self, config: Config, stop: Stop, override: str | None, label: str | None) -> None:
        source = config.source
        if override is None and (source.kind not in ENDING or getattr(source, "follow", False)):
            raise ConfigError("a backtest needs an input that ends: give a file by `--input`")
        self.label, self.override = label, override
        self.tables: list[Any] = []
        bare = config.model_copy(update={"state": None, "sink": [], "report": None, "service": None})
        super().__init__(bare, stop, override, keep=False)
        self.labels = (
            None if label is None else Labels(bare, label, self.source.decoder, self.source.time_unit)
        )
        if self.labels is not None and self.windows is not None:
            self.source = _Seen(self.source, self.labels.see)

    def _needs(self, probe: Any) -> Needs:
        needs = super()._needs(probe)
        if self.label is None:
            return needs
        times = getattr(self.config.source, "time", None) or "time"
        if self.label in needs.columns or self.label in ([times] if isinstance(times, str) else times):
            raise ConfigError(f"`label` must be a column that nothing else reads, got `{self.label}`")
        return dataclasses.replace(needs, columns=(*needs.columns, self.label), texts=frozenset({self.label}))

    def judge(self, table: Any) -> None:
        """Keep what is to be judged."""
        self.tables.append(pa.table(table))


class _Seen:
    """A source whose pieces someone else sees before they are used."""

    def __init__(self, source: Any, see: Callable[[Any], None]) -> None:
        self._source, self._see = source, see

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __iter__(self) -> Iterator[Any]:
        for piece in self._source:
            if piece is not None:
                self._see(piece)
            yield piece


def _judge(run: _Reading, teach: float | None, progress: Progress | None) -> Backtest:
    config, outcome = run.config, run.outcome
    section = config.detect
    assert section is not None
    assert run.detector is not None
    what = "rows" if config.window is None else "windows"
    times = _times(
        run.tables,
        detect_time(section, config.window),
        "ns" if config.window is not None else run.source.time_unit,
    )
    known = np.unique(np.concatenate([np.array([], "int64"), *(one[one > NEVER] for one in times)]))
    if len(known) < 2:
        raise DataError(
            f"a backtest needs {what} at 2 times or more, got {what} at {len(known)} "
            f"({outcome.read:,} rows read)"
        )
    first = known[0]
    if teach is not None:
        at = round(len(known) * teach)
        if not 0 < at < len(known):
            raise DataError(
                f"`teach` must leave something to teach and something to judge of {what} at {len(known)} times, "
                f"got {teach:g}"
            )
        first = known[at]
    taught = _pass(run, times, first, progress)
    by = detect_keys(section, config.window)
    rule = alarm(config.alarm, section)
    scored = rule.threshold is not None
    # What the alarm looks at says how bad an event is: the size of its score, or its severity.
    events = [
        {**event, "weight": abs(event["peak"] or 0.0) if scored else event["severity"]}
        for event in outcome.events.values()
    ]
    series = series_of(taught.verdicts, events, by)
    step = int(np.median(np.diff(known)))
    result = Backtest(
        config,
        run.override,
        teach,
        outcome,
        taught.rows,
        sum(len(one) for one in times) - taught.rows,
        begin=_moment(known[0]),
        cut=_moment(first),
        end=_moment(known[-1]),
        step=dt.timedelta(microseconds=step / 1000),
        series=series,
        curve=Curve.empty(),
        faults=run.faults,
    )
    result.marked = marked = _marked(run, times, result)
    result.curve = curve(series, rule, result.weeks, marked, taught.told(config, outcome))
    if marked is not None:
        result.figures = figures(series, marked, result.step)
    return result


@dataclass
class _Passed:
    """The verdicts, how many rows came before them, and what is known of each beside."""

    verdicts: list[Any] = field(default_factory=list)
    rows: int = 0
    revised: list[np.ndarray[Any, Any]] = field(default_factory=list)
    lowered: list[np.ndarray[Any, Any]] = field(default_factory=list)

    def told(self, config: Config, outcome: Outcome) -> Told:
        """Say what the curve needs to know beside the verdicts."""
        section = config.detect
        assert section is not None
        silences = section.silence is not None
        apart = {"level_shift", "drift", "change_point", *(["silence"] if silences else [])}
        return Told(
            np.concatenate(self.revised) if self.revised else None,
            np.concatenate(self.lowered) if self.lowered else None,
            machines=section.method == "joint",
            silences=silences,
            sensitivity={} if section.filters is None else section.filters.sensitivity,
            others=sum(event["kind"] in apart for event in outcome.events.values()),
        )


def _pass(
    run: _Reading, times: Sequence[np.ndarray[Any, Any]], first: int, progress: Progress | None
) -> _Passed:
    """Teach all that is older than `first`, then judge the rest, each in the order it came."""
    passed = _Passed()
    wary = _wary(run)
    total = sum(len(one) for one in times)
    done = 0
    for judged in (False, True):
        for table, at in zip(run.tables, times, strict=True):
            mask = (at >= first) == judged
            for begin in range(0, len(mask), BLOCK):
                end = begin + BLOCK
                part = table.slice(begin, BLOCK).filter(pa.array(mask[begin:end]))
                done += len(part)
                if not len(part):
                    continue
                part = run.predicted(part)
                if judged:
                    passed.verdicts.append(run.detector.push(part))  # type: ignore[union-attr]
                    many = len(passed.verdicts[-1])
                    run.outcome.judged += many
                    run.events()
                    if "revision" in part.column_names:
                        later = part["revision"].to_numpy() > 0
                        passed.revised.append(np.repeat(later, many // len(part)))
                    if wary is not None:
                        said = pa.table(wary.push(part))["lowered_by"]
                        passed.lowered.append(said.is_valid().to_numpy())
                        wary.events(), wary.groups()
                else:
                    run.detector.learn(part)  # type: ignore[union-attr]
                    if wary is not None:
                        wary.learn(part)
                    passed.rows += len(part)
                if progress is not None:
                    progress(done, total)
                if run.stop.requested:
                    raise KeyboardInterrupt
    return passed


def _wary(run: _Reading) -> wr.Detector | None:
    """Build the same detector with the least threshold, which says of all that could breach whether a filter lowers it.

    None where there are no filters.
    """
    section, given = run.config.detect, run.config.alarm
    if section is None or section.filters is None:
        return None
    scored = alarm(given, section).threshold is not None
    side = "both" if given is None else given.direction
    least = AlarmSection(threshold=1e-300, direction=side) if scored else AlarmSection(severity=1e-9)
    return detector(run.config.model_copy(update={"alarm": least}), run.source.time_unit)


def _times(tables: Sequence[Any], name: str, unit: Any) -> list[np.ndarray[Any, Any]]:
    """Nanoseconds of each row as the engine reads them."""
    reader = wr.Detector(
        "residual", measures=["observed"], predicted="predicted", rmse=1.0, time="time", time_unit=unit
    )
    times = []
    for table in tables:
        if not len(table):
            times.append(np.array([], "int64"))
            continue
        nothing = np.zeros(len(table))
        read = pa.table(
            reader.push(pa.table({"time": table[name], "observed": nothing, "predicted": nothing}))
        )
        times.append(read["time"].cast(pa.int64()).fill_null(NEVER).to_numpy())
    return times


def _moment(nanoseconds: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=int(nanoseconds) // 1000)


def _marked(
    run: _Reading, times: Sequence[np.ndarray[Any, Any]], result: Backtest
) -> Mapping[tuple[Any, ...], np.ndarray[Any, Any]] | None:
    """Which rows of each key are labelled, in the order of its verdicts; None without labels."""
    labels, series, config = run.labels, result.series, result.config
    if labels is None:
        if not run.faults:
            return None
        result.label = "the injected faults"
        return _faulty(run.faults, series, result.step)
    result.label = labels.name
    assert config.detect is not None
    by = detect_keys(config.detect, config.window)
    if config.window is None:
        found = labels.rows(run.tables, by, times)
    else:
        found = labels.windows(by, detect_time(config.detect, config.window))
    marked = {
        tuple(one.key.values()): np.array(
            [(round(at * 1000), *one.key.values()) in found for at in np.nan_to_num(one.time).tolist()], bool
        )
        for one in series
    }
    rows = sum(len(one) for one in marked.values())
    hits = sum(int(one.sum()) for one in marked.values())
    if not 0 < hits < rows:
        raise DataError(
            f"`label` must mark some of the judged rows and leave others: `{labels.name}` marks "
            f"{'all' if hits else 'none'} of {rows:,}"
        )
    return marked


def _faulty(
    faults: Sequence[Any], series: Sequence[Series], step: dt.timedelta
) -> dict[tuple[Any, ...], np.ndarray[Any, Any]] | None:
    marked: dict[tuple[Any, ...], np.ndarray[Any, Any]] = {}
    width = step / dt.timedelta(milliseconds=1)
    for one in series:
        hit = marked.setdefault(tuple(one.key.values()), np.zeros(len(one.time), bool))
        for fault in faults:
            if all(one.key.get(name) == value for name, value in fault.series.items()):
                begin, end = (moment.timestamp() * 1000 for moment in (fault.start, fault.end))
                hit |= (one.time + width > begin) & (one.time < end)
    return marked if any(hit.any() for hit in marked.values()) else None
