//! How rarely a series' residuals are so large, by its own past scores: what severity says of a residual.
//!
//! Owns the peaks of one series' absolute scores and the prior for young ones. How a score comes about is
//! [`super::series`]'s affair.

use serde::{Deserialize, Serialize};

use super::return_period::{Peak, Peaks, Prior, severity};
use crate::snapshot;

/// What a score is held against before a series has a past.
#[derive(Debug, Clone, Copy)]
pub struct Calibration {
    /// The score that the histogram of peaks begins at.
    pub smallest: f64,
    /// Peaks a window beyond a score, in units of `smallest`.
    pub prior: Prior,
    /// The largest size, in those units, that the prior tells from larger ones.
    pub largest: f64,
    /// How much the prior is worth.
    pub worth: Worth,
    /// Whether windows under an hour hang together, so that the chances are those of hours.
    pub by_hour: bool,
}

/// What a prior weighs beside a series' own past.
#[derive(Debug, Clone, Copy)]
pub enum Worth {
    /// As so many windows of watching.
    Windows(f64),
    /// As so many peaks of any size, however long those take to come: of what is common, the series' own past is soon
    /// worth more; of what is rarer than all it was watched for, the prior.
    Peaks(f64),
}

/// Of single residuals. Fitted on what real models leave, hourly, RMSE weighted over 1,000 rows: linear models of each of a
/// gas turbine's columns and of each of a city's pedestrian counters by the others, mean profiles of streets. On the
/// development part of all three, each as much, at 1 to 32; there their rates are within a factor of 4 of each other.
pub const RESIDUAL: Calibration = Calibration {
    smallest: 1.0,
    prior: Prior { level: -1.37, slope: 0.394, curve: 0.0441 },
    largest: f64::INFINITY,
    worth: Worth::Peaks(1.0),
    by_hour: true,
};
/// Peaks fade over so many days; nor does the time that was watched count any longer.
const MEMORY_DAYS: f64 = 700.0;
/// The newest peak fades over so many hours.
const HOLD_HOURS: f64 = 40.0;

/// The past of one series' scores.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rarity {
    peaks: Peaks,
    /// Values judged.
    seen: u64,
    /// Days of windows judged when the peaks last faded.
    #[serde(with = "snapshot::float")]
    faded: f64,
}

/// What a score came to.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    /// 0 to 100; NaN without a score.
    pub severity: f64,
    /// Days until the like comes again by chance; NaN where it is no new peak.
    pub days: f64,
    size: f64,
    peak: Option<Peak>,
    fade: Option<f64>,
}

impl Rarity {
    /// Judges a score, which may be NaN. `local` is its time in seconds, `every` the seconds of a window.
    #[inline(always)]
    pub fn judge(&self, score: f64, local: f64, every: f64, calibration: &Calibration) -> Judged {
        let size = score.abs() / calibration.smallest;
        let mut judged = Judged { severity: f64::NAN, days: f64::NAN, size, peak: None, fade: None };
        if size.is_nan() {
            return judged;
        }
        judged.severity = 0.0;
        let watched = self.watched(every);
        if watched - self.faded >= 1.0 {
            judged.fade = Some(libm::exp(-(watched - self.faded) / MEMORY_DAYS));
        }
        let (fade, hours) = (judged.fade.unwrap_or(1.0), every / 3600.0);
        judged.peak = self.peaks.judge(size, local, HOLD_HOURS, hours, fade);
        if let Some(peak) = &judged.peak {
            let chances = if calibration.by_hour { hours.min(1.0) } else { 1.0 };
            let octaves =
                if size > calibration.largest { libm::log2(calibration.largest) } else { peak.octaves };
            let rate = chances * calibration.prior.rate(octaves);
            let (prior_windows, prior_peaks) = match calibration.worth {
                Worth::Windows(windows) => (windows, windows * rate),
                Worth::Peaks(peaks) => (peaks / rate, peaks),
            };
            let prior_days = prior_windows * every / 86_400.0;
            judged.days = (watched.min(MEMORY_DAYS) + prior_days) / (peak.beyond + prior_peaks);
            judged.severity = severity(judged.days);
        }
        judged
    }

    /// Takes in what was judged.
    #[inline(always)]
    pub fn learn(&mut self, judged: &Judged, local: f64, every: f64) {
        if let Some(fade) = judged.fade {
            self.faded = self.watched(every);
            self.peaks.fade(fade);
        }
        // An infinite peak would never fade.
        if let Some(peak) = judged.peak.as_ref().filter(|_| judged.size.is_finite()) {
            self.peaks.learn(judged.size, local, peak);
        }
        self.seen = self.seen.saturating_add(1);
    }

    /// Days of windows judged.
    #[inline(always)]
    pub fn watched(&self, every: f64) -> f64 {
        self.seen as f64 * every / 86_400.0
    }

    /// Whether anything was judged yet.
    pub fn is_new(&self) -> bool {
        self.seen == 0
    }

    /// Whether a restored one can be used.
    pub fn is_sound(&self) -> bool {
        self.peaks.is_sound()
    }
}
