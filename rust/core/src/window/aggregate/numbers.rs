//! Sums, extrema and moments of one float column in one pass.
//!
//! Each has its own state and can do without the others; together they read the column, its nulls and the rows' cells
//! once instead of three times.

use arrow_array::Float64Array;

use super::{Block, Store, each_float};

/// Stores that one pass can feed: accumulators of the same column and filter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Together {
    /// Of sums.
    pub sums: Option<usize>,
    /// Of extrema.
    pub extrema: Option<usize>,
    /// Of moments.
    pub moments: Option<usize>,
}

impl Together {
    /// Adds a block to all of them.
    pub fn add(&self, stores: &mut [Store], block: &Block<'_>, array: &Float64Array) {
        match (self.sums, self.extrema, self.moments) {
            (Some(a), Some(b), Some(c)) => {
                let Ok([Store::Sums(a), Store::Extrema(b), Store::Moments(c)]) =
                    stores.get_disjoint_mut([a, b, c])
                else {
                    return;
                };
                let (sums, ranges, moments) = (a.floats().as_mut_slice(), b.floats().as_mut_slice(), c.all());
                each_float(block, array, |cell, value| {
                    sums[cell].add(value);
                    ranges[cell].add(value);
                    moments[cell].add(value);
                });
            }
            (Some(a), Some(b), None) => {
                let Ok([Store::Sums(a), Store::Extrema(b)]) = stores.get_disjoint_mut([a, b]) else { return };
                let (sums, ranges) = (a.floats().as_mut_slice(), b.floats().as_mut_slice());
                each_float(block, array, |cell, value| {
                    sums[cell].add(value);
                    ranges[cell].add(value);
                });
            }
            (Some(a), None, Some(c)) => {
                let Ok([Store::Sums(a), Store::Moments(c)]) = stores.get_disjoint_mut([a, c]) else { return };
                let (sums, moments) = (a.floats().as_mut_slice(), c.all());
                each_float(block, array, |cell, value| {
                    sums[cell].add(value);
                    moments[cell].add(value);
                });
            }
            (None, Some(b), Some(c)) => {
                let Ok([Store::Extrema(b), Store::Moments(c)]) = stores.get_disjoint_mut([b, c]) else {
                    return;
                };
                let (ranges, moments) = (b.floats().as_mut_slice(), c.all());
                each_float(block, array, |cell, value| {
                    ranges[cell].add(value);
                    moments[cell].add(value);
                });
            }
            // One alone has a pass of its own.
            _ => {}
        }
    }

    /// Whether there is more than one.
    pub fn pays(&self) -> bool {
        [self.sums, self.extrema, self.moments].into_iter().flatten().count() > 1
    }
}
