//! What came within about the last hour against what was expected of it, for windows shorter than an hour.
//!
//! Owns sums that fade over an hour. So evidence is gathered by the hour and not by the window: a burst that is no
//! surprise in any five minutes is one when it lasts.

use serde::{Deserialize, Serialize};

use super::Spread;
use crate::snapshot;

/// An expectation and its deviation.
pub type Expected = (f64, f64);

/// Faded sums of two expectations and of what came.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct PastHour {
    #[serde(with = "snapshot::float")]
    observed: f64,
    #[serde(with = "snapshot::array")]
    expected: [f64; 2],
    #[serde(with = "snapshot::array")]
    variance: [f64; 2],
}

impl PastHour {
    /// With one more window, `hours` after the one before.
    #[inline(always)]
    #[must_use]
    pub fn with(&self, observed: f64, expected: [Expected; 2], hours: f64) -> Self {
        let keep = libm::exp(-hours);
        let mut sums = Self { observed: self.observed * keep + observed, ..*self };
        for (at, (mean, deviation)) in expected.into_iter().enumerate() {
            sums.expected[at] = sums.expected[at] * keep + mean;
            sums.variance[at] = sums.variance[at] * keep * keep + deviation * deviation;
        }
        sums
    }

    /// How far what came is above the first expectation, as a share of it.
    pub fn change(&self) -> f64 {
        self.observed / self.expected[0] - 1.0
    }

    /// How strange what came is against each expectation, as a normal variable would be.
    #[inline(always)]
    pub fn surprises(&self) -> [f64; 2] {
        std::array::from_fn(|at| Spread::surprise(self.observed, self.expected[at], self.variance[at].sqrt()))
    }
}
