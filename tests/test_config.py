"""A config says everything that is wrong with it at once, with its place and the nearest right word."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError
from windrow.config.check import ConfigFileError, check, load, loads
from windrow.config.reference import reference
from windrow.config.sections import OF_DECODER, nanoseconds
from windrow.demo import PIPELINES
from windrow.stages import detector

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
kind = "kafka"
"""


def problems(text):
    with pytest.raises(ConfigFileError) as caught:
        loads(text)
    return [str(problem) for problem in caught.value.problems]


def test_five_mistakes_are_five_problems_with_their_lines_and_the_right_words():
    assert problems(FIVE_MISTAKES) == [
        "line 3: [source] `decoder` must be axis, deepstream, frigate, mot, panorama or rows, got "
        '"deepsteam" (did you mean "deepstream"?)',
        "line 6: [window] unknown option `evrey` (did you mean `every`?)",
        'line 7: [window] `every` has the unknown unit "mo": use ns, us, ms, s, m, h, d or w',
        'line 14: [detect] `measures` must be aggregates of [window] (cars), got "car" (did you mean "cars"?)',
        'line 17: [[sink]] 1 the kind "kafka" is not in this version: use command, file, mqtt, object, shadow, stdout '
        "or webhook",
    ]


MISTAKES_OF_ALL_LAYERS = """\
[source]
kind = "file"
path = "x.jsonl"
decoder = "deepstream"
time_format = "%d"
where = { clas = "car" }

[window]
every = "5m"
by = ["camera", "camera", "level", "cam"]
zone = "Europe/Berln"
source = "camrea"
rollup = [["camrea"], []]
out_of_orderness = "-2s"

[[window.aggregate]]
name = "level"
distinct = "trak"
where = { class = [] }

[[window.aggregate]]
name = "p50"
median = "speed"

[detect]
measures = ["cras"]
zone = "Mars"
by = ["camera", "score"]
time = "window_strt"

[alarm]
severity = 50
direction = "up"
clear_below = 60
look_back = 2
of = 3
missing = "ignored"

[[sink]]
kind = "file"
path = "a.jsonl"

[[sink]]
kind = "file"
path = "a.jsonl"
what = "windows"
"""
COLUMNS = (
    "use time, camera, class, track, event, score, zones, speed, left, top, right, bottom or renamed_from"
)
UNKNOWN = 'unknown column of decoder "deepstream"'
ZONE = 'must be a name of the IANA database such as "Europe/Berlin"'


def test_mistakes_of_all_layers_are_told_at_once():
    assert problems(MISTAKES_OF_ALL_LAYERS) == [
        'line 5: [source] `time_format` goes with the decoder rows, got "deepstream"',
        f'line 6: [source] `where`: {UNKNOWN} "clas": {COLUMNS} (did you mean "class"?)',
        'line 10: [window] `by` must have each column once, got "camera" twice',
        "line 10: [window] `by` can't hold `level`: it is an output column",
        f'line 10: [window] `by`: {UNKNOWN} "level": {COLUMNS}',
        f'line 10: [window] `by`: {UNKNOWN} "cam": {COLUMNS} (did you mean "camera"?)',
        f'line 11: [window] `zone` {ZONE}, got "Europe/Berln" (did you mean "Europe/Berlin"?)',
        f'line 12: [window] `source`: {UNKNOWN} "camrea": {COLUMNS} (did you mean "camera"?)',
        'line 13: [window] `rollup` must have columns of `by` (camera, camera, level, cam), got "camrea" '
        '(did you mean "camera"?)',
        'line 14: [window] `out_of_orderness` must not be negative, got "-2s"',
        'line 17: [[window.aggregate]] 1 the name "level" is taken by a column of `by`',
        f'line 18: [[window.aggregate]] 1 `distinct`: {UNKNOWN} "trak": {COLUMNS} (did you mean "track"?)',
        "line 19: [[window.aggregate]] 1 `where` must have a value at least for `class`, got []",
        "line 23: [[window.aggregate]] 2 unknown option `median` (did you mean `mean`?)",
        'line 26: [detect] `measures` must be aggregates of [window] (level, p50), got "cras"',
        f'line 27: [detect] `zone` {ZONE}, got "Mars"',
        'line 28: [detect] `by` must be columns of `by` in [window] (camera, camera, level, cam), got "score"',
        'line 28: [detect] `by` can\'t hold "score": it is an output column',
        'line 29: [detect] `time` must be window_start or window_end, got "window_strt" (did you mean "window_start"?)',
        'line 33: [alarm] `direction` must be "both" with `severity`, which has no sign, got "up"',
        "line 34: [alarm] `clear_below` must be between 0 and `severity` (50), got 60",
        "line 35: [alarm] `look_back` must be at least `of` (3), got 2",
        'line 37: [alarm] `missing` must be missing, ignore, breaching or not_breaching, got "ignored" '
        '(did you mean "ignore"?)',
        'line 45: [[sink]] 2 `path` is written by another sink already, got "a.jsonl"',
    ]


