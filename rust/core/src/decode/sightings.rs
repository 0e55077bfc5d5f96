//! The rows of one shape that every tracker's decoder yields, as Arrow columns under construction.
//!
//! Owns the columns' names and types, and builds only those that were asked for. Cameras, classes and events,
//! of which there are few, come as codes into what the block held; tracks as plain text.

use std::borrow::Cow;
use std::sync::Arc;

use ahash::RandomState;
use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray, TimestampNanosecondArray};
use hashbrown::HashTable;

use super::fields::Raw;
use super::{Decoded, Wanted};

/// The columns of a sighting, in their usual order. `zones` are names joined by commas; the box is in pixels
/// from the upper left corner, where the tracker says nothing else; `renamed_from` is the older id of a rename.
pub const COLUMNS: [&str; 13] = [
    "time",
    "camera",
    "class",
    "track",
    "event",
    "score",
    "zones",
    "speed",
    "left",
    "top",
    "right",
    "bottom",
    "renamed_from",
];

/// What a row tells of its object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Event {
    /// It was seen.
    #[default]
    Seen,
    /// It was seen for the first time.
    New,
    /// It was seen for the last time, or its track has ended.
    End,
    /// It has a new id.
    Rename,
}

impl Event {
    fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::New => "new",
            Self::End => "end",
            Self::Rename => "rename",
        }
    }
}

/// A track that a decoder gives to what it doesn't track: -1, also as an unsigned integer of 64 bits.
const UNTRACKED: [&str; 3] = ["-1", "18446744073709551615", ""];

/// The id of a track; nothing where the object isn't tracked.
pub fn track(id: &str) -> Option<&str> {
    (!UNTRACKED.contains(&id)).then_some(id)
}

/// A camera, a class or a track from a field that may hold a text or a number; counted where it holds
/// anything else.
pub fn name<'a>(value: Raw<'a>, column: &str, out: &mut Decoded) -> Option<Cow<'a, str>> {
    let name = value.name();
    if name.is_none() && !value.is_nothing() {
        out.unreadable(column);
    }
    name.filter(|name| !name.is_empty())
}

/// A measure from a field that may hold a number or a text of one; counted where it holds anything else.
/// `NaN` is no value.
pub fn measure(value: Raw<'_>, column: &str, out: &mut Decoded) -> Option<f64> {
    let number = match value {
        Raw::Absent | Raw::Null => return None,
        Raw::Text { .. } | Raw::Number(_) => value.name().and_then(|text| text.trim().parse::<f64>().ok()),
        Raw::Bool(_) | Raw::Nested(_) => None,
    };
    if number.is_none() {
        out.unreadable(column);
    }
    number.filter(|number| !number.is_nan())
}

/// One row, before it is one. What nobody asked for may be left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sighting<'a> {
    /// Nanoseconds since the epoch.
    pub time: i64,
    /// Which camera.
    pub camera: Option<&'a str>,
    /// What was seen.
    pub class: Option<&'a str>,
    /// The object's id, if it has one.
    pub track: Option<&'a str>,
    /// What the row tells.
    pub event: Event,
    /// How sure the detector was, 0 to 1.
    pub score: Option<f64>,
    /// The zones it is in.
    pub zones: Option<&'a str>,
    /// As the tracker measures it.
    pub speed: Option<f64>,
    /// Left, top, right, bottom.
    pub corners: [Option<f64>; 4],
    /// The older id, of a rename.
    pub renamed_from: Option<&'a str>,
}

/// The columns under construction.
#[derive(Debug)]
pub struct Sightings {
    time: Vec<i64>,
    camera: Option<Codes>,
    class: Option<Codes>,
    track: Option<StringBuilder>,
    event: Option<Codes>,
    score: Option<Float64Builder>,
    zones: Option<Codes>,
    speed: Option<Float64Builder>,
    corners: [Option<Float64Builder>; 4],
    renamed_from: Option<StringBuilder>,
    /// Whether events without a sighting are rows, too.
    events: bool,
}

