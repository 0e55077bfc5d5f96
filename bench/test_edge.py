"""W8: what a service costs a device: its start, its memory over a day and a month, what it writes to flash."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import floors
import numpy as np

#: 50 cameras; a message every 20 s each in the day that is measured, every 10 min in the month.
CAMERAS = 50
START = 1_767_571_200
DAY = 86_400
ROUNDS = 7
CONFIG = """
[source]
kind = "file"
path = "{folder}/in.jsonl"
follow = true
decoder = "deepstream"
max_leap = "1h"
[window]
every = "5m"
by = ["camera"]
source = "camera"
fill = true
max_series = 1000
[[window.aggregate]]
name = "cars"
distinct = "track"
[[window.aggregate]]
name = "n"
count = true
[detect]
method = "counts"
measures = ["cars", "n"]
[state]
path = "{folder}/state"
interval = "1h"
[service]
health = "{folder}/health.json"
level = "error"
[[sink]]
kind = "file"
path = "{folder}/events.jsonl"
append = true
[[sink]]
kind = "mqtt"
url = "mqtt://127.0.0.1:1"
topic = "alerts/{{camera}}"
"""


def cpu(code, give=None):
    """CPU seconds of a Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *code], check=True, input=give, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_start_to_first_window(fact, tmp_path):
    config = tmp_path / "start.toml"
    text = CONFIG.format(folder=tmp_path).replace("follow = true\n", "")
    text = text.replace('kind = "file"\npath = "' + str(tmp_path) + '/in.jsonl"', 'kind = "stdin"')
    config.write_text(text)
    rows = b"".join(messages(np.random.default_rng(1), 0, 600, 60))
    ratios = []
    for _ in range(ROUNDS):
        ours = cpu(["-m", "windrow.cli", "run", str(config)], rows)
        ratios.append(ours / cpu(["-c", "import numpy"]))
    ratio = float(np.median(ratios))
    fact(floors.EDGE, "start to first window, import of numpy", ratio, "x")
    assert json.loads((tmp_path / "health.json").read_text())["status"]


def messages(random, begin, end, every):
    """DeepStream's frames of all cameras, a step at a time; the day has its hours."""
    for second in range(begin, end, every):
        hour = (second % DAY) / 3600
        busy = 1 + 4 * np.exp(-((hour - 8) ** 2) / 8) + 4 * np.exp(-((hour - 17) ** 2) / 8)
        counts = random.poisson(busy, CAMERAS)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + second))
        lines = []
        for camera, count in enumerate(counts):
            objects = ",".join(f'"{second // 60 * 100 + at}|10|20|30|40|car"' for at in range(count))
            lines.append(
                f'{{"@timestamp":"{stamp}","sensorId":"camera-{camera:02}","objects":[{objects}]}}\n'
            )
        yield "".join(lines).encode()


class Device:
    """A service that reads a growing file as fast as it can."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "service.toml").write_text(CONFIG.format(folder=folder))
        self.file = (folder / "in.jsonl").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "windrow.cli", "run", str(folder / "service.toml")]
        )
        self.position = 0

    def feed(self, blocks):
        """Give it blocks and wait until they are read."""
        for block in blocks:
            self.file.write(block)
        self.file.flush()
        size = self.file.tell()
        fd = Path(f"/proc/{self.process.pid}")
        until = time.monotonic() + 1800
        while time.monotonic() < until:
            time.sleep(0.2)
            at = self._read(fd)
            if at >= size:
                break
        # The last piece is still in the engine.
        time.sleep(1.0)

    def _read(self, process):
        for one in (process / "fd").iterdir():
            try:
                if one.readlink() == self.folder / "in.jsonl":
                    text = (process / "fdinfo" / one.name).read_text()
                    return int(text.split("pos:")[1].split()[0])
            except OSError:
                continue
        return 0

    @property
    def resident(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0
        self.file.close()


def test_a_day_and_a_month_of_fifty_cameras(fact, tmp_path):
    random = np.random.default_rng(5)
    (tmp_path / "day").mkdir()
    device = Device(tmp_path / "day")
    device.feed(messages(random, 0, DAY, 20))
    fact(floors.EDGE, "resident after a day of 50 cameras", device.resident, "MB")
    device.stop()
    (tmp_path / "month").mkdir()
    device = Device(tmp_path / "month")
    sizes = []
    for day in range(30):
        device.feed(messages(random, day * DAY, (day + 1) * DAY, 300))
        sizes.append(device.resident)
    device.stop()
    fact(floors.EDGE, "resident after a month", sizes[-1], "MB")
    fact(floors.EDGE, "growth from the tenth day to the thirtieth", sizes[-1] - sizes[9], "MB")
    state = tmp_path / "month" / "state"
    size = {
        name: next(state.glob(f"{name}.*")).stat().st_size for name in ("windows", "detector", "checkpoint")
    }
    for name in ("windows", "detector"):
        fact(floors.EDGE, f"checkpoint of the {name}", size[name] / 1e3, "kB")
    # All at each of twelve closes; the windows once a minute between them.
    hour = 12 * sum(size.values()) + 48 * (size["windows"] + size["checkpoint"])
    fact(floors.EDGE, "written an hour with checkpoints each minute", hour / 1e6, "MB")
