"""The page of a backtest: what was judged and found, what labels say, what other thresholds would have done.

Owns what goes into it; how it looks is that of every report.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from windrow.backtest.judge import Backtest
from windrow.backtest.labels import Rates, stretches
from windrow.backtest.summary import advice, judged, percent
from windrow.report.run import subtitle
from windrow.report.series import Series
from windrow.simulate import Fault
from windrow.stages import alarm, detect_keys

__all__ = ["write"]

#: Events that the table lists, labelled stretches that a plot shades.
MOST_EVENTS, MOST_STRETCHES = 200, 60
#: Of a method whose verdicts hang on the alarm.
_HELD = "What a series would have learned that isn't in alarm at a higher threshold is left out."


def write(path: str | os.PathLike[str], result: Backtest) -> None:
    """Write the page.

    Parameters
    ----------
    path : path
        The file; its folders are made.
    result : Backtest
        What was run, and what it came to.
    """
    from windrow.report.page import page
    from windrow.report.plots import timeline

    config = result.config
    assert config.detect is not None
    rule = alarm(config.alarm, config.detect)
    events = [event for one in result.series for event in one.events]
    events.sort(key=lambda event: (-(event["weight"] or 0.0), event["start"]))
    most = config.report.series if config.report is not None else 12
    shown = result.series[:most]
    what = result.curve.what
    level = rule.threshold or rule.severity or 0.0
    plots = [
        (
            one,
            timeline(
                one.thinned(),
                result.faults or _shaded(one, result),
                steps=config.window is not None,
                threshold=level,
                below=what,
            ),
        )
        for one in shown
    ]
    text = page(
        title=(config.report is not None and config.report.title) or "Backtest",
        subtitle=f"{judged(result)} · {subtitle(config, rule.rule, result.input)}",
        judged=True,
        figures=_figures(result),
        plots=plots,
        left_out=len(result.series) - len(shown),
        histogram=None,
        events=events[:MOST_EVENTS],
        threshold=rule.threshold,
        by=detect_keys(config.detect, config.window),
        faults=result.faults,
        windows=[],
        windows_in_all=0,
        written=dt.datetime.now(dt.UTC),
        after_figures=list(_sections(result, level, len(events))),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _figures(result: Backtest) -> list[tuple[str, str]]:
    """List the small summary figures: a label and a value each."""
    found = [("taught", f"{result.taught:,}")] if result.teach is not None else []
    found += [
        ("judged", f"{result.judged:,}"),
        ("weeks judged", f"{result.weeks:.1f}"),
        ("series", f"{len(result.series):,}"),
        ("events", f"{len(result.outcome.events):,}"),
        ("events a week", f"{len(result.outcome.events) / result.weeks:.2f}"),
    ]
    if result.figures is not None:
        found += [
            ("precision of events", percent(result.figures.events.precision)),
            ("labels found", percent(result.figures.events.recall)),
        ]
    return found


def _sections(result: Backtest, level: float, events: int) -> Iterator[str]:
    from windrow.report.page import card, table
    from windrow.report.plots import threshold_curve

    if result.figures is not None:
        rows = [_row("rows", result.figures.rows), _row("events", result.figures.events)]
        delay = result.figures.delay
        yield f"<h2>Held against {escape(result.label or 'labels')}</h2>"
        yield table(rows, "labels")
        yield (
            '<p class="small muted">A row is raised when a measure of it is in alarm. An event is right, and a '
            "labelled stretch of rows found, where they touch: it begins at the latest one row after the stretch, and "
            f"ends after its first row.{'' if delay is None else f' Median delay of those found: {delay}.'} Labelled "
            "stretches are shaded in amber below.</p>"
        )
    curve = result.curve
    rates: dict[str, Any] = {}
    if curve.rows:
        rates = {
            "precision of events": [one.precision for one in curve.stretches],
            "labels found": [one.recall for one in curve.stretches],
            "precision of rows": [one.precision for one in curve.rows],
            "recall of rows": [one.recall for one in curve.rows],
        }
    method = None if result.config.detect is None else result.config.detect.method
    yield "<h2>Thresholds</h2>"
    per_week = np.asarray(curve.events) / curve.weeks
    yield card(threshold_curve(curve.what, curve.threshold, per_week, rates, level), "thresholds")
    yield (
        f'<p class="small muted">{escape(" ".join(advice(result)))} Counted over all series from the verdicts of this '
        "run: the alarm as it is set but for its threshold, filters and silences as they are. "
        f"{_HELD if method == 'residual' else ''}</p>"
    )
    if events > MOST_EVENTS:
        yield f'<p class="muted">The worst {MOST_EVENTS} of {events:,} events are listed.</p>'


def _row(name: str, rates: Rates) -> dict[str, Any]:
    return {
        "of": name,
        "raised": rates.raised,
        "right": rates.right,
        "labelled": rates.labelled,
        "found": rates.found,
        **{
            f"{name} %": None if share is None else round(100 * share, 1)
            for name, share in (("precision", rates.precision), ("recall", rates.recall), ("F1", rates.f1))
        },
    }


def _shaded(series: Series, result: Backtest) -> list[Fault]:
    """Turn labelled stretches of a series into what a plot shades."""
    marked = (result.marked or {}).get(tuple(series.key.values()))
    if marked is None:
        return []
    return [
        Fault(
            "",
            _time(series.time[begin]),
            _time(series.time[end]) + result.step,
            series.key,
            (series.measure,),
        )
        for begin, end in stretches(marked)[:MOST_STRETCHES]
    ]


def _time(milliseconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
