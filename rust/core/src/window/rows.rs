//! A batch's columns, found and read.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::NullBuffer;

use super::aggregate::Plan;
use super::spec::Spec;
use crate::column::{Scalar, Text, Values};
use crate::error::{Error, Result};
use crate::times::Times;

/// The columns of a batch that the windows need.
#[derive(Debug)]
pub struct Rows {
    /// Event times.
    pub times: Times,
    /// Key columns.
    pub keys: Vec<Values>,
    /// The source column, if there is one.
    pub source: Vec<Values>,
    /// Inputs, in the plan's order.
    pub inputs: Vec<Values>,
}

/// A column by name.
pub fn find<'a>(batch: &'a RecordBatch, name: &str, argument: &str) -> Result<&'a ArrayRef> {
    if batch.schema_ref().fields().iter().filter(|field| field.name() == name).count() > 1 {
        return Err(Error::data(format!(
            "the batch has several columns `{name}`: `{argument}` must name one"
        )));
    }
    batch.column_by_name(name).ok_or_else(|| {
        let schema = batch.schema();
        let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        Error::data(format!("no column `{name}` for `{argument}`: the batch has {}", columns.join(", ")))
    })
}

impl Rows {
    /// Finds and reads them.
    pub fn read(spec: &Spec, plan: &Plan, batch: &RecordBatch) -> Result<Self> {
        let read = |name: &String, argument: &str| Values::read(find(batch, name, argument)?, name);
        Ok(Self {
            times: Times::read(find(batch, &spec.time, "time")?, spec.time_unit, &spec.time)?,
            keys: spec.by.iter().map(|name| read(name, "by")).collect::<Result<_>>()?,
            source: spec.source.iter().map(|name| read(name, "source")).collect::<Result<_>>()?,
            inputs: plan.inputs().iter().map(|name| read(name, "aggregates")).collect::<Result<_>>()?,
        })
    }

    /// A row's key and input values.
    pub fn values(&self, row: usize) -> Vec<Scalar> {
        self.keys.iter().chain(&self.inputs).map(|values| values.scalar(row)).collect()
    }

    /// The codes of the key, where it is one column of a dictionary, and where they are null.
    pub fn codes(&self) -> Option<(&[u32], Option<&NullBuffer>)> {
        match self.keys.as_slice() {
            [Values::Str(Text::Dictionary { codes, nulls, .. })] => Some((codes, nulls.as_ref())),
            _ => None,
        }
    }

    /// NaN among the inputs of some rows.
    pub fn nan(&self, rows: Range<usize>) -> u64 {
        let nan = |values: &Values| {
            let Values::Float(array) = values else { return 0 };
            // Nearly always there is none: looked for many at a time.
            if !array.values()[rows.clone()].iter().fold(false, |any, value| any | value.is_nan()) {
                return 0;
            }
            rows.clone().filter(|row| array.is_valid(*row) && array.value(*row).is_nan()).count() as u64
        };
        self.inputs.iter().map(nan).sum()
    }
}
