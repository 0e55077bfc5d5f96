//! One series of residuals: judge, then learn.
//!
//! Owns what a residual means to its series: smoothed, set against the RMSE, turned into a score. The two steps
//! are apart so that a host may leave the second out, as one does while the series is in alarm.

use serde::{Deserialize, Serialize};

use super::rmse::{self, Remember, Rmse, RmseState};
use super::smooth::{Average, Smooth, SmoothState};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// How residuals are judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// How errors are remembered.
    pub rmse: Rmse,
    /// Over what residuals are averaged.
    pub smooth: Smooth,
}

/// What is remembered of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Of its errors.
    pub(super) rmse: RmseState,
    /// Of its residuals.
    pub(super) smooth: SmoothState,
}

/// What a row's residual came to; NaN stands for null.
#[derive(Debug, Clone, Copy)]
pub struct Judgement {
    /// Observed less predicted.
    pub residual: f64,
    /// The rolling mean; null until there are rows enough.
    pub smoothed: f64,
    /// The RMSE of the rows before; null where there were none.
    pub rmse: f64,
    /// `smoothed / rmse`; null where either is, or the RMSE is 0.
    pub score: f64,
}

impl Rule {
    /// Checks the numbers.
    pub fn check(&self) -> Result<()> {
        self.rmse.check()?;
        self.smooth.check()
    }

    /// A series of which nothing was seen yet.
    pub fn start(&self) -> Series {
        Series { rmse: self.rmse.start(), smooth: self.smooth.start() }
    }

    /// Whether a restored series is one of this rule.
    pub fn admit(&self, series: &Series) -> Result<()> {
        if self.rmse.fits(&series.rmse) && self.smooth.fits(&series.smooth) {
            return Ok(());
        }
        Err(Error::snapshot("a series' residuals don't fit the rule that they are kept by"))
    }

    /// The rule made ready for rows.
    pub fn kernel(&self) -> Kernel<rmse::Kernel, Smooth> {
        Kernel { rmse: self.rmse.kernel(), smooth: self.smooth }
    }
}

/// A rule with what it would otherwise compute for every row. Which RMSE and which mean may be fixed by type, for
/// loops over many rows, or chosen by the row.
#[derive(Debug, Clone, Copy)]
pub struct Kernel<R, A> {
    /// How errors are remembered.
    pub rmse: R,
    /// Over what residuals are averaged.
    pub smooth: A,
}

impl<R: Remember, A: Average> Kernel<R, A> {
    /// Judges a residual that is not NaN. Rows come in order of time.
    #[inline]
    pub fn judge(&self, series: &mut Series, time: Timestamp, residual: f64) -> Judgement {
        let pushed = self.smooth.push(&mut series.smooth, time, residual);
        let square = self.rmse.square(&mut series.rmse, time);
        let (smoothed, rmse, score) = self.score(pushed, square);
        Judgement { residual, smoothed, rmse, score }
    }

    /// Smoothed residual, RMSE and score, from what both keep. It needs nothing of the rows before.
    #[inline]
    pub fn score(&self, pushed: f64, square: f64) -> (f64, f64, f64) {
        let (smoothed, rmse) = (self.smooth.mean(pushed), self.rmse.root(square));
        (smoothed, rmse, if rmse > 0.0 { smoothed / rmse } else { f64::NAN })
    }

    /// Lets the RMSE learn the residual just judged.
    #[inline]
    pub fn learn(&mut self, series: &mut Series, time: Timestamp, residual: f64) {
        self.rmse.learn(&mut series.rmse, time, residual);
    }
}
