"""A model's report as a page: errors, impact of columns, predicted against actual, residuals, thresholds.

Owns what is shown. All of it is in the model's own report, so a page can be made of any model at any time.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

import windrow as wr
from windrow.model.file import described
from windrow.report.page import card, page, table
from windrow.report.plots import BLUE, MUTED, RED, dressed, histogram

__all__ = ["write"]


def write(path: str | os.PathLike[str], model: wr.Model) -> None:
    """Write the page of a model; its folders are made."""
    what, report = described(model), model.report
    honest = report["cross_validation"]
    text = page(
        title=f"A model of {model.target}",
        subtitle=f"{report['method']} on {', '.join(model.inputs)} · "
        f"{what['data'].get('from')} to {what['data'].get('to')}",
        judged=False,
        figures=[
            ("rows", f"{honest['rows']:,}"),
            ("RMSE, cross-validated", f"{model.rmse:.4g}"),
            ("R2", "–" if honest["r2"] is None else f"{honest['r2']:.3f}"),
            ("better than the last value", _percent(report["skill"]["last_value"])),
            ("suggested threshold", f"{report['suggested_threshold']:.4g}"),
        ],
        plots=[],
        left_out=0,
        histogram=None,
        events=[],
        threshold=None,
        by=model.by,
        faults=[],
        windows=[],
        windows_in_all=0,
        written=dt.datetime.now(dt.UTC),
        after_figures=list(_sections(model, report, what["watch"]["threshold"])),
    )
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def _sections(model: wr.Model, report: dict[str, Any], threshold: float) -> Iterator[str]:
    errors = [
        {
            "": label,
            "cross-validation": report["cross_validation"][name],
            "training": report["training"][name],
        }
        for name, label in (("rmse", "RMSE"), ("mae", "MAE"), ("mape", "MAPE, %"), ("r2", "R2"))
    ]
    yield "<h2>Errors</h2>"
    yield table(errors, "errors")
    yield (
        '<p class="small muted">Cross-validation predicts each stretch of time by what was learned from the others: '
        "that is what to expect of new rows. Training errors are of rows that the model has seen.</p>"
    )
    yield "<h2>What matters</h2>"
    yield card(_impact(report["impact_percent"]), "impact")
    yield '<p class="small muted">How much worse predictions get when a column is shuffled.</p>'
    sample = {name: np.array(values) for name, values in report["sample"].items()}
    yield "<h2>Predicted and actual</h2>"
    yield card(_against(sample, model.target), "against")
    yield "<h2>Residuals</h2>"
    yield card(_over_time(sample, threshold * model.rmse), "residuals")
    off = (sample["actual"] - sample["predicted"]) / model.rmse
    yield card(histogram(off, threshold), "histogram")
    yield f'<p class="small muted">{len(off):,} rows, evenly chosen, predicted by cross-validation; in RMSE.</p>'
    yield "<h2>Thresholds</h2>"
    rows = [
        {
            "threshold, x RMSE": one["rmse"],
            f"in the unit of {model.target}": one["value"],
            "rows beyond, %": one["rows_beyond_percent"],
            "past events": one["past_events"],
        }
        for one in report["thresholds"]
    ]
    yield table(rows, "thresholds")
    yield "<h2>What was tried</h2>"
    yield table(report["candidates"], "candidates")


def _impact(shares: dict[str, float]) -> go.Figure:
    ordered = sorted(shares.items(), key=lambda item: item[1])
    figure = go.Figure()
    figure.add_bar(
        x=[share for _, share in ordered], y=[name for name, _ in ordered], orientation="h", marker_color=BLUE
    )
    figure.update_xaxes(title_text="% of all worsening")
    return dressed(figure, 120 + 26 * len(ordered), dates=False)


def _against(sample: dict[str, Any], target: str) -> go.Figure:
    figure = go.Figure()
    low, high = float(sample["actual"].min()), float(sample["actual"].max())
    figure.add_scatter(
        x=sample["predicted"],
        y=sample["actual"],
        mode="markers",
        marker={"size": 4, "color": BLUE},
        name="rows",
    )
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", line={"color": MUTED, "width": 1}, name="equal"
    )
    figure.update_xaxes(title_text="predicted")
    figure.update_yaxes(title_text=target.replace("_", " "))
    return dressed(figure, 380, dates=False)


def _over_time(sample: dict[str, Any], threshold: float) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(
        x=sample["time"] * 1000, y=sample["actual"] - sample["predicted"], mode="markers",
        marker={"size": 3, "color": BLUE}, name="actual - predicted",
    )  # fmt: skip
    for level in (threshold, -threshold):
        figure.add_hline(y=level, line={"color": RED, "width": 1, "dash": "dash"})
    return dressed(figure, 300, dates=True)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
