//! How a decoder is configured: its kind by name alone, or with options, all mistakes reported at once.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::times::{self, Unit};

use super::sightings::COLUMNS;

/// An option's value as it comes from a configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Setting {
    /// One text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Texts by name, in their order.
    Map(Vec<(String, String)>),
    /// One number.
    Number(f64),
    /// What no option takes; the text names its kind.
    Other(String),
}

impl Setting {
    fn kind(&self) -> &str {
        match self {
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
            Self::Number(_) => "a number",
            Self::Other(kind) => kind,
        }
    }
}

/// The type of a declared column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnType {
    /// True or false.
    Bool,
    /// Whole numbers of 64 bits.
    Int64,
    /// Floats.
    Float64,
    /// Text; numbers keep their own digits.
    Text,
    /// Times, as nanoseconds since the epoch.
    Time,
    /// Whatever the block holds.
    Inferred,
}

const TYPES: [(&str, ColumnType); 5] = [
    ("bool", ColumnType::Bool),
    ("float64", ColumnType::Float64),
    ("int64", ColumnType::Int64),
    ("text", ColumnType::Text),
    ("time", ColumnType::Time),
];

/// Options of the axis decoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AxisOptions {
    /// The camera of all messages; each message's channel without.
    pub camera: Option<String>,
}

/// Options of the mot decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MotOptions {
    /// Frames a second.
    #[serde(with = "crate::snapshot::float")]
    pub frames_per_second: f64,
    /// The time of frame 1, in nanoseconds since the epoch.
    pub start: i64,
    /// The camera of all rows.
    pub camera: Option<String>,
}

/// Options of the panorama decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PanoramaOptions {
    /// The field of each class, and the class it stands for.
    pub classes: Vec<(String, String)>,
    /// The camera's field.
    pub camera: String,
    /// The time's field; the first that is there.
    pub time: Vec<String>,
    /// The unit of integer times.
    pub time_unit: Unit,
}

/// Options of the rows decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowsOptions {
    /// The time's field.
    pub time: String,
    /// The unit of integer times.
    pub time_unit: Unit,
    /// The columns to read; none means all that the block holds.
    pub columns: Vec<(String, ColumnType)>,
}

/// A decoder's kind with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Options {
    /// AXIS Scene Metadata.
    Axis(AxisOptions),
    /// NVIDIA DeepStream, both forms.
    DeepStream,
    /// Frigate's events.
    Frigate,
    /// `MOTChallenge`'s text.
    Mot(MotOptions),
    /// A field for each class.
    Panorama(PanoramaOptions),
    /// Named fields as columns.
    Rows(RowsOptions),
}

const KINDS: [&str; 6] = ["axis", "deepstream", "frigate", "mot", "panorama", "rows"];

impl Options {
    /// Reads a kind and its options, and the fields that have columns of their own.
    pub fn read(settings: &[(String, Setting)]) -> Result<(Self, Vec<(String, String)>)> {
        let mut faults = Vec::new();
        let kind = match settings.iter().find(|(name, _)| name == "kind") {
            Some((_, Setting::Text(kind))) => kind.as_str(),
            Some((_, other)) => {
                return Err(Error::config(format!("`kind` must be text, got {}", other.kind())));
            }
            None => return Err(Error::config(format!("`kind` is missing: use {}", choices(&KINDS)))),
        };
        let known: &[&str] = match kind {
            "axis" => &["kind", "camera", "fields"],
            "deepstream" | "frigate" => &["kind", "fields"],
            "mot" => &["kind", "frames_per_second", "start", "camera"],
            "panorama" => &["kind", "classes", "camera", "time", "time_unit", "fields"],
            "rows" => &["kind", "columns", "time", "time_unit", "fields"],
            other => return Err(Error::config(unknown("decoder", other, &KINDS))),
        };
        for (name, _) in settings {
            if !known.contains(&name.as_str()) {
                let of = format!("option of decoder \"{kind}\"");
                faults.push(unknown(&of, name, known));
            }
        }
        let mut reader = Reader { settings, faults };
        let options = match kind {
            "axis" => Self::Axis(AxisOptions { camera: reader.camera() }),
            "frigate" => Self::Frigate,
            "mot" => Self::Mot(reader.mot()),
            "panorama" => Self::Panorama(reader.panorama()),
            "rows" => Self::Rows(reader.rows()),
            _ => Self::DeepStream,
        };
        let fields = reader.fields(if kind == "rows" { &[] } else { &COLUMNS });
        if reader.faults.is_empty() {
            Ok((options, fields))
        } else {
            Err(Error::config(reader.faults.join("; ")))
        }
    }

    /// The decoder's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Axis(_) => "axis",
            Self::DeepStream => "deepstream",
            Self::Frigate => "frigate",
            Self::Mot(_) => "mot",
            Self::Panorama(_) => "panorama",
            Self::Rows(_) => "rows",
        }
    }
}

