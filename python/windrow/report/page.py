"""The report's page: heading, figures, plots, tables, in one file of HTML."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import plotly
from plotly.io import to_html

__all__ = ["card", "page", "table"]

STYLE = """
:root { --ink: #1f2933; --muted: #616e7c; --line: #e4e7eb; --red: #c8322b; --amber: #b7791f; --ground: #f6f7f9; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; margin: 0 0 6px; }
h2 { font-size: 17px; font-weight: 650; margin: 40px 0 12px; }
h3 { font-size: 15px; font-weight: 600; margin: 0; }
p { margin: 0 0 12px; } .muted { color: var(--muted); } .small { font-size: 13px; }
.figures { display: flex; flex-wrap: wrap; gap: 12px; margin: 28px 0 0; }
.figure { flex: 1 1 112px; background: white; border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.figure b { display: block; font-size: 22px; font-weight: 620; font-variant-numeric: tabular-nums; line-height: 1.3; }
.figure span { color: var(--muted); font-size: 13px; white-space: nowrap; }
.scroll + p, .card + p { margin-top: 14px; }
.card { background: white; border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px 4px;
  margin: 0 0 16px; }
.head { display: flex; justify-content: space-between; align-items: baseline; gap: 16px; }
.scroll { overflow: auto; max-height: 520px; background: white; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
td:last-child { min-width: 120px; }
th { position: sticky; top: 0; background: white; text-align: left; font-weight: 600; color: var(--muted);
  border-bottom: 1px solid var(--line); padding: 9px 8px; white-space: nowrap; }
td { border-bottom: 1px solid #f0f2f4; padding: 8px 8px; vertical-align: top; }
tr:last-child td { border-bottom: 0; } td.number, th.number { text-align: right; }
td.time, td.number { white-space: nowrap; }
.badge { display: inline-block; min-width: 34px; text-align: center; border-radius: 5px; padding: 0 7px;
  font-weight: 600;
  background: #e9edf1; color: var(--ink); }
.badge.high { background: #fbe3e1; color: var(--red); } .badge.medium { background: #fbeed5; color: var(--amber); }
details summary { cursor: pointer; font-size: 17px; font-weight: 650; margin: 40px 0 12px; }
footer { margin-top: 48px; color: var(--muted); font-size: 13px; }
@media print { body { background: white; } .scroll { max-height: none; } }
"""


def page(
    *,
    title: str,
    subtitle: str,
    judged: bool,
    figures: Sequence[tuple[str, str]],
    plots: Sequence[tuple[Any, Any]],
    left_out: int,
    histogram: Any,
    events: Sequence[dict[str, Any]],
    groups: Sequence[dict[str, Any]] = (),
    threshold: float | None,
    by: Sequence[str],
    faults: Sequence[Any],
    windows: Sequence[dict[str, Any]],
    windows_in_all: int,
    written: dt.datetime,
    after_figures: Sequence[str] = (),
) -> str:
    """Put the page together; everything that came from data is escaped.

    `after_figures` is markup of a page that has more to say, made of `card` and `table`.
    """
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="muted">{escape(subtitle)}</p>',
        '<div class="figures">',
        *(
            f'<div class="figure"><b>{escape(value)}</b><span>{escape(label)}</span></div>'
            for label, value in figures
        ),
        "</div>",
        *after_figures,
    ]
    if judged and (plots or events):
        body += [
            "<h2>Events</h2>",
            _events(events, by, threshold) if events else '<p class="muted">None: no alarm was raised.</p>',
        ]
    if groups:
        body += [
            "<h2>At once in several series</h2>",
            table(groups, "groups"),
        ]
    if faults:
        listed = "; ".join(f"{fault.kind} ({_time(fault.start)} to {_time(fault.end)})" for fault in faults)
        body.append(
            f'<p class="small muted">The input is simulated, and what went wrong in it is known: {escape(listed)}. '
            "These stretches are shaded in amber below.</p>"
        )
    if plots:
        body.append("<h2>Series</h2>")
        if events:
            body.append(
                '<p class="small muted">Plots begin at the events; a double click shows the whole run, '
                "dragging zooms.</p>"
            )
        if left_out:
            which = f"{len(plots)} series with the worst events" if judged else f"first {len(plots)} series"
            body.append(
                f'<p class="muted">The {which} of {len(plots) + left_out}; '
                f"{left_out} more are not plotted.</p>"
            )
        weight = None if not judged else "severity" if threshold is None else "score"
        body += [_plot(series, figure, weight) for series, figure in plots]
    if histogram is not None:
        body += [
            "<h2>Scores</h2>",
            card(histogram, "histogram"),
            '<p class="small muted">How large scores were, on a logarithmic scale. A good threshold stands clear of '
            "the mass on the left and before the bars on the right.</p>",
        ]
    if windows:
        note = (
            f"the newest {len(windows):,} of {windows_in_all:,}"
            if windows_in_all > len(windows)
            else f"{len(windows):,}"
        )
        body += [f"<details><summary>Windows ({note})</summary>", table(windows, "windows"), "</details>"]
    body.append(f"<footer>Written by windrow, {_time(written)} UTC. All times are UTC.</footer>")
    script = plotly.offline.get_plotlyjs()
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style><script>{script}</script></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _plot(series: Any, figure: Any, weight: str | None) -> str:
    count = len(series.events)
    note = "" if weight is None else "no events" if not count else f"{count} event{'s' if count > 1 else ''}"
    if series.worst > 0:
        note += f", worst {weight} {series.worst:.0f}"
    head = f'<div class="head"><h3>{escape(series.name)}</h3><span class="small muted">{note}</span></div>'
    return f'<div class="card series">{head}{_figure(figure)}</div>'


def card(figure: Any, name: str) -> str:
    """Frame a plot."""
    return f'<div class="card" id="{escape(name)}">{_figure(figure)}</div>'


def _figure(figure: Any) -> str:
    options = {
        "displaylogo": False,
        "responsive": True,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    }
    return str(to_html(figure, full_html=False, include_plotlyjs=False, config=options))


def _events(events: Sequence[dict[str, Any]], by: Sequence[str], threshold: float | None) -> str:
    first = "severity" if threshold is None else "score"
    high, medium = (80.0, 50.0) if threshold is None else (2 * threshold, threshold)
    heads = [first, *by, "measure", "kind", "from", "until", "observed", "expected", "why"]
    numeric = {first, "observed", "expected"}
    lines = []
    for event in events:
        weight = event["weight"]
        grade = "high" if (weight or 0) >= high else "medium" if (weight or 0) >= medium else ""
        expected = _number(event["expected"])
        if event["lower"] is not None and event["upper"] is not None:
            expected += (
                f' <span class="muted">({_number(event["lower"])} to {_number(event["upper"])})</span>'
            )
        shown = _number(weight if weight is None or threshold is not None else round(weight))
        why = _why(event)
        cells = [
            f'<td class="number"><span class="badge {grade}">{shown}</span></td>',
            *(f"<td>{escape(str(event[name]))}</td>" for name in by),
            f"<td>{escape(str(event['measure']))}</td>",
            f"<td>{escape(str(event['kind']).replace('_', ' '))}</td>",
            f'<td class="time">{_time(event["start"])}</td>',
            f'<td class="time">{"still open" if event["end"] is None else _time(event["end"])}</td>',
            f'<td class="number">{_number(event["observed"])}</td>',
            f'<td class="number">{expected}</td>',
            f"<td>{escape(why)}</td>",
        ]
        lines.append(f'<tr class="event">{"".join(cells)}</tr>')
    return _frame(heads, numeric, lines, "events")


def _why(event: dict[str, Any]) -> str:
    """Shorten the reason to what no other column of the table says, or take the rule where there is none."""
    reason = str(event["reason"] or "")
    if event.get("channel"):
        # The figures have columns of their own.
        rarity = next((part.strip() for part in reason.split(";") if "once" in part), "")
        reason = ", ".join(filter(None, (event["channel"], rarity)))
    return reason or str(event["rule"])


def table(rows: Sequence[dict[str, Any]], name: str) -> str:
    """List rows, a column for each of their fields."""
    heads = list(rows[0])
    numeric = {head for head in heads if any(isinstance(row[head], int | float) for row in rows)}
    lines = []
    for row in rows:
        cells = []
        for head in heads:
            kind = "time" if isinstance(row[head], dt.datetime) else "number" if head in numeric else ""
            cells.append(f'<td class="{kind}">{_cell(row[head])}</td>')
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return _frame(heads, numeric, lines, name)


def _frame(heads: Iterable[str], numeric: set[str], lines: Sequence[str], name: str) -> str:
    top = "".join(
        f'<th class="{"number" if head in numeric else ""}">{escape(head.replace("_", " "))}</th>'
        for head in heads
    )
    body = "".join(lines)
    whole = f'<table id="{name}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll">{whole}</div>'


def _cell(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return _time(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) or value is None:
        return _number(value)
    return escape(str(value))


def _number(value: float | None) -> str:
    """Write a number as people read it: few digits, no exponent where it can be helped."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _time(value: dt.datetime) -> str:
    text = value.strftime("%Y-%m-%d %H:%M")
    return f"{text}:{value:%S}" if value.second else text
