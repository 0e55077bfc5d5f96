"""Models of others (ONNX), models that no longer fit, the report's page, and the notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr
from models import INPUTS, TARGET, linear
from pyarrow import parquet
from windrow import simulate
from windrow.cli import main
from windrow.model.onnx import OnnxModel

ROOT = Path(__file__).parents[1]


def test_an_onnx_model_predicts_a_column(tmp_path: Path) -> None:
    model = OnnxModel(linear(tmp_path / "m.onnx", [2.0, -1.0], 0.5), ["a", "b"])
    rows = {
        "time": np.arange(4),
        "a": [1.0, 2.0, None, 4.0],
        "b": [0.0, 1.0, 2.0, 3.0],
        "y": [2.5, 3.5, 0.0, 50.0],
    }
    table = model.predict(rows)
    assert table.column("predicted").to_pylist() == [2.5, 3.5, None, 5.5]
    detector = wr.Detector(
        "residual", measures="y", predicted="predicted", rmse=1.0, time="time", time_unit="s", every="1s",
        alarm=wr.Alarm(threshold=3.0),
    )  # fmt: skip
    assert detector.push(table).to_pydict()["state"][-1] == "alarm"


def test_an_onnx_model_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    path = linear(tmp_path / "m.onnx", [2.0, -1.0], 0.5)
    with pytest.raises(wr.ConfigError, match="the 2 columns"):
        OnnxModel(path, ["a"])
    with pytest.raises(wr.ConfigError, match="no file"):
        OnnxModel(tmp_path / "none.onnx", ["a"])
    (tmp_path / "text.onnx").write_text("no model", "utf-8")
    with pytest.raises(wr.ModelError, match="no ONNX model"):
        OnnxModel(tmp_path / "text.onnx", ["a"])
    with pytest.raises(wr.DataError, match="no column 'b'"):
        OnnxModel(path, ["a", "b"]).predict({"a": [1.0]})
    script = (
        "import sys\nsys.modules['onnxruntime'] = None\nimport windrow as wr\n"
        "from windrow.model.onnx import OnnxModel\n"
        "try: OnnxModel('m.onnx', ['a'])\nexcept wr.WindrowError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "pip install 'windrow[onnx]'" in done.stdout


@pytest.fixture(scope="module")
def model() -> wr.Model:
    return wr.train(simulate.motor(healthy=True).columns(), target=TARGET, inputs=INPUTS, method="ridge")


def test_a_model_has_a_page(model: wr.Model, tmp_path: Path) -> None:
    from windrow.model.page import write

    write(tmp_path / "deep" / "report.html", model)
    text = (tmp_path / "deep" / "report.html").read_text("utf-8")
    for part in (
        "Errors",
        "What matters",
        "Predicted and actual",
        "Residuals",
        "Thresholds",
        "What was tried",
    ):
        assert f"<h2>{part}</h2>" in text
    assert f"{model.rmse:.4g}" in text


def test_the_notebook_runs() -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / "notebooks" / "motor.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) == 12
    assert all(not cell.outputs for cell in code), "outputs are made anew, not kept"
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    shown = [output for cell in code for output in cell.outputs]
    assert sum("application/vnd.plotly.v1+json" in output.get("data", {}) for output in shown) >= 3
    assert "3 faults, 3 events" in "".join(output.get("text", "") for output in shown)


def test_a_model_that_drifted_is_continued(model: wr.Model, tmp_path: Path, capsys: Any) -> None:
    """The same features on new rows: what was off is gone, and the report says how far off it was."""
    world = simulate.motor(seed=3, days=35, healthy=True).columns()
    rows = len(world["time"])
    world[TARGET] = world[TARGET] + np.where(np.arange(rows) > rows * 0.4, 4.0, 0.0)
    parquet.write_table(pa.table(world), tmp_path / "rows.parquet")
    model.save(tmp_path / "m.json")
    given = [
        "train",
        str(tmp_path / "rows.parquet"),
        "--between",
        "2026-01-25,",
        "--continue",
        str(tmp_path / "m.json"),
    ]
    assert main([*given, "-o", str(tmp_path / "new.json")]) == 0
    assert "the model before had an RMSE of 4." in capsys.readouterr().out
    after = wr.Model.load(tmp_path / "new.json")
    assert after.rmse < 0.5
    assert (after.target, after.inputs) == (model.target, model.inputs)
    assert main([*given, "-o", str(tmp_path / "new.json"), "--every", "5m"]) == 2
    assert main(["train", str(tmp_path / "rows.parquet"), "-o", str(tmp_path / "new.json")]) == 2
    with pytest.raises(wr.ConfigError, match="`like` must be a Model"):
        wr.train({}, like="m.json")