SOURCE = '[source]\nkind = "file"\n'
DETECT = '[detect]\nmeasures = ["n"]\n'
WINDOW = '[window]\nevery = "5m"\n[[window.aggregate]]\nname = "n"\ncount = true\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the section [source] is missing"),
        ("[source]\n", "[source] `kind` is missing: use file, mqtt, stdin or simulate"),
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
        (SOURCE + 'decoder = "mot"\n' + WINDOW, 'the decoder "mot" needs the time of frame 1'),
        (SOURCE + 'start = "noon"\n', '[source] `start` must be a time in ISO 8601, got "noon"'),
        (SOURCE + "frames_per_second = 0\n", "[source] `frames_per_second` must be"),
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
        (SOURCE + '[detect]\nmeasures = ["x"]\ndrift = "7d"\n', '`drift` goes with `method = "residual"`'),
        (
            SOURCE + '[detect]\nmethod = "residual"\nmeasures = ["x"]\ndrift = "7d"\n',
            "`drift` needs a `model`, or a number as `rmse`",
        ),
        (
            SOURCE + '[detect]\nmethod = "residual"\nmodel = "m"\ndrift = 7\n',
            '`drift` must be a duration or "off"',
        ),
        (SOURCE + '[detect]\nmethod = "residual"\nmodel = "m"\ndrift = "on"\n', "`drift` must be"),
        (SOURCE + '[detect]\nmeasures = ["x"]\nfit_rows = 300\n', '`fit_rows` goes with `method = "joint"`'),
        (
            SOURCE + '[detect]\nmethod = "novelty"\nmeasures = ["x"]\nadopt = "7d"\n',
            '`adopt` goes with `method = "counts"` or "joint"',
        ),
        (
            SOURCE + '[detect]\nmeasures = ["x"]\nadopt = "40d"\n',
            '`adopt` must be between "3d" and "28d" with "auto", got "40d"',
        ),
        (
            SOURCE + '[detect]\nmethod = "joint"\nmeasures = ["x"]\n',
            "`measures` must be two sensors or more for joint, got 1",
        ),
        (
            SOURCE + '[detect]\nmethod = "joint"\nmeasures = ["x", "y"]\nfit_rows = 3\n',
            "`fit_rows` must be",
        ),
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
        (
            SOURCE + WINDOW.replace('"5m"', '"36h"\nzone = "Europe/Berlin"'),
            "`every` must be whole days when it",
        ),
        (SOURCE + WINDOW.replace('"5m"', '"5m"\nby = "revision"'), "`by` can't hold `revision`"),
        (
            SOURCE + WINDOW.replace('"5m"', '"5m"\nby = ["a", "b"]\nrollup = [["b", "a"]]'),
            "line 6: [window] `rollup` must have keys that are coarser than `by`",
        ),
        (SOURCE + WINDOW.replace('"n"', '"window_end"'), "1 `name`: the aggregate `window_end` has the name"),
        (
            SOURCE + 'where = { class = "car" }\n' + WINDOW + 'where = { class = "bus" }\n',
            "line 9: [[window.aggregate]] 1 `where` must leave something of `where` in [source] for `class`",
        ),
        (SOURCE + 'classes = ["car"]\n', 'goes with the decoder panorama, got "rows"'),
        (
            SOURCE + 'decoder = "panorama"\nformat = "csv"\n' + WINDOW,
            'line 4: [source] `format` must be jsonl for messages, got "csv"',
        ),
        (
            '[source]\nkind = "simulate"\nscenario = "traffic"\n'
            + WINDOW.replace("count = true", 'sum = "sped"'),
            '1 `sum`: unknown column of decoder "deepstream" "sped"',
        ),
        (
            SOURCE + WINDOW + '[detect]\nmethod = "residual"\nmeasures = ["n"]\npredicted = "m"\n',
            "`predicted` must be an aggregate of [window] (n)",
        ),
        (
            SOURCE + '[detect]\nmeasures = ["x", "x"]\n',
            '`measures` must have each column once, got "x" twice',
        ),
        (SOURCE + '[detect]\nmeasures = ["x"]\nby = "severity"\n', '[detect] `by` can\'t hold "severity"'),
        (
            SOURCE + '[detect]\nmethod = "counts"\nmeasures = { x = ["a", "b", "c"] }\n',
            '[detect] `measures` takes columns of extremes with "novelty" only',
        ),
        (
            '[source]\nkind = "simulate"\nscenario = "motor"\ndays = 4000\n',
            "`days` must be less than or equal to 3653, got 4000",
        ),
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
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(["deepstream", "residual", "Europe/Berlin", "camera", "5m"]),
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
                        "zone",
                        "rollup",
                        "decoder",
                        "format",
                        "path",
                        "method",
                        "direction",
                        "sum",
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
    assert text == reference(), "python -m windrow.config.reference > edge_configs/reference.toml"
    load(READY / "reference.toml")


