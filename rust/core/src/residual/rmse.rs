//! The size of a series' errors so far: the root of their mean square.
//!
//! Owns the four ways of remembering. The RMSE that judges a row knows nothing of that row: it is read first
//! and learns afterwards.

use serde::{Deserialize, Serialize};

use super::sliding::{RowSum, SpanSum};
use crate::duration;
use crate::error::{Error, Result};
use crate::snapshot;
use crate::time::Timestamp;

/// The most rows that a rolling window may hold.
pub const MAX_ROWS: usize = 100_000_000;

/// How errors are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Rmse {
    /// All of them alike.
    Cumulative,
    /// The newest rows.
    RollingRows(usize),
    /// Those of the newest stretch of time, `(t - d, t]`, in nanoseconds.
    RollingTime(i64),
    /// Weights that halve every so many rows: `S = a S + (1 - a) r^2`, `a = 2^(-1/h)`, from the first square on.
    EwmRows(f64),
    /// Weights that halve every so many nanoseconds: the same with `a = 2^(-dt/h)`.
    EwmTime(i64),
    /// Not at all: a number known beforehand.
    Fixed(f64),
}

/// What is remembered of one series. Which form it has follows from the rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RmseState {
    /// A count and a finite sum of squares.
    Cumulative {
        /// Squares in the sum.
        rows: u64,
        /// Their sum.
        #[serde(with = "snapshot::float")]
        sum: f64,
    },
    /// Squares of the newest rows.
    RollingRows(RowSum),
    /// Squares of the newest stretch of time.
    RollingTime(SpanSum),
    /// A weighted mean square.
    Ewm {
        /// The mean; negative before the first square.
        #[serde(with = "snapshot::float")]
        mean: f64,
        /// When it last learned.
        at: Timestamp,
    },
    /// Nothing.
    Fixed,
}

impl Rmse {
    /// Checks the numbers.
    pub fn check(&self) -> Result<()> {
        match *self {
            Self::RollingRows(rows) if rows == 0 || rows > MAX_ROWS => {
                Err(Error::config(format!("`over` must be 1 to {MAX_ROWS} rows, got {rows}")))
            }
            Self::RollingTime(span) if span <= 0 => {
                Err(Error::config(format!("`over` must be positive, got {:?}", duration::print(span))))
            }
            Self::EwmRows(half_life) if !(half_life.is_finite() && half_life > 0.0) => {
                Err(Error::config(format!("`half_life` must be positive, got {half_life}")))
            }
            Self::EwmTime(half_life) if half_life <= 0 => Err(Error::config(format!(
                "`half_life` must be positive, got {:?}",
                duration::print(half_life)
            ))),
            Self::Fixed(rmse) if !(rmse.is_finite() && rmse > 0.0) => {
                Err(Error::config(format!("`rmse` must be a positive number, got {rmse}")))
            }
            _ => Ok(()),
        }
    }

    /// The state of a new series.
    pub fn start(&self) -> RmseState {
        match self {
            Self::Cumulative => RmseState::Cumulative { rows: 0, sum: 0.0 },
            Self::RollingRows(_) => RmseState::RollingRows(RowSum::default()),
            Self::RollingTime(_) => RmseState::RollingTime(SpanSum::default()),
            Self::EwmRows(_) | Self::EwmTime(_) => RmseState::Ewm { mean: -1.0, at: 0 },
            Self::Fixed(_) => RmseState::Fixed,
        }
    }

    /// Whether a restored state is of this rule.
    pub fn fits(&self, state: &RmseState) -> bool {
        match (self, state) {
            (Self::RollingRows(rows), RmseState::RollingRows(sum)) => sum.fits(*rows),
            (Self::Cumulative, RmseState::Cumulative { .. })
            | (Self::RollingTime(_), RmseState::RollingTime(_))
            | (Self::EwmRows(_) | Self::EwmTime(_), RmseState::Ewm { .. })
            | (Self::Fixed(_), RmseState::Fixed) => true,
            _ => false,
        }
    }

    /// The rule made ready for a loop over rows.
    pub fn kernel(&self) -> Kernel {
        match *self {
            Self::Cumulative => Kernel::Cumulative(Cumulative),
            Self::RollingRows(rows) => Kernel::RollingRows(RollingRows(rows)),
            Self::RollingTime(span) => Kernel::RollingTime(RollingTime(span)),
            Self::EwmRows(half_life) => Kernel::EwmRows(EwmRows::new(half_life)),
            Self::EwmTime(half_life) => Kernel::EwmTime(EwmTime { half_life, step: 0, weight: 1.0 }),
            Self::Fixed(rmse) => Kernel::Fixed(rmse),
        }
    }
}

