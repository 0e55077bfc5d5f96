//! A linear regression on standardised features, evaluated.

use pulp::{Simd, WithSimd};

use super::file::Ridge;
use super::plan::Range;
use super::{LANES, Lanes};
use crate::error::{Error, Result};

/// One feature's part.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Term {
    mean: f64,
    /// The coefficient over the scale.
    slope: f64,
}

/// `intercept + sum of slope x (feature - mean)`, added in the order of the features.
#[derive(Debug, Clone, PartialEq)]
pub struct Regression {
    intercept: f64,
    terms: Vec<Term>,
}

impl Regression {
    /// Of so many features.
    pub fn new(ridge: &Ridge, features: usize) -> Result<Self> {
        let Ridge { intercept, coefficients, mean, scale } = ridge;
        let sizes = [coefficients.len(), mean.len(), scale.len()];
        if sizes != [features; 3] {
            return Err(Error::model(format!(
                "the model file must have {features} coefficients, means and scales, got {sizes:?}"
            )));
        }
        let terms: Vec<Term> = coefficients
            .iter()
            .zip(mean)
            .zip(scale)
            .map(|((coefficient, mean), scale)| Term { mean: *mean, slope: coefficient / scale })
            .collect();
        if !intercept.is_finite() || terms.iter().any(|term| !(term.mean + term.slope).is_finite()) {
            return Err(Error::model("the model file must have finite coefficients and scales other than 0"));
        }
        Ok(Self { intercept: *intercept, terms })
    }

    /// Rows side by side.
    pub fn evaluate<'a>(&self, lanes: impl Fn(usize) -> &'a Lanes) -> Lanes {
        let mut sums = [self.intercept; LANES];
        for (at, Term { mean, slope }) in self.terms.iter().enumerate() {
            for (sum, value) in sums.iter_mut().zip(lanes(at)) {
                *sum += slope * (value - mean);
            }
        }
        sums
    }

    /// A run of rows of inputs that are features as they are: the same sums. Whether nothing was odd: each value of
    /// these inputs in its range, and each sum a number.
    pub fn evaluate_run(
        &self,
        plain: &[usize],
        ranges: &[Range],
        inputs: &[&[f64]],
        out: &mut [f64],
    ) -> bool {
        let column = |(term, input): (&Term, &usize)| Column {
            term: *term,
            range: ranges[*input],
            values: &inputs[*input][..out.len()],
        };
        let columns: Vec<_> = self.terms.iter().zip(plain).map(column).collect();
        pulp::Arch::new().dispatch(Run { intercept: self.intercept, columns: &columns, out })
    }

    /// One row: the same sum. `plain` says which of the inputs a feature is.
    pub fn evaluate_row(&self, inputs: &[f64], plain: &[usize]) -> f64 {
        let terms = self.terms.iter().zip(plain);
        terms.fold(self.intercept, |sum, (Term { mean, slope }, input)| sum + slope * (inputs[*input] - mean))
    }
}

/// One feature of a run of rows.
#[derive(Clone, Copy)]
struct Column<'a> {
    term: Term,
    range: Range,
    values: &'a [f64],
}

struct Run<'a> {
    intercept: f64,
    columns: &'a [Column<'a>],
    out: &'a mut [f64],
}

/// Columns that are added in one go: that spares reading and writing the sums in between.
const TOGETHER: usize = 4;

impl WithSimd for Run<'_> {
    type Output = bool;

    // Always: what is called from here would not be compiled for the wider vectors.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> bool {
        let Self { intercept, columns, out } = self;
        out.fill(intercept);
        let mut within = true;
        let (groups, rest) = columns.as_chunks::<TOGETHER>();
        for group in groups {
            within &= add(simd, group, out);
        }
        for column in rest {
            within &= add(simd, &[*column], out);
        }
        // NaN lies in no range and outside none: it is seen by what it makes of its row's sum.
        let (vectors, tail) = S::as_simd_f64s(out);
        let zero = simd.splat_f64s(0.0);
        let naught = vectors.iter().fold(zero, |sum, value| simd.mul_add_f64s(*value, zero, sum));
        within && simd.reduce_sum_f64s(naught) == 0.0 && tail.iter().all(|sum| sum.is_finite())
    }
}

/// Adds some columns' parts to the sums of their rows; whether no value is outside its range.
#[allow(clippy::inline_always)]
#[inline(always)]
fn add<S: Simd, const COLUMNS: usize>(simd: S, columns: &[Column; COLUMNS], out: &mut [f64]) -> bool {
    let means = columns.map(|column| simd.splat_f64s(column.term.mean));
    let slopes = columns.map(|column| simd.splat_f64s(column.term.slope));
    let mut least = columns.map(|column| simd.splat_f64s(column.range.high));
    let mut most = columns.map(|column| simd.splat_f64s(column.range.low));
    let (sums, tail) = S::as_mut_simd_f64s(out);
    let (count, rest) = (sums.len(), tail.len());
    let parts = columns.map(|column| &S::as_simd_f64s(column.values).0[..count]);
    for (row, sum) in sums.iter_mut().enumerate() {
        let mut next = *sum;
        for at in 0..COLUMNS {
            let value = parts[at][row];
            next = simd.add_f64s(next, simd.mul_f64s(slopes[at], simd.sub_f64s(value, means[at])));
            least[at] = simd.min_f64s(value, least[at]);
            most[at] = simd.max_f64s(value, most[at]);
        }
        *sum = next;
    }
    let mut within = true;
    for (at, Column { term, range, values }) in columns.iter().enumerate() {
        for (sum, value) in tail.iter_mut().zip(&values[values.len() - rest..]) {
            *sum += term.slope * (value - term.mean);
            within &= range.holds(*value);
        }
        within &=
            simd.reduce_min_f64s(least[at]) >= range.low && simd.reduce_max_f64s(most[at]) <= range.high;
    }
    within
}