impl Sightings {
    /// Columns for what is wanted; `events` asks for those without a sighting, too.
    pub fn new(wanted: &Wanted, events: bool) -> Self {
        let floats = |name: &str| wanted.has(name).then(Float64Builder::new);
        Self {
            time: Vec::new(),
            camera: wanted.has("camera").then(Codes::default),
            class: wanted.has("class").then(Codes::default),
            track: wanted.has("track").then(StringBuilder::new),
            event: wanted.has("event").then(Codes::default),
            score: floats("score"),
            zones: wanted.has("zones").then(Codes::default),
            speed: floats("speed"),
            corners: [floats("left"), floats("top"), floats("right"), floats("bottom")],
            renamed_from: wanted.has("renamed_from").then(StringBuilder::new),
            events,
        }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// Adds a row.
    #[inline]
    pub fn push(&mut self, row: &Sighting<'_>) {
        self.time.push(row.time);
        if let Some(camera) = &mut self.camera {
            camera.push(row.camera);
        }
        if let Some(class) = &mut self.class {
            class.push(row.class);
        }
        if let Some(track) = &mut self.track {
            track.append_option(row.track);
        }
        if let Some(event) = &mut self.event {
            event.push(Some(row.event.name()));
        }
        if let Some(zones) = &mut self.zones {
            zones.push(row.zones);
        }
        if let Some(renamed_from) = &mut self.renamed_from {
            renamed_from.append_option(row.renamed_from);
        }
        if let Some(score) = &mut self.score {
            score.append_option(row.score);
        }
        if let Some(speed) = &mut self.speed {
            speed.append_option(row.speed);
        }
        for (corner, value) in self.corners.iter_mut().zip(row.corners) {
            if let Some(corner) = corner {
                corner.append_option(value);
            }
        }
    }

    /// Adds an event without a sighting, if those are asked for.
    pub fn happened(&mut self, row: &Sighting<'_>) {
        if self.events {
            self.push(row);
        }
    }

    /// The finished columns, in the order they were asked for.
    pub fn finish(self, wanted: &Wanted, out: &mut Decoded) {
        let rows = self.time.len();
        let [mut camera, mut class, mut event, mut zones] =
            [self.camera, self.class, self.event, self.zones].map(|codes| codes.map(Codes::finish));
        let Self { time, mut track, mut score, mut speed, mut corners, mut renamed_from, .. } = self;
        let texts = |builder: &mut Option<StringBuilder>| {
            builder.as_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef)
        };
        let mut time: Option<ArrayRef> =
            Some(Arc::new(TimestampNanosecondArray::from(time).with_timezone("UTC")));
        let floats = |builder: &mut Option<Float64Builder>| {
            builder.as_mut().map(|builder| Arc::new(builder.finish()) as ArrayRef)
        };
        for name in wanted.names() {
            let column = match name.as_str() {
                "time" => time.take(),
                "camera" => camera.take(),
                "class" => class.take(),
                "track" => texts(&mut track),
                "event" => event.take(),
                "score" => floats(&mut score),
                "zones" => zones.take(),
                "speed" => floats(&mut speed),
                "left" => floats(&mut corners[0]),
                "top" => floats(&mut corners[1]),
                "right" => floats(&mut corners[2]),
                "bottom" => floats(&mut corners[3]),
                "renamed_from" => texts(&mut renamed_from),
                // A field's own column is made elsewhere.
                _ => None,
            };
            out.columns.extend(column.map(|column| (name.clone(), column)));
        }
        out.rows = rows;
    }
}

fn dictionary(codes: Int32Array, texts: StringArray) -> ArrayRef {
    match DictionaryArray::<Int32Type>::try_new(codes, Arc::new(texts)) {
        Ok(column) => Arc::new(column),
        // Codes are made together with the texts they stand for, so this isn't reached.
        Err(_) => Arc::new(StringArray::new_null(0)),
    }
}

/// The same column without codes.
pub fn plain(column: &ArrayRef) -> ArrayRef {
    let Some(codes) = column.as_dictionary_opt::<Int32Type>() else { return column.clone() };
    let texts = codes.values().as_string::<i32>();
    let mut plain = StringBuilder::new();
    for code in codes.keys() {
        plain.append_option(code.map(|code| texts.value(code as usize)));
    }
    Arc::new(plain.finish())
}

/// A column of few distinct texts.
#[derive(Debug, Default)]
struct Codes {
    rows: Vec<Option<i32>>,
    texts: Vec<String>,
    table: HashTable<i32>,
    hasher: RandomState,
}

impl Codes {
    fn push(&mut self, text: Option<&str>) {
        let code = text.map(|text| match self.rows.last() {
            // Messages of a camera often come in a row.
            Some(Some(code)) if self.texts[*code as usize] == text => *code,
            _ => self.code(text),
        });
        self.rows.push(code);
    }

    fn code(&mut self, text: &str) -> i32 {
        let Self { texts, table, hasher, .. } = self;
        let hash = hasher.hash_one(text);
        if let Some(code) = table.find(hash, |code| texts[*code as usize] == text) {
            return *code;
        }
        let code = texts.len() as i32;
        texts.push(text.to_owned());
        table.insert_unique(hash, code, |code| hasher.hash_one(texts[*code as usize].as_str()));
        code
    }

    fn finish(self) -> ArrayRef {
        dictionary(self.rows.into(), self.texts.into())
    }
}
