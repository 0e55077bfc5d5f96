//! Event times of a batch, read from whatever a column holds.
//!
//! Timestamps of any unit and zone, integers in a stated unit, ISO 8601 text, epoch seconds as floats, dates. A row
//! without a readable time keeps its place and its reason; none is guessed.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::column::Values;
use crate::error::{Error, Result};

/// The unit of integer times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Seconds.
    Second,
    /// Milliseconds.
    Millisecond,
    /// Microseconds.
    Microsecond,
    /// Nanoseconds.
    Nanosecond,
}

impl Unit {
    /// Reads `"s"`, `"ms"`, `"us"` or `"ns"`.
    pub fn parse(text: &str) -> Result<Self> {
        [Self::Second, Self::Millisecond, Self::Microsecond, Self::Nanosecond]
            .into_iter()
            .find(|unit| unit.name() == text)
            .ok_or_else(|| {
                Error::config(format!("`time_unit` must be \"s\", \"ms\", \"us\" or \"ns\", got {text:?}"))
            })
    }

    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Millisecond => "ms",
            Self::Microsecond => "us",
            Self::Nanosecond => "ns",
        }
    }

    /// Nanoseconds in one.
    pub fn nanoseconds(self) -> i64 {
        match self {
            Self::Second => 1_000_000_000,
            Self::Millisecond => 1_000_000,
            Self::Microsecond => 1_000,
            Self::Nanosecond => 1,
        }
    }
}

/// Why a row has no time.
pub const TIME_NULL: &str = "time_null";
/// The time can't be read as one.
pub const TIME_UNREADABLE: &str = "time_unreadable";
/// The time lies outside the years 1677 to 2262 that 64-bit nanoseconds reach.
pub const TIME_OUT_OF_RANGE: &str = "time_out_of_range";

/// Event times of a batch: nanoseconds since the epoch, and the rows that have none.
#[derive(Debug, Clone)]
pub struct Times {
    /// Nanoseconds since the epoch; 0 where there is none.
    pub values: ScalarBuffer<i64>,
    /// Valid where the row has a time; none when all have.
    pub nulls: Option<NullBuffer>,
    /// Rows whose time is there but can't be used, with the reason, in row order.
    pub faults: Vec<(usize, &'static str)>,
}

impl Times {
    /// Reads a time column: timestamps of any unit and zone, integers in `unit`, ISO 8601 text, epoch seconds
    /// as floats, dates.
    pub fn read(array: &ArrayRef, unit: Unit, name: &str) -> Result<Self> {
        let integers = |scale: i64, array: Int64Array| Self::scaled(&array, scale);
        Ok(match array.data_type() {
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                let array = array.as_primitive::<TimestampNanosecondType>();
                Self { values: array.values().clone(), nulls: array.nulls().cloned(), faults: Vec::new() }
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                integers(1_000, array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast())
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                integers(1_000_000, array.as_primitive::<TimestampMillisecondType>().reinterpret_cast())
            }
            DataType::Timestamp(TimeUnit::Second, _) => {
                integers(1_000_000_000, array.as_primitive::<TimestampSecondType>().reinterpret_cast())
            }
            DataType::Date32 => {
                integers(crate::duration::DAY, array.as_primitive::<Date32Type>().unary(i64::from))
            }
            DataType::Date64 => integers(1_000_000, array.as_primitive::<Date64Type>().reinterpret_cast()),
            _ => match Values::read(array, name)? {
                Values::Null(rows) => Self {
                    values: vec![0; rows].into(),
                    nulls: Some(NullBuffer::new_null(rows)),
                    faults: Vec::new(),
                },
                Values::Int(array) if unit == Unit::Nanosecond => {
                    Self { values: array.values().clone(), nulls: array.nulls().cloned(), faults: Vec::new() }
                }
                Values::Int(array) => integers(unit.nanoseconds(), array),
                Values::UInt(array) => Self::collect(array.len(), |row| {
                    if array.is_null(row) {
                        return Err(TIME_NULL);
                    }
                    i64::try_from(array.value(row))
                        .ok()
                        .and_then(|value| value.checked_mul(unit.nanoseconds()))
                        .ok_or(TIME_OUT_OF_RANGE)
                }),
                Values::Float(array) => Self::collect(array.len(), |row| {
                    if array.is_null(row) { Err(TIME_NULL) } else { from_seconds(array.value(row)) }
                }),
                Values::Str(text) => {
                    Self::collect(text.len(), |row| text.get(row).ok_or(TIME_NULL).and_then(from_text))
                }
                values @ Values::Bool(_) => {
                    return Err(Error::data(format!(
                        "time column `{name}` must hold times, got {}",
                        values.kind()
                    )));
                }
            },
        })
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The time of a row, or why it has none.
    pub fn get(&self, row: usize) -> Result<i64, &'static str> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            let fault = self.faults.binary_search_by_key(&row, |(row, _)| *row);
            return Err(fault.map_or(TIME_NULL, |at| self.faults[at].1));
        }
        Ok(self.values[row])
    }

    fn scaled(array: &Int64Array, scale: i64) -> Self {
        Self::collect(array.len(), |row| {
            if array.is_null(row) {
                return Err(TIME_NULL);
            }
            array.value(row).checked_mul(scale).ok_or(TIME_OUT_OF_RANGE)
        })
    }

    fn collect(rows: usize, read: impl Fn(usize) -> Result<i64, &'static str>) -> Self {
        let mut values = Vec::with_capacity(rows);
        let mut faults = Vec::new();
        let mut missing = Vec::new();
        for row in 0..rows {
            match read(row) {
                Ok(time) => values.push(time),
                Err(reason) => {
                    values.push(0);
                    missing.push(row);
                    if reason != TIME_NULL {
                        faults.push((row, reason));
                    }
                }
            }
        }
        let nulls = (!missing.is_empty()).then(|| {
            let mut valid = vec![true; rows];
            for row in missing {
                valid[row] = false;
            }
            NullBuffer::from(valid)
        });
        Self { values: values.into(), nulls, faults }
    }
}