/// A way of remembering. Each expects the state that its rule starts with, and takes any other for an empty one.
pub trait Remember {
    /// What [`Remember::root`] makes the RMSE of before the row at `time`: their mean square; NaN or less than 0 where
    /// nothing was learned yet.
    fn square(&self, state: &mut RmseState, time: Timestamp) -> f64;

    /// The RMSE, from what `square` gave; NaN where nothing was learned yet. Apart from it, since it needs nothing of
    /// the rows before.
    #[inline]
    fn root(&self, square: f64) -> f64 {
        square.sqrt()
    }

    /// Takes in the row's residual. An infinite square would never leave a cumulative or weighted mean again,
    /// so those don't take one in; a rolling one does, and is rid of it with the row.
    fn learn(&mut self, state: &mut RmseState, time: Timestamp, residual: f64);

    /// Reads and learns rows that follow each other in one series; all three slices have the same length.
    fn run(&mut self, state: &mut RmseState, times: &[Timestamp], residuals: &[f64], squares: &mut [f64]) {
        run_by_row(self, state, times, residuals, squares);
    }
}

fn run_by_row(
    rule: &mut (impl Remember + ?Sized),
    state: &mut RmseState,
    times: &[Timestamp],
    residuals: &[f64],
    squares: &mut [f64],
) {
    for ((time, residual), square) in times.iter().zip(residuals).zip(squares) {
        *square = rule.square(state, *time);
        rule.learn(state, *time, *residual);
    }
}

/// All errors alike.
#[derive(Debug, Clone, Copy)]
pub struct Cumulative;

impl Remember for Cumulative {
    #[inline]
    fn square(&self, state: &mut RmseState, _: Timestamp) -> f64 {
        let RmseState::Cumulative { rows, sum } = state else { return f64::NAN };
        *sum / *rows as f64
    }

    #[inline]
    fn learn(&mut self, state: &mut RmseState, _: Timestamp, residual: f64) {
        let RmseState::Cumulative { rows, sum } = state else { return };
        let new = *sum + residual * residual;
        if new < f64::INFINITY {
            *sum = new;
            *rows = rows.saturating_add(1);
        }
    }
}

/// Those of so many rows.
#[derive(Debug, Clone, Copy)]
pub struct RollingRows(pub usize);

impl Remember for RollingRows {
    #[inline]
    fn square(&self, state: &mut RmseState, _: Timestamp) -> f64 {
        let RmseState::RollingRows(sum) = state else { return f64::NAN };
        sum.total(self.0) / sum.len() as f64
    }

    #[inline]
    fn learn(&mut self, state: &mut RmseState, _: Timestamp, residual: f64) {
        let RmseState::RollingRows(sum) = state else { return };
        sum.push(self.0, residual * residual);
    }
}

/// Those of so many nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct RollingTime(pub i64);

impl Remember for RollingTime {
    fn square(&self, state: &mut RmseState, time: Timestamp) -> f64 {
        let RmseState::RollingTime(sum) = state else { return f64::NAN };
        sum.forget(time, self.0);
        sum.total() / sum.len() as f64
    }

    fn learn(&mut self, state: &mut RmseState, time: Timestamp, residual: f64) {
        let RmseState::RollingTime(sum) = state else { return };
        sum.push(time, residual * residual);
    }
}

#[inline]
fn weighted(state: &mut RmseState, time: Timestamp, square: f64, weight: impl FnOnce(Timestamp) -> f64) {
    let RmseState::Ewm { mean, at } = state else { return };
    if square < f64::INFINITY {
        if *mean < 0.0 {
            *mean = square;
        } else {
            let weight = weight(*at);
            *mean = weight * *mean + (1.0 - weight) * square;
        }
        *at = time;
    }
}

#[inline]
fn weighted_mean(state: &RmseState) -> f64 {
    let RmseState::Ewm { mean, .. } = state else { return f64::NAN };
    *mean
}

/// Weights that halve by the row.
#[derive(Debug, Clone, Copy)]
pub struct EwmRows {
    weight: f64,
}

impl EwmRows {
    /// With this half-life.
    pub fn new(half_life: f64) -> Self {
        Self { weight: libm::exp2(-1.0 / half_life) }
    }
}

impl Remember for EwmRows {
    #[inline]
    fn square(&self, state: &mut RmseState, _: Timestamp) -> f64 {
        weighted_mean(state)
    }

    #[inline]
    fn learn(&mut self, state: &mut RmseState, time: Timestamp, residual: f64) {
        weighted(state, time, residual * residual, |_| self.weight);
    }

