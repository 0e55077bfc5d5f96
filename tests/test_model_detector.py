"""A model at work: in a detector, in a pipeline, on the command line, over restarts; the motor's three faults."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr
from models import INPUTS, TARGET, ridge, small
from pyarrow import csv, parquet
from windrow import simulate
from windrow.cli import main

#: Seeds of the motor that are looked at.
SEEDS = range(10) if os.environ.get("HYPOTHESIS_PROFILE") == "slow" else range(2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: Any) -> Path:
    """A motor's normal days, its days with faults, and a model of the former, made by commands."""
    place = tmp_path_factory.mktemp("motor")
    for name, healthy in (("normal", True), ("motor", False)):
        with (place / f"{name}.csv").open("w", encoding="utf-8") as out:
            out.writelines(simulate.motor(healthy=healthy).csv())
    given = ["--target", TARGET, "--inputs", ",".join(INPUTS), "-o", str(place / "motor.json")]
    assert main(["train", str(place / "normal.csv"), *given]) == 0
    return place


def scored(folder: Path, capsys: Any, *more: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["score", str(folder / "motor.json"), str(folder / "motor.csv"), "--json", *more]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def hits(events: list[dict[str, Any]], faults: Any) -> tuple[list[int], int]:
    """Count the events of each fault, and those of none."""
    of = [[fault.overlaps(event["start"], event["end"]) for fault in faults] for event in events]
    return [sum(column) for column in zip(*of, strict=True)], sum(not any(row) for row in of)


def test_four_commands_find_three_faults(folder: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(folder)
    found = scored(folder, capsys, "-o", "out.parquet", "--report")
    assert found["rows"] == 20160
    assert {"start", "end", "peak", "kind", "reason"} <= set(found["events"][0])
    assert len(found["events"]) == 3
    table = parquet.read_table(folder / "out.parquet")
    assert table.column_names[-7:] == [
        "predicted", "residual", "smoothed", "score", "state", "extrapolating", "reason",
    ]  # fmt: skip
    in_alarm = np.array(table.column("state").to_pylist()) == "alarm"
    assert 100 < in_alarm.sum() < 1000
    page = (folder / "report.html").read_text("utf-8")
    assert "bearing" in page


@pytest.mark.parametrize("seed", SEEDS)
def test_three_faults_each_once_and_nothing_else(seed: int) -> None:
    normal = simulate.motor(seed=seed, healthy=True)
    model = wr.train(normal.columns(), target=TARGET, inputs=INPUTS)
    # The same days, and days that the model has never seen.
    for other in (seed, seed + 1000):
        world = simulate.motor(seed=other)
        detector = wr.Detector("residual", model=model)
        detector.push(world.columns())
        assert hits(list(detector.events()), world.faults) == ([1, 1, 1], 0), f"days of seed {other}"
        calm = wr.Detector("residual", model=model)
        calm.push(simulate.motor(seed=other, healthy=True).columns())
        assert len(calm.events()) == 0


def test_the_pipeline_gives_the_figures_of_the_batch(folder: Path, capsys: Any, tmp_path: Path) -> None:
    """A stream that stops twice, each time with its state on the disk, row by row as in one go."""
    scored(folder, capsys, "-o", str(tmp_path / "out.parquet"))
    batch = parquet.read_table(tmp_path / "out.parquet")
    lines = (folder / "motor.csv").read_text("utf-8").splitlines(keepends=True)
    config = {
        "source": {"kind": "file"},
        "detect": {"method": "residual", "model": str(folder / "motor.json")},
        "state": {"path": str(tmp_path / "state")},
        "sink": [
            {"kind": "file", "path": str(tmp_path / "alarms.jsonl"), "what": "anomalies", "append": True}
        ],
    }
    events: dict[str, Any] = {}
    for begin, end in ((1, 7000), (7000, 7003), (7003, len(lines))):
        (tmp_path / "part.csv").write_text(lines[0] + "".join(lines[begin:end]), "utf-8")
        events |= wr.Pipeline.from_dict(config).run(input=tmp_path / "part.csv").events
    found = [json.loads(line) for line in (tmp_path / "alarms.jsonl").read_text("utf-8").splitlines()]
    rows = [row for row in batch.to_pylist() if row["state"] == "alarm"]
    assert len(events) == 3
    assert [one["expected"] for one in found] == [row["predicted"] for row in rows]
    assert [one["score"] for one in found] == [row["score"] for row in rows]


def test_rows_one_by_one_are_as_in_a_batch_over_restarts() -> None:
    world = simulate.motor(days=1).columns()
    model = small(
        target="bearing_temperature", time_unit="ns", by=["machine"], step="1m", hold="10m",
        inputs=[{"name": "torque", "low": 0.0, "high": 50.0, "fill": 40.0}],
        features=[{"of": ["torque"], "mean": "10m"}, {"of": ["torque", "torque"], "rate": "3m"}],
        predictor=ridge(2),
    )  # fmt: skip
    one = wr.Detector("residual", model=model, every="1m")
    whole = one.push(world).to_pydict()
    other = wr.Detector("residual", model=model, every="1m")
    parts: dict[str, list[Any]] = {name: [] for name in whole}
    for begin in range(0, 1440, 37):
        other = wr.Detector.restore(other.snapshot())
        for name, values in (
            other.push({n: c[begin : begin + 37] for n, c in world.items()}).to_pydict().items()
        ):
            parts[name] += values
    assert parts == whole
    assert other.snapshot() == one.snapshot()
    assert repr(other) == repr(one)
    expected = model.predict(world).to_pydict()["predicted"]
    assert whole["expected"] == expected
    assert sum(value is None for value in expected) > 20
    assert all(
        reason.startswith("extrapolating: torque")
        for reason, torque in zip(whole["reason"], world["torque"], strict=True)
        if torque > 50 and reason != "warming up"
    )


def test_warm_up_does_not_count() -> None:
    """An offset from the first row on: no verdict before the history is known."""
    model = small(features=[{"of": ["a"], "mean": "20s"}])
    detector = wr.Detector("residual", model=model)
    out = detector.push({"time": np.arange(100), "a": np.full(100, 5.0), "y": np.full(100, 99.0)}).to_pydict()
    warm = out["expected"].index(next(value for value in out["expected"] if value is not None))
    assert 40 <= warm <= 50
    assert set(out["reason"][:warm]) == {"warming up"}
    assert set(out["score"][:warm]) == {None}
    assert next(iter(detector.events()))["start"].timestamp() == warm


def test_one_row_at_a_time() -> None:
    detector = wr.Detector("residual", model=small())
    assert detector.inputs == ["y", "a"]
    for second in range(3):
        detector.learn_one(second, None, {"y": 11.0, "a": 5.0})
    before = detector.snapshot()
    assert detector.score_one(3, None, [12.0, 5.0]) == pytest.approx(2.0)
    assert detector.score_one(3, None, [12.0, None]) == pytest.approx(2.0)
    assert detector.snapshot() == before


def test_what_a_detector_cannot_be_told() -> None:
    model = small(by=["machine"])
    for given, message in (
        ({"predicted": "p", "measures": "y"}, "without `predicted`"),
        ({"measures": ["y", "z"]}, "one column with a `model`"),
        ({"by": ["other"]}, "`by` must be that of the model"),
        ({"model": "motor.json"}, "`model` must be a Model"),
    ):
        with pytest.raises(wr.ConfigError, match=message):
            wr.Detector("residual", **({"model": model} | given))
    with pytest.raises(wr.ConfigError, match="`model` is for"):
        wr.Detector("novelty", model=model)
    with pytest.raises(wr.DataError, match="trained on other columns"):
        wr.Detector("residual", model=model).push({"time": [1], "machine": ["m"], "y": [1.0]})


def test_a_config_with_a_model_is_checked(tmp_path: Path, folder: Path) -> None:
    source = {"kind": "file", "path": "x.csv"}
    for detect, message in (
        ({"method": "residual"}, "needs `measures`"),
        ({"method": "residual", "model": str(tmp_path / "none.json")}, "No such file"),
        ({"method": "residual", "model": "m.json", "predicted": "p"}, "`model` or `predicted`"),
        ({"method": "counts", "measures": ["x"], "model": "m.json"}, 'goes with `method = "residual"`'),
    ):
        with pytest.raises(wr.WindrowError, match=message):
            wr.Pipeline.from_dict({"source": source, "detect": detect}).check()
    told = {"method": "residual", "model": str(folder / "motor.json"), "smooth": 3, "rmse": 2.0}
    from windrow.stages import detector

    made = repr(detector(wr.Pipeline.from_dict({"source": source, "detect": told}).config))
    assert "smooth=3" in made
    assert "rmse=2.0" in made
    assert "threshold=3.0, breaches=15, of=20" in made


# ---- what a newcomer gets wrong


def test_commands_name_what_is_wrong(folder: Path, capsys: Any, tmp_path: Path) -> None:
    data, out = str(folder / "normal.csv"), str(tmp_path / "m.json")
    (tmp_path / "text.csv").write_text(
        "time,a,y\n" + "".join(f"2026-01-01T00:{at:02}:00Z,{at},hot\n" for at in range(60)), "utf-8"
    )
    (tmp_path / "broken.json").write_text((folder / "motor.json").read_text("utf-8")[:1000], "utf-8")
    (tmp_path / "other.csv").write_text("time,torque\n2026-01-01,3\n", "utf-8")
    (tmp_path / "untimed.csv").write_text("a,y\n1,2\n", "utf-8")
    model = str(folder / "motor.json")
    for arguments, code, message in (
        (["train", data, "--target", "bearing", "--inputs", "torque", "-o", out], 2, "bearing_temperature"),
        (["train", data, "--target", TARGET, "--inputs", "torqe", "-o", out], 2, '"torque"'),
        (
            ["train", str(tmp_path / "text.csv"), "--target", "y", "--inputs", "a", "-o", out],
            1,
            "'y' without any",
        ),
        (
            ["train", str(tmp_path / "none.csv"), "--target", "y", "--inputs", "a", "-o", out],
            2,
            "there is no file",
        ),
        (["train", str(tmp_path / "untimed.csv"), "--target", "y", "--inputs", "a", "-o", out], 2, "--time"),
        (["score", str(tmp_path / "broken.json"), data], 1, "is cut off"),
        (["score", model, str(tmp_path / "other.csv")], 2, "trained on other columns"),
        (["score", model, data, "-o", "out.txt"], 2, "must end in .parquet or .csv"),
    ):
        assert main(arguments) == code, arguments
        assert message in capsys.readouterr().err
    assert not Path(out).exists()


def test_text_among_numbers_costs_its_own_value_only(folder: Path, tmp_path: Path, capsys: Any) -> None:
    lines = (folder / "normal.csv").read_text("utf-8").splitlines()
    head = lines[0].split(",")
    rows = [line.split(",") for line in lines[1:4000]]
    rows[100][head.index("torque")] = "err"
    rows[200][head.index(TARGET)] = "err"
    rows[300][0] = "never"
    (tmp_path / "dirty.csv").write_text("\n".join(",".join(row) for row in [head, *rows]) + "\n", "utf-8")
    given = ["--target", TARGET, "--inputs", ",".join(INPUTS), "-o", str(tmp_path / "m.json")]
    assert main(["train", str(tmp_path / "dirty.csv"), *given, "--method", "ridge", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "2 values or lines could not be read" in err
    report = json.loads(out)["report"]
    assert any("1 rows without a readable time" in note for note in report["notes"])
    assert report["cross_validation"]["rmse"] < 0.6


def test_json_lines_and_parquet_train_as_csv_does(folder: Path, tmp_path: Path) -> None:
    table = csv.read_csv(folder / "normal.csv").slice(0, 3000)
    parquet.write_table(table, tmp_path / "n.parquet")
    frame = table.set_column(0, "time", table.column("time").cast(pa.string())).to_pylist()
    (tmp_path / "n.jsonl").write_text("".join(json.dumps(row) + "\n" for row in frame), "utf-8")
    csv.write_csv(table, tmp_path / "n.csv")
    models = []
    for name in ("n.csv", "n.jsonl", "n.parquet"):
        out = str(tmp_path / f"{name}.json")
        given = ["--target", TARGET, "--inputs", "torque", "--method", "ridge", "-o", out]
        assert main(["train", str(tmp_path / name), *given]) == 0
        models.append(wr.Model.load(out))
    assert models[0] == models[1] == models[2]