def test_what_the_reference_hides_is_right_as_well():
    """Options without a default are comments; taken one at a time, each is accepted."""
    lines = reference().splitlines()
    tried, hidden = 0, False
    for at, line in enumerate(lines):
        name = line.removeprefix("# ").partition(" =")[0]
        if line.removeprefix("# ").startswith("["):
            hidden = line.startswith("# ")
        if hidden or not line.startswith("# ") or not line.partition("  # ")[2] or name in OF_DECODER:
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
        if name in ("by", "rollup"):
            text = text.replace("by = []", 'by = "camera"')
        if name == "model":
            text = text.replace('method = "auto"', 'method = "residual"')
        if name in ("predicted", "rmse", "smooth"):
            text = text.replace('method = "auto"', 'method = "residual"')
            text = text.replace("# predicted =", "predicted =").replace('= "predicted"', '= "cars"')
        if name in ("completeness", "min_completeness"):
            text = text.replace("# completeness =", "completeness =").replace('"uptime"', '"cars"')
        if name == "inputs":
            text = text.replace("# model =", "model =").replace("motor.json", "motor.onnx")
            text = text.replace('["motor_speed", "torque"]', '["cars"]').replace(
                'method = "auto"', 'method = "residual"'
            )
        if name == "drift":
            text = text.replace("# model =", "model =").replace('method = "auto"', 'method = "residual"')
        if name == "fit_rows":
            text = text.replace('method = "auto"', 'method = "joint"')
            text = text.replace('measures = ["cars"]', 'measures = ["cars", "other"]')
            text = text.replace(
                "\n[detect]", '\n[[window.aggregate]]\nname = "other"\ncount = true\n\n[detect]'
            )
        loads(text)
        tried += 1
    assert tried > 25


HIDDEN = [part for part in reference().split("\n\n") if re.search(r"^# \[", part, re.MULTILINE)]


def kind(part):
    return (re.search(r'kind = "(\w+)"', part) or re.search(r"\[(\w+)\]", part))[1]


@pytest.mark.parametrize("part", HIDDEN, ids=kind)
def test_kinds_that_the_reference_hides_are_right_as_well(part):
    """A source or sink of another kind, with every option of it at its example."""
    lines = [line.removeprefix("# ") for line in part.splitlines() if re.match(r"# (\[|\w+ = )", line)]
    # A password comes from one place; TLS and columns of the window go with the others.
    text = "\n".join(line for line in lines if not re.match(r"(password|secret|token)_file", line))
    if text.startswith("[source]"):
        loads(text.replace('scenario = "traffic"', 'scenario = "motor"') + "\n" + WINDOW)
    else:
        loads(SOURCE + WINDOW.replace("[[window", 'by = "camera"\n[[window') + DETECT + text)


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


def test_decoders_have_their_own_options():
    video = 'decoder = "mot"\nframes_per_second = 25\nstart = 2026-01-05T00:00:00Z\ncamera = "gate"\n'
    window = WINDOW.replace("[[window.aggregate]]", 'by = "camera"\n[[window.aggregate]]')
    source = loads(SOURCE + video + window).source
    assert (source.frames_per_second, source.camera) == (25, "gate")
    assert problems(SOURCE + 'decoder = "frigate"\ncamera = "gate"\n' + window) == [
        'line 4: [source] `camera` goes with the decoder axis, mot or panorama, got "frigate"'
    ]


