//! Where a metric is going: its running mean and spread, and a regression on its last three values.
//!
//! Owns the one-step forecast and its error's spread. The forecast is made from what came before; the error that
//! teaches it is measured on the scale that includes the new value.

use serde::{Deserialize, Serialize};

use super::autoregressive::{Forgetting, LeastSquares};
use crate::arithmetic::{larger, lesser};
use crate::snapshot;

/// Values that the regression looks back on.
const ORDER: usize = 3;
const FEATURES: usize = ORDER + 1;
const FORGETTING: Forgetting = Forgetting { factor: 0.9999, most: 1e4 };
/// Slowest learning rate of the error's mean square, per value.
const RATE: f64 = 0.002;

/// The course of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    fit: LeastSquares<FEATURES>,
    /// The newest values, newest first.
    #[serde(with = "snapshot::array")]
    history: [f64; ORDER],
    #[serde(with = "snapshot::float")]
    mean: f64,
    #[serde(with = "snapshot::float")]
    variance: f64,
    /// Mean square of the forecast's error, in units of the spread; large errors count limited.
    #[serde(with = "snapshot::float")]
    error: f64,
    /// Values learned.
    seen: u64,
}

/// What a value came to against the forecast.
#[derive(Debug, Clone, Copy)]
pub struct Departure {
    mean: f64,
    variance: f64,
    features: [f64; FEATURES],
    /// Error in units of the spread.
    standard: f64,
    /// Error in the unit of the value.
    pub error: f64,
}

impl Default for Track {
    fn default() -> Self {
        Self {
            fit: LeastSquares::new([1.0, 0.0, 0.0, 0.0], 100.0),
            history: [0.0; ORDER],
            mean: 0.0,
            variance: 0.0,
            error: 0.0,
            seen: 0,
        }
    }
}

#[inline(always)]
fn spread(variance: f64) -> f64 {
    larger(variance, 0.0).sqrt() + 1e-9
}

impl Track {
    /// Takes the first value for the mean.
    pub fn start(&mut self, value: f64) {
        self.mean = value;
    }

    /// Whether mean, variance and error are still numbers.
    #[inline(always)]
    pub fn is_finite(&self) -> bool {
        (self.mean + self.variance + self.error).is_finite()
    }

    #[inline(always)]
    fn features(&self, mean: f64, spread: f64) -> [f64; FEATURES] {
        let [a, b, c] = self.history;
        [(a - mean) / spread, (b - mean) / spread, (c - mean) / spread, 1.0]
    }

    /// The next value and the deviation of its error; none before there are values enough.
    #[inline(always)]
    pub fn forecast(&self) -> Option<(f64, f64)> {
        if self.seen <= ORDER as u64 {
            return None;
        }
        let spread = spread(self.variance);
        let forecast = self.mean + spread * self.fit.forecast(&self.features(self.mean, spread));
        Some((forecast, spread * self.error.sqrt()))
    }

    /// How far a value departs from the forecast; `rate` is how fast mean and variance follow.
    #[inline(always)]
    pub fn depart(&self, value: f64, rate: f64) -> Departure {
        let difference = value - self.mean;
        let mean = self.mean + rate * difference;
        let variance = self.variance + rate * (difference * (value - mean) - self.variance);
        if self.seen <= ORDER as u64 {
            return Departure { mean, variance, features: [0.0; FEATURES], standard: 0.0, error: 0.0 };
        }
        let spread = spread(variance);
        let features = self.features(mean, spread);
        let mut standard = (value - mean) / spread;
        standard -= self.fit.forecast(&features);
        Departure { mean, variance, features, standard, error: standard * spread }
    }

    /// Takes the value in.
    #[inline(always)]
    pub fn learn(&mut self, value: f64, departure: &Departure) {
        self.mean = departure.mean;
        self.variance = departure.variance;
        if self.seen > ORDER as u64 {
            let most = 3.0 * (self.error + 1e-6).sqrt();
            let square = lesser(departure.standard * departure.standard, 9.0 * self.error + 1e-6);
            self.error += larger(1.0 / (self.seen as f64 + 1.0), RATE) * (square - self.error);
            let limited = lesser(larger(departure.standard, -most), most);
            self.fit.learn(&departure.features, limited, FORGETTING);
        }
        let [a, b, _] = self.history;
        self.history = [value, a, b];
        self.seen = self.seen.saturating_add(1);
    }
}
