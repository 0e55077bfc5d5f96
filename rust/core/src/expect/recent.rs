//! The recent past of a series of counts, and what it says of the next value.
//!
//! Owns the residuals of the last two windows, their weighted means over three memories, the hourly means of the
//! last week, and the regression on all of these. Residuals are in units of the spread around the profile.

use serde::{Deserialize, Serialize};

use super::autoregressive::{Forgetting, LeastSquares};
use super::profile::WEEK;
use crate::snapshot;

/// Regressors: the last two residuals, memories of 24 h and 168 h, the same hour a day and a week ago, 6 h.
const FEATURES: usize = 7;
/// Memories of the weighted means, in hours.
const MEMORIES: [f64; 3] = [24.0, 168.0, 6.0];
/// The regression begins after so many windows.
const FROM: u64 = 72;
const FORGETTING: Forgetting = Forgetting { factor: 0.9998, most: FEATURES as f64 };
/// No residual that is remembered is larger.
const LARGEST: f64 = 7.0;
/// Nor does a forecast reach farther.
const FARTHEST: f64 = 4.0;
const HOURS: i64 = WEEK as i64;

/// What three memories learn over some hours; the same for every window at a steady pace.
#[derive(Debug, Clone, Copy)]
pub struct Rates([f64; 3]);

impl Rates {
    /// Over so many hours.
    pub fn over(hours: f64) -> Self {
        Self(MEMORIES.map(|memory| 1.0 - libm::exp(-hours / memory)))
    }
}

/// The recent residuals of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    fit: LeastSquares<FEATURES, 8>,
    /// Means of the hours before `hour`, by hour modulo a week.
    #[serde(with = "snapshot::packed")]
    ring: [f64; WEEK],
    /// The hour (since the epoch) that is being summed up.
    hour: i64,
    #[serde(with = "snapshot::float")]
    sum: f64,
    count: u64,
    /// The last two residuals, newest first.
    #[serde(with = "snapshot::array")]
    last: [f64; 2],
    #[serde(with = "snapshot::array")]
    means: [f64; 3],
}

/// What the recent past says.
#[derive(Debug, Clone, Copy)]
pub struct Outlook {
    /// The residual to be expected.
    pub forecast: f64,
    features: [f64; FEATURES],
    hour: i64,
}

impl Outlook {
    /// The hour since the epoch.
    pub fn hour(&self) -> i64 {
        self.hour
    }
}

/// The hour that a time in seconds lies in.
fn hour_of(time: f64) -> i64 {
    (time / 3600.0 + 1e-6).floor() as i64
}

fn slot(hour: i64) -> usize {
    hour.rem_euclid(HOURS) as usize
}

impl Recent {
    /// Of a series whose first window starts at `time`.
    pub fn new(time: f64) -> Self {
        Self {
            fit: LeastSquares::new([0.0; FEATURES], 1.0),
            ring: [0.0; WEEK],
            hour: hour_of(time).saturating_sub(1),
            sum: 0.0,
            count: 0,
            last: [0.0; 2],
            means: [0.0; 3],
        }
    }

    /// The mean of an hour in the week before `now`; hours without a window are 0. `place` is its slot, `newest` that of the
    /// hour that is being summed up.
    #[inline(always)]
    fn at(&self, hour: i64, place: usize, now: i64, newest: usize) -> f64 {
        let past = now.saturating_sub(self.hour);
        if past > 0 {
            // Hours between the one being summed up and now had no window.
            if past > 1 && now.saturating_sub(1).saturating_sub(hour).rem_euclid(HOURS) < past - 1 {
                return 0.0;
            }
            if place == newest && self.count > 0 {
                return self.sum / self.count as f64;
            }
        }
        self.ring[place]
    }

    /// What is to be expected of the window at `time`; after a gap the last residuals don't count.
    #[inline(always)]
    pub fn outlook(&self, time: f64, gap: bool) -> Outlook {
        let hour = hour_of(time);
        let last = if gap { [0.0; 2] } else { self.last };
        let (place, newest) = (slot(hour), slot(self.hour));
        let day_before = if place < 24 { place + WEEK - 24 } else { place - 24 };
        let features = [
            last[0],
            last[1],
            self.means[0],
            self.means[1],
            self.at(hour.saturating_sub(24), day_before, hour, newest),
            self.at(hour, place, hour, newest),
            self.means[2],
        ];
        Outlook { forecast: self.fit.forecast(&features).clamp(-FARTHEST, FARTHEST), features, hour }
    }

    /// The recent past with so many windows more that didn't come, the first of them at `time`: each counts as what was
    /// to be expected of it, so that what came before stays as far away as it is.
    pub fn across(&self, windows: u32, time: f64, every: f64) -> Self {
        let mut filled = self.clone();
        for window in 0..windows {
            let outlook = filled.outlook(time + f64::from(window) * every, false);
            filled.roll(outlook.hour);
            filled.last = [outlook.forecast, filled.last[0]];
            filled.sum += outlook.forecast;
            filled.count = filled.count.saturating_add(1);
        }
        filled
    }

    /// Takes in the residual that came, and the (limited) error of the forecast; `seen` were learned before.
    #[inline(always)]
    pub fn learn(&mut self, outlook: &Outlook, residual: f64, error: f64, rates: &Rates, seen: u64) {
        self.roll(outlook.hour);
        if seen > FROM {
            self.fit.learn(&outlook.features, error, FORGETTING);
        }
        let residual = residual.clamp(-LARGEST, LARGEST);
        self.last = [residual, outlook.features[0]];
        for (mean, rate) in self.means.iter_mut().zip(rates.0) {
            *mean += rate * (residual - *mean);
        }
        self.sum += residual;
        self.count = self.count.saturating_add(1);
    }

    /// Closes the hours before `hour`.
    fn roll(&mut self, hour: i64) {
        let past = hour.saturating_sub(self.hour);
        if past <= 0 {
            return;
        }
        if self.count > 0 {
            self.ring[slot(self.hour)] = self.sum / self.count as f64;
        }
        for back in 1..=(past - 1).min(HOURS) {
            self.ring[slot(hour.saturating_sub(back))] = 0.0;
        }
        (self.sum, self.count, self.hour) = (0.0, 0, hour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_ahead_is_what_rolling_gives() {
        // Whatever the gap, features before and after the roll are the same.
        for gap in [1_i64, 2, 23, 24, 25, 100, 167, 168, 169, 400] {
            let mut recent = Recent::new(0.0);
            for hour in 0..200_i32 {
                let outlook = recent.outlook(f64::from(hour) * 3600.0, false);
                recent.learn(&outlook, f64::from(hour % 5), 0.1, &Rates::over(1.0), hour as u64);
            }
            let time = (199 + gap) as f64 * 3600.0;
            let before = recent.outlook(time, false).features;
            recent.roll(hour_of(time));
            assert_eq!(before, recent.outlook(time, false).features, "{gap}");
        }
    }
}
