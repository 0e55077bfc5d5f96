"""Pipelines from files, pipes and simulated worlds: the same rows give the same windows, whatever they came in."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import windrow as wr
from faults import PATIENCE
from windrow.pipeline import Pipeline
from windrow.sources import file as file_source
from windrow.sources.blocks import blocks
from windrow.stopping import Stop

ROWS = pa.table(
    {
        "time": [f"2026-01-05T00:{minute:02}:{second:02}Z" for minute in range(30) for second in (3, 33)],
        "lane": [("a", "b", "ä")[at % 3] for at in range(60)],
        "speed": [50.0 + at % 7 if at % 11 else None for at in range(60)],
    }
)


def pipeline(folder, source=None, window=None, **sections):
    aggregates = [{"name": "n", "count": True}, {"name": "fastest", "max": "speed"}]
    return Pipeline.from_dict(
        {
            "source": {"kind": "file", **(source or {})},
            "window": {"every": "5m", "by": "lane", "aggregate": aggregates, **(window or {})},
            "sink": [{"kind": "file", "path": str(folder / "out" / "windows.jsonl"), "what": "windows"}],
            **sections,
        }
    )


def written(folder, name="windows.jsonl"):
    return [json.loads(line) for line in (folder / "out" / name).read_text("utf-8").splitlines()]


def put(path, table=ROWS):
    """The table in the format of the path's ending."""
    zipped = path.suffix.lower() == ".gz"
    plain = path.with_suffix("") if zipped else path
    ending = plain.suffix.lower()
    if ending == ".parquet":
        pa.parquet.write_table(table, plain, row_group_size=7)
    elif ending == ".csv":
        pa.csv.write_csv(table, plain)
    else:
        plain.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()), "utf-8"
        )
    if zipped:
        path.write_bytes(gzip.compress(plain.read_bytes()))
    return str(path)


ENDINGS = [
    ending + zipped for ending in ("csv", "jsonl", "ndjson", "json", "parquet") for zipped in ("", ".gz")
] + ["JSONL.GZ"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_gives_the_same_windows(tmp_path, ending):
    expected = wr.TumblingWindows(
        every="5m", by="lane", aggregates={"n": wr.count(), "fastest": wr.max("speed")}
    )
    expected.push(ROWS)
    outcome = pipeline(tmp_path).run(input=put(tmp_path / f"rows.{ending}"))
    rows = [
        (row["lane"], row["window_start"].isoformat(), row["n"], row["fastest"]) for row in expected.flush()
    ]
    assert [
        (row["lane"], row["window_start"].replace("Z", "+00:00"), row["n"], row["fastest"])
        for row in written(tmp_path)
    ] == rows
    assert (outcome.read, outcome.counted, outcome.late, outcome.rejected) == (60, 60, 0, 0)
    assert outcome.windows == len(rows) == 18
    assert not outcome.interrupted


@pytest.mark.parametrize("ending", ["csv", "jsonl", "csv.gz"])
@pytest.mark.parametrize("size", [1, 37, 1000])
def test_blocks_cut_anywhere_change_nothing(tmp_path, monkeypatch, ending, size):
    name = put(tmp_path / f"rows.{ending}")
    pipeline(tmp_path).run(input=name)
    whole = written(tmp_path)
    monkeypatch.setattr(file_source, "BLOCK", size)
    seen = []
    pipeline(tmp_path).run(input=name, progress=lambda done, total: seen.append((done, total)))
    assert written(tmp_path) == whole
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1] == Path(name).stat().st_size


def test_lines_are_never_cut_nor_values_between_quotes():
    text = b'a,b\n1,"x\ny"\n2,"""\n"\n3,z'
    for size in range(1, len(text) + 1):
        pieces = [text[at : at + size] for at in range(0, len(text), size)] + [b""]
        cut = list(blocks(iter(pieces).__next__, quotes=True))
        assert b"".join(cut) == text
        assert all(part.count(b'"') % 2 == 0 for part in cut)
        assert all(part.endswith(b"\n") for part in cut[:-1])


