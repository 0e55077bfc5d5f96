//! `std` and `var` (ddof 1): sums of deviations from a pivot, which don't cancel as plain sums of squares do.
//!
//! The pivot is the cell's first finite value. Cells merge by the formula of Chan, Golub and LeVeque (1979).

use serde::{Deserialize, Serialize};

use super::Block;
use crate::column::{Scalar, Values};
use crate::snapshot;

/// Second moments, one a cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments(Vec<Moment>);

/// Of `count` values: the sum of their deviations from `pivot`, and of the squares of those.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    pub(super) count: u64,
    #[serde(with = "snapshot::float")]
    pub(super) pivot: f64,
    #[serde(with = "snapshot::float")]
    pub(super) sum: f64,
    #[serde(with = "snapshot::float")]
    pub(super) squares: f64,
}

/// Sum of squared deviations from the mean, of so many values, from their deviations from a pivot.
#[inline]
pub(super) fn spread(count: f64, sum: f64, squares: f64) -> f64 {
    let spread = squares - sum * sum / count;
    // Rounding may leave a hair below zero; NaN stays.
    if spread < 0.0 { 0.0 } else { spread }
}

impl Moment {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        if self.count == 0 {
            self.pivot = if value.is_finite() { value } else { 0.0 };
        }
        let deviation = value - self.pivot;
        self.count += 1;
        self.sum += deviation;
        self.squares += deviation * deviation;
    }

    /// Sum of squared deviations from the mean.
    fn spread(&self) -> f64 {
        spread(self.count as f64, self.sum, self.squares)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let (mean, other_mean) = (self.pivot + self.sum / n, other.pivot + other.sum / m);
        let apart = other_mean - mean;
        let spread = self.spread() + other.spread() + apart * apart * n * m / (n + m);
        let count = self.count + other.count;
        let merged = mean + apart * m / (n + m);
        *self = if merged.is_finite() {
            Self { count, pivot: merged, sum: 0.0, squares: spread }
        } else {
            Self { count, pivot: 0.0, sum: merged, squares: f64::NAN }
        };
    }

    pub(super) fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.spread() / (self.count - 1) as f64)
    }
}

impl Moments {
    pub(super) fn from_cells(cells: impl Iterator<Item = Moment>) -> Self {
        Self(cells.collect())
    }

    pub(super) fn moment(&self, cell: u32) -> Moment {
        self.0[cell as usize]
    }

    pub(super) fn gather(&self, cells: &[u32]) -> Self {
        Self(super::gather(&self.0, Moment::default(), cells))
    }

    pub(super) fn resize(&mut self, cells: usize) {
        self.0.resize(cells, Moment::default());
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, block: &Block<'_>, values: &Values) {
        if let Values::Float(array) = values {
            let moments = self.0.as_mut_slice();
            super::each_float(block, array, |cell, value| moments[cell].add(value));
            return;
        }
        for (at, cell) in block.cells.iter().enumerate() {
            if let Some(value) = super::integer(values, block.start + at) {
                self.0[*cell as usize].add(value as f64);
            }
        }
    }

    pub(super) fn add_one(&mut self, cell: u32, value: &Scalar) {
        match value {
            Scalar::Float(value) if !value.is_nan() => self.0[cell as usize].add(*value),
            Scalar::Int(value) => self.0[cell as usize].add(*value as f64),
            Scalar::Bool(value) => self.0[cell as usize].add(f64::from(u8::from(*value))),
            _ => {}
        }
    }

    pub(super) fn merge(&mut self, into: u32, other: &Self, from: u32) {
        self.0[into as usize].merge(&other.0[from as usize]);
    }

    pub(super) fn reset(&mut self, cell: u32) {
        self.0[cell as usize] = Moment::default();
    }

    /// The sample variance; none of fewer than two values.
    pub(super) fn variance(&self, cell: u32) -> Option<f64> {
        self.0[cell as usize].variance()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Moment {
        let mut moment = Moment::default();
        values.iter().for_each(|value| moment.add(*value));
        moment
    }

    #[test]
    fn large_offsets_do_not_cancel() {
        let moment = of(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert_eq!(moment.variance(), Some(30.0));
        assert_eq!(of(&[0.1; 3]).variance(), Some(0.0));
        assert_eq!(of(&[1.0]).variance(), None);
    }

    #[test]
    fn parts_merge_to_the_whole() {
        let values: Vec<f64> = (0..100).map(|i| 1e6 + f64::from(i * 7919 % 101)).collect();
        let mut left = of(&values[..37]);
        left.merge(&of(&values[37..]));
        let whole = of(&values).variance().unwrap();
        assert!((left.variance().unwrap() - whole).abs() < 1e-12 * whole);
    }
}
