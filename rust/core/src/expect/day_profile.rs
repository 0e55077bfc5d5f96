//! The day of a metric: what each hour usually shows, workdays and weekends apart.
//!
//! Owns 24 + 48 means, shrunk to the overall mean. For metrics of any length of window; counts have
//! [`super::HourOfWeek`].

use serde::{Deserialize, Serialize};

use crate::arithmetic::larger;
use crate::snapshot;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// How many values of its own weigh as much as what a bucket is shrunk to.
const SHRINK: f64 = 3.0;
/// Slowest learning rate of a bucket, per value.
const RATE: f64 = 0.02;
/// A bucket counts no further.
const MOST: u16 = 10_000;

/// Means by hour and by kind of day x hour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayProfile {
    #[serde(with = "snapshot::float")]
    mean: f64,
    #[serde(with = "snapshot::array")]
    hour: [f64; 24],
    #[serde(with = "snapshot::array")]
    kind: [f64; 48],
    hour_seen: [u16; 24],
    #[serde(with = "kinds_seen")]
    kind_seen: [u16; 48],
}

/// Where a time lies: hour, and kind of day x hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourOfDay {
    hour: usize,
    kind: usize,
}

impl HourOfDay {
    /// Of a time in seconds.
    #[inline(always)]
    pub fn of(time: f64) -> Self {
        // As integers, which divide by a constant faster; rounded down without asking the C library.
        let whole = time as i64;
        let seconds = if whole as f64 > time { whole.saturating_sub(1) } else { whole };
        let hour = (seconds.rem_euclid(DAY) / HOUR) as usize;
        let weekend = (seconds.div_euclid(DAY) + 3).rem_euclid(7) >= 5;
        Self { hour, kind: hour + if weekend { 24 } else { 0 } }
    }
}

impl Default for DayProfile {
    fn default() -> Self {
        Self { mean: 0.0, hour: [0.0; 24], kind: [0.0; 48], hour_seen: [0; 24], kind_seen: [0; 48] }
    }
}

impl DayProfile {
    /// What is usual at that hour.
    #[inline(always)]
    pub fn expect(&self, at: HourOfDay) -> f64 {
        let shrunk = |mean: f64, seen: u16, to: f64| {
            let seen = f64::from(seen);
            to + (mean - to) * seen / (seen + SHRINK)
        };
        let by_hour = shrunk(self.hour[at.hour], self.hour_seen[at.hour], self.mean);
        shrunk(self.kind[at.kind], self.kind_seen[at.kind], by_hour)
    }

    /// Takes in a value; `rate` is how fast the overall mean follows.
    #[inline(always)]
    pub fn learn(&mut self, at: HourOfDay, value: f64, rate: f64) {
        let learn = |mean: &mut f64, seen: &mut u16| {
            *mean += larger(1.0 / (f64::from(*seen) + 1.0), RATE) * (value - *mean);
            *seen = seen.saturating_add(1).min(MOST);
        };
        self.mean += rate * (value - self.mean);
        learn(&mut self.hour[at.hour], &mut self.hour_seen[at.hour]);
        learn(&mut self.kind[at.kind], &mut self.kind_seen[at.kind]);
    }
}

/// Arrays of 48, which serde doesn't know.
mod kinds_seen {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(seen: &[u16; 48], serializer: S) -> Result<S::Ok, S::Error> {
        (&seen[..24], &seen[24..]).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u16; 48], D::Error> {
        let (mut all, rest) = <(Vec<u16>, Vec<u16>)>::deserialize(deserializer)?;
        all.extend(rest);
        all.try_into().map_err(|_| serde::de::Error::custom("a day profile must have 48 counts"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_hours() {
        let at = |time| HourOfDay::of(time);
        assert_eq!(at(0.0), HourOfDay { hour: 0, kind: 0 });
        // 1970-01-03 was a Saturday.
        assert_eq!(at(2.0 * 86_400.0 + 3_600.0), HourOfDay { hour: 1, kind: 25 });
        assert_eq!(at(-1.0), HourOfDay { hour: 23, kind: 23 });
    }
}
