"""Input is told by its first bytes: gzip is unpacked as it comes, what is no text is named at once."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import zlib

import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from windrow.sources.first_bytes import checked, unpacked

CONFIG = """
[source]
kind = "stdin"
[window]
every = "1m"
[[window.aggregate]]
name = "n"
count = true
[[window.aggregate]]
name = "fastest"
max = "speed"
[[sink]]
kind = "stdout"
what = "windows"
"""
LINES = b"".join(b'{"time": %d, "speed": %d}\n' % (at * 10**9, at) for at in range(100))


def reader(data, sizes):
    """Give data in pieces of these sizes, over and over, and nothing for a while between them."""
    file, at = io.BytesIO(data), 0

    def read():
        nonlocal at
        at += 1
        return None if at % 3 == 0 else file.read(sizes[at % len(sizes)])

    return read


def drained(read):
    out = b""
    while (piece := read()) != b"":
        out += piece or b""
    return out


@given(
    st.lists(st.binary(max_size=300), max_size=3),
    st.booleans(),
    st.lists(st.integers(1, 50), min_size=1, max_size=3),
    st.integers(0, 3),
)
def test_unpacking_gives_what_was_packed(members, packed, sizes, zeros):
    whole = b"".join(members)
    data = b"".join(map(gzip.compress, members)) + b"\0" * zeros * bool(members) if packed else whole
    if packed or not whole.startswith(b"\x1f\x8b"):
        assert drained(unpacked(reader(data, sizes))) == whole


@given(st.integers(3, 500), st.integers(1, 255))
def test_what_is_cut_off_or_altered_gives_the_start_and_then_an_error(at, change):
    whole = gzip.compress(LINES)
    read = unpacked(reader(whole[:at], [7]))
    if at < len(whole):
        with pytest.raises(wr.DataError, match="no whole gzip data"):
            drained(read)
    altered = bytearray(whole)
    altered[-8 + at % 4] ^= change
    with pytest.raises(wr.DataError, match="no whole gzip data"):
        drained(unpacked(reader(bytes(altered), [7])))


def test_what_unpacks_to_much_comes_in_pieces():
    packed = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packed.compress(bytes(1 << 20)) for _ in range(64)) + packed.flush()
    file = io.BytesIO(bomb)
    pieces = list(iter(unpacked(lambda: file.read(1 << 22)), b""))
    assert sum(map(len, pieces)) == 64 << 20
    assert max(map(len, pieces)) <= 4 << 20


@pytest.mark.parametrize(
    ("data", "form", "message"),
    [
        (b"\x28\xb5\x2f\xfd\x04\x00", "jsonl", "must be JSON lines, got Zstandard data"),
        (b"PAR1\x15\x04", "csv", "must be CSV, got a Parquet file"),
        (b"PK\x03\x04\x14", "csv", "must be CSV, got a zip archive"),
        ("time,n\n1,2\n".encode("utf-16"), "csv", "got UTF-16 text"),
        (b"\x7fELF\x02\x01\x00\x00", "jsonl", "got binary data"),
        (b'[{"time": 1}, {"time": 2}]', "jsonl", "got a JSON array: write one object a line"),
        (b'\n [\n  {"time": 1}\n]\n', "jsonl", "got a JSON array"),
        (b'{\n  "time": 1\n}\n', "jsonl", "got JSON over several lines"),
    ],
)
def test_what_is_no_text_is_named(data, form, message):
    with pytest.raises(wr.DataError, match=message):
        list(checked(iter([None, b"\n", data]), form))


@pytest.mark.parametrize("data", [b"", b"[1, 2]\n", b"oops\n", b'{"time": 1}\n[{"time": 1}]\n', LINES])
def test_lines_pass_with_whatever_is_wrong_in_them(data):
    assert list(checked(iter([None, data, None, b"x"]), "jsonl")) == [None, data, None, b"x"]


def run(tmp_path, data, *arguments):
    (tmp_path / "live.toml").write_text(CONFIG)
    return subprocess.run(
        [sys.executable, "-m", "windrow.cli", "run", str(tmp_path / "live.toml"), *arguments],
        input=data, capture_output=True, check=False,
    )  # fmt: skip


def test_standard_input_may_be_gzipped(tmp_path):
    done = run(tmp_path, gzip.compress(LINES))
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["n"] for line in done.stdout.splitlines()] == [60, 40]
    assert done.stdout == run(tmp_path, LINES).stdout


def test_a_file_is_told_by_its_bytes_not_by_its_ending(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(LINES))
    (tmp_path / "b.jsonl.gz").write_bytes(LINES)
    outs = {run(tmp_path, b"", "--input", str(tmp_path / name)).stdout for name in ("a.jsonl", "b.jsonl.gz")}
    assert outs == {run(tmp_path, LINES).stdout}


def test_the_good_rows_before_a_cut_are_kept(tmp_path):
    done = run(tmp_path, gzip.compress(LINES)[:-30])
    assert done.returncode == 1
    assert (
        b"windrow: error: standard input: the input is no whole gzip data: it ends within it" in done.stderr
    )
    assert json.loads(done.stdout.splitlines()[0])["n"] == 60


@pytest.mark.parametrize("data", [b'[{"time": 1}]', b"PAR1\x00", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\n"])
def test_other_things_on_standard_input_end_with_one_line(tmp_path, data):
    done = run(tmp_path, data)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"windrow: error: standard input: the input must be JSON lines, got ")
    assert done.stderr.count(b"\n") == 1


def test_text_among_the_numbers_of_messages_is_counted(tmp_path):
    lines = (
        b'{"time": 1, "speed": "fast"}\n{"time": 2, "speed": "7"}\n{"time": 3, "speed": "n/a"}\n{"time": 4}\n'
    )
    done = run(tmp_path, lines)
    assert [json.loads(line)["fastest"] for line in done.stdout.splitlines()] == [7]
    assert b"4 rows read, 1 values or lines unreadable" in done.stderr
