//! Aggregates: what a window computes of its rows, cell by cell.
//!
//! A *cell* is one series in one window. All cells of a lane live side by side in a [`Cells`], one store for each
//! kind of state that the asked aggregates need, so that `sum` and `mean` of a column share theirs. Every store
//! merges: two cells of the same series and window make the one that all their rows would have made.

mod cells;
mod count;
mod distinct;
mod edge;
mod extrema;
mod filter;
mod finish;
mod first_seen;
mod joined;
mod kernel;
mod moments;
mod numbers;
mod plan;
mod quantile;
mod run;
mod sum;

use arrow_array::{Array, Float64Array};
use serde::{Deserialize, Serialize};

pub use cells::Cells;
pub use distinct::{encode, encode_scalar};
pub use edge::End;
pub use filter::Condition;
pub use finish::NumberColumn;
pub use first_seen::FirstSeen;
pub use joined::Same;
pub use numbers::Number;
pub use plan::{Accumulator, Aggregate, CountOn, Function, Plan};
pub use run::{Ran, Run};

use crate::column::{Scalar, Values};
use crate::time::Timestamp;

/// The cell that swallows rows which count nowhere (late, rejected, filtered out): branch-free kernels write
/// there too.
pub const SINK: u32 = 0;

/// Some rows of a batch, each with the cell it belongs to.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    /// The first row of the block in its batch.
    pub start: usize,
    /// One cell a row.
    pub cells: &'a [u32],
    /// One event time a row; anything where the row went to the sink.
    pub times: &'a [Timestamp],
}

/// Whether a row holds something that is neither null nor NaN.
fn is_value(values: &Values, row: usize) -> bool {
    match values {
        Values::Null(_) => false,
        Values::Bool(array) => array.is_valid(row),
        Values::Int(array) => array.is_valid(row),
        Values::UInt(array) => array.is_valid(row),
        Values::Float(array) => array.is_valid(row) && !array.value(row).is_nan(),
        Values::Str(text) => text.get(row).is_some(),
    }
}

/// As [`is_value`], of a single value.
fn is_there(value: &Scalar) -> bool {
    !matches!(value, Scalar::Null) && !matches!(value, Scalar::Float(value) if value.is_nan())
}

/// An integer or boolean.
fn integer(values: &Values, row: usize) -> Option<i128> {
    match values {
        Values::Bool(array) if array.is_valid(row) => Some(i128::from(array.value(row))),
        Values::Int(array) if array.is_valid(row) => Some(i128::from(array.value(row))),
        Values::UInt(array) if array.is_valid(row) => Some(i128::from(array.value(row))),
        _ => None,
    }
}

/// Calls `add` with the cell and value of each row. Null and NaN rows go to the sink: a choice without a branch,
/// since which rows are null can't be predicted.
#[inline]
fn each_float(block: &Block<'_>, array: &Float64Array, mut add: impl FnMut(usize, f64)) {
    let column = &array.values()[block.start..block.start + block.cells.len()];
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else {
        for (cell, value) in block.cells.iter().zip(column) {
            add(if value.is_nan() { SINK } else { *cell } as usize, *value);
        }
        return;
    };
    let valid = nulls.inner().slice(block.start, block.cells.len());
    let words = valid.bit_chunks();
    let words = words.iter().chain(std::iter::once(words.remainder_bits()));
    for (word, (cells, values)) in words.zip(block.cells.chunks(64).zip(column.chunks(64))) {
        for (bit, (cell, value)) in cells.iter().zip(values).enumerate() {
            let there = word >> bit & 1 == 1 && !value.is_nan();
            add(if there { *cell } else { SINK } as usize, *value);
        }
    }
}

/// The chosen cells' state, behind a sink of its own.
fn gather<T: Clone>(state: &[T], empty: T, cells: &[u32]) -> Vec<T> {
    std::iter::once(empty).chain(cells.iter().map(|cell| state[*cell as usize].clone())).collect()
}

