"""The report's plots, by Plotly: a series with its band and events, and the histogram of scores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from windrow.report.series import Series

__all__ = ["BLUE", "MUTED", "RED", "dressed", "histogram", "threshold_curve", "timeline"]

INK, MUTED, GRID = "#1f2933", "#7b8794", "#edf0f3"
BLUE, BAND, RED, FAULT = "#2563a8", "rgba(37,99,168,0.14)", "#c8322b", "rgba(201,138,20,0.16)"
DAY = 86_400_000.0
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def timeline(
    series: Series,
    faults: Sequence[Any],
    *,
    steps: bool,
    threshold: float | None = None,
    below: str | None = None,
) -> go.Figure:
    """One series: what came, what was expected, the points in alarm, the stretches of its events.

    Weeks of five-minute windows are a black bar, so the first view is from two days before the first event to a day
    after the last one; a double click shows everything.

    Parameters
    ----------
    series : Series
        The points.
    faults : sequence of Fault
        Injected faults; those of this series are shaded.
    steps : bool
        Whether a point stands for a window, which lasts until the next.
    threshold : float, optional
        Of what is drawn below.
    below : {"score", "severity"}, optional
        Drawn in a row of its own; nothing where the series has none.
    """
    weight = np.array([]) if below is None else getattr(series, below)
    scored = bool(np.isfinite(weight).any())
    figure = make_subplots(
        rows=2 if scored else 1,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.06,
        row_heights=[0.68, 0.32] if scored else [1],
    )
    shape = "hv" if steps else "linear"
    if np.isfinite(series.expected).any():
        x, y = _band(series)
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"width": 0}, fill="toself", fillcolor=BAND, name="expected band",
            hoverinfo="skip", row=1, col=1,
        )  # fmt: skip
        figure.add_scatter(
            x=series.time, y=series.expected, mode="lines",
            line={"width": 1, "color": BLUE, "dash": "dot", "shape": shape}, name="expected", row=1, col=1,
        )  # fmt: skip
    figure.add_scatter(
        x=series.time, y=series.observed, mode="lines", line={"width": 1.2, "color": INK, "shape": shape},
        name="observed", row=1, col=1,
    )  # fmt: skip
    alarmed = series.state == "alarm"
    if alarmed.any():
        height = np.where(np.isnan(series.observed), series.expected, series.observed)
        # A silent point has neither: it is marked on the ground.
        height = np.where(np.isnan(height), 0.0, height)
        figure.add_scatter(
            x=series.time[alarmed], y=height[alarmed], mode="markers",
            marker={"size": 6, "color": RED, "line": {"width": 0}}, name="in alarm", row=1, col=1,
        )  # fmt: skip
    if scored:
        figure.add_scatter(
            x=series.time,
            y=weight,
            mode="lines",
            line={"width": 1, "color": MUTED},
            name=below,
            row=2,
            col=1,
        )
        figure.update_yaxes(title_text=below, row=2, col=1)
        levels = () if threshold is None else (threshold,) if below == "severity" else (threshold, -threshold)
        for level in levels:
            figure.add_hline(y=level, line={"color": RED, "width": 1, "dash": "dash"}, row=2, col=1)
    end = float(np.nanmax(series.time)) if len(series.time) else 0.0
    for event in series.events:
        until = end if event["end"] is None else _milliseconds(event["end"])
        figure.add_vrect(
            x0=_milliseconds(event["start"]), x1=until, fillcolor=RED, opacity=0.10, line_width=0
        )
    for fault in faults:
        if series.measure in fault.measures and all(series.key.get(k) == v for k, v in fault.series.items()):
            begin, until = _milliseconds(fault.start), _milliseconds(fault.end)
            figure.add_vrect(x0=begin, x1=until, fillcolor=FAULT, line_width=0, layer="below")
            figure.add_annotation(
                x=begin, y=1, yref="y domain", text=fault.kind, showarrow=False, xanchor="left", yanchor="bottom",
                font={"size": 11, "color": "#8a5a00"}, row=1, col=1,
            )  # fmt: skip
    if series.events:
        _look_at_events(figure, series, end)
    figure.update_yaxes(title_text=series.measure.replace("_", " "), row=1, col=1)
    return dressed(figure, 380 if scored else 290, dates=True)


def _band(series: Series) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Outline the expected band: one closed shape for each stretch that has one."""
    known = np.isfinite(series.lower) & np.isfinite(series.upper)
    edges = np.flatnonzero(np.diff(known, prepend=False, append=False)).reshape(-1, 2)
    x: list[Any] = []
    y: list[Any] = []
    for begin, end in edges:
        time = series.time[begin:end]
        x += [time, time[::-1], [np.nan]]
        y += [series.lower[begin:end], series.upper[begin:end][::-1], [np.nan]]
    return (np.concatenate(x), np.concatenate(y)) if x else (np.array([]), np.array([]))


