"""What other thresholds would have done, and how events are held against labels, beside slow twins."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
import windrow as wr
from hypothesis import given
from hypothesis import strategies as st
from oracle import alarm as oracle
from windrow.backtest.curve import Curve, curve
from windrow.backtest.labels import figures, stretches
from windrow.backtest.replay import Told
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


def runs(values, section, filtered=()):
    """Each run of rows in alarm, as their places, by a slow twin of the alarm; what is filtered is calm."""
    twin = oracle.Series(**section)
    found, before, begun = [], "", False
    for at, value in enumerate(values):
        begun = begun or not math.isnan(value)
        if not begun:
            continue
        value = 0.0 if at in filtered and not math.isnan(value) else float(value)
        for time, state in twin.step(at * HOUR, value):
            if state == "alarm" and before != "alarm":
                found.append([])
            if state == "alarm" and time == at * HOUR:
                found[-1].append(at)
            before = state
    return found


HOUR = 3600 * 10**9
VALUES = st.lists(
    st.one_of(st.sampled_from([0.0, 50.0, 100.0, math.nan]), st.floats(0, 100)), min_size=1, max_size=40
)
MISSING = st.sampled_from(["missing", "ignore", "breaching", "not_breaching"])


def nearest(threshold):
    """Severities breach from the threshold on, scores beyond it."""
    return math.nextafter(threshold, -math.inf)


@given(
    st.lists(VALUES, min_size=1, max_size=2), st.integers(1, 4), st.integers(0, 3), st.booleans(), MISSING,
    st.sampled_from([None, 2, 30.0]), st.sampled_from([None, "2h"]), st.sampled_from([None, "1h"]), st.data(),
)  # fmt: skip
def test_events_at_every_threshold(values, m, more, scored, missing, clear, lasting, period, data):
    """Beside the slow twin of the alarm, one for each series and threshold, with all that an alarm can be asked for."""
    own = 3.0 if scored else 50.0
    clear = None if clear is None else clear / 10 if scored else clear
    given = {"breaches": m, "of": m + more, "missing": missing, "lasting": lasting, "period": period}
    alarm = wr.Alarm(**{"threshold" if scored else "severity": own}, clear_below=clear, **given)
    filtered = data.draw(st.sets(st.integers(0, 40), max_size=5))
    many = [series(one, {"camera": str(at)}) for at, one in enumerate(values)]
    lengths = np.cumsum([0, *(len(one) for one in values)])
    for one, first in zip(many, lengths, strict=False):
        one.place = first + np.arange(len(one.time))
    lowered = np.zeros(lengths[-1], bool)
    lowered[
        [first + at for first, one in zip(lengths, values, strict=False) for at in filtered if at < len(one)]
    ] = True
    found = curve(many, alarm, 1.0, None, Told(lowered=lowered, others=2))
    assert len(found.threshold) == 100
    assert own in found.threshold
    assert found.what == ("score" if scored else "severity")
    twin = {"m": m, "n": m + more, "missing": missing}
    twin |= {"lasting": lasting and 2 * HOUR, "period": period and HOUR}
    for threshold, events in list(zip(found.threshold, found.events, strict=True))[::9]:
        limit = threshold if scored else nearest(threshold)
        section = twin | {
            "threshold": limit,
            "clear_below": clear if clear is None or clear <= threshold else None,
        }
        sizes = [np.array(one) / (10 if scored else 1) for one in values]
        assert events == 2 + sum(len(runs(size, section, filtered)) for size in sizes)


def test_silences_told_apart_are_not_the_alarms():
    one = series([60, 10, math.nan, math.nan, math.nan, 10], {})
    alarm = wr.Alarm(severity=50, missing="breaching")
    assert curve([one], alarm, 1.0, None).events[49] == 2
    assert curve([one], alarm, 1.0, None, Told(silences=True)).events[49] == 1


@given(VALUES, st.data())
def test_labels_at_every_threshold(values, data):
    marked = np.array(data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values))))
    found = curve([series(values, {"camera": "a"})], wr.Alarm(severity=50), 1.0, {("a",): marked})
    places = [
        [at for at in range(len(marked)) if marked[at] and begin <= at <= end]
        for begin, end in stretches(marked)
    ]
    assert [at for place in places for at in place] == np.flatnonzero(marked).tolist()
    for threshold, rows, events in zip(found.threshold, found.rows, found.stretches, strict=True):
        joined = runs(values, {"threshold": nearest(threshold)})
        over = {at for run in joined for at in run}
        right = over & set(np.flatnonzero(marked).tolist())
        assert (rows.raised, rows.right, rows.found) == (len(over), len(right), len(right))
        near = [{*place, place[-1] + 1} for place in places]
        assert events.raised == len(joined)
        assert events.right == sum(any(set(run) & place for place in near) for run in joined)
        assert events.found == sum(bool(over & place) for place in near)


def test_directions_of_a_score():
    one = series([10, 90, 10, 0], {})
    one.score = np.array([1.0, -9.0, 1.0, 8.0])
    one.severity = np.zeros(4)
    up = curve([one], wr.Alarm(threshold=3.0, direction="up"), 1.0, None)
    down = curve([one], wr.Alarm(threshold=3.0, direction="down"), 1.0, None)
    both = curve([one], wr.Alarm(threshold=3.0), 1.0, None)
    assert (up.threshold[-1], down.threshold[-1], both.threshold[-1]) == (8.0, 9.0, 9.0)
    at = [int(np.flatnonzero(found.threshold == 3.0)[0]) for found in (up, down, both)]
    assert [found.events[place] for found, place in zip((up, down, both), at, strict=True)] == [1, 1, 2]
    # Beyond the threshold, not at it.
    assert [found.events[-1] for found in (up, down, both)] == [0, 0, 0]


def test_advice_is_kept_above_it_too():
    # At the lowest threshold all is one event: that is no quiet setting.
    made = Curve("severity", np.arange(1.0, 6.0), np.array([1, 9, 4, 2, 0]), 2.0)
    assert made.suggested(7) == 4.0
    assert made.suggested(14) == 5.0
    assert made.suggested(30) is None
    assert Curve("severity", np.arange(1.0, 3.0), np.array([5, 5]), 2.0).suggested(7) is None


def test_nothing_judged_has_a_curve():
    found = curve([], wr.Alarm(severity=50), 1.0, None)
    assert found.events.sum() == 0
    assert curve([series([math.nan] * 3)], wr.Alarm(threshold=1.0), 1.0, None).events.sum() == 0


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
