//! Arrow columns of any width, read into the few physical types that the engine computes with.
//!
//! Owns every decision about which Arrow type counts as what. A column that already has the engine's type is
//! shared, not copied; everything else is converted once per batch. Refuses nested types.

use std::borrow::{Borrow, Cow};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, LargeStringArray, PrimitiveArray, StringArray,
    StringViewArray, UInt64Array,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// One value of a column, on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// Nothing there.
    Null,
    /// True or false.
    Bool(bool),
    /// Any integer of 64 bits, signed or not.
    Int(i128),
    /// A float.
    Float(#[serde(with = "crate::snapshot::float")] f64),
    /// Text.
    Str(String),
}

/// What kind of values a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Not seen yet, or nulls only.
    Unknown,
    /// Booleans.
    Bool,
    /// Integers of any width.
    Int,
    /// Floats.
    Float,
    /// Text.
    Str,
}

impl Kind {
    /// Its name in errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "nulls",
            Self::Bool => "booleans",
            Self::Int => "integers",
            Self::Float => "floats",
            Self::Str => "text",
        }
    }

    /// Of a column.
    pub fn of(values: &Values) -> Self {
        match values {
            Values::Null(_) => Self::Unknown,
            Values::Bool(_) => Self::Bool,
            Values::Int(_) | Values::UInt(_) => Self::Int,
            Values::Float(_) => Self::Float,
            Values::Str(_) => Self::Str,
        }
    }

    /// Of one value.
    pub fn of_scalar(value: &Scalar) -> Self {
        match value {
            Scalar::Null => Self::Unknown,
            Scalar::Bool(_) => Self::Bool,
            Scalar::Int(_) => Self::Int,
            Scalar::Float(_) => Self::Float,
            Scalar::Str(_) => Self::Str,
        }
    }

    /// The kind that holds both: nulls fit everything, integers fit floats.
    pub fn unify(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Unknown, kind) | (kind, Self::Unknown) => Some(kind),
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Some(Self::Float),
            (a, b) if a == b => Some(a),
            _ => None,
        }
    }
}

/// A column of text in whichever of Arrow's layouts it came.
#[derive(Debug, Clone)]
pub enum Text {
    /// 32-bit offsets.
    Small(StringArray),
    /// 64-bit offsets.
    Large(LargeStringArray),
    /// Views.
    View(StringViewArray),
    /// Codes into distinct values; a code's own null is in `nulls`.
    Dictionary {
        /// One index into `values` a row (0 where null).
        codes: ScalarBuffer<u32>,
        /// Rows without a value.
        nulls: Option<NullBuffer>,
        /// What the codes stand for; never a dictionary itself.
        values: Box<Text>,
    },
}

impl Text {
    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Small(array) => array.len(),
            Self::Large(array) => array.len(),
            Self::View(array) => array.len(),
            Self::Dictionary { codes, .. } => codes.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a row, or nothing where it is null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Small(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Large(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Dictionary { codes, nulls, values } => {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    return None;
                }
                values.get(codes[row] as usize)
            }
        }
    }
}

/// A column of values in the engine's physical types.
#[derive(Debug, Clone)]
pub enum Values {
    /// Nothing but nulls.
    Null(usize),
    /// True or false.
    Bool(BooleanArray),
    /// Signed integers, and unsigned ones of up to 32 bits.
    Int(Int64Array),
    /// Unsigned integers of 64 bits.
    UInt(UInt64Array),
    /// Floats and decimals.
    Float(Float64Array),
    /// Text.
    Str(Text),
}

