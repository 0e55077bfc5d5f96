"""Models and measurements that tests are made of."""

from __future__ import annotations

import functools
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import windrow as wr
from windrow.model.file import sealed

INPUTS = ["motor_speed", "torque", "ambient_temperature"]
TARGET = "bearing_temperature"


def described(**changed: Any) -> dict[str, Any]:
    """Describe a small model, with a few things changed."""
    model: dict[str, Any] = {
        "target": "y",
        "time": "time",
        "time_unit": "s",
        "by": [],
        "inputs": [{"name": "a", "low": 0.0, "high": 10.0, "fill": 5.0}],
        "step": "1s",
        "hold": "10s",
        "features": [{"of": ["a"]}],
        "predictor": {
            "kind": "ridge",
            "intercept": 1.0,
            "coefficients": [2.0],
            "mean": [0.0],
            "scale": [1.0],
        },
        "rmse": 0.5,
        "watch": {"threshold": 3.0, "smooth": 1, "breaches": 1, "of": 1},
        "made": {},
        "data": {},
        "report": {},
    }
    return model | changed


def small(**changed: Any) -> wr.Model:
    """Make such a model."""
    return sealed(described(**changed))


def ridge(features: int, seed: int = 0) -> dict[str, Any]:
    """Describe a ridge of so many features."""
    random = np.random.default_rng(seed)
    return {
        "kind": "ridge",
        "intercept": float(random.normal()),
        "coefficients": random.normal(size=features).tolist(),
        "mean": random.normal(size=features).tolist(),
        "scale": random.uniform(0.5, 2, features).tolist(),
    }


def machine(seed: int = 1, rows: int = 400) -> dict[str, Any]:
    """Measure a machine whose target follows its inputs, one of them text."""
    random = np.random.default_rng(seed)
    speed, load = random.uniform(0, 10, rows), random.uniform(0, 5, rows)
    gear = random.choice(["low", "high"], rows)
    target = 3 * speed - load + np.where(gear == "high", 4.0, 0.0) + random.normal(0, 0.1, rows)
    time = np.arange(rows) * 60
    return {"time": time, "speed": speed, "load": load, "gear": gear, "heat": target}


@functools.cache
def runtime_ends_the_process() -> bool:
    """Whether to load onnxruntime is the process's end by a signal, as it is under an emulator of aarch64."""
    if platform.machine() != "aarch64":
        return False
    loaded = subprocess.run([sys.executable, "-c", "import onnxruntime"], capture_output=True, check=False)
    return loaded.returncode < 0


def linear(path: Path, weights: list[float], bias: float) -> Path:
    """Write `x w + b` as an ONNX file, for tests that run it."""
    if runtime_ends_the_process():
        pytest.skip("onnxruntime can't be loaded here: a signal ends the process that does")
    import onnx
    from onnx import TensorProto, helper

    values = helper.make_tensor("w", TensorProto.FLOAT, [len(weights), 1], weights)
    offset = helper.make_tensor("b", TensorProto.FLOAT, [1], [bias])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["xw"]), helper.make_node("Add", ["xw", "b"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(weights)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [values, offset],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path
