//! The rolling mean of residuals: what a single outlier doesn't move and a lasting one does.
//!
//! Owns the mean over the newest rows or the newest stretch of time, the judged row included.

use serde::{Deserialize, Serialize};

use super::rmse::MAX_ROWS;
use super::sliding::{RowSum, SpanSum};
use crate::duration;
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Over what residuals are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Smooth {
    /// So many rows; 1 is none at all.
    Rows(usize),
    /// A stretch of time, `(t - d, t]`, in nanoseconds.
    Time(i64),
}

/// What is remembered of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum SmoothState {
    /// Nothing: there is nothing to average.
    None,
    /// The newest rows.
    Rows(RowSum),
    /// The newest stretch of time.
    Time(SpanSum),
}

impl Smooth {
    /// Checks the numbers.
    pub fn check(&self) -> Result<()> {
        match *self {
            Self::Rows(rows) if rows == 0 || rows > MAX_ROWS => {
                Err(Error::config(format!("`smooth` must be 1 to {MAX_ROWS} rows, got {rows}")))
            }
            Self::Time(span) if span <= 0 => {
                Err(Error::config(format!("`smooth` must be positive, got {:?}", duration::print(span))))
            }
            _ => Ok(()),
        }
    }

    /// The state of a new series.
    pub fn start(&self) -> SmoothState {
        match self {
            Self::Rows(1) => SmoothState::None,
            Self::Rows(_) => SmoothState::Rows(RowSum::default()),
            Self::Time(_) => SmoothState::Time(SpanSum::default()),
        }
    }

    /// Whether a restored state is of this rule.
    pub fn fits(&self, state: &SmoothState) -> bool {
        match (self, state) {
            (Self::Rows(1), SmoothState::None) | (Self::Time(_), SmoothState::Time(_)) => true,
            (Self::Rows(rows), SmoothState::Rows(sum)) => *rows > 1 && sum.fits(*rows),
            _ => false,
        }
    }
}

/// A way of averaging. Each expects the state that its rule starts with.
pub trait Average {
    /// Takes in a residual and gives what [`Average::mean`] makes the mean of; NaN until there are rows enough.
    fn push(&self, state: &mut SmoothState, time: Timestamp, residual: f64) -> f64;

    /// The mean, from what `push` gave. Apart from it, since it needs nothing of the rows before.
    fn mean(&self, pushed: f64) -> f64 {
        pushed
    }

    /// As `push`, of rows that follow each other in one series; all three slices have the same length.
    fn run(&self, state: &mut SmoothState, times: &[Timestamp], residuals: &[f64], pushed: &mut [f64]) {
        for ((time, residual), pushed) in times.iter().zip(residuals).zip(pushed) {
            *pushed = self.push(state, *time, *residual);
        }
    }
}

/// None: the residual itself.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Average for Plain {
    #[inline]
    fn push(&self, _: &mut SmoothState, _: Timestamp, residual: f64) -> f64 {
        residual
    }
}

/// Over so many rows.
#[derive(Debug, Clone, Copy)]
pub struct OverRows(pub usize);

impl Average for OverRows {
    #[inline]
    fn push(&self, state: &mut SmoothState, _: Timestamp, residual: f64) -> f64 {
        let SmoothState::Rows(sum) = state else { return f64::NAN };
        sum.push(self.0, residual);
        if sum.len() == self.0 { sum.total(self.0) } else { f64::NAN }
    }

    #[inline]
    fn mean(&self, pushed: f64) -> f64 {
        pushed / self.0 as f64
    }

    fn run(&self, state: &mut SmoothState, _: &[Timestamp], residuals: &[f64], pushed: &mut [f64]) {
        match state {
            SmoothState::Rows(sum) => sum.run(self.0, residuals, pushed),
            _ => pushed.fill(f64::NAN),
        }
    }
}

impl Average for Smooth {
    fn push(&self, state: &mut SmoothState, time: Timestamp, residual: f64) -> f64 {
        match (self, state) {
            (Self::Rows(1), _) => residual,
            (Self::Rows(rows), state) => OverRows(*rows).push(state, time, residual),
            (Self::Time(span), SmoothState::Time(sum)) => {
                sum.forget(time, *span);
                sum.push(time, residual);
                sum.total() / sum.len() as f64
            }
            (Self::Time(_), _) => f64::NAN,
        }
    }

    fn mean(&self, pushed: f64) -> f64 {
        match self {
            Self::Rows(rows) => OverRows(*rows).mean(pushed),
            Self::Time(_) => pushed,
        }
    }
}