def test_a_line_without_an_end_is_refused(monkeypatch):
    monkeypatch.setattr("windrow.sources.blocks.LONGEST", 100)
    with pytest.raises(wr.DataError, match="a line must end within"):
        list(blocks(lambda: b"x" * 60))


def test_bad_rows_never_cost_the_good_ones(tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_bytes(
        b"time,lane,speed,note\n2026-01-05T00:00:00Z,a,50,x\nnonsense\n2026-01-05T00:00:01Z,a,fast,x\n"
        b"2026-01-05T00:00:02Z,a,52,\xff\xfe\n2026-01-05T00:00:03Z,a,n/a,x\nyesterday,a,53,x\n1,2,3,4,5,6\n"
        + b"".join(b"2026-01-05T00:00:%02dZ,a,51,x\n" % second for second in range(10, 40))
    )
    outcome = pipeline(tmp_path).run(input=str(bad))
    (row,) = written(tmp_path)
    assert (row["n"], row["fastest"]) == (34, 52)
    assert (outcome.read, outcome.rejected) == (35, 1)
    assert outcome.unreadable == 3  # two lines that are no row, one speed that is no number; "n/a" is a null


def test_bad_messages_are_rejects_and_counted(tmp_path):
    bad = tmp_path / "bad.jsonl"
    good = '{"time": "2026-01-05T00:00:00Z", "lane": "a", "speed": 50}\n'
    bad.write_text(
        good + '{"time": "2026-01-05T00:00:01Z", "lane":\n' + good + "[]\n\n" + good + '{"time": 0\n', "utf-8"
    )
    outcome = pipeline(tmp_path).run(input=str(bad))
    assert written(tmp_path)[0]["n"] == 3
    assert (outcome.read, outcome.counted, outcome.rejected) == (6, 3, 3)


MESSAGES = {
    "axis": (
        {"camera": "gate"},
        b'{"channel_id": 1, "timestamp": "2026-01-05T00:00:01.000000Z", "detections": [{"object_track_id": "a"}]}\n',
    ),
    "frigate": (
        {},
        b'{"type": "new", "after": {"id": "a", "camera": "gate", "frame_time": 1767571201.5, "label": "car"}}\n',
    ),
    "mot": (
        {"camera": "gate", "frames_per_second": 25, "start": "2026-01-05T00:00:00Z"},
        b"26,a,1,1,9,9,-1,-1,-1,-1\n26,1,1,1,9,9,-1,-1,-1,-1\n",
    ),
}


@pytest.mark.parametrize("decoder", MESSAGES)
def test_messages_of_every_make_come_from_a_file(tmp_path, decoder):
    options, lines = MESSAGES[decoder]
    path = tmp_path / "messages.txt"
    path.write_bytes(lines + b"no message\n")
    source = {"path": str(path), "decoder": decoder, **options}
    window = {"by": "camera", "aggregate": [{"name": "n", "distinct": "track"}]}
    outcome = pipeline(tmp_path, source, window).run()
    assert [(row["camera"], row["window_start"], row["n"]) for row in written(tmp_path)] == [
        ("gate", "2026-01-05T00:00:00Z", 1)
    ]
    assert (outcome.counted, outcome.rejected) == (1, lines.count(b"\n"))


def test_columns_can_have_other_names_and_times_another_form(tmp_path):
    table = tmp_path / "rows.csv"
    table.write_bytes(
        b"\xef\xbb\xbf5 Minutes,Lane,Speed (km/h)\n05/01/2026 0:00,a,50\n05/01/2026 23:59,a,60\nlater,a,70\n"
    )
    source = {
        "time": "5 Minutes",
        "time_format": "%d/%m/%Y %H:%M",
        "fields": {"lane": "Lane", "speed": "Speed (km/h)"},
    }
    outcome = pipeline(tmp_path, source).run(input=str(table))
    assert [(row["window_start"], row["fastest"]) for row in written(tmp_path)] == [
        ("2026-01-05T00:00:00Z", 50),
        ("2026-01-05T23:55:00Z", 60),
    ]
    assert (outcome.unreadable, outcome.rejected) == (1, 1)
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"5 Minutes": "05/01/2026 0:01", "Lane": "a", "Speed (km/h)": 50}\n{}\nx\n', "utf-8")
    outcome = pipeline(tmp_path, source).run(input=str(lines))
    assert written(tmp_path)[0]["fastest"] == 50
    assert (outcome.counted, outcome.unreadable) == (1, 1)


