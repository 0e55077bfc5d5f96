"""Checkpoints: whole or not at all, two of them, and a damaged one is passed over."""

from __future__ import annotations

import json
import os

import pytest
import windrow as wr
from windrow.state.store import Store


def windows():
    return wr.TumblingWindows(every="1m", aggregates={"n": wr.count()}, time_unit="s")


def filled(*times):
    made = windows()
    made.push({"time": list(times)})
    return made


def count(store):
    return store.resume("windows", windows()).flush().to_pydict()["n"]


def test_the_newest_checkpoint_is_found_with_its_position(tmp_path):
    store = Store(tmp_path)
    assert (store.generation, store.position) == (0, None)
    store.keep({"windows": filled(1)}, {"offset": 1})
    store.keep({"windows": filled(1, 2)}, {"offset": 2})
    again = Store(tmp_path)
    assert (again.generation, again.position, count(again)) == (2, {"offset": 2}, [2])


def test_two_checkpoints_are_kept_and_unchanged_stages_are_not_written_again(tmp_path):
    store = Store(tmp_path)
    detector = wr.Detector(measures=["n"])
    store.keep({"windows": filled(1), "detector": detector})
    before = store.written
    for at in range(5):
        store.keep({"windows": filled(1, at)})
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "checkpoint.5.json", "checkpoint.6.json", "detector.1.windrow.gz", "windows.5.windrow.gz",
        "windows.6.windrow.gz",
    ]  # fmt: skip
    assert store.written - before < 5 * before
    assert repr(Store(tmp_path).resume("detector", detector)) == repr(detector)


@pytest.mark.parametrize("victim", ["checkpoint.2.json", "windows.2.windrow.gz"])
@pytest.mark.parametrize("damage", ["cut", "altered", "gone"])
def test_a_damaged_checkpoint_is_passed_over_for_the_older_one(tmp_path, victim, damage):
    store = Store(tmp_path)
    store.keep({"windows": filled(1)}, {"offset": 1})
    store.keep({"windows": filled(1, 2)}, {"offset": 2})
    file = tmp_path / victim
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(data[:-10] if damage == "cut" else data[:20] + b"\x00" + data[21:])
    if victim.startswith("checkpoint") and damage == "gone":
        again = Store(tmp_path)
        assert again.damaged == []
    else:
        again = Store(tmp_path)
        assert victim.split(".")[1] in again.damaged[0]
        assert (tmp_path / "checkpoint.2.damaged").exists()
    assert (again.generation, again.position, count(again)) == (1, {"offset": 1}, [1])
    again.keep({"windows": filled(1, 2, 3)}, {"offset": 3})
    assert (Store(tmp_path).generation, count(Store(tmp_path))) == (2, [3])


def test_without_any_whole_checkpoint_nothing_is_guessed(tmp_path):
    Store(tmp_path).keep({"windows": filled(1)})
    (tmp_path / "windows.1.windrow.gz").write_bytes(b"")
    with pytest.raises(wr.SnapshotError, match=r"no checkpoint can be read .* move .* away to start anew"):
        Store(tmp_path)


def test_where_nobody_looks_it_begins_anew_beside_what_is_damaged(tmp_path):
    store = Store(tmp_path)
    for at in range(3):
        store.keep({"windows": filled(at)})
    for file in tmp_path.glob("*.windrow.gz"):
        file.write_bytes(b"")
    again = Store(tmp_path, alone=True)
    # What waits in the spool belongs to checkpoints that were whole once: their numbers go on.
    assert (again.generation, again.position, len(again.damaged)) == (3, None, 2)
    assert len(list(tmp_path.glob("*.damaged"))) == 2
    assert repr(again.resume("windows", windows())) == repr(windows())
    again.keep({"windows": filled(1, 2)}, {"offset": 4})
    assert (Store(tmp_path).generation, count(Store(tmp_path))) == (4, [2])


def test_a_checkpoint_that_cant_be_written_leaves_the_last_one(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.keep({"windows": filled(1)}, {"offset": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    for calls in range(3):
        with monkeypatch.context() as patched:
            left = [calls]

            def some(descriptor, real=os.fsync, left=left):
                left[0] -= 1
                return full(descriptor) if left[0] < 0 else real(descriptor)

            patched.setattr("windrow.state.store.os.fsync", some)
            with pytest.raises(OSError, match="No space left"):
                store.keep({"windows": filled(1, 2)}, {"offset": 2})
        assert not list(tmp_path.glob("*.new"))
        assert store.generation == 1
    store.keep({"windows": filled(1, 2, 3)}, {"offset": 3})
    assert count(Store(tmp_path)) == [3]


def test_other_peoples_files_are_left_alone(tmp_path):
    for name in ("notes.txt", "motor.json", "a.b.windrow", "spool.sqlite3"):
        (tmp_path / name).write_text("mine")
    store = Store(tmp_path)
    for at in range(4):
        store.keep({"windows": filled(at)})
    assert all(
        (tmp_path / name).exists() for name in ("notes.txt", "motor.json", "a.b.windrow", "spool.sqlite3")
    )
    assert json.loads((tmp_path / "checkpoint.4.json").read_text())["checkpoint"]["generation"] == 4