    fn run(&mut self, state: &mut RmseState, times: &[Timestamp], residuals: &[f64], squares: &mut [f64]) {
        let finite = residuals.iter().all(|residual| residual * residual < f64::INFINITY);
        match state {
            RmseState::Ewm { mean, at } if *mean >= 0.0 && finite => {
                // As `learn` does, with the mean in a register and no choice between one mean and the next.
                let (weight, rest, mut now) = (self.weight, 1.0 - self.weight, *mean);
                for (residual, square) in residuals.iter().zip(squares) {
                    *square = now;
                    now = weight * now + rest * (residual * residual);
                }
                (*mean, *at) = (now, times.last().copied().unwrap_or(*at));
            }
            _ => run_by_row(self, state, times, residuals, squares),
        }
    }
}

/// Weights that halve by the clock.
#[derive(Debug, Clone, Copy)]
pub struct EwmTime {
    half_life: i64,
    /// Rows mostly come at a steady pace, and then the weight is the one before.
    step: i64,
    /// That of `step`.
    weight: f64,
}

impl Remember for EwmTime {
    fn square(&self, state: &mut RmseState, _: Timestamp) -> f64 {
        weighted_mean(state)
    }

    fn learn(&mut self, state: &mut RmseState, time: Timestamp, residual: f64) {
        weighted(state, time, residual * residual, |at| {
            let step = time.saturating_sub(at).max(0);
            if step != self.step {
                self.step = step;
                self.weight = libm::exp2(-(step as f64) / self.half_life as f64);
            }
            self.weight
        });
    }
}

/// Any of them, chosen by the row: for where one row at a time comes.
#[derive(Debug, Clone, Copy)]
pub enum Kernel {
    /// All errors alike.
    Cumulative(Cumulative),
    /// Those of so many rows.
    RollingRows(RollingRows),
    /// Those of so many nanoseconds.
    RollingTime(RollingTime),
    /// Weights that halve by the row.
    EwmRows(EwmRows),
    /// Weights that halve by the clock.
    EwmTime(EwmTime),
    /// A number known beforehand.
    Fixed(f64),
}

impl Remember for Kernel {
    fn square(&self, state: &mut RmseState, time: Timestamp) -> f64 {
        match self {
            Self::Cumulative(rule) => rule.square(state, time),
            Self::RollingRows(rule) => rule.square(state, time),
            Self::RollingTime(rule) => rule.square(state, time),
            Self::EwmRows(rule) => rule.square(state, time),
            Self::EwmTime(rule) => rule.square(state, time),
            Self::Fixed(rmse) => *rmse,
        }
    }

    fn root(&self, square: f64) -> f64 {
        // A fixed one is its own root: that of its square might be rounded.
        if let Self::Fixed(_) = self { square } else { square.sqrt() }
    }

    fn learn(&mut self, state: &mut RmseState, time: Timestamp, residual: f64) {
        match self {
            Self::Cumulative(rule) => rule.learn(state, time, residual),
            Self::RollingRows(rule) => rule.learn(state, time, residual),
            Self::RollingTime(rule) => rule.learn(state, time, residual),
            Self::EwmRows(rule) => rule.learn(state, time, residual),
            Self::EwmTime(rule) => rule.learn(state, time, residual),
            Self::Fixed(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(rule: Rmse, rows: &[(i64, f64)]) -> Vec<f64> {
        rule.check().unwrap();
        let (mut kernel, mut state) = (rule.kernel(), rule.start());
        let mut seen = Vec::new();
        for (time, residual) in rows {
            seen.push(kernel.root(kernel.square(&mut state, *time)));
            kernel.learn(&mut state, *time, *residual);
        }
        assert!(rule.fits(&state));
        seen
    }

    #[test]
    fn a_row_is_judged_before_it_is_learned() {
        let rows = [(0, 3.0), (10, -4.0), (20, 0.0)];
        for rule in [
            Rmse::Cumulative,
            Rmse::RollingRows(2),
            Rmse::RollingTime(100),
            Rmse::EwmRows(1.0),
            Rmse::EwmTime(10),
        ] {
            let seen = run(rule, &rows);
            assert!(seen[0].is_nan(), "{rule:?}");
            assert_eq!(seen[1..], [3.0, 12.5_f64.sqrt()], "{rule:?}");
        }
        assert_eq!(run(Rmse::Fixed(2.0), &rows), [2.0; 3]);
    }

    #[test]
    fn an_infinity_ruins_nothing() {
        let rows = [(0, 1.0), (1, f64::INFINITY), (2, 1.0), (3, 1.0), (4, 1.0)];
        for rule in [
            Rmse::Cumulative,
            Rmse::RollingRows(2),
            Rmse::RollingTime(2),
            Rmse::EwmRows(5.0),
            Rmse::EwmTime(1),
        ] {
            assert_eq!(run(rule, &rows)[4], 1.0, "{rule:?}");
        }
    }
}
