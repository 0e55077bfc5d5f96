"""Instructions a row on aarch64, counted under emulation, beside those of x86-64 that callgrind counted.

`make bench-aarch64` runs it, as `aarch64.py [--save] -- EMULATOR PYTHON`: the emulator has a plugin that says how many
instructions went between two calls of `sched_yield`. `--save` writes results/aarch64.md.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE / "results" / "aarch64.md"


def count(emulated, kernel, cache):
    """A row's instructions in a second run of a kernel."""
    environment = os.environ | {
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPYCACHEPREFIX": cache,
    }
    command = [*emulated, str(HERE / "kernels.py"), kernel]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (counted,) = re.findall(r"^instructions: (\d+)$", done.stderr, re.MULTILINE)
    return int(counted) / int(done.stdout)


def said(command, environment=None):
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def versions(emulated):
    code = "import platform, numpy, windrow; print(platform.python_version(), numpy.__version__, windrow.__version__)"
    python, numpy, windrow = said([*emulated, "-c", code]).split()
    rustc = said([os.environ["RUSTC"], "--version"], os.environ | {"LD_LIBRARY_PATH": ""}).split()[1]
    qemu = re.search(r"version (\S+)", said([emulated[0], "--version"]))[1]
    return f"rustc {rustc}, Python {python}, numpy {numpy}, windrow {windrow}, qemu-user {qemu}"


def main(arguments):
    at = arguments.index("--")
    emulated = arguments[at + 1 :]
    reference = json.loads((HERE / "instructions.json").read_text())
    built = reference["built_with"]
    lines = [
        "# Instructions a row on aarch64",
        "",
        f"aarch64: {versions(emulated)}, counted by a plugin of the emulator. "
        f"{built['machine']}: rustc {built['rustc']}, Python {built['python']}, counted by callgrind "
        "(`instructions.json`). Both in the wheel as shipped, in one pass after a first one; "
        "`make bench-aarch64` counts again.",
        "",
        f"| kernel | aarch64 | {built['machine']} |",
        "|---|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as cache:
        for kernel, beside in reference["a_row"].items():
            lines.append(f"| {kernel} | {count(emulated, kernel, cache):.1f} | {beside:.1f} |")
    print("\n".join(lines))
    if "--save" in arguments[:at]:
        TABLE.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
