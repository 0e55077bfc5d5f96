"""A config says everything that is wrong with it at once, with its place and the nearest right word."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError
from windrow.config import nanoseconds
from windrow.config_check import ConfigFileError, check, load, loads
from windrow.config_reference import reference
from windrow.demo import PIPELINES

READY = Path(__file__).parents[1] / "edge_configs"

FIVE_MISTAKES = """\
[source]
kind = "file"
decoder = "deepsteam"

[window]
evrey = "5m"
every = "5mo"

[[window.aggregate]]
name = "cars"
distinct = "track"

[detect]
measures = ["car"]

[[sink]]
kind = "mqtt"
"""


def problems(text):
    with pytest.raises(ConfigFileError) as caught:
        loads(text)
    return [str(problem) for problem in caught.value.problems]


def test_five_mistakes_are_five_problems_with_their_lines_and_the_right_words():
    assert problems(FIVE_MISTAKES) == [
        'line 3: [source] `decoder` must be deepstream, panorama or rows, got "deepsteam" (did you mean "deepstream"?)',
        "line 6: [window] unknown option `evrey` (did you mean `every`?)",
        'line 7: [window] `every` has the unknown unit "mo": use ns, us, ms, s, m, h, d or w',
        'line 14: [detect] `measures` must be aggregates of [window] (cars), got "car" (did you mean "cars"?)',
        'line 17: [[sink]] 1 the kind "mqtt" is not in this version: use stdout or file',
    ]


SOURCE = '[source]\nkind = "file"\n'
WINDOW = '[window]\nevery = "5m"\n[[window.aggregate]]\nname = "n"\ncount = true\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the section [source] is missing"),
        ("[source]\n", "[source] `kind` is missing: use file, stdin or simulate"),
        ('[source]\nkind = "kafka"\n', 'the kind "kafka" is not in this version'),
        (SOURCE + "[windows]\n", "unknown section [windows] (did you mean `window`?)"),
        ('source = "file"\n', '[source] must be a section, got "file"'),
        (SOURCE + "[window]\n", "[window] `every` is missing"),
        (SOURCE + '[window]\nevery = "5m"\n', "[window] needs at least one [[window.aggregate]]"),
        (SOURCE + WINDOW.replace('"5m"', "5"), '[window] `every` must be a duration such as "5m", got 5'),
        (SOURCE + WINDOW.replace('"5m"', '"0s"'), '[window] `every` must be positive, got "0s"'),
        (
            SOURCE + WINDOW.replace('"5m"', '"5m"\ntime_unit = "s"'),
            "unknown option `time_unit` (it belongs in [source])",
        ),
        (
            SOURCE + WINDOW.replace("count = true", "cuont = true"),
            "[[window.aggregate]] 1 unknown option `cuont` (did you",
        ),
        (SOURCE + WINDOW + 'sum = "x"\n', "needs exactly one of count, sum, mean"),
        (SOURCE + WINDOW.replace("count = true", 'quantile = "x"'), "`q` is missing: which quantile"),
        (SOURCE + WINDOW + "min_hits = 3\n", "`min_hits` goes with `distinct`, got `count`"),
        (SOURCE + WINDOW + '[[window.aggregate]]\nname = "n"\nsum = "x"\n', '2 the name "n" is taken'),
        (SOURCE + 'decoder = "deepstream"\n', "gives messages, which need windows"),
        (SOURCE + "[alarm]\n", "[alarm] has nothing to judge: add a section [detect]"),
        (
            SOURCE + '[detect]\nmeasures = ["x"]\n[alarm]\nthreshold = 3\nseverity = 50\n',
            "takes `threshold` or `severity`",
        ),
        (
            SOURCE + '[detect]\nmeasures = ["x"]\n[alarm]\nbreaches = 3\nof = 2\n',
            "`breaches` must be at most `of` (2)",
        ),
        (SOURCE + '[detect]\nmeasures = ["x"]\nsmooth = 3\n', '`smooth` goes with `method = "residual"`'),
        (
            SOURCE + '[detect]\nmethod = "residual"\nmeasures = ["x", "y"]\n',
            "must be one column (the observed)",
        ),
        (
            SOURCE + '[detect]\nmethod = "residual"\nmeasures = ["x"]\nrmse = {}\n',
            "exactly one of `ewm` and `rolling`",
        ),
        (
            SOURCE + "[detect]\nmeasures = []\n",
            "`measures` must be a list of columns, or name = [mean, min, max], got []",
        ),
        (SOURCE + WINDOW + '[detect]\nmeasures = ["n"]\nby = "camra"\n', '(none), got "camra"'),
        (
            SOURCE + '[[sink]]\nkind = "stdout"\nwhat = "windows"\n',
            '`what` is "windows": add a section [window]',
        ),
        (SOURCE + WINDOW + '[[sink]]\nkind = "stdout"\n', '`what` is "events": add a section [detect]'),
        (SOURCE + '[sink]\nkind = "stdout"\n', "sinks are written [[sink]]"),
        (SOURCE + "[report]\n", "[report] `path` is missing"),
        (SOURCE + "[state]\npath = 3\n", "[state] `path` must be text, got 3"),
        (SOURCE + "path = 3\n", "[source] `path` must be a file's name or a list of them, got 3"),
        ("[source\n", "not TOML: "),
    ],
)
def test_every_kind_of_mistake_is_named(text, expected):
    assert expected in "\n".join(problems(text))


def test_the_place_is_the_line_of_the_option_in_its_own_section():
    text = SOURCE + WINDOW + '[[window.aggregate]]\nname = "m"\nmean = "x"\nwhere = 3\n'
    assert problems(text) == [
        'line 11: [[window.aggregate]] 2 `where` must be column = value, or column = ["this", "that"], got 3'
    ]


def test_a_file_that_is_not_there_or_is_not_text(tmp_path):
    with pytest.raises(wr.ConfigError, match="can't be read: No such file"):
        load(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"a = \xff")
    with pytest.raises(wr.ConfigError, match="must be UTF-8 text, got a byte 0xff at 4"):
        load(tmp_path / "binary.toml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "kind",
                        "every",
                        "aggregate",
                        "name",
                        "count",
                        "measures",
                        "rmse",
                        "where",
                        "by",
                        "what",
                        "of",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["source", "window", "detect", "alarm", "state", "sink", "report", "other"]),
)
def test_nothing_that_toml_can_say_breaks_the_check(value, section):
    config, found = check({"source": {"kind": "file"}, section: value})
    assert (config is None) == bool(found)


def test_the_reference_is_generated_and_right():
    text = (READY / "reference.toml").read_text("utf-8")
    assert text == reference(), "python -m windrow.config_reference > edge_configs/reference.toml"
    load(READY / "reference.toml")


def test_what_the_reference_hides_is_right_as_well():
    """Options without a default are comments; taken one at a time, each is accepted."""
    lines = reference().splitlines()
    tried = 0
    for at, line in enumerate(lines):
        name = line.removeprefix("# ").partition(" =")[0]
        if (
            not line.startswith("# ")
            or not line.partition("  # ")[2]
            or "source]" in "".join(lines[max(at - 9, 0) : at + 1])
        ):
            continue
        shown = [*lines[:at], line.removeprefix("# "), *lines[at + 1 :]]
        # What excludes another: one function an aggregate; what goes with one method or function only.
        text = "\n".join(shown)
        if "distinct" not in name and "[[window.aggregate]]" in "\n".join(lines[max(at - 13, 0) : at]):
            text = text.replace('distinct = "track"', '# distinct = "track"')
            text = (
                text.replace("min_hits = 1", "#")
                .replace('count_on = "every"', "#")
                .replace('retain = "1h"', "#")
            )
            if name == "q":
                text = text.replace("# quantile =", "quantile =")
            if name == "quantile":
                text = text.replace("# q =", "q =")
        if name == "by":
            text = text.replace("by = []", 'by = "camera"')
        if name in ("predicted", "rmse", "smooth"):
            text = text.replace('method = "auto"', 'method = "residual"')
        loads(text)
        tried += 1
    assert tried > 25


@pytest.mark.parametrize("path", sorted(READY.glob("*.toml")), ids=lambda path: path.stem)
def test_every_ready_config_is_right(path):
    load(path)


@pytest.mark.parametrize(("name", "scenario"), [("junction_demo", "traffic"), ("motor", "motor")])
def test_the_demo_runs_what_the_ready_configs_say(name, scenario):
    assert tomllib.loads((READY / f"{name}.toml").read_text("utf-8")) == PIPELINES[scenario]


@pytest.mark.parametrize("text", ["5m", "1h30m", "-500ms", " 2d ", "1h 30m", "+3s", "0s", "1w"])
def test_durations_are_those_of_the_engine(text):
    nanoseconds(text)
    windows = wr.TumblingWindows(every="400d", aggregates={"n": wr.count()}, offset=text)
    again = wr.TumblingWindows(every="400d", aggregates={"n": wr.count()}, offset=f"{nanoseconds(text)}ns")
    assert repr(windows) == repr(again)


@given(st.text("0123456789hmsnudw -+mo.", max_size=8))
def test_what_is_no_duration_here_is_none_in_the_engine(text):
    try:
        nanoseconds(text)
    except PydanticCustomError:
        with pytest.raises(wr.ConfigError):
            wr.TumblingWindows(every="5m", aggregates={"n": wr.count()}, offset=text)
    else:
        wr.TumblingWindows(every="5m", aggregates={"n": wr.count()}, offset=text)
