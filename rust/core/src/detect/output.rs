//! The table that a detector hands back: one row for each row and measure, in input order.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema};

use super::filters::Lowered;
use super::model::Verdict;
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::residual::rows::key_columns;
use crate::time::Timestamp;

/// Rows of a block: those that one word of a bitmap tells about.
const BLOCK: usize = 64;
/// The columns of numbers.
const NUMBERS: [&str; 7] = ["observed", "expected", "lower", "upper", "score", "severity", "confidence"];

/// Columns on their way out; NaN stands for null.
#[derive(Debug)]
pub struct Output {
    keys: Vec<u32>,
    times: Vec<i64>,
    numbers: [Vec<f64>; NUMBERS.len()],
    /// Rows that are not in these columns yet.
    block: Box<Block>,
    /// Rows so far.
    len: usize,
    /// Rows without a time.
    untimed: Vec<usize>,
    /// States, each with how many rows running have it.
    states: Vec<(&'static str, usize)>,
    /// Rows with a reason: few.
    told: Vec<Told>,
    /// The reason of the row at hand.
    pub reason: String,
}

/// The newest rows, so that not each of them asks each column for room.
#[derive(Debug)]
struct Block {
    keys: [u32; BLOCK],
    times: [i64; BLOCK],
    numbers: [[f64; BLOCK]; NUMBERS.len()],
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
        Self {
            keys: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            numbers: std::array::from_fn(|_| Vec::with_capacity(rows)),
            block: Box::new(Block {
                keys: [0; BLOCK],
                times: [0; BLOCK],
                numbers: [[0.0; BLOCK]; NUMBERS.len()],
            }),
            len: 0,
            untimed: Vec::new(),
            states: Vec::new(),
            told: Vec::new(),
            reason: String::new(),
        }
    }

    /// Appends a row; its reason is what [`Output::reason`] holds. Where that is empty, it is null, as are the channel
    /// and what lowered it.
    #[inline(always)]
    pub fn push(
        &mut self,
        key: u32,
        time: Option<Timestamp>,
        observed: f64,
        verdict: &Verdict,
        state: &'static str,
    ) {
        let row = self.len;
        let at = row % BLOCK;
        if at == 0 && row > 0 {
            self.settle(BLOCK);
        }
        self.len += 1;
        if time.is_none() {
            self.untimed.push(row);
        }
        let Block { keys, times, numbers } = &mut *self.block;
        keys[at] = key;
        times[at] = time.unwrap_or(0);
        let Verdict { expected, lower, upper, score, severity, confidence, .. } = *verdict;
        let row_numbers = [observed, expected, lower, upper, score, severity, confidence];
        for (column, number) in numbers.iter_mut().zip(&row_numbers) {
            column[at] = *number;
        }
        match self.states.last_mut() {
            Some((last, rows)) if std::ptr::eq(*last, state) => *rows += 1,
            _ => self.states.push((state, 1)),
        }
        if !self.reason.is_empty() {
            let reason = std::mem::take(&mut self.reason);
            self.told.push(Told { row, reason, channel: verdict.channel, lowered: verdict.lowered });
        }
    }

    /// Moves the rows of the block to their columns.
    fn settle(&mut self, rows: usize) {
        self.keys.extend_from_slice(&self.block.keys[..rows]);
        self.times.extend_from_slice(&self.block.times[..rows]);
        for (column, block) in self.numbers.iter_mut().zip(&self.block.numbers) {
            column.extend_from_slice(&block[..rows]);
        }
    }

    /// The table; `names` are the measures, which take turns. The last key column, the level, is left out unless
    /// `level`.
    pub fn table(mut self, keys: &Keys, level: bool, names: &[&str]) -> Result<RecordBatch> {
        let rows = self.len;
        self.settle(rows - self.times.len());
        let mut columns = key_table(keys, &self.keys, level);
        let valid = (!self.untimed.is_empty()).then(|| {
            let mut valid = vec![true; rows];
            self.untimed.iter().for_each(|row| valid[*row] = false);
            NullBuffer::from(valid)
        });
        let times = TimestampNanosecondArray::new(self.times.into(), valid).with_timezone("UTC");
        columns.push(("time", Arc::new(times)));
        columns.push((
            "measure",
            match names {
                [name] => words(rows, std::iter::once((*name, rows))),
                names => words(rows, names.iter().cycle().take(rows).map(|name| (*name, 1))),
            },
        ));
        for (name, values) in NUMBERS.into_iter().zip(self.numbers) {
            let nulls = nulls(&values);
            columns.push((name, Arc::new(Float64Array::new(values.into(), nulls))));
        }
        columns.push(("state", words(rows, self.states.into_iter())));
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

/// Which values are null, if any is.
fn nulls(values: &[f64]) -> Option<NullBuffer> {
    let mut missing = 0;
    let words = values.chunks(BLOCK).map(|block| {
        // Counted first, by the processor's vectors: mostly there is none.
        let nulls: u64 = block.iter().map(|value| u64::from(value.is_nan())).sum();
        missing += nulls as usize;
        if nulls == 0 {
            return u64::MAX;
        }
        block.iter().enumerate().fold(0, |word, (at, value)| word | (u64::from(!value.is_nan()) << at))
    });
    let words: Vec<u64> = words.collect();
    (missing > 0).then(|| NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(words), 0, values.len())))
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

/// A column of few, short words, each with how many rows running have it.
fn words<'a>(rows: usize, runs: impl Iterator<Item = (&'a str, usize)>) -> ArrayRef {
    let mut bytes = Vec::with_capacity(rows * 8);
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    for (word, run) in runs {
        let start = bytes.len();
        if run == 1 {
            bytes.extend_from_slice(word.as_bytes());
        } else {
            bytes.extend_from_slice(word.repeat(run).as_bytes());
        }
        if i32::try_from(bytes.len()).is_ok() && i32::try_from(run).is_ok() {
            // All of them fit, which isn't asked of each: so they are written by vectors.
            let (first, length) = ((start + word.len()) as i32, word.len() as i32);
            offsets.extend((0..run as i32).map(|before| first.wrapping_add(before.wrapping_mul(length))));
        } else {
            offsets.extend((1..=run).map(|count| offset(start + count * word.len())));
        }
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_new(offsets, bytes.into(), None)
        .map_or_else(|_| Arc::new(StringArray::new_null(rows)) as ArrayRef, |array| Arc::new(array))
}

/// Beyond 2 GiB of text, offsets stop growing, and the array is refused.
fn offset(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}

/// A column that has a text in few rows, by row, and null in the others.
fn few<'a>(rows: usize, texts: impl Iterator<Item = (usize, &'a str)> + Clone) -> ArrayRef {
    let bytes = texts.clone().map(|(_, text)| text.len()).sum();
    if i32::try_from(bytes).is_err() {
        return Arc::new(StringArray::new_null(rows));
    }
    let mut column = StringBuilder::with_capacity(rows, bytes);
    for (row, text) in texts {
        column.append_nulls(row - column.len());
        column.append_value(text);
    }
    column.append_nulls(rows - column.len());
    Arc::new(column.finish())
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
