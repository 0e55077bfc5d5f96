//! The channels of a count against each other: how rare each one's value is, and the rarest of them, once.
//!
//! Owns the channels' scales, their peaks, the priors, and the rule that one event is told once. What a channel
//! measures is the affair of [`super::channels`].

use serde::{Deserialize, Serialize};

use super::channels::CHANNELS;
use super::return_period::{Peak, Peaks, Prior};
use crate::snapshot;

/// Channels that come in pairs of up and down, which share a scale.
const PAIRED: usize = 8;
/// Days before the first verdict.
pub const WARM_UP: f64 = 7.0;
/// Peaks fade over so many days; nor does the time that was watched count any longer.
const MEMORY_DAYS: f64 = 700.0;
/// Days of watching that the prior is worth: of the quick channels, and of the others.
const PRIOR_DAYS_QUICK: f64 = 30.0;
const PRIOR_DAYS: f64 = 180.0;
/// Channels 0 to 3 look at single windows: more windows an hour, more chances.
const QUICK: usize = 4;
/// A channel's newest peak fades over so many hours, times [`HOLD`].
const HOLD_HOURS: f64 = 40.0;
const HOLD: [f64; CHANNELS] = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.1, 2.1, 1.0, 1.0];
/// What was told fades by one decade of return period in so many hours.
const TOLD_HOURS: f64 = 24.0;
/// Scales: memory in days, days that the prior is worth, and how far one value counts.
const SCALE_DAYS: f64 = 60.0;
const SCALE_PRIOR_DAYS: f64 = 3.5;
const SCALE_CLIP: f64 = 5.0;
/// Mean squares of the four pairs on a typical series.
const SCALES: [f64; PAIRED / 2] = [0.7, 0.6, 0.003, 0.006];
/// What each channel's return period is worth, in decades.
const WEIGHTS: [f64; CHANNELS] = [0.5, -1.1, -0.8, -1.4, 0.4, 0.5, 0.3, -1.8, 0.4, -0.6];
/// Events a day beyond a value on a typical series (fitted on development streets).
const PRIORS: [Prior; CHANNELS] = [
    Prior { level: 0.48, slope: 0.70, curve: 0.000 },
    Prior { level: 0.67, slope: 0.88, curve: 0.093 },
    Prior { level: -0.09, slope: 0.00, curve: 0.269 },
    Prior { level: 0.92, slope: 1.16, curve: 0.063 },
    Prior { level: -0.81, slope: 0.36, curve: 0.108 },
    Prior { level: -0.88, slope: 0.34, curve: 0.092 },
    Prior { level: -0.94, slope: 0.40, curve: 0.296 },
    Prior { level: -1.00, slope: 0.46, curve: 0.168 },
    Prior { level: -0.74, slope: 0.36, curve: 0.009 },
    Prior { level: -0.60, slope: 0.35, curve: 0.153 },
];
/// log10 of the weighted return period in days that reads 0, 50 and 80.
const KNOTS: [f64; 3] = [0.3, 2.69, 4.14];

/// The severity of a log10 weighted return period: linear between the calibrated knots.
pub fn severity(level: f64) -> f64 {
    let [zero, fifty, eighty] = KNOTS;
    if level <= zero {
        0.0
    } else if level < fifty {
        50.0 * (level - zero) / (fifty - zero)
    } else {
        (50.0 + 30.0 * (level - fifty) / (eighty - fifty)).min(100.0)
    }
}

/// What the channels of one series did before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Records {
    #[serde(with = "snapshot::array")]
    scales: [f64; PAIRED / 2],
    peaks: [Peaks; CHANNELS],
    /// log10 of the return period that was told last, fading.
    #[serde(with = "snapshot::float")]
    told: f64,
    /// Age in days at which the peaks last faded.
    #[serde(with = "snapshot::float")]
    faded: f64,
}

/// When a window came.
#[derive(Debug, Clone, Copy)]
pub struct When {
    /// Its time in seconds.
    pub time: f64,
    /// Days since the series' first window.
    pub age: f64,
    /// Hours since the window before.
    pub elapsed: f64,
    /// Its length in hours.
    pub hours: f64,
}

