//! The channels of a count against each other: how rare each one's value is, and the rarest of them, once.
//!
//! Owns the channels' scales, their peaks, the priors, and the rule that one event is told once. What a channel
//! measures is the affair of [`super::channels`].

use serde::{Deserialize, Serialize};

use super::channels::{CHANNELS, SCALE_OF, SCALES, Statistics};
use super::return_period::{Peak, Peaks, Prior};
use crate::arithmetic::{larger, lesser};
use crate::snapshot;

/// Days before a verdict is more than provisional,
pub const WARM_UP: f64 = 7.0;
/// windows before there is one at all,
pub const PROVISIONAL: u64 = 30;
/// and by how many decades rarer an event has to be at first, so that young series tell no more than others.
const CAUTION: f64 = 2.0;
/// Peaks fade over so many days; nor does the time that was watched count any longer.
const MEMORY_DAYS: f64 = 700.0;
/// Days of watching that the prior is worth: spikes come often enough to tell soon what is usual.
const PRIOR_DAYS: [f64; CHANNELS] = [30.0, 30.0, 360.0, 360.0, 360.0, 360.0];
/// A channel's newest peak fades over so many hours.
const HOLD_HOURS: f64 = 80.0;
/// What was told fades by one decade of return period in so many hours.
const TOLD_HOURS: f64 = 24.0;
/// Scales: memory in days, days that the prior is worth, and how far one value counts.
const SCALE_DAYS: f64 = 60.0;
const SCALE_PRIOR_DAYS: f64 = 3.5;
const SCALE_CLIP: f64 = 5.0;
/// Mean squares of the scales on a typical series.
const TYPICAL: [f64; SCALES] = [0.7, 0.7, 0.003, 0.006];
/// What each channel's return period is worth, in decades.
const WEIGHTS: [f64; CHANNELS] = [0.5, 0.5, 0.3, 0.3, 0.1, 0.5];
/// Events a day beyond a value on a typical series (fitted on the development half of the streets).
const PRIORS: [Prior; CHANNELS] = [
    Prior { level: -0.07, slope: 0.31, curve: 0.07 },
    Prior { level: -0.07, slope: 0.31, curve: 0.07 },
    Prior { level: -0.96, slope: 0.38, curve: 0.10 },
    Prior { level: -0.75, slope: 0.38, curve: 0.13 },
    Prior { level: -1.00, slope: 0.41, curve: 0.24 },
    Prior { level: -0.80, slope: 0.18, curve: 0.04 },
];
/// log10 of the weighted return period in days that reads 0, 50 and 80.
const KNOTS: [f64; 3] = [0.3, 2.53, 3.9];

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
    scales: [f64; SCALES],
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
    /// Windows learned before.
    pub seen: u64,
}

impl When {
    /// How far the series is.
    pub fn stage(&self) -> Stage {
        if self.age > WARM_UP {
            Stage::Calibrated
        } else if self.seen >= PROVISIONAL {
            Stage::Provisional
        } else {
            Stage::Mute
        }
    }
}

/// How far a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Too young for a verdict.
    Mute,
    /// Judged by what is typical of series.
    Provisional,
    /// Judged by its own past as well.
    Calibrated,
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
    scales: [f64; SCALES],
    scaled: [f64; CHANNELS],
    peaks: [Option<Peak>; CHANNELS],
    fade: Option<f64>,
}

/// How rare a channel's peak is, where peaks were watched for so many days: its return period in days, and the log10
/// of that.
#[inline(never)]
fn return_period(channel: usize, peak: Peak, watched: f64) -> (f64, f64) {
    let prior_days = PRIOR_DAYS[channel];
    let rate = PRIORS[channel].rate(peak.octaves);
    let days = (watched + prior_days) / (peak.beyond + prior_days * rate);
    (days, libm::log10(days))
}

impl Default for Records {
    fn default() -> Self {
        Self { scales: TYPICAL, peaks: std::array::from_fn(|_| Peaks::default()), told: -9.0, faded: 0.0 }
    }
}

impl Records {
    /// What the channels are measured in.
    #[inline(always)]
    fn scales(&self) -> [f64; SCALES] {
        let mut scales = [0.0; SCALES];
        for at in 0..SCALES {
            scales[at] = larger(self.scales[at].sqrt(), 0.01 * TYPICAL[at].sqrt());
        }
        scales
    }

    /// Judges the channels' values without learning them.
    #[inline(always)]
    pub fn judge(&self, values: &[f64; CHANNELS], when: &When) -> Finding {
        // Once a day the peaks fade.
        let fade = (when.age - self.faded >= 1.0).then(|| libm::exp(-(when.age - self.faded) / MEMORY_DAYS));
        let scales = self.scales();
        let mut scaled = *values;
        for (value, scale) in scaled.iter_mut().zip(SCALE_OF) {
            if let Some(at) = scale {
                *value /= scales[at];
            }
        }
        let mut finding =
            Finding { told: None, channel: 0, days: 0.0, scales, scaled, peaks: [None; CHANNELS], fade };
        let stage = when.stage();
        if stage == Stage::Mute {
            return finding;
        }
        let provisional = stage == Stage::Provisional;
        let caution = if provisional { CAUTION * (1.0 - when.age / WARM_UP) } else { 0.0 };
        let watched = (when.age - WARM_UP).clamp(0.0, MEMORY_DAYS);
        let mut best = -9.0;
        for channel in 0..CHANNELS {
            let faded = fade.unwrap_or(1.0);
            let value = scaled[channel];
            let peak = self.peaks[channel].judge(value, when.time, HOLD_HOURS, when.hours, faded);
            finding.peaks[channel] = peak;
            let Some(peak) = peak else { continue };
            let (days, decades) = return_period(channel, peak, watched);
            let level = decades + WEIGHTS[channel] - caution;
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
    #[inline(always)]
    pub fn learn(&mut self, statistics: &Statistics, finding: &Finding, when: &When) {
        if let Some(fade) = finding.fade {
            self.faded = when.age;
            self.peaks.iter_mut().for_each(|peaks| peaks.fade(fade));
        }
        let stage = when.stage();
        if stage == Stage::Calibrated {
            let day = when.hours / 24.0;
            let rate = (day / (SCALE_PRIOR_DAYS + when.age - WARM_UP)).max(day / SCALE_DAYS);
            for (at, size) in statistics.sizes.iter().enumerate() {
                let size = lesser(larger(*size, 0.0), SCALE_CLIP * finding.scales[at]);
                self.scales[at] += rate * (size * size - self.scales[at]);
            }
        }
        if stage != Stage::Mute {
            self.told = finding.told.unwrap_or(self.told - when.elapsed / TOLD_HOURS);
        }
        for ((peaks, peak), value) in self.peaks.iter_mut().zip(&finding.peaks).zip(&finding.scaled) {
            if let Some(peak) = peak {
                if stage == Stage::Calibrated {
                    peaks.learn(*value, when.time, peak);
                } else {
                    // An expectation that young makes peaks of its own.
                    peaks.hold(*value, when.time);
                }
            }
        }
    }

    /// Whether restored records can be used.
    pub fn is_sound(&self) -> bool {
        self.peaks.iter().all(Peaks::is_sound)
    }
}
