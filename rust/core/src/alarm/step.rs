//! One series through an alarm, point by point.
//!
//! Owns what a series has to remember, how long a breach has lasted, and the points that are missing because
//! their rows never came. An absence may end an alarm or let it stand; it opens one only where missing points
//! are declared breaching, so an alarm doesn't fire again when data stops.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::rule::{self, Missing, Point, State};
use super::settings::Alarm;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Ranges up to this length are looked through whole at every point.
const SHORT: usize = 16;

/// What an alarm remembers of one series.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AlarmState {
    state: State,
    /// The newest points, oldest first; never more than the alarm's range.
    points: VecDeque<Point>,
    /// The largest time of a point, missing ones included.
    newest: Option<Timestamp>,
    /// The largest time of a point that was there.
    heard: Option<Timestamp>,
    /// When the run of breaches began that no calm point has ended yet.
    breach_since: Option<Timestamp>,
}

impl AlarmState {
    /// Whether it has seen a point.
    pub fn has_begun(&self) -> bool {
        self.newest.is_some()
    }

    /// The largest time of a point that was there.
    pub fn heard(&self) -> Option<Timestamp> {
        self.heard
    }

    /// What the alarm says now.
    pub fn state(&self) -> State {
        self.state
    }

    /// Forgets what lies before an alarm's range.
    pub fn shorten(&mut self, alarm: &Alarm) {
        let excess = self.points.len().saturating_sub(alarm.look_back() as usize);
        self.points.drain(..excess);
    }

    /// Whether a restored state is one that this alarm could have left behind.
    pub fn check(&self, alarm: &Alarm) -> Result<()> {
        if self.points.len() > alarm.look_back() as usize {
            return Err(Error::snapshot(format!(
                "a series' alarm remembers {} points, more than its range of {}",
                self.points.len(),
                alarm.look_back()
            )));
        }
        Ok(())
    }
}

/// What one point did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The point's time; of a missing one, when it was due.
    pub time: Timestamp,
    /// What the alarm says now.
    pub state: State,
    /// What it said before.
    pub before: State,
    /// Whether those differ: the only cause for action.
    pub changed: bool,
    /// What the point counted as.
    pub point: Point,
    /// Points in breach among those that were weighed.
    pub breaches: u32,
}

impl Alarm {
    /// Takes a series' next point: a score or a severity, null where there is none. Points are taken in the
    /// order of their arrival.
    ///
    /// Rows that never came before it are made up for first; a caller that wants to see what those did calls
    /// [`Alarm::absent`] before.
    #[inline(always)]
    pub fn step(&self, series: &mut AlarmState, time: Timestamp, value: Option<f64>) -> Step {
        let before = series.state;
        if self.settings().period.is_some() {
            while self.absent(series, time).is_some() {}
        }
        let point = self.classify(value, series.state);
        let step = self.stay(series, time, point).unwrap_or_else(|| self.take(series, time, point));
        Step { before, changed: step.state != before, ..step }
    }

    /// The step of a calm point after a range of nothing else, as nearly all are: only time moves.
    #[inline(always)]
    fn stay(&self, series: &mut AlarmState, time: Timestamp, point: Point) -> Option<Step> {
        let is_calm = |points: &[Point]| points.iter().all(|point| *point == Point::Calm);
        let (older, newer) = series.points.as_slices();
        let length = older.len() + newer.len();
        if point != Point::Calm
            || series.state != State::Ok
            || length != self.look_back() as usize
            || length > SHORT
            || !is_calm(older)
            || !is_calm(newer)
        {
            return None;
        }
        series.newest = series.newest.max(Some(time));
        series.heard = series.heard.max(Some(time));
        series.breach_since = None;
        Some(Step { time, state: State::Ok, before: State::Ok, changed: false, point, breaches: 0 })
    }

