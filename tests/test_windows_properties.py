"""The engine against its slow twin on generated input, and against itself: cut and stored anywhere."""

from __future__ import annotations

import math
import pickle
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import windrow as wr
from hypothesis import example, given
from hypothesis import strategies as st
from oracle.windows import nanoseconds
from oracle.windows_face import SCHEMA, Fast, Rows, Spec, slow

SECOND = 10**9
LOW, HIGH = -(2**63), 2**63 - 1

AGGREGATES: Spec = {
    "rows": ("count", [], {}),
    "speeds": ("count", ["speed"], {}),
    "classes": ("count", ["class"], {}),
    "cars": ("count", [], {"where": {"class": "car"}}),
    "sum_n": ("sum", ["n"], {}),
    "mean_n": ("mean", ["n"], {}),
    "min_n": ("min", ["n"], {}),
    "max_n": ("max", ["n"], {}),
    "var_n": ("var", ["n"], {"where": {"class": ["car", "person"]}}),
    "sum": ("sum", ["speed"], {}),
    "mean": ("mean", ["speed"], {"where": {"class": "car"}}),
    "min": ("min", ["speed"], {}),
    "max": ("max", ["speed"], {}),
    "std": ("std", ["speed"], {}),
    "var": ("var", ["speed"], {}),
    "first": ("first", ["speed"], {}),
    "last": ("last", ["n"], {"where": {"class": "person"}}),
    "tracks": ("distinct", ["track"], {"where": {"class": "car", "zone": 1}}),
    "pairs": ("distinct", [["class", "track"]], {}),
    "steady": ("distinct", ["track"], {"min_hits": 2}),
    "new": ("distinct", ["track"], {"count_on": "first", "retain": "1000d"}),
    "median": ("quantile", ["track", 0.5], {}),
    "high": ("quantile", ["track", 0.9], {"where": {"class": "car"}}),
}
COUNTS: Spec = {name: AGGREGATES[name] for name in ("rows", "cars", "sum_n", "max", "tracks")}

floats = st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-300])
integers = st.integers(-1000, 1000) | st.sampled_from([LOW, HIGH, HIGH - 1])
cameras = st.sampled_from([None, "a", "b", "ä", "", "a\0"])


@st.composite
def streams(draw: st.DrawFn, times: st.SearchStrategy[int | None], most: int = 60) -> Rows:
    """Rows in arrival order."""
    row = st.fixed_dictionaries(
        {
            "time": times,
            "camera": cameras,
            "zone": st.sampled_from([1, 2, None]),
            "class": st.sampled_from(["car", "person", None]),
            "track": st.integers(0, 6) | st.none(),
            "n": integers | st.none(),
            "speed": floats | st.none(),
        }
    )
    return draw(st.lists(row, max_size=most))


#: Disorder around times that go on: some windows of 10 s, on either side of 1970.
near = st.integers(-90, 90).map(lambda s: s * SECOND) | st.integers(-90 * SECOND, 90 * SECOND)
later = st.sampled_from([0, -(10**18), 1_625_011_204 * SECOND])


@st.composite
def forward(draw: st.DrawFn, most: int = 60) -> Rows:
    """Rows whose times go forward, with disorder."""
    rows = draw(streams(st.integers(-25 * SECOND, 10 * SECOND) | st.none(), most))
    base, step = draw(later), draw(st.sampled_from([0, 1, 3, 8]))
    for at, row in enumerate(rows):
        if row["time"] is not None:
            row["time"] += base + at * step * SECOND
    return rows


