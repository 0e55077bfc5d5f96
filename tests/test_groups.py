"""Groups, contributions, causes and feedback: what belongs together is one matter, and people can say what it was."""

from __future__ import annotations

import datetime as dt
import itertools
import pickle
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import windrow as wr
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import group as oracle

HOUR = dt.timedelta(hours=1)
START = 1_609_718_400  # Monday, the fourth of January 2021, midnight UTC


def scored(**settings: Any) -> wr.Detector:
    """A detector whose alarm is a plain threshold on observed - predicted: anomalies where one wants them."""
    given = {
        "measures": ["cars", "persons"],
        "predicted": ["cars_expected", "persons_expected"],
        "by": ["camera", "lane"],
        "rmse": 1.0,
        "every": "1h",
        "time_unit": "s",
        "alarm": wr.Alarm(threshold=3.0),
    }
    return wr.Detector("residual", **(given | settings))


def table(rows: list[tuple[int, str, int, float, float]]) -> dict[str, Any]:
    """Rows of hour, camera, lane and how far both measures are off."""
    hours, cameras, lanes, cars, persons = zip(*rows, strict=True) if rows else ((),) * 5
    return {
        "window_start": START + 3600 * np.array(hours, "int64"),
        "camera": list(cameras),
        "lane": pa.array(lanes, pa.int64()),
        "cars": 100.0 + np.array(cars, float),
        "persons": 10.0 + np.array(persons, float),
        "cars_expected": np.full(len(hours), 100.0),
        "persons_expected": np.full(len(hours), 10.0),
    }


off = st.sampled_from([0.0, 0.0, 0.0, 4.0, -5.0, 60.0])
rows_of_table = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.integers(0, 2), off, off), min_size=1, max_size=60
)


def told(batch: wr.Batch) -> list[dict[str, Any]]:
    """Groups in the twin's form."""
    return [
        {
            **{name: row[name] for name in ("measure", "start", "end", "severity")},
            "series": {(one["camera"], one["lane"]): one["time"] for one in row["series"]},
            "shares": {
                one["dimension"]: {part["value"]: part["share"] for part in one["contributions"]}
                for one in row["dimensions"]
            },
        }
        for row in batch
    ]