/// How many of the first times lie in `from..to`, and the latest of them; the latest is `from` where none does.
pub fn prefix_within(times: &[i64], from: i64, to: i64) -> (usize, i64) {
    const TOGETHER: usize = 256;
    // Around a window's border, times go back and forth: a few of them aren't worth the wider vectors.
    let few = &times[..times.len().min(8)];
    if let Some(at) = few.iter().position(|time| !(from..to).contains(time)) {
        return (at, few[..at].iter().fold(from, |latest, time| latest.max(*time)));
    }
    let vectors = pulp::Arch::new();
    let mut latest = from;
    for (at, times) in times.chunks(TOGETHER).enumerate() {
        // As unsigned, what lies before `from` is furthest behind it.
        let after = vectors.dispatch(
            #[inline(always)]
            || {
                let after = |time: &i64| time.wrapping_sub(from) as u64;
                times.iter().fold(0, |most, time| after(time).max(most))
            },
        );
        if after >= to.wrapping_sub(from) as u64 {
            let inside = times.iter().take_while(|time| (from..to).contains(time));
            let mut count = at * TOGETHER;
            inside.for_each(|time| {
                latest = latest.max(*time);
                count += 1;
            });
            return (count, latest);
        }
        latest = latest.max(from.wrapping_add(after as i64));
    }
    (times.len(), latest)
}

/// Epoch seconds as a float, to the nearest nanosecond.
pub fn from_seconds(seconds: f64) -> Result<i64, &'static str> {
    if !seconds.is_finite() {
        return Err(TIME_UNREADABLE);
    }
    // Whole seconds apart from the rest: a product of both would lose the nanoseconds to rounding.
    let whole = seconds.floor();
    if whole.abs() > 9_223_372_036.0 {
        return Err(TIME_OUT_OF_RANGE);
    }
    let rest = ((seconds - whole) * 1e9).round() as i64;
    (whole as i64).checked_mul(1_000_000_000).and_then(|base| base.checked_add(rest)).ok_or(TIME_OUT_OF_RANGE)
}

/// ISO 8601 text: with an offset or `Z`, or naive, which means UTC; a date alone is its midnight.
pub fn from_text(text: &str) -> Result<i64, &'static str> {
    let text = text.trim();
    let nanoseconds =
        |stamp: jiff::Timestamp| i64::try_from(stamp.as_nanosecond()).map_err(|_| TIME_OUT_OF_RANGE);
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return nanoseconds(stamp);
    }
    let civil = text.parse::<jiff::civil::DateTime>().map_err(|_| TIME_UNREADABLE)?;
    nanoseconds(jiff::tz::TimeZone::UTC.to_timestamp(civil).map_err(|_| TIME_OUT_OF_RANGE)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn times_of_every_kind_are_the_same_instant() {
        let expected = 1_536_772_838_026_000_000;
        for text in ["2018-09-12T17:20:38.026Z", "2018-09-12 17:20:38.026", "2018-09-12T19:20:38.026+02:00"] {
            assert_eq!(from_text(text), Ok(expected), "{text}");
        }
        assert_eq!(from_seconds(1_536_772_838.5), Ok(1_536_772_838_500_000_000));
        assert_eq!(from_seconds(-0.5), Ok(-500_000_000));
        assert_eq!(from_text("2018-09-12"), Ok(1_536_710_400_000_000_000));
        assert_eq!(from_text("yesterday"), Err(TIME_UNREADABLE));
        assert_eq!(from_text("3018-09-12T00:00:00Z"), Err(TIME_OUT_OF_RANGE));
        assert_eq!(from_seconds(f64::NAN), Err(TIME_UNREADABLE));
        assert_eq!(from_seconds(1e12), Err(TIME_OUT_OF_RANGE));
    }

    #[test]
    fn unusable_times_keep_their_rows_and_reasons() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MAX)]));
        let times = Times::read(&column, Unit::Second, "t").unwrap();
        assert_eq!(times.get(0), Ok(1_000_000_000));
        assert_eq!(times.get(1), Err(TIME_NULL));
        assert_eq!(times.get(2), Err(TIME_OUT_OF_RANGE));
    }
}
