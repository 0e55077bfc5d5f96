//! JSON lines of any make: the named fields become columns of the same names, beside `time`.
//!
//! A declared column has its type for good: what can't be read as that type is null and counted, a bare `NaN`
//! is null, and the row stays. A column without a type is typed by its block: text if any value is text, else
//! floats if any is one, else integers, else booleans. Where no columns are named, every field of the block
//! that holds a single value is one, up to [`MOST_COLUMNS`] in order of first mention.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampNanosecondBuilder,
};
use arrow_array::{ArrayRef, TimestampNanosecondArray};

use crate::column::{Scalar, from_scalars};
use crate::times::Unit;

use super::fields::{Fields, Raw};
use super::options::{ColumnType, RowsOptions};
use super::{Decoded, Wanted, clock, scan};

/// The most columns that a block may bring along where none are named.
pub const MOST_COLUMNS: usize = 1_000;

/// Where in a message everything is found.
#[derive(Debug, Clone)]
pub struct Rows {
    pub fields: Fields,
    time: usize,
    unit: Unit,
    columns: Vec<(String, ColumnType, usize)>,
}

impl Rows {
    /// The wanted columns, each with its declared type.
    pub fn new(options: &RowsOptions, paths: &[(String, String)], wanted: &Wanted) -> Self {
        let mut fields = Fields::default();
        let path = |name: &str| {
            let renamed = paths.iter().find(|(ours, _)| ours == name);
            renamed.map_or_else(|| name.to_owned(), |(_, theirs)| theirs.clone())
        };
        let time = fields.ask(&path(&options.time));
        let kind = |name: &str| {
            options
                .columns
                .iter()
                .find(|(known, _)| known == name)
                .map_or(ColumnType::Inferred, |known| known.1)
        };
        let columns = wanted.names().iter().filter(|name| *name != "time");
        let columns = columns.map(|name| (name.clone(), kind(name), fields.ask(&path(name)))).collect();
        Self { fields, time, unit: options.time_unit, columns }
    }

    /// Columns under construction.
    pub fn start<'a>(&self) -> Table<'a> {
        let columns = self.columns.iter().map(|(_, kind, _)| Column::new(*kind)).collect();
        Table { time: Vec::new(), columns }
    }

    /// Reads one message; the error is why it can't be read.
    pub fn read<'a>(
        &self,
        found: &[Raw<'a>],
        table: &mut Table<'a>,
        out: &mut Decoded,
    ) -> Result<(), &'static str> {
        table.time.push(clock::time(found[self.time], self.unit)?);
        for ((name, _, slot), column) in self.columns.iter().zip(&mut table.columns) {
            if !column.push(found[*slot], self.unit) {
                out.unreadable(name);
            }
        }
        Ok(())
    }
}

/// The names of all fields of a block that hold a single value, in order of first mention.
pub fn names<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for line in lines {
        // What can't be read becomes a reject when the block is decoded; here it names nothing.
        let _ = scan::each_field(line, |name, value| {
            let new = !matches!(value, Raw::Nested(_)) && names.len() < MOST_COLUMNS && !known.contains(name);
            if new {
                known.insert(name.to_owned());
                names.push(name.to_owned());
            }
        });
    }
    names
}

/// The columns of a block under construction.
#[derive(Debug)]
pub struct Table<'a> {
    time: Vec<i64>,
    columns: Vec<Column<'a>>,
}

impl Table<'_> {
    /// Rows so far.
    pub fn len(&self) -> usize {
        self.time.len()
    }

    /// The finished columns, in the order they were asked for.
    pub fn finish(self, wanted: &Wanted, out: &mut Decoded) {
        out.rows = self.time.len();
        let mut time: Option<ArrayRef> =
            Some(Arc::new(TimestampNanosecondArray::from(self.time).with_timezone("UTC")));
        let mut columns = self.columns.into_iter();
        for name in wanted.names() {
            let column = if name == "time" { time.take() } else { columns.next().map(Column::finish) };
            out.columns.extend(column.map(|column| (name.clone(), column)));
        }
    }
}

/// A column under construction.
#[derive(Debug)]
pub enum Column<'a> {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Text(StringBuilder),
    Time(TimestampNanosecondBuilder),
    Inferred(Vec<Raw<'a>>),
}

