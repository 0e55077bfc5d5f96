//! What a block of messages held: columns under names, what stands between their rows, and what couldn't be read.

use std::collections::BTreeMap;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};

use super::sightings;
use crate::error::{Error, Result};

/// How many bytes of an unreadable message are kept.
pub const KEPT: usize = 1_024;

/// How many rejects of a block are kept, the newest; the others are only counted.
pub const MOST_REJECTS: usize = 100_000;

/// A message that can't be read, or an object in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The line of the block it stood in, from 0; blank lines count here.
    pub line: usize,
    /// Why: one of the constants of this module, or of [`crate::column`] for its time.
    pub reason: &'static str,
    /// The message (or the object), cut to [`KEPT`] bytes.
    pub bytes: Vec<u8>,
}

/// A sign of life without a row: a frame in which nothing was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Whose it is, if it says so.
    pub camera: Option<String>,
    /// Nanoseconds since the epoch.
    pub time: i64,
    /// How many rows of the block came before it.
    pub row: usize,
    /// The line of the block it stood in, from 0.
    pub line: usize,
}

/// A tracker's word that two ids are one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Whose ids they are, if it says so.
    pub camera: Option<String>,
    /// The older id.
    pub from: String,
    /// The newer one.
    pub to: String,
    /// Nanoseconds since the epoch.
    pub time: i64,
    /// How many rows of the block came before it.
    pub row: usize,
    /// How many of its heartbeats did.
    pub heartbeat: usize,
    /// The line of the block it stood in, from 0.
    pub line: usize,
}

/// What a block of messages held.
#[derive(Debug, Clone, Default)]
pub struct Decoded {
    /// Lines read; blank ones are none.
    pub messages: usize,
    /// Rows in each column.
    pub rows: usize,
    /// The columns asked for, by name, in that order.
    pub columns: Vec<(String, ArrayRef)>,
    /// Frames without objects, in line order.
    pub heartbeats: Vec<Heartbeat>,
    /// Ids that are one object, in line order.
    pub renames: Vec<Rename>,
    /// What couldn't be read, in line order: the newest [`MOST_REJECTS`].
    pub rejects: Vec<Reject>,
    /// How many came before those.
    pub dropped: u64,
    /// By column, how many values were there and couldn't be read as its type.
    pub unreadable: BTreeMap<String, u64>,
    /// The line at hand.
    pub(super) line: usize,
    /// The line of each row, where somebody wants to know.
    pub(super) lines: Option<Vec<i32>>,
}

impl Decoded {
    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, column)| column)
    }

    /// The rows as one record batch; few distinct texts as codes, as they were built.
    pub fn record(&self) -> Result<RecordBatch> {
        self.batch(|column| column.clone())
    }

    /// The rows as one record batch with every text as plain text.
    pub fn plain_record(&self) -> Result<RecordBatch> {
        self.batch(sightings::plain)
    }

    fn batch(&self, form: impl Fn(&ArrayRef) -> ArrayRef) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|(_, column)| form(column)).collect();
        let field = |((name, _), column): (&(String, ArrayRef), &ArrayRef)| {
            Field::new(name, column.data_type().clone(), true)
        };
        let schema = Schema::new(self.columns.iter().zip(&columns).map(field).collect::<Vec<_>>());
        let rows = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(schema.into(), columns, &rows)
            .map_err(|error| Error::data(error.to_string()))
    }

    /// Notes that the line at hand has been read, and how many rows there are now.
    #[inline]
    pub(super) fn ended(&mut self, rows: usize) {
        if let Some(lines) = &mut self.lines {
            lines.resize(rows, self.line as i32);
        }
    }

    pub(super) fn unreadable(&mut self, column: &str) {
        match self.unreadable.get_mut(column) {
            Some(count) => *count += 1,
            None => {
                self.unreadable.insert(column.to_owned(), 1);
            }
        }
    }

    pub(super) fn reject(&mut self, reason: &'static str, bytes: &[u8]) {
        let bytes = bytes[..bytes.len().min(KEPT)].to_vec();
        self.rejects.push(Reject { line: self.line, reason, bytes });
        if self.rejects.len() >= 2 * MOST_REJECTS {
            self.drop_rejects();
        }
    }

    pub(super) fn drop_rejects(&mut self) {
        let many = self.rejects.len().saturating_sub(MOST_REJECTS);
        self.rejects.drain(..many);
        self.dropped += many as u64;
    }
}
