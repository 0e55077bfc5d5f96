"""Apache Flink's own outputs, replayed: the same windows, or a difference that is named with its reason."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from oracle.windows_face import BOTH, Rows, Spec, rows_of

MINUTE = 60 * 10**9
SCHEMA = pa.schema({"time": pa.int64(), "camera": pa.string(), "person": pa.int64(), "car": pa.int64()})
COUNTS: Spec = {"person": ("count", ["person"], {}), "car": ("count", ["car"], {})}
ALL: Spec = {"n": ("count", [], {}), **COUNTS, "s": ("sum", ["car"], {}), "a": ("mean", ["car"], {})}
N: Spec = {"n": ("count", [], {})}


@pytest.fixture(scope="module")
def cases(reference: Path) -> Any:
    return json.loads((reference / "flink" / "cases.json").read_text())


@pytest.fixture(scope="module")
def flink(reference: Path) -> dict[str, Rows | list[Any]]:
    """Flink's changes by the title of each case: the kind of change and its row."""
    text = (reference / "flink" / "tumble_semantics.txt").read_text()
    answers: dict[str, list[Any]] = {}
    for block in text.split("### ")[1:]:
        title = block.partition("\n")[0]
        answers[title] = [
            (change, ast.literal_eval(row))
            for change, row in re.findall(r"^ +([A-Z_]+) (\[.*\])$", block, re.MULTILINE)
        ]
    return answers


def answer(flink: dict[str, Any], title: str) -> list[list[str | None]]:
    """The rows of the one case whose title starts so, none of them taken back."""
    (rows,) = [rows for name, rows in flink.items() if name.startswith(title)]
    assert all(change == "INSERT" for change, _ in rows)
    return [row for _, row in rows]


def stamp(text: str | None, zone: str = "UTC") -> int:
    """Nanoseconds of an ISO time; Flink writes civil time without a zone."""
    assert text is not None
    time = datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=ZoneInfo(zone))
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // (time.resolution) * 1_000


def inputs(cases: Any, name: str) -> Rows:
    """A case's rows, `ts` or `ms` as nanoseconds in `time`."""
    rows = []
    for row in cases["inputs"][name]:
        time = row["ms"] * 10**6 if "ms" in row else row["ts"] and stamp(row["ts"])
        rows.append({"time": time} | {c: row.get(c) for c in ("camera", "person", "car")})
    return rows


@pytest.fixture(params=BOTH)
def run(request: Any) -> Callable[..., Rows]:
    """All rows in, everything that comes out by the end of input; one push a row, or one push for all."""

    def all_out(rows: Rows, aggregates: Spec, *, cut: bool = False, **options: Any) -> Rows:
        options = {"every": "5m", "out_of_orderness": "10s"} | options
        schema = {} if request.param == "oracle" else {"schema": SCHEMA}
        windows = BOTH[request.param](aggregates, **schema, **options)
        for part in [[row] for row in rows] if cut else [rows]:
            windows.push(part)
        out = windows.flush()
        all_out.windows = windows  # type: ignore[attr-defined]
        return out

    return all_out


def counted(rows: Rows) -> list[tuple[int, int, int, int]]:
    return [(row["window_start"], row["window_end"], row["person"], row["car"]) for row in rows]


def expected(answers: list[list[str | None]]) -> list[tuple[int, int, int, int]]:
    return sorted((stamp(a), stamp(b), int(p or ""), int(c or "")) for a, b, p, c in answers)


def keyed(rows: Rows) -> list[tuple[Any, ...]]:
    return [
        (
            row["camera"],
            row["window_start"],
            row["window_end"],
            row["n"],
            row["person"],
            row["car"],
            row["s"],
            row["a"],
        )
        for row in rows
    ]


def expected_keyed(answers: list[list[str | None]]) -> list[tuple[Any, ...]]:
    """As ours come out: by window, then camera with null first."""

    def number(text: str | None) -> float | None:
        return None if text is None else float(text)

    rows = [
        (
            camera,
            stamp(start),
            stamp(end),
            int(n or ""),
            int(person or ""),
            int(car or ""),
            number(s),
            number(a),
        )
        for camera, start, end, _, n, person, car, s, a in answers
    ]
    return sorted(rows, key=lambda row: (row[1], row[0] is not None, row[0] or ""))


