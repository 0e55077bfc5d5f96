"""What a pipeline's `model` may name: a file, a type's folder in a registry, an ONNX file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr
from models import linear, small
from pyarrow import csv
from windrow.cli import main
from windrow.model.registry import Registry


def rows(path: Path, count: int = 60, **columns: Any) -> Path:
    at = np.arange(count)
    time = np.datetime64("2026-01-01T00:00:00", "s") + at.astype("m8[s]")
    table = {"time": time, "a": at % 7 * 1.0, "b": at % 3 * 1.0}
    table["y"] = 0.5 + 2.0 * table["a"] - table["b"]
    csv.write_csv(pa.table(table | columns), path)
    return path


def events(folder: Path, detect: dict[str, Any], path: Path, **more: Any) -> list[dict[str, Any]]:
    config = {
        "source": {"kind": "file"},
        "detect": {"method": "residual", "every": "1s"} | detect,
        "alarm": {"threshold": 3.0},
        "sink": [{"kind": "file", "path": str(folder / "events.jsonl")}],
    }
    wr.Pipeline.from_dict(config | more).run(input=path)
    return [json.loads(line) for line in (folder / "events.jsonl").read_text("utf-8").splitlines()]


# ---- a registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A pump's models: the first says y = 1 + 2 a, the second, which isn't current yet, says 1000 more."""
    models = Registry(tmp_path / "models")
    models.add("pump", small())
    models.add("pump", small(predictor=described_ridge(1001.0)))
    models.promote("pump", 1)
    return models


def described_ridge(intercept: float) -> dict[str, Any]:
    return {"kind": "ridge", "intercept": intercept, "coefficients": [2.0], "mean": [0.0], "scale": [1.0]}