FILTERS = """\
[source]
kind = "file"
[window]
every = "5m"
by = ["camera"]
[[window.aggregate]]
name = "cars"
count = true
[detect]
measures = ["cars"]
by = ["camera"]
[detect.filters]
"""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("min_deviation = -1", "`min_deviation` must be a number of at least 0, or measure = number, got -1"),
        ("directoin = 'up'", "unknown option `directoin` (did you mean `direction`?)"),
        ('direction = { bikes = "up" }', "`direction` must name measures (cars), got 'bikes'"),
        ('quiet_hours = "22-06"', '`quiet_hours` must be hours such as "22:00-06:00", days'),
        ("sensitivity = { lane = { a = 2 } }", "`sensitivity` must name columns of `by` (camera, measure)"),
        ('maintenance = [{ start = "2021-01-02", end = "2021-01-01" }]', "`maintenance` must end after it"),
    ],
)
def test_mistakes_in_filters_are_named(line, message):
    [problem] = problems(FILTERS + line)
    assert problem.startswith(f"line 13: [detect.filters] {message}")


def test_filters_reach_the_detector():
    work = '[{ start = "2021-01-01", end = 2021-01-02T00:00:00Z, where = { camera = ["north"] } }]'
    config = loads(
        FILTERS + f'quiet_hours = "sat-sun"\nmin_deviation = {{ cars = 5.0 }}\nmaintenance = {work}'
    )
    assert repr(detector(config)).endswith(
        "min_deviation=5.0, quiet_hours=['sat-sun'], "
        "maintenance=[(1609459200000000000, 1609545600000000000, {'camera': ['north']})])"
    )


NETWORK = """\
[source]
kind = "mqtt"
url = "broker:1883"
topics = ["cameras/{camera}/x{y}", "{lag}/{camera}", "a/#/b"]
decoder = "deepstream"
alive = ["status"]
password_env = "P"
password_file = "p"
key = "k"

[window]
every = "5m"
by = ["camera"]
[[window.aggregate]]
name = "n"
count = true

[detect]
measures = ["n"]

[report]
path = "r.html"

[service]
listen = "0.0.0.0:9108"

[[sink]]
kind = "mqtt"
url = "mqtt://user@broker"
topic = "alerts/{camra}"
ca = "ca.pem"

[[sink]]
kind = "webhook"
url = "ftp://example.org"

[[sink]]
kind = "object"
path = "out/!{timestamp:YYYY}"

[[sink]]
kind = "object"
path = "out/!{partition:lane}"

[[sink]]
kind = "shadow"
url = "mqtts://broker"
thing = "sign-{camera}"
desired = { text = "{raeson}" }

[[sink]]
kind = "command"
command = "rm -rf /"
"""


def test_mistakes_of_ways_in_and_out_are_told_at_once():
    events = "camera, measure, state, id, kind, start, end, peak, observed, expected, lower, upper, severity, reason"
    assert problems(NETWORK) == [
        "line 3: [source] `url` must be mqtt://host:1883 or mqtts://host:8883 (user and password have options of their "
        'own), got "broker:1883"',
        "line 4: [source] `topics`: a column in braces must be a whole level of the topic, got 'cameras/{camera}/x{y}'",
        'line 4: [source] `topics` can\'t name "lag": every message has a column of that name',
        "line 4: [source] `topics`: + and # must be whole levels of the topic, # the last one, got 'a/#/b'",
        'line 6: [source] `alive` must name the camera as {camera}, got "status"',
        "line 6: [source] `alive` says which source lives: set `source` in [window]",
        "line 7: [source] `password_env` goes with `user`, which is missing",
        "line 8: [source] takes `password_env` or `password_file`, got both",
        "line 8: [source] `password_file` goes with `user`, which is missing",
        "line 9: [source] `key` goes with `certificate`, which is missing",
        "line 21: [report] is drawn at the end of an input, which a service doesn't have: leave it out",
        'line 25: [service] `listen` must be a loopback address such as 127.0.0.1:9108, got "0.0.0.0:9108"',
        "line 29: [[sink]] 1 `url` must be mqtt://host:1883 or mqtts://host:8883 (user and password have options of "
        'their own), got "mqtt://user@broker"',
        f'line 30: [[sink]] 1 `topic` must name columns of its rows ({events}), got "camra" (did you mean "camera"?)',
        'line 31: [[sink]] 1 `ca` goes with mqtts://, got "mqtt://user@broker"',
        'line 35: [[sink]] 2 `url` must be http:// or https://, got "ftp://example.org"',
        "line 39: [[sink]] 3 the letters of a timestamp must be yyyy, uuuu, yy, MM, dd, HH, mm, ss, DDD, got 'YYYY'",
        "line 43: [[sink]] 4 `path` must name columns of its rows (camera, window_start, window_end, revision, n), got "
        '"lane"',
        f'line 49: [[sink]] 5 `desired` must name columns of its rows ({events}), got "raeson" '
        '(did you mean "reason"?)',
        'line 53: [[sink]] 6 `command` must be a list of the program and its arguments, got "rm -rf /"',
    ]
