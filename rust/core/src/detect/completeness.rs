//! How much of a window was observed, where a column says so.
//!
//! Owns what such a column may hold, and from which share on a window is judged.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::snapshot;

/// From this share on a window is judged, unless somebody says otherwise.
pub const LEAST: f64 = 0.5;
/// Shares are measured by clocks: so much more than a whole is a whole.
const ROUNDING: f64 = 0.01;

/// The column, and what a window needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completeness {
    /// Holds shares from 0 to 1.
    pub column: String,
    /// Below it a window is not judged.
    #[serde(with = "snapshot::float")]
    pub least: f64,
}

/// What a row's share says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Observed {
    /// Enough: above 0, at most 1.
    Share(f64),
    /// Too little to judge.
    TooLittle,
    /// No share at all.
    Unreadable,
}

/// Rows that weren't judged for their completeness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unjudged {
    /// Too little of the window was observed.
    pub incomplete: u64,
    /// Nobody can say how much was.
    pub unreadable: u64,
}

impl Completeness {
    /// Whether it can be meant.
    pub fn check(&self) -> Result<()> {
        if self.least > 0.0 && self.least <= 1.0 {
            return Ok(());
        }
        let least = self.least;
        Err(Error::config(format!("`min_completeness` must be above 0 and at most 1, got {least}")))
    }

    /// What a share means.
    #[inline]
    pub fn read(&self, share: f64) -> Observed {
        if !(0.0..=1.0 + ROUNDING).contains(&share) {
            Observed::Unreadable
        } else if share < self.least {
            Observed::TooLittle
        } else {
            Observed::Share(share.min(1.0))
        }
    }

    /// Why a row isn't judged.
    pub fn tell(&self, share: f64, observed: Observed) -> String {
        let column = &self.column;
        match observed {
            Observed::Unreadable if share.is_nan() => {
                format!("not judged: no {column}, expected a share from 0 to 1")
            }
            Observed::Unreadable => format!("not judged: {column} {share}, expected a share from 0 to 1"),
            Observed::TooLittle | Observed::Share(_) => {
                let [share, least] = [share, self.least].map(|share| (1000.0 * share).floor() / 10.0);
                format!("not judged: {share} % of the window was observed, wanted {least} %")
            }
        }
    }
}
