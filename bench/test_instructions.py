"""Instructions a row, counted by callgrind: what a shared machine's noise can't touch.

`instructions.json` holds the counts that the last change was accepted with. A count that grew by 3 % fails `--check`,
unless compiler, processor or Python are others than those of the reference; `--save-instructions` accepts new ones.
"""

import functools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kernels import KERNELS

REFERENCE = Path(__file__).with_name("instructions.json")
GROWTH = 0.03


@functools.cache
def built_with():
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "rustc": rustc.split()[1],
        "machine": platform.machine(),
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def count(kernel, cache):
    environment = os.environ | {
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPYCACHEPREFIX": str(cache),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    command = [sys.executable, str(Path(__file__).with_name("kernels.py")), kernel]
    # Compiles what is imported, which is slow under callgrind.
    rows = int(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    callgrind = [
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        "--toggle-collect=PyNumber_Invert",
    ]
    done = subprocess.run([*callgrind, *command], env=environment, capture_output=True, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1]) / rows


@pytest.mark.skipif(
    shutil.which("valgrind") is None, reason="valgrind is absent: scripts/install_tools.sh bench"
)
@pytest.mark.parametrize("kernel", KERNELS)
def test_instructions(kernel, fact, request, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp() / "bytecode"
    counted = count(kernel, cache)
    if not counted:
        pytest.skip("this Python calls no PyNumber_Invert of its own")
    fact("Instructions", kernel, counted, "a row")
    reference = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {}
    same = reference.get("built_with") == built_with()
    if request.config.getoption("--save-instructions"):
        counts = reference["a_row"] if same else {}
        stored = {"built_with": built_with(), "a_row": counts | {kernel: round(counted, 1)}}
        REFERENCE.write_text(json.dumps(stored, indent=2) + "\n")
    elif not same:
        pytest.skip(f"{counted:.1f} a row; the reference is of {reference.get('built_with')}")
    elif request.config.getoption("--check"):
        before = reference["a_row"][kernel]
        assert counted <= before * (1 + GROWTH), f"{counted:.1f} instructions a row, {before} before"
