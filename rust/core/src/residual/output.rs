//! The scorer's columns on their way out.
//!
//! Owns which columns are kept and their nulls: NaN stands for null, and a column gets a bitmap with its first one.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, TimestampNanosecondArray};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer, ScalarBuffer};

use super::pass::Block;
use super::settings::Column;

/// What a push gives back.
pub struct Output {
    /// The series of each row, where key columns come out.
    pub ids: Option<Vec<u32>>,
    times: Vec<(ScalarBuffer<i64>, Option<NullBuffer>)>,
    /// In the order in which they come out.
    columns: Vec<(Column, Floats)>,
    /// Rows with a score.
    pub scored: u64,
    rows: usize,
}

impl Output {
    /// For so many rows of these columns; without, the plain ones, keys and times.
    pub fn new(columns: Option<&[Column]>, rows: usize) -> Self {
        Self {
            ids: columns.is_none().then(|| Vec::with_capacity(rows)),
            times: Vec::new(),
            columns: columns
                .unwrap_or(&Column::PLAIN)
                .iter()
                .map(|column| (*column, Floats::with_capacity(rows)))
                .collect(),
            scored: 0,
            rows,
        }
    }

    /// Takes in the first `rows` of a block.
    #[inline]
    pub fn push(&mut self, block: &Block, rows: usize) {
        // A row with a score has all the rest but a severity.
        let missing = missing(&block.score[..rows]);
        self.scored += (rows - missing) as u64;
        for (column, floats) in &mut self.columns {
            let values = match column {
                Column::Residual => &block.residual[..rows],
                Column::Smoothed => &block.smoothed[..rows],
                Column::Rmse => &block.rmse[..rows],
                Column::Score => &block.score[..rows],
                Column::Severity => &block.severity[..rows],
            };
            if missing > 0 || *column == Column::Severity || floats.valid.is_some() {
                floats.push_bits(values);
            }
            floats.values.extend_from_slice(values);
        }
    }

    /// Takes in a batch's times, where they come out.
    pub fn push_times(&mut self, values: ScalarBuffer<i64>, nulls: Option<NullBuffer>) {
        if self.ids.is_some() {
            self.times.push((values, nulls));
        }
    }

    /// The time column: shared where it was one, else put together.
    pub fn times(&mut self) -> ArrayRef {
        let (values, nulls) = match <[_; 1]>::try_from(std::mem::take(&mut self.times)) {
            Ok([one]) => one,
            Err(parts) => {
                let mut values = Vec::with_capacity(self.rows);
                let mut valid = Vec::with_capacity(self.rows);
                for (part, nulls) in &parts {
                    values.extend_from_slice(part);
                    valid.extend(
                        (0..part.len()).map(|row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))),
                    );
                }
                let valid = NullBuffer::from(valid);
                (values.into(), (valid.null_count() > 0).then_some(valid))
            }
        };
        Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone("UTC"))
    }

    /// The columns of numbers.
    pub fn numbers(self) -> impl Iterator<Item = (Column, ArrayRef)> {
        self.columns.into_iter().map(|(column, floats)| (column, floats.finish()))
    }
}

/// A column of floats.
struct Floats {
    values: Vec<f64>,
    /// From the first null on; one bit for each value then.
    valid: Option<BooleanBufferBuilder>,
}

impl Floats {
    fn with_capacity(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), valid: None }
    }

    /// The bits of values that are not there yet.
    fn push_bits(&mut self, values: &[f64]) {
        let none = missing(values) == 0;
        if none && self.valid.is_none() {
            return;
        }
        let before = self.values.len();
        let valid = self.valid.get_or_insert_with(|| {
            let mut valid = BooleanBufferBuilder::new(self.values.capacity());
            valid.append_n(before, true);
            valid
        });
        if none {
            valid.append_n(values.len(), true);
        } else {
            values.iter().for_each(|value| valid.append(!value.is_nan()));
        }
    }

    fn finish(self) -> ArrayRef {
        let nulls = self.valid.map(|mut valid| NullBuffer::new(valid.finish()));
        Arc::new(Float64Array::new(self.values.into(), nulls))
    }
}

/// How many values are null.
fn missing(values: &[f64]) -> usize {
    values.iter().map(|value| usize::from(value.is_nan())).sum()
}
