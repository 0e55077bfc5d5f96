//! How far counts lie from what was expected when nothing is wrong.
//!
//! Owns the variance around the profile (quasi-Poisson plus a square, shrunk with what each kind of day and hour
//! showed itself), the variance of what the forecast left over, and how often a value is zero.

use serde::{Deserialize, Serialize};

use super::profile::KINDS;
use crate::arithmetic::{larger, lesser};
use crate::snapshot;

/// Variance in units of the mean where objects come by chance alone.
pub(super) const POISSON: f64 = 1.6;
/// How many hours of its own weigh as much as the model.
const SHRINK: f64 = 20.0;
/// No bucket counts for more hours than this.
const MOST_HOURS: f64 = 60.0;
/// Slowest learning rate of a bucket, per hour spent in it.
const RATE: f64 = 0.01;
/// Memory of the figures that all buckets share, in days.
const MEMORY_DAYS: f64 = 60.0;
/// Innovations beyond so many deviations teach no more than these.
const CLIP: f64 = 10.0;

/// How far one series spreads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Variance around the profile, by kind of day x hour.
    #[serde(with = "snapshot::packed")]
    variance: [f64; KINDS],
    /// Hours seen of each.
    #[serde(with = "snapshot::packed")]
    hours: [f64; KINDS],
    /// Variance of the innovation in units of the spread.
    #[serde(with = "snapshot::packed")]
    innovation: [f64; KINDS],
    /// Share of zeros.
    #[serde(with = "snapshot::packed")]
    zeros: [f64; KINDS],
    /// Sums whose ratio is the over-dispersion: variance beyond Poisson, and the square of the mean.
    #[serde(with = "snapshot::float")]
    beyond: f64,
    #[serde(with = "snapshot::float")]
    square: f64,
    /// Variance of the innovation over all buckets.
    #[serde(with = "snapshot::float")]
    innovation_all: f64,
    /// Variance of the standardised value over all buckets.
    #[serde(with = "snapshot::float")]
    standard: f64,
}

/// The spread around the profile's expectation.
#[derive(Debug, Clone, Copy)]
pub struct Width {
    /// Standard deviation, in the unit of the measure.
    pub deviation: f64,
    /// Over-dispersion: variance = Poisson part + this x mean^2.
    pub over: f64,
}

impl Width {
    /// The model's variance around an expectation.
    #[inline(always)]
    pub fn model(&self, expected: f64) -> f64 {
        POISSON * expected + self.over * expected * expected + 0.1
    }

    /// By how much more a window spreads whose forecast is above its profile; never less.
    #[inline(always)]
    pub fn wider(&self, forecast: f64, expected: f64) -> f64 {
        larger((self.model(forecast) / self.model(expected)).sqrt(), 1.0)
    }
}

/// What a value taught, in units of the spread.
#[derive(Debug, Clone, Copy)]
pub struct Lesson {
    /// The value itself, in its own unit.
    pub observed: f64,
    /// The profile's expectation.
    pub expected: f64,
    /// Distance from the profile, limited as learning limits it.
    pub learned: f64,
    /// Distance from the profile as it was.
    pub standard: f64,
    /// Distance from the forecast as it was.
    pub innovation: f64,
    /// The same, limited.
    pub innovation_learned: f64,
    /// The innovation's deviation.
    pub deviation: f64,
    /// By how much a busy day was expected to spread wider.
    pub wider: f64,
}

impl Default for Spread {
    fn default() -> Self {
        Self {
            variance: [0.0; KINDS],
            hours: [0.0; KINDS],
            innovation: [0.0; KINDS],
            zeros: [0.0; KINDS],
            beyond: 0.0,
            square: 0.0,
            innovation_all: 1.0,
            standard: 1.0,
        }
    }
}

impl Spread {
    /// Around the profile's expectation at a kind of day x hour, after `seen` windows of a series on `level`.
    #[inline(always)]
    pub fn around(&self, expected: f64, kind: usize, level: f64, seen: u64) -> Width {
        let over = if seen > 20 { larger(self.beyond / (self.square + 1e-9), 0.003) } else { 0.2 };
        let model = POISSON * expected + over * expected * expected + 1e-3 * level * level + 0.1;
        let hours = lesser(self.hours[kind], MOST_HOURS);
        let variance = (SHRINK * model + hours * self.variance[kind]) / (SHRINK + hours);
        Width { deviation: variance.max(POISSON * 0.5 * expected + 0.1).sqrt(), over }
    }

