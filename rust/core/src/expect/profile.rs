//! The week of a series: what each of its 168 hours usually brings.
//!
//! Owns three profiles of one series, fine to coarse (hour of week, kind of day x hour, hour), and shrinks each
//! to the next by how little it has seen. Knows no spread and no recent past.

use serde::{Deserialize, Serialize};

use crate::arithmetic::{larger, lesser};
use crate::snapshot;

/// Hours of a week.
pub const WEEK: usize = 168;
/// Kinds of day (workday, weekend) x hours.
pub const KINDS: usize = 48;

/// How many hours of its own weigh as much as what a bucket is shrunk to.
const SHRINK: f64 = 9.0;
/// Slowest learning rate, per hour spent in the bucket.
const RATE: f64 = 0.05;
/// Where Sunday begins, which stands in for a holiday.
const SUNDAY: usize = 144;

/// Where in the week the middle of a window lies: between the middles of two hours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Hours of the week, 0 = Monday 00:00; below [`WEEK`].
    hours: [usize; 2],
    /// What each counts; they sum to 1, and the second may be 0.
    weights: [f64; 2],
    /// Kind of day x hour of the nearer one; below [`KINDS`].
    kind: usize,
}

fn kind_of(hour: usize) -> usize {
    hour % 24 + if hour >= 120 { 24 } else { 0 }
}

impl Place {
    /// Of the window that starts at `start` and lasts `every`, both in seconds; hours of a holiday are a Sunday's.
    #[inline(always)]
    pub fn of(start: f64, every: f64, holiday: bool) -> Self {
        let middle = (start + every / 2.0) / 3600.0 - 0.5;
        let before = (middle + 1e-6).floor();
        let mut second = middle - before;
        if second < 1e-3 {
            second = 0.0;
        }
        // The epoch began on a Thursday.
        let of_week = (before as i64).saturating_add(72).rem_euclid(WEEK as i64) as usize;
        let following = if of_week + 1 < WEEK { of_week + 1 } else { 0 };
        let [hour, next] = if holiday {
            let today = (start / 86_400.0).floor();
            let on_it = |hour: f64| (hour / 24.0).floor() == today;
            [(before, of_week), (before + 1.0, following)]
                .map(|(hour, place)| if on_it(hour) { SUNDAY + place % 24 } else { place })
        } else {
            [of_week, following]
        };
        let kind = kind_of(if second > 0.5 { next } else { hour });
        Self { hours: [hour, next], weights: [1.0 - second, second], kind }
    }

    /// Kind of day x hour, below [`KINDS`].
    pub fn kind(&self) -> usize {
        self.kind
    }

    fn parts(&self) -> impl Iterator<Item = (usize, f64)> {
        let used = if self.weights[1] > 0.0 { 2 } else { 1 };
        (0..used).map(|at| (self.hours[at], self.weights[at]))
    }
}

/// Means of buckets, each with the hours that it has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Means<const N: usize> {
    #[serde(with = "snapshot::packed")]
    mean: [f64; N],
    /// Not negative.
    #[serde(with = "snapshot::packed")]
    hours: [f64; N],
}

impl<const N: usize> Means<N> {
    const EMPTY: Self = Self { mean: [0.0; N], hours: [0.0; N] };

    #[inline(always)]
    fn shrunk(&self, bucket: usize, to: f64) -> f64 {
        to + (self.mean[bucket] - to) * self.hours[bucket] / (self.hours[bucket] + SHRINK)
    }

    #[inline(always)]
    fn learn(&mut self, bucket: usize, value: f64, hours: f64) {
        self.hours[bucket] += hours;
        let rate = larger(hours / self.hours[bucket], RATE * hours);
        self.mean[bucket] += rate * (value - self.mean[bucket]);
    }
}

/// The hour-of-week profile of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HourOfWeek {
    week: Means<WEEK>,
    kind: Means<KINDS>,
    hour: Means<24>,
}

impl Default for HourOfWeek {
    fn default() -> Self {
        Self { week: Means::EMPTY, kind: Means::EMPTY, hour: Means::EMPTY }
    }
}

impl HourOfWeek {
    /// What is expected at a place, with `level` where nothing is known of it. Not negative: these are counts.
    #[inline(always)]
    pub fn expect(&self, place: &Place, level: f64) -> f64 {
        let mut expected = 0.0;
        for (hour, weight) in place.parts() {
            let by_hour = self.hour.shrunk(hour % 24, level);
            let by_kind = self.kind.shrunk(kind_of(hour), by_hour);
            expected += weight * self.week.shrunk(hour, by_kind);
        }
        expected.max(0.0)
    }

    /// Takes in the value of a window of so many hours.
    #[inline(always)]
    pub fn learn(&mut self, place: &Place, value: f64, hours: f64) {
        for (hour, weight) in place.parts() {
            let hours = weight * lesser(hours, 1.0);
            self.hour.learn(hour % 24, value, hours);
            self.kind.learn(kind_of(hour), value, hours);
            self.week.learn(hour, value, hours);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_week_begins_on_monday() {
        // 1970-01-05 was a Monday; the middle of its first hour is the middle of bucket 0.
        let place = Place::of(4.0 * 86_400.0, 3600.0, false);
        assert_eq!((place.hours[0], place.weights, place.kind()), (0, [1.0, 0.0], 0));
        // The quarter before midnight on Sunday leans on Monday's first hour.
        let place = Place::of(4.0 * 86_400.0 - 900.0, 900.0, false);
        assert_eq!((place.hours, place.kind()), ([167, 0], 47));
        assert!((place.weights[1] - 0.375).abs() < 1e-9);
        assert!(Place::of(-1e300, 1e300, true).hours[0] < WEEK);
        // A holiday on Wednesday: its first quarter lies between Tuesday's last hour and Sunday's first.
        let place = Place::of(6.0 * 86_400.0, 900.0, true);
        assert_eq!((place.hours, place.kind()), ([47, 144], 24));
    }

    #[test]
    fn an_hour_is_learned_and_others_stay() {
        let mut profile = HourOfWeek::default();
        for week in 0..20 {
            for hour in 0..168 {
                let start = f64::from(week * 168 + hour) * 3600.0 + 4.0 * 86_400.0;
                let value = if hour == 30 { 100.0 } else { 10.0 };
                profile.learn(&Place::of(start, 3600.0, false), value, 1.0);
            }
        }
        let at =
            |hour: i32| profile.expect(&Place::of(f64::from(hour) * 3600.0 + 345_600.0, 3600.0, false), 10.0);
        assert!(at(30) > 70.0, "{}", at(30));
        assert!((at(31) - 10.0).abs() < 1e-6);
    }
}
