//! How rarely a series does this: its own past peaks, a prior for young series, and the severity of it.
//!
//! Owns a small histogram of one statistic's peaks, what makes a value a new peak, and the two ways from a return
//! period to 0..100. Which statistic it is, is the caller's affair.

use std::f64::consts::LN_10;

use serde::{Deserialize, Serialize};

use crate::snapshot;

/// Bins of a histogram: eight an octave from 1.
pub const BINS: usize = 48;
/// The largest value that a histogram tells from larger ones.
pub const LARGEST: f64 = 64.0;
/// A value may take so many windows to grow and still be the same peak.
const GROWING: f64 = 6.5;

/// How often a typical series shows at least a value: `10^(level - slope log2 v - curve log2(v)^2)`.
#[derive(Debug, Clone, Copy)]
pub struct Prior {
    /// log10 of the rate beyond 1.
    pub level: f64,
    /// Its fall an octave.
    pub slope: f64,
    /// How the fall steepens.
    pub curve: f64,
}

impl Prior {
    /// The rate beyond a value of so many octaves above 1.
    pub fn rate(&self, octaves: f64) -> f64 {
        libm::exp(LN_10 * (self.level - self.slope * octaves - self.curve * octaves * octaves))
    }
}

/// The peaks of one statistic of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// Peaks by size, each faded since; not negative.
    #[serde(with = "snapshot::packed")]
    bins: [f64; BINS],
    /// The newest peak.
    #[serde(with = "snapshot::float")]
    value: f64,
    /// Its time in seconds; far in the past before there is one.
    #[serde(with = "snapshot::float")]
    time: f64,
    /// Its bin, below [`BINS`].
    bin: u8,
}

/// A value that is a new peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Peaks so far that were at least as large.
    pub beyond: f64,
    /// log2 of the value.
    pub octaves: f64,
    bin: u8,
    /// The newest peak has grown into this one.
    grown: bool,
}

impl Default for Peaks {
    fn default() -> Self {
        Self { bins: [0.0; BINS], value: 0.0, time: -1e18, bin: 0 }
    }
}

impl Peaks {
    /// Whether a value is a new peak: above 1 and above the newest one, which fades over `hold` hours. `window` is
    /// the hours of a window, `fade` what [`Peaks::fade`] is due to apply first.
    #[inline(always)]
    pub fn judge(&self, value: f64, time: f64, hold: f64, window: f64, fade: f64) -> Option<Peak> {
        if value > 1.0 { self.judge_large(value, time, hold, window, fade) } else { None }
    }

    #[inline(never)]
    fn judge_large(&self, value: f64, time: f64, hold: f64, window: f64, fade: f64) -> Option<Peak> {
        let past = (time - self.time) / 3600.0;
        let surely = value > self.value && past >= 0.0;
        // exp(-x) is at least 1 - x, which settles most values without it.
        let faded = past / hold;
        if !surely && (value <= self.value * (1.0 - faded) || value <= self.value * libm::exp(-faded)) {
            return None;
        }
        let grown = past <= GROWING * window;
        let octaves = libm::log2(value);
        let place = (8.0 * octaves).max(0.0).min(BINS as f64 - 1.001);
        let bin = place as usize;
        let count = |at: usize| {
            let count = self.bins[at] * fade;
            if grown && at == usize::from(self.bin) { (count - 1.0).max(0.0) } else { count }
        };
        let beyond = count(bin) * (1.0 - (place - bin as f64)) + (bin + 1..BINS).map(count).sum::<f64>();
        Some(Peak { beyond, octaves, bin: bin as u8, grown })
    }

    /// Takes in the peak that a value was found to be.
    pub fn learn(&mut self, value: f64, time: f64, peak: &Peak) {
        if peak.grown {
            let old = &mut self.bins[usize::from(self.bin)];
            *old = (*old - 1.0).max(0.0);
        }
        self.bins[usize::from(peak.bin)] += 1.0;
        (self.value, self.time, self.bin) = (value, time, peak.bin);
    }

    /// Takes a value for the newest peak without counting it.
    pub fn hold(&mut self, value: f64, time: f64) {
        (self.value, self.time) = (value, time);
    }

    /// Lets all peaks count less.
    pub fn fade(&mut self, factor: f64) {
        self.bins.iter_mut().for_each(|count| *count *= factor);
    }

    /// Whether restored peaks can be used.
    pub fn is_sound(&self) -> bool {
        usize::from(self.bin) < BINS
    }
}

/// The severity of a return period in days: 50 once a month, 80 once a year, 100 once in five years.
///
/// ```
/// use windrow_core::residual::return_period::severity;
/// assert_eq!(severity(30.0), 50.0);
/// assert!((severity(365.0) - 80.0).abs() < 1e-12);
/// ```
pub fn severity(days: f64) -> f64 {
    let severity = 50.0 + 30.0 * libm::log(days / 30.0) / libm::log(365.0 / 30.0);
    if severity > 0.0 { severity.min(100.0) } else { 0.0 }
}

/// The return period in days that reads a severity: the inverse of [`severity`].
pub fn days(severity: f64) -> f64 {
    30.0 * libm::exp((severity - 50.0) / 30.0 * libm::log(365.0 / 30.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_peak_counts_once() {
        let mut peaks = Peaks::default();
        let mut see = |value: f64, hour: f64| {
            let peak = peaks.judge(value, hour * 3600.0, 40.0, 1.0, 1.0);
            if let Some(peak) = &peak {
                peaks.learn(value, hour * 3600.0, peak);
            }
            peak.map(|peak| peak.beyond)
        };
        assert_eq!(see(0.9, 0.0), None);
        assert_eq!(see(2.0, 1.0), Some(0.0));
        assert_eq!(see(4.0, 2.0), Some(0.0));
        assert_eq!(see(3.0, 3.0), None);
        // A day later the record has faded enough, and the one larger peak is there to be counted.
        assert_eq!(see(3.0, 26.0), Some(1.0));
        assert_eq!(peaks.bins.iter().sum::<f64>(), 2.0);
    }

    #[test]
    fn severity_has_ends() {
        assert_eq!(severity(0.0), 0.0);
        assert!((days(80.0) - 365.0).abs() < 1e-9);
        assert_eq!(severity(f64::INFINITY), 100.0);
        assert!((severity(5.0 * 365.0) - 100.0).abs() < 0.7);
    }
}