def same(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for name in ("measure", "start", "end", "series"):
            assert ours[name] == theirs[name]
        assert ours["severity"] == pytest.approx(theirs["severity"], rel=1e-12)
        for name, shares in theirs["shares"].items():
            mine = ours["shares"][name]
            assert mine == pytest.approx({str(value): share for value, share in shares.items()})
            assert sum(mine.values()) == pytest.approx(100)


@given(rows=rows_of_table, data=st.data())
def test_groups_are_those_of_the_twin_in_any_order(rows: list[Any], data: st.DataObject) -> None:
    ours = scored()
    judged = list(ours.push(table(data.draw(st.permutations(rows)))))
    expected = oracle.groups([row for row in judged if row["state"] == "alarm"], ["camera", "lane"], HOUR)
    # A row long after closes what is open.
    ours.push(table([(100, "a", 0, 0.0, 0.0)]))
    found = ours.groups()
    same(told(found), expected)
    assert set(found.to_pydict()["state"]) <= {"ok"}
    assert len(ours.groups()) == 0


@given(rows=rows_of_table, cuts=st.lists(st.integers(0, 60), max_size=4))
def test_cuts_and_snapshots_change_nothing(rows: list[Any], cuts: list[int]) -> None:
    rows = sorted(rows)
    whole = scored()
    whole.push(table(rows))
    expected = {row["id"]: row for row in whole.groups()}
    parts = scored()
    found: dict[str, Any] = {}
    openings = 0
    for first, last in itertools.pairwise([0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]):
        parts.push(table(rows[first:last]))
        parts = wr.Detector.restore(parts.snapshot())
        for row in parts.groups():
            openings += row["id"] not in found
            found[row["id"]] = row
    assert openings == len(expected)
    for name, row in found.items():
        for column in ("measure", "start"):
            assert row[column] == expected[name][column]
        if row["end"] is not None:
            assert row == expected[name] | {"causes": row["causes"], "reason": row["reason"]}


def test_a_group_reads_well_in_any_library() -> None:
    ours = scored()
    ours.push(
        table(
            [(0, "a", 1, 60.0, 0.0), (0, "b", 1, 20.0, 0.0), (0, "b", 2, 0.0, 0.0), (1, "b", 2, -20.0, 0.0)]
        )
    )
    batch = ours.groups()
    [row] = batch
    assert batch.columns == [
        "id", "measure", "state", "start", "end", "severity", "series_hit", "dimensions", "series", "causes", "reason",
    ]  # fmt: skip
    assert row["state"] == "alarm"
    assert row["end"] is None
    assert row["series_hit"] == 3
    assert row["dimensions"] == [
        {
            "dimension": "camera",
            "contributions": [{"value": "a", "share": 60.0}, {"value": "b", "share": 40.0}],
        },
        {
            "dimension": "lane",
            "contributions": [{"value": "1", "share": 80.0}, {"value": "2", "share": 20.0}],
        },
    ]
    first = row["series"][0]
    assert (first["camera"], first["lane"], first["observed"], first["expected"]) == ("a", 1, 160.0, 100.0)
    assert row["reason"] == "cars off in 3 series, 80 % of it lane 1 on a Monday at 00:00"
    assert batch.to_pydict()["dimensions"] == [row["dimensions"]]
    frame = pl.DataFrame(batch)
    shares = frame.explode("dimensions").unnest("dimensions").explode("contributions").unnest("contributions")
    assert shares["share"].to_list() == [60.0, 40.0, 80.0, 20.0]
    assert isinstance(batch.to_pandas(), pd.DataFrame)
    assert pa.table(batch).to_pylist()[0]["series"][2]["lane"] == 2


def test_rollups_are_groups_of_their_own() -> None:
    fine = table([(0, "a", 1, 60.0, 0.0)]) | {"level": [0]}
    coarse = table([(0, "a", 1, 60.0, 0.0)]) | {
        "camera": pa.array([None], pa.string()),
        "lane": pa.array([None], pa.int64()),
        "level": [1],
    }
    ours = scored()
    ours.push(pa.concat_tables([pa.table(fine), pa.table(coarse)]))
    found = list(ours.groups())
    assert [row["level"] for row in found] == [0, 1]
    assert [len(row["dimensions"]) for row in found] == [2, 0]
    assert len({row["id"] for row in found}) == 2


def test_what_comes_before_again_and_again_is_named() -> None:
    ours = scored()
    rows = []
    for day in range(4):
        rows += [(24 * day + hour, "a", 0, 60.0 * (hour == 3), 60.0 * (hour == 5)) for hour in range(24)]
    ours.push(table(rows))
    found = list(ours.groups())
    named = [row["causes"] for row in found if row["measure"] == "persons"]
    assert [len(causes) for causes in named] == [0, 0, 1, 1]
    assert named[3][0] | {"group": None} == {
        "measure": "cars", "group": None, "lead_seconds": 7200.0, "times": 4,
    }  # fmt: skip
    assert named[3][0]["group"] == found[-2]["id"]
    assert found[-1]["reason"].endswith("; cars was 2h before, as 4 times by now")
    assert not any(row["causes"] for row in found if row["measure"] == "cars")


# -- feedback -------------------------------------------------------------------------------------------

HOURS = 24 * 7 * 8
FIRST, SECOND = 24 * 7 * 5 + 32, 24 * 7 * 7 + 32


def streets(
    first: float = 500.0, second: float = 500.0, cameras: str = "ab", lasting: int = 1
) -> dict[str, Any]:
    """Hours of several cameras, with a spike twice, a fortnight apart."""
    hours = np.repeat(np.arange(HOURS), len(cameras))
    cars = np.random.default_rng(1).poisson(60 + 50 * np.sin(hours * np.pi / 12)).astype(float)
    for at, value in ((FIRST, first), (SECOND, second)):
        for more in range(lasting if at == FIRST else 1):
            where = (at + more) * len(cameras)
            cars[where : where + len(cameras)] = value
    return {
        "window_start": START + 3600 * hours,
        "camera": list(cameras) * HOURS,
        "cars": cars,
    }


def cut(columns: dict[str, Any], first: int, last: int) -> dict[str, Any]:
    width = len(columns["cars"]) // HOURS
    return {name: column[first * width : last * width] for name, column in columns.items()}


def street(**more: Any) -> wr.Detector:
    return wr.Detector(
        "counts",
        measures=["cars"],
        by="camera",
        time_unit="s",
        every="1h",
        alarm=wr.Alarm(severity=30),
        **more,
    )


def alarms(detector: wr.Detector, columns: dict[str, Any]) -> set[str]:
    return {row["camera"] for row in detector.push(columns) if row["state"] == "alarm"}


def spiked(columns: dict[str, Any]) -> tuple[wr.Detector, dict[str, Any]]:
    """A detector that has seen the first spike and a day more, and its group."""
    ours = street()
    ours.push(cut(columns, 0, FIRST))
    ours.groups()
    ours.push(cut(columns, FIRST, FIRST + 24))
    group = next(row for row in ours.groups() if row["start"].timestamp() == START + 3600 * FIRST)
    return ours, group


def test_what_was_none_is_quiet_the_next_time_and_others_still_alarm() -> None:
    columns = streets()
    ours, group = spiked(columns)
    assert {one["camera"] for one in group["series"]} == {"a", "b"}
    ours.feedback(group["id"], "a", is_anomaly=False)
    ours = pickle.loads(pickle.dumps(ours))
    later = cut(columns, FIRST + 24, SECOND)
    ours.push(later)
    again = cut(columns, SECOND, SECOND + 1)
    before = pickle.dumps(ours)
    rows = list(ours.push(again))
    assert [row["state"] for row in rows] == ["ok", "alarm"]
    assert [row["lowered_by"] for row in rows] == ["feedback", None]
    assert min(row["severity"] for row in rows) >= 30
    assert rows[0]["reason"].endswith("; no alarm: no anomaly by feedback")
    # A larger one isn't the same.
    assert alarms(pickle.loads(before), cut(streets(second=5_000.0), SECOND, SECOND + 1)) == {"a", "b"}
    # What is taken back is forgotten.
    ours = pickle.loads(before)
    ours.feedback(group["id"], "a", is_anomaly=None)
    assert alarms(ours, again) == {"a", "b"}


def test_feedback_is_for_predictions_too() -> None:
    """Two machines leave what was predicted twice, by the same; one of them was said to be none."""
    minutes = np.repeat(np.arange(400), 2)
    observed = 50 + np.random.default_rng(4).normal(0, 1, minutes.size)
    observed[(minutes == 200) | (minutes == 300)] = 65
    table = {
        "time": START + 60 * minutes,
        "machine": ["m1", "m2"] * 400,
        "heat": observed,
        "predicted": np.full(minutes.size, 50.0),
    }
    ours = wr.Detector(
        "residual",
        measures=["heat"],
        predicted="predicted",
        by="machine",
        time="time",
        time_unit="s",
        rmse=1.0,
        alarm=wr.Alarm(threshold=10),
    )
    first = list(ours.push({name: column[:500] for name, column in table.items()}))
    assert [row["machine"] for row in first if row["state"] == "alarm"] == ["m1", "m2"]
    (group,) = ours.groups()
    ours.feedback(group["id"], "m1", is_anomaly=False)
    again = list(ours.push({name: column[500:] for name, column in table.items()}))
    assert [row["machine"] for row in again if row["state"] == "alarm"] == ["m2"]
    assert [row["machine"] for row in again if row["lowered_by"] == "feedback"] == ["m1"]


def test_an_anomaly_is_not_learned_from() -> None:
    """As if the stretch had never come, up to the memory of what a gap does."""
    lasting = streets(lasting=12, cameras="a")
    ours, group = spiked(lasting)
    plain, _ = spiked(lasting)
    ours.feedback(group["id"], "a", is_anomaly=True)
    clean = street()
    clean.push(
        {
            name: np.delete(np.array(column), slice(FIRST, FIRST + 12))
            for name, column in cut(lasting, 0, FIRST + 24).items()
        }
    )
    news = cut(lasting, FIRST + 24, FIRST + 24 * 7)
    without, taught, never = (list(one.push(news)) for one in (ours, plain, clean))
    for row, same_row in zip(without, never, strict=True):
        assert row["expected"] == same_row["expected"]
        assert row["severity"] == same_row["severity"]
    assert without != taught
    # Taken back, all is as before.
    ours, group = spiked(lasting)
    ours.feedback(group["id"], "a", is_anomaly=True)
    ours.feedback(group["id"], "a", is_anomaly=None)
    assert [row["expected"] for row in ours.push(news)] == [row["expected"] for row in taught]


def test_an_anomaly_that_lasts_is_not_learned_on() -> None:
    lasting = streets(lasting=48, cameras="a")
    ours = street()
    ours.push(cut(lasting, 0, FIRST + 2))
    group = [row for row in ours.groups() if row["end"] is None][-1]
    ours.feedback(group["id"], "a", is_anomaly=True)
    ours.push(cut(lasting, FIRST + 2, FIRST + 60))
    clean = street()
    clean.push(
        {
            name: np.delete(np.array(column), slice(FIRST, FIRST + 48))
            for name, column in cut(lasting, 0, FIRST + 60).items()
        }
    )
    news = cut(lasting, FIRST + 60, FIRST + 24 * 7)
    assert [row["expected"] for row in ours.push(news)] == [row["expected"] for row in clean.push(news)]


def test_feedback_is_listed_and_kept() -> None:
    ours, group = spiked(streets())
    assert len(ours.feedbacks()) == 0
    ours.feedback(group["id"], "b", is_anomaly=True)
    ours.feedback(group["id"], "a")
    ours = wr.Detector.restore(ours.snapshot())
    listed = list(ours.feedbacks())
    assert [(row["camera"], row["measure"], row["group"], row["is_anomaly"]) for row in listed] == [
        ("a", "cars", group["id"], False),
        ("b", "cars", group["id"], True),
    ]
    assert listed[0]["start"] == listed[0]["end"] == group["start"]
    ours.feedback(group["id"], "b", is_anomaly=None)
    assert [row["camera"] for row in ours.feedbacks()] == ["a"]


def test_mistakes_in_feedback_are_named() -> None:
    ours, group = spiked(streets())
    before = ours.snapshot()
    for call, message in [
        (("x" * 16, "a", False), "`group` must be the id of one of the newest groups, got"),
        ((group["id"], "c", False), "`series` must be one of the group's (a; b), got c"),
        ((group["id"], ("a", "b"), False), "`series` must have 1 values (camera), got 2"),
        ((group["id"], {}, False), "`series` must hold text, numbers or booleans, got {}"),
        ((group["id"], "a", None), "`is_anomaly` must be True or False, got None: nothing was said"),
        (("x", "a", None), "`is_anomaly` must be True or False, got None: nothing was said"),
    ]:  # fmt: skip
        with pytest.raises(wr.DataError) as caught:
            ours.feedback(call[0], call[1], is_anomaly=call[2])
        assert message in str(caught.value)
    for call, message in [
        ((3, "a"), "`group` must be text, got 3"),
        ((group["id"], "a", "yes"), "`is_anomaly` must be True, False or None, got 'yes'"),
    ]:
        with pytest.raises(wr.ConfigError) as caught:
            ours.feedback(*call)
        assert message in str(caught.value)
    assert ours.snapshot() == before


# -- states ---------------------------------------------------------------------------------------------


def test_states_say_how_far_each_series_is() -> None:
    hours = np.arange(24 * 30)
    columns = {
        "window_start": START + 3600 * hours,
        "camera": ["old"] * len(hours),
        "cars": np.full(len(hours), 9),
    }
    ours = street()
    assert len(ours.states()) == 0
    ours.push({name: column[:48] for name, column in columns.items()})
    [row] = ours.states()
    assert (row["camera"], row["measure"], row["method"], row["state"]) == (
        "old",
        "cars",
        "counts",
        "learning",
    )
    assert row["windows"] == 48
    assert 0 < row["confidence"] < 0.2
    wanted = row["windows_wanted"]
    assert wanted > 0
    ours.push({name: column[48 : 48 + wanted + 1] for name, column in columns.items()})
    [row] = ours.states()
    assert (row["state"], row["windows_wanted"]) == ("active", 0)
    ours.push({
        "window_start": START + 3600 * np.arange(24 * 10, 24 * 20), "camera": ["dead"] * 240, "cars": [None] * 240,
    })  # fmt: skip
    assert {row["camera"]: row["state"] for row in ours.states()} == {"old": "inactive", "dead": "failed"}
    assert ours.status["failed"] == ours.status["inactive"] == 1
    ours.push({name: column[24 * 20 : 24 * 20 + 1] for name, column in columns.items()})
    assert {row["camera"]: row["state"] for row in ours.states()}["old"] == "active"
    assert list(wr.Detector.restore(ours.snapshot()).states()) == list(ours.states())


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_memory_is_bounded(seed: int) -> None:
    """Alarms without end, and nobody asks: what is kept stops growing."""
    rng = np.random.default_rng(seed)
    ours = scored(by=None, measures=["cars"], predicted=["cars_expected"])
    hours = 2 * np.arange(3_000)
    ours.push({
        "window_start": START + 3600 * hours, "cars": 100 + rng.choice([9.0, 20.0], 3_000),
        "cars_expected": np.full(3_000, 100.0),
    })  # fmt: skip
    assert len(ours.groups()) >= 2_999
    assert len(ours.snapshot()) < 300_000