impl Values {
    /// Reads a column; `name` is for errors. Without rows it says nothing of what will be in it.
    pub fn read(array: &ArrayRef, name: &str) -> Result<Self> {
        if array.is_empty() {
            return Ok(Self::Null(0));
        }
        Ok(match array.data_type() {
            DataType::Null => Self::Null(array.len()),
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            DataType::Int8 => Self::Int(widen::<Int8Type, Int64Type>(array)),
            DataType::Int16 => Self::Int(widen::<Int16Type, Int64Type>(array)),
            DataType::Int32 => Self::Int(widen::<Int32Type, Int64Type>(array)),
            DataType::Int64 => Self::Int(array.as_primitive().clone()),
            DataType::UInt8 => Self::Int(widen::<UInt8Type, Int64Type>(array)),
            DataType::UInt16 => Self::Int(widen::<UInt16Type, Int64Type>(array)),
            DataType::UInt32 => Self::Int(widen::<UInt32Type, Int64Type>(array)),
            DataType::UInt64 => Self::UInt(array.as_primitive().clone()),
            DataType::Float16 => Self::Float(array.as_primitive::<Float16Type>().unary(f64::from)),
            DataType::Float32 => Self::Float(widen::<Float32Type, Float64Type>(array)),
            DataType::Float64 => Self::Float(array.as_primitive().clone()),
            DataType::Decimal128(_, scale) => {
                let unit = libm::pow(10.0, f64::from(*scale));
                Self::Float(array.as_primitive::<Decimal128Type>().unary(|value| value as f64 / unit))
            }
            DataType::Utf8 => Self::Str(Text::Small(array.as_string().clone())),
            DataType::LargeUtf8 => Self::Str(Text::Large(array.as_string().clone())),
            DataType::Utf8View => Self::Str(Text::View(array.as_string_view().clone())),
            DataType::Dictionary(_, _) => {
                let (codes, nulls, values) = dictionary(array, name)?;
                match Self::read(&values, name)? {
                    Self::Str(values) => {
                        Self::Str(Text::Dictionary { codes, nulls, values: Box::new(values) })
                    }
                    values => values.gather(&codes, nulls.as_ref()),
                }
            }
            other => {
                return Err(Error::data(format!(
                    "column `{name}` must hold numbers, booleans or text, got {other}"
                )));
            }
        })
    }

    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Null(rows) => *rows,
            Self::Bool(array) => array.len(),
            Self::Int(array) => array.len(),
            Self::UInt(array) => array.len(),
            Self::Float(array) => array.len(),
            Self::Str(text) => text.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What kind of values these are, for errors.
    pub fn kind(&self) -> &'static str {
        Kind::of(self).name()
    }

    /// One row's value.
    pub fn scalar(&self, row: usize) -> Scalar {
        match self {
            Self::Bool(array) if array.is_valid(row) => Scalar::Bool(array.value(row)),
            Self::Int(array) if array.is_valid(row) => Scalar::Int(i128::from(array.value(row))),
            Self::UInt(array) if array.is_valid(row) => Scalar::Int(i128::from(array.value(row))),
            Self::Float(array) if array.is_valid(row) => Scalar::Float(array.value(row)),
            Self::Str(text) => text.get(row).map_or(Scalar::Null, |text| Scalar::Str(text.to_owned())),
            _ => Scalar::Null,
        }
    }

    /// The rows that `codes` name, in their order.
    fn gather(&self, codes: &[u32], nulls: Option<&NullBuffer>) -> Self {
        let row = |at: usize| (!nulls.is_some_and(|nulls| nulls.is_null(at))).then_some(codes[at] as usize);
        let rows = 0..codes.len();
        match self {
            Self::Null(_) => Self::Null(codes.len()),
            Self::Bool(array) => Self::Bool(
                rows.map(|at| row(at).filter(|i| array.is_valid(*i)).map(|i| array.value(i))).collect(),
            ),
            Self::Int(array) => Self::Int(
                rows.map(|at| row(at).filter(|i| array.is_valid(*i)).map(|i| array.value(i))).collect(),
            ),
            Self::UInt(array) => Self::UInt(
                rows.map(|at| row(at).filter(|i| array.is_valid(*i)).map(|i| array.value(i))).collect(),
            ),
            Self::Float(array) => Self::Float(
                rows.map(|at| row(at).filter(|i| array.is_valid(*i)).map(|i| array.value(i))).collect(),
            ),
            Self::Str(values) => Self::Str(Text::Dictionary {
                codes: codes.to_vec().into(),
                nulls: nulls.cloned(),
                values: Box::new(values.clone()),
            }),
        }
    }
}