@pytest.mark.parametrize("cut", [False, True])
def test_s1_keyed(run: Any, cases: Any, flink: Any, cut: bool) -> None:
    out = run(inputs(cases, "main"), ALL, by="camera", cut=cut)
    assert keyed(out) == expected_keyed(answer(flink, "S1 "))
    assert {row["revision"] for row in out} == {0}
    assert [row["reason"] for row in run.windows.late()] == ["late"] * 3


@pytest.mark.parametrize("cut", [False, True])
def test_s2_global(run: Any, cases: Any, flink: Any, cut: bool) -> None:
    out = run(inputs(cases, "main"), COUNTS, cut=cut)
    assert counted(out) == expected(answer(flink, "S2 "))
    # 00:04:56, 00:04:55 and 00:17: behind a watermark of 00:05:00.300 and of 00:20:50.
    assert [row["person"] for row in run.windows.late()] == [61, 62, 63]
    stats = run.windows.stats
    assert (stats["read"], stats["counted"], stats["late"], stats["rejected"]) == (15, 12, 3, 0)


def test_s3_global_stamped_with_the_end(run: Any, cases: Any, flink: Any) -> None:
    out = run(inputs(cases, "main"), COUNTS, label="end")
    answers = [[start, end, person, car] for person, car, start, end, _ in answer(flink, "S3 ")]
    assert counted(out) == expected(answers)


def test_s4_keyed_stamped_with_the_end(run: Any, cases: Any, flink: Any) -> None:
    out = run(inputs(cases, "main"), COUNTS, by="camera", label="end")
    ours = [(row["camera"], row["person"], row["car"], row["window_end"]) for row in out]
    theirs = [
        (camera, int(person), int(car), stamp(end)) for camera, person, car, end in answer(flink, "S4 ")
    ]
    assert ours == sorted(theirs, key=lambda row: (row[3], row[0]))


def test_s5_fires_at_the_end_not_a_millisecond_before(run: Any, cases: Any, flink: Any) -> None:
    """Differs: Flink in milliseconds fires at `window_end - 1 ms`, ours at `window_end`.

    At 00:05:09.999 the watermark is 00:04:59.999. The row at 00:04:57.000 that follows is late there
    and counted here.
    """
    out = counted(run(inputs(cases, "main"), COUNTS))
    theirs = expected(answer(flink, "S5 "))
    assert theirs[0][2:] == (3, 2)
    assert out[0][2:] == (4, 3)
    assert out[1:] == theirs[1:]
    assert out == expected(answer(flink, "S2 "))


def test_s6_judges_lateness_row_by_row(run: Any, cases: Any, flink: Any) -> None:
    """Differs: Flink emits a watermark only every 10 minutes there, and counts rows that ours finds late."""
    out = counted(run(inputs(cases, "main"), COUNTS))
    theirs = expected(answer(flink, "S6 "))
    assert theirs[0][2:] == (6, 5)
    assert out[0][2:] == (4, 3)
    assert out[1:] == theirs[1:]
    assert out == expected(answer(flink, "S2 "))


