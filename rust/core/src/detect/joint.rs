//! `joint`: the sensors of one machine, judged together.
//!
//! Owns how the stages work together on one machine: each sensor is expected from all the others, [`Joint`] says how
//! far each one's residual has moved and which is farthest, and the machine's own past says how rare that is. The
//! score is in limits: beyond 1 a sensor is out. Until there are rows enough to fit, they are kept.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::model::{BAND, Pace, Verdict, confidence};
use super::reason::Short;
use crate::expect::Linear;
use crate::residual::joint::{FEWEST, Farthest, Joint};
use crate::residual::rarity::{Calibration, Rarity, Worth};
use crate::residual::return_period::Prior;
use crate::snapshot;
use crate::time::Timestamp;

/// The rows that a machine is fitted on unless somebody says otherwise,
pub const FIT_ROWS: u32 = 400;
/// the fewest,
pub const FEWEST_ROWS: u32 = FEWEST as u32;
/// and the most, since they are kept until then.
pub const MOST_ROWS: u32 = 10_000;
/// How long a sensor is out until that is normal, unless somebody says otherwise: a day.
pub const ADOPT: i64 = 86_400_000_000_000;
/// How rare a score is, in windows. Fitted on hourly rows of machines and places without labels, a half of each: a gas
/// turbine (three years of five), pedestrian counters of a city, four kinds of traffic at streets; the rates a row of a
/// pump's seconds are like these. Between the three they differ by a factor of 20, so that the prior is worth no more
/// than the rows of a fit.
const RARITY: Calibration = Calibration {
    smallest: 0.5,
    prior: Prior { level: -1.70, slope: 0.20, curve: 0.25 },
    largest: f64::INFINITY,
    worth: Worth::Windows(400.0),
    by_hour: false,
};

/// One machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Rows that wait for the fit, NaN where a reading is missing; none after it.
    #[serde(with = "snapshot::floats")]
    rows: Vec<f64>,
    fitted: Option<Fitted>,
    /// The sensor that the open event is about.
    pub named: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fitted {
    linear: Linear,
    joint: Joint,
    rarity: Rarity,
    /// Rows of the fit and since.
    seen: u64,
}

/// How long a machine is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Rows until it is fitted.
    pub fit_rows: u32,
    /// Nanoseconds that a sensor has to be out until that is normal.
    pub adopt: i64,
}

/// Numbers of one row, kept from row to row to save their making.
#[derive(Debug, Default)]
pub struct Room {
    steps: Vec<f64>,
    residuals: Vec<f64>,
    scores: Vec<f64>,
}

/// What a row came to, beside the sensors' verdicts.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// The sensor to look at, and how far it is out.
    pub farthest: Farthest,
    /// The sensor that changed most, at a change point.
    pub change: Option<Farthest>,
    /// The sensor that was out for so long that where it is now is normal.
    pub adopted: Option<Farthest>,
}

impl Machine {
    /// Takes the next row, NaN where a reading is missing: the verdict on each sensor, and what was found; nothing
    /// before the fit. Fewer than half of the readings are no row.
    pub fn take(
        &mut self,
        row: &[f64],
        at: (Timestamp, f64),
        pace: &Pace,
        patience: Patience,
        room: &mut Room,
        verdicts: &mut [Verdict],
    ) -> Option<Found> {
        verdicts.fill(Verdict::NONE);
        if is_missing(row) {
            return None;
        }
        let Some(fitted) = &mut self.fitted else {
            self.rows.extend_from_slice(row);
            self.fit(row.len(), patience.fit_rows);
            return None;
        };
        fitted.take(row, at, (pace, patience.adopt), room, verdicts)
    }

