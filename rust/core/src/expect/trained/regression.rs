//! A linear regression on standardised features, evaluated.

use super::file::Ridge;
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

    /// A run of rows of inputs that are features as they are: the same sums.
    pub fn evaluate_run(&self, plain: &[usize], inputs: &[&[f64]], out: &mut [f64]) {
        pulp::Arch::new().dispatch(Run { ridge: self, plain, inputs, out });
    }

    /// One row: the same sum.
    pub fn evaluate_row(&self, feature: impl Fn(usize) -> f64) -> f64 {
        let terms = self.terms.iter().enumerate();
        terms.fold(self.intercept, |sum, (at, Term { mean, slope })| sum + slope * (feature(at) - mean))
    }
}

struct Run<'a> {
    ridge: &'a Regression,
    plain: &'a [usize],
    inputs: &'a [&'a [f64]],
    out: &'a mut [f64],
}

impl pulp::NullaryFnOnce for Run<'_> {
    type Output = ();

    // Always: what is called from here would not be compiled for the wider vectors.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn call(self) {
        self.out.fill(self.ridge.intercept);
        for (Term { mean, slope }, input) in self.ridge.terms.iter().zip(self.plain) {
            for (sum, value) in self.out.iter_mut().zip(self.inputs[*input]) {
                *sum += slope * (value - mean);
            }
        }
    }
}