def test_fields_within_others_are_columns_of_json_lines_of_any_make(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"at": "2026-01-05T00:00:00Z", "data": {"speed": 50}, "lane": {"id": "a"}}\n' * 2)
    fields = {"time": "at", "speed": "data.speed", "lane": "lane.id"}
    outcome = pipeline(tmp_path, {"fields": fields}).run(input=str(rows))
    assert [(row["lane"], row["n"], row["fastest"]) for row in written(tmp_path)] == [("a", 2, 50)]
    assert (outcome.counted, outcome.rejected) == (2, 0)
    frames = tmp_path / "frames.jsonl"
    frame = {"@timestamp": "2026-01-05T00:00:00Z", "sensorId": "gate", "objects": ["7|0|0|9|9|car"]}
    frames.write_text(
        "".join(json.dumps(frame | {"road": {"name": name}}) + "\n" for name in ("A1", "A2", "A1"))
    )
    source = {"decoder": "deepstream", "fields": {"road": "road.name"}, "where": {"road": ["A1"]}}
    window = {"by": "road", "aggregate": [{"name": "n", "count": True}]}
    pipeline(tmp_path, source, window).run(input=str(frames))
    assert {row["road"]: row["n"] for row in written(tmp_path)} == {"A1": 2, "A2": 0}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_unknown_column_is_named_with_the_nearest_right_one(tmp_path, ending):
    name = put(tmp_path / f"rows.{ending}")
    with pytest.raises(
        wr.DataError, match=r"unknown column `lnae` \(did you mean `lane`\?\): the input has `time`"
    ):
        pipeline(tmp_path, window={"by": "lnae"}).run(input=name)
    with pytest.raises(wr.DataError, match="unknown time column `stamp`: the input has"):
        pipeline(tmp_path, {"time": "stamp"}).run(input=name)


def test_where_keeps_rows_of_the_source(tmp_path):
    name = put(tmp_path / "rows.csv")
    outcome = pipeline(tmp_path, {"where": {"lane": ["a", "b"]}}).run(input=name)
    # The third lane shows that it lives, but nothing of it counts.
    assert sum(row["n"] for row in written(tmp_path)) == 40
    assert {row["lane"] for row in written(tmp_path) if row["n"]} == {"a", "b"}
    assert outcome.read == 60


def test_several_files_are_read_in_turn(tmp_path):
    names = [put(tmp_path / "1.csv", ROWS.slice(0, 31)), put(tmp_path / "2.parquet", ROWS.slice(31))]
    outcome = pipeline(tmp_path, {"path": names}).run()
    assert (outcome.counted, outcome.windows) == (60, 18)


def test_files_that_are_not_what_they_say(tmp_path):
    with pytest.raises(wr.ConfigError, match="there is no file"):
        pipeline(tmp_path).run(input=str(tmp_path / "absent.csv"))
    with pytest.raises(wr.ConfigError, match="`path` is missing"):
        pipeline(tmp_path).run()
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(wr.ConfigError, match="can't be told by its ending"):
        pipeline(tmp_path).run(input=str(tmp_path / "rows.txt"))
    (tmp_path / "rows.parquet").write_text("x")
    with pytest.raises(wr.DataError, match="no Parquet file"):
        pipeline(tmp_path).run(input=str(tmp_path / "rows.parquet"))
    whole = Path(put(tmp_path / "rows.jsonl.gz"))
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(wr.DataError, match="no whole gzip data: it ends within it"):
        pipeline(tmp_path).run(input=str(whole))


