//! A batch's columns as the scorer reads them, and key columns as it gives them back.
//!
//! Owns the errors of columns that aren't there. Knows no statistics.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow_schema::DataType;

use crate::column::{Values, floats};
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::times::{Times, Unit};

/// What the scorer is told about its input.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// Key columns.
    pub by: &'a [String],
    /// The time column.
    pub time: &'a str,
    /// The unit of integer times.
    pub unit: Unit,
    /// The column of what came.
    pub observed: &'a str,
    /// The column of what was predicted.
    pub predicted: &'a str,
}

/// The columns of one batch.
#[derive(Debug)]
pub struct Rows {
    /// Key columns.
    pub by: Vec<Values>,
    /// Times.
    pub times: Times,
    /// What came.
    pub observed: Float64Array,
    /// What was predicted.
    pub predicted: Float64Array,
    /// How many.
    pub len: usize,
}

impl Rows {
    /// Reads a batch.
    pub fn read(batch: &RecordBatch, names: Names<'_>) -> Result<Self> {
        let by = names
            .by
            .iter()
            .map(|name| Values::read(column(batch, name, "by")?, name))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            by,
            times: Times::read(column(batch, names.time, "time")?, names.unit, names.time)?,
            observed: floats(column(batch, names.observed, "observed")?, names.observed)?,
            predicted: floats(column(batch, names.predicted, "predicted")?, names.predicted)?,
            len: batch.num_rows(),
        })
    }

    /// Whether every row has a time, an observation and a prediction.
    pub fn complete(&self) -> bool {
        self.times.nulls.is_none() && self.observed.null_count() == 0 && self.predicted.null_count() == 0
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str, argument: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| {
        let there: Vec<String> =
            batch.schema_ref().fields().iter().map(|field| format!("{:?}", field.name())).collect();
        Error::data(format!(
            "`{argument}` must name a column of the batch, got {name:?}: there are {}",
            if there.is_empty() { "none".to_owned() } else { there.join(", ") }
        ))
    })
}

/// The key columns of rows with these ids.
pub fn key_columns(keys: &Keys, ids: &[u32]) -> Vec<ArrayRef> {
    if ids.len() < keys.len() {
        return keys.columns(ids);
    }
    // Each key is decoded once; the rows copy it.
    let all: Vec<u32> = (0..keys.len() as u32).collect();
    keys.columns(&all).iter().map(|column| gather(column, ids)).collect()
}

fn gather(column: &ArrayRef, ids: &[u32]) -> ArrayRef {
    let rows = ids.iter().map(|id| *id as usize);
    match column.data_type() {
        DataType::Int64 => {
            let column = column.as_primitive::<Int64Type>();
            Arc::new(
                rows.map(|row| column.is_valid(row).then(|| column.value(row)))
                    .collect::<arrow_array::Int64Array>(),
            )
        }
        DataType::UInt64 => {
            let column = column.as_primitive::<UInt64Type>();
            Arc::new(
                rows.map(|row| column.is_valid(row).then(|| column.value(row)))
                    .collect::<arrow_array::UInt64Array>(),
            )
        }
        DataType::Float64 => {
            let column = column.as_primitive::<Float64Type>();
            Arc::new(
                rows.map(|row| column.is_valid(row).then(|| column.value(row))).collect::<Float64Array>(),
            )
        }
        DataType::Boolean => {
            let column = column.as_boolean();
            Arc::new(
                rows.map(|row| column.is_valid(row).then(|| column.value(row)))
                    .collect::<arrow_array::BooleanArray>(),
            )
        }
        _ => {
            let column = column.as_string::<i32>();
            Arc::new(
                rows.map(|row| column.is_valid(row).then(|| column.value(row)))
                    .collect::<arrow_array::StringArray>(),
            )
        }
    }
}
