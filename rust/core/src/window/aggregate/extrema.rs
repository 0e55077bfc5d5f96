//! `min` and `max`: exact, in the type of the column.

use serde::{Deserialize, Serialize};

use super::Block;
use crate::column::{Scalar, Values};
use crate::snapshot;

/// Least and greatest values, one pair a cell: of integers until the first float column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Extrema {
    /// Empty once there are floats.
    ints: Vec<IntRange>,
    floats: Option<Vec<FloatRange>>,
}

/// Empty while `min > max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntRange {
    min: i128,
    max: i128,
}

/// Empty while `min > max`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FloatRange {
    #[serde(with = "snapshot::float")]
    pub(super) min: f64,
    #[serde(with = "snapshot::float")]
    pub(super) max: f64,
}

const NO_INTS: IntRange = IntRange { min: i128::MAX, max: i128::MIN };
const NO_FLOATS: FloatRange = FloatRange { min: f64::INFINITY, max: f64::NEG_INFINITY };

impl IntRange {
    fn add(&mut self, value: i128) {
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn as_floats(self) -> FloatRange {
        if self.min > self.max {
            return NO_FLOATS;
        }
        FloatRange { min: self.min as f64, max: self.max as f64 }
    }
}

impl FloatRange {
    /// NaN compares false both times and so leaves no trace; an infinity equals the empty end that it replaces. Both
    /// ends are written: that is one instruction each, where a branch would be a guess.
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        self.min = if value < self.min { value } else { self.min };
        self.max = if value > self.max { value } else { self.max };
    }

    pub(super) fn merge(&mut self, other: Self) {
        if other.min <= other.max {
            self.min = self.min.min(other.min);
            self.max = self.max.max(other.max);
        }
    }

    pub(super) fn get(self) -> Option<(f64, f64)> {
        (self.min <= self.max).then_some((self.min, self.max))
    }
}

impl Extrema {
    pub(super) fn from_cells(cells: impl Iterator<Item = FloatRange>) -> Self {
        let floats: Vec<FloatRange> = cells.collect();
        // No cells but the sink, no type: what is empty is the same however it came about.
        if floats.len() <= 1 {
            return Self { ints: vec![NO_INTS; floats.len()], floats: None };
        }
        Self { ints: Vec::new(), floats: Some(floats) }
    }

    pub(super) fn gather(&self, cells: &[u32]) -> Self {
        match &self.floats {
            // No cells, no type: what is empty is the same however it came about.
            Some(floats) if !cells.is_empty() => {
                Self { ints: Vec::new(), floats: Some(super::gather(floats, NO_FLOATS, cells)) }
            }
            _ => Self { ints: super::gather(&self.ints, NO_INTS, cells), floats: None },
        }
    }

    pub(super) fn resize(&mut self, cells: usize) {
        match &mut self.floats {
            None => self.ints.resize(cells, NO_INTS),
            Some(floats) => floats.resize(cells, NO_FLOATS),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.floats.as_ref().map_or(self.ints.len(), Vec::len)
    }

    fn floats(&mut self) -> &mut Vec<FloatRange> {
        let ints = &mut self.ints;
        self.floats.get_or_insert_with(|| std::mem::take(ints).into_iter().map(IntRange::as_floats).collect())
    }

    pub(super) fn float(&self, cell: u32) -> FloatRange {
        self.floats
            .as_ref()
            .map_or_else(|| self.ints[cell as usize].as_floats(), |floats| floats[cell as usize])
    }

    fn add_int(&mut self, cell: u32, value: i128) {
        match &mut self.floats {
            None => self.ints[cell as usize].add(value),
            Some(floats) => floats[cell as usize].add(value as f64),
        }
    }

    pub(super) fn add(&mut self, block: &Block<'_>, values: &Values) {
        if let Values::Float(array) = values {
            let ranges = self.floats().as_mut_slice();
            super::each_float(block, array, |cell, value| ranges[cell].add(value));
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
            Scalar::Float(value) => self.floats()[cell as usize].add(*value),
            Scalar::Int(value) => self.add_int(cell, *value),
            Scalar::Bool(value) => self.add_int(cell, i128::from(*value)),
            _ => {}
        }
    }

    pub(super) fn merge(&mut self, into: u32, other: &Self, from: u32) {
        if self.floats.is_none() && other.floats.is_none() {
            let (range, other) = (&mut self.ints[into as usize], other.ints[from as usize]);
            range.min = range.min.min(other.min);
            range.max = range.max.max(other.max);
            return;
        }
        self.floats()[into as usize].merge(other.float(from));
    }

    pub(super) fn reset(&mut self, cell: u32) {
        match &mut self.floats {
            None => self.ints[cell as usize] = NO_INTS,
            Some(floats) => floats[cell as usize] = NO_FLOATS,
        }
    }

    /// Least and greatest value; none of no values.
    pub(super) fn get(&self, cell: u32) -> Option<(Scalar, Scalar)> {
        match &self.floats {
            None => {
                let IntRange { min, max } = self.ints[cell as usize];
                (min <= max).then_some((Scalar::Int(min), Scalar::Int(max)))
            }
            Some(floats) => {
                floats[cell as usize].get().map(|(min, max)| (Scalar::Float(min), Scalar::Float(max)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_infinities_are_values() {
        for value in [f64::INFINITY, f64::NEG_INFINITY] {
            let mut range = NO_FLOATS;
            range.add(value);
            assert_eq!((range.min, range.max), (value, value));
            let mut merged = NO_FLOATS;
            merged.merge(range);
            assert_eq!((merged.min, merged.max), (value, value));
        }
    }
}
