"""Snapshots of earlier versions: restored, and gone on with as they did then; the same bytes from every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "golden"))

import make

FILES = sorted(path.stem for path in make.HERE.glob("*.snapshot"))


def test_every_state_is_kept() -> None:
    assert set(make.STATES) <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_stored_states_go_on_as_they_did(name: str) -> None:
    data = (make.HERE / f"{name}.snapshot").read_bytes()
    expected = (make.HERE / f"{name}.expected").read_text("utf-8")
    assert make.expected(name, data).splitlines() == expected.splitlines()


@pytest.mark.parametrize("name", sorted(make.STATES))
def test_the_bytes_hang_on_no_seed_and_no_address(name: str) -> None:
    """Tables in memory hash by random seeds; two processes store the same bytes, and those that are kept."""
    script = [sys.executable, str(make.HERE / "make.py"), name]
    stored = [
        subprocess.run(
            script, env=os.environ | {"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert stored[0] == stored[1]
    assert stored[0] == (make.HERE / f"{name}.snapshot").read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_a_stored_state_is_stored_as_it_was(name: str) -> None:
    _, kind, _ = make.STATES[name]
    data = (make.HERE / f"{name}.snapshot").read_bytes()
    assert kind.restore(data).snapshot() == data
