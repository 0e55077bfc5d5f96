"""The sections of a pipeline's file: every option with its type, its default and one line of meaning.

Owns what can be said; whether a file says it well is `config_check`'s business, how the reference file looks
`config_reference`'s. Secrets have no place here. Unknown words are refused, and so are kinds of sources and sinks
that this version doesn't have: nothing is stubbed.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

__all__ = [
    "DECODERS",
    "FUNCTIONS",
    "LATER",
    "MESSAGES",
    "OF_DECODER",
    "SINKS",
    "SOURCES",
    "Aggregate",
    "AlarmSection",
    "Config",
    "DetectSection",
    "FileSink",
    "FileSource",
    "ReportSection",
    "SimulateSource",
    "StateSection",
    "StdinSource",
    "StdoutSink",
    "WindowSection",
]

#: Kinds that the config has words for, but this version no code.
LATER = frozenset({"mqtt", "kinesis", "kafka", "nats", "http", "s3", "shadow"})
#: The aggregates, each a key of `[[window.aggregate]]`.
FUNCTIONS = ("count", "sum", "mean", "min", "max", "std", "var", "first", "last", "distinct", "quantile")
#: Options of [source] that only some decoders have.
OF_DECODER = {
    "fields": ("rows",),
    "time": ("rows", "panorama"),
    "time_unit": ("rows", "panorama"),
    "time_format": ("rows",),
    "classes": ("panorama",),
    "camera": ("axis", "mot", "panorama"),
    "frames_per_second": ("mot",),
    "start": ("mot",),
}
_NANOSECONDS = {
    "w": 604_800_000_000_000,
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_NUMBERS: TypeAlias = "int | float"


def nanoseconds(text: str) -> int:
    """Read a duration by the engine's rules: `"5m"`, `"1h30m"`, `"-500ms"`.

    Raises
    ------
    PydanticCustomError
        With a message that `config_check` completes by the option's name.
    """
    found = re.fullmatch(r"\s*([+-]?)((?:[0-9]+[^\W\d_]*\s*)+)", text)
    if not found:
        raise PydanticCustomError(
            "duration", 'must be a duration such as "5m" or "1h30m", got "{text}"', {"text": text}
        )
    total = 0
    for number, unit in re.findall(r"([0-9]+)([^\W\d_]*)", found[2]):
        if not unit:
            raise PydanticCustomError(
                "duration", 'needs a unit (ns, us, ms, s, m, h, d or w), got "{text}"', {"text": text}
            )
        if unit not in _NANOSECONDS:
            raise PydanticCustomError(
                "duration", 'has the unknown unit "{unit}": use ns, us, ms, s, m, h, d or w', {"unit": unit}
            )
        total += int(number) * _NANOSECONDS[unit]
    if total >= 2**63:
        raise PydanticCustomError("duration", 'is longer than 292 years, got "{text}"', {"text": text})
    return -total if found[1] == "-" else total


def _any(text: str) -> str:
    nanoseconds(text)
    return text


def _positive(text: str) -> str:
    if nanoseconds(text) <= 0:
        raise PydanticCustomError("duration", 'must be positive, got "{text}"', {"text": text})
    return text


def _not_negative(text: str) -> str:
    if nanoseconds(text) < 0:
        raise PydanticCustomError("duration", 'must not be negative, got "{text}"', {"text": text})
    return text


def _time(text: str) -> str:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError(
            "time", 'must be a time in ISO 8601, got "{text}"', {"text": text}
        ) from None
    return text


Duration: TypeAlias = Annotated[str, AfterValidator(_any)]
Positive: TypeAlias = Annotated[str, AfterValidator(_positive)]
NotNegative: TypeAlias = Annotated[str, AfterValidator(_not_negative)]
Time: TypeAlias = dt.datetime | Annotated[str, AfterValidator(_time)]
Name: TypeAlias = Annotated[str, Field(min_length=1)]
Names: TypeAlias = Name | list[Name]
Value: TypeAlias = str | bool | int | float
Where: TypeAlias = dict[str, Value | list[Value]]
Unit: TypeAlias = Literal["ns", "us", "ms", "s"]
Format: TypeAlias = Literal["csv", "jsonl", "parquet"]


class Section(BaseModel):
    """What all sections share: no unknown words, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def option(default: Any, meaning: str, example: Any = None) -> Any:
    """Declare an option: its default (`...`: it must be given), what it means, a value to show where it has none."""
    return Field(default, description=meaning, examples=None if example is None else [example])


# ---- source


class Decoded(Section):
    """What a source's rows look like."""

    decoder: Literal["axis", "deepstream", "frigate", "mot", "panorama", "rows"] = option(
        "rows",
        "what the input holds: tracker messages (axis, deepstream, frigate, mot, panorama), or rows with named columns",
    )
    where: Where = option({}, "keep only rows whose columns hold these values", {"class": ["car", "person"]})
    fields: dict[Name, Name] = option(
        {}, "rows: names for columns, ours = theirs", {"flow": "Lane 1 Flow (Veh/5 Minutes)"}
    )
    time: Names | None = option(
        None,
        'the time\'s column or field; "time" for rows, "event_time" and a few more for panorama',
        "timestamp",
    )
    time_unit: Unit | None = option(None, "unit of integer times; ns for rows, ms for panorama", "ms")
    time_format: Name | None = option(
        None,
        "rows: how times are written where not in ISO 8601, in the letters of strptime",
        "%d/%m/%Y %H:%M",
    )
    classes: list[Name] | dict[Name, Name] | None = option(
        None, "panorama: the fields that hold ids, as a list or as field = class", ["person", "car"]
    )
    camera: Name | None = option(
        None,
        'panorama: the camera\'s field, "camera" unless given; axis, mot: the camera of all messages',
        "device",
    )
    frames_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = option(
        None, "mot: how many frames a second has", 25
    )
    start: Time | None = option(None, "mot: the time of frame 1", "2026-01-01T08:00:00Z")


