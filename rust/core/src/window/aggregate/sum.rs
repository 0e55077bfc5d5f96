//! `sum` and `mean`: exact for integers (128 bits), plain addition in row order for floats.

use serde::{Deserialize, Serialize};

use super::Block;
use crate::column::{Scalar, Values};
use crate::snapshot;

/// Sums, one a cell: of integers until the first float column, of floats from then on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Empty once there are floats.
    ints: Vec<IntSum>,
    floats: Option<Vec<FloatSum>>,
}

/// Count and sum of integers. 2^63 rows of 64-bit values fit 128 bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntSum {
    count: u64,
    sum: i128,
}

/// Count and sum of floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FloatSum {
    pub(super) count: u64,
    #[serde(with = "snapshot::float")]
    pub(super) sum: f64,
}

impl FloatSum {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum += other.sum;
    }

    pub(super) fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    pub(super) fn get(self) -> Option<f64> {
        (self.count > 0).then_some(self.sum)
    }
}

impl IntSum {
    fn add(&mut self, value: i128) {
        self.count += 1;
        self.sum += value;
    }

    fn as_float(self) -> FloatSum {
        FloatSum { count: self.count, sum: self.sum as f64 }
    }
}

impl Sums {
    pub(super) fn from_cells(cells: impl Iterator<Item = FloatSum>) -> Self {
        let floats: Vec<FloatSum> = cells.collect();
        // No cells but the sink, no type: what is empty is the same however it came about.
        if floats.len() <= 1 {
            return Self { ints: vec![IntSum::default(); floats.len()], floats: None };
        }
        Self { ints: Vec::new(), floats: Some(floats) }
    }

    pub(super) fn gather(&self, cells: &[u32]) -> Self {
        match &self.floats {
            // No cells, no type: what is empty is the same however it came about.
            Some(floats) if !cells.is_empty() => {
                Self { ints: Vec::new(), floats: Some(super::gather(floats, FloatSum::default(), cells)) }
            }
            _ => Self { ints: super::gather(&self.ints, IntSum::default(), cells), floats: None },
        }
    }

    pub(super) fn resize(&mut self, cells: usize) {
        match &mut self.floats {
            None => self.ints.resize(cells, IntSum::default()),
            Some(floats) => floats.resize(cells, FloatSum::default()),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.floats.as_ref().map_or(self.ints.len(), Vec::len)
    }

    fn floats(&mut self) -> &mut Vec<FloatSum> {
        let ints = &mut self.ints;
        self.floats.get_or_insert_with(|| std::mem::take(ints).into_iter().map(IntSum::as_float).collect())
    }

    pub(super) fn float(&self, cell: u32) -> FloatSum {
        self.floats
            .as_ref()
            .map_or_else(|| self.ints[cell as usize].as_float(), |floats| floats[cell as usize])
    }

    fn add_int(&mut self, cell: u32, value: i128) {
        match &mut self.floats {
            None => self.ints[cell as usize].add(value),
            Some(floats) => floats[cell as usize].add(value as f64),
        }
    }

    pub(super) fn add(&mut self, block: &Block<'_>, values: &Values) {
        if let Values::Float(array) = values {
            let sums = self.floats().as_mut_slice();
            super::each_float(block, array, |cell, value| sums[cell].add(value));
            return;
        }
        for (at, cell) in block.cells.iter().enumerate() {
            if let Some(value) = super::integer(values, block.start + at) {
                self.add_int(*cell, value);
            }
        }
    }

    pub(super) fn add_one(&mut self, cell: u32, value: &Scalar) {
        match value {
            Scalar::Float(value) if !value.is_nan() => self.floats()[cell as usize].add(*value),
            Scalar::Int(value) => self.add_int(cell, *value),
            Scalar::Bool(value) => self.add_int(cell, i128::from(*value)),
            _ => {}
        }
    }

    pub(super) fn merge(&mut self, into: u32, other: &Self, from: u32) {
        if self.floats.is_none() && other.floats.is_none() {
            let (sum, other) = (&mut self.ints[into as usize], other.ints[from as usize]);
            sum.count += other.count;
            sum.sum += other.sum;
            return;
        }
        self.floats()[into as usize].merge(other.float(from));
    }

    pub(super) fn reset(&mut self, cell: u32) {
        match &mut self.floats {
            None => self.ints[cell as usize] = IntSum::default(),
            Some(floats) => floats[cell as usize] = FloatSum::default(),
        }
    }

    pub(super) fn mean(&self, cell: u32) -> Option<f64> {
        self.float(cell).mean()
    }

    /// The sum; none of no values. Integers may lie beyond 64 bits: the caller sees to that.
    pub(super) fn get(&self, cell: u32) -> Option<Scalar> {
        match &self.floats {
            None => {
                Some(self.ints[cell as usize]).filter(|sum| sum.count > 0).map(|sum| Scalar::Int(sum.sum))
            }
            Some(floats) => floats[cell as usize].get().map(Scalar::Float),
        }
    }
}
