//! Bytes of tracker messages become columns.
//!
//! A [`Decoder`] reads whole lines, of JSON or of a make's own text. Each line is one message; it yields rows, a heartbeat, or a reject
//! with its reason and its bytes, and never spoils the lines around it. What a message can't say as the type
//! it should have is null and counted. The reading itself is in [`scan`], the makes are one file each.
//!
//! Refuses to guess: a message without a readable time is a reject.

mod axis;
mod beside;
mod clock;
mod decoded;
mod deepstream;
mod fields;
mod frigate;
mod mot;
mod named;
mod options;
mod panorama;
mod rows;
mod scan;
mod shape;
mod sightings;
mod string_end;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use beside::{ARRIVAL, Beside, Joined, LAG};
pub use decoded::{Decoded, Heartbeat, KEPT, MOST_REJECTS, Reject, Rename};
pub use deepstream::{NO_OBJECTS, OBJECT_UNREADABLE};
pub use mot::LINE_UNREADABLE;
pub use options::{AxisOptions, ColumnType, MotOptions, Options, PanoramaOptions, RowsOptions, Setting};
pub use rows::MOST_COLUMNS;
pub use scan::{DEEPEST, INVALID, NOT_AN_OBJECT, NOT_UTF8, TOO_DEEP, TRUNCATED};
pub use sightings::COLUMNS;

#[cfg(test)]
mod tests;

use fields::{Fields, Raw};
use named::{Named, NamedColumns};
use sightings::Sightings;

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
    /// Further columns and the fields they are read from.
    fields: Vec<(String, String)>,
    /// Those of them that are wanted.
    named: Named,
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
    fields: Vec<(String, String)>,
    columns: Option<Vec<String>>,
}

impl From<Decoder> for Stored {
    fn from(decoder: Decoder) -> Self {
        Self {
            options: decoder.options,
            fields: decoder.fields,
            columns: decoder.wanted.map(|wanted| wanted.0),
        }
    }
}

impl TryFrom<Stored> for Decoder {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        let decoder = Self::with_fields(stored.options, stored.fields);
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
    fn new(options: &Options, paths: &[(String, String)], wanted: &Wanted) -> (Self, Named) {
        let mut form = match options {
            Options::Axis(options) => Self::Axis(Box::new(axis::Axis::new(options, wanted))),
            Options::DeepStream => Self::DeepStream(deepstream::DeepStream::new(wanted)),
            Options::Frigate => Self::Frigate(frigate::Frigate::new(wanted)),
            Options::Mot(options) => Self::Mot(mot::Mot::new(options)),
            Options::Panorama(options) => Self::Panorama(panorama::Panorama::new(options)),
            Options::Rows(options) => Self::Rows(rows::Rows::new(options, paths, wanted)),
        };
        let fields = match &mut form {
            Self::Axis(form) => &mut form.fields,
            Self::DeepStream(form) => &mut form.fields,
            Self::Frigate(form) => &mut form.fields,
            Self::Panorama(form) => &mut form.fields,
            // Lines of text have no names, and rows have nothing but named fields.
            Self::Mot(_) | Self::Rows(_) => return (form, Named::default()),
        };
        let named = Named::ask(fields, paths, |name| wanted.has(name));
        (form, named)
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
        let (options, fields) = Options::read(settings)?;
        Ok(Self::with_fields(options, fields))
    }

    /// A decoder from checked options.
    pub fn new(options: Options) -> Self {
        Self::with_fields(options, Vec::new())
    }

    /// Likewise, with further columns, each with the field it is read from.
    pub fn with_fields(options: Options, fields: Vec<(String, String)>) -> Self {
        let more = fields.iter().map(|(name, _)| name.as_str());
        let wanted = match &options {
            Options::Rows(rows) if rows.columns.is_empty() => None,
            Options::Rows(rows) => {
                Some(Wanted::new(rows.columns.iter().map(|(name, _)| name.as_str()).chain(more)))
            }
            _ => Some(Wanted::new(COLUMNS.into_iter().chain(more))),
        };
        let (form, named) = Form::new(&options, &fields, wanted.as_ref().unwrap_or(&Wanted::new(["time"])));
        Self { options, fields, named, wanted, form, events: true }
    }