@pytest.mark.parametrize("cut", [False, True])
def test_s7_allowed_lateness(run: Any, cases: Any, flink: Any, cut: bool) -> None:
    """Differs in form: our revisions replace UPDATE_BEFORE and UPDATE_AFTER; the values are the same.

    Flink updates once a late row, ours once a drain; so the last values are what can be compared.
    """
    (changes,) = [rows for name, rows in flink.items() if name.startswith("S7 ")]
    theirs = {row[2]: row for change, row in changes if change != "UPDATE_BEFORE"}
    firsts = {}
    for change, row in changes:
        if change == "INSERT":
            firsts.setdefault(row[2], row)
    out = run(inputs(cases, "main"), COUNTS, allowed_lateness="10m", cut=cut)
    last = {row["window_start"]: row for row in out}
    first = {row["window_start"]: row for row in out if row["revision"] == 0}
    assert counted(list(last.values())) == expected([[s, e, p, c] for p, c, s, e, _ in theirs.values()])
    assert counted(list(first.values())) == expected([[s, e, p, c] for p, c, s, e, _ in firsts.values()])
    # The window of 00:15 is first filled after the watermark has passed its end: revision 0.
    assert [(row["window_start"] - stamp("2026-01-01")) // MINUTE for row in out] == [0, 0, 5, 15, 20]
    assert [row["revision"] for row in out] == [0, 1, 0, 0, 0]
    assert run.windows.late() == []


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
@pytest.mark.parametrize(("every", "title"), [("1h", "'1' HOUR"), ("1d", "'1' DAY")])
def test_s9_windows_of_civil_time(
    run: Any, cases: Any, flink: Any, zone: str, every: str, title: str
) -> None:
    out = run(inputs(cases, "ms"), N, every=every, zone=zone)
    theirs = answer(flink, f"S9 LTZ epoch-ms, tz={zone}, window {title}")
    assert [(row["window_start"], row["window_end"], row["n"]) for row in out] == [
        (stamp(start, zone), stamp(end, zone), int(n)) for start, end, n in theirs
    ]


def test_s10_offset(run: Any, cases: Any, flink: Any) -> None:
    out = run(inputs(cases, "main"), N, offset="1m")
    assert [(row["window_start"], row["window_end"], row["n"]) for row in out] == [
        (stamp(start), stamp(end), int(n)) for start, end, n in answer(flink, "S10 ")
    ]


def test_s11_a_row_without_time(run: Any, cases: Any, flink: Any) -> None:
    """Differs: Flink fails the job in a stream (S11, S12); ours rejects the row, as its batch mode (B3)."""
    assert answer(flink, "S11 ") == answer(flink, "S12 ") == []
    assert counted(run(inputs(cases, "null_time"), COUNTS)) == expected(answer(flink, "B3 "))
    assert [row["reason"] for row in run.windows.rejects()] == ["time_null"]
    stats = run.windows.stats
    assert (stats["read"], stats["counted"], stats["late"], stats["rejected"]) == (3, 2, 0, 1)


def test_s13_null_is_a_series(run: Any, cases: Any, flink: Any) -> None:
    out = run(inputs(cases, "null_key"), ALL, by="camera")
    assert keyed(out) == expected_keyed(answer(flink, "S13 "))
    assert [row["camera"] for row in out] == [None, "A"]


def test_s15_fields_of_the_wrong_type(cases: Any, flink: Any) -> None:
    """Differs: Flink drops the whole line with a bare NaN; ours keeps the row, the one field is null.

    With `person` and `car` declared float64, "17" is a number, "x9" is none and counts as null.
    """
    import windrow as wr

    columns = {"person": "float64", "car": "float64"}
    lines = "\n".join(cases["inputs"]["bad_fields"]).encode()
    read = wr.decode(lines, {"kind": "rows", "time": "ts", "columns": columns})
    assert len(read.rejects) == 0
    w = wr.TumblingWindows(every="5m", aggregates={"person": wr.count("person"), "car": wr.count("car")})
    w.push(read.rows)
    (theirs,) = expected(answer(flink, "S15 "))
    assert theirs[2:] == (2, 1)
    assert counted(rows_of(w.flush())) == [(*theirs[:2], 2, 2)]


def test_s16_before_1970(run: Any, cases: Any, flink: Any) -> None:
    assert counted(run(inputs(cases, "before_1970"), COUNTS)) == expected(answer(flink, "S16 "))


def test_s17_nothing_of_nothing(run: Any, cases: Any, flink: Any) -> None:
    assert run(inputs(cases, "empty"), COUNTS) == answer(flink, "S17 ") == []


@pytest.mark.parametrize(("case", "by"), [("B1 ", "camera"), ("B2 ", None)])
def test_b1_b2_batch_mode_has_nothing_late(
    run: Any, cases: Any, flink: Any, case: str, by: str | None
) -> None:
    out = run(inputs(cases, "main"), ALL, by=by, out_of_orderness="1d")
    if by:
        assert keyed(out) == expected_keyed(answer(flink, case))
    else:
        assert counted(out) == expected([[s, e, p, c] for p, c, s, e, _ in answer(flink, case)])
    assert run.windows.late() == []


def test_every_case_is_replayed(cases: Any) -> None:
    told = {name.split("_")[1].upper() for name in globals() if name.startswith("test_")} | {"B2"}
    assert set(cases["cases"]) <= told
