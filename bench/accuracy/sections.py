"""The sections of README.md beside this, each made anew by its own command and leaving the others as they are.

Owns the markers. A section is what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; words outside are
written by hand. `make accuracy-NAME` runs NAME.py, which ends in `replace("NAME", text)`.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parent
README = FOLDER / "README.md"


def replace(name: str, text: str, page: Path = README) -> None:
    """Put `text` between the markers of the section `name`; the page must have them, once."""
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    # Two commands may end at the same moment.
    with page.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        whole = file.read()
        if whole.count(begin) != 1 or whole.count(end) != 1 or whole.index(end) < whole.index(begin):
            sys.exit(f"{page.name} must have one section between `{begin.strip()}` and `{end}`")
        before, _, rest = whole.partition(begin)
        after = rest.partition(end)[2]
        file.seek(0)
        file.truncate()
        file.write(f"{before}{begin}{text.strip()}\n{end}{after}")


def table(heads: list[str], rows: list[list[str]], numbers_from: int = 1) -> str:
    """A Markdown table; columns from `numbers_from` on are aligned to the right."""
    line = ["---" if at < numbers_from else "---:" for at in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, line, *rows))


def data() -> Path:
    """The folder of public data."""
    path = Path(os.environ.get("WINDROW_DATA", FOLDER.parents[1] / "../shared/data")).resolve()
    if not path.is_dir():
        sys.exit(
            "WINDROW_DATA is not set and ../shared/data is not there: it names the folder of public data"
        )
    return path


def tool(name: str) -> ModuleType:
    """One of the scoring tools, which lie in `tools` beside the data: `street_score`, `nab_score`, `skab_score`."""
    path = data().parent / "tools" / f"{name}.py"
    if not path.is_file():
        sys.exit(f"`{name}.py` must lie in the folder `tools` beside the folder of public data")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # What numba compiles names its module, and is kept; not beside the data.
    sys.modules[name] = module
    os.environ.setdefault(
        "NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"windrow-numba-{os.getuid()}")
    )
    with _no_bytecode():
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _no_bytecode() -> Iterator[None]:
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def machine() -> str:
    """What a section was made with, for its last line."""
    import windrow

    return f"windrow {windrow.__version__}, Python {platform.python_version()}, {platform.machine()}"
