"""The sections of a pipeline's file: every option with its type, its default and one line of meaning.

Owns windows, detection, alarms and state; sources and sinks have files of their own beside this one. Whether a file
says it well is `check`'s business, how the reference file looks `reference`'s. Secrets have no place
here. Unknown words are refused, and so are kinds of sources and sinks that this version doesn't have: nothing is
stubbed.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from windrow.config.filters import FiltersSection, Maintenance
from windrow.config.option import (
    Duration,
    Name,
    Names,
    NotNegative,
    Positive,
    Section,
    Unit,
    Where,
    nanoseconds,
    option,
)
from windrow.config.sink import (
    SINKS,
    CommandSink,
    FileSink,
    MqttSink,
    ObjectSink,
    ShadowSink,
    StdoutSink,
    WebhookSink,
)
from windrow.config.source import (
    ARRIVAL,
    DECODERS,
    MESSAGES,
    OF_DECODER,
    SOURCES,
    Decoded,
    FileSource,
    MqttSource,
    SimulateSource,
    StdinSource,
)

__all__ = [
    "ARRIVAL",
    "DECODERS",
    "FUNCTIONS",
    "LATER",
    "MESSAGES",
    "OF_DECODER",
    "SINKS",
    "SOURCES",
    "Aggregate",
    "AlarmSection",
    "CommandSink",
    "Config",
    "Decoded",
    "DetectSection",
    "FileSink",
    "FileSource",
    "FiltersSection",
    "Maintenance",
    "MqttSink",
    "MqttSource",
    "ObjectSink",
    "ReportSection",
    "Section",
    "ServiceSection",
    "ShadowSink",
    "SimulateSource",
    "StateSection",
    "StdinSource",
    "StdoutSink",
    "Unit",
    "WebhookSink",
    "WindowSection",
    "nanoseconds",
]

#: Kinds that the config has words for, but this version no code.
LATER = frozenset({"kinesis", "kafka", "nats"})
#: The aggregates, each a key of `[[window.aggregate]]`.
FUNCTIONS = ("count", "sum", "mean", "min", "max", "std", "var", "first", "last", "distinct", "quantile")

# ---- window


class Aggregate(Section):
    """One output column: a name and exactly one function."""

    name: Name = option(..., "name of the output column", "cars")
    count: Literal[True] | Name | None = option(None, "true counts rows, a column its values", True)
    sum: Name | None = option(None, "sum of a column", "axles")
    mean: Name | None = option(None, "mean of a column", "speed")
    min: Name | None = option(None, "least value of a column", "speed")
    max: Name | None = option(None, "greatest value of a column", "speed")
    std: Name | None = option(None, "sample standard deviation of a column", "speed")
    var: Name | None = option(None, "sample variance of a column", "speed")
    first: Name | None = option(None, "value of the earliest row", "phase")
    last: Name | None = option(None, "value of the latest row", "phase")
    distinct: Names | None = option(
        None, "number of different values, or tuples of several columns", ["camera", "track"]
    )
    quantile: Name | None = option(None, "quantile of a column, within 1 %", "speed")
    q: Annotated[float, Field(ge=0, le=1)] | None = option(None, "quantile: which, from 0 to 1", 0.85)
    min_hits: Annotated[int, Field(ge=1)] = option(
        1, "distinct: rows a value needs to count; leaves out flicker"
    )
    count_on: Literal["every", "first"] = option(
        "every", "distinct: count in every window, or only where first seen"
    )
    retain: Positive = option("1h", 'distinct, count_on = "first": forget a value unseen for this long')
    where: Where = option({}, "count only rows whose columns hold these values", {"class": "car"})

    @property
    def function(self) -> str:
        """The one function that is set; `check` has seen to it."""
        return next(name for name in FUNCTIONS if getattr(self, name) is not None)


class WindowSection(Section):
    """Tumbling windows; leave the section out to send rows straight to `[detect]`."""

    every: Positive = option(..., "length of a window", "5m")
    by: Names = option([], "key columns: one series for each of their values", ["camera"])
    source: Name | None = option(None, "the column whose values have watermarks of their own", "camera")
    offset: Duration = option("0s", "shift of the windows' starts")
    zone: Name | None = option(None, "align to this zone's civil time; UTC unless given", "Europe/Berlin")
    label: Literal["start", "end"] = option("start", "which end of a window stands for its time")
    out_of_orderness: NotNegative = option("0s", "how late rows may come without being late")
    allowed_lateness: NotNegative = option("0s", "how long a fired window still takes rows, as revisions")
    idle_timeout: Positive | None = option(
        None, "live input: a source silent this long stops holding windows back", "30s"
    )
    max_ahead: Positive | None = option(
        None, "live input: refuse rows dated further ahead of the clock", "1h"
    )
    fill: bool = option(False, "rows for windows without input: zeros where the source lives, else silent")
    fill_limit: Annotated[int, Field(ge=0)] | None = option(
        None, "silent rows in a run; a day's worth, at most 86_400, unless given", 288
    )
    rollup: list[list[Name]] | None = option(None, "coarser keys to add, [] over everything", [[]])
    max_cells: Annotated[int, Field(ge=1)] = option(10_000_000, "limit of open windows x series")
    max_series: Annotated[int, Field(ge=1)] | None = option(
        None, "limit of series; rows of others are rejects", 10_000
    )
    aggregate: list[Aggregate] = option([], "the output columns")


# ---- detect and alarm


class Rmse(Section):
    """A window or half-life for the RMSE: rows, or a duration."""

    ewm: Annotated[int, Field(ge=1)] | Positive | None = option(None, "half-life", 1000)
    rolling: Annotated[int, Field(ge=1)] | Positive | None = option(None, "length", "6h")


class DetectSection(Section):
    """What is expected of each measure; leave the section out to get windows only."""

    method: Literal["auto", "counts", "novelty", "joint", "residual"] = option(
        "auto",
        "counts (objects per window), novelty (any metric), joint (sensors of a machine), residual (a prediction comes "
        "along), auto",
    )
    measures: (
        Annotated[list[Name], Field(min_length=1)]
        | dict[Name, Annotated[list[Name], Field(min_length=3, max_length=3)]]
        | None
    ) = option(
        None,
        "the columns to watch; novelty takes name = [mean, min, max] as well; that of the model unless given",
        ["cars"],
    )
    by: Names | None = option(None, "key columns; those of [window] unless given", ["camera"])
    time: Name | None = option(
        None,
        "the time's column; a window's start (or end, by its label), else that of [source]",
        "window_start",
    )
    zone: Name | None = option(
        None, "civil time for hours and weekdays; that of [window] unless given", "Europe/Berlin"
    )
    holidays: list[dt.date] = option([], "counts: days of that zone to expect like Sundays", ["2026-12-25"])
    completeness: Name | None = option(
        None, "counts: the column that says how much of each window was observed, 0 to 1", "uptime"
    )
    min_completeness: Annotated[float, Field(gt=0, le=1)] = option(
        0.5, "counts: windows of which less was observed are missing points"
    )
    every: Positive | None = option(
        None, "spacing of rows; the window's length, else learned from the first rows", "5m"
    )
    silence: Positive | None = option(
        None, "tell of a silence when a series has had no value for so long (not with joint)", "1h"
    )
    model: Name | None = option(
        None,
        "residual: what predicts: a file of `windrow train`, a type's folder in a registry (its current version), or "
        "an ONNX file; [alarm] is the model's unless given",
        "motor.json",
    )
    inputs: Annotated[list[Name], Field(min_length=1)] | None = option(
        None, "residual: the columns of an ONNX file, in its order", ["motor_speed", "torque"]
    )
    predicted: Name = option("predicted", "residual: the column of predictions, where there is no model")
    rmse: Literal["cumulative"] | Annotated[float, Field(gt=0)] | Rmse = option(
        "cumulative",
        'residual: "cumulative", a number, { ewm = 1000 } or { rolling = "6h" }; the model\'s unless given',
    )
    smooth: Annotated[int, Field(ge=1)] | Positive = option(
        1, "residual: rolling mean over rows or a duration; the model's unless given"
    )
    drift: Literal["off"] | Positive | None = option(
        None,
        'residual: hold the residual against training over stretches of this length, or "off"; 7d with a `model`',
        "7d",
    )
    fit_rows: Annotated[int, Field(ge=200, le=10_000)] = option(
        400, "joint: rows of normal running that a machine is fitted on"
    )
    filters: FiltersSection | None = option(None, "a section of its own")
    adopt: Positive | None = option(
        None,
        "counts, joint: a new level that lasts so long is the level, told as a level_shift; 7d and 1d unless given",
        "5d",
    )


class AlarmSection(Section):
    """When a verdict becomes an alarm."""

    severity: Annotated[float, Field(ge=0, le=100)] | None = option(
        None,
        "alarm from this severity: 50 = once a month, 80 = once a year; 50 unless `threshold` is given (joint without "
        "[alarm]: threshold 1.0, 3 of 5, clear_below 0.8)",
        50,
    )
    threshold: Annotated[float, Field(gt=0)] | None = option(None, "alarm beyond this score instead", 3.0)
    breaches: Annotated[int, Field(ge=1)] = option(1, "M points in breach ...")
    of: Annotated[int, Field(ge=1)] | None = option(
        None, "... of the last N; as many as `breaches` unless given", 1
    )
    missing: Literal["missing", "ignore", "breaching", "not_breaching"] = option(
        "missing", "what a missing point counts as"
    )
    direction: Literal["both", "up", "down"] = option("both", "threshold: which side of the score")
    clear_below: float | None = option(None, "stay in alarm until below this", 2.0)
    lasting: Positive | None = option(None, "in breach for this long instead of M of N", "3m")
    look_back: Annotated[int, Field(ge=1)] | None = option(
        None, "points to look back for real ones; N + 2 unless given", 3
    )
    period: Positive | None = option(None, "rows absent for this long are missing points", "5m")


# ---- state, sinks, report


class StateSection(Section):
    """Keep the engine's state between runs, and what isn't sent yet."""

    path: Name = option(
        ..., "a folder for checkpoints, restored at the start, and for unsent results", "/var/lib/windrow"
    )
    interval: Positive = option(
        "1m", "live input: a checkpoint at the latest after this long, besides one at each window's close"
    )
    spool_bytes: Annotated[int, Field(ge=65_536)] = option(
        67_108_864, "unsent results: at most this much; beyond it the oldest of least severity go first"
    )
    spool_age: Positive = option("30d", "unsent results: at most this old")


class ReportSection(Section):
    """A page to look at, written at the end."""

    path: Name = option(..., "the page; folders are made", "report.html")
    title: Name | None = option(None, "its heading", "Main Street junction")
    series: Annotated[int, Field(ge=1)] = option(
        12, "plot at most this many series, those with the worst events first"
    )


class ServiceSection(Section):
    """What a service says of itself, and to whom."""

    log: Literal["text", "json"] = option("text", "how lines on standard error are written")
    level: Literal["debug", "info", "warning", "error"] = option("info", "which of them")
    health: Name | None = option(
        None, "a file that says how it goes, written anew every ten seconds", "/run/windrow/health.json"
    )
    listen: Name | None = option(
        None, "a loopback address for /healthz and Prometheus /metrics", "127.0.0.1:9108"
    )


class Config(Section):
    """A whole file."""

    source: FileSource | MqttSource | SimulateSource | StdinSource = Field(discriminator="kind")
    window: WindowSection | None = None
    detect: DetectSection | None = None
    alarm: AlarmSection | None = None
    state: StateSection | None = None
    sink: list[
        Annotated[
            CommandSink | FileSink | MqttSink | ObjectSink | ShadowSink | StdoutSink | WebhookSink,
            Field(discriminator="kind"),
        ]
    ] = Field(default=[])
    report: ReportSection | None = None
    service: ServiceSection | None = None
