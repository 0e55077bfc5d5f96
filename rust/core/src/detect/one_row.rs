//! One row as a batch, for a detector whose model reads columns.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, TimestampNanosecondArray};

use super::output::batch;
use super::settings::Settings;
use crate::column::{self, Kind, Scalar};
use crate::error::Result;
use crate::time::Timestamp;

/// The batch of a row; `values` in the order of the settings' inputs.
pub fn of(settings: &Settings, time: Timestamp, key: &[Scalar], values: &[Scalar]) -> Result<RecordBatch> {
    let single = |value: &Scalar| column::of_kind(Kind::of_scalar(value), std::iter::once(value));
    let mut columns: Vec<(&str, ArrayRef)> =
        settings.by.iter().map(String::as_str).zip(key.iter().map(single)).collect();
    columns.push((&settings.time, Arc::new(TimestampNanosecondArray::from_value(time, 1))));
    for (name, value) in settings.inputs().into_iter().zip(values) {
        let number = settings.model.as_ref().is_none_or(|model| !model.is_text(name));
        let missing = *value == Scalar::Null && number;
        columns.push((
            name,
            if missing { column::of_kind(Kind::Float, std::iter::once(value)) } else { single(value) },
        ));
    }
    batch(columns, 1)
}
