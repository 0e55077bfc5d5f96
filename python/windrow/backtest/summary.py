"""A backtest in words: the table on the terminal, and the object for machines."""

from __future__ import annotations

import datetime as dt
from typing import Any

from windrow.backtest.curve import MONTH, WEEK
from windrow.backtest.judge import Backtest
from windrow.backtest.labels import Rates
from windrow.stages import detect_keys

__all__ = ["advice", "judged", "percent", "summary", "table"]

#: Events on the terminal.
MOST = 12


def judged(result: Backtest) -> str:
    """Say how it was judged."""
    if result.teach is None:
        return "walk forward: each row judged before it is learned"
    return f"taught by the oldest {result.teach:.0%} of times, judged on the rest"


def percent(share: float | None) -> str:
    """Write a share; a dash where there is none."""
    return "–" if share is None else f"{share:.1%}"


def advice(result: Backtest) -> list[str]:
    """Say which threshold gives about one event a week, and a month."""
    said = []
    for name, days in (("week", WEEK), ("month", MONTH)):
        threshold = result.curve.suggested(days)
        if threshold is not None:
            shown = f"{threshold:.0f}" if result.curve.what == "severity" else f"{threshold:.3g}"
            said.append(f"About one event a {name}, at most: {result.curve.what} {shown}.")
        elif result.weeks * WEEK < days:
            said.append(f"Less than a {name} was judged: no advice for one event a {name}.")
        else:
            said.append(f"No {result.curve.what} gives as few as one event a {name}.")
    return said


def table(result: Backtest, name: str, report: str | None) -> str:
    """Lay out the summary for a terminal."""
    outcome, curve = result.outcome, result.curve
    what = "rows" if result.config.window is None else "windows"
    span = result.cut - result.begin
    lines = [
        f"{name}: {outcome.read:,} rows read, {len(result.series):,} series",
        f"  {judged(result)}",
    ]
    if result.teach is not None:
        lines.append(
            f"  taught  {result.taught:,} {what}, {_time(result.begin)} on, {span / dt.timedelta(weeks=1):.1f} weeks"
        )
    lines.append(
        f"  judged  {result.judged:,} {what}, {_time(result.cut)} to {_time(result.end)}, {result.weeks:.1f} weeks"
    )
    count = len(outcome.events)
    lines += [f"  events  {count:,}, {count / result.weeks:.2f} a week", ""]
    lines += _events(result)
    if result.figures is not None:
        lines += _figures(result)
    lines += [f"  {said}" for said in advice(result)]
    if curve.rows:
        scores = [one.f1 or 0.0 for one in curve.stretches]
        best = [at for at, score in enumerate(scores) if score == max(scores)]
        if max(scores) > 0:
            # The middle of where it is best: the edge of it is a matter of luck.
            threshold = curve.threshold[best[len(best) // 2]]
            lines.append(
                f"  Best F1 of events, {percent(max(scores))}: {curve.what} {threshold:.3g} "
                "(chosen on these very labels)."
            )
    if report is not None:
        lines.append(f"  report: {report}")
    return "\n".join(lines)


def _events(result: Backtest) -> list[str]:
    """List the worst events, a line each."""
    section = result.config.detect
    assert section is not None
    what = result.curve.what
    events = [event for one in result.series for event in one.events]
    events.sort(key=lambda event: (-(event["weight"] or 0.0), event["start"]))
    if not events:
        return []
    by = detect_keys(section, result.config.window)
    rows: list[tuple[str, ...]] = [(what, "series", "from", "until", "observed", "expected", "why")]
    for event in events[:MOST]:
        until = "still open" if event["end"] is None else _time(event["end"])
        rows.append(
            (
                "–"
                if event["weight"] is None
                else f"{event['weight']:{'.0f' if what == 'severity' else '.3g'}}",
                ", ".join([str(event["measure"]), *(str(event[key]) for key in by)]),
                _time(event["start"]),
                until,
                *("–" if event[key] is None else f"{event[key]:.6g}" for key in ("observed", "expected")),
                _why(event),
            )
        )
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    right = (0, 4, 5)
    lines = [
        "  "
        + "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    if len(events) > MOST:
        lines.append(f"  and {len(events) - MOST:,} more")
    return [*lines, ""]


def _figures(result: Backtest) -> list[str]:
    figures = result.figures
    assert figures is not None
    lines = [f"  held against {result.label}:"]
    for name, rates in (("rows", figures.rows), ("events", figures.events)):
        lines.append(
            f"    {name:<7} precision {percent(rates.precision):>6} ({rates.right:,} of {rates.raised:,})   "
            f"recall {percent(rates.recall):>6} ({rates.found:,} of {rates.labelled:,})   F1 {percent(rates.f1):>6}"
        )
    if figures.delay is not None:
        lines.append(f"    median delay {figures.delay}")
    return [*lines, ""]


def _why(event: dict[str, Any]) -> str:
    """Name what spoke, else the kind; an anomaly without either goes by its rule."""
    kind = event["rule"] if event["kind"] == "anomaly" else event["kind"]
    return str(event["channel"] or kind).replace("_", " ")


def summary(result: Backtest) -> dict[str, Any]:
    """Put the same together for machines."""
    curve, figures = result.curve, result.figures
    found: dict[str, Any] = {
        "mode": "walk_forward" if result.teach is None else "split",
        "teach": result.teach,
        "rows": result.outcome.read,
        "taught": result.taught,
        "judged": result.judged,
        "begin": result.begin,
        "judged_from": result.cut,
        "end": result.end,
        "weeks": result.weeks,
        "series": len(result.series),
        "events": list(result.outcome.events.values()),
        "events_per_week": len(result.outcome.events) / result.weeks,
        "suggested": {"of": curve.what, "week": curve.suggested(WEEK), "month": curve.suggested(MONTH)},
        "curve": {
            "of": curve.what,
            "threshold": curve.threshold.tolist(),
            "events_per_week": (curve.events / curve.weeks).tolist(),
        },
        "labels": None,
    }
    if figures is not None:
        found["labels"] = {
            "of": result.label,
            "rows": _rates(figures.rows),
            "events": _rates(figures.events),
            "delay_seconds": None if figures.delay is None else figures.delay.total_seconds(),
        }
        found["curve"] |= {
            "rows": {name: [getattr(one, name) for one in curve.rows] for name in ("precision", "recall")},
            "events": {
                name: [getattr(one, name) for one in curve.stretches] for name in ("precision", "recall")
            },
        }
    return found


def _rates(rates: Rates) -> dict[str, Any]:
    names = ("raised", "right", "labelled", "found", "precision", "recall", "f1")
    return {name: getattr(rates, name) for name in names}


def _time(value: dt.datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M")