/// What was found.
#[derive(Debug, Clone, Copy)]
pub struct Finding {
    /// log10 of the weighted return period in days, where there is something to tell.
    pub told: Option<f64>,
    /// The channel with the longest one.
    pub channel: usize,
    /// Its return period in days, unweighted.
    pub days: f64,
    scaled: [f64; CHANNELS],
    peaks: [Option<Peak>; CHANNELS],
    fade: Option<f64>,
}

impl Default for Records {
    fn default() -> Self {
        Self { scales: SCALES, peaks: std::array::from_fn(|_| Peaks::default()), told: -9.0, faded: 0.0 }
    }
}

impl Records {
    fn scale(&self, pair: usize) -> f64 {
        self.scales[pair].sqrt().max(0.01 * SCALES[pair].sqrt())
    }

    /// Judges the channels' values without learning them.
    #[inline]
    pub fn judge(&self, values: &[f64; CHANNELS], when: &When) -> Finding {
        // Once a day the peaks fade.
        let fade = (when.age - self.faded >= 1.0).then(|| libm::exp(-(when.age - self.faded) / MEMORY_DAYS));
        let mut scaled = *values;
        for pair in 0..PAIRED / 2 {
            let scale = self.scale(pair);
            scaled[2 * pair] /= scale;
            scaled[2 * pair + 1] /= scale;
        }
        let mut finding =
            Finding { told: None, channel: 0, days: 0.0, scaled, peaks: [None; CHANNELS], fade };
        let ready = when.age - WARM_UP;
        if ready <= 0.0 {
            return finding;
        }
        let watched = ready.min(MEMORY_DAYS);
        let mut best = -9.0;
        for channel in 0..CHANNELS {
            let hold = HOLD_HOURS * HOLD[channel];
            let faded = fade.unwrap_or(1.0);
            let value = scaled[channel];
            let peak = self.peaks[channel].judge(value, when.time, hold, when.hours, faded);
            finding.peaks[channel] = peak;
            let Some(peak) = peak else { continue };
            let quick = channel < QUICK;
            let prior_days = if quick { PRIOR_DAYS_QUICK } else { PRIOR_DAYS };
            let mut rate = PRIORS[channel].rate(value);
            if quick && when.hours < 1.0 {
                rate /= when.hours;
            }
            let days = (watched + prior_days) / (peak.beyond + prior_days * rate);
            let level = libm::log10(days) + WEIGHTS[channel];
            if level > best {
                best = level;
                (finding.channel, finding.days) = (channel, days);
            }
        }
        if best > KNOTS[0] && best > self.told - when.elapsed / TOLD_HOURS {
            finding.told = Some(best);
        }
        finding
    }

    /// Takes in what was found.
    #[inline]
    pub fn learn(&mut self, values: &[f64; CHANNELS], finding: &Finding, when: &When) {
        if let Some(fade) = finding.fade {
            self.faded = when.age;
            self.peaks.iter_mut().for_each(|peaks| peaks.fade(fade));
        }
        if when.age > WARM_UP {
            let day = when.hours / 24.0;
            let rate = (day / (SCALE_PRIOR_DAYS + when.age - WARM_UP)).max(day / SCALE_DAYS);
            for pair in 0..PAIRED / 2 {
                let larger = values[2 * pair].max(values[2 * pair + 1]);
                let larger = larger.max(0.0).min(SCALE_CLIP * self.scale(pair));
                self.scales[pair] += rate * (larger * larger - self.scales[pair]);
            }
            self.told = finding.told.unwrap_or(self.told - when.elapsed / TOLD_HOURS);
        }
        for ((peaks, peak), value) in self.peaks.iter_mut().zip(&finding.peaks).zip(&finding.scaled) {
            if let Some(peak) = peak {
                peaks.learn(*value, when.time, peak);
            }
        }
    }

    /// Whether restored records can be used.
    pub fn is_sound(&self) -> bool {
        self.peaks.iter().all(Peaks::is_sound)
    }
}
