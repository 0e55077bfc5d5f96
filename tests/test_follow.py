"""Files that grow: whole lines, through rotation and truncation, and on from where a run before ended."""

from __future__ import annotations

import json
import os

import pytest
from windrow.config.sections import FileSource
from windrow.sources import follow
from windrow.sources.follow import Follow
from windrow.sources.piece import Needs
from windrow.stopping import Stop

RAW = Needs((), messages=True)
TABLE = Needs(("n",), messages=False, numbers=frozenset({"n"}))


OPEN = []


@pytest.fixture(autouse=True)
def closed():
    yield
    while OPEN:
        reader = OPEN.pop()
        reader.source.close()
        reader.stop.__exit__(None, None, None)


class Reader:
    """A followed file, read until nothing more comes."""

    def __init__(self, path, needs=RAW, position=None, **options):
        self.stop = Stop()
        names = [str(one) for one in path] if isinstance(path, list) else str(path)
        section = FileSource(kind="file", path=names, follow=True, **options)
        self.source = Follow(section, needs, self.stop, position)
        self.pieces = iter(self.source)
        OPEN.append(self)

    def read(self):
        found = []
        while (piece := next(self.pieces)) is not None:
            found.append(piece if isinstance(piece, bytes) else piece.to_pydict()["n"])
        if all(isinstance(one, bytes) for one in found):
            return b"".join(found)
        return [value for values in found for value in values]

    def position(self):
        return json.loads(json.dumps(self.source.position()))


def add(path, data):
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.jsonl"


def test_lines_come_as_they_are_finished(path):
    reader = Reader(path)
    assert reader.read() == b""  # not there yet
    add(path, b"one\ntw")
    assert reader.read() == b"one\n"
    add(path, b"o\n")
    assert reader.read() == b"two\n"
    assert reader.source.done == 8


def test_a_restart_goes_on_at_the_line(path):
    add(path, b"one\ntwo\nthr")
    reader = Reader(path)
    assert reader.read() == b"one\ntwo\n"
    again = Reader(path, position=reader.position())
    assert again.read() == b""
    add(path, b"ee\n")
    assert again.read() == b"three\n"


@pytest.mark.parametrize("restart", [False, True])
def test_a_file_that_is_rotated_is_read_to_its_end_first(path, restart):
    add(path, b"one\n")
    reader = Reader(path)
    assert reader.read() == b"one\n"
    add(path, b"two\nlast without end")
    path.rename(path.with_suffix(".jsonl.1"))
    add(path, b"new\n")
    if restart:
        reader = Reader(path, position=reader.position())
    assert reader.read() == b"two\nlast without end\nnew\n"
    add(path, b"newer\n")
    assert reader.read() == b"newer\n"


@pytest.mark.parametrize("restart", [False, True])
def test_a_file_that_is_cut_is_read_from_its_start(path, restart):
    add(path, b"one\ntwo\n")
    reader = Reader(path)
    assert reader.read() == b"one\ntwo\n"
    path.write_bytes(b"1\n")
    if restart:
        reader = Reader(path, position=reader.position())
    assert reader.read() == b"1\n"


def test_another_file_of_the_same_name_is_not_mistaken_for_it(path):
    add(path, b"one\ntwo\n")
    reader = Reader(path)
    reader.read()
    os.truncate(path, 0)
    add(path, b"another file\nas long\n")
    assert Reader(path, position=reader.position()).read() == b"another file\nas long\n"


def test_csv_keeps_its_columns_across_a_restart_and_a_rotation(tmp_path):
    path = tmp_path / "log.csv"
    add(path, b"time,n\n2026-01-05T00:00:00Z,1\n")
    reader = Reader(path, TABLE)
    assert reader.read() == [1]
    add(path, b"2026-01-05T00:00:01Z,2\n")
    reader = Reader(path, TABLE, reader.position())
    assert reader.read() == [2]
    path.rename(tmp_path / "log.csv.1")
    add(path, b"n,time\n3,2026-01-05T00:00:02Z\n")
    assert reader.read() == [3]
    assert reader.source.unreadable == 0


def test_several_files_are_followed_at_once(tmp_path):
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    reader = Reader(paths)
    add(paths[1], b"b\n")
    assert reader.read() == b"b\n"
    add(paths[0], b"a\n")
    add(paths[1], b"bb\n")
    assert reader.read() == b"a\nbb\n"
    again = Reader(paths, position=reader.position())
    assert again.read() == b""


def test_a_line_longer_than_any_may_be_is_passed_over(path, monkeypatch):
    monkeypatch.setattr(follow, "BLOCK", 64)
    monkeypatch.setattr(follow, "LONGEST", 256)
    reader = Reader(path)
    add(path, b"one\n" + b"x" * 200 + b"\ntwo\n" + b"y" * 1000)
    assert reader.read() == b"one\n" + b"x" * 200 + b"\ntwo\n"
    add(path, b"y" * 500 + b"\nthree\n")
    assert reader.read() == b"three\n"
    assert reader.source.unreadable == 1
    assert Reader(path, position=reader.position()).read() == b""
