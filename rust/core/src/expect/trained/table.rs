//! A model asked for a whole table, whose series begin with it.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, TimestampNanosecondArray};
use arrow_buffer::BooleanBufferBuilder;
use arrow_schema::{Field, Schema};

use super::history::{History, Pass};
use super::inputs::{Columns, Rows, keys_and_times};
use super::{Mark, Trained};
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::times::Times;

/// Named columns.
type Table = Vec<(String, ArrayRef)>;

/// A batch; one machine's has no list of whose its rows are.
struct Part {
    columns: Columns,
    times: Option<Times>,
    ids: Option<Vec<u32>>,
}

impl Part {
    fn rows(&self) -> Rows<'_> {
        Rows { columns: &self.columns, ids: self.ids.as_deref(), times: self.times.as_ref() }
    }
}

/// The rows of a table and whose they are.
struct Read {
    keys: Keys,
    /// One for each batch.
    parts: Vec<Part>,
    /// Whether there is a column of times.
    timed: bool,
}

/// A column of numbers; null where there is NaN, which need not be looked for where each is `known` to be a number.
fn numbers(values: Vec<f64>, known: bool) -> ArrayRef {
    let nulls = !known && values.iter().any(|value| value.is_nan());
    let valid = nulls.then(|| values.iter().map(|value| !value.is_nan()).collect());
    Arc::new(Float64Array::new(values.into(), valid))
}

fn times_of(parts: &[Part]) -> ArrayRef {
    let array = match parts {
        [Part { times: Some(times), .. }] => {
            TimestampNanosecondArray::new(times.values.clone(), times.nulls.clone())
        }
        parts => {
            let of_part = |part: &Part| {
                let rows = part.rows();
                (0..rows.count()).map(|row| rows.time(row)).collect::<Vec<_>>()
            };
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
        let Read { keys, parts, timed } = self.read(batches)?;
        let rows = parts.iter().map(|part| part.columns.count()).sum();
        let mut histories = Vec::new();
        let mut predicted = Vec::new();
        let mut beyond = BooleanBufferBuilder::new(rows);
        beyond.append_n(rows, false);
        let mut whole = true;
        let mut begin = 0;
        for part in &parts {
            let mut predictions = self.predict(part.rows(), |_| false, &mut histories);
            whole &= predictions.whole;
            for row in predictions.marked(|mark| matches!(mark, Mark::Beyond { .. })) {
                beyond.set_bit(begin + row, true);
            }
            begin += part.columns.count();
            // Nearly always there is but one part, and nothing to be moved.
            if predicted.is_empty() {
                predicted = predictions.values;
            } else {
                predicted.append(&mut predictions.values);
            }
        }
        let mut table = Table::new();
        if !keys.names().is_empty() {
            let ids: Vec<u32> =
                parts.iter().filter_map(|part| part.ids.as_ref()).flatten().copied().collect();
            table.extend(keys.names().iter().cloned().zip(keys.columns(&ids)));
        }
        if timed {
            table.push((self.description().time.clone(), times_of(&parts)));
        }
        table.push(("predicted".to_owned(), numbers(predicted, whole)));
        table.push(("extrapolating".to_owned(), Arc::new(BooleanArray::new(beyond.finish(), None))));
        batch(table)
    }

    /// Features, a column each; null where there is no prediction.
    pub fn features_table(&self, batches: &[RecordBatch]) -> Result<RecordBatch> {
        let Read { parts, .. } = self.read(batches)?;
        let rows = parts.iter().map(|part| part.columns.count()).sum();
        let mut histories: Vec<Option<Box<History>>> = Vec::new();
        let mut pass = Pass::new(&self.plan);
        let mut features = vec![vec![f64::NAN; rows]; self.plan.features()];
        let mut begin = 0;
        for part in &parts {
            let rows = part.rows();
            for row in 0..rows.count() {
                let Some(time) = rows.time(row) else { continue };
                let history = self.history_of(&mut histories, rows.id(row));
                let mark = pass.take(&self.plan, history, time, |input| rows.columns.get(input, row));
                if mark != Some(Mark::Warming) {
                    pass.features(&self.plan, history, |feature, value| {
                        features[feature][begin + row] = value;
                    });
                }
            }
            begin += rows.count();
        }
        let names = self.description().features.iter().map(super::file::Feature::name);
        batch(names.zip(features.into_iter().map(|feature| numbers(feature, false))).collect())
    }

    fn read(&self, batches: &[RecordBatch]) -> Result<Read> {
        let mut read =
            Read { keys: Keys::new(self.description().by.clone()), parts: Vec::new(), timed: true };
        for batch in batches {
            let (values, times) = keys_and_times(batch, self)?;
            read.timed = times.is_some();
            let mut ids = None;
            if !values.is_empty() {
                read.keys.intern(&values, batch.num_rows(), ids.insert(Vec::new()))?;
            }
            read.parts.push(Part { columns: Columns::read(batch, self)?, times, ids });
        }
        Ok(read)
    }
}
