//! Bytes of tracker messages become columns.
//!
//! A [`Decoder`] reads whole lines, of JSON or of a make's own text. Each line is one message; it yields rows, a heartbeat, or a reject
//! with its reason and its bytes, and never spoils the lines around it. What a message can't say as the type
//! it should have is null and counted. The reading itself is in [`scan`], the makes are one file each.
//!
//! Refuses to guess: a message without a readable time is a reject.

mod axis;
mod clock;
mod deepstream;
mod fields;
mod frigate;
mod mot;
mod options;
mod panorama;
mod rows;
mod scan;
mod shape;
mod sightings;
mod string_end;

use std::collections::BTreeMap;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use deepstream::{NO_OBJECTS, OBJECT_UNREADABLE};
pub use mot::LINE_UNREADABLE;
pub use options::{AxisOptions, ColumnType, MotOptions, Options, PanoramaOptions, RowsOptions, Setting};
pub use rows::MOST_COLUMNS;
pub use scan::{DEEPEST, INVALID, NOT_AN_OBJECT, NOT_UTF8, TOO_DEEP, TRUNCATED};
pub use sightings::COLUMNS;

#[cfg(test)]
mod tests;

use fields::{Fields, Raw};
use sightings::Sightings;

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
    line: usize,
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

    fn unreadable(&mut self, column: &str) {
        match self.unreadable.get_mut(column) {
            Some(count) => *count += 1,
            None => {
                self.unreadable.insert(column.to_owned(), 1);
            }
        }
    }

    fn reject(&mut self, reason: &'static str, bytes: &[u8]) {
        let bytes = bytes[..bytes.len().min(KEPT)].to_vec();
        self.rejects.push(Reject { line: self.line, reason, bytes });
        if self.rejects.len() >= 2 * MOST_REJECTS {
            self.drop_rejects();
        }
    }

    fn drop_rejects(&mut self) {
        let many = self.rejects.len().saturating_sub(MOST_REJECTS);
        self.rejects.drain(..many);
        self.dropped += many as u64;
    }
}

/// The columns asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted(Vec<String>);

impl Wanted {
    /// These columns, and the time before them if it isn't among them.
    fn new<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut wanted = Self(Vec::new());
        for name in names {
            if !wanted.has(name.as_ref()) {
                wanted.0.push(name.as_ref().to_owned());
            }
        }
        if !wanted.has("time") {
            wanted.0.insert(0, "time".to_owned());
        }
        wanted
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    fn names(&self) -> &[String] {
        &self.0
    }
}

/// Reads the messages of one make of tracker.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Decoder {
    options: Options,
    /// Nothing where the columns are whatever a block holds.
    wanted: Option<Wanted>,
    form: Form,
    /// Whether events without a sighting are rows, too.
    events: bool,
}

/// What of a decoder is worth keeping.
#[derive(Serialize, Deserialize)]
struct Stored {
    options: Options,
    columns: Option<Vec<String>>,
}

impl From<Decoder> for Stored {
    fn from(decoder: Decoder) -> Self {
        Self { options: decoder.options, columns: decoder.wanted.map(|wanted| wanted.0) }
    }
}

impl TryFrom<Stored> for Decoder {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let decoder = Self::new(stored.options);
        match stored.columns {
            Some(columns) => decoder.with_columns(&columns),
            None => Ok(decoder),
        }
    }
}

#[derive(Debug, Clone)]
enum Form {
    Axis(Box<axis::Axis>),
    DeepStream(deepstream::DeepStream),
    Frigate(frigate::Frigate),
    Mot(mot::Mot),
    Panorama(panorama::Panorama),
    Rows(rows::Rows),
}

impl Form {
    fn new(options: &Options, wanted: &Wanted) -> Self {
        match options {
            Options::Axis(options) => Self::Axis(Box::new(axis::Axis::new(options, wanted))),
            Options::DeepStream => Self::DeepStream(deepstream::DeepStream::new(wanted)),
            Options::Frigate => Self::Frigate(frigate::Frigate::new(wanted)),
            Options::Mot(options) => Self::Mot(mot::Mot::new(options)),
            Options::Panorama(options) => Self::Panorama(panorama::Panorama::new(options)),
            Options::Rows(options) => Self::Rows(rows::Rows::new(options, wanted)),
        }
    }
}

impl Decoder {
    /// A decoder by its name, with its default options.
    ///
    /// ```
    /// use windrow_core::decode::Decoder;
    /// assert!(Decoder::parse("deepstream").is_ok());
    /// assert_eq!(Decoder::parse("panorma").unwrap_err().to_string(),
    ///     "unknown decoder \"panorma\": use axis, deepstream, frigate, mot, panorama or rows (did you mean \"panorama\"?)");
    /// ```
    pub fn parse(name: &str) -> Result<Self> {
        Self::configured(&[("kind".to_owned(), Setting::Text(name.to_owned()))])
    }

    /// A decoder by its `kind` and that kind's options; the error names all mistakes.
    pub fn configured(settings: &[(String, Setting)]) -> Result<Self> {
        Options::read(settings).map(Self::new)
    }

    /// A decoder from checked options.
    pub fn new(options: Options) -> Self {
        let wanted = match &options {
            Options::Rows(rows) if rows.columns.is_empty() => None,
            Options::Rows(rows) => Some(Wanted::new(rows.columns.iter().map(|(name, _)| name))),
            _ => Some(Wanted::new(COLUMNS)),
        };
        let form = Form::new(&options, wanted.as_ref().unwrap_or(&Wanted::new(["time"])));
        Self { options, wanted, form, events: true }
    }