    /// The same decoder, whose rows are sightings alone: what windows count. The end of a track without a sighting
    /// is no row then, nor a rename ([`Decoded::renames`] has it).
    #[must_use]
    pub fn sightings(self) -> Self {
        Self { events: false, ..self }
    }

    /// The same decoder, building only these columns, in this order; `time` comes first if it isn't named.
    pub fn with_columns<S: AsRef<str>>(self, names: &[S]) -> Result<Self> {
        if let Some(name) = names.iter().find(|name| !self.knows(name.as_ref())) {
            let what = format!("column of decoder \"{}\"", self.options.kind());
            let known = self.known().unwrap_or_default();
            return Err(Error::config(options::unknown(&what, name.as_ref(), &known)));
        }
        let wanted = Wanted::new(names);
        let (form, named) = Form::new(&self.options, &self.fields, &wanted);
        Ok(Self { form, named, wanted: Some(wanted), ..self })
    }

    /// The columns that it can build; nothing where they are whatever a block holds.
    fn known(&self) -> Option<Vec<&str>> {
        let mut known: Vec<&str> = match &self.options {
            Options::Rows(rows) if rows.columns.is_empty() => return None,
            Options::Rows(rows) => {
                std::iter::once("time").chain(rows.columns.iter().map(|(name, _)| name.as_str())).collect()
            }
            _ => COLUMNS.to_vec(),
        };
        known.extend(self.fields.iter().map(|(name, _)| name.as_str()));
        Some(known)
    }

    /// Whether it can build a column.
    fn knows(&self, name: &str) -> bool {
        self.known().is_none_or(|known| known.contains(&name))
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
        self.read(data, out)
    }

    /// Reads lines into what `out` was set up for.
    fn read(&self, data: &[u8], out: &mut Decoded) -> Result<()> {
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
            let more = self.fields.iter().map(|(name, _)| name).filter(|name| *name != "time");
            let wanted = Wanted::new(names.iter().filter(|name| *name != time).chain(more));
            let (form, named) = Form::new(&self.options, &self.fields, &wanted);
            form.decode(data, &wanted, &named, self.events, out);
            out.drop_rejects();
            return Ok(());
        };
        self.form.decode(data, wanted, &self.named, self.events, out);
        out.drop_rejects();
        Ok(())
    }
}

impl Form {
    fn decode(&self, data: &[u8], wanted: &Wanted, named: &Named, events: bool, out: &mut Decoded) {
        if let Self::Rows(form) = self {
            let mut table = form.start();
            each_message(data, &form.fields, out, |found, out| {
                form.read(found, &mut table, out)?;
                out.ended(table.len());
                Ok(())
            });
            table.finish(wanted, out);
            return;
        }
        let mut rows = Sightings::new(wanted, events);
        let mut more = named.start();
        match self {
            Self::Axis(form) => {
                each_sighting(data, &form.fields, &mut rows, &mut more, out, |found, rows, out| {
                    form.read(found, rows, out)
                });
            }
            Self::DeepStream(form) => {
                each_sighting(data, &form.fields, &mut rows, &mut more, out, |found, rows, out| {
                    form.read(found, rows, out)
                });
            }
            Self::Frigate(form) => {
                each_sighting(data, &form.fields, &mut rows, &mut more, out, |found, rows, out| {
                    form.read(found, rows, out)
                });
            }
            Self::Mot(form) => each_line(data, out, |line, out| {
                form.read(line, &mut rows)?;
                out.ended(rows.len());
                Ok(())
            }),
            Self::Panorama(form) => {
                each_sighting(data, &form.fields, &mut rows, &mut more, out, |found, rows, out| {
                    form.read(found, rows, out)
                });
            }
            Self::Rows(_) => {}
        }
        rows.finish(wanted, out);
        more.finish(out);
        let place = |name: &str| wanted.names().iter().position(|known| known == name);
        out.columns.sort_by_key(|(name, _)| place(name));
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

/// Messages of which each may give several rows, or some and an error.
fn each_sighting<'a>(
    data: &'a [u8],
    fields: &Fields,
    rows: &mut Sightings,
    more: &mut NamedColumns<'a>,
    out: &mut Decoded,
    mut read: impl FnMut(&[Raw<'a>], &mut Sightings, &mut Decoded) -> Result<(), &'static str>,
) {
    each_message(data, fields, out, |found, out| {
        let done = read(found, rows, out);
        more.push(found, rows.len(), out);
        out.ended(rows.len());
        done
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
