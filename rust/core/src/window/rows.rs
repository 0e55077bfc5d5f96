//! A batch's columns, found and read.

use arrow_array::{ArrayRef, RecordBatch};

use super::aggregate::Plan;
use super::spec::Spec;
use crate::column::{Scalar, Values};
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

    /// NaN among the inputs.
    pub fn nan(&self) -> u64 {
        let of = |values: &Values| match values {
            // Looked for without regard to nulls first: nearly always there is none.
            Values::Float(array) if !array.values().iter().fold(false, |any, value| any | value.is_nan()) => {
                0
            }
            Values::Float(array) => array.iter().flatten().filter(|value| value.is_nan()).count(),
            _ => 0,
        };
        self.inputs.iter().map(of).sum::<usize>() as u64
    }
}