def test_a_column_that_is_there_twice_is_not_guessed(tmp_path):
    (tmp_path / "rows.csv").write_text("time,lane,speed,speed\n1,a,2,3\n")
    with pytest.raises(wr.DataError, match="`speed` must be there once, got it 2 times"):
        pipeline(tmp_path).run(input=str(tmp_path / "rows.csv"))


def test_a_report_is_finished_when_the_end_is_asked_for_meanwhile(tmp_path, monkeypatch):
    """A signal while the page is drawn must not leave half of it behind."""
    import windrow.report.run

    drawn = windrow.report.run.write

    def slow(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        drawn(*arguments)

    monkeypatch.setattr(windrow.report.run, "write", slow)
    page = tmp_path / "report.html"
    pipeline(tmp_path).run(input=put(tmp_path / "rows.csv"), report=page)
    assert page.read_text("utf-8").rstrip().endswith("</html>")


def test_state_goes_on_where_it_was_left(tmp_path):
    state = {"path": str(tmp_path / "state")}
    found = []
    for part in (ROWS.slice(0, 25), ROWS.slice(25, 20), ROWS.slice(45)):
        outcome = pipeline(tmp_path, state=state).run(input=put(tmp_path / "part.csv", part))
        assert outcome.read == part.num_rows
        found += written(tmp_path)
    pipeline(tmp_path).run(input=put(tmp_path / "rows.csv"))
    whole = written(tmp_path)
    assert len(found) == 15
    assert found == whole[:15]  # the last window is open still, and kept
    with pytest.raises(wr.ConfigError, match="was made with other settings"):
        pipeline(tmp_path, window={"every": "1m"}, state=state).run(input=put(tmp_path / "rows.csv"))
    for file in (tmp_path / "state").glob("windows.*.windrow.gz"):
        file.write_bytes(b"WROW")
    with pytest.raises(wr.SnapshotError, match=r"no checkpoint can be read .*windows\.3\.windrow"):
        pipeline(tmp_path, state=state).run(input=put(tmp_path / "rows.csv"))


def test_a_request_to_stop_ends_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(file_source, "BLOCK", 100)
    with Stop() as stop:
        outcome = pipeline(tmp_path).run(
            input=put(tmp_path / "rows.csv"),
            stop=stop,
            progress=lambda done, total: done > 500 and stop.request(),
        )
    assert outcome.interrupted
    assert 10 < outcome.read < 40
    assert sum(row["n"] for row in written(tmp_path)) == outcome.read


CONFIG = """
[source]
kind = "stdin"
[window]
every = "1m"
[[window.aggregate]]
name = "n"
count = true
[[sink]]
kind = "stdout"
what = "windows"
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_flushes_and_ends_well(tmp_path, number):
    (tmp_path / "live.toml").write_text(CONFIG)
    process = subprocess.Popen(
        [sys.executable, "-m", "windrow.cli", "run", str(tmp_path / "live.toml")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    for second in (0, 30, 61, 62, 63):
        process.stdin.write(b'{"time": %d}\n' % (second * 1_000_000_000))
    process.stdin.write(b'{"time": 999')
    process.stdin.flush()
    # The first window comes out while the pipe is open: nothing waits for its end.
    assert json.loads(process.stdout.readline())["n"] == 2
    process.send_signal(number)
    out, err = process.communicate(timeout=30 * PATIENCE)
    assert process.returncode == 0, err
    (last,) = out.splitlines()
    assert json.loads(last)["n"] == 3
    assert b"ended on request" in err
    assert b"Traceback" not in err


def test_a_silent_pipe_fires_by_the_clock(tmp_path):
    (tmp_path / "live.toml").write_text(CONFIG.replace('every = "1m"', 'every = "1s"\nidle_timeout = "1s"'))
    process = subprocess.Popen(
        [sys.executable, "-m", "windrow.cli", "run", str(tmp_path / "live.toml")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    process.stdin.write(b'{"time": %d}\n' % time.time_ns())
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["n"] == 1
    process.terminate()
    assert process.wait(timeout=30 * PATIENCE) == 0
    process.communicate()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_without_pyarrow_the_error_names_the_extra(tmp_path, ending):
    (tmp_path / "rows.toml").write_text(CONFIG.replace("stdin", "file"))
    code = "import sys; sys.modules['pyarrow'] = None; from windrow.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(tmp_path / "rows.toml"), "--input", put(tmp_path / f"rows.{ending}")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "needs pyarrow: pip install 'windrow[arrow]'" in done.stderr
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(tmp_path / "rows.toml"), "--input", put(tmp_path / "rows.jsonl.gz")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_importing_windrow_is_light():
    code = (
        "import sys, windrow; heavy = {'pandas', 'pyarrow', 'polars', 'pydantic', 'plotly', 'windrow.simulate'};"
        "heavy &= set(sys.modules);"
        "assert not heavy, heavy; windrow.simulate.motor(days=1); assert 'pydantic' not in sys.modules;"
        "windrow.Pipeline; assert 'pydantic' in sys.modules and 'plotly' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def counted(folder, name, data):
    """Run a file through one-minute windows; rows read, sums, and what could not be read."""
    path = folder / name
    path.write_bytes(data)
    out = folder / "out.jsonl"
    conf = {
        "source": {"kind": "file"},
        "window": {"every": "1h", "aggregate": [{"name": "n", "count": True}, {"name": "s", "sum": "v"}]},
        "sink": [{"kind": "file", "path": str(out), "what": "windows"}],
    }
    outcome = Pipeline.from_dict(conf).run(input=str(path))
    windows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return outcome.read, sum(one["s"] or 0 for one in windows), outcome.unreadable


def test_a_quote_that_nothing_closes_spoils_its_own_line(tmp_path):
    lines = [f"2026-01-05T00:{at // 60:02}:{at % 60:02}Z,{at % 2}" for at in range(1_000)]
    lines[50] = '2026-01-05T00:00:50Z,"1'
    data = "\n".join(["time,v", *lines]).encode()
    assert counted(tmp_path, "quote.csv", data) == (999, 500, 1)


def test_bad_values_of_a_number_are_null_however_few_good_ones_there_are(tmp_path):
    data = b"time,v\n2026-01-05T00:00:00Z,1\n2026-01-05T00:00:10Z,x\n2026-01-05T00:00:20Z,2\n"
    assert counted(tmp_path, "few.csv", data) == (3, 3.0, 1)


def test_a_byte_order_mark_costs_no_row(tmp_path):
    data = b'\xef\xbb\xbf{"time": "2026-01-05T00:00:00Z", "v": 1}\n{"time": "2026-01-05T00:00:01Z", "v": 2}\n'
    assert counted(tmp_path, "mark.jsonl", data) == (2, 3, 0)


def test_a_header_with_bare_carriage_returns_is_named(tmp_path):
    with pytest.raises(wr.DataError, match="first line must be a CSV header"):
        counted(tmp_path, "mac.csv", b"time,v\r2026-01-05T00:00:00Z,1\r")


def test_a_report_that_cant_be_written_is_known_before_reading(tmp_path):
    path = tmp_path / "few.csv"
    path.write_bytes(b"time,v\n2026-01-05T00:00:00Z,1\n")
    conf = {
        "source": {"kind": "file", "path": str(path)},
        "window": {"every": "1h", "aggregate": [{"name": "n", "count": True}]},
    }
    with pytest.raises(wr.ConfigError, match="it is a folder"):
        Pipeline.from_dict(conf).run(report=tmp_path)
