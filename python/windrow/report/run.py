"""A page to look at after a run: what was expected, what came, and what was found.

Owns what goes into the page: which series, which figures, which tables. How a plot is drawn is in `plots`,
how the page looks in `page`. Everything is in the one file that comes out, so it opens without a network.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from windrow.config.sections import Config
from windrow.report.series import Series, series_of, windows_of
from windrow.stages import alarm, detect_keys, model, window_keys

__all__ = ["subtitle", "write"]

#: Rows of the windows table.
MOST_WINDOWS = 200
#: Rows of the groups table.
MOST_GROUPS = 50


def write(
    path: str | os.PathLike[str], config: Config, outcome: Any, history: Any, faults: Sequence[Any] = ()
) -> None:
    """Write the page of a run.

    Parameters
    ----------
    path : path
        The file; its folders are made.
    config : Config
        What was run.
    outcome : Outcome
        What it came to.
    history : History
        The windows and verdicts of the run.
    faults : sequence of Fault
        What was injected, where the input was simulated: shown as what it is, the answer.
    """
    from windrow.report.page import page
    from windrow.report.plots import histogram, timeline

    detect, section = config.detect, config.report
    by = detect_keys(detect, config.window, model(detect)) if detect is not None else []
    rule = alarm(config.alarm, detect) if detect is not None else None
    threshold = None if rule is None else rule.threshold
    # What the alarm looks at says how bad an event is: the size of its score, or its severity.
    events = [
        {**event, "weight": event["severity"] if threshold is None else abs(event["peak"] or 0.0)}
        for event in outcome.events.values()
    ]
    if detect is not None:
        series = series_of(history.verdicts, events, by)
    else:
        window = config.window
        keys = window_keys(window)
        measures = [] if window is None else [one.name for one in window.aggregate]
        series = windows_of(history.windows, keys, measures)
    shown = series[: section.series if section is not None else 12]
    steps = config.window is not None
    below = None if steps else "score"
    plots = [
        (one, timeline(one.thinned(), faults, steps=steps, threshold=threshold, below=below)) for one in shown
    ]
    scores = None
    if detect is not None and detect.method == "residual" and threshold is not None:
        scores = histogram(
            np.concatenate([one.score for one in series]) if series else np.array([]), threshold
        )
    text = page(
        title=(section.title if section is not None else None) or _title(config),
        subtitle=subtitle(config, rule.rule if rule is not None else None),
        judged=detect is not None,
        figures=_figures(outcome, series, None if rule is None else "score" if threshold else "severity"),
        plots=plots,
        left_out=len(series) - len(shown),
        histogram=scores,
        events=sorted(events, key=lambda event: (-(event["weight"] or 0.0), event["start"])),
        groups=_several(outcome.groups.values()),
        threshold=threshold,
        by=by,
        faults=faults,
        windows=_newest(history.windows),
        windows_in_all=sum(len(batch) for batch in history.windows),
        written=dt.datetime.now(dt.UTC),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _title(config: Config) -> str:
    if config.detect is None:
        return "Windows"
    residual = config.detect.method in ("residual", "joint")
    return "Residuals and anomalies" if residual else "Windows and anomalies"


def subtitle(config: Config, rule: str | None, input: str | None = None) -> str:
    """Say what was run, in one line; `input` is what was read in place of the config's source."""
    source = config.source
    if input is not None:
        parts = [f"input from {'stdin' if input == '-' else Path(input).name}"]
    else:
        parts = [f"simulated {source.scenario}" if source.kind == "simulate" else f"input from {source.kind}"]
    if config.window is not None:
        by = window_keys(config.window)
        parts.append(f"windows of {config.window.every}" + (f" by {', '.join(by)}" if by else ""))
    if config.detect is not None:
        parts.append(f"detector {config.detect.method}")
    if rule is not None:
        parts.append(f"alarm: {rule}")
    return " · ".join(parts)


def _figures(outcome: Any, series: Sequence[Series], weight: str | None) -> list[tuple[str, str]]:
    """List the small summary figures: a label and a value each."""
    figures = [("rows read", f"{outcome.read:,}")]
    if outcome.windows:
        figures += [("windows", f"{outcome.windows:,}"), ("late", f"{outcome.late:,}")]
    figures.append(("rejected", f"{outcome.rejected:,}"))
    if series:
        figures.append(("series", f"{len(series):,}"))
        if weight is not None:
            worst = max(one.worst for one in series)
            figures.append(("events", f"{len(outcome.events):,}"))
            figures.append((f"worst {weight}", f"{worst:.0f}" if worst >= 0 else "none"))
        times = [time for one in series for time in (one.time.min(), one.time.max())]
        hours = (max(times) - min(times)) / 3_600_000
        figures.append(("days", f"{hours / 24:.1f}") if hours >= 48 else ("hours", f"{hours:.1f}"))
    return figures


def _several(groups: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """List the groups that more than one series was hit by, the worst first."""
    rows = [group for group in groups if group["series_hit"] > 1]
    rows.sort(key=lambda group: (-(group["severity"] or 0.0), group["start"]))
    return [
        {
            "severity": None if group["severity"] is None else round(group["severity"]),
            "measure": group["measure"],
            "start": group["start"],
            "end": group["end"],
            "series": group["series_hit"],
            "why": group["reason"],
        }
        for group in rows[:MOST_GROUPS]
    ]


def _newest(batches: Sequence[Any]) -> list[dict[str, Any]]:
    """Take the last rows of all windows, newest first."""
    rows: list[dict[str, Any]] = []
    for batch in reversed(batches):
        rows += reversed(list(batch))
        if len(rows) >= MOST_WINDOWS:
            break
    return rows[:MOST_WINDOWS]
