"""What each aggregate computes where the generated input doesn't reach: sketches, ties, memory of tracks."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
import windrow as wr

SECOND = 10**9
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def run(aggregates: dict[str, Any], columns: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    w = wr.TumblingWindows(**({"every": "1m", "aggregates": aggregates, "out_of_orderness": "1d"} | options))
    w.push(columns)
    return list(w.flush())


def test_first_and_last_go_by_event_time_then_arrival() -> None:
    columns = {"time": np.array([3, 1, 1, 5, 5, 2]) * SECOND, "x": np.array([30, 10, 11, 50, 51, 20])}
    (row,) = run({"first": wr.first("x"), "last": wr.last("x")}, columns)
    assert (row["first"], row["last"]) == (10, 51)
    # A null is no value, also where it is first or last.
    columns = {"time": np.array([0, 1, 2]), "x": np.array([np.nan, 7.0, np.nan])}
    (row,) = run({"first": wr.first("x"), "last": wr.last("x")}, columns)
    assert (row["first"], row["last"]) == (7.0, 7.0)


def test_nothing_of_no_value() -> None:
    kinds = ["sum", "mean", "min", "max", "std", "var", "first", "last"]
    aggregates = {kind: getattr(wr, kind)("x") for kind in kinds}
    aggregates |= {"q": wr.quantile("x", 0.5), "d": wr.distinct("x"), "n": wr.count("x"), "rows": wr.count()}
    (row,) = run(aggregates, {"time": [0, 1], "x": np.array([np.nan, np.nan])})
    assert [row[kind] for kind in [*kinds, "q"]] == [None] * 9
    assert (row["d"], row["n"], row["rows"]) == (0, 0, 2)
    (row,) = run(aggregates, {"time": [0], "x": np.array([2.5])})
    assert (row["std"], row["var"], row["mean"]) == (None, None, 2.5)


def test_moments_of_numbers_far_from_zero() -> None:
    """Squares of these around zero have no digit left of the variance."""
    values = 1e9 + np.array([0.25, 0.5, 0.75, 1.0] * 1000)
    exact = np.var(values - 1e9, ddof=1)
    (row,) = run({"var": wr.var("x"), "std": wr.std("x")}, {"time": np.zeros(4000, "i8"), "x": values})
    assert row["var"] == pytest.approx(exact, rel=1e-12)
    assert row["std"] == pytest.approx(exact**0.5, rel=1e-12)


@pytest.mark.parametrize("n", [0, 1, 1023, 1024])
def test_distinct_is_exact_up_to_its_limit(n: int) -> None:
    ids = np.repeat(np.arange(n), 3)
    rows = run({"d": wr.distinct("id")}, {"time": np.zeros(len(ids), "i8"), "id": ids})
    assert [row["d"] for row in rows] == ([n] if n else [])


@pytest.mark.parametrize("n", [1_100, 5_000, 60_000])
@pytest.mark.parametrize("text", [False, True])
def test_distinct_beyond_its_limit_is_near(n: int, text: bool) -> None:
    ids = np.tile(np.arange(n), 2)
    keys = np.array([f"track {i}" for i in ids]) if text else ids
    (row,) = run({"d": wr.distinct("id")}, {"time": np.zeros(2 * n, "i8"), "id": keys})
    assert row["d"] == pytest.approx(n, rel=0.06)


def test_merged_distincts_are_exact_when_the_union_is_small() -> None:
    """Two cameras of 600 tracks each, 200 of which both have seen: 1,000 over all."""
    ids = np.concatenate([np.arange(600), np.arange(400, 1000)])
    cameras = np.repeat(["a", "b"], 600)
    columns = {"time": np.zeros(1200, "i8"), "id": ids, "camera": cameras}
    rows = run(
        {"d": wr.distinct("id"), "p": wr.distinct(["camera", "id"])}, columns, by="camera", rollup=[[]]
    )
    assert {(row["level"], row["camera"]): (row["d"], row["p"]) for row in rows} == {
        (0, "a"): (600, 600),
        (0, "b"): (600, 600),
        (1, None): (1000, pytest.approx(1200, rel=0.06)),
    }


def test_flicker_is_left_out_by_hits_over_all_parts() -> None:
    columns = {"time": [0] * 6, "id": [1, 1, 1, 2, 2, 3], "camera": ["a", "a", "b", "a", "b", "a"]}
    aggregates = {
        "all": wr.distinct("id"),
        "two": wr.distinct("id", min_hits=2),
        "three": wr.distinct("id", min_hits=3),
    }
    rows = run(aggregates, columns, by="camera", rollup=[[]])
    found = {(row["level"], row["camera"]): (row["all"], row["two"], row["three"]) for row in rows}
    assert found == {(0, "a"): (3, 1, 0), (0, "b"): (2, 0, 0), (1, None): (3, 2, 1)}


def test_a_track_counts_in_its_first_window_and_is_forgotten_in_time() -> None:
    times = np.array([0, 1, 10, 20, 300]) * MINUTE
    aggregates = {"new": wr.distinct("id", count_on="first", retain="1h"), "seen": wr.distinct("id")}
    rows = run(aggregates, {"time": times, "id": [7, 7, 7, 8, 7]}, every="10m")
    assert [(row["new"], row["seen"]) for row in rows] == [(1, 1), (0, 1), (1, 1), (1, 1)]


def test_tracks_of_other_cameras_and_classes_are_other_tracks() -> None:
    columns = {
        "time": [0, 0, 0, 0],
        "camera": list("aabb"),
        "class": ["car", "bus", "car", None],
        "id": [1] * 4,
    }
    aggregates = {
        "ids": wr.distinct("id"),
        "classes": wr.distinct(["class", "id"]),
        "tracks": wr.distinct(["camera", "class", "id"]),
        "cars": wr.distinct(["camera", "id"], where={"class": "car"}),
    }
    (row,) = run(aggregates, columns)
    # A tuple with a null in it is no value.
    assert (row["ids"], row["classes"], row["tracks"], row["cars"]) == (1, 2, 3, 2)


@pytest.mark.parametrize("q", [0.0, 0.01, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("shape", ["lognormal", "both signs", "integers", "one value", "one absurd value"])
def test_quantiles_are_within_one_percent(shape: str, q: float) -> None:
    generator = np.random.default_rng(7)
    values = {
        "lognormal": generator.lognormal(0, 3, 5000),
        "both signs": generator.normal(0, 10, 5000),
        "integers": generator.integers(-50, 50, 5000),
        "one value": np.full(9, -273.15),
        "one absurd value": np.append(np.arange(1.0, 100.0), np.finfo("f4").max),
    }[shape]
    (row,) = run({"q": wr.quantile("x", q)}, {"time": np.zeros(len(values), "i8"), "x": values})
    ordered = np.sort(values)
    rank = q * (len(values) - 1)
    low, high = float(ordered[int(np.floor(rank))]), float(ordered[int(np.ceil(rank))])
    assert low - 0.0101 * abs(low) <= row["q"] <= high + 0.0101 * abs(high)


def test_quantiles_do_not_know_the_order() -> None:
    values = np.random.default_rng(1).normal(size=500)
    results = set()
    for seed in range(5):
        shuffled = np.random.default_rng(seed).permutation(values)
        (row,) = run({"q": wr.quantile("x", 0.75)}, {"time": np.zeros(500, "i8"), "x": shuffled})
        results.add(row["q"])
    assert len(results) == 1


def test_where_takes_one_value_or_several_of_several_columns() -> None:
    columns = {
        "time": [0] * 5,
        "class": ["car", "bus", None, "car", "cat"],
        "zone": np.array([1, 1, 1, 2, 1]),
    }
    aggregates = {
        "cars": wr.count(where={"class": "car"}),
        "vehicles": wr.count(where={"class": ["car", "bus"]}),
        "cars here": wr.count(where={"class": "car", "zone": 1}),
        "no such": wr.count(where={"class": "tram"}),
        "nothing": wr.count(where={"class": None}),
    }
    (row,) = run(aggregates, columns)
    assert [row[name] for name in aggregates] == [2, 3, 1, 0, 1]


def test_inputs_are_in_the_order_of_their_first_mention() -> None:
    aggregates = {
        "cars": wr.distinct("track", where={"class": "car"}),
        "n": wr.count(),
        "speed": wr.mean("speed"),
        "pairs": wr.distinct(["zone", "track"]),
    }
    w = wr.TumblingWindows(every="1m", aggregates=aggregates, by="camera")
    assert list(w.inputs) == ["track", "class", "speed", "zone"]


def test_sums_do_not_depend_on_the_order_of_series() -> None:
    """Keys come in another order, the rows of each in the same: the same bits."""
    generator = random.Random(3)
    rows = [(key, generator.uniform(-1, 1)) for key in range(5) for _ in range(50)]
    mixed = [
        row
        for part in itertools.zip_longest(*[rows[at : at + 50] for at in range(0, 250, 50)])
        for row in part
    ]
    outcomes = [
        [row["s"] for row in run({"s": wr.sum("x")}, {"time": [0] * 250, "k": list(k), "x": list(x)}, by="k")]
        for k, x in (zip(*rows, strict=True), zip(*mixed, strict=True))
    ]
    assert outcomes[0] == outcomes[1]
