"""Lanes against their slow twin: any interleaving of several producers' calls, made by one thread."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from oracle.lanes_face import FastLanes, slow
from oracle.windows_face import Rows, Spec
from test_windows_properties import AGGREGATES, COUNTS, SECOND, cameras, forward, plain, shapes

NAMES = ["", "a", "b", "ä"]
Plan = list[tuple[Any, ...]]


@st.composite
def interleavings(draw: st.DrawFn, rows: Rows, source: str | None, timeout: int | None = None) -> Plan:
    """Rows dealt to 1 to 4 lanes in small batches, with all that may happen between them."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    open_lanes: set[str] = set()
    plan: Plan = []

    def open_lane(name: str) -> None:
        if name and name not in open_lanes:
            open_lanes.add(name)
            plan.append(("open", name))

    now = 0
    if timeout is not None:
        # The clock is there from the beginning: what is silent is so from then on.
        plan.append(("advance", now))
    for name in names if draw(st.booleans()) else []:
        open_lane(name)
    at, newest = 0, -(2**62)
    while at < len(rows):
        name = draw(st.sampled_from(names))
        part = rows[at : at + draw(st.integers(0, 6))]
        at += len(part)
        open_lane(name)
        if timeout is not None:
            now += draw(st.integers(0, timeout)) * SECOND
            plan.append(("push_to", name, part, now))
        else:
            plan.append(("push_to", name, part))
        known = [row["time"] for row in part if row["time"] is not None]
        newest = max([newest, *known])
        what = ["", "", "drain", "drain", "close", "close", "open", "snapshot", "look"]
        what += ["advance"] if timeout is not None else []
        what += ["watermark", "alive"] if known else []
        match draw(st.sampled_from(what)):
            case "drain":
                plan.append(("drain",))
            case "close" if open_lanes:
                name = draw(st.sampled_from(sorted(open_lanes)))
                open_lanes.discard(name)
                plan.append(("close", name))
            case "open":
                open_lane(draw(st.sampled_from(names)))
            case "snapshot":
                plan.append(("snapshot",))
            case "look":
                plan.append(("look",))
            case "advance":
                now += draw(st.integers(0, 2 * (timeout or 0))) * SECOND
                plan.append(("advance", now))
            case "watermark":
                plan.append(("watermark", draw(st.sampled_from(known)) - 5 * SECOND))
            case "alive":
                alive = draw(cameras) if source else None
                plan.append(("alive_on", name, alive, newest + draw(st.sampled_from([3, 30])) * SECOND))
    return [*plan, ("drain",), ("flush",)]


def play(windows: Any, plan: Plan) -> tuple[list[Any], Rows, Rows, list[int]]:
    """Everything that comes out: each drain, then late rows, rejects and the sums."""
    drains: list[Any] = []
    for name, *arguments in plan:
        match name:
            case "snapshot":
                if hasattr(windows, "through_snapshot"):
                    windows.through_snapshot()
            case "look":
                # Looking takes what lanes have handed over, and may change nothing.
                if hasattr(windows, "engine"):
                    stats = windows.stats
                    assert stats == windows.stats
            case "rescale":
                if hasattr(windows, "rescale"):
                    windows.rescale(*arguments)
            case "drain" | "flush":
                rows = getattr(windows, name)()
                reached = windows.reach()
                # A datetime has whole microseconds; a deadline is rounded up.
                whole = None if reached is None else reached // 1_000 * 1_000
                drains.append((rows, whole, windows.next_deadline()))
            case _:
                getattr(windows, name)(*arguments)
    late, rejects = plain(windows.late()), plain(windows.rejects())
    stats = [windows.stats[name] for name in ("read", "counted", "late", "rejected")]
    assert stats[0] == sum(stats[1:])
    assert stats[2:] == [len(late), len(rejects)]
    return drains, late, rejects, stats


def agree(aggregates: Spec, options: dict[str, Any], plan: Plan) -> None:
    fast, twin = play(FastLanes(aggregates, **options), plan), play(slow(aggregates, **options), plan)
    for ours, theirs in zip(fast[0], twin[0], strict=True):
        assert ours == theirs
    assert fast[1:] == twin[1:]


@given(st.data(), forward(), shapes())
def test_lanes_equal_the_slow_twin(data: st.DataObject, rows: Rows, options: dict[str, Any]) -> None:
    agree(AGGREGATES, options, data.draw(interleavings(rows, options["source"])))


@given(
    st.data(),
    forward(),
    st.sampled_from(["0s", "6s", ""]),
    st.sampled_from([None, "camera"]),
    st.sampled_from([1, 20]),
)
def test_a_clock_lets_silent_lanes_go(
    data: st.DataObject, rows: Rows, late: str, source: str | None, timeout: int
) -> None:
    options: dict[str, Any] = {
        "every": "10s",
        "by": "camera",
        "source": source,
        "out_of_orderness": "2s",
        "idle_timeout": f"{timeout}s",
    }
    options |= {"allowed_lateness": late} if late else {"fill": True, "fill_limit": 3}
    agree(COUNTS, options, data.draw(interleavings(rows, source, timeout)))


@given(st.data(), forward(40), shapes())
def test_when_one_drains_changes_no_result(data: st.DataObject, rows: Rows, options: dict[str, Any]) -> None:
    """Whether and when somebody drains, looks or stores in between: only the number of revisions hangs on it."""
    plan = data.draw(interleavings(rows, options["source"]))
    quiet = [call for call in plan if call[0] not in ("drain", "look", "snapshot")]
    noisy, silent = (play(FastLanes(AGGREGATES, **options), calls) for calls in (plan, quiet))
    assert noisy[1:] == silent[1:]
    by = options["by"] if isinstance(options["by"], list) else [options["by"]] if options["by"] else []

    def last(drains: list[Any]) -> dict[tuple[Any, ...], Any]:
        found = {}
        for row in (row for rows, *_ in drains for row in plain(rows)):
            name = (row["window_start"], row.get("level"), *(row[column] for column in by))
            found[name] = {column: value for column, value in row.items() if column != "revision"}
        return found

    assert last(noisy[0]) == last(silent[0])