/// Options one by one, with what is wrong about them.
struct Reader<'a> {
    settings: &'a [(String, Setting)],
    faults: Vec<String>,
}

impl Reader<'_> {
    fn setting(&self, name: &str) -> Option<Setting> {
        self.settings.iter().find(|(known, _)| known == name).map(|(_, setting)| setting.clone())
    }

    fn expected(&mut self, name: &str, what: &str, got: &Setting) {
        let got = match got {
            Setting::Text(text) => format!("{text:?}"),
            Setting::List(list) if list.is_empty() => "an empty list".to_owned(),
            Setting::Map(map) if map.is_empty() => "an empty mapping".to_owned(),
            Setting::Number(number) => number.to_string(),
            other => other.kind().to_owned(),
        };
        self.faults.push(format!("`{name}` must be {what}, got {got}"));
    }

    fn text(&mut self, name: &str) -> Option<String> {
        match self.setting(name)? {
            Setting::Text(text) if !text.is_empty() => Some(text),
            other => {
                self.expected(name, "the name of a field", &other);
                None
            }
        }
    }

    /// Columns and the fields they are read from; none that the decoder has anyway.
    fn fields(&mut self, taken: &[&str]) -> Vec<(String, String)> {
        let fields = match self.setting("fields") {
            None => return Vec::new(),
            Some(Setting::Map(fields))
                if fields.iter().all(|(name, field)| !name.is_empty() && !field.is_empty()) =>
            {
                fields
            }
            Some(other) => {
                self.expected("fields", "a mapping of columns to fields", &other);
                return Vec::new();
            }
        };
        for (name, _) in fields.iter().filter(|(name, _)| taken.contains(&name.as_str())) {
            self.faults
                .push(format!("`fields` can't have the column `{name}`: the decoder has one of that name"));
        }
        fields
    }

    fn unit(&mut self, default: Unit) -> Unit {
        match self.setting("time_unit") {
            None => return default,
            Some(Setting::Text(text)) => match Unit::parse(&text) {
                Ok(unit) => return unit,
                Err(error) => self.faults.push(error.to_string()),
            },
            Some(other) => self.expected("time_unit", "\"s\", \"ms\", \"us\" or \"ns\"", &other),
        }
        default
    }

    /// A camera's own name, not that of a field.
    fn camera(&mut self) -> Option<String> {
        match self.setting("camera")? {
            Setting::Text(camera) if !camera.is_empty() => Some(camera),
            other => {
                self.expected("camera", "the name of a camera", &other);
                None
            }
        }
    }

    fn mot(&mut self) -> MotOptions {
        let mut missing = |name: &str, what: &str| {
            self.faults.push(format!("`{name}` is missing: the decoder \"mot\" needs {what}"));
        };
        let rate = self.settings.iter().find(|(name, _)| name == "frames_per_second");
        let start = self.settings.iter().find(|(name, _)| name == "start");
        if rate.is_none() {
            missing("frames_per_second", "the rate of the frames");
        }
        if start.is_none() {
            missing("start", "the time of frame 1");
        }
        let frames_per_second = match rate {
            Some((_, Setting::Number(rate))) if rate.is_finite() && *rate > 0.0 => *rate,
            None => 1.0,
            Some((name, other)) => {
                self.expected(name, "a positive number", other);
                1.0
            }
        };
        let time = |setting: &Setting| match setting {
            Setting::Text(text) => times::from_text(text).ok(),
            _ => None,
        };
        let start = start.map_or(0, |(name, setting)| {
            time(setting).unwrap_or_else(|| {
                self.expected(name, "a time in ISO 8601", setting);
                0
            })
        });
        MotOptions { frames_per_second, start, camera: self.camera() }
    }

    fn panorama(&mut self) -> PanoramaOptions {
        let same = |names: Vec<String>| names.into_iter().map(|name| (name.clone(), name)).collect();
        let classes = match self.setting("classes") {
            None => same(vec!["person".to_owned(), "car".to_owned()]),
            Some(Setting::List(names)) if !names.is_empty() => same(names),
            Some(Setting::Map(classes)) if !classes.is_empty() => classes,
            Some(other) => {
                self.expected("classes", "a list of fields, or a mapping of fields to classes", &other);
                Vec::new()
            }
        };
        let time = match self.setting("time") {
            None => ["event_time", "timestamp", "time"].map(str::to_owned).to_vec(),
            Some(Setting::Text(name)) if !name.is_empty() => vec![name],
            Some(Setting::List(names)) if !names.is_empty() => names,
            Some(other) => {
                self.expected("time", "the name of a field or a list of them", &other);
                Vec::new()
            }
        };
        let camera = self.text("camera").unwrap_or_else(|| "camera".to_owned());
        PanoramaOptions { classes, camera, time, time_unit: self.unit(Unit::Millisecond) }
    }

    fn rows(&mut self) -> RowsOptions {
        let mut columns = match self.setting("columns") {
            None => Vec::new(),
            Some(Setting::List(names)) if !names.is_empty() => {
                names.into_iter().map(|name| (name, ColumnType::Inferred)).collect()
            }
            Some(Setting::Map(columns)) if !columns.is_empty() => columns
                .into_iter()
                .map(|(name, kind)| {
                    let kind = self.column_type(&name, &kind);
                    (name, kind)
                })
                .collect(),
            Some(other) => {
                self.expected("columns", "a mapping of names to types, or a list of names", &other);
                Vec::new()
            }
        };
        let time = self.text("time").unwrap_or_else(|| {
            let declared = columns.iter().find(|(_, kind)| *kind == ColumnType::Time);
            declared.map_or_else(|| "time".to_owned(), |(name, _)| name.clone())
        });
        // The time's field is the column `time`, whatever its own name.
        columns
            .retain(|(name, kind)| *name != time || !matches!(kind, ColumnType::Time | ColumnType::Inferred));
        if columns.iter().any(|(name, _)| name == "time") {
            self.faults.push(format!(
                "`columns` can't have another `time`: that is the time of the row, read from {time:?}"
            ));
        }
        for (at, (name, _)) in columns.iter().enumerate() {
            if columns[..at].iter().any(|(before, _)| before == name) {
                self.faults.push(format!("`columns` names {name:?} twice"));
            }
        }
        RowsOptions { time, time_unit: self.unit(Unit::Nanosecond), columns }
    }

    fn column_type(&mut self, name: &str, kind: &str) -> ColumnType {
        TYPES.iter().find(|(known, _)| *known == kind).map_or_else(
            || {
                let names = TYPES.map(|(name, _)| name);
                self.faults.push(unknown(&format!("type of column `{name}`"), kind, &names));
                ColumnType::Inferred
            },
            |(_, kind)| *kind,
        )
    }
}