    /// The next point that is missing before `now` because its row never came, if there is one; to be called
    /// until there is none. It takes a `period`.
    ///
    /// Rows are expected a period after each other. One that comes within half a period of its due time has
    /// come in time. However long the gap, there are at most about `look_back` such points: after that nothing
    /// can change any more.
    pub fn absent(&self, series: &mut AlarmState, now: Timestamp) -> Option<Step> {
        let period = i128::from(self.settings().period?);
        let newest = i128::from(series.newest?);
        // The k-th row is missing when `now` is past its due time by more than half a period.
        let gap = i128::from(now) - newest;
        let missing = (2 * gap - period - 1).div_euclid(2 * period);
        if missing <= 0 {
            return None;
        }
        let mut skipped = 0;
        let full = series.points.len() >= self.look_back() as usize;
        if full && series.points.iter().all(|point| *point == Point::Missing) {
            // Only a lasting breach can still change anything, and it is known when.
            skipped = match self.due(series) {
                Some(due) => (i128::from(due) - newest + period - 1).div_euclid(period).clamp(1, missing) - 1,
                None => missing,
            };
        }
        // Not beyond `now`, which fits.
        series.newest = Some((newest + skipped * period) as Timestamp);
        if skipped == missing {
            return None;
        }
        let time = (newest + (skipped + 1) * period) as Timestamp;
        Some(self.take(series, time, Point::Missing))
    }

    /// When a run of missing points that count as breaches will have lasted long enough.
    fn due(&self, series: &AlarmState) -> Option<Timestamp> {
        let lasting = self.settings().lasting?;
        let pending = self.settings().missing == Missing::Breaching && series.state != State::Alarm;
        pending.then_some(series.breach_since?.saturating_add(lasting))
    }

    fn take(&self, series: &mut AlarmState, time: Timestamp, point: Point) -> Step {
        let before = series.state;
        series.newest = series.newest.max(Some(time));
        if point != Point::Missing {
            series.heard = series.heard.max(Some(time));
        }
        while series.points.len() >= self.look_back() as usize {
            series.points.pop_front();
        }
        series.points.push_back(point);
        let settings = self.settings();
        match (point, settings.missing) {
            (Point::Breach, _) | (Point::Missing, Missing::Breaching) => {
                series.breach_since.get_or_insert(time);
            }
            (Point::Calm, _) | (Point::Missing, Missing::NotBreaching) => series.breach_since = None,
            (Point::Missing, _) => {}
        }
        // What lies before a series' first point was never expected, so nothing of it is missing.
        let m_of_n = (settings.breaches, settings.of);
        let verdict = rule::decide(series.points.iter().rev().copied(), 0, m_of_n, settings.missing, before);
        let opens = verdict.state == State::Alarm && before != State::Alarm;
        series.state = match point {
            Point::Missing if opens && settings.missing != Missing::Breaching => before,
            Point::Missing if opens && !self.lasted(series, time) => before,
            _ if opens && !self.lasted(series, time) => State::Ok,
            _ => verdict.state,
        };
        Step {
            time,
            state: series.state,
            before,
            changed: series.state != before,
            point,
            breaches: verdict.breaches,
        }
    }

