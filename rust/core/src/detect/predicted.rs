//! `residual`: a prediction that comes with every value.
//!
//! Owns how the stages work together on one such series: the prediction is the expectation, the score is the rolling
//! mean of the residual in units of the RMSE of the values before, and the series' own past scores say how rare that
//! is. While the series is in alarm its RMSE doesn't learn.

use serde::{Deserialize, Serialize};

use super::model::{BAND, Model, Pace, Point, Verdict, confidence};
use crate::residual::return_period::{Peak, Peaks, Prior, severity};
use crate::residual::series::{Rule, Series};
use crate::snapshot;
use crate::time::Timestamp;

/// Peaks a window beyond an absolute score. Fitted on residuals that real models leave: a ridge regression of the
/// gas turbine's emissions, and mean profiles of the development streets (both hourly, RMSE weighted over 1,000
/// rows), whose rates are within a factor of 4 of each other: on both together, at 1 to 32.
const PRIOR: Prior = Prior { level: -1.42, slope: 0.411, curve: 0.057 };
/// Windows of watching that the prior is worth.
const PRIOR_WINDOWS: f64 = 10_000.0;
/// Peaks fade over so many days; nor does the time that was watched count any longer.
const MEMORY_DAYS: f64 = 700.0;
/// The newest peak fades over so many hours.
const HOLD_HOURS: f64 = 40.0;

/// One series with predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    series: Series,
    /// The newest time: rolling windows don't run backwards.
    newest: Timestamp,
    peaks: Peaks,
    /// Values judged.
    seen: u64,
    /// Days of windows judged when the peaks last faded.
    #[serde(with = "snapshot::float")]
    faded: f64,
}

/// What judging leaves for learning.
#[derive(Debug)]
pub struct Judged {
    residual: f64,
    score: f64,
    peak: Option<Peak>,
    fade: Option<f64>,
}

impl Predicted {
    /// A series whose first point this is.
    pub fn new(point: &Point, rule: &Rule) -> Self {
        Self { series: rule.start(), newest: point.time, peaks: Peaks::default(), seen: 0, faded: 0.0 }
    }

    /// Whether a restored series can be used.
    pub fn is_sound(&self, rule: &Rule) -> bool {
        self.peaks.is_sound() && rule.admit(&self.series).is_ok()
    }

    fn watched(&self, every: f64) -> f64 {
        self.seen as f64 * every / 86_400.0
    }
}

impl Model for Predicted {
    type Judged = Judged;
    const HELD: bool = true;

    fn judge(&mut self, point: &Point, pace: &mut Pace) -> (Verdict, Judged) {
        self.newest = self.newest.max(point.time);
        let residual = point.value - point.predicted;
        let judgement = pace.kernel.judge(&mut self.series, self.newest, residual);
        let watched = self.watched(pace.every);
        let band = BAND * judgement.rmse;
        let mut verdict = Verdict {
            expected: point.predicted,
            lower: point.predicted - band,
            upper: point.predicted + band,
            score: judgement.score,
            confidence: confidence(watched),
            ..Verdict::NONE
        };
        let mut judged = Judged { residual, score: judgement.score.abs(), peak: None, fade: None };
        if judgement.score.is_nan() {
            return (verdict, judged);
        }
        verdict.severity = 0.0;
        if watched - self.faded >= 1.0 {
            judged.fade = Some(libm::exp(-(watched - self.faded) / MEMORY_DAYS));
        }
        let (fade, hours) = (judged.fade.unwrap_or(1.0), pace.every / 3600.0);
        judged.peak = self.peaks.judge(judged.score, point.local, HOLD_HOURS, hours, fade);
        if let Some(peak) = &judged.peak {
            let prior_days = PRIOR_WINDOWS * pace.every / 86_400.0;
            // Under an hour, residuals hang together: the prior's chances are those of hours.
            let prior_peaks = PRIOR_WINDOWS * hours.min(1.0) * PRIOR.rate(judged.score);
            verdict.days = (watched.min(MEMORY_DAYS) + prior_days) / (peak.beyond + prior_peaks);
            verdict.severity = severity(verdict.days);
            verdict.channel = if judgement.score > 0.0 { "above prediction" } else { "below prediction" };
        }
        (verdict, judged)
    }

    fn score(&self, point: &Point, pace: &mut Pace) -> Verdict {
        // Judging takes the residual into the rolling mean.
        self.clone().judge(point, pace).0
    }

    fn learn(&mut self, point: &Point, judged: &Judged, pace: &mut Pace) {
        if let Some(fade) = judged.fade {
            self.faded = self.watched(pace.every);
            self.peaks.fade(fade);
        }
        if let Some(peak) = &judged.peak {
            self.peaks.learn(judged.score, point.local, peak);
        }
        pace.kernel.learn(&mut self.series, self.newest, judged.residual);
        self.seen = self.seen.saturating_add(1);
    }

    fn is_lost(&self) -> bool {
        false
    }

    fn wanted(&self, _every: f64) -> u64 {
        u64::from(self.seen == 0)
    }
}
