"""What a file holds, which of its rows are trained on, and where models are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import windrow as wr
from models import small
from pyarrow import csv
from windrow.cli import main
from windrow.model.curate import aggregated, kept, times_of
from windrow.model.look import look, told
from windrow.model.registry import Registry


def table(rows: int = 300) -> pa.Table:
    random = np.random.default_rng(3)
    speed = random.uniform(0, 10, rows)
    heat = 3 * speed + random.normal(0, 1.5, rows)
    time = np.datetime64("2026-01-01T00:00:00", "ns") + (np.arange(rows) * 60_000_000_000).astype("m8[ns]")
    return pa.table({"time": time, "speed": speed, "heat": heat, "gear": ["low", "high", None] * (rows // 3)})


# ---- look


def test_each_column_is_described() -> None:
    found = look(table(), target="heat")
    speed, _, gear = found["columns"]
    assert speed["type"] == "double"
    assert sum(speed["histogram"]) == 300
    assert 0 <= speed["min"] < speed["max"] <= 10
    assert gear["missing"] == 100
    assert found["warnings"] == []
    assert "speed" in told(found)


def test_what_would_spoil_a_model_is_warned_of() -> None:
    rows = table()
    heat, speed = (np.array(rows.column(name).to_numpy()) for name in ("heat", "speed"))
    times = rows.column("time").to_numpy().copy()
    times[100:] += np.timedelta64(2, "h")
    times[200] -= np.timedelta64(30, "m")
    rows = (
        rows.append_column("still", pa.array(np.full(300, 7.0)))
        .append_column("twin", pa.array(speed))
        .append_column("leak", pa.array(heat * 1.8 + 32))
        .append_column("empty", pa.array(np.full(300, np.nan)))
    )
    warnings = "\n".join(look(rows, target="heat", times=times)["warnings"])
    for sentence in (
        "still never changes", "twin is a copy of speed", "leak is nearly heat itself", "empty holds no number",
        "time steps back 1 times, by 29m at most", "2 gaps of more than 10m in time, the longest 121m",
    ):  # fmt: skip
        assert sentence in warnings
    assert warnings.count("\n") == 5


# ---- curate


def test_rows_are_kept_by_conditions_and_times() -> None:
    rows = table()
    assert len(kept(rows, where=["speed > 5", "gear == low"])) == sum(
        speed > 5 and gear == "low"
        for speed, gear in zip(*(rows.column(name).to_pylist() for name in ("speed", "gear")), strict=True)
    )
    assert len(kept(rows, between="2026-01-01T01:00:00Z,2026-01-01T02:00+00:00")) == 60
    assert len(kept(rows, between="2026-01-01T04:00,")) == 60
    assert len(kept(rows, drop=["2026-01-01T01:00,2026-01-01T02:00", ",2026-01-01T00:10"])) == 230


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"where": ["speed"]}, "a condition"),
        ({"where": ["sped > 1"]}, '"speed"'),
        ({"where": ["speed > fast"]}, "to a number"),
        ({"between": "2026"}, "START,END"),
        ({"drop": ["soon,later"]}, "ISO 8601"),
    ],
)
def test_conditions_that_cannot_be_meant(given: dict[str, Any], message: str) -> None:
    with pytest.raises(wr.ConfigError, match=message):
        kept(table(), **given)


def test_nothing_left_is_said() -> None:
    with pytest.raises(wr.DataError, match="no row is left"):
        kept(table(), where=["speed > 99"])


def test_windows_take_the_place_of_rows() -> None:
    rows = aggregated(table(), "10m")
    assert len(rows) == 30
    speed = table().column("speed").to_numpy()[:10]
    first = rows.slice(0, 1).to_pylist()[0]
    assert first["speed_mean"] == pytest.approx(speed.mean())
    assert (first["speed_min"], first["speed_max"], first["speed_last"]) == (
        speed.min(),
        speed.max(),
        speed[-1],
    )
    assert times_of(rows)[0] == np.datetime64("2026-01-01T00:10", "ns")


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str
)
def test_text_is_text_however_a_file_keeps_it(kind: pa.DataType) -> None:
    plain = table()
    rows = plain.set_column(3, "gear", plain.column("gear").cast(kind))
    assert kept(rows, where=["gear == low"]).num_rows == 100
    assert aggregated(rows, "10m").to_pydict() == aggregated(plain, "10m").to_pydict()


def test_commands_curate(tmp_path: Path, capsys: Any) -> None:
    rows = table(3000)
    csv.write_csv(rows, tmp_path / "rows.csv")
    data, model = str(tmp_path / "rows.csv"), str(tmp_path / "m.json")
    given = ["train", data, "--target", "heat", "--inputs", "speed", "--method", "ridge"]
    assert main([*given, "--look"]) == 0
    assert "speed" in capsys.readouterr().out
    assert main([*given, "--every", "10m", "-o", model, "--where", "speed >= 0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 300
    assert wr.Model.load(model).inputs == ["speed_mean", "speed_min", "speed_max", "speed_last"]
    assert main(["score", model, data, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 300
    for wrong, message in (([], "where does the model go"), (["--registry", str(tmp_path)], "go together")):
        assert main([*given, *wrong]) == 2
        assert message in capsys.readouterr().err


# ---- registry


def test_versions_are_kept_promoted_and_rolled_back(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    assert registry.rows() == []
    one, other = small(), small(rmse=0.25)
    assert [registry.add("pump", one), registry.add("pump", other), registry.add("fan", one)] == [1, 2, 1]
    with pytest.raises(wr.ConfigError, match="promote one"):
        registry.load("pump")
    registry.promote("pump", 1)
    registry.promote("pump", 2)
    assert registry.load("pump") == other
    assert registry.rollback("pump") == 1
    assert registry.load("pump") == one
    assert [(row["type"], row["version"], row["current"]) for row in registry.rows()] == [
        ("fan", 1, False), ("pump", 1, True), ("pump", 2, False),
    ]  # fmt: skip
    with pytest.raises(wr.ConfigError, match="was current before"):
        registry.rollback("pump")
    with pytest.raises(wr.ConfigError, match="no version 3 of 'pump': it has 1, 2"):
        registry.promote("pump", 3)
    with pytest.raises(wr.ConfigError, match="fan, pump"):
        registry.load("pmp")
    with pytest.raises(wr.ConfigError, match="letters"):
        registry.add("../up", one)


def test_commands_keep_models(tmp_path: Path, capsys: Any) -> None:
    csv.write_csv(table(3000), tmp_path / "rows.csv")
    folder = str(tmp_path / "models")
    given = [
        "train",
        str(tmp_path / "rows.csv"),
        "--target",
        "heat",
        "--inputs",
        "speed",
        "--method",
        "ridge",
    ]
    for _ in range(2):
        assert main([*given, "--registry", folder, "--type", "pump"]) == 0
    assert main(["models", "promote", folder, "pump", "1"]) == 0
    assert main(["models", "promote", folder, "pump", "2"]) == 0
    capsys.readouterr()
    assert main(["models", "rollback", folder, "pump", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"type": "pump", "current": 1}
    assert main(["models", "list", folder]) == 0
    assert capsys.readouterr().out.startswith("* pump  version 1  heat  RMSE 1.")
    assert main(["models", "show", folder, "pump"]) == 0
    assert "cross-validation" in capsys.readouterr().out
    assert main(["models", "show", folder, "fan"]) == 2
