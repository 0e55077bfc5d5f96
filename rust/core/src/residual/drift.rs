//! Drift: what whole weeks of residuals have in common, held against what a model's errors were in training.
//!
//! Owns the stretches of one series: their residuals' mean and spread, which of them say something, and which input has
//! moved. A fault lasts hours and is the alarm's affair; drift is what remains of all that was not in alarm.

use serde::{Deserialize, Serialize};

use crate::snapshot;
use crate::time::Timestamp;

/// A stretch has drifted where its mean residual is further off than this, in RMSE, ...
pub const MOVED: f64 = 1.0;
/// ... or where its residuals spread by more than this.
pub const SPREAD: f64 = 1.5;
/// How long a stretch is unless somebody says otherwise: a week.
pub const STRETCH: i64 = 7 * 86_400 * 1_000_000_000;
/// Residuals count as no larger than this, in RMSE: a wild value is no drift.
const CLIP: f64 = 5.0;
/// Inputs count as no further from their mean than this, in standard deviations.
const FAR: f64 = 30.0;
/// An input that has moved by less, in standard deviations, isn't named.
const NAMED: f64 = 0.25;
/// A stretch of fewer rows says nothing, ...
const FEWEST: u64 = 20;
/// ... nor does one that has less than a quarter of the rows that are usual.
const QUARTER: u64 = 4;

/// What stretches are held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// How long one is, in nanoseconds.
    pub stretch: i64,
    /// The error of training.
    pub rmse: f64,
}

/// An input as it was in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usual {
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation; above 0.
    pub spread: f64,
}

/// Values of an input, in standard deviations from its mean.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Shift {
    rows: u64,
    sum: f64,
}

/// Of the rows of a stretch.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Sums {
    rows: u64,
    /// Of residuals in RMSE.
    residual: f64,
    squares: f64,
    #[serde(with = "snapshot::float")]
    observed: f64,
    #[serde(with = "snapshot::float")]
    expected: f64,
    /// One for each input.
    shifts: Vec<Shift>,
}

/// The stretches of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stretches {
    /// Where the one at hand begins; the first of them begins with the first row.
    begin: Timestamp,
    sums: Sums,
    /// Rows that a stretch usually has: as many as the fullest, of which half is forgotten with each stretch.
    usual: u64,
    /// The end of the newest stretch that had drifted, while drift lasts.
    until: Option<Timestamp>,
}

/// A stretch that drifted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// The mean residual in RMSE.
    pub mean: f64,
    /// Its standard deviation in RMSE.
    pub spread: f64,
    /// The mean of what came.
    pub observed: f64,
    /// The mean of what was expected.
    pub expected: f64,
    /// Which input moved most, and by how many of its standard deviations.
    pub moved: Option<(usize, f64)>,
}

/// What the end of a stretch says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Drift, of a stretch that began then.
    Drifted(Timestamp, Drift),
    /// What had drifted is back since then.
    Back(Timestamp),
}

impl Drift {
    /// Whether it is the mean that is off, not only the spread.
    pub fn is_off(&self) -> bool {
        self.mean.abs() > MOVED
    }

    /// What is off: the mean with its sign, else the spread.
    pub fn size(&self) -> f64 {
        if self.is_off() { self.mean } else { self.spread }
    }
}

impl Sums {
    fn drift(&self) -> Drift {
        let rows = self.rows as f64;
        let mean = self.residual / rows;
        let variance = (self.squares / rows - mean * mean).max(0.0);
        let moved = self.shifts.iter().enumerate().filter(|(_, shift)| shift.rows > 0);
        let moved = moved.map(|(input, shift)| (input, shift.sum / shift.rows as f64));
        // The first of those that moved alike.
        let most = moved.reduce(|most, one| if one.1.abs() > most.1.abs() { one } else { most });
        Drift {
            mean,
            spread: variance.sqrt(),
            observed: self.observed / rows,
            expected: self.expected / rows,
            moved: most.filter(|(_, by)| by.abs() >= NAMED),
        }
    }
}

impl Stretches {
    /// Of a series whose first row comes at `time`.
    pub fn new(time: Timestamp) -> Self {
        Self { begin: time, sums: Sums::default(), usual: 0, until: None }
    }

