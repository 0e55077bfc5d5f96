//! The table that a detector hands back: one row for each row and measure, in input order.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray,
};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema};

use super::filters::Lowered;
use super::model::Verdict;
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::residual::rows::key_columns;
use crate::time::Timestamp;

/// Columns on their way out; NaN stands for null.
#[derive(Debug)]
pub struct Output {
    keys: Vec<u32>,
    times: Vec<i64>,
    /// Rows without a time.
    untimed: Vec<usize>,
    observed: Vec<f64>,
    expected: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    score: Vec<f64>,
    severity: Vec<f64>,
    confidence: Vec<f64>,
    states: Vec<&'static str>,
    /// Rows with a reason: few.
    told: Vec<Told>,
    /// The reason of the row at hand.
    pub reason: String,
}

/// What is said of a row that there is something to say of.
#[derive(Debug)]
struct Told {
    row: usize,
    reason: String,
    channel: &'static str,
    lowered: Option<Lowered>,
}

impl Output {
    /// Room for so many rows.
    pub fn new(rows: usize) -> Self {
        let column = || Vec::with_capacity(rows);
        Self {
            keys: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            untimed: Vec::new(),
            observed: column(),
            expected: column(),
            lower: column(),
            upper: column(),
            score: column(),
            severity: column(),
            confidence: column(),
            states: Vec::with_capacity(rows),
            told: Vec::new(),
            reason: String::new(),
        }
    }

    /// Appends a row; its reason is what [`Output::reason`] holds. Where that is empty, it is null, as are the channel
    /// and what lowered it.
    #[inline]
    pub fn push(
        &mut self,
        key: u32,
        time: Option<Timestamp>,
        observed: f64,
        verdict: &Verdict,
        state: &'static str,
    ) {
        let row = self.times.len();
        if time.is_none() {
            self.untimed.push(row);
        }
        self.keys.push(key);
        self.times.push(time.unwrap_or(0));
        self.observed.push(observed);
        self.expected.push(verdict.expected);
        self.lower.push(verdict.lower);
        self.upper.push(verdict.upper);
        self.score.push(verdict.score);
        self.severity.push(verdict.severity);
        self.confidence.push(verdict.confidence);
        self.states.push(state);
        if !self.reason.is_empty() {
            let reason = std::mem::take(&mut self.reason);
            self.told.push(Told { row, reason, channel: verdict.channel, lowered: verdict.lowered });
        }
    }

    /// The table; `names` are the measures, which take turns. The last key column, the level, is left out unless
    /// `level`.
    pub fn table(self, keys: &Keys, level: bool, names: &[&str]) -> Result<RecordBatch> {
        let rows = self.times.len();
        let mut columns = key_table(keys, &self.keys, level);
        let valid = (!self.untimed.is_empty()).then(|| {
            let mut valid = vec![true; rows];
            self.untimed.iter().for_each(|row| valid[*row] = false);
            NullBuffer::from(valid)
        });
        let times = TimestampNanosecondArray::new(self.times.into(), valid).with_timezone("UTC");
        columns.push(("time", Arc::new(times)));
        columns.push(("measure", words(rows, |row| names[row % names.len()])));
        for (name, values) in [
            ("observed", self.observed),
            ("expected", self.expected),
            ("lower", self.lower),
            ("upper", self.upper),
            ("score", self.score),
            ("severity", self.severity),
            ("confidence", self.confidence),
        ] {
            let valid = NullBuffer::new(BooleanBuffer::collect_bool(rows, |row| !values[row].is_nan()));
            let nulls = (valid.null_count() > 0).then_some(valid);
            columns.push((name, Arc::new(Float64Array::new(values.into(), nulls))));
        }
        columns.push(("state", words(rows, |row| self.states[row])));
        let channels =
            self.told.iter().map(|told| (told.row, told.channel)).filter(|(_, name)| !name.is_empty());
        columns.push(("channel", few(rows, channels)));
        let lowered = self.told.iter().filter_map(|told| Some((told.row, told.lowered?.name())));
        columns.push(("lowered_by", few(rows, lowered)));
        let reasons = self.told.iter().map(|told| (told.row, told.reason.as_str()));
        columns.push(("reason", few(rows, reasons)));
        batch(columns, rows)
    }
}

/// The key columns of rows with these keys, by name.
pub fn key_table<'a>(keys: &'a Keys, ids: &[u32], level: bool) -> Vec<(&'a str, ArrayRef)> {
    let mut columns: Vec<(&str, ArrayRef)> =
        keys.names().iter().map(String::as_str).zip(key_columns(keys, ids)).collect();
    if !level {
        columns.pop();
    }
    columns
}

/// A column of few, short words. One that comes many times running, as nearly all do, is copied once for all of them.
fn words<'a>(rows: usize, word: impl Fn(usize) -> &'a str) -> ArrayRef {
    let mut bytes = Vec::with_capacity(rows * 8);
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    let mut row = 0;
    while row < rows {
        let word_here = word(row);
        let run = 1 + (row + 1..rows).take_while(|next| std::ptr::eq(word(*next), word_here)).count();
        let start = bytes.len();
        if run == 1 {
            bytes.extend_from_slice(word_here.as_bytes());
        } else {
            bytes.extend_from_slice(word_here.repeat(run).as_bytes());
        }
        offsets.extend((1..=run).map(|word| offset(start + word * word_here.len())));
        row += run;
    }
    strings(rows, offsets, bytes, None)
}

/// A column that has a text in few rows, by row, and null in the others.
fn few<'a>(rows: usize, texts: impl Iterator<Item = (usize, &'a str)>) -> ArrayRef {
    let mut bytes = Vec::new();
    let mut offsets = Vec::with_capacity(rows + 1);
    let mut valid = BooleanBufferBuilder::new(rows);
    valid.append_n(rows, false);
    for (row, text) in texts {
        offsets.resize(row + 1, offset(bytes.len()));
        bytes.extend_from_slice(text.as_bytes());
        valid.set_bit(row, true);
    }
    offsets.resize(rows + 1, offset(bytes.len()));
    strings(rows, offsets, bytes, Some(NullBuffer::new(valid.finish())))
}

/// Beyond 2 GiB of text, offsets stop growing, and the array is refused.
fn offset(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

fn strings(rows: usize, offsets: Vec<i32>, bytes: Vec<u8>, nulls: Option<NullBuffer>) -> ArrayRef {
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_new(offsets, bytes.into(), nulls)
        .map_or_else(|_| Arc::new(StringArray::new_null(rows)) as ArrayRef, |array| Arc::new(array))
}

/// Named columns as a batch.
pub fn batch(columns: Vec<(&str, ArrayRef)>, rows: usize) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, arrow_array::Array::data_type(array).clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| Error::data(error.to_string()))
}
