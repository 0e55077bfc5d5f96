"""Kills a pipeline again and again while its input comes in; runs as a program of its own, without threads, and forks.

    python -m faults.kill FOLDER KILLS SEED < config.json

The input (`input.jsonl` in the folder) is fed into `growing.jsonl` a few lines at a time. Each child runs the pipeline
and is killed at a random moment; the last one is asked to end once everything is read. Prints how many were killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from windrow.pipeline import Pipeline

from faults import PATIENCE


def child(config: dict[str, object], log: Path) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(out, 1)
        os.dup2(out, 2)
        Pipeline.from_dict(config).run()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def checkpoints(folder: Path) -> set[str]:
    return {file.name for file in folder.glob("state/checkpoint.*.json")}


def waiting(spool: Path) -> int:
    """How many results wait for the network."""
    if not spool.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as opened:
        return int(opened.execute("SELECT COUNT(*) FROM message").fetchone()[0])


class Growing:
    """A file that grows a few lines at a time, with half a line at its end now and then."""

    def __init__(self, folder: Path, kills: int, chance: random.Random) -> None:
        self.folder, self.chance = folder, chance
        self.lines = (folder / "input.jsonl").read_bytes().splitlines(keepends=True)
        self.step = len(self.lines) / (kills + 2)
        self.fed = 0.0
        self.file = (folder / "growing.jsonl").open("ab", buffering=0)

    def some(self, killed: int) -> None:
        self.feed(min((killed + 1) * self.step, self.fed + self.step / 20))

    def feed(self, until: float) -> None:
        piece = b"".join(self.lines[int(self.fed) : int(until)])
        cut = self.chance.randrange(len(piece) + 1) if piece else 0
        self.file.write(piece[:cut])
        time.sleep(0.002)
        self.file.write(piece[cut:])
        self.fed = until

    def finish(self) -> None:
        """Feed the rest, and wait until all of it is read and nothing waits to be sent."""
        self.feed(float(len(self.lines)))
        size = (self.folder / "growing.jsonl").stat().st_size
        until = time.monotonic() + 60 * PATIENCE
        while time.monotonic() < until:
            time.sleep(0.1)
            read = []
            for file in self.folder.glob("state/checkpoint.*.json"):
                # A newer one may have taken its place.
                with contextlib.suppress(FileNotFoundError):
                    read.append(json.loads(file.read_text())["checkpoint"]["position"])
            whole = any(
                one and one["offset"] == size for place in read if place for one in place["files"].values()
            )
            if whole and not waiting(self.folder / "state" / "spool.sqlite3"):
                return
        raise SystemExit("the input was not read to its end")


class Published:
    """Messages that whoever started this publishes: told how far the kills are, it says when all have arrived."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def some(self, killed: int) -> None:
        (self.folder / "killed.txt").write_text(str(killed))

    def finish(self) -> None:
        (self.folder / "killed.txt").write_text("all")
        until = time.monotonic() + 120 * PATIENCE
        while not (self.folder / "arrived.txt").exists() and time.monotonic() < until:
            time.sleep(0.05)


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    config = json.load(sys.stdin)
    chance = random.Random(seed)
    source = Growing(folder, kills, chance) if config["source"]["kind"] == "file" else Published(folder)
    for killed in range(kills):
        process = child(config, folder / "log.txt")
        # Every second one has got somewhere before; the others may be killed before they have begun.
        before, until = checkpoints(folder), time.monotonic() + 2.0 * PATIENCE
        while killed % 2 and checkpoints(folder) == before and time.monotonic() < until:
            source.some(killed)
            time.sleep(0.005)
        until = time.monotonic() + chance.uniform(0.0, 0.25)
        while time.monotonic() < until:
            source.some(killed)
            time.sleep(chance.uniform(0, 0.01))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            raise SystemExit(f"the pipeline ended by itself: {(folder / 'log.txt').read_text()}")
    process = child(config, folder / "log.txt")
    source.finish()
    os.kill(process, signal.SIGTERM)
    _, status = os.waitpid(process, 0)
    if status:
        raise SystemExit(f"the last run failed: {(folder / 'log.txt').read_text()}")
    print(kills)


if __name__ == "__main__":
    main()