    /// The deviation of what the forecast leaves over, in units of the spread.
    #[inline(always)]
    pub fn of_innovation(&self, kind: usize) -> f64 {
        let hours = lesser(self.hours[kind], MOST_HOURS);
        larger(
            ((SHRINK * self.innovation_all + hours * self.innovation[kind]) / (SHRINK + hours)).sqrt(),
            0.15,
        )
    }

    /// How strange a value is under a mean and a deviation, on the scale of standard deviations of a normal variable:
    /// the signed root of the quasi-Poisson deviance as far as the variance is Poisson's, the plain distance for the
    /// rest. So a low count's long tail upwards is no surprise.
    #[inline(always)]
    pub fn surprise(value: f64, mean: f64, deviation: f64) -> f64 {
        let (value, mean) = (larger(value, 0.0), larger(mean, 1e-3));
        let dispersion = deviation * deviation / mean;
        let poisson = lesser(POISSON / dispersion, 1.0);
        let distance = value - mean;
        let deviance = if value > 0.0 { value * libm::log(value / mean) - distance } else { mean };
        let root = larger(2.0 * deviance / dispersion, 0.0).sqrt();
        (poisson * root + (1.0 - poisson) * distance.abs() / deviation).copysign(distance)
    }

    /// Whether the figures that all buckets share are still numbers.
    #[inline(always)]
    pub fn is_finite(&self) -> bool {
        (self.beyond + self.square + self.innovation_all + self.standard).is_finite()
    }

    /// The deviation of the standardised value over all buckets.
    #[inline(always)]
    pub fn of_standard(&self) -> f64 {
        larger(self.standard, 0.04).sqrt()
    }

    /// How improbable a zero is (-ln): by the model or by what was learned, whichever finds it likelier.
    #[inline(never)]
    pub fn surprise_of_zero(&self, kind: usize, expected: f64, width: Width) -> f64 {
        let over = (width.deviation * width.deviation - expected) / (expected * expected + 1e-9);
        let shape = 1.0 / over.max(0.01);
        let model = if expected > 0.0 { shape * libm::log(1.0 + expected / shape) } else { 0.0 };
        let learned = (self.zeros[kind] * self.hours[kind] + 0.3 * libm::exp(-model.min(50.0)))
            / (self.hours[kind] + 0.3);
        model.min(-libm::log(learned.max(1e-9)))
    }

    /// Takes in the value of a window of so many hours; `seen` were learned before.
    #[inline(always)]
    pub fn learn(&mut self, kind: usize, lesson: &Lesson, width: Width, hours: f64, seen: u64) {
        let spent = lesser(hours, 1.0);
        let variance = width.deviation * width.deviation;
        let square = lesson.learned * lesson.learned * variance;
        self.hours[kind] += spent;
        let rate = larger(spent / self.hours[kind], RATE * spent);
        self.variance[kind] += rate * (square - self.variance[kind]);
        let zero = if lesson.observed <= 0.0 { 1.0 } else { 0.0 };
        self.zeros[kind] += rate * (zero - self.zeros[kind]);
        let most = CLIP * lesson.deviation;
        let innovation = lesser(larger(lesson.innovation, -most), most) / lesson.wider;
        self.innovation[kind] += rate * (innovation * innovation - self.innovation[kind]);
        let rate = larger(1.0 / (seen as f64 + 1.0), hours / 24.0 / MEMORY_DAYS);
        let learned = lesson.innovation_learned;
        self.innovation_all += rate * (learned * learned - self.innovation_all);
        self.beyond += rate * (square - POISSON * lesson.expected - self.beyond);
        self.square += rate * (lesson.expected * lesson.expected - self.square);
        self.standard +=
            rate * (lesser(lesson.standard * lesson.standard, 36.0 * self.standard) - self.standard);
    }
}
