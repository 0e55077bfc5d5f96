//! What is known of messages besides their bytes: the topic they came by, when they arrived.
//!
//! Owns columns with one value for each line of a block, and how they get to its rows. They win over columns of the same
//! names that the messages bring; where they are null, the message's own value stands. Knows nothing of topics.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray};

use crate::column::{Scalar, Values, from_scalars};
use crate::error::{Error, Result};

use super::{Decoded, Decoder};

/// The column of arrivals, in nanoseconds since the epoch, from which [`LAG`] is made.
pub const ARRIVAL: &str = "arrival";
/// Seconds from a row's own time to its message's arrival.
pub const LAG: &str = "lag";

/// Columns with one value for each line of a block.
#[derive(Debug, Clone)]
pub struct Beside {
    lines: usize,
    columns: Vec<(String, Values)>,
}

impl Beside {
    /// Reads a table with a row for each line; all batches have the same columns.
    pub fn new(batches: &[RecordBatch]) -> Result<Self> {
        let lines = batches.iter().map(RecordBatch::num_rows).sum();
        let Some(first) = batches.first() else { return Ok(Self { lines, columns: Vec::new() }) };
        let mut columns: Vec<(String, Values)> = Vec::new();
        for (at, field) in first.schema().fields().iter().enumerate() {
            let name = field.name();
            if name == "time" || columns.iter().any(|(known, _)| known == name) {
                let why = if name == "time" { "a row's time is its message's" } else { "it is there twice" };
                return Err(Error::data(format!("`beside` can't have the column `{name}`: {why}")));
            }
            let parts: Vec<Values> =
                batches.iter().map(|batch| Values::read(batch.column(at), name)).collect::<Result<_>>()?;
            let values = match parts.as_slice() {
                [one] => one.clone(),
                many => {
                    let all = many.iter().flat_map(|part| (0..part.len()).map(|row| part.scalar(row)));
                    let all: Vec<Scalar> = all.collect();
                    Values::read(&from_scalars(all.iter()), name)?
                }
            };
            if name == ARRIVAL && !matches!(values, Values::Int(_) | Values::Null(_)) {
                return Err(Error::data(format!(
                    "column `{ARRIVAL}` of `beside` must hold nanoseconds since the epoch, got {}",
                    values.kind()
                )));
            }
            columns.push((name.clone(), values));
        }
        Ok(Self { lines, columns })
    }

    /// Whether it brings the column, or what it is made from.
    fn has(&self, name: &str) -> bool {
        self.values(name).is_some() || (name == LAG && self.values(ARRIVAL).is_some())
    }

    fn values(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|(known, _)| known == name).map(|(_, values)| values)
    }

    /// One line's value of a column; nothing where there is none.
    pub fn value(&self, name: &str, line: usize) -> Option<Scalar> {
        self.values(name).map(|values| values.scalar(line)).filter(|value| *value != Scalar::Null)
    }

    /// Puts its columns to the rows, in this order with the others, and its cameras to the signs between them.
    fn join(&self, order: &[String], out: &mut Decoded) -> Result<()> {
        let lines = out.lines.take().unwrap_or_default();
        let own = std::mem::take(&mut out.columns);
        let own = |name: &str| own.iter().find(|(known, _)| known == name).map(|(_, column)| column);
        for name in order {
            let column = match self.values(name) {
                Some(values) => Some(spread(values, &lines, own(name), name)?),
                None if name == LAG && self.has(LAG) => self.lags(&lines, own("time")),
                None => own(name).cloned(),
            };
            out.columns.extend(column.map(|column| (name.clone(), column)));
        }
        for beat in &mut out.heartbeats {
            beat.camera = self.value("camera", beat.line).map(text).or(beat.camera.take());
        }
        for rename in &mut out.renames {
            rename.camera = self.value("camera", rename.line).map(text).or(rename.camera.take());
        }
        Ok(())
    }

    fn lags(&self, lines: &[i32], times: Option<&ArrayRef>) -> Option<ArrayRef> {
        let times = times?.as_primitive_opt::<TimestampNanosecondType>()?;
        let arrivals = self.values(ARRIVAL)?;
        let lag = |(row, line): (usize, &i32)| match arrivals.scalar(*line as usize) {
            // Nanoseconds fit in 2^53 for as long as lags of months do.
            Scalar::Int(arrival) => Some((arrival - i128::from(times.value(row))) as f64 / 1e9),
            _ => None,
        };
        Some(Arc::new(lines.iter().enumerate().map(lag).collect::<Float64Array>()))
    }
}