#: The words for `decoder`.
DECODERS: tuple[str, ...] = get_args(Decoded.model_fields["decoder"].annotation)
#: Those that read what trackers send.
MESSAGES = tuple(decoder for decoder in DECODERS if decoder != "rows")


class FileSource(Decoded):
    """A file, or several, read once from start to end."""

    kind: Literal["file"] = option(..., "file, stdin or simulate")
    path: Names | None = option(
        None, "the file or files; may be left to `windrow run CONFIG --input PATH`", "day.csv.gz"
    )
    format: Format | None = option(None, "csv, jsonl or parquet; by the file's ending unless given", "csv")


class StdinSource(Decoded):
    """Standard input, as it comes."""

    kind: Literal["stdin"] = option(..., "file, stdin or simulate")
    format: Literal["csv", "jsonl"] = option("jsonl", "csv or jsonl")


class SimulateSource(Section):
    """Simulated input of `windrow.simulate`."""

    kind: Literal["simulate"] = option(..., "file, stdin or simulate")
    scenario: Literal["traffic", "motor"] = option(
        ..., "traffic (tracker messages) or motor (rows)", "traffic"
    )
    days: Annotated[float, Field(gt=0, le=3653)] | None = option(
        None, "length; 21 for traffic, 14 for motor", 21
    )
    seed: Annotated[int, Field(ge=0)] = option(7, "the same seed gives the same input")
    healthy: bool = option(False, "leave the faults out")
    where: Where = option({}, "keep only rows whose columns hold these values", {"class": ["car", "person"]})


SOURCES: dict[str, type[Section]] = {"file": FileSource, "stdin": StdinSource, "simulate": SimulateSource}

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
        """The one function that is set; `config_check` has seen to it."""
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
    ) = option(..., "the columns to watch; novelty takes name = [mean, min, max] as well", ["cars"])
    by: Names | None = option(None, "key columns; those of [window] unless given", ["camera"])
    time: Name | None = option(
        None,
        "the time's column; a window's start (or end, by its label), else that of [source]",
        "window_start",
    )
    zone: Name | None = option(
        None, "civil time for hours and weekdays; that of [window] unless given", "Europe/Berlin"
    )
    every: Positive | None = option(
        None, "spacing of rows; the window's length, else learned from the first rows", "5m"
    )
    predicted: Name = option("predicted", "residual: the column of predictions")
    rmse: Literal["cumulative"] | Annotated[float, Field(gt=0)] | Rmse = option(
        "cumulative", 'residual: "cumulative", a number, { ewm = 1000 } or { rolling = "6h" }'
    )
    smooth: Annotated[int, Field(ge=1)] | Positive = option(
        1, "residual: rolling mean over rows or a duration"
    )
    fit_rows: Annotated[int, Field(ge=200, le=10_000)] = option(
        400, "joint: rows of normal running that a machine is fitted on"
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
    """Keep the engine's state between runs."""

    path: Name = option(
        ..., "a folder for snapshots: restored at the start, written at the end", "/var/lib/windrow"
    )


class StdoutSink(Section):
    """Results on standard output, as JSON lines."""

    kind: Literal["stdout"] = option(..., "stdout or file")
    what: Literal["events", "anomalies", "windows"] = option(
        "events", "events (alarms that begin or end), anomalies (rows in alarm) or windows"
    )


class FileSink(Section):
    """Results in a file, as JSON lines."""

    kind: Literal["file"] = option(..., "stdout or file")
    path: Name = option(..., "the file; folders are made", "anomalies.jsonl")
    what: Literal["events", "anomalies", "windows"] = option(
        "events", "events (alarms that begin or end), anomalies (rows in alarm) or windows"
    )
    append: bool = option(False, "add to the file instead of starting it anew")


SINKS: dict[str, type[Section]] = {"stdout": StdoutSink, "file": FileSink}


class ReportSection(Section):
    """A page to look at, written at the end."""

    path: Name = option(..., "the page; folders are made", "report.html")
    title: Name | None = option(None, "its heading", "Main Street junction")
    series: Annotated[int, Field(ge=1)] = option(
        12, "plot at most this many series, those with the worst events first"
    )


class Config(Section):
    """A whole file."""

    source: FileSource | StdinSource | SimulateSource = Field(discriminator="kind")
    window: WindowSection | None = None
    detect: DetectSection | None = None
    alarm: AlarmSection | None = None
    state: StateSection | None = None
    sink: list[Annotated[StdoutSink | FileSink, Field(discriminator="kind")]] = []
    report: ReportSection | None = None
