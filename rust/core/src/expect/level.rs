//! The level of a series: what its profile falls back to while it has seen little.
//!
//! Owns one slow mean and how many values it is made of.

use serde::{Deserialize, Serialize};

use crate::arithmetic::larger;
use crate::snapshot;

/// Slowest learning rate, per hour: a memory of ten weeks.
const RATE: f64 = 0.0006;

/// A slow mean.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Level {
    /// In the unit of the measure.
    #[serde(with = "snapshot::float")]
    mean: f64,
    /// Values learned.
    seen: u64,
}

impl Level {
    /// Takes the first value for what is to be expected.
    pub fn start(&mut self, value: f64) {
        self.mean = value;
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Values learned.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Takes in the value of a window of so many hours.
    #[inline(always)]
    pub fn learn(&mut self, value: f64, hours: f64) {
        let rate = larger(1.0 / (self.seen as f64 + 1.0), RATE * hours);
        self.mean += rate * (value - self.mean);
        self.seen = self.seen.saturating_add(1);
    }
}
