//! A model asked for a whole table, whose series begin with it.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, TimestampNanosecondArray};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::{Field, Schema};

use super::history::{History, Pass};
use super::inputs::{Columns, keys_and_times};
use super::{Mark, Trained};
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::times::Times;

/// Named columns.
type Table = Vec<(String, ArrayRef)>;

/// A batch: its inputs, its times, and whose its rows are.
type Part = (Columns, Times, Vec<u32>);

/// The rows of a table and whose they are.
struct Rows {
    keys: Keys,
    /// One for each batch.
    parts: Vec<Part>,
    /// Whether there is a column of times.
    timed: bool,
}

fn numbers(values: Vec<f64>) -> ArrayRef {
    let nulls = values.iter().any(|value| value.is_nan());
    let valid = nulls.then(|| values.iter().map(|value| !value.is_nan()).collect());
    Arc::new(Float64Array::new(values.into(), valid))
}

fn times_of(parts: &[Part]) -> ArrayRef {
    let array = match parts {
        [(_, times, _)] => TimestampNanosecondArray::new(times.values.clone(), times.nulls.clone()),
        parts => {
            let of_part =
                |(_, times, ids): &Part| (0..ids.len()).map(|row| times.get(row).ok()).collect::<Vec<_>>();
            parts.iter().flat_map(of_part).collect()
        }
    };
    Arc::new(array.with_timezone("UTC"))
}

fn batch(table: Table) -> Result<RecordBatch> {
    let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
    let schema = Schema::new(table.iter().map(field).collect::<Vec<_>>());
    let columns = table.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), columns).map_err(|error| Error::data(error.to_string()))
}

impl Trained {
    /// Predictions: by..., time, predicted, extrapolating; in input order.
    pub fn predict_table(&self, batches: &[RecordBatch]) -> Result<RecordBatch> {
        let Rows { keys, parts, timed } = self.read(batches)?;
        let rows = parts.iter().map(|(_, _, series)| series.len()).sum();
        let mut histories = Vec::new();
        let mut predicted = Vec::new();
        let mut beyond = BooleanBufferBuilder::new(rows);
        beyond.append_n(rows, false);
        let mut begin = 0;
        for (columns, times, series) in &parts {
            let mut predictions = self.predict(columns, series, times, |_| false, &mut histories);
            for row in predictions.marked(|mark| matches!(mark, Mark::Beyond { .. })) {
                beyond.set_bit(begin + row, true);
            }
            begin += series.len();
            // Nearly always there is but one part, and nothing to be moved.
            if predicted.is_empty() {
                predicted = predictions.values;
            } else {
                predicted.append(&mut predictions.values);
            }
        }
        let mut table = Table::new();
        if !keys.names().is_empty() {
            let ids: Vec<Option<u32>> =
                parts.iter().flat_map(|(_, _, ids)| ids).map(|id| Some(*id)).collect();
            table.extend(keys.names().iter().cloned().zip(keys.columns(&ids)));
        }
        if timed {
            table.push((self.description().time.clone(), times_of(&parts)));
        }
        table.push(("predicted".to_owned(), numbers(predicted)));
        table.push(("extrapolating".to_owned(), Arc::new(BooleanArray::new(beyond.finish(), None))));
        batch(table)
    }

    /// Features, a column each; null where there is no prediction.
    pub fn features_table(&self, batches: &[RecordBatch]) -> Result<RecordBatch> {
        let Rows { parts, .. } = self.read(batches)?;
        let rows = parts.iter().map(|(_, _, series)| series.len()).sum();
        let mut histories: Vec<Option<Box<History>>> = Vec::new();
        let mut pass = Pass::new(&self.plan);
        let mut features = vec![vec![f64::NAN; rows]; self.plan.features()];
        let mut begin = 0;
        for (columns, times, series) in &parts {
            for (row, id) in series.iter().enumerate() {
                let Ok(time) = times.get(row) else { continue };
                let history = self.history_of(&mut histories, *id);
                let mark = pass.take(&self.plan, history, time, |input| columns.get(input, row));
                if mark != Some(Mark::Warming) {
                    pass.features(&self.plan, history, |feature, value| {
                        features[feature][begin + row] = value;
                    });
                }
            }
            begin += series.len();
        }
        let names = self.description().features.iter().map(super::file::Feature::name);
        batch(names.zip(features.into_iter().map(numbers)).collect())
    }

    fn read(&self, batches: &[RecordBatch]) -> Result<Rows> {
        let mut rows =
            Rows { keys: Keys::new(self.description().by.clone()), parts: Vec::new(), timed: true };
        for batch in batches {
            let (values, times) = keys_and_times(batch, self)?;
            rows.timed = batch.column_by_name(&self.description().time).is_some();
            // One machine needs no list of whose rows are whose; zeroes cost nothing until they are read.
            let mut ids = vec![0; if values.is_empty() { batch.num_rows() } else { 0 }];
            if !values.is_empty() {
                rows.keys.intern(&values, batch.num_rows(), &mut ids)?;
            }
            rows.parts.push((Columns::read(batch, self)?, times, ids));
        }
        Ok(rows)
    }
}