    /// A row of the series came, whatever it says: the stretch at hand ends where the row is beyond it. Rows that come
    /// late belong to the stretch at hand.
    #[inline]
    pub fn pass(&mut self, time: Timestamp, rule: &Rule) -> Option<Verdict> {
        let since = i128::from(time) - i128::from(self.begin);
        if since < i128::from(rule.stretch) { None } else { self.end(since, rule) }
    }

    #[cold]
    fn end(&mut self, since: i128, rule: &Rule) -> Option<Verdict> {
        let began = self.begin;
        let whole = since - since % i128::from(rule.stretch);
        // Not beyond the row's time, which fits.
        self.begin = (i128::from(began) + whole) as Timestamp;
        let sums = std::mem::take(&mut self.sums);
        self.usual = sums.rows.max(self.usual / 2);
        if sums.rows < FEWEST || sums.rows.saturating_mul(QUARTER) < self.usual {
            return None;
        }
        let drift = sums.drift();
        if drift.is_off() || drift.spread > SPREAD {
            self.until = Some(began.saturating_add(rule.stretch));
            return Some(Verdict::Drifted(began, drift));
        }
        self.until.take().map(Verdict::Back)
    }

    /// Takes in a row that was judged and is not in alarm.
    #[inline]
    pub fn take(
        &mut self,
        observed: f64,
        expected: f64,
        rule: &Rule,
        usual: &[Option<Usual>],
        input: impl Fn(usize) -> f64,
    ) {
        let residual = (observed - expected) / rule.rmse;
        if residual.is_nan() {
            return;
        }
        let residual = residual.clamp(-CLIP, CLIP);
        let sums = &mut self.sums;
        sums.rows += 1;
        sums.residual += residual;
        sums.squares += residual * residual;
        sums.observed += observed;
        sums.expected += expected;
        sums.shifts.resize(usual.len(), Shift::default());
        for (at, (usual, shift)) in usual.iter().zip(&mut sums.shifts).enumerate() {
            let Some(usual) = usual else { continue };
            let by = (input(at) - usual.mean) / usual.spread;
            if !by.is_nan() {
                shift.rows += 1;
                shift.sum += by.clamp(-FAR, FAR);
            }
        }
    }

    /// Whether restored ones can be gone on with, of a series with so many inputs.
    pub fn is_sound(&self, inputs: usize) -> bool {
        self.sums.shifts.is_empty() || self.sums.shifts.len() == inputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { stretch: 100, rmse: 2.0 };
    const USUAL: [Option<Usual>; 2] = [None, Some(Usual { mean: 5.0, spread: 0.5 })];

    fn run(rows: impl Iterator<Item = (i64, f64)>) -> Vec<Verdict> {
        let mut stretches: Option<Stretches> = None;
        rows.filter_map(|(time, residual)| {
            let stretches = stretches.get_or_insert_with(|| Stretches::new(time));
            let told = stretches.pass(time, &RULE);
            stretches.take(10.0 + residual, 10.0, &RULE, &USUAL, |_| 6.0);
            told
        })
        .collect()
    }

    #[test]
    fn drift_begins_and_ends_with_its_stretches() {
        let found = run((0..600).map(|time| (time, if (100..300).contains(&time) { 3.0 } else { 0.0 })));
        let [Verdict::Drifted(first, drift), Verdict::Drifted(100.., _), Verdict::Back(300)] = found[..]
        else {
            panic!("{found:?}")
        };
        assert_eq!((first, drift.mean, drift.spread), (100, 1.5, 0.0));
        assert_eq!((drift.observed, drift.moved), (13.0, Some((1, 2.0))));
    }

    #[test]
    fn wild_values_and_few_rows_are_no_drift() {
        assert_eq!(run((0..200).map(|time| (time, if time == 7 { 1e90 } else { 0.0 }))), []);
        assert_eq!(run((0..50).map(|row| (row * 10, 9.0))), []);
        // A stretch with less than a quarter of the usual rows.
        let rows = (0..400).map(|row| (row / 4, 0.0)).chain((0..24).map(|row| (100 + 4 * row, 9.0)));
        assert_eq!(run(rows.chain([(300, 0.0)])), []);
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        let mut stretches = Stretches::new(i64::MIN);
        assert_eq!(stretches.pass(i64::MAX, &RULE), None);
        // Neither has a difference.
        stretches.take(f64::INFINITY, f64::INFINITY, &RULE, &[], |_| 0.0);
        assert_eq!(stretches.pass(i64::MAX, &Rule { stretch: i64::MAX, ..RULE }), None);
        assert!(stretches.is_sound(0));
    }
}