/// Any number that is not NaN.
fn number(values: &Values, row: usize) -> Option<f64> {
    match values {
        Values::Float(array) if array.is_valid(row) => Some(array.value(row)).filter(|value| !value.is_nan()),
        _ => integer(values, row).map(|value| value as f64),
    }
}

fn scalar_number(value: &Scalar) -> Option<f64> {
    match value {
        Scalar::Float(value) if !value.is_nan() => Some(*value),
        Scalar::Int(value) => Some(integer_number(*value)),
        Scalar::Bool(value) => Some(f64::from(u8::from(*value))),
        _ => None,
    }
}

/// A call, or else the compiler converts whatever is there before it asks whether it is an integer: a hundred steps.
#[inline(never)]
fn integer_number(value: i128) -> f64 {
    value as f64
}

/// One kind of state for all cells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Store {
    /// Rows or values.
    Counts(count::Counts),
    /// Sums and means.
    Sums(sum::Sums),
    /// Least and greatest.
    Extrema(extrema::Extrema),
    /// Variances.
    Moments(moments::Moments),
    /// First or last.
    Edges(edge::Edges),
    /// Distinct values.
    Sets(distinct::Sets),
    /// Quantiles.
    Sketches(quantile::Sketches),
    /// Nothing: the state has gone to [`Numbers`].
    #[serde(skip)]
    Grouped,
}

macro_rules! each {
    ($store:expr, $name:ident => $body:expr, else $other:expr) => {
        match $store {
            Store::Counts($name) => $body,
            Store::Sums($name) => $body,
            Store::Extrema($name) => $body,
            Store::Moments($name) => $body,
            Store::Edges($name) => $body,
            Store::Sets($name) => $body,
            Store::Sketches($name) => $body,
            Store::Grouped => $other,
        }
    };
}

impl Store {
    fn resize(&mut self, cells: usize) {
        each!(self, store => store.resize(cells), else {});
    }

    fn len(&self) -> usize {
        each!(self, store => store.len(), else usize::MAX)
    }

    fn reset(&mut self, cell: u32) {
        each!(self, store => store.reset(cell), else {});
    }

    fn gather(&self, cells: &[u32]) -> Self {
        match self {
            Self::Counts(store) => Self::Counts(store.gather(cells)),
            Self::Sums(store) => Self::Sums(store.gather(cells)),
            Self::Extrema(store) => Self::Extrema(store.gather(cells)),
            Self::Moments(store) => Self::Moments(store.gather(cells)),
            Self::Edges(store) => Self::Edges(store.gather(cells)),
            Self::Sets(store) => Self::Sets(store.gather(cells)),
            Self::Sketches(store) => Self::Sketches(store.gather(cells)),
            Self::Grouped => Self::Grouped,
        }
    }

    /// Adds what `from` holds; stores of different kinds, which one plan never makes, leave it as it is.
    fn merge(&mut self, into: u32, other: &Self, from: u32) {
        match (self, other) {
            (Self::Counts(store), Self::Counts(other)) => store.merge(into, other, from),
            (Self::Sums(store), Self::Sums(other)) => store.merge(into, other, from),
            (Self::Extrema(store), Self::Extrema(other)) => store.merge(into, other, from),
            (Self::Moments(store), Self::Moments(other)) => store.merge(into, other, from),
            (Self::Edges(store), Self::Edges(other)) => store.merge(into, other, from),
            (Self::Sets(store), Self::Sets(other)) => store.merge(into, other, from),
            (Self::Sketches(store), Self::Sketches(other)) => store.merge(into, other, from),
            (Self::Grouped, _) => {}
            _ => debug_assert!(false, "stores of one plan are of one kind"),
        }
    }

    /// Whether both hold the same kind of state, with the same parameters.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Edges(store), Self::Edges(other)) => store.end() == other.end(),
            (Self::Sets(store), Self::Sets(other)) => store.min_hits() == other.min_hits(),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}
