"""What other thresholds would have done, and how events are held against labels, beside slow twins."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windrow.backtest.curve import Curve, curve
from windrow.backtest.labels import figures, stretches
from windrow.config.sections import AlarmSection
from windrow.report.series import Series

START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
STEP = dt.timedelta(hours=1)


def series(severity, key=None, measure="cars", alarmed=(), events=()):
    severity = np.array(severity, float)
    nothing = np.full(len(severity), np.nan)
    state = np.full(len(severity), "ok", "<U20")
    state[list(alarmed)] = "alarm"
    time = np.array([(START + at * STEP).timestamp() * 1000 for at in range(len(severity))])
    one = Series(key or {}, measure, time, *[nothing] * 4, severity / 10, severity, state)
    one.events += [
        {
            "id": f"{measure} {number}",
            "kind": "anomaly",
            "start": START + a * STEP,
            "end": None if b is None else START + b * STEP,
        }
        for number, (a, b) in enumerate(events)
    ]
    return one


def runs(values, threshold, m, n):
    """Each run of points in alarm, as their places: M of the last N points that have a value reach the threshold."""
    found, last, before = [], [], False
    for at, value in enumerate(values):
        if math.isnan(value):
            continue
        last = [*last, value][-n:]
        now = sum(one >= threshold for one in last) >= m
        if now and not before:
            found.append([])
        if now:
            found[-1].append(at)
        before = now
    return found


VALUES = st.lists(
    st.one_of(st.sampled_from([0.0, 50.0, 100.0, math.nan]), st.floats(0, 100)), min_size=1, max_size=40
)


@given(st.lists(VALUES, min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 3), st.booleans())
def test_events_at_every_threshold(values, m, more, scored):
    alarm = {"threshold": 3.0} if scored else {"severity": 50.0}
    section = AlarmSection(**alarm, breaches=m, of=m + more)
    many = [series(one, {"camera": str(at)}) for at, one in enumerate(values)]
    found = curve(many, section, 1.0, None)
    assert len(found.threshold) == 100
    assert found.what == ("score" if scored else "severity")
    for threshold, events in zip(found.threshold, found.events, strict=True):
        sizes = [np.array(one) / (10 if scored else 1) for one in values]
        assert events == sum(len(runs(size, threshold, m, m + more)) for size in sizes)


@given(VALUES, st.data())
def test_labels_at_every_threshold(values, data):
    marked = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    found = curve([series(values, {"camera": "a"})], None, 1.0, {("a",): marked})
    places = [
        [at for at in range(len(marked)) if marked[at] and begin <= at <= end]
        for begin, end in stretches(marked)
    ]
    assert [at for place in places for at in place] == np.flatnonzero(marked).tolist()
    for threshold, rows, events in zip(found.threshold, found.rows, found.stretches, strict=True):
        over = {at for at, value in enumerate(values) if value >= threshold}
        right = over & set(np.flatnonzero(marked).tolist())
        assert (rows.raised, rows.right, rows.found) == (len(over), len(right), len(right))
        near = [{*place, place[-1] + 1} for place in places]
        # Here a value that is missing ends a run: it is no row in alarm.
        joined = runs([0.0 if math.isnan(one) else one for one in values], threshold, 1, 1)
        assert events.raised == len(joined)
        assert events.right == sum(any(set(run) & place for place in near) for run in joined)
        assert events.found == sum(bool(over & place) for place in near)


def test_directions_of_a_score():
    one = series([10, 90, 10, 0], {})
    one.score = np.array([1.0, -9.0, 1.0, 8.0])
    counts = {
        side: curve([one], AlarmSection(threshold=3.0, direction=side), 1.0, None).events[-1]
        for side in ("both", "up", "down")
    }
    assert counts == {"both": 1, "up": 1, "down": 1}
    up = curve([one], AlarmSection(threshold=3.0, direction="up"), 1.0, None)
    assert up.threshold[-1] == 8.0


def test_advice_is_kept_above_it_too():
    # At the lowest threshold all is one event: that is no quiet setting.
    made = Curve("severity", np.arange(1.0, 6.0), np.array([1, 9, 4, 2, 0]), 2.0)
    assert made.suggested(7) == 4.0
    assert made.suggested(14) == 5.0
    assert made.suggested(30) is None
    assert Curve("severity", np.arange(1.0, 3.0), np.array([5, 5]), 2.0).suggested(7) is None


def test_nothing_judged_has_a_curve():
    found = curve([], None, 1.0, None)
    assert found.events.sum() == 0
    assert curve([series([math.nan] * 3)], AlarmSection(threshold=1.0), 1.0, None).events.sum() == 0


def test_an_event_belongs_to_the_stretch_it_touches():
    marked = np.zeros(40, bool)
    marked[10:13] = marked[20:22] = marked[30:32] = True
    # One begins before and reaches in, one a row after; one ends where a stretch begins, one begins two rows after.
    cars = series([0] * 40, {"camera": "a"}, alarmed=[9, 10, 22, 29], events=[(9, 11), (22, 23), (29, 30)])
    bikes = series([0] * 40, {"camera": "a"}, "bikes", alarmed=[11, 33], events=[(11, 12), (33, None)])
    found = figures([cars, bikes], {("a",): marked}, STEP)
    assert (found.events.raised, found.events.right) == (5, 3)
    assert (found.events.labelled, found.events.found) == (3, 2)
    assert (found.events.precision, found.events.recall) == (pytest.approx(3 / 5), pytest.approx(2 / 3))
    assert found.events.f1 == pytest.approx(2 * (3 / 5) * (2 / 3) / (3 / 5 + 2 / 3))
    # Delays 0 and 2 hours: an event that was there before is not early.
    assert found.delay == dt.timedelta(hours=1)
    # Rows of the key: a row is raised when one of its measures is.
    assert (found.rows.raised, found.rows.right, found.rows.labelled) == (6, 2, 7)


def test_nothing_raised_has_no_precision():
    found = figures([series([0] * 4, {"camera": "a"})], {("a",): np.array([False, True, True, False])}, STEP)
    assert (found.events.precision, found.events.recall, found.events.f1, found.delay) == (
        None,
        0.0,
        None,
        None,
    )