def _look_at_events(figure: go.Figure, series: Series, end: float) -> None:
    """Begin with the stretch that has the events, and the heights that are in it."""
    first = min(_milliseconds(event["start"]) for event in series.events) - 2 * DAY
    last = max(end if event["end"] is None else _milliseconds(event["end"]) for event in series.events) + DAY
    if first <= series.time[0] and last >= end:
        return
    seen = (series.time >= first) & (series.time <= last)
    heights = np.concatenate([values[seen] for values in (series.observed, series.lower, series.upper)])
    heights = heights[np.isfinite(heights)]
    figure.update_xaxes(range=[max(first, series.time[0]), min(last, end)])
    if len(heights):
        room = 0.06 * (float(np.ptp(heights)) or 1.0)
        figure.update_yaxes(range=[float(heights.min()) - room, float(heights.max()) + room], row=1, col=1)


def histogram(scores: np.ndarray[Any, Any], threshold: float) -> go.Figure:
    """How often each size of score came, on a logarithmic scale, with the alarm's threshold."""
    sizes = np.abs(scores[np.isfinite(scores)])
    top = max(float(sizes.max(initial=0.0)), threshold * 1.2)
    counts, edges = np.histogram(sizes, bins=60, range=(0.0, top))
    middle = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure()
    figure.add_bar(
        x=middle, y=counts, width=np.diff(edges) * 0.94, marker_color=np.where(middle > threshold, RED, BLUE).tolist(),
        name="|score|", hovertemplate="%{y} points near %{x:.2f}<extra></extra>",
    )  # fmt: skip
    figure.add_vline(x=threshold, line={"color": RED, "width": 1.5, "dash": "dash"})
    share = float((sizes > threshold).mean()) if len(sizes) else 0.0
    figure.add_annotation(
        x=threshold, y=1, yref="paper", xanchor="left", showarrow=False, xshift=6,
        text=f"threshold {threshold:g}: {share:.2%} of points beyond", font={"color": RED, "size": 12},
    )  # fmt: skip
    figure.update_yaxes(type="log", title_text="points")
    figure.update_xaxes(title_text="|score| (smoothed residual / RMSE)")
    return dressed(figure, 300, dates=False)


def threshold_curve(
    what: str,
    threshold: np.ndarray[Any, Any],
    per_week: np.ndarray[Any, Any],
    rates: dict[str, Sequence[float | None]],
    current: float,
) -> go.Figure:
    """How many events a week each threshold gives, and below it how right they are, where that is known."""
    figure = make_subplots(rows=2 if rates else 1, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    figure.add_scatter(
        x=threshold, y=per_week, mode="lines", line={"width": 2, "color": BLUE, "shape": "hv"}, name="events a week",
        hovertemplate="%{y:.2f} a week<extra></extra>", row=1, col=1,
    )  # fmt: skip
    for (name, values), color in zip(rates.items(), (INK, RED, MUTED, "#b7791f"), strict=False):
        figure.add_scatter(
            x=threshold, y=list(values), mode="lines", line={"width": 1.5, "color": color, "shape": "hv"}, name=name,
            hovertemplate="%{y:.2f}", row=2, col=1,
        )  # fmt: skip
    figure.add_vline(x=current, line={"color": RED, "width": 1.5, "dash": "dash"})
    figure.update_yaxes(title_text="events a week", rangemode="tozero", row=1, col=1)
    if rates:
        figure.update_yaxes(range=[0, 1.03], row=2, col=1)
    figure.update_xaxes(title_text=f"{what} from which there is an alarm", row=2 if rates else 1, col=1)
    return dressed(figure, 420 if rates else 300, dates=False)


def dressed(figure: go.Figure, height: int, *, dates: bool) -> go.Figure:
    """Give a figure the look that all of them have."""
    figure.update_layout(
        height=height, margin={"l": 64, "r": 16, "t": 52, "b": 36}, paper_bgcolor="white", plot_bgcolor="white",
        font={"family": FONT, "size": 12, "color": INK}, hovermode="x unified" if dates else "closest", bargap=0,
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yref": "container", "yanchor": "top",
                "font": {"size": 11}},
    )  # fmt: skip
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor="#cbd2d9")
    figure.update_yaxes(gridcolor=GRID, zeroline=False)
    if dates:
        figure.update_xaxes(type="date")
    return figure


def _milliseconds(time: dt.datetime) -> float:
    return time.timestamp() * 1000
