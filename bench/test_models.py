"""W9: a trained model, scored in batches and a row at a time, beside scikit-learn and onnxruntime on one thread.

Ridge with 20 features, and 120 trees of 15 leaves on them. All read the same numbers: ours as Arrow columns, the
others as the matrix that they want; onnxruntime computes in float32, as exported models do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
import windrow as wr
from onnx import TensorProto, helper
from race import Peer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from windrow.model.file import sealed
from windrow.model.fit import described

FEATURES, ROWS, SINGLE = 20, 200_000, 2_000


@pytest.fixture(scope="module")
def matrix() -> Any:
    return np.random.default_rng(1).normal(size=(ROWS, FEATURES))


@pytest.fixture(scope="module", params=["ridge", "trees"])
def fitted(request: Any, matrix: Any) -> tuple[str, Any]:
    part = matrix[:20_000]
    target = part @ np.arange(FEATURES) + 5 * np.sin(part[:, 0] * 3) * part[:, 1]
    if request.param == "ridge":
        return request.param, make_pipeline(StandardScaler(), Ridge()).fit(part, target)
    boosted = HistGradientBoostingRegressor(
        max_iter=120, max_leaf_nodes=15, early_stopping=False, random_state=0
    )
    return request.param, boosted.fit(part, target)


def ours(estimator: Any) -> wr.Model:
    names = [f"x{at}" for at in range(FEATURES)]
    return sealed(
        {
            "target": "y", "time": "time", "time_unit": "ns", "by": [],
            "inputs": [{"name": name, "low": -10.0, "high": 10.0, "fill": 0.0} for name in names],
            "step": "1s", "hold": "10s", "features": [{"of": [name]} for name in names],
            "predictor": described(estimator), "rmse": 1.0,
            "watch": {"threshold": 3.0, "smooth": 1, "breaches": 1, "of": 1}, "made": {}, "data": {}, "report": {},
        }
    )  # fmt: skip


def session(kind: str, estimator: Any) -> Any:
    """Write the estimator by hand as ONNX's own operators say it."""
    what = described(estimator)
    ml = "ai.onnx.ml"
    if kind == "ridge":
        slope = np.array(what["coefficients"]) / np.array(what["scale"])
        bias = what["intercept"] - slope @ np.array(what["mean"])
        node = helper.make_node(
            "LinearRegressor", ["x"], ["y"], domain=ml, coefficients=slope.tolist(), intercepts=[float(bias)]
        )
    else:
        parts: dict[str, list[Any]] = {name: [] for name in (
            "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
        )}  # fmt: skip
        leaves: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
        for number, tree in enumerate(what["trees"]):
            for at, feature in enumerate(tree["feature"]):
                leaf = feature is None
                row = (number, at, 0 if leaf else feature, tree["threshold"][at], "LEAF" if leaf else "BRANCH_LEQ",
                       tree["left"][at], tree["right"][at])  # fmt: skip
                for values, value in zip(parts.values(), row, strict=True):
                    values.append(value)
                if leaf:
                    for values, value in zip(
                        leaves.values(), (number, at, 0, tree["value"][at]), strict=True
                    ):
                        values.append(value)
        node = helper.make_node(
            "TreeEnsembleRegressor", ["x"], ["y"], domain=ml, n_targets=1, base_values=[what["baseline"]],
            **{f"nodes_{name}": values for name, values in parts.items()},
            **{f"target_{name}": values for name, values in leaves.items()},
        )  # fmt: skip
    graph = helper.make_graph(
        [node], kind, [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, FEATURES])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )  # fmt: skip
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(ml, 3)], ir_version=9
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def test_batches(fitted: tuple[str, Any], matrix: Any, race: Any) -> None:
    kind, estimator = fitted
    model, other = ours(estimator), session(kind, estimator)
    table = pa.table({f"x{at}": np.ascontiguousarray(matrix[:, at]) for at in range(FEATURES)})
    single = matrix.astype(np.float32)
    mine = np.asarray(pa.table(model.predict(table)).column("predicted").to_numpy())
    np.testing.assert_allclose(mine, estimator.predict(matrix), rtol=1e-9, atol=1e-9)
    theirs = other.run(None, {"x": single})[0][:, 0]
    # A float32 on the other side of a threshold is another leaf.
    assert np.quantile(np.abs(theirs - mine), 0.99) < 1e-2
    with threadpool_limits(1):
        race(
            f"W9 {kind}, batches",
            [
                Peer("windrow", lambda: model.predict(table)),
                Peer("onnxruntime", lambda: other.run(None, {"x": single})),
                Peer("scikit-learn", lambda: estimator.predict(matrix)),
            ],
            ROWS,
        )


def test_rows_one_at_a_time(fitted: tuple[str, Any], matrix: Any, race: Any) -> None:
    kind, estimator = fitted
    model, other = ours(estimator), session(kind, estimator)
    rows = matrix[:SINGLE]
    lists = rows.tolist()
    doubles = [row.reshape(1, -1) for row in rows]
    floats = [row.reshape(1, -1).astype(np.float32) for row in rows]
    assert model.predict_one(lists[0]) == pytest.approx(estimator.predict(doubles[0])[0], rel=1e-9)

    def windrow() -> None:
        predict = model.predict_one
        for row in lists:
            predict(row)

    def onnx() -> None:
        run = other.run
        for row in floats:
            run(None, {"x": row})

    def sklearn() -> None:
        for row in doubles[:100]:
            estimator.predict(row)

    with threadpool_limits(1):
        race(
            f"W9 {kind}, a row at a time",
            [
                Peer("windrow", windrow),
                Peer("onnxruntime", onnx),
                Peer("scikit-learn", sklearn, rows=100),
            ],
            SINGLE,
        )
