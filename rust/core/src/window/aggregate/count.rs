//! `count()`: rows, or the values of a column that are there.

use serde::{Deserialize, Serialize};

use super::Block;
use crate::column::{Scalar, Values};

/// Counts, one a cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts(Vec<u64>);

impl Counts {
    pub(super) fn from_cells(cells: impl Iterator<Item = u64>) -> Self {
        Self(cells.collect())
    }

    pub(super) fn gather(&self, cells: &[u32]) -> Self {
        Self(super::gather(&self.0, 0, cells))
    }

    pub(super) fn resize(&mut self, cells: usize) {
        self.0.resize(cells, 0);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add_rows(&mut self, block: &Block<'_>) {
        for cell in block.cells {
            self.0[*cell as usize] += 1;
        }
    }

    /// Counts what is neither null nor NaN.
    pub(super) fn add_values(&mut self, block: &Block<'_>, values: &Values) {
        for (at, cell) in block.cells.iter().enumerate() {
            if super::is_value(values, block.start + at) {
                self.0[*cell as usize] += 1;
            }
        }
    }

    pub(super) fn add_one(&mut self, cell: u32, value: Option<&Scalar>) {
        if value.is_none_or(super::is_there) {
            self.0[cell as usize] += 1;
        }
    }

    pub(super) fn merge(&mut self, into: u32, other: &Self, from: u32) {
        self.0[into as usize] += other.0[from as usize];
    }

    pub(super) fn reset(&mut self, cell: u32) {
        self.0[cell as usize] = 0;
    }

    pub(super) fn get(&self, cell: u32) -> u64 {
        self.0[cell as usize]
    }
}
