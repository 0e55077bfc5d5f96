"""The command line: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import windrow as wr
from windrow.cli import main
from windrow.progress import Bar

ROOT = Path(__file__).parents[1]
CONFIG = """
[source]
kind = "file"
[window]
every = "1m"
[[window.aggregate]]
name = "n"
count = true
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "rows.toml"
    path.write_text(CONFIG)
    (tmp_path / "rows.jsonl").write_text(
        "".join(f'{{"time": {second * 10**9}}}\n' for second in (1, 2, 61, 3))
    )
    return str(path)


def windrow(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "windrow.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def test_version_and_help(capsys):
    for arguments, expected in ((["--version"], f"windrow {wr.__version__}"), (["--help"], "COMMAND")):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["walk"], ["run"], ["demo", "boat"], ["simulate", "motor", "--days", "x"]]
)
def test_a_bad_call_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


def test_the_script_is_this_main():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"windrow": "windrow.cli:main"}


def test_check_says_ok_or_everything_that_is_wrong(config, tmp_path, capsys):
    assert main(["check", config]) == 0
    assert capsys.readouterr().out == "ok\n"
    bad = tmp_path / "bad.toml"
    bad.write_text(CONFIG.replace("every", "evry").replace('"file"', '"fil"') + "colour = 1\n")
    assert main(["check", str(bad)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"windrow: error: {bad}: line ") for line in lines)
    assert main(["check", str(tmp_path / "absent.toml")]) == 2
    assert capsys.readouterr().err.startswith("windrow: error: ")


def test_check_asks_the_engine_too(config, tmp_path, capsys):
    bad = tmp_path / "zone.toml"
    bad.write_text(CONFIG.replace('"1m"', '"1m"\nzone = "Europe/Atlantis"'))
    assert main(["check", str(bad)]) == 2
    assert ": line 6: [window] `zone` must be a name of the IANA database" in capsys.readouterr().err


def test_run_writes_results_to_stdout_and_the_rest_to_stderr(config, tmp_path, capsys):
    assert main(["run", config, "--input", str(tmp_path / "rows.jsonl")]) == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["n"] for line in out.splitlines()] == [2, 1]
    assert err == "windrow: 4 rows read, 1 late, 2 windows\n"


def test_json_is_one_object_and_nothing_else(config, tmp_path, capsys):
    assert main(["run", config, "--input", str(tmp_path / "rows.jsonl"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["late"], found["windows"], found["events"]) == (4, 1, 2, [])


def test_a_pipe_is_read_as_a_file_is(config, tmp_path):
    done = windrow("run", config, "--input", "-", input=(tmp_path / "rows.jsonl").read_text())
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["n"] for line in done.stdout.splitlines()] == [2, 1]


def test_failing_while_running_ends_with_1_and_one_line(config, tmp_path, capsys):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    assert main(["run", config, "--input", str(tmp_path / "rows.csv")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    place = tmp_path / "rows.csv"
    assert err == f"windrow: error: `{place}`: unknown time column `time`: the input has `a`, `b`\n"
    assert main(["run", config, "--input", str(tmp_path / "absent.csv")]) == 2


def test_whoever_reads_the_results_may_stop_reading(config, tmp_path):
    many = tmp_path / "many.jsonl"
    many.write_text("".join(f'{{"time": {minute * 60 * 10**9}}}\n' for minute in range(20_000)))
    done = subprocess.run(
        f"'{sys.executable}' -m windrow.cli run '{config}' --input '{many}' | head -1", shell=True, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["n"] == 1
    assert "Traceback" not in done.stderr


def test_simulate_writes_lines_or_csv():
    lines = windrow("simulate", "traffic", "--days", "0.2", "--seed", "3").stdout.splitlines()
    assert all("fault" in json.loads(line) for line in lines)
    again = windrow("simulate", "traffic", "--days", "0.2", "--seed", "3", "--healthy").stdout.splitlines()
    assert not any("fault" in json.loads(line) for line in again)
    flat = windrow("simulate", "traffic", "--days", "0.1", "--form", "panorama").stdout.splitlines()
    assert set(json.loads(flat[0])) == {"camera", "car", "person", "event_time", "fault"}
    rows = windrow("simulate", "motor", "--days", "0.1").stdout.splitlines()
    assert rows[0].endswith(",predicted,fault")
    assert len(rows) == 1 + 144


def test_snapshot_inspect(tmp_path, capsys):
    windows = wr.TumblingWindows(every="5m", aggregates={"n": wr.count()})
    path = tmp_path / "windows.windrow"
    path.write_bytes(windows.snapshot())
    assert main(["snapshot", "inspect", str(path)]) == 0
    out = capsys.readouterr().out
    assert "TumblingWindows" in out
    assert repr(windows) in out
    assert main(["snapshot", "inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == path.stat().st_size
    path.write_bytes(wr.Alarm(threshold=3.0).snapshot())
    assert main(["snapshot", "inspect", str(path)]) == 0
    assert "Alarm(threshold=3.0)" in capsys.readouterr().out
    path.write_bytes(windows.snapshot()[:-1])
    assert main(["snapshot", "inspect", str(path)]) == 1
    assert "the snapshot should hold" in capsys.readouterr().err
    assert main(["snapshot", "inspect", str(tmp_path / "absent")]) == 2


def test_progress_is_drawn_only_for_a_terminal_and_after_a_second(monkeypatch):
    leader, follower = pty.openpty()
    clock = [0.0]
    monkeypatch.setattr("windrow.progress.time.monotonic", lambda: clock[0])
    with os.fdopen(follower, "w") as terminal:
        with Bar("reading", terminal) as bar:
            bar(1, 10)
            clock[0] = 2.0
            bar(5, 10)
        shown = os.read(leader, 1000).decode()
    assert shown.startswith("\rreading  ##############..............  50%")
    assert shown.endswith("\x1b[K")
    os.close(leader)
    with (ROOT / os.devnull).open("w") as nobody, Bar("reading", nobody) as bar:
        clock[0] = 9.0
        bar(5, 10)
        assert not bar._shown