    /// Whether the breach has held for as long as it has to. The rule alone decides when the alarm ends.
    fn lasted(&self, series: &AlarmState, time: Timestamp) -> bool {
        self.settings().lasting.is_none_or(|lasting| {
            series.breach_since.is_some_and(|since| time.saturating_sub(since) >= lasting)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::Settings;

    fn alarm(change: impl FnOnce(&mut Settings)) -> Alarm {
        let mut settings = Settings { threshold: Some(3.0), ..Settings::default() };
        change(&mut settings);
        Alarm::new(settings).unwrap()
    }

    fn states(alarm: &Alarm, points: &[(i64, Option<f64>)]) -> Vec<&'static str> {
        let mut series = AlarmState::default();
        points.iter().map(|(time, value)| alarm.step(&mut series, *time, *value).state.name()).collect()
    }

    #[test]
    fn data_that_stops_fires_nothing_again() {
        // 2 of 3 breached, so there was an alarm; forgetting the calm point between must not raise it again.
        for missing in [Missing::Missing, Missing::Ignore, Missing::NotBreaching] {
            let alarm = alarm(|set| {
                (set.breaches, set.of, set.missing, set.period) = (2, 3, missing, Some(10));
            });
            let mut series = AlarmState::default();
            for (time, value) in [(0, 9.0), (10, 0.0), (20, 9.0)] {
                alarm.step(&mut series, time, Some(value));
            }
            assert_eq!(series.state(), State::Alarm);
            let mut opened = 0;
            while let Some(step) = alarm.absent(&mut series, 1_000_000) {
                opened += usize::from(step.changed && step.state == State::Alarm);
            }
            assert_eq!(opened, 0, "{missing:?}");
        }
    }

    #[test]
    fn calm_points_are_stepped_over_as_others_are_through() {
        let mut random = 1_u32;
        let mut draw = |below: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) % below
        };
        for (breaches, of, lasting) in [(1, 1, None), (2, 3, None), (3, 5, Some(20)), (1, 20, None)] {
            let alarm = alarm(|set| (set.breaches, set.of, set.lasting) = (breaches, of, lasting));
            let (mut quick, mut slow) = (AlarmState::default(), AlarmState::default());
            for row in 0..2_000 {
                // Long calm stretches, and some of everything.
                let value = match draw(if row % 400 < 200 { 4 } else { 40 }) {
                    0 => Some(9.0),
                    1 => None,
                    _ => Some(0.0),
                };
                let time = 10 * row - i64::from(draw(15));
                let point = alarm.classify(value, slow.state);
                assert_eq!(alarm.step(&mut quick, time, value), alarm.take(&mut slow, time, point));
                assert_eq!(quick, slow);
            }
        }
    }

    #[test]
    fn a_breach_has_to_last() {
        let alarm = alarm(|set| set.lasting = Some(180));
        let x = Some(9.0);
        assert_eq!(
            states(&alarm, &[(0, x), (7, x), (100, x), (179, x), (180, x), (181, Some(0.0)), (400, x)]),
            ["ok", "ok", "ok", "ok", "alarm", "ok", "ok"]
        );
    }

    #[test]
    fn hysteresis_holds_an_alarm() {
        let alarm = alarm(|set| set.clear_below = Some(2.0));
        let points: Vec<_> = [2.5, 3.5, -2.5, 2.0, 1.9, 2.5].into_iter().map(|v| (0, Some(v))).collect();
        assert_eq!(states(&alarm, &points), ["ok", "alarm", "alarm", "alarm", "ok", "ok"]);
    }

    #[test]
    fn absent_rows_are_missing_points() {
        let alarm = alarm(|set| (set.look_back, set.period) = (Some(3), Some(10)));
        let mut series = AlarmState::default();
        alarm.step(&mut series, 0, Some(9.0));
        // Half a period late is in time.
        assert_eq!(alarm.absent(&mut series, 15), None);
        let seen: Vec<_> = std::iter::from_fn(|| alarm.absent(&mut series, i64::MAX))
            .map(|step| (step.time, step.state.name(), step.changed))
            .collect();
        assert_eq!(seen, [(10, "alarm", false), (20, "alarm", false), (30, "insufficient_data", true)]);
        assert_eq!(alarm.step(&mut series, i64::MAX, Some(0.0)).state, State::Ok);
        let mut old = AlarmState::default();
        alarm.step(&mut old, i64::MIN, Some(0.0));
        assert_eq!(alarm.step(&mut old, i64::MAX, Some(9.0)).state, State::Alarm);
    }

    #[test]
    fn silence_that_breaches_has_to_last_too() {
        let alarm = alarm(|set| {
            (set.missing, set.period, set.lasting) = (Missing::Breaching, Some(1), Some(1_000_000_000));
        });
        let mut series = AlarmState::default();
        alarm.step(&mut series, 0, Some(0.0));
        let opened: Vec<_> = std::iter::from_fn(|| alarm.absent(&mut series, i64::MAX))
            .filter(|step| step.changed)
            .map(|step| (step.time, step.state.name()))
            .collect();
        assert_eq!(opened, [(1_000_000_001, "alarm")]);
    }
}
