//! A model asked for a whole table, whose series begin with it.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, TimestampNanosecondArray};
use arrow_schema::{Field, Schema};

use super::history::{History, Pass};
use super::inputs::{Columns, keys_and_times};
use super::{Mark, Trained};
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::times::Times;

/// Named columns.
type Table = Vec<(String, ArrayRef)>;

/// The rows of a table and whose they are.
struct Rows {
    keys: Keys,
    /// One for each batch.
    parts: Vec<(Columns, Times, Vec<u32>)>,
    /// Whether there is a column of times.
    timed: bool,
}

fn numbers(values: Vec<f64>) -> ArrayRef {
    let nulls = values.iter().any(|value| value.is_nan());
    let valid = nulls.then(|| values.iter().map(|value| !value.is_nan()).collect());
    Arc::new(Float64Array::new(values.into(), valid))
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
        let mut histories = Vec::new();
        let (mut ids, mut times, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        let (mut predicted, mut beyond) = (Vec::new(), Vec::new());
        for (columns, of_part, series) in &parts {
            let mut predictions = self.predict(columns, series, of_part, |_| false, &mut histories);
            predicted.append(&mut predictions.values);
            let begin = beyond.len();
            beyond.resize(begin + series.len(), false);
            for row in predictions.marked(|mark| matches!(mark, Mark::Beyond { .. })) {
                beyond[begin + row] = true;
            }
            ids.extend(series.iter().map(|id| Some(*id)));
            times.extend_from_slice(&of_part.values);
            valid.extend((0..series.len()).map(|row| of_part.get(row).is_ok()));
        }
        let mut table: Table = keys.names().iter().cloned().zip(keys.columns(&ids)).collect();
        if timed {
            let times = TimestampNanosecondArray::new(times.into(), Some(valid.into())).with_timezone("UTC");
            table.push((self.description().time.clone(), Arc::new(times)));
        }
        table.push(("predicted".to_owned(), numbers(predicted)));
        table.push(("extrapolating".to_owned(), Arc::new(BooleanArray::from(beyond))));
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
        let mut before = 0;
        for batch in batches {
            let (values, times) = keys_and_times(batch, self, before)?;
            before += batch.num_rows();
            rows.timed = batch.column_by_name(&self.description().time).is_some();
            let mut ids = Vec::with_capacity(batch.num_rows());
            rows.keys.intern(&values, batch.num_rows(), &mut ids)?;
            rows.parts.push((Columns::read(batch, self)?, times, ids));
        }
        Ok(rows)
    }
}