def durations(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


@st.composite
def shapes(draw: st.DrawFn) -> dict[str, Any]:
    """Options of one kind each, that hold for any stream."""
    by = draw(st.sampled_from([None, "camera", ["camera", "zone"], ["zone", "camera"]]))
    options: dict[str, Any] = {
        "every": draw(durations("10s", "7s", "1m")),
        "offset": draw(durations("0s", "3s", "-4s", "25s", "-25s")),
        "out_of_orderness": draw(durations("0s", "2s", "12s")),
        "allowed_lateness": draw(durations("0s", "0s", "5s", "40s")),
        "by": by,
        "source": draw(st.sampled_from([None, "camera"])),
    }
    if draw(st.booleans()):
        # Signs of life that arrive after the end are the subject of a test of their own.
        options |= {"fill": True, "fill_limit": draw(st.sampled_from([1, 2, 50])), "allowed_lateness": "0s"}
    elif isinstance(by, list) and draw(st.booleans()):
        options["rollup"] = draw(st.sampled_from([[["camera"], []], [[]], [["zone"], ["camera"]]]))
    return options


@st.composite
def calls(draw: st.DrawFn, rows: Rows, source: str | None) -> list[tuple[Any, ...]]:
    """The rows cut into pushes, with drains, watermarks and heartbeats between them."""
    plan: list[tuple[Any, ...]] = []
    at, newest = 0, LOW
    while at < len(rows):
        size = draw(st.integers(0, 12))
        part = rows[at : at + size]
        plan.append(("push", part))
        at += size
        known = [row["time"] for row in part if row["time"] is not None]
        if not known:
            continue
        newest = max(newest, *known)
        match draw(st.sampled_from(["", "", "drain", "drain", "watermark", "alive"])):
            case "drain":
                plan.append(("drain",))
            case "watermark":
                plan.append(("watermark", draw(st.sampled_from(known)) - 5 * SECOND))
            case "alive":
                name = draw(cameras) if source else None
                plan.append(("alive", name, newest + draw(st.sampled_from([3, 30])) * SECOND))
    return [*plan, ("drain",), ("flush",)]


def plain(rows: Rows) -> Rows:
    """NaN as null, so that rows compare."""
    return [{name: None if value != value else value for name, value in row.items()} for row in rows]


def play(windows: Any, plan: list[tuple[Any, ...]]) -> tuple[list[Rows], Rows, Rows, list[int]]:
    """Everything that comes out: each drain, then late rows, rejects and the sums."""
    drains = []
    for name, *arguments in plan:
        out = getattr(windows, name)(*arguments)
        if name in ("drain", "flush"):
            drains.append(out)
    late, rejects = plain(windows.late()), plain(windows.rejects())
    stats = [windows.stats[name] for name in ("read", "counted", "late", "rejected")]
    assert stats[0] == sum(stats[1:])
    assert stats[2:] == [len(late), len(rejects)]
    return drains, late, rejects, stats


def agree(aggregates: Spec, options: dict[str, Any], plan: list[tuple[Any, ...]]) -> None:
    fast, twin = play(Fast(aggregates, **options), plan), play(slow(aggregates, **options), plan)
    for ours, theirs in zip(fast[0], twin[0], strict=True):
        assert ours == theirs
    assert fast[1:] == twin[1:]


@given(st.data(), forward(), shapes())
def test_engine_equals_the_slow_twin(data: st.DataObject, rows: Rows, options: dict[str, Any]) -> None:
    agree(AGGREGATES, options, data.draw(calls(rows, options["source"])))


@given(st.data(), streams(near), shapes())
def test_engine_equals_the_slow_twin_in_disorder(
    data: st.DataObject, rows: Rows, options: dict[str, Any]
) -> None:
    agree(COUNTS, options, data.draw(calls(rows, options["source"])))


@given(st.data(), forward(40), st.sampled_from([[["camera"], []], [[]]]))
def test_filled_roll_ups(data: st.DataObject, rows: Rows, rollup: list[list[str]]) -> None:
    """A coarse series is silent where all its finer ones are."""
    options = {
        "every": "10s",
        "by": ["camera", "zone"],
        "source": "camera",
        "fill": True,
        "fill_limit": 1_000,
        "rollup": rollup,
        "out_of_orderness": "5s",
    }
    agree(COUNTS, options, data.draw(calls(rows, "camera")))


edges = st.sampled_from([LOW, HIGH]).flatmap(
    lambda edge: st.integers(0, 40 * SECOND).map(lambda away: edge + away if edge < 0 else edge - away)
)


@given(streams(edges | near, 12), durations("10s", "7s", "3650d"), durations("0s", "3s", "-4s"))
@example([dict.fromkeys(SCHEMA.names) | {"time": time} for time in (LOW, LOW + 1, 0, HIGH)], "1ns", "0s")
@example([dict.fromkeys(SCHEMA.names) | {"time": time} for time in (HIGH, 0, LOW)], "106751d", "-1ns")
def test_edges_of_64_bits(rows: Rows, every: str, offset: str) -> None:
    for out_of_orderness in ("0s", "1d", "106751d"):
        options = {"every": every, "offset": offset, "out_of_orderness": out_of_orderness}
        agree(COUNTS, options, [("push", rows), ("drain",), ("flush",)])
        agree(COUNTS, options | {"allowed_lateness": "106751d"}, [("push", rows), ("drain",), ("flush",)])


@given(
    st.lists(st.integers(HIGH // SECOND - 5, HIGH // SECOND + 5) | st.integers(-5, 5) | st.just(LOW)),
    st.sampled_from(["s", "ms", "us", "ns"]),
)
def test_times_of_any_unit(times: list[int], unit: str) -> None:
    rows = [dict.fromkeys(SCHEMA.names) | {"time": time} for time in times]
    options = {"every": "10s", "time_unit": unit, "out_of_orderness": "106751d"}
    agree({"rows": AGGREGATES["rows"]}, options, [("push", rows), ("flush",)])


def turn(*text: str) -> list[int]:
    return [int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()) * SECOND for time in text]


#: Where clocks change: Berlin, São Paulo (at midnight), Samoa's lost day.
TURNS = turn(
    "2024-03-31T01:00", "2024-10-27T01:00", "2018-11-04T03:00", "2018-02-18T02:00", "2011-12-30T10:00"
)
moments = st.tuples(st.sampled_from(TURNS), st.integers(-100 * 3600, 100 * 3600)).map(
    lambda pair: pair[0] + pair[1] * SECOND
) | st.integers(631_152_000, 1_735_689_600).map(lambda seconds: seconds * SECOND)


@given(
    streams(moments, 20),
    st.sampled_from(["Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia", "UTC"]),
    st.sampled_from(
        [
            ("15m", "0s"),
            ("1h", "0s"),
            ("1h", "10m"),
            ("3h", "0s"),
            ("3h", "-1h"),
            ("7h", "0s"),
            ("1d", "0s"),
            ("1d", "6h"),
            ("1d", "-6h"),
            ("2d", "0s"),
            ("7d", "96h"),
        ]
    ),
)
@example(  # clocks change inside a window: each row goes by the offset in force at its own time
    [dict.fromkeys(SCHEMA.names) | {"time": TURNS[0] + away * SECOND} for away in (0, -1, 0, 1800, -1, 7200)],
    "Europe/Berlin",
    ("3h", "0s"),
)
@example(  # a window that begins within Samoa's lost day
    [
        dict.fromkeys(SCHEMA.names) | {"time": TURNS[4] + hours * 3600 * SECOND}
        for hours in (-20, -1, 0, 5, 7)
    ],
    "Pacific/Apia",
    ("1d", "6h"),
)
def test_windows_of_civil_time(rows: Rows, zone: str, length: tuple[str, str]) -> None:
    options = {"every": length[0], "offset": length[1], "zone": zone, "out_of_orderness": "20000d"}
    agree(COUNTS, options, [("push", rows), ("flush",)])


@given(streams(st.integers(-50, 50).map(lambda h: TURNS[0] + h * 3600 * SECOND), 20), durations("1h", "1d"))
def test_filled_windows_of_civil_time(rows: Rows, every: str) -> None:
    rows.sort(key=lambda row: row["time"])
    options = {"every": every, "zone": "Europe/Berlin", "fill": True, "by": "camera"}
    agree(COUNTS, options, [("push", rows), ("drain",), ("flush",)])


@given(st.data(), forward(40), st.sampled_from(["0s", "6s", ""]), st.sampled_from([None, "camera"]))
def test_a_clock_lets_silent_sources_go(
    data: st.DataObject, rows: Rows, late: str, source: str | None
) -> None:
    """The clock runs beside the rows: some batches take longer than the timeout."""
    options = {
        "every": "10s",
        "by": "camera",
        "source": source,
        "out_of_orderness": "2s",
        "idle_timeout": "20s",
        "max_ahead": "30s",
    }
    options |= {"allowed_lateness": late} if late else {"fill": True, "fill_limit": 3}
    plan: list[tuple[Any, ...]] = []
    now = max((row["time"] for row in rows if row["time"] is not None), default=0) - 60 * SECOND
    for at in range(0, len(rows), 7):
        now += data.draw(st.integers(0, 30)) * SECOND
        plan.append(("push", rows[at : at + 7], now))
        if data.draw(st.booleans()):
            now += data.draw(st.integers(0, 30)) * SECOND
            plan.append(("advance", now))
            plan.append(("drain",))
    agree(COUNTS, options, [*plan, ("advance", now + 100 * SECOND), ("drain",), ("flush",)])


@given(forward(), shapes(), st.lists(st.integers(1, 9)))
def test_batches_cut_anywhere(rows: Rows, options: dict[str, Any], sizes: list[int]) -> None:
    """Revision 0 and the last word of each window and series are the same, however the rows are cut."""
    twin, whole, cut, single = (make(AGGREGATES, **options) for make in (slow, Fast, Fast, Fast))
    for windows in (twin, whole):
        windows.push(rows)
    at = 0
    for size in [*sizes, len(rows) or 1]:
        cut.push(rows[at : at + size])
        at += size
    for row in rows:
        single.push([row])
    expected = words(twin.flush(), options)
    for windows in (whole, cut, single):
        assert words(windows.flush(), options) == expected
        assert plain(windows.late()) == plain(list(twin.late_rows))


def words(rows: Rows, options: dict[str, Any]) -> dict[tuple[Any, ...], list[Any]]:
    """The first and the last revision of each window and series."""
    by = options["by"] if isinstance(options["by"], list) else [options["by"]] if options["by"] else []
    found: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        name = (row["window_start"], row.get("level"), *(row[column] for column in by))
        value = {column: value for column, value in row.items() if column != "revision"}
        assert (row["revision"] == 0) == (name not in found)
        found[name] = [found.get(name, [value])[0], value]
    return found


@given(st.data(), forward(), shapes())
def test_snapshots_anywhere(data: st.DataObject, rows: Rows, options: dict[str, Any]) -> None:
    """An engine that goes on from its own bytes after every call gives what one that never stopped gives."""
    plan = data.draw(calls(rows, options["source"]))
    steady, stopped, pickled = (Fast(AGGREGATES, **options) for _ in range(3))
    expected = play(steady, plan)
    drains = []
    for name, *arguments in plan:
        out = getattr(stopped, name)(*arguments)
        again = getattr(pickled, name)(*arguments)
        if name in ("drain", "flush"):
            drains.append(plain(out))
            assert plain(again) == plain(out)
        bytes_before = stopped.engine.snapshot()
        assert stopped.engine.snapshot() == bytes_before
        stopped.through_snapshot()
        assert stopped.engine.snapshot() == bytes_before
        pickled.engine = pickle.loads(pickle.dumps(pickled.engine))
        assert pickled.engine.snapshot() == bytes_before
    assert drains == [plain(drain) for drain in expected[0]]
    assert (plain(stopped.late()), plain(stopped.rejects())) == expected[1:3]
    assert [stopped.stats[name] for name in ("read", "counted", "late", "rejected")] == expected[3]


@given(forward(30), shapes())
def test_the_same_calls_give_the_same_bytes(rows: Rows, options: dict[str, Any]) -> None:
    one, other = Fast(AGGREGATES, **options), Fast(AGGREGATES, **options)
    for windows in (one, other):
        windows.push(rows[:15])
        windows.push(rows[15:])
    assert one.engine.snapshot() == other.engine.snapshot()


@given(forward(30), shapes())
def test_one_row_at_a_time(rows: Rows, options: dict[str, Any]) -> None:
    """`push_one` is `push` of one row."""
    by = options["by"]
    names = [by] if isinstance(by, str) else by or []
    if options["source"] not in names:
        options["source"] = None  # a single row has nowhere else to say it
    batches, ones = Fast(AGGREGATES, **options), Fast(AGGREGATES, **options)
    for row in rows:
        if row["time"] is None:
            continue
        batches.push([row])
        key = tuple(row[name] for name in names)
        values = {name: row[name] for name in ones.engine.inputs}
        ones.engine.push_one(row["time"], None if by is None else key[0] if by == "camera" else key, values)
    assert plain(ones.flush()) == plain(batches.flush())
    assert plain(ones.late()) == plain(batches.late())


@given(
    st.lists(
        st.tuples(st.integers(-30, 90), st.integers(0, 2), floats, floats | st.none()),
        max_size=60,
    ),
    st.sampled_from(["0s", "15s", "1h"]),
    st.booleans(),
)
def test_one_row_of_floats_at_a_time(
    rows: list[tuple[int, int, float, float | None]], out_of_orderness: str, several: bool
) -> None:
    """The same where floats are all there is, which go a shorter way; keys are the same objects again and again."""
    aggregates = {"n": wr.count(), "sum": wr.sum("x"), "least": wr.min("x"), "x": wr.std("x")}
    if several:
        aggregates |= {"mean": wr.mean("y"), "y": wr.var("y")}
    options = {"every": "10s", "by": "key", "time_unit": "s", "out_of_orderness": out_of_orderness}
    batches, ones = (wr.TumblingWindows(aggregates=aggregates, **options) for _ in range(2))
    keys = ["a", "b", "c"]
    schema = pa.schema({"time": pa.int64(), "key": pa.string(), "x": pa.float64(), "y": pa.float64()})
    for time, key, x, y in rows:
        row = {"time": time, "key": keys[key], "x": x, "y": y}
        batches.push(pa.Table.from_pylist([row], schema))
        ones.push_one(time, keys[key], (x, y) if several else (x,))
        if time == 0:
            assert repr(ones.drain().to_pydict()) == repr(batches.drain().to_pydict())
    for count in ("read", "counted", "late", "rejected", "nan", "open"):
        assert ones.stats[count] == batches.stats[count]
    for read in ("flush", "late"):
        assert repr(getattr(ones, read)().to_pydict()) == repr(getattr(batches, read)().to_pydict())


@given(forward(30), st.sampled_from(["s", "ms", "us", "ns"]))
def test_timestamps_are_the_integers_that_they_hold(rows: Rows, unit: str) -> None:
    schema = SCHEMA.set(0, pa.field("time", pa.timestamp(unit, "Europe/Berlin")))
    size = nanoseconds(f"1{unit}")
    for row in rows:
        row["time"] = None if row["time"] is None else row["time"] // size
    stamps, integers = Fast(COUNTS, schema, every="10s"), Fast(COUNTS, every="10s", time_unit=unit)
    for windows in (stamps, integers):
        windows.push(rows)
    assert plain(stamps.flush()) == plain(integers.flush())