fn widen<From, To>(array: &ArrayRef) -> PrimitiveArray<To>
where
    From: ArrowPrimitiveType,
    To: ArrowPrimitiveType,
    To::Native: std::convert::From<From::Native>,
{
    array.as_primitive::<From>().unary(Into::into)
}

/// Codes as `u32`, where they are null, and the values they stand for.
fn dictionary(array: &ArrayRef, name: &str) -> Result<(ScalarBuffer<u32>, Option<NullBuffer>, ArrayRef)> {
    fn codes<K: ArrowDictionaryKeyType>(
        array: &ArrayRef,
        name: &str,
    ) -> Result<(ScalarBuffer<u32>, Option<NullBuffer>, ArrayRef)> {
        let array = array.as_dictionary::<K>();
        let keys = array.keys();
        let size = array.values().len();
        if let Some(keys) = (keys as &dyn std::any::Any).downcast_ref::<arrow_array::Int32Array>()
            && keys.null_count() == 0
            // As unsigned, a negative code is out of range too.
            && keys.values().iter().fold(0, |most, code| most.max(*code as u32)) < size.max(1) as u32
        {
            let shared = keys.values().inner().clone();
            return Ok((ScalarBuffer::new(shared, 0, keys.len()), None, array.values().clone()));
        }
        let mut codes = Vec::with_capacity(keys.len());
        for row in 0..keys.len() {
            let code = if keys.is_valid(row) { keys.value(row).as_usize() } else { 0 };
            if code >= size && keys.is_valid(row) {
                return Err(Error::data(format!(
                    "column `{name}` has a dictionary code outside its dictionary"
                )));
            }
            codes.push(code as u32);
        }
        Ok((codes.into(), keys.nulls().cloned(), array.values().clone()))
    }
    match array.data_type() {
        DataType::Dictionary(key, _) => match key.as_ref() {
            DataType::Int8 => codes::<Int8Type>(array, name),
            DataType::Int16 => codes::<Int16Type>(array, name),
            DataType::Int32 => codes::<Int32Type>(array, name),
            DataType::Int64 => codes::<Int64Type>(array, name),
            DataType::UInt8 => codes::<UInt8Type>(array, name),
            DataType::UInt16 => codes::<UInt16Type>(array, name),
            DataType::UInt32 => codes::<UInt32Type>(array, name),
            _ => codes::<UInt64Type>(array, name),
        },
        other => Err(Error::data(format!("column `{name}` must be a dictionary, got {other}"))),
    }
}

/// Numbers of any width as `f64`. Booleans count as 0 and 1; text is refused.
pub fn floats(array: &ArrayRef, name: &str) -> Result<Float64Array> {
    match Values::read(array, name)? {
        Values::Null(rows) => Ok(Float64Array::new_null(rows)),
        Values::Bool(array) => Ok((0..array.len())
            .map(|row| array.is_valid(row).then(|| f64::from(u8::from(array.value(row)))))
            .collect()),
        Values::Int(array) => Ok(array.unary(|value| value as f64)),
        Values::UInt(array) => Ok(array.unary(|value| value as f64)),
        Values::Float(array) => Ok(array),
        values @ Values::Str(_) => {
            Err(Error::data(format!("column `{name}` must hold numbers, got {}", values.kind())))
        }
    }
}

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

