"""Models: what training makes of rows, the file, predictions against the twin and scikit-learn."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from models import INPUTS, TARGET, described, machine, ridge, small
from oracle.trained import Trained
from windrow import simulate
from windrow.model.file import described as of_model
from windrow.model.file import sealed


def train(table: Any = None, **changed: Any) -> wr.Model:
    given: dict[str, Any] = {"target": "heat", "inputs": ["speed", "load", "gear"], "time_unit": "s"}
    return wr.train(machine() if table is None else table, **(given | changed))


@pytest.fixture(scope="module", params=["ridge", "trees"])
def model(request: Any) -> wr.Model:
    return train(method=request.param)


# ---- what training makes


def test_a_model_predicts_what_it_was_trained_on(model: wr.Model) -> None:
    table = machine(seed=2)
    predicted = np.array(model.predict(table).to_pydict()["predicted"], float)
    off = predicted - table["heat"]
    seen = np.isfinite(off)
    assert seen.mean() > 0.8
    assert np.sqrt((off[seen] ** 2).mean()) < 3 * model.rmse < 3


def test_the_report_is_honest_about_training() -> None:
    random = np.random.default_rng(5)
    table = {"time": np.arange(600), "a": random.normal(size=600), "y": random.normal(size=600)}
    report = train(table, target="y", inputs="a", method="trees").report
    assert report["training"]["rmse"] < 0.9 * report["cross_validation"]["rmse"]
    assert report["cross_validation"]["r2"] < 0.1
    assert {"last_value", "mean"} == set(report["skill"])
    assert sum(report["impact_percent"].values()) == pytest.approx(100)
    assert [one["past_events"] for one in report["thresholds"]] == sorted(
        (one["past_events"] for one in report["thresholds"]), reverse=True
    )


def test_impact_goes_to_the_columns_that_matter() -> None:
    table = machine() | {"noise": np.random.default_rng(3).normal(size=400)}
    impact = train(table, inputs=["speed", "load", "gear", "noise"]).report["impact_percent"]
    assert impact["speed"] > impact["gear"] > impact["noise"]
    assert impact["noise"] < 1


def test_the_same_seed_gives_the_same_model() -> None:
    assert train(seed=3).to_json() == train(seed=3).to_json()


def test_several_machines_have_histories_of_their_own() -> None:
    one, other = machine(1), machine(2)
    both = {name: np.stack([one[name], other[name]], 1).ravel() for name in one} | {
        "machine": np.tile(["a", "b"], 400)
    }
    model = train(both, by="machine")
    together = model.predict(both).to_pydict()["predicted"]
    for at, alone in enumerate((one, other)):
        apart = model.predict(alone | {"machine": np.full(400, "ab"[at])}).to_pydict()["predicted"]
        assert together[at::2] == apart


def test_missing_inputs_are_imputed() -> None:
    table = machine()
    table["load"] = np.where(np.arange(400) % 7 == 0, np.nan, table["load"])
    model = train(table, method="ridge")
    assert model.rmse < 2.5
    predicted = model.predict(table).to_pydict()["predicted"]
    assert None not in predicted[-100:]


def test_rows_out_of_order_are_sorted_and_said() -> None:
    table = machine()
    backwards = {name: values[::-1] for name, values in table.items()}
    model = train(backwards)
    assert any("not in order" in note for note in model.report["notes"])
    assert of_model(model)["features"] == of_model(train())["features"]
    assert not train().report["notes"]


# ---- the engine against scikit-learn and the twin


def test_predictions_equal_scikit_learn(model: wr.Model, monkeypatch: Any) -> None:
    """The fitted estimator is caught on its way into the file."""
    from windrow.model import train as module

    caught = []
    original = module.described
    monkeypatch.setattr(module, "described", lambda fitted: caught.append(fitted) or original(fitted))
    again = train(method="ridge" if of_model(model)["predictor"]["kind"] == "ridge" else "trees")
    table = machine(seed=9, rows=1000)
    features = pa.table(again.features(table)).to_pandas().to_numpy()
    known = np.isfinite(features).all(axis=1)
    predicted = np.array(again.predict(table).to_pydict()["predicted"], float)
    np.testing.assert_allclose(predicted[known], caught[-1].predict(features[known]), rtol=1e-9)
    assert np.isnan(predicted[~known]).all()


@st.composite
def shapes(draw: Any) -> tuple[dict[str, Any], list[tuple[int, dict[str, Any]]]]:
    """Some model, and rows for it: gaps, repeated times, times that go back, values that are missing or wild."""
    inputs = [
        {"name": "a", "low": -1.0, "high": 1.0, "fill": 0.5},
        {"name": "b", "low": 0.0, "high": 9.0, "fill": 4.0},
        {"name": "c", "values": ["x", "y"]},
    ]
    spans = draw(st.lists(st.sampled_from(["1s", "3s", "20s"]), min_size=1, max_size=2, unique=True))
    kinds = st.sampled_from(["mean", "rate"])
    history = [{"of": of, draw(kinds): span} for of in (["a"], ["a", "b"]) for span in spans]
    plain = [{"of": ["b"]}, {"of": ["b", "b"]}, {"of": ["c"], "is": "y"}]
    features = draw(st.lists(st.sampled_from(plain + history), min_size=1, max_size=6))
    number = st.floats(-5, 5) | st.sampled_from([None, None, float("inf"), float("nan"), 1e200, -1e100])
    gaps = st.sampled_from([1, 1, 1, 2, 0, -3, 9, 11, 400])
    rows, time = [], 0
    for _ in range(draw(st.integers(1, 40))):
        time += draw(gaps)
        text = draw(st.sampled_from(["x", "y", "z", None]))
        rows.append((time, {"a": draw(number), "b": draw(number), "c": text}))
    return described(inputs=inputs, features=features, predictor=ridge(len(features))), rows


@given(shapes())
def test_predictions_equal_the_twin(shape: tuple[dict[str, Any], list[tuple[int, dict[str, Any]]]]) -> None:
    model = sealed(shape[0])
    rows = shape[1]
    table = {"time": pa.array([time for time, _ in rows])} | {
        name: pa.array([row[name] for _, row in rows], pa.string() if name == "c" else pa.float64())
        for name in "abc"
    }
    out = model.predict(pa.table(table)).to_pydict()
    twin = Trained(model.to_json())
    expected = [twin.predict(None, time * 10**9, row) for time, row in rows]
    got = np.array(out["predicted"], float)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


def test_trees_equal_the_twin() -> None:
    model = train(method="trees")
    table = machine(seed=4, rows=60)
    twin = Trained(model.to_json())
    names = ("speed", "load", "gear")
    rows = zip(table["time"].tolist(), *(table[name].tolist() for name in names), strict=True)
    expected = [twin.predict(None, time * 10**9, dict(zip(names, row, strict=True))) for time, *row in rows]
    got = np.array(model.predict(table).to_pydict()["predicted"], float)
    np.testing.assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", ["ridge", "trees"])
def test_runs_of_plain_rows_are_as_rows_one_by_one(kind: str) -> None:
    """Rows that need nothing said are evaluated many at once; the odd ones among them are not."""
    random = np.random.default_rng(6)
    inputs = [{"name": name, "low": -3.0, "high": 3.0, "fill": 0.5} for name in "abcd"]
    predictor = ridge(7)
    if kind == "trees":
        predictor = of_model(train({n: c for n, c in machine().items() if n != "gear"}, inputs=["speed", "load"],
                                   method="trees"))["predictor"]  # fmt: skip
        for tree in predictor["trees"]:
            tree["feature"] = [None if at is None else at % 7 for at in tree["feature"]]
    features = [{"of": [name]} for name in "cabbaac"]
    model = small(inputs=inputs, features=features, predictor=predictor)
    rows = 4_500
    table = {"time": np.arange(rows)} | {name: random.uniform(-2.9, 2.9, rows) for name in "abcd"}
    # No feature is of `d`.
    table["a"][300], table["b"][301], table["d"][4_499] = 4.0, -4.0, 3.1
    table["a"][2_100], table["b"][2_101], table["d"][2_102] = np.nan, np.inf, 1e101
    table["c"] = pa.array(table["c"], mask=np.isin(np.arange(rows), [17, 4_200]))
    out = model.predict(table).to_pydict()
    assert np.flatnonzero(out["extrapolating"]).tolist() == [300, 301, 4_499]
    twin = Trained(model.to_json())
    lists = list(zip(*(table[name].tolist() for name in "abcd"), strict=True))
    expected = [twin.predict(None, at, dict(zip("abcd", row, strict=True))) for at, row in enumerate(lists)]
    np.testing.assert_allclose(out["predicted"], expected, rtol=1e-9, atol=1e-9)
    missing = {17, 2_100, 2_101, 2_102, 4_200}
    for at, row in enumerate(lists):
        if at not in missing:
            assert model.predict_one(row) == out["predicted"][at]
    assert [model.predict_one(lists[at]) for at in (2_100, 2_101, 2_102)] == [None] * 3
    for part in (slice(64, 128), slice(7, 8), slice(2_040, 2_110), slice(0, 2_049)):
        again = model.predict({name: column[part] for name, column in table.items()}).to_pydict()
        assert again["predicted"] == out["predicted"][part]
        assert again["extrapolating"] == out["extrapolating"][part]


def test_a_row_may_be_any_sequence_of_numbers() -> None:
    inputs = [{"name": name, "low": 0.0, "high": 9.0, "fill": 0.5} for name in "abc"]
    features = [{"of": [name]} for name in "abc"]
    model = small(inputs=inputs, features=features, predictor=ridge(3))
    expected = model.predict_one([1.0, 2.0, 3.0])
    array = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    for row in (
        [1, 2.0, 3],
        (1.0, 2.0, 3.0),
        array[0],
        np.asfortranarray(array)[0],
        array[0].astype("f4"),
        range(1, 4),
    ):
        assert model.predict_one(row) == expected
    assert model.predict_one([1.0, 2.0, float("nan")]) is None
    for more in ({"of": ["a"], "mean": "3s"}, {"of": ["a", "b"]}):
        rich = small(inputs=inputs, features=[*features, more], predictor=ridge(4))
        with pytest.raises(wr.ConfigError, match="for single rows a `Detector` with the model"):
            rich.predict_one([1.0, 2.0, 3.0])
    for wrong, message in (
        ("abc", "must be numbers"),
        ([1.0, "2", 3.0], "must be numbers"),
        ((1.0, None, 3.0), "must be numbers"),
        (array, "must be numbers"),
        (1.0, "must be numbers"),
        ([1.0, 2.0], r"must be 3 numbers \(a, b, c\), got 2"),
        (array[0][:2], r"must be 3 numbers \(a, b, c\), got 2"),
    ):
        with pytest.raises(wr.DataError, match=message):
            model.predict_one(wrong)


def grown(random: np.random.Generator, leaves: int, features: int) -> dict[str, list[Any]]:
    """Grow a tree by chance, its thresholds on a coarse grid."""
    tree: dict[str, list[Any]] = {name: [] for name in ("feature", "threshold", "left", "right", "value")}

    def grow(leaves: int) -> int:
        at = len(tree["feature"])
        branch = leaves > 1
        row = (int(random.integers(features)) if branch else None, float(random.integers(-3, 4)), 0, 0,
               float(random.normal()))  # fmt: skip
        for column, value in zip(tree.values(), row, strict=True):
            column.append(value)
        if branch:
            left = int(random.integers(1, leaves))
            tree["left"][at], tree["right"][at] = grow(left), grow(leaves - left)
        return at

    grow(leaves)
    return tree


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 5, 16, 17, 32, 33, 64]),
    st.sampled_from([1, 3, 127, 128, 130]),
    st.sampled_from([1, 4, 70]),
)
def test_trees_of_any_shape_equal_the_twin_row_by_row(
    seed: int, leaves: int, trees: int, features: int
) -> None:
    random = np.random.default_rng(seed)
    names = [f"x{at}" for at in range(features)]
    model = small(
        inputs=[{"name": name, "low": -9.0, "high": 9.0, "fill": 0.0} for name in names],
        features=[{"of": [name]} for name in reversed(names)],
        predictor={
            "kind": "trees",
            "baseline": float(random.normal()),
            "trees": [grown(random, leaves if at == 0 else int(random.integers(1, leaves + 1)), features)
                      for at in range(trees)],
        },
    )  # fmt: skip
    # Many a value is a threshold, for which the way is left.
    rows = random.choice(np.arange(-4, 4.5, 0.5), (20, features))
    out = model.predict({"time": np.arange(20)} | dict(zip(names, rows.T, strict=True))).to_pydict()[
        "predicted"
    ]
    assert [model.predict_one(row) for row in rows.tolist()] == out
    twin = Trained(model.to_json())
    np.testing.assert_allclose(out, [twin.value(row[::-1]) for row in rows.tolist()], rtol=1e-9, atol=1e-9)


def test_rows_outside_the_training_range_are_marked() -> None:
    model = small()
    out = model.predict({"time": [0, 1, 2], "a": [5.0, 11.0, -0.1]}).to_pydict()
    assert out["extrapolating"] == [False, True, True]
    assert out["predicted"] == pytest.approx([11.0, 23.0, 0.8])


# ---- the file


def test_a_file_holds_all_of_a_model(model: wr.Model, tmp_path: Any) -> None:
    model.save(tmp_path / "deep" / "model.json")
    again = wr.Model.load(tmp_path / "deep" / "model.json")
    assert again == model == pickle.loads(pickle.dumps(model))
    assert hash(again) == hash(model)
    assert again.report == model.report
    table = machine(seed=8)
    assert again.predict(table).to_pydict() == model.predict(table).to_pydict()
    made = of_model(model)
    assert {"windrow", "scikit-learn", "numpy"} <= set(made["made"])
    assert made["data"]["rows"] == 400
    assert len(made["data"]["sha256"]) == 64


def test_a_file_needs_no_scikit_learn(tmp_path: Any) -> None:
    small().save(tmp_path / "model.json")
    script = (
        "import sys\nfor name in ('sklearn', 'pyarrow', 'pydantic', 'pandas'): sys.modules[name] = None\n"
        f"import windrow as wr\nm = wr.Model.load({str(tmp_path / 'model.json')!r})\n"
        "print(m.predict({'time': [1], 'a': [2.0]}).to_pydict()['predicted'], m.report)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["[5.0]", "{}"]


def test_a_file_that_is_cut_off_says_so() -> None:
    text = small().to_json()
    for end in (0, 1, 20, len(text) // 2, len(text) - 1):
        with pytest.raises(wr.ModelError, match="cut off"):
            wr.Model.from_json(text[:end])


def test_a_file_that_was_altered_says_so() -> None:
    text = small().to_json()
    with pytest.raises(wr.ModelError, match="was altered"):
        wr.Model.from_json(text.replace('"coefficients": [2.0]', '"coefficients": [2.5]'))


def test_a_file_of_a_newer_version_says_so() -> None:
    with pytest.raises(wr.ModelError, match="version 2; this windrow reads version 1"):
        wr.Model.from_json('{"format": "windrow-model", "version": 2, "anything": {"else": 1}}')
    with pytest.raises(wr.ModelError, match="no model file"):
        wr.Model.from_json('{"format": "something else", "version": 1}')


def test_errors_name_the_file(tmp_path: Any) -> None:
    (tmp_path / "model.json").write_text("[1]", "utf-8")
    with pytest.raises(wr.ModelError, match=r"model\.json"):
        wr.Model.load(tmp_path / "model.json")
    with pytest.raises(wr.ConfigError, match="No such file"):
        wr.Model.load(tmp_path / "none.json")


TREE = {"feature": [0, None, None], "threshold": [1.0, 0.0, 0.0], "left": [1, 0, 0], "right": [2, 0, 0],
        "value": [0.0, 1.0, 2.0]}  # fmt: skip


def boosted(tree: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "trees", "baseline": 0.0, "trees": [tree]}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"features": [{"of": ["b"]}]}, "an input that the model doesn't have"),
        ({"features": [{"of": ["a"], "is": "x"}]}, "a text that is none"),
        ({"features": [{"of": ["a"], "mean": "3"}]}, "unit"),
        ({"features": [{"of": ["a"], "mean": "3s", "rate": "3s"}]}, "not both"),
        ({"features": [{"of": ["a", "a", "a"]}]}, "one or two"),
        ({"features": []}, "must have inputs and features"),
        ({"rmse": 0.0}, "positive `rmse`"),
        ({"hold": "-1s"}, "positive"),
        ({"time_unit": "h"}, "time_unit"),
        ({"inputs": [{"name": "a", "low": 0.0}]}, "`fill`"),
        ({"inputs": [{"name": "y", "low": 0.0, "high": 1.0, "fill": 0.0}]}, "something else"),
        ({"predictor": ridge(2)}, "must have 1 coefficients"),
        ({"predictor": ridge(1) | {"scale": [0.0]}}, "other than 0"),
        ({"predictor": {"kind": "forest"}}, "forest"),
        ({"predictor": boosted(TREE | {"left": [0, 0, 0]})}, "after their parent"),
        ({"predictor": boosted(TREE | {"right": [1, 0, 0]})}, "one parent"),
        ({"predictor": boosted(TREE | {"right": [9, 0, 0]})}, "children"),
        ({"predictor": boosted(TREE | {"value": []})}, "as many"),
        ({"predictor": boosted(TREE | {"feature": [7, None, None]})}, "features that there are"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_meant_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(wr.ModelError, match=message):
        small(**changed)


def test_a_tree_of_too_many_leaves_is_refused() -> None:
    """A chain: each right child asks again."""
    nodes = 2 * 64 + 1
    asks = [node % 2 == 0 and node < nodes - 1 for node in range(nodes)]
    tree = {
        "feature": [0 if ask else None for ask in asks],
        "threshold": [float(node) for node in range(nodes)],
        "left": [node + 1 if ask else 0 for node, ask in enumerate(asks)],
        "right": [node + 2 if ask else 0 for node, ask in enumerate(asks)],
        "value": [float(node) for node in range(nodes)],
    }
    with pytest.raises(wr.ModelError, match="at most 64 leaves"):
        small(predictor=boosted(tree))
    del asks
    shorter = {name: column[2:] for name, column in tree.items()}
    shorter |= {name: [max(at - 2, 0) for at in shorter[name]] for name in ("left", "right")}
    model = small(predictor=boosted(shorter))
    values = np.arange(0.0, 140.0, 0.5)
    twin = Trained(model.to_json())
    got = model.predict({"time": np.arange(len(values)), "a": values}).to_pydict()["predicted"]
    assert got == [twin.value([value]) for value in values]


# ---- what can't be trained on


ROWS = machine()


@pytest.mark.parametrize(
    ("table", "changed", "error", "message"),
    [
        (ROWS, {"target": "heart"}, wr.ConfigError, "'heart'.*heat"),
        (ROWS, {"inputs": ["sped"]}, wr.ConfigError, "'sped'.*speed"),
        (ROWS, {"time": "when"}, wr.ConfigError, "`time` must name a column"),
        (ROWS, {"by": "machine"}, wr.ConfigError, "`by` must name a column"),
        (ROWS, {"inputs": ["heat"]}, wr.ConfigError, "twice"),
        (ROWS, {"inputs": []}, wr.ConfigError, "at least one"),
        (ROWS, {"method": "forest"}, wr.ConfigError, "`method`"),
        (ROWS, {"seed": -1}, wr.ConfigError, "`seed`"),
        (ROWS, {"target": "gear", "inputs": ["speed"]}, wr.DataError, "'gear' must hold numbers, got text"),
        (ROWS | {"heat": np.full(400, np.nan)}, {}, wr.DataError, "'heat' without any"),
        ({name: column[:3] for name, column in ROWS.items()}, {}, wr.DataError, "at least 50 rows.*got 3"),
        ({name: column[:0] for name, column in ROWS.items()}, {}, wr.DataError, "at least 50 rows.*got 0"),
        ({name: np.repeat(column[:1], 400) for name, column in ROWS.items()}, {}, wr.DataError, "must change"),
        (ROWS | {"time": np.zeros(400, int)}, {}, wr.DataError, "`time` must increase"),
        (ROWS | {"gear": np.arange(400).astype(str)}, {}, wr.DataError, "at most 32 different texts, got 400"),
        (ROWS | {"load": np.full(400, np.nan)}, {}, wr.DataError, "'load' must hold numbers, got none"),
        ("not a table", {}, wr.DataError, "`table` must be a table"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_named(table: Any, changed: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        train(table, **changed)


def test_nan_and_infinity_cost_their_own_value_only() -> None:
    table = machine()
    table["speed"] = table["speed"].copy()
    table["speed"][5], table["speed"][6], table["speed"][7] = np.nan, np.inf, -np.inf
    table["heat"] = table["heat"].copy()
    table["heat"][300], table["heat"][301] = np.inf, np.nan
    model = train(table)
    assert model.rmse < 2.5
    assert sum("infinite" in note for note in model.report["notes"]) == 2


def test_rows_without_a_time_are_left_out() -> None:
    table = machine() | {"time": pa.array([None if row % 40 == 0 else row for row in range(400)])}
    model = train(table)
    assert any("10 rows without a readable time" in note for note in model.report["notes"])


def test_other_columns_than_in_training_are_named() -> None:
    with pytest.raises(wr.DataError, match=r"trained on other columns.*`a`, only time, b"):
        small().predict({"time": [1], "b": [1.0]})
    with pytest.raises(wr.DataError, match="`a` must hold numbers"):
        small().predict({"time": [1], "a": ["x"]})


def test_training_needs_its_extra() -> None:
    script = (
        "import sys\nsys.modules['sklearn'] = None\nimport windrow as wr\n"
        "try: wr.train({'time': [1], 'a': [1], 'y': [1]}, target='y', inputs='a')\n"
        "except wr.WindrowError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "pip install 'windrow[train]'" in done.stdout


def test_a_motor_is_learned_to_near_its_noise() -> None:
    """Inputs alone leave more than 4 K, their history what the sensor adds."""
    model = wr.train(
        simulate.motor(healthy=True).columns(), target=TARGET, inputs=INPUTS, by="machine", method="ridge"
    )
    tried = {one["name"]: one["rmse"] for one in model.report["candidates"]}
    assert tried["ridge on inputs"] > 4
    assert model.rmse < 0.45
    assert json.loads(json.dumps(model.report)) == model.report


def test_larger_trees_are_taken_where_they_predict_better() -> None:
    """A level for each pair of cells: scikit-learn's 31 leaves tell more of them apart than 15 do."""
    random = np.random.default_rng(4)
    level, at = random.normal(0, 5, (8, 8)), random.uniform(0, 8, (1500, 2))
    y = level[at[:, 0].astype(int), at[:, 1].astype(int)] + random.normal(0, 0.1, 1500)
    table = {"time": np.arange(1500), "a": at[:, 0], "b": at[:, 1], "y": y}
    model = train(table, target="y", inputs=["a", "b"], method="trees")
    trees = of_model(model)["predictor"]["trees"]
    assert len(trees) == 100
    assert max(sum(feature is None for feature in tree["feature"]) for tree in trees) == 31
    smaller = next(one["rmse"] for one in model.report["candidates"] if one["name"] == model.report["method"])
    assert model.rmse < 0.98 * smaller
    assert len(of_model(train(method="trees"))["predictor"]["trees"]) == 120