    /// Fits the rows that are there, if they are at least so many.
    pub fn fit(&mut self, width: usize, fit_rows: u32) {
        let many = self.rows.len() / width.max(1);
        if self.fitted.is_some() || many < (fit_rows as usize).max(FEWEST) {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        // Where readings are beyond all arithmetic, learning begins anew.
        let Some(linear) = Linear::fit(&rows, width) else { return };
        let (mut steps, mut residuals) = (vec![0.0; width], vec![0.0; rows.len()]);
        for (row, residuals) in rows.chunks_exact(width).zip(residuals.chunks_exact_mut(width)) {
            linear.residuals(row, &mut steps, residuals);
        }
        let joint = Joint::fit(&residuals, width, |sensor| linear.is_still(sensor));
        self.fitted = Some(Fitted { linear, joint, rarity: Rarity::default(), seen: many as u64 });
    }

    /// Whether there are verdicts.
    pub fn is_fitted(&self) -> bool {
        self.fitted.is_some()
    }

    /// Rows until the first verdict; 0 once there are verdicts.
    pub fn wanted(&self, width: usize, fit_rows: u32) -> u64 {
        if self.fitted.is_some() {
            return 0;
        }
        u64::from(fit_rows).saturating_sub((self.rows.len() / width.max(1)) as u64).max(1)
    }

    /// How a found sensor reads: `Pressure: 0.71, expected 0.32 (0.1 to 0.54), 2.3 times its limit`.
    pub fn reason(name: &str, observed: f64, verdict: &Verdict, out: &mut String) {
        let Verdict { expected, lower, upper, score, .. } = verdict;
        let _ = write!(
            out,
            "{name}: {}, expected {} from the other sensors ({} to {}), {} times its limit",
            Short(observed),
            Short(*expected),
            Short(*lower),
            Short(*upper),
            Short(score.abs())
        );
    }

    /// Whether a restored machine can be used for so many sensors.
    pub fn is_sound(&self, width: usize) -> bool {
        let fits = |fitted: &Fitted| {
            fitted.linear.is_sound(width)
                && fitted.joint.is_sound(width)
                && fitted.rarity.is_sound()
                && self.rows.is_empty()
        };
        (self.named as usize) < width
            && self.rows.len().is_multiple_of(width.max(1))
            && self.rows.len() / width.max(1) < MOST_ROWS as usize
            && self.fitted.as_ref().is_none_or(fits)
    }
}

/// Whether too few readings of a row are there to judge it.
pub fn is_missing(row: &[f64]) -> bool {
    2 * row.iter().filter(|value| value.is_nan()).count() > row.len()
}

impl Fitted {
    fn take(
        &mut self,
        row: &[f64],
        (time, local): (Timestamp, f64),
        (pace, adopt): (&Pace, i64),
        room: &mut Room,
        verdicts: &mut [Verdict],
    ) -> Option<Found> {
        let Self { linear, joint, rarity, seen } = self;
        let Room { steps, residuals, scores } = room;
        for numbers in [&mut *steps, residuals, scores] {
            numbers.resize(row.len(), 0.0);
        }
        linear.residuals(row, steps, residuals);
        let confidence = confidence(*seen as f64 * pace.every / 86_400.0);
        for (sensor, verdict) in verdicts.iter_mut().enumerate() {
            if linear.unit(sensor).is_nan() {
                continue;
            }
            // Of a missing reading, what was expected is in its place.
            let residual = if residuals[sensor].is_nan() { 0.0 } else { residuals[sensor] };
            let steps = steps[sensor] - residual + joint.baseline(sensor);
            let band = BAND * joint.spread(sensor) * linear.unit(sensor);
            verdict.expected = linear.reading(sensor, steps);
            (verdict.lower, verdict.upper) = (verdict.expected - band, verdict.expected + band);
        }
        let step = joint.step(residuals, time, adopt, scores);
        *seen = seen.saturating_add(1);
        let farthest = step.farthest?;
        let judged = rarity.judge(farthest.score, local, pace.every, &RARITY);
        rarity.learn(&judged, local, pace.every);
        for (verdict, score) in verdicts.iter_mut().zip(scores.iter()).filter(|(_, score)| !score.is_nan()) {
            verdict.score = *score;
            verdict.severity = 0.0;
            verdict.confidence = confidence;
        }
        // What is rare is told once: of the sensor to look at.
        let verdict = &mut verdicts[farthest.sensor];
        verdict.severity = judged.severity;
        verdict.days = judged.days;
        Some(Found { farthest, change: step.change, adopted: step.adopted })
    }
}
