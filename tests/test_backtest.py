"""Backtests: the split and the walk forward against a detector fed by hand, labels, and what the command says."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import windrow as wr
import windrow.backtest.judge
from test_report import browse
from windrow.backtest.judge import backtest
from windrow.cli import main
from windrow.config.check import check, load
from windrow.sources import file as file_source

READY = Path(__file__).parents[1] / "edge_configs"
HOUR = dt.timedelta(hours=1)


def config(measures=("cars",), time="time", alarm=None, **sections):
    checked, problems = check(
        {
            "source": {"kind": "file", "time": time},
            "detect": {"method": "counts", "measures": list(measures), "every": "1h"},
            "alarm": {**({} if "threshold" in (alarm or {}) else {"severity": 50}), **(alarm or {})},
            **sections,
        }
    )
    assert checked is not None, problems
    return checked


def street(days=40, label=None):
    """A street with a day, and a crowd on the 35th morning that `label(hour)` marks."""
    start = dt.datetime(2026, 1, 5)
    rows = []
    for hour in range(24 * days):
        cars = 20 + 15 * (7 <= hour % 24 < 19) + hour * 7 % 5
        crowd = hour in (24 * 35 + 9, 24 * 35 + 10)
        row = {"time": f"{start + hour * HOUR}", "cars": cars * (4 if crowd else 1)}
        rows.append(row | ({} if label is None else {"label": label(hour, crowd)}))
    return rows


def put(folder, rows, name="street.csv"):
    path = folder / name
    table = pa.Table.from_pylist(rows)
    if path.suffix == ".parquet":
        pa.parquet.write_table(table, path)
    elif path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def by_hand(rows, first, walk=False):
    detector = wr.Detector(
        "counts", measures=["cars"], time="time", every="1h", alarm=wr.Alarm(severity=50, breaches=1, of=1)
    )
    table = pa.Table.from_pylist([{name: row[name] for name in ("time", "cars")} for row in rows])
    if not walk:
        detector.learn(table.slice(0, first))
        table = table.slice(first)
    return list(detector.push(table)), list(detector.events())


# ---- the split


@pytest.mark.parametrize("name", ["street.csv", "street.jsonl", "street.parquet"])
def test_a_split_is_learn_and_then_push(tmp_path, name):
    rows = street()
    done = backtest(config(), input=put(tmp_path, rows, name), teach=0.75)
    verdicts, events = by_hand(rows, 720)
    assert (done.taught, done.judged, done.outcome.judged) == (720, 240, 240)
    assert done.cut == dt.datetime(2026, 2, 4, tzinfo=dt.UTC)
    assert done.weeks == pytest.approx(10 / 7)
    assert list(done.outcome.events.values()) == events
    assert [event["start"].hour for event in events] == [9]
    (series,) = done.series
    assert series.severity.tolist() == [row["severity"] for row in verdicts]


def test_a_walk_forward_judges_everything_as_a_run_does(tmp_path, capsys):
    rows = street()
    path = put(tmp_path, rows)
    done = backtest(config(), input=path, walk_forward=True)
    _, events = by_hand(rows, 0, walk=True)
    assert (done.taught, done.judged) == (0, 960)
    assert list(done.outcome.events.values()) == events
    (tmp_path / "street.toml").write_text(
        '[source]\nkind = "file"\n[detect]\nmethod = "counts"\nmeasures = ["cars"]\nevery = "1h"\n'
    )
    assert main(["run", str(tmp_path / "street.toml"), "--input", path, "--json"]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["events"]] == [
        one["id"] for one in events
    ]


def test_the_split_is_by_time_whatever_the_order_and_the_same_for_all_series(tmp_path):
    rows = [{**row, "lane": lane} for lane in ("a", "b") for row in street(30)]
    # One lane ends early: its own oldest part is not what counts.
    rows = [row for row in rows if row["lane"] == "a" or row["time"] < "2026-01-20"]
    lanes = config(detect={"method": "counts", "measures": ["cars"], "by": "lane", "every": "1h"})
    done = backtest(lanes, input=put(tmp_path, rows), teach=0.8)
    assert done.cut == dt.datetime(2026, 1, 29, tzinfo=dt.UTC)
    assert (done.taught, done.judged) == (24 * 24 + 15 * 24, 6 * 24)
    assert [one.key for one in done.series] == [{"lane": "a"}]


def test_unreadable_times_neither_teach_a_wrong_time_nor_judge(tmp_path):
    rows = street()
    rows[700] = {**rows[700], "time": "soon"}
    rows[950] = {**rows[950], "time": None}
    done = backtest(config(), input=put(tmp_path, rows), teach=0.75)
    assert done.taught + done.judged == 960
    assert done.outcome.judged == done.judged
    assert len(done.outcome.events) == 1


def test_nothing_of_state_sinks_and_report_is_touched(tmp_path, capsys):
    sections = {
        "state": {"path": str(tmp_path / "state")},
        "sink": [{"kind": "file", "path": str(tmp_path / "out.jsonl")}, {"kind": "stdout"}],
        "report": {"path": str(tmp_path / "page.html")},
    }
    backtest(config(**sections), input=put(tmp_path, street()))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["street.csv"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("stage", ["reading", "judging"])
def test_ctrl_c_ends_it(tmp_path, monkeypatch, stage):
    monkeypatch.setattr(windrow.backtest.judge, "BLOCK", 100)
    done = []

    def look(much, total):
        done.append(much)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        backtest(config(), input=put(tmp_path, street()), **{stage: look})
    assert stage == "reading" or done == [100]


# ---- labels


@pytest.mark.parametrize(
    "label",
    [
        lambda hour, crowd: crowd,
        lambda hour, crowd: int(crowd),
        lambda hour, crowd: "crowd" if crowd else None,
        lambda hour, crowd: "true" if crowd else "false",
        lambda hour, crowd: 1.0 if crowd else (None if hour % 2 else 0.0),
    ],
    ids=["bool", "integer", "name", "word", "float"],
)
@pytest.mark.parametrize("name", ["street.csv", "street.jsonl", "street.parquet"])
def test_labels_of_every_form_mark_the_same_rows(tmp_path, name, label):
    done = backtest(config(), input=put(tmp_path, street(label=label), name), label="label")
    assert (done.figures.rows.labelled, done.figures.events.labelled) == (2, 1)
    assert (done.figures.events.precision, done.figures.events.recall, done.figures.events.f1) == (1, 1, 1)
    assert done.figures.delay == dt.timedelta(0)


def test_a_column_of_names_stays_one_where_its_first_block_is_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(file_source, "BLOCK", 4096)
    path = put(tmp_path, street(label=lambda hour, crowd: "crowd" if crowd else None))
    done = backtest(config(), input=path, label="label")
    assert done.figures.rows.labelled == 2
    assert done.outcome.unreadable == 0


@pytest.mark.parametrize(
    ("label", "options", "message"),
    [
        (
            lambda hour, crowd: 0.37,
            {},
            "`label` must hold true or false, 1 or 0, or the name of a fault .*0.37",
        ),
        (lambda hour, crowd: hour, {}, "`label` must hold true or false"),
        (lambda hour, crowd: 0, {}, "`label` must mark some of the judged rows.*marks none of 288"),
        (lambda hour, crowd: 1, {}, "`label` must mark some of the judged rows.*marks all of 288"),
        (lambda hour, crowd: hour < 48, {}, "marks none of 288"),
        (lambda hour, crowd: 0, {"label": "labl"}, r"unknown column `labl` \(did you mean `label`\?\)"),
    ],
    ids=["number", "count", "none", "all", "only what taught", "unknown"],
)
def test_labels_that_say_nothing_are_errors(tmp_path, label, options, message):
    path = put(tmp_path, street(label=label))
    with pytest.raises(wr.DataError, match=message):
        backtest(config(), input=path, **{"label": "label", **options})


@pytest.mark.parametrize("label", ["cars", "time"])
def test_a_label_is_no_column_that_the_detector_reads(tmp_path, label):
    with pytest.raises(
        wr.ConfigError, match=f"`label` must be a column that nothing else reads, got `{label}`"
    ):
        backtest(config(), input=put(tmp_path, street()), label=label)


TRAFFIC = {
    "window": {
        "every": "5m",
        "by": ["camera"],
        "source": "camera",
        "fill": True,
        "aggregate": [{"name": "cars", "distinct": "track", "where": {"class": "vehicle"}}],
    },
    "detect": {"method": "counts", "measures": ["cars"]},
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """Twelve simulated days with three faults, and the windows that hold labelled messages, by hand."""
    path = tmp_path_factory.mktemp("traffic") / "traffic.jsonl.gz"
    world = wr.simulate.traffic(days=12)
    text = b"".join(world.messages())
    path.write_bytes(gzip.compress(text, 1))
    marked = set()
    for line in text.splitlines():
        if b'"fault":null' not in line:
            row = json.loads(line)
            moment = dt.datetime.fromisoformat(row["@timestamp"])
            start = moment.replace(minute=moment.minute // 5 * 5, second=0, microsecond=0)
            marked.add((start, row["sensor"]["id"].strip()))
    return path, world, marked


def test_a_window_is_labelled_when_a_message_in_it_is(messages):
    path, _, marked = messages
    checked, problems = check(
        {"source": {"kind": "file", "decoder": "deepstream", "path": str(path)}, **TRAFFIC}
    )
    assert checked is not None, problems
    done = backtest(checked, label="fault", walk_forward=True)
    assert marked
    found = {
        (dt.datetime.fromtimestamp(at / 1000, dt.UTC), one.key["camera"])
        for one in done.series
        for at in one.time[done.marked[one.key["camera"],]]
    }
    assert found == marked
    with pytest.raises(wr.DataError, match="`label` must be a field of the input, and no message has `falt`"):
        backtest(checked, label="falt")


def test_simulated_faults_are_labels_of_themselves(messages):
    _, world, marked = messages
    simulated = {"kind": "simulate", "scenario": "traffic", "days": 12}
    checked, problems = check({"source": simulated, **TRAFFIC})
    assert checked is not None, problems
    done = backtest(checked, walk_forward=True)
    assert done.label == "the injected faults"
    assert done.figures.events.labelled == len(world.faults)
    # Three hours each of their own camera, the one without messages among them; the other isn't at fault.
    assert done.figures.rows.labelled == 3 * 36
    assert {camera for _, camera in marked} == {"north", "south"}


@pytest.mark.parametrize("name", ["street.csv", "street.jsonl", "street.parquet"])
def test_windows_of_rows_are_labelled_whatever_they_came_in(tmp_path, name):
    start = dt.datetime(2026, 1, 5)
    rows = [
        {
            "time": f"{start + at * dt.timedelta(minutes=10)}",
            "lane": lane,
            "odd": lane == "b" and at in (700, 701, 730),
        }
        for at in range(6 * 24 * 10)
        for lane in ("a", "b")
    ]
    window = {"every": "1h", "by": "lane", "aggregate": [{"name": "n", "count": True}]}
    checked, problems = check({"source": {"kind": "file"}, "window": window, "detect": {"measures": ["n"]}})
    assert checked is not None, problems
    done = backtest(checked, input=put(tmp_path, rows, name), label="odd", walk_forward=True)
    found = {key: [int(at) for at in marks.nonzero()[0]] for key, marks in done.marked.items()}
    assert found == {("a",): [], ("b",): [116, 121]}


def test_a_machine_of_many_sensors(tmp_path):
    rng = np.random.default_rng(3)
    load_ = rng.normal(size=1200).cumsum() / 10
    rows = [
        {
            "time": f"{dt.datetime(2026, 1, 5) + at * dt.timedelta(minutes=1)}",
            **{
                f"s{one}": float(load_[at] * one + rng.normal() / 10 + 3 * (one == 2 and 1000 <= at < 1050))
                for one in (1, 2, 3)
            },
            "broken": 1000 <= at < 1050,
        }
        for at in range(1200)
    ]
    checked, problems = check(
        {
            "source": {"kind": "file"},
            "detect": {"method": "joint", "measures": ["s1", "s2", "s3"], "every": "1m"},
        }
    )
    assert checked is not None, problems
    done = backtest(checked, input=put(tmp_path, rows), label="broken")
    assert (done.figures.rows.labelled, done.figures.events.labelled) == (50, 1)
    assert done.figures.events.found == 1


# ---- too little


def test_too_little_is_said(tmp_path):
    with pytest.raises(
        wr.DataError, match=r"a backtest needs rows at 2 times or more, got rows at 1 \(1 rows read\)"
    ):
        backtest(config(), input=put(tmp_path, street()[:1]))
    with pytest.raises(wr.DataError, match=r"`teach` must leave something .* of rows at 2 times, got 0\.1"):
        backtest(config(), input=put(tmp_path, street()[:2]), teach=0.1)
    assert backtest(config(), input=put(tmp_path, street()[:2]), teach=0.5).judged == 1
    checked, _ = check({"source": {"kind": "file"}, "window": TRAFFIC["window"] | {"source": None, "by": []}})
    with pytest.raises(wr.ConfigError, match=r"a backtest judges: add a section \[detect\]"):
        backtest(checked)


def test_an_input_must_end(tmp_path):
    path = put(tmp_path, street())
    following = config(source={"kind": "file", "time": "time", "path": path, "follow": True})
    with pytest.raises(wr.ConfigError, match="a backtest needs an input that ends: give a file by `--input`"):
        backtest(following)
    assert len(backtest(following, input=path).outcome.events) == 1


# ---- real data


def test_ecommerce(data):
    checked = load(READY / "shop.toml")
    path = data / "l4m_ecommerce" / "label.csv.gz"
    with gzip.open(path, "rt") as file:
        labels = sum(row["views_label"] == "1" for row in csv.DictReader(file))
    walked = backtest(checked, input=str(path), label="views_label", walk_forward=True)
    assert walked.figures.rows.labelled == labels == 2755
    assert len(walked.series) == 21
    # What is raised is right; the figures themselves are bench/accuracy's.
    assert walked.figures.events.precision > 0.9
    split = backtest(checked, input=str(path), label="views_label")
    assert split.taught == 183_960 * 7 // 10
    assert split.figures.events.precision > 0.9


def test_people(data):
    path = data / "calit2_people" / "calit2_30min.csv.gz"
    people = config(("in_count", "out_count"), "timestamp", detect={"measures": ["in_count", "out_count"]})
    done = backtest(people, input=str(path), label="is_anomaly", walk_forward=True)
    assert (done.figures.rows.labelled, done.figures.events.labelled) == (206, 29)
    assert done.figures.events.found >= 1
    # The curve counts what a run at each severity would raise, and keeps what it advises.
    week = done.curve.suggested(7)
    for severity in (30, 50, 70, week):
        again = config(
            ("in_count",), "timestamp", {"severity": severity}, detect={"measures": ["in_count", "out_count"]}
        )
        events = len(backtest(again, input=str(path), walk_forward=True).outcome.events)
        assert events == done.curve.events[round(severity) - 1]
    assert done.curve.events[round(week) - 1] <= done.weeks < done.curve.events[round(week) - 2]


@pytest.mark.parametrize(
    ("alarm", "sections"),
    [
        ({"severity": 30, "lasting": "1h"}, {}),
        ({"severity": 40, "clear_below": 5, "breaches": 2, "of": 3}, {}),
        ({"severity": 30, "missing": "breaching", "period": "30m"}, {}),
        ({"threshold": 1.5}, {"filters": {"min_deviation": 8, "direction": "up"}}),
        ({"severity": 20}, {"filters": {"quiet_hours": ["sat-sun", "08:00-10:00"]}, "silence": "2h"}),
        (
            {"severity": 30},
            {"filters": {"sensitivity": {"measure": {"in_count": 0.3}}}, "zone": "Europe/Berlin"},
        ),
    ],
)
def test_the_curve_says_what_the_run_did(data, tmp_path, alarm, sections):
    """And what runs at other thresholds do: the same alarm on real counts, with holes in them."""
    table = pa.csv.read_csv(data / "calit2_people" / "calit2_30min.csv.gz")
    keep = np.random.default_rng(1).random(len(table)) > 0.02
    keep[3000:3020] = False
    path = tmp_path / "people.csv"
    pa.csv.write_csv(table.filter(pa.array(keep)), path)
    measures = {"measures": ["in_count", "out_count"], **sections}
    name = "severity" if "severity" in alarm else "threshold"

    def run(threshold):
        asked = alarm | {name: threshold}
        return backtest(
            config(("in_count",), "timestamp", asked, detect=measures), input=str(path), walk_forward=True
        )

    done = run(alarm[name])
    own = int(np.flatnonzero(done.curve.threshold == alarm[name])[0])
    assert done.curve.events[own] == len(done.outcome.events) > 0
    for place in (own // 2, min(99, own + 25)):
        threshold = float(done.curve.threshold[place])
        if threshold >= alarm.get("clear_below", 0):
            assert done.curve.events[place] == len(run(threshold).outcome.events)


def test_pems(data):
    done = backtest(load(READY / "pems.toml"), input=str(data / "pems_flow_5min" / "train.csv"))
    assert (done.taught, done.judged) == (5443, 2333)
    assert done.step == dt.timedelta(minutes=5)
    assert len(done.outcome.events) <= 3


# ---- the command


@pytest.fixture
def motor(tmp_path):
    path = tmp_path / "motor.csv"
    path.write_text("".join(wr.simulate.motor().csv()), "utf-8")
    return ["backtest", str(READY / "motor.toml"), "--input", str(path)]


def test_the_command_says_what_was_found(motor, tmp_path, capsys):
    page = tmp_path / "deep" / "page.html"
    assert main([*motor, "--label", "fault", "--walk-forward", "-o", str(page)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "20,160 rows read, 1 series" in out
    assert "walk forward: each row judged before it is learned" in out
    assert "events  precision 100.0% (3 of 3)   recall 100.0% (3 of 3)   F1 100.0%" in out
    assert f"report: {page}" in out
    dom = browse(page, tmp_path)
    body = dom[dom.index("<main>") :]
    for name in ("labels", "thresholds", "events"):
        assert f'id="{name}"' in body
    assert "input from motor.csv" in body
    assert body.count('class="main-svg"') >= 4
    assert body.count('<tr class="event">') == 3


def test_json_is_one_object(motor, capsys):
    assert main([*motor, "--label", "fault", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    assert (found["mode"], found["teach"], found["rows"]) == ("split", 0.7, 20_160)
    assert found["taught"] + found["judged"] == found["rows"]
    assert found["labels"]["events"] == {
        "raised": 2, "right": 2, "labelled": 2, "found": 2, "precision": 1.0, "recall": 1.0, "f1": 1.0
    }  # fmt: skip
    curve = found["curve"]
    assert curve["of"] == "score"
    assert len(curve["threshold"]) == len(curve["events_per_week"]) == len(curve["rows"]["recall"]) == 100


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--teach", "1"], "argument --teach: must be between 0 and 1, such as 0.7, got '1'"),
        (["--teach", "most"], "argument --teach: must be between 0 and 1"),
        (["--teach", "0.5", "--walk-forward"], "not allowed with argument"),
    ],
)
def test_a_bad_call_ends_with_2(motor, capsys, more, message):
    with pytest.raises(SystemExit) as ended:
        main([*motor, *more])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_bad_input_ends_with_1_and_bad_places_with_2(motor, tmp_path, capsys):
    assert main([*motor, "--label", "falt"]) == 1
    assert "unknown column `falt` (did you mean `fault`?)" in capsys.readouterr().err
    assert main([*motor, "-o", str(tmp_path)]) == 2
    assert "can't be written: it is a folder" in capsys.readouterr().err
    assert main(["backtest", str(READY / "parking.toml"), "--input", motor[-1]]) == 2
    assert "a backtest judges: add a section [detect]" in capsys.readouterr().err
