"""A model held against a file: predictions, residuals, scores and states beside its rows, and events.

Owns what is added to the rows. All of it is the detector's own output, so a file scored here and the same rows through
a pipeline give the same figures.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import windrow as wr
from windrow.errors import ConfigError
from windrow.model import rows
from windrow.model.curate import aggregated
from windrow.model.file import described
from windrow.model.training_data import need

__all__ = ["Scored", "score"]

#: Rows that are judged at once.
BLOCK = 50_000


@dataclass
class Scored:
    """What a file came to.

    Attributes
    ----------
    table : pyarrow.Table
        The rows of the file with `predicted`, `residual`, `smoothed`, `score`, `state`, `extrapolating` and `reason`.
    events : list of dict
        Newest form of each.
    unreadable : int
        Values or lines that could not be read.
    verdicts : list of Batch
        The detector's own.
    """

    table: Any
    events: list[dict[str, Any]]
    unreadable: int = 0
    verdicts: list[Any] = field(default_factory=list)


def score(
    model: wr.Model,
    path: str | os.PathLike[str],
    *,
    time: str | None = None,
    alarm: wr.Alarm | None = None,
    drift: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Scored:
    """Score a file.

    Parameters
    ----------
    model : Model
        What predicts.
    path : path
        CSV, JSON lines or Parquet, each also gzipped.
    time : str, optional
        The time column, where it isn't called as in training or by a common name.
    alarm : Alarm, optional
        When a machine is in alarm; as the model says unless given.
    drift : str, optional
        Over what stretches drift is told, a week unless given; "off" for none.
    progress : callable, optional
        Called with bytes read, and of how many.
    """
    file = Path(path)
    columns = rows.columns_of(file)
    time = rows.time_of(columns, time if time is not None or model.time not in columns else model.time)
    numbers = {model.target, *model.inputs} - set(model.texts)
    made = described(model)["made"]
    every = made.get("every")
    wanted = [*(made["columns"] if every else [model.target, *model.inputs]), *model.by]
    for name in wanted:
        if name not in columns:
            raise ConfigError(
                f"`{file}`: the model was trained on other columns ({', '.join(wanted)}): there is no {name!r}, only "
                f"{', '.join(columns) or 'none'}"
            )
    if every:
        # The model's rows were windows.
        table, unreadable = rows.read(file, wanted, time=time, numbers=[wanted[0]], progress=progress)
        return _scored(model, aggregated(table, every, by=model.by), alarm, drift, unreadable)
    table, unreadable = rows.read(file, columns, time=time, numbers=numbers, progress=progress)
    return _scored(model, table, alarm, drift, unreadable)


def _scored(
    model: wr.Model, table: Any, alarm: wr.Alarm | None, drift: str | None, unreadable: int
) -> Scored:
    pa, pc = need("pyarrow", "train"), need("pyarrow.compute", "train")
    detector = wr.Detector("residual", model=model, time="time", alarm=alarm, drift=drift)
    smooth_rmse = described(model)["rmse"]
    events: dict[str, dict[str, Any]] = {}
    verdicts = []
    for begin in range(0, len(table), BLOCK):
        verdicts.append(detector.push(table.slice(begin, BLOCK)))
        events |= {event["id"]: event for event in detector.events()}
    judged = pa.concat_tables([pa.table(one) for one in verdicts]) if verdicts else None
    if judged is not None:
        marked = pc.starts_with(judged.column("reason"), "extrapolating")
        added = {
            "predicted": judged.column("expected"),
            "residual": pc.subtract(judged.column("observed"), judged.column("expected")),
            "smoothed": pc.multiply(judged.column("score"), smooth_rmse),
            "score": judged.column("score"),
            "state": judged.column("state"),
            "extrapolating": pc.fill_null(marked, False),
            "reason": judged.column("reason"),
        }
        table = table.select([name for name in table.column_names if name not in added])
        # Text is a time only once the engine has read it.
        table = table.set_column(table.column_names.index("time"), "time", judged.column("time"))
        for name, column in added.items():
            table = table.append_column(name, column)
    return Scored(table, list(events.values()), unreadable, verdicts)
