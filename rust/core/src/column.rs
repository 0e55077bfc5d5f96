//! Arrow columns of any width, read into the few physical types that the engine computes with.
//!
//! Owns every decision about which Arrow type counts as what. A column that already has the engine's type is
//! shared, not copied; everything else is converted once per batch. Refuses nested types.

use std::borrow::{Borrow, Cow};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, UInt64Builder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, Decimal128Type, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, LargeStringArray, NullArray, PrimitiveArray,
    StringArray, StringViewArray, UInt64Array,
};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;
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

    /// Whether a row has a value.
    pub fn is_there(&self, row: usize) -> bool {
        match self {
            Self::Null(_) => false,
            Self::Bool(array) => array.is_valid(row),
            Self::Int(array) => array.is_valid(row),
            Self::UInt(array) => array.is_valid(row),
            Self::Float(array) => array.is_valid(row),
            Self::Str(text) => text.get(row).is_some(),
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

/// The largest code; as unsigned, a negative one is the largest of all.
fn largest(codes: &[i32]) -> u32 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || codes.iter().fold(0, |most: u32, code| most.max(*code as u32)),
    )
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
            && largest(keys.values()) < size.max(1) as u32
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

/// Words that stand for a missing number.
const NOTHING: [&str; 7] = ["", "nan", "na", "n/a", "null", "none", "-"];

/// Text as numbers; words for nothing are null, and what is no number NaN, which is as good as null but counted. What
/// isn't text stays as it is.
pub fn parsed(array: &ArrayRef, name: &str) -> Result<ArrayRef> {
    let number = |text: &str| {
        let text = text.trim();
        let nothing = NOTHING.iter().any(|word| word.eq_ignore_ascii_case(text));
        (!nothing).then(|| text.parse().unwrap_or(f64::NAN))
    };
    Ok(match Values::read(array, name)? {
        Values::Str(text) => {
            Arc::new((0..text.len()).map(|row| number(text.get(row)?)).collect::<Float64Array>())
        }
        _ => array.clone(),
    })
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

/// Builds an Arrow column from single values: text if any is text, else the narrowest numeric type that
/// holds all; nulls alone make a column of no type.
pub fn from_scalars<'a>(values: impl ExactSizeIterator<Item = &'a Scalar> + Clone) -> ArrayRef {
    let any = |test: fn(&Scalar) -> bool| values.clone().any(test);
    if !any(|value| *value != Scalar::Null) {
        return Arc::new(NullArray::new(values.len()));
    }
    if any(|value| matches!(value, Scalar::Str(_))) {
        let mut builder = StringBuilder::new();
        for value in values {
            builder.append_option(match value {
                Scalar::Null => None,
                Scalar::Str(text) => Some(Cow::Borrowed(text.as_str())),
                Scalar::Bool(value) => Some(value.to_string().into()),
                Scalar::Int(value) => Some(value.to_string().into()),
                Scalar::Float(value) => Some(format!("{value:?}").into()),
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
    if any(|value| matches!(value, Scalar::Float(_))) {
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
    fn scalars_keep_the_narrowest_type() {
        let column = |values: &[Scalar]| from_scalars(values.iter()).data_type().clone();
        assert_eq!(column(&[Scalar::Int(1), Scalar::Null]), DataType::Int64);
        assert_eq!(column(&[Scalar::Int(i128::from(u64::MAX))]), DataType::UInt64);
        assert_eq!(column(&[Scalar::Int(1), Scalar::Float(0.5)]), DataType::Float64);
        assert_eq!(column(&[Scalar::Int(1), Scalar::Str("a".into())]), DataType::Utf8);
        assert_eq!(column(&[Scalar::Null]), DataType::Null);
    }
}
