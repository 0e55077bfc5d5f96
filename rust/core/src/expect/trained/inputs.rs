//! A batch's columns as a model reads them: numbers, and texts as their place among those that were trained on.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow_buffer::NullBuffer;

use super::file::Input;
use super::{Trained, plan};
use crate::column::{Scalar, Values, floats};
use crate::error::{Error, Result};
use crate::time::Timestamp;
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
    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.0.first().map_or(0, Array::len)
    }

    /// Some rows of each input; what stands where there is null is any number.
    pub fn run(&self, rows: &Range<usize>) -> Vec<&[f64]> {
        self.0.iter().map(|array| &array.values()[rows.clone()]).collect()
    }

    /// Whether any input of these rows is null.
    pub fn has_nulls(&self, rows: &Range<usize>) -> bool {
        let any = |nulls: &NullBuffer| nulls.slice(rows.start, rows.len()).null_count() > 0;
        self.0.iter().filter(|array| array.null_count() > 0).any(|array| array.nulls().is_some_and(any))
    }

    /// Of these rows, those of which an input can't be taken as it is.
    pub fn odd(&self, ranges: &[plan::Range], rows: &Range<usize>) -> Vec<bool> {
        let mut odd = vec![false; rows.len()];
        for ((values, array), range) in self.run(rows).iter().zip(&self.0).zip(ranges) {
            range.find_odd(values, &mut odd);
            if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
                for (odd, valid) in odd.iter_mut().zip(nulls.slice(rows.start, rows.len()).iter()) {
                    *odd |= !valid;
                }
            }
        }
        odd
    }
}

/// Rows that a model is asked about, in the order of their arrival.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Their inputs.
    pub columns: &'a Columns,
    /// Whose each is; none where all are of one series.
    pub ids: Option<&'a [u32]>,
    /// When each was; a model that remembers nothing asks for none.
    pub times: Option<&'a Times>,
}

impl Rows<'_> {
    /// How many.
    pub fn count(&self) -> usize {
        self.columns.count()
    }

    /// Whose a row is.
    pub fn id(&self, row: usize) -> u32 {
        self.ids.map_or(0, |ids| ids[row])
    }

    /// When a row was, unless that can't be said.
    pub fn time(&self, row: usize) -> Option<Timestamp> {
        self.times.map_or(Some(0), |times| times.get(row).ok())
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
pub fn keys_and_times(batch: &RecordBatch, model: &Trained) -> Result<(Vec<Values>, Option<Times>)> {
    let description = model.description();
    let keys = description
        .by
        .iter()
        .map(|name| Values::read(find(batch, name, model)?, name))
        .collect::<Result<_>>()?;
    let times = match batch.column_by_name(&description.time) {
        Some(column) => Some(Times::read(column, model.unit(), &description.time)?),
        None if model.is_stateless() => None,
        None => {
            return Err(find(batch, &description.time, model)
                .err()
                .unwrap_or_else(|| Error::data("no time")));
        }
    };
    Ok((keys, times))
}