    /// The same decoder, whose rows are sightings alone: what windows count. The end of a track without a sighting
    /// is no row then, nor a rename ([`Decoded::renames`] has it).
    #[must_use]
    pub fn sightings(self) -> Self {
        Self { events: false, ..self }
    }

    /// The same decoder, building only these columns, in this order; `time` comes first if it isn't named.
    pub fn with_columns<S: AsRef<str>>(self, names: &[S]) -> Result<Self> {
        let known: Option<Vec<&str>> = match &self.options {
            Options::Rows(rows) if rows.columns.is_empty() => None,
            Options::Rows(rows) => Some(
                std::iter::once("time").chain(rows.columns.iter().map(|(name, _)| name.as_str())).collect(),
            ),
            _ => Some(COLUMNS.to_vec()),
        };
        if let Some(known) = known
            && let Some(name) = names.iter().find(|name| !known.contains(&name.as_ref()))
        {
            let what = format!("column of decoder \"{}\"", self.options.kind());
            return Err(Error::config(options::unknown(&what, name.as_ref(), &known)));
        }
        let wanted = Wanted::new(names);
        Ok(Self { form: Form::new(&self.options, &wanted), wanted: Some(wanted), ..self })
    }

    /// The decoder's name, such as `"deepstream"`.
    pub fn kind(&self) -> &'static str {
        self.options.kind()
    }

    /// The columns it builds; nothing where they are whatever a block holds.
    pub fn columns(&self) -> Option<&[String]> {
        self.wanted.as_ref().map(Wanted::names)
    }

    /// Reads whole lines; the last one may lack its newline. What `out` held before is gone.
    ///
    /// ```
    /// use windrow_core::decode::{Decoded, Decoder};
    /// let data = br#"{"@timestamp":"2018-09-12T17:20:38.026Z","sensorId":"a","objects":["7|0|0|9|9|car"]}
    /// {"@timestamp":"2018-09-12T17:20:38.059Z","sensorId":"a","objects":[]}
    /// oops"#;
    /// let mut out = Decoded::default();
    /// Decoder::parse("deepstream")?.decode(data, &mut out)?;
    /// assert_eq!((out.messages, out.rows, out.heartbeats.len()), (3, 1, 1));
    /// assert_eq!((out.rejects[0].line, out.rejects[0].reason), (2, "json_invalid"));
    /// # Ok::<(), windrow_core::Error>(())
    /// ```
    pub fn decode(&self, data: &[u8], out: &mut Decoded) -> Result<()> {
        *out = Decoded::default();
        // Text columns have 32-bit offsets, and none can be longer than the messages it came from.
        if i32::try_from(data.len()).is_err() {
            return Err(Error::limit(format!(
                "`data` must be shorter than 2 GiB, got {} bytes: hand it over in parts",
                data.len()
            )));
        }
        let Some(wanted) = &self.wanted else {
            let names = rows::names(lines(data).map(|(_, line)| line));
            let time = if let Options::Rows(rows) = &self.options { rows.time.as_str() } else { "time" };
            let wanted = Wanted::new(names.iter().filter(|name| *name != time));
            Form::new(&self.options, &wanted).decode(data, &wanted, self.events, out);
            out.drop_rejects();
            return Ok(());
        };
        self.form.decode(data, wanted, self.events, out);
        out.drop_rejects();
        Ok(())
    }
}

impl Form {
    fn decode(&self, data: &[u8], wanted: &Wanted, events: bool, out: &mut Decoded) {
        if let Self::Rows(form) = self {
            let mut table = form.start();
            each_message(data, &form.fields, out, |found, out| form.read(found, &mut table, out));
            table.finish(wanted, out);
            return;
        }
        let mut rows = Sightings::new(wanted, events);
        match self {
            Self::Axis(form) => {
                each_message(data, &form.fields, out, |found, out| form.read(found, &mut rows, out));
            }
            Self::DeepStream(form) => {
                each_message(data, &form.fields, out, |found, out| form.read(found, &mut rows, out));
            }
            Self::Frigate(form) => {
                each_message(data, &form.fields, out, |found, out| form.read(found, &mut rows, out));
            }
            Self::Mot(form) => each_line(data, out, |line, _| form.read(line, &mut rows)),
            Self::Panorama(form) => {
                each_message(data, &form.fields, out, |found, out| form.read(found, &mut rows, out));
            }
            Self::Rows(_) => {}
        }
        rows.finish(wanted, out);
    }
}

/// The lines of a block that aren't blank, with their numbers.
fn lines(data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let ends = memchr::memchr_iter(b'\n', data).chain(std::iter::once(data.len()));
    let lines = ends.scan(0, |start, end| {
        let line = data.get(*start..end).unwrap_or_default();
        *start = end + 1;
        Some(line)
    });
    let blank = |line: &[u8]| line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    lines.enumerate().filter(move |(_, line)| !blank(line))
}

fn each_message<'a>(
    data: &'a [u8],
    fields: &Fields,
    out: &mut Decoded,
    mut read: impl FnMut(&[Raw<'a>], &mut Decoded) -> Result<(), &'static str>,
) {
    let mut found = vec![Raw::Absent; fields.len()];
    let mut reader = shape::Reader::new(fields);
    each_line(data, out, |line, out| {
        reader.message(line, &mut found)?;
        read(&found, out)
    });
}

fn each_line<'a>(
    data: &'a [u8],
    out: &mut Decoded,
    mut read: impl FnMut(&'a [u8], &mut Decoded) -> Result<(), &'static str>,
) {
    for (number, line) in lines(data) {
        out.messages += 1;
        out.line = number;
        if let Err(reason) = read(line, out) {
            out.reject(reason, line);
        }
    }
}