/// The values of lines as those of rows.
fn spread(values: &Values, lines: &[i32], own: Option<&ArrayRef>, name: &str) -> Result<ArrayRef> {
    let texts = match values {
        Values::Str(texts) => Some(texts),
        _ => None,
    };
    let whole = lines.iter().all(|line| values.is_there(*line as usize));
    if let (Some(texts), true) = (texts, whole || own.is_none()) {
        // Lines are codes of their own texts.
        let all: StringArray = (0..texts.len()).map(|line| texts.get(line)).collect();
        let codes = lines.iter().map(|line| all.is_valid(*line as usize).then_some(*line));
        let codes: Int32Array = codes.collect();
        let column = DictionaryArray::<Int32Type>::try_new(codes, Arc::new(all))
            .map_err(|error| Error::data(error.to_string()))?;
        return Ok(Arc::new(column));
    }
    let own = own.map(|column| Values::read(column, name)).transpose()?;
    let of_text = matches!(own, Some(Values::Str(_)));
    let all = lines.iter().enumerate().map(|(row, line)| {
        let value = match (values.scalar(*line as usize), &own) {
            (Scalar::Null, Some(own)) => own.scalar(row),
            (value, _) => value,
        };
        if of_text && value != Scalar::Null { Scalar::Str(text(value)) } else { value }
    });
    let all: Vec<Scalar> = all.collect();
    Ok(from_scalars(all.iter()))
}

fn text(value: Scalar) -> String {
    match value {
        Scalar::Null => String::new(),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => format!("{value:?}"),
        Scalar::Str(text) => text,
    }
}

/// A decoder of messages of which more is known than their bytes say.
#[derive(Debug)]
pub struct Joined {
    decoder: Decoder,
    beside: Beside,
    /// The columns wanted; nothing where they are all there are.
    wanted: Option<Vec<String>>,
}

impl Joined {
    /// Joins a decoder and the columns of its block; `columns` are those to build, all that there are without.
    pub fn new<S: AsRef<str>>(decoder: Decoder, beside: Beside, columns: Option<&[S]>) -> Result<Self> {
        let Some(columns) = columns else { return Ok(Self { decoder, beside, wanted: None }) };
        let mut wanted: Vec<String> = Vec::new();
        for name in columns.iter().map(AsRef::as_ref) {
            if !wanted.iter().any(|known| known == name) {
                wanted.push(name.to_owned());
            }
        }
        // What stands in for a null is the decoder's own column, if it has one.
        let own: Vec<&String> =
            wanted.iter().filter(|name| !beside.has(name) || decoder.knows(name)).collect();
        let decoder = decoder.with_columns(&own)?;
        if !wanted.iter().any(|name| name == "time") {
            wanted.insert(0, "time".to_owned());
        }
        Ok(Self { decoder, beside, wanted: Some(wanted) })
    }

    /// What is known of the lines.
    pub fn into_beside(self) -> Beside {
        self.beside
    }

    /// Reads whole lines as [`Decoder::decode`] does, with the columns of each line for its rows.
    pub fn decode(&self, data: &[u8], out: &mut Decoded) -> Result<()> {
        let lines = memchr::memchr_iter(b'\n', data).count()
            + usize::from(!matches!(data.last(), None | Some(b'\n')));
        if lines != self.beside.lines {
            return Err(Error::data(format!(
                "`beside` must have a row for each line of `data` ({lines}), got {}",
                self.beside.lines
            )));
        }
        *out = Decoded { lines: Some(Vec::new()), ..Decoded::default() };
        self.decoder.read(data, out)?;
        let order = self.wanted.clone().unwrap_or_else(|| {
            let own = out.columns.iter().map(|(name, _)| name.clone());
            let new = self.beside.columns.iter().map(|(name, _)| name.clone());
            own.chain(new.filter(|name| out.column(name).is_none())).collect()
        });
        self.beside.join(&order, out)
    }
}