/// Builds an Arrow column from single values: text if any is text, else the narrowest numeric type that
/// holds all; nulls alone make a column of null floats.
pub fn from_scalars<'a>(values: impl ExactSizeIterator<Item = &'a Scalar> + Clone) -> ArrayRef {
    let any = |test: fn(&Scalar) -> bool| values.clone().any(test);
    if any(|value| matches!(value, Scalar::Str(_))) {
        let mut builder = StringBuilder::new();
        for value in values {
            builder.append_option(match value {
                Scalar::Null => None,
                Scalar::Str(text) => Some(Cow::Borrowed(text.as_str())),
                Scalar::Bool(value) => Some(value.to_string().into()),
                Scalar::Int(value) => Some(value.to_string().into()),
                Scalar::Float(value) => Some(value.to_string().into()),
            });
        }
        return Arc::new(builder.finish());
    }
    let as_float = |value: &Scalar| match value {
        Scalar::Float(value) => Some(*value),
        Scalar::Int(value) => Some(*value as f64),
        Scalar::Bool(value) => Some(f64::from(u8::from(*value))),
        _ => None,
    };
    let as_int = |value: &Scalar| match value {
        Scalar::Int(value) => Some(*value),
        Scalar::Bool(value) => Some(i128::from(*value)),
        _ => None,
    };
    if any(|value| matches!(value, Scalar::Float(_))) || !any(|value| *value != Scalar::Null) {
        let mut builder = Float64Builder::new();
        values.for_each(|value| builder.append_option(as_float(value)));
        return Arc::new(builder.finish());
    }
    if !any(|value| matches!(value, Scalar::Int(_))) {
        let mut builder = BooleanBuilder::new();
        values.for_each(|value| builder.append_option(as_int(value).map(|value| value == 1)));
        return Arc::new(builder.finish());
    }
    if values.clone().all(|value| as_int(value).is_none_or(|value| i64::try_from(value).is_ok())) {
        let mut builder = Int64Builder::new();
        values.for_each(|value| builder.append_option(as_int(value).map(|value| value as i64)));
        return Arc::new(builder.finish());
    }
    if values.clone().all(|value| as_int(value).is_none_or(|value| u64::try_from(value).is_ok())) {
        let mut builder = UInt64Builder::new();
        values.for_each(|value| builder.append_option(as_int(value).map(|value| value as u64)));
        return Arc::new(builder.finish());
    }
    let mut builder = Float64Builder::new();
    values.for_each(|value| builder.append_option(as_float(value)));
    Arc::new(builder.finish())
}

/// A column of its stated kind, also where all its values are null. Integers beyond 63 bits make it unsigned, and text
/// where others are negative.
pub fn of_kind<V: Borrow<Scalar>>(kind: Kind, values: impl Iterator<Item = V>) -> ArrayRef {
    match kind {
        Kind::Unknown | Kind::Str => {
            let mut builder = StringBuilder::new();
            for value in values {
                match value.borrow() {
                    Scalar::Str(text) => builder.append_value(text),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Kind::Bool => {
            let bool = |value: V| if let Scalar::Bool(value) = value.borrow() { Some(*value) } else { None };
            Arc::new(values.map(bool).collect::<BooleanArray>())
        }
        Kind::Float => {
            let float = |value: V| match value.borrow() {
                Scalar::Float(value) => Some(*value),
                Scalar::Int(value) => Some(*value as f64),
                _ => None,
            };
            Arc::new(values.map(float).collect::<Float64Array>())
        }
        Kind::Int => {
            let int = |value: V| if let Scalar::Int(value) = value.borrow() { Some(*value) } else { None };
            let values: Vec<Option<i128>> = values.map(int).collect();
            let any = |test: fn(i128) -> bool| values.iter().flatten().any(|value| test(*value));
            if any(|value| value > i128::from(i64::MAX)) {
                if any(|value| value < 0) {
                    // No 64-bit type holds both: their digits do.
                    let digits = values.into_iter().map(|value| value.map(|value| value.to_string()));
                    return Arc::new(digits.collect::<StringArray>());
                }
                let unsigned =
                    values.into_iter().map(|value| value.and_then(|value| u64::try_from(value).ok()));
                return Arc::new(unsigned.collect::<UInt64Array>());
            }
            let signed = values.into_iter().map(|value| value.and_then(|value| i64::try_from(value).ok()));
            Arc::new(signed.collect::<Int64Array>())
        }
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn scalars_keep_the_narrowest_type() {
        let column = |values: &[Scalar]| from_scalars(values.iter()).data_type().clone();
        assert_eq!(column(&[Scalar::Int(1), Scalar::Null]), DataType::Int64);
        assert_eq!(column(&[Scalar::Int(i128::from(u64::MAX))]), DataType::UInt64);
        assert_eq!(column(&[Scalar::Int(1), Scalar::Float(0.5)]), DataType::Float64);
        assert_eq!(column(&[Scalar::Int(1), Scalar::Str("a".into())]), DataType::Utf8);
        assert_eq!(column(&[Scalar::Null]), DataType::Float64);
    }
}