def test_a_types_folder_is_its_current_version(registry: Registry, tmp_path: Path, capsys: Any) -> None:
    place = str(registry.path / "pump")
    assert wr.Model.load(place) == small()
    at = np.arange(60)
    path = rows(tmp_path / "rows.csv", y=1 + 2.0 * (at % 7))
    assert events(tmp_path, {"model": place}, path) == []
    assert main(["score", place, str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == []
    registry.promote("pump", 2)
    assert len(events(tmp_path, {"model": place}, path)) == 1
    assert main(["score", place, str(path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["events"]) == 1


def test_a_folder_that_is_no_types_folder_says_what_there_is(
    registry: Registry, tmp_path: Path, capsys: Any
) -> None:
    registry.add("fan", small())
    (tmp_path / "empty").mkdir()
    for place, message in (
        (registry.path, "holds models of several types: name one, as in"),
        (registry.path / "fan", "no version of 'fan' is current: promote one"),
        (tmp_path / "empty", "is a folder without models"),
        (tmp_path / "none", "No such file"),
    ):
        with pytest.raises(wr.ConfigError, match=message):
            wr.Model.load(place)
        config = tmp_path / "edge.toml"
        config.write_text(
            f'[source]\nkind = "stdin"\n[detect]\nmethod = "residual"\nmodel = "{place}"\n', "utf-8"
        )
        assert main(["check", str(config)]) == 2
        assert message in capsys.readouterr().err


def test_a_run_goes_on_with_its_state_until_another_version_is_promoted(
    registry: Registry, tmp_path: Path, caplog: Any
) -> None:
    at = np.arange(60)
    path = rows(tmp_path / "rows.csv", y=1 + 2.0 * (at % 7))
    later = tmp_path / "later.csv"
    lines = path.read_text("utf-8").replace("2026-01-01", "2026-01-02")
    later.write_text(lines, "utf-8")
    given = {"model": str(registry.path / "pump")}
    state = {"path": str(tmp_path / "state")}
    assert events(tmp_path, given, path, state=state) == []
    assert events(tmp_path, given, later, state=state) == []
    assert "begins anew" not in caplog.text
    registry.promote("pump", 2)
    last = tmp_path / "last.csv"
    last.write_text(lines.replace("2026-01-02", "2026-01-03"), "utf-8")
    (event,) = events(tmp_path, given, last, state=state)
    assert event["expected"] > 1000
    assert "another version of the model is current: the detector begins anew" in caplog.text
    # A file that was written anew is no promotion: the settings are other ones.
    small().save(tmp_path / "m.json")
    state = {"path": str(tmp_path / "other")}
    assert events(tmp_path, {"model": str(tmp_path / "m.json")}, path, state=state) == []
    small(rmse=0.25).save(tmp_path / "m.json")
    with pytest.raises(wr.ConfigError, match="was made with other settings"):
        events(tmp_path, {"model": str(tmp_path / "m.json")}, later, state=state)


# ---- an ONNX file


ONNX: dict[str, Any] = {"measures": ["y"], "inputs": ["a", "b"], "rmse": 1.0}


def test_an_onnx_file_predicts_in_a_pipeline(tmp_path: Path) -> None:
    model = str(linear(tmp_path / "m.onnx", [2.0, -1.0], 0.5))
    at = np.arange(60)
    y = 0.5 + 2.0 * (at % 7) - at % 3
    path = rows(tmp_path / "rows.csv", y=np.where((at >= 40) & (at < 50), y + 9, y), predicted=np.zeros(60))
    (event,) = events(tmp_path, ONNX | {"model": model}, path)
    assert (event["start"][11:19], event["end"][11:19]) == ("00:00:40", "00:00:50")
    assert event["peak"] == 9.0
    assert event["observed"] - event["expected"] == 9.0


def test_an_onnx_file_predicts_windows(tmp_path: Path) -> None:
    model = str(linear(tmp_path / "m.onnx", [2.0, -1.0], 0.5))
    at = np.arange(60)
    y = 0.5 + 2.0 * (at % 7) - at % 3
    path = rows(tmp_path / "rows.csv", y=np.where((at >= 40) & (at < 50), y + 9, y))
    window = {"every": "10s", "aggregate": [{"name": name, "mean": name} for name in ("y", "a", "b")]}
    (_, event) = events(tmp_path, ONNX | {"model": model, "every": "10s"}, path, window=window)
    assert (event["start"][11:19], event["points"]) == ("00:00:40", 1)
    assert event["peak"] == pytest.approx(9.0, abs=1e-5)


def test_an_onnx_file_goes_through_a_backtest(tmp_path: Path, capsys: Any) -> None:
    model = str(linear(tmp_path / "m.onnx", [2.0, -1.0], 0.5))
    at = np.arange(60)
    y = 0.5 + 2.0 * (at % 7) - at % 3
    path = rows(tmp_path / "rows.csv", y=np.where((at >= 50) & (at < 55), y + 9, y))
    config = tmp_path / "edge.toml"
    config.write_text(
        '[source]\nkind = "file"\n[detect]\nmethod = "residual"\nmeasures = ["y"]\nrmse = 1.0\nevery = "1s"\n'
        f'model = "{model}"\ninputs = ["a", "b"]\n[alarm]\nthreshold = 3\n',
        "utf-8",
    )
    assert main(["backtest", str(config), "--input", str(path), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["events"]) == 1


@pytest.mark.parametrize(
    ("detect", "message"),
    [
        ({"inputs": ["a", "b"]}, "[detect] `measures` is missing: an ONNX file doesn't say which column is observed"),
        ({"measures": ["y"]}, "[detect] `inputs` is missing: an ONNX file doesn't say which columns it takes"),
        ({"measures": ["y"], "inputs": ["a"]}, "`inputs` must name the 2 columns of"),
        ({"measures": ["y"], "inputs": ["a", "b"], "drift": "7d"}, "`drift` needs a `model`"),
        ({"measures": ["y"], "inputs": ["a", "b"], "predicted": "p"}, "takes `model` or `predicted`, got both"),
    ],
)  # fmt: skip
def test_what_an_onnx_file_cannot_say_is_asked_for(
    detect: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = str(linear(tmp_path / "m.onnx", [2.0, -1.0], 0.5))
    data = {"source": {"kind": "stdin"}, "detect": {"method": "residual", "model": model} | detect}
    with pytest.raises(wr.ConfigError) as caught:
        wr.Pipeline.from_dict(data).check()
    assert message in str(caught.value)


def test_inputs_without_an_onnx_file_are_refused(tmp_path: Path) -> None:
    window = {"every": "10s", "aggregate": [{"name": "y", "mean": "y"}, {"name": "gas", "mean": "gas"}]}
    for detect, more, message in (
        ({"inputs": ["a"], "model": "m.json"}, {}, "`inputs` is for a `model` that is an ONNX file (.onnx)"),
        ({"inputs": ["a"], "measures": ["y"]}, {}, "`inputs` is for a `model` that is an ONNX file (.onnx)"),
        (
            {"inputs": ["gaz"], "measures": ["y"], "model": "m.onnx"},
            {"window": window},
            '`inputs` must be aggregates of [window] (y, gas), got "gaz" (did you mean "gas"?)',
        ),
    ):
        data = {"source": {"kind": "stdin"}, "detect": {"method": "residual"} | detect} | more
        with pytest.raises(wr.ConfigError) as caught:
            wr.Pipeline.from_dict(data)
        assert message in str(caught.value)


def test_an_onnx_file_needs_its_extra_and_is_no_model_of_ours(tmp_path: Path, capsys: Any) -> None:
    model = linear(tmp_path / "m.onnx", [2.0, -1.0], 0.5)
    assert main(["score", str(model), str(rows(tmp_path / "rows.csv"))]) == 2
    assert "name them in a pipeline ([detect] `model`, `inputs` and `measures`)" in capsys.readouterr().err
    script = (
        "import sys\nsys.modules['onnxruntime'] = None\nimport windrow as wr\n"
        f"detect = {{'method': 'residual', 'model': {str(model)!r}, 'measures': ['y'], 'inputs': ['a', 'b']}}\n"
        "try: wr.Pipeline.from_dict({'source': {'kind': 'stdin'}, 'detect': detect}).check()\n"
        "except wr.WindrowError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "pip install 'windrow[onnx]'" in done.stdout
