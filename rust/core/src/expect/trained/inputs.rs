//! A batch's columns as a model reads them: numbers, and texts as their place among those that were trained on.

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow_buffer::ScalarBuffer;

use super::file::Input;
use super::{RUN, Trained};
use crate::column::{Scalar, Values, floats};
use crate::error::{Error, Result};
use crate::times::Times;

/// The place of a text that was not trained on.
const UNKNOWN: f64 = -1.0;

/// The inputs of a batch; NaN stands for null.
#[derive(Debug)]
pub struct Columns(Vec<Float64Array>);

impl Columns {
    /// Reads a batch.
    pub fn read(batch: &RecordBatch, model: &Trained) -> Result<Self> {
        let read = |input: &Input| {
            let array = find(batch, &input.name, model)?;
            match &input.values {
                None => floats(array, &input.name),
                Some(texts) => places(array, &input.name, texts),
            }
        };
        model.description().inputs.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// One input of one row.
    #[inline]
    pub fn get(&self, input: usize, row: usize) -> f64 {
        let array = &self.0[input];
        if array.is_null(row) { f64::NAN } else { array.value(row) }
    }
}

impl Columns {
    /// A run of rows of each input from `start` on, where none of them has nulls.
    pub fn run(&self, start: usize) -> Option<Vec<&[f64]>> {
        let of = |array: &'_ Float64Array| array.null_count() == 0;
        if !self.0.iter().all(of) {
            return None;
        }
        self.0.iter().map(|array| array.values().get(start..start + RUN)).collect()
    }
}

fn find<'a>(batch: &'a RecordBatch, name: &str, model: &Trained) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| {
        let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let there = batch.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        let description = model.description();
        let wanted = description.by.iter().map(String::as_str).chain(model.inputs()).collect();
        Error::data(format!(
            "the model was trained on other columns ({}): there is no `{name}`, only {}",
            list(wanted),
            list(there)
        ))
    })
}

fn places(array: &ArrayRef, name: &str, texts: &[String]) -> Result<Float64Array> {
    let values = Values::read(array, name)?;
    let place = |text: &str| texts.iter().position(|one| one == text).map_or(UNKNOWN, |at| at as f64);
    Ok(match &values {
        Values::Str(text) => (0..text.len()).map(|row| text.get(row).map(place)).collect(),
        values => (0..values.len())
            .map(|row| match values.scalar(row) {
                Scalar::Null => None,
                Scalar::Bool(value) => Some(place(&value.to_string())),
                Scalar::Int(value) => Some(place(&value.to_string())),
                Scalar::Float(value) => Some(place(&value.to_string())),
                Scalar::Str(text) => Some(place(&text)),
            })
            .collect(),
    })
}

/// Key columns and times of a batch; a model without a history takes a table without times.
pub fn keys_and_times(batch: &RecordBatch, model: &Trained) -> Result<(Vec<Values>, Times)> {
    let description = model.description();
    let keys = description
        .by
        .iter()
        .map(|name| Values::read(find(batch, name, model)?, name))
        .collect::<Result<_>>()?;
    let times = match batch.column_by_name(&description.time) {
        Some(column) => Times::read(column, model.unit(), &description.time)?,
        None if model.is_stateless() => {
            // Nothing hangs on them; zeroes cost nothing until they are read.
            let values: ScalarBuffer<i64> = vec![0; batch.num_rows()].into();
            Times { values, nulls: None, faults: Vec::new() }
        }
        None => {
            return Err(find(batch, &description.time, model)
                .err()
                .unwrap_or_else(|| Error::data("no time")));
        }
    };
    Ok((keys, times))
}