/// `unknown decoder "deepsteam": use axis, deepstream, frigate, mot, panorama or rows (did you mean "deepstream"?)`
pub fn unknown(what: &str, got: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|word| (distance(word, got), word))
        .min()
        .filter(|(distance, word)| *distance * 2 <= word.chars().count().max(2));
    let hint = near.map_or_else(String::new, |(_, word)| format!(" (did you mean {word:?}?)"));
    format!("unknown {what} {got:?}: use {}{hint}", choices(known))
}

fn choices(words: &[&str]) -> String {
    match words {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Letters to change, add or leave out to get from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in to.iter().enumerate() {
            let change = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Setting {
        Setting::Text(text.to_owned())
    }

    fn read(settings: &[(&str, Setting)]) -> Result<Options> {
        let settings: Vec<_> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Options::read(&settings).map(|(options, _)| options)
    }

    fn error(settings: &[(&str, Setting)]) -> String {
        read(settings).unwrap_err().to_string()
    }

    #[test]
    fn mistakes_are_named_all_at_once() {
        assert_eq!(error(&[]), "`kind` is missing: use axis, deepstream, frigate, mot, panorama or rows");
        assert_eq!(
            error(&[("kind", text("deepsteam"))]),
            "unknown decoder \"deepsteam\": use axis, deepstream, frigate, mot, panorama or rows (did you mean \"deepstream\"?)"
        );
        assert_eq!(
            error(&[("kind", text("xml"))]),
            "unknown decoder \"xml\": use axis, deepstream, frigate, mot, panorama or rows"
        );
        assert_eq!(
            error(&[
                ("kind", text("rows")),
                ("colums", text("x")),
                ("time", Setting::List(vec!["a".into()])),
                ("time_unit", text("min")),
                ("columns", Setting::Map(vec![("person".into(), "float".into())])),
            ]),
            "unknown option of decoder \"rows\" \"colums\": use kind, columns, time, time_unit or fields (did you mean \
             \"columns\"?); unknown type of column `person` \"float\": use bool, float64, int64, text or time \
             (did you mean \"float64\"?); `time` must be the name of a field, got a list; `time_unit` must be \
             \"s\", \"ms\", \"us\" or \"ns\", got \"min\""
        );
        assert_eq!(
            error(&[("kind", text("panorama")), ("classes", Setting::Other("int".into()))]),
            "`classes` must be a list of fields, or a mapping of fields to classes, got int"
        );
        assert_eq!(
            error(&[
                ("kind", text("rows")),
                ("time", text("ts")),
                ("columns", Setting::List(vec!["time".into()]))
            ]),
            "`columns` can't have another `time`: that is the time of the row, read from \"ts\""
        );
    }

    #[test]
    fn a_column_of_type_time_is_the_time() {
        let columns = Setting::Map(vec![("ts".into(), "time".into()), ("car".into(), "int64".into())]);
        let options = RowsOptions {
            time: "ts".into(),
            time_unit: Unit::Nanosecond,
            columns: vec![("car".into(), ColumnType::Int64)],
        };
        assert_eq!(read(&[("kind", text("rows")), ("columns", columns)]), Ok(Options::Rows(options)));
    }
}
