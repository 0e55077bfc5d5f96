"""The report opens in a real browser: plots are drawn, events are there, nothing comes from the network."""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess

import numpy as np
import pytest
from faults import PATIENCE
from windrow.config.check import check
from windrow.report.page import _number
from windrow.report.run import write
from windrow.report.series import Series, series_of, windows_of
from windrow.run import History, Outcome
from windrow.simulate import Fault

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
STEP = dt.timedelta(minutes=5)


class Table:
    """Rows as `Batch` gives them, made by hand so that the page is tested without a detector."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        return iter(self.rows)

    def to_pydict(self):
        return {name: [row[name] for row in self.rows] for name in self.rows[0]}


def verdicts(key, measure, n=600, alarmed=range(400, 410), score=None):
    rows = []
    for at in range(n):
        silent = 300 <= at < 310
        expected = 10 + 5 * np.sin(at / 40)
        rows.append({
            "camera": key, "time": START + at * STEP, "measure": measure,
            "observed": None if silent else float(round(expected)) * (3 if at in alarmed else 1),
            "expected": None if silent else expected, "lower": None if silent else expected - 4,
            "upper": None if silent else expected + 4, "score": score and (9.0 if at in alarmed else 0.5 + at % 3),
            "severity": 70.0 if at in alarmed else 0.0, "confidence": 1.0,
            "state": "alarm" if at in alarmed else "ok", "reason": "spike up",
        })  # fmt: skip
    return rows


def event(key, measure, severity, number=0):
    start = START + 400 * STEP
    return {
        "id": f"{number:016x}", "camera": key, "measure": measure, "kind": "anomaly", "state": "ok", "start": start,
        "end": start + 10 * STEP if severity else None, "peak": 4.2, "peak_time": start, "points": 10,
        "rule": "1 of 1 of severity 50.0 or more", "observed": 42.0, "expected": 14.25, "lower": 10.2, "upper": 18.3,
        "severity": severity, "reason": "spike up",
    }  # fmt: skip


def config(**sections):
    window = {"every": "5m", "by": "camera", "aggregate": [{"name": "cars", "count": True}]}
    checked, problems = check(
        {"source": {"kind": "file"}, "window": window, "detect": {"measures": ["cars"]}, **sections}
    )
    assert checked is not None, problems
    return checked


def page(tmp_path, conf, events, tables, windows=(), faults=(), groups=()):
    outcome = Outcome(read=1234, windows=len(windows), events={one["id"]: one for one in events})
    outcome.groups = {one["id"]: one for one in groups}
    path = tmp_path / "deep" / "report.html"
    write(path, conf, outcome, History(list(windows), list(tables)), faults)
    return path


def browse(path, tmp_path):
    """The page's DOM after its scripts have run."""
    if CHROMIUM is None:
        pytest.skip("no chromium found: the report is not looked at in a browser")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=8000", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120 * PATIENCE, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_browser_draws_plots_and_lists_events_by_severity(tmp_path):
    rows = verdicts("north", "cars") + verdicts("<b>south</b>", "cars", alarmed=())
    windows = Table([{"camera": "north", "window_start": START, "cars": 7, "silent": False}] * 3)
    fault = Fault("crowd", START + 398 * STEP, START + 412 * STEP, {"camera": "north"}, ("cars",))
    events = [
        event("north", "cars", 55.0, 1),
        event("<b>south</b>", "cars", None, 2),
        event("north", "cars", 91.0, 3),
    ]
    conf = config(report={"path": "x", "title": "Main & Oak"})
    path = page(tmp_path, conf, events, [Table(rows)], [windows], [fault])
    dom = browse(path, tmp_path)
    assert "<h1>Main &amp; Oak</h1>" in dom
    body = dom[dom.index("<main>") :]
    assert len(re.findall(r'class="main-svg"', body)) >= 4
    assert len(re.findall(r'class="card series"', body)) == 2
    assert body.count('<tr class="event">') == 3
    badges = re.findall(r'<span class="badge (\w*)">([^<]*)</span>', body)
    assert badges == [("high", "91"), ("medium", "55"), ("", "–")]
    assert "still open" in body
    assert ">crowd</text>" in body
    assert "in alarm</text>" in body
    # What comes from data is text, never markup.
    assert "<b>south</b>" not in body
    assert "&lt;b&gt;south&lt;/b&gt;" in body
    assert body.count("<tr>") == 3 + 2  # three windows, two heads


def test_groups_of_several_series_are_listed_the_worst_first(tmp_path):
    groups = [
        {"id": str(hit), "measure": "cars", "start": START, "end": None, "severity": severity, "series_hit": hit,
         "reason": f"cars off in {hit} series <here>"}
        for hit, severity in ((1, 99.0), (2, 60.0), (3, 80.0))
    ]  # fmt: skip
    text = page(tmp_path, config(), [], [Table(verdicts("north", "cars"))], groups=groups).read_text("utf-8")
    table = text[text.index("At once in several series") :]
    assert "off in 1 series" not in text
    assert 0 < table.index("off in 3 series &lt;here&gt;") < table.index("off in 2 series &lt;here&gt;")