impl<'a> Column<'a> {
    pub fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Bool => Self::Bool(BooleanBuilder::new()),
            ColumnType::Int64 => Self::Int(Int64Builder::new()),
            ColumnType::Float64 => Self::Float(Float64Builder::new()),
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Time => Self::Time(TimestampNanosecondBuilder::new()),
            ColumnType::Inferred => Self::Inferred(Vec::new()),
        }
    }

    /// Adds a value; whether it could be read (nothing and `NaN` can: they are null).
    pub fn push(&mut self, value: Raw<'a>, unit: Unit) -> bool {
        let nothing = value.is_nothing();
        match self {
            Self::Bool(builder) => {
                let truth = boolean(value);
                builder.append_option(truth);
                nothing || truth.is_some() || value == Raw::Number("NaN")
            }
            Self::Int(builder) => {
                let number = integer(value);
                builder.append_option(number);
                nothing || number.is_some() || value == Raw::Number("NaN")
            }
            Self::Float(builder) => {
                let number = float(value);
                builder.append_option(number.filter(|number| !number.is_nan()));
                nothing || number.is_some()
            }
            Self::Text(builder) => match value {
                Raw::Bool(truth) => {
                    builder.append_value(if truth { "true" } else { "false" });
                    true
                }
                Raw::Number("NaN") => {
                    builder.append_null();
                    true
                }
                value => {
                    let text = value.name();
                    builder.append_option(text.as_deref());
                    nothing || text.is_some()
                }
            },
            Self::Time(builder) => {
                let time = clock::time(value, unit);
                builder.append_option(time.ok());
                nothing || time.is_ok() || value == Raw::Number("NaN")
            }
            Self::Inferred(values) => {
                let single = !matches!(value, Raw::Nested(_));
                values.push(if single { value } else { Raw::Null });
                single
            }
        }
    }

    pub fn finish(self) -> ArrayRef {
        match self {
            Self::Bool(mut builder) => Arc::new(builder.finish()),
            Self::Int(mut builder) => Arc::new(builder.finish()),
            Self::Float(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Time(mut builder) => Arc::new(builder.finish().with_timezone("UTC")),
            Self::Inferred(values) if values.iter().any(|value| matches!(value, Raw::Text { .. })) => {
                // Numbers among texts keep their own digits.
                let mut column = Self::new(ColumnType::Text);
                for value in values {
                    column.push(value, Unit::Nanosecond);
                }
                column.finish()
            }
            Self::Inferred(values) => {
                let values: Vec<Scalar> = values.into_iter().map(single).collect();
                from_scalars(values.iter())
            }
        }
    }
}

/// A value that is no text.
fn single(value: Raw<'_>) -> Scalar {
    match value {
        Raw::Bool(truth) => Scalar::Bool(truth),
        Raw::Number(digits) => match (digits.parse(), float(value)) {
            (Ok(number), _) => Scalar::Int(number),
            (_, Some(number)) if !number.is_nan() => Scalar::Float(number),
            _ => Scalar::Null,
        },
        _ => Scalar::Null,
    }
}

fn float(value: Raw<'_>) -> Option<f64> {
    match value {
        Raw::Bool(truth) => Some(f64::from(u8::from(truth))),
        Raw::Number(digits) => digits.parse().ok(),
        value => value.name()?.trim().parse().ok(),
    }
}

fn integer(value: Raw<'_>) -> Option<i64> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    let digits = match value {
        Raw::Bool(truth) => return Some(i64::from(truth)),
        value => value.name()?,
    };
    let digits = digits.trim();
    // "3.0" and 3e2 are whole numbers too.
    digits.parse().ok().or_else(|| {
        let number = digits.parse::<f64>().ok()?;
        let whole = digits.contains(['.', 'e', 'E']) && number.floor() == number;
        (whole && (-BOUND..BOUND).contains(&number)).then_some(number as i64)
    })
}

fn boolean(value: Raw<'_>) -> Option<bool> {
    match value {
        Raw::Bool(truth) => Some(truth),
        value => match value.name()?.trim() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
    }
}
