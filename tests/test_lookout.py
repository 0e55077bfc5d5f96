"""`format = "lookout"`: the message that handlers of Amazon Lookout for Metrics' alerts parse, read back."""

from __future__ import annotations

import datetime as dt
import json
import re

import numpy as np
import pytest
import windrow as wr
from test_sinks import Hook
from windrow.config.check import check
from windrow.lookout import message


def write(path, columns):
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(names), *(",".join(str(value) for value in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def pipeline(tmp_path, **sink):
    hours = np.repeat(np.arange(24 * 7 * 4), 3)
    cars = np.random.default_rng(1).poisson(60 + 50 * np.sin(hours * np.pi / 12))
    at = 3 * (24 * 7 * 3 + 8)
    cars[at], cars[at + 1] = 900, 500
    start = np.datetime64("2026-01-05T00:00:00") + hours.astype("m8[h]")
    write(
        tmp_path / "in.csv",
        {"time": [f"{time}Z" for time in start], "camera": ["a", "b", "c"] * (len(hours) // 3), "cars": cars},
    )
    file = {"kind": "file", "path": str(tmp_path / "out.jsonl")}
    return wr.Pipeline.from_dict({
        "source": {"kind": "file", "path": str(tmp_path / "in.csv")},
        "detect": {"measures": ["cars"], "by": "camera", "method": "counts", "every": "1h", "zone": "Europe/Berlin"},
        "sink": [{"what": "groups", **({} if "kind" in sink else file), **sink}],
        "state": {"path": str(tmp_path / "state")},
    })  # fmt: skip


def lines(tmp_path):
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]


def test_a_handler_reads_its_message(tmp_path):
    outcome = pipeline(tmp_path, format="lookout", alert="streets").run()
    messages = lines(tmp_path)
    assert {one["alertEventId"] for one in messages} == set(outcome.groups)
    assert len(messages) == len(outcome.groups)
    worst = max(messages, key=lambda one: one["anomalyScore"])
    assert list(worst) == [
        "alertName", "alertEventId", "anomalyDetectorArn", "alertArn", "alertDescription", "impactedMetric",
        "timestamp", "anomalyScore",
    ]  # fmt: skip
    assert worst["alertName"] == "streets"
    metric = worst["impactedMetric"]
    assert metric["metricName"] == "cars"
    [camera] = metric["dimensionContribution"]
    assert camera["dimensionName"] == "camera"
    shares = {
        one["dimensionValue"]: one["valueContribution"] for one in camera["dimensionValueContributions"]
    }
    assert sum(shares.values()) == pytest.approx(100, abs=0.02)
    assert shares["a"] > shares["b"] > 0
    series = metric["relevantTimeSeries"]
    assert [(one["dimensions"], one["metricValue"]) for one in series] == [
        ([{"dimensionName": "camera", "dimensionValue": "a"}], 900.0),
        ([{"dimensionName": "camera", "dimensionValue": "b"}], 500.0),
    ]
    assert len({one["timeSeriesId"] for one in series}) == 2
    # As Java's ZonedDateTime reads it.
    assert worst["timestamp"] == "2026-01-26T09:00+01:00[Europe/Berlin]"
    assert 50 <= worst["anomalyScore"] <= 100


def test_plain_groups_are_told_when_they_close_too(tmp_path):
    outcome = pipeline(tmp_path).run()
    found = lines(tmp_path)
    assert {one["id"] for one in found} == set(outcome.groups)
    assert all(one["message_id"] == f"{one['id']}/{one['state']}" for one in found)
    worst = max(found, key=lambda one: one["severity"])
    assert worst["series"][0]["time"] == "2026-01-26T08:00:00Z"
    assert worst["dimensions"][0]["contributions"][0]["value"] == "a"


def test_times_are_those_of_java():
    group = {
        "id": "x", "measure": "cars", "start": dt.datetime(2021, 2, 14, 4, tzinfo=dt.UTC), "severity": None,
        "series": [], "dimensions": [], "reason": "",
    }  # fmt: skip
    assert message(group)["timestamp"] == "2021-02-14T04:00Z[UTC]"
    assert message(group, zone="Atlantic/St_Helena")["timestamp"] == "2021-02-14T04:00Z[Atlantic/St_Helena]"
    group["start"] += dt.timedelta(seconds=1.5)
    assert re.fullmatch(r"2021-02-14T04:00:01\.5\d*Z\[UTC\]", message(group)["timestamp"])


def test_the_format_is_one_of_groups():
    _, problems = check(
        {
            "source": {"kind": "file"},
            "detect": {"measures": ["cars"]},
            "sink": [{"kind": "stdout", "what": "events", "format": "lookout"}],
        }
    )
    assert [str(problem) for problem in problems] == [
        '[[sink]] 1 `format = "lookout"` goes with `what = "groups"`'
    ]


def test_it_goes_where_other_results_go(tmp_path):
    """Each once, under the group's name."""
    with Hook() as hook:
        outcome = pipeline(tmp_path, kind="webhook", url=hook.url, format="lookout").run()
    assert sorted(one["alertEventId"] for one in hook.rows) == sorted(outcome.groups)
    for _, headers, body in hook.requests:
        assert headers["Idempotency-Key"] == json.loads(body)["alertEventId"]


def test_our_own_form_has_its_name(tmp_path):
    outcome = pipeline(tmp_path, format="windrow").run()
    assert {one["id"] for one in lines(tmp_path)} == set(outcome.groups)
