//! Rows that count nowhere, kept to be handed out: late ones and rejects.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{Field, Schema};
use serde::{Deserialize, Serialize};

use crate::column::{self, Kind, Scalar};
use crate::error::{Error, Result};

/// Rows kept until they are asked for; older ones beyond that are only counted.
const NEWEST: usize = 100_000;

/// Its window had expired.
pub const LATE: &str = "late";
/// Further than `max_ahead` beyond `now`.
pub const LEAP: &str = "leap";
/// A new key beyond `max_series`.
pub const SERIES_LIMIT: &str = "series_limit";
/// Its window reaches beyond the years 1677 to 2262.
pub const WINDOW_OUT_OF_RANGE: &str = "window_out_of_range";

/// One row, or one unreadable message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptRow {
    /// Its event time, where it has one.
    pub time: Option<i64>,
    /// Key values, then inputs; empty for a message.
    pub values: Vec<Scalar>,
    /// Why it was not counted.
    pub reason: String,
    /// The bytes of a message.
    pub message: Option<Vec<u8>>,
}

/// The newest rows of one kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    rows: VecDeque<KeptRow>,
}

impl Kept {
    /// Keeps one more.
    pub fn push(&mut self, row: KeptRow) {
        if self.rows.len() == NEWEST {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }

    /// Hands out what is kept.
    pub fn take(&mut self) -> Vec<KeptRow> {
        std::mem::take(&mut self.rows).into()
    }
}

/// The newest rows of lanes that were let go, by their names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Left {
    lanes: BTreeMap<String, Kept>,
}

impl Left {
    /// Keeps what a lane kept. All together keep no more than one.
    pub fn push(&mut self, name: &str, rows: Vec<KeptRow>) {
        if rows.is_empty() {
            return;
        }
        let kept = self.lanes.entry(name.to_owned()).or_default();
        rows.into_iter().for_each(|row| kept.push(row));
        let mut over = self.lanes.values().map(|kept| kept.rows.len()).sum::<usize>().saturating_sub(NEWEST);
        while over > 0
            && let Some(mut first) = self.lanes.first_entry()
        {
            let rows = &mut first.get_mut().rows;
            let gone = over.min(rows.len());
            rows.drain(..gone);
            over -= gone;
            if rows.is_empty() {
                first.remove();
            }
        }
    }

    /// Takes in another's.
    pub fn absorb(&mut self, other: Self) {
        other.lanes.into_iter().for_each(|(name, mut kept)| self.push(&name, kept.take()));
    }

    /// Hands out what is kept, lane by lane.
    pub fn take(&mut self) -> impl Iterator<Item = (String, Vec<KeptRow>)> + use<> {
        std::mem::take(&mut self.lanes).into_iter().map(|(name, mut kept)| (name, kept.take()))
    }
}

/// Kept rows as a table: `time`, the named columns, `reason`, and `message` where asked for.
pub fn kept_table(
    time: &str,
    columns: &[(&str, Kind)],
    rows: &[KeptRow],
    messages: bool,
) -> Result<RecordBatch> {
    let times: TimestampNanosecondArray = rows.iter().map(|row| row.time).collect();
    let mut arrays: Vec<(String, ArrayRef)> = vec![(time.to_owned(), Arc::new(times.with_timezone("UTC")))];
    for (at, (name, kind)) in columns.iter().enumerate() {
        // `time` may be an input as well; it is there already.
        if *name == time || arrays.iter().any(|(known, _)| known == name) {
            continue;
        }
        let values = rows.iter().map(|row| row.values.get(at).cloned().unwrap_or(Scalar::Null));
        arrays.push(((*name).to_owned(), column::of_kind(*kind, values)));
    }
    let reasons: StringArray = rows.iter().map(|row| Some(row.reason.as_str())).collect();
    arrays.push(("reason".to_owned(), Arc::new(reasons)));
    if messages {
        let messages: BinaryArray = rows.iter().map(|row| row.message.as_deref()).collect();
        arrays.push(("message".to_owned(), Arc::new(messages)));
    }
    table(arrays, rows.len())
}

/// A record batch of named columns.
pub fn table(columns: Vec<(String, ArrayRef)>, rows: usize) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| Error::data(error.to_string()))
}