def test_residuals_have_a_histogram_with_the_threshold(tmp_path):
    detect = {"method": "residual", "measures": ["cars"], "predicted": "cars"}
    conf = config(detect=detect, alarm={"threshold": 3.0})
    path = page(tmp_path, conf, [], [Table(verdicts("north", "cars", score=True))])
    dom = browse(path, tmp_path)
    histogram = dom[dom.index('id="histogram"') :]
    assert 'class="main-svg"' in histogram
    assert "threshold 3: 1.67% of points beyond" in histogram
    assert "None: no alarm was raised." in dom


def test_the_page_needs_no_network(tmp_path):
    path = page(tmp_path, config(), [event("north", "cars", 70.0)], [Table(verdicts("north", "cars"))])
    text = path.read_text("utf-8")
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="', text)
    assert "Plotly" in text


def test_very_many_series_are_limited_to_the_worst(tmp_path):
    tables = [Table(verdicts(f"camera-{at:02}", "cars", n=50, alarmed=())) for at in range(20)]
    events = [event("camera-17", "cars", 60.0, 1), event("camera-03", "cars", 90.0, 2)]
    text = page(tmp_path, config(report={"path": "x", "series": 3}), events, tables).read_text("utf-8")
    assert "The 3 series with the worst events of 20; 17 more are not plotted." in text
    assert re.findall(r"<h3>cars, (camera-\d\d)</h3>", text) == ["camera-03", "camera-17", "camera-00"]


def test_nothing_at_all_is_a_page_too(tmp_path):
    text = page(tmp_path, config(), [], []).read_text("utf-8")
    assert "1,234" in text


def test_series_are_taken_apart_by_key_and_measure():
    rows = verdicts("a", "cars", n=3, alarmed=()) + verdicts("b", "cars", n=2, alarmed=())
    found = series_of([Table(rows[:4]), Table(rows[4:])], [event("b", "cars", 10.0)], ["camera"])
    assert [(one.name, len(one.time), one.worst) for one in found] == [
        ("cars, b", 2, 10.0),
        ("cars, a", 3, -1.0),
    ]
    assert found[0].time[1] - found[0].time[0] == 300_000


def test_thinning_keeps_what_stands_out():
    rows = 5000
    observed = np.zeros(rows)
    observed[1234] = 99
    empty = np.full(rows, np.nan)
    whole = Series({}, "x", np.arange(rows, dtype=float), observed, *[empty] * 5, np.full(rows, "ok"))
    thin = whole.thinned(100)
    assert len(thin.time) == 100
    assert (np.diff(thin.time) > 0).all()
    assert thin.observed.max() == 99
    assert whole.thinned(rows) is whole


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (float("nan"), "–"), (3, "3"), (12345.0, "12,345"), (17.44, "17.4"), (0.1234, "0.123")],
)
def test_numbers_are_written_as_people_read_them(value, text):
    assert _number(value) == text


def test_windows_alone_are_plotted(tmp_path):
    def row(camera, at, cars, level=0, **more):
        start = START + at * STEP
        told = {
            "window_start": start,
            "window_end": start + STEP,
            "level": level,
            "cars": cars,
            "phase": "red",
        }
        return {"camera": camera, **told, **more}

    first = [row(name, at, at) for at in range(50) for name in ("north", "south")]
    # Silent windows have nulls, revisions come later, coarser keys have rows of their own.
    later = [row("south", 50, None), row("north", 3, 99, revision=1), row(None, 0, 7, level=1)]
    window = {
        "every": "5m",
        "by": "camera",
        "rollup": [[]],
        "aggregate": [{"name": "cars", "count": True}, {"name": "phase", "last": "phase"}],
    }
    checked, problems = check(
        {"source": {"kind": "file"}, "window": window, "sink": [{"kind": "stdout", "what": "windows"}]}
    )
    assert not problems
    series = windows_of([Table(first), Table(later)], ["camera"], ["cars", "phase"])
    assert [one.name for one in series] == ["cars", "cars, north", "cars, south"]
    # The last window lasts to its end.
    assert series[0].observed.tolist() == [7, 7]
    assert np.diff(series[0].time).tolist() == [300_000]
    assert series[1].observed[:5].tolist() == [0, 1, 2, 99, 4]
    assert np.isnan(series[2].observed[50])
    text = page(tmp_path, checked, [], [], [Table(first), Table(later)]).read_text("utf-8")
    assert text.count('class="card series"') == 3
    assert "<h2>Series</h2>" in text
    # Nobody looked for anything.
    assert "<h2>Events</h2>" not in text
    assert "no events" not in text
    assert "expected band" not in text[text.index("<main>") :]
