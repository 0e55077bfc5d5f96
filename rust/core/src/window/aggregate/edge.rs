//! `first` and `last`: by event time, then by arrival.

use serde::{Deserialize, Serialize};

use super::Block;
use crate::column::{Scalar, Values};
use crate::time::Timestamp;

/// Which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum End {
    /// The earliest value, of several the one that came first.
    First,
    /// The latest value, of several the one that came last.
    Last,
}

/// The outermost values so far, one a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edges {
    end: End,
    cells: Vec<Option<(Timestamp, Scalar)>>,
}

impl Edges {
    pub(super) fn new(end: End) -> Self {
        Self { end, cells: Vec::new() }
    }

    pub(super) fn end(&self) -> End {
        self.end
    }

    pub(super) fn gather(&self, cells: &[u32]) -> Self {
        Self { end: self.end, cells: super::gather(&self.cells, None, cells) }
    }

    pub(super) fn resize(&mut self, cells: usize) {
        self.cells.resize(cells, None);
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether a value of `time`, which arrived after all before it, takes the cell.
    fn takes(&self, cell: u32, time: Timestamp) -> bool {
        match (&self.cells[cell as usize], self.end) {
            (None, _) => true,
            (Some((held, _)), End::First) => time < *held,
            (Some((held, _)), End::Last) => time >= *held,
        }
    }

    pub(super) fn add(&mut self, block: &Block<'_>, values: &Values) {
        for (at, (cell, time)) in block.cells.iter().zip(block.times).enumerate() {
            if *cell != super::SINK && self.takes(*cell, *time) && super::is_value(values, block.start + at) {
                self.cells[*cell as usize] = Some((*time, values.scalar(block.start + at)));
            }
        }
    }

    pub(super) fn add_one(&mut self, cell: u32, time: Timestamp, value: &Scalar) {
        if self.takes(cell, time) && super::is_there(value) {
            self.cells[cell as usize] = Some((time, value.clone()));
        }
    }

    /// `other` arrived later.
    pub(super) fn merge(&mut self, into: u32, other: &Self, from: u32) {
        if let Some((time, value)) = &other.cells[from as usize]
            && self.takes(into, *time)
        {
            self.cells[into as usize] = Some((*time, value.clone()));
        }
    }

    pub(super) fn reset(&mut self, cell: u32) {
        self.cells[cell as usize] = None;
    }

    pub(super) fn get(&self, cell: u32) -> Option<Scalar> {
        self.cells[cell as usize].as_ref().map(|(_, value)| value.clone())
    }
}
