"""The rules of the house that a compiler doesn't keep."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BINDINGS = sorted((ROOT / "rust" / "python" / "src").glob("*.rs"))
CORE = ROOT / "rust" / "core" / "src"
STAGES = ("window", "expect", "residual", "alarm")

pytestmark = pytest.mark.skipif(
    not CORE.is_dir(), reason="the sources are not beside the tests: an installed wheel is tested"
)


def code(path):
    """Read a file without its comments."""
    return "\n".join(line.split("//")[0] for line in path.read_text("utf-8").splitlines())


def test_every_class_is_frozen():
    classes = [attribute for path in BINDINGS for attribute in re.findall(r"#\[pyclass[^\]]*\]", code(path))]
    assert len(classes) >= 6
    assert [attribute for attribute in classes if "frozen" not in attribute] == []


def test_a_stage_never_imports_another():
    found = []
    for stage in STAGES:
        others = "|".join(other for other in STAGES if other != stage)
        for path in (CORE / stage).rglob("*.rs"):
            found += [
                f"{path.relative_to(CORE)}: {line}"
                for line in re.findall(rf"crate::(?:{others})\b.*", code(path))
            ]
    assert found == []


def test_the_core_knows_no_python_and_no_clock():
    # Models run as tests only; how often, the environment says.
    for path in set(CORE.rglob("*.rs")) - {CORE / "window" / "models.rs"}:
        assert not re.search(r"\bpyo3\b|std::(fs|net|env|process|time::(SystemTime|Instant))", code(path)), (
            path
        )


def test_unsafe_stays_in_the_files_that_say_so():
    assert "#![deny(unsafe_code)]" in (CORE / "lib.rs").read_text("utf-8")
    core = [path for path in CORE.rglob("*.rs") if re.search(r"\bunsafe\b", code(path))]
    assert sorted(str(path.relative_to(CORE)) for path in core) == ["sync/claim.rs", "sync/handover.rs"]
    for path in [*BINDINGS, *core]:
        text = path.read_text("utf-8")
        if "#![allow(unsafe_code)]" in text:
            blocks = len(re.findall(r"\bunsafe\b", code(path).replace("unsafe_code", "")))
            assert text.count("// SAFETY:") >= blocks, f"{path.name}: each unsafe says why it is sound"


def test_no_room_is_two():
    """500 lines are two rooms."""
    files = [*(ROOT / "rust").rglob("src/**/*.rs"), *(ROOT / "python").rglob("*.py")]
    assert [path.name for path in files if len(path.read_text("utf-8").splitlines()) > 500] == []
