//! `residual`: a prediction that comes with every value.
//!
//! Owns how the stages work together on one such series: the prediction is the expectation, the score is the rolling
//! mean of the residual in units of the RMSE of the values before, and the series' own past scores say how rare that
//! is. While the series is in alarm its RMSE doesn't learn; that it was counts among what the series does.

use serde::{Deserialize, Serialize};

use super::model::{BAND, Model, Pace, Point, Verdict, confidence};
use super::settings::Settings;
use crate::residual::drift::Stretches;
use crate::residual::rarity::{self, RESIDUAL, Rarity};
use crate::residual::series::{Rule, Series};
use crate::time::Timestamp;

/// One series with predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    series: Series,
    /// The newest time: rolling windows don't run backwards.
    newest: Timestamp,
    rarity: Rarity,
    /// Whether it still fits, from the first row that was judged on.
    pub(super) drift: Option<Box<Stretches>>,
}

/// What judging leaves for learning.
#[derive(Debug)]
pub struct Judged {
    residual: f64,
    rarity: rarity::Judged,
}

impl Predicted {
    /// A series whose first point this is.
    pub fn new(point: &Point, rule: &Rule) -> Self {
        Self { series: rule.start(), newest: point.time, rarity: Rarity::default(), drift: None }
    }

    /// Whether a restored series can be used.
    pub fn is_sound(&self, settings: &Settings) -> bool {
        let inputs = settings.model.as_ref().map_or(0, |model| model.inputs().count());
        let drift = self.drift.as_ref().is_none_or(|drift| drift.is_sound(inputs));
        drift && self.rarity.is_sound() && settings.rule.admit(&self.series).is_ok()
    }
}

impl Model for Predicted {
    type Judged = Judged;
    const HELD: bool = true;

    fn judge(&mut self, point: &Point, pace: &mut Pace) -> (Verdict, Judged) {
        self.newest = self.newest.max(point.time);
        let residual = point.value - point.predicted;
        let judgement = pace.kernel.judge(&mut self.series, self.newest, residual);
        let band = BAND * judgement.rmse;
        let rarity = self.rarity.judge(judgement.score, point.local, pace.every, &RESIDUAL);
        let mut verdict = Verdict {
            expected: point.predicted,
            lower: point.predicted - band,
            upper: point.predicted + band,
            score: judgement.score,
            severity: rarity.severity,
            confidence: confidence(self.rarity.watched(pace.every)),
            days: rarity.days,
            ..Verdict::NONE
        };
        if !rarity.days.is_nan() {
            verdict.channel = if judgement.score > 0.0 { "above prediction" } else { "below prediction" };
        }
        (verdict, Judged { residual, rarity })
    }

    fn score(&self, point: &Point, pace: &mut Pace) -> Verdict {
        // Judging takes the residual into the rolling mean.
        self.clone().judge(point, pace).0
    }

    fn count(&mut self, point: &Point, judged: &Judged, pace: &Pace) {
        self.rarity.learn(&judged.rarity, point.local, pace.every);
    }

    fn learn(&mut self, point: &Point, judged: &Judged, pace: &mut Pace) {
        self.count(point, judged, pace);
        pace.kernel.learn(&mut self.series, self.newest, judged.residual);
    }

    fn is_lost(&self) -> bool {
        false
    }

    fn wanted(&self, _every: f64) -> u64 {
        u64::from(self.rarity.is_new())
    }
}
