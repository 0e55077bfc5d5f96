//! A key's values as bytes, and back.

use std::borrow::Cow;

use arrow_array::Array;

use crate::column::{Kind, Scalar, Values};

pub(super) const NULL: u8 = 0;
const VALUE: u8 = 1;

/// Appends one value so that bytes order as values do.
pub fn encode(value: &Scalar, out: &mut Vec<u8>) {
    match value {
        Scalar::Null => out.push(NULL),
        Scalar::Bool(value) => out.extend_from_slice(&[VALUE, u8::from(*value)]),
        Scalar::Int(value) => encode_int(*value, out),
        Scalar::Float(value) => encode_float(*value, out),
        Scalar::Str(text) => encode_text(text, out),
    }
}

fn encode_int(value: i128, out: &mut Vec<u8>) {
    out.push(VALUE);
    out.extend_from_slice(&(value as u128 ^ (1 << 127)).to_be_bytes());
}

fn encode_float(value: f64, out: &mut Vec<u8>) {
    let value = if value.is_nan() { f64::NAN.abs() } else { value + 0.0 };
    let bits = value.to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    out.push(VALUE);
    out.extend_from_slice(&ordered.to_be_bytes());
}

/// Appends one text, as [`encode`] does.
pub fn encode_text(text: &str, out: &mut Vec<u8>) {
    out.push(VALUE);
    let mut rest = text.as_bytes();
    // A zero byte inside is escaped, so that the end mark (two zeros) orders before everything longer.
    while let Some(at) = memchr::memchr(0, rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[0, 0xff]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, 0]);
}

/// Appends one row's value of a column, as [`encode`] does, without making a [`Scalar`].
#[inline]
pub fn encode_row(values: &Values, row: usize, out: &mut Vec<u8>) {
    match values {
        Values::Int(array) if array.is_valid(row) => encode_int(i128::from(array.value(row)), out),
        Values::UInt(array) if array.is_valid(row) => encode_int(i128::from(array.value(row)), out),
        Values::Float(array) if array.is_valid(row) => encode_float(array.value(row), out),
        Values::Bool(array) if array.is_valid(row) => {
            out.extend_from_slice(&[VALUE, u8::from(array.value(row))]);
        }
        Values::Str(text) => match text.get(row) {
            Some(text) => encode_text(text, out),
            None => out.push(NULL),
        },
        _ => out.push(NULL),
    }
}

/// Reads one value back and returns what follows it; nothing where the bytes are no key of that type.
pub(super) fn decode(bytes: &[u8], kind: Kind) -> Option<(Scalar, &[u8])> {
    let (mark, rest) = bytes.split_first()?;
    if *mark == NULL {
        return Some((Scalar::Null, rest));
    }
    match kind {
        Kind::Unknown => None,
        Kind::Bool => rest.split_first().map(|(value, rest)| (Scalar::Bool(*value != 0), rest)),
        Kind::Int => {
            let (value, rest) = rest.split_first_chunk::<16>()?;
            Some((Scalar::Int((u128::from_be_bytes(*value) ^ (1 << 127)) as i128), rest))
        }
        Kind::Float => {
            let (value, rest) = rest.split_first_chunk::<8>()?;
            let ordered = u64::from_be_bytes(*value);
            let bits = if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered };
            Some((Scalar::Float(f64::from_bits(bits)), rest))
        }
        Kind::Str => {
            let mut text = Vec::new();
            let mut at = 0;
            loop {
                match (rest.get(at)?, rest.get(at + 1)) {
                    (0, Some(0xff)) => {
                        text.push(0);
                        at += 2;
                    }
                    (0, Some(0)) => {
                        return Some((Scalar::Str(String::from_utf8(text).ok()?), &rest[at + 2..]));
                    }
                    (byte, _) => {
                        text.push(*byte);
                        at += 1;
                    }
                }
            }
        }
    }
}

/// The bytes of the first value, and what follows them; nothing where the bytes are no key of that type.
pub fn split(bytes: &[u8], kind: Kind) -> Option<(&[u8], &[u8])> {
    let (_, rest) = decode(bytes, kind)?;
    bytes.split_at_checked(bytes.len() - rest.len())
}

/// The text that is a whole key; none where it is null or no text.
pub(super) fn text(key: &[u8]) -> Option<Cow<'_, str>> {
    // Without zero bytes inside, it lies there as it is.
    let plain = key.strip_prefix(&[VALUE]).and_then(|text| text.strip_suffix(&[0, 0]));
    if let Some(plain) = plain.filter(|text| memchr::memchr(0, text).is_none()) {
        return std::str::from_utf8(plain).ok().map(Cow::Borrowed);
    }
    match decode(key, Kind::Str)? {
        (Scalar::Str(text), _) => Some(Cow::Owned(text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_order_as_values_do() {
        let sorted: [&[Scalar]; 4] = [
            &[Scalar::Null, Scalar::Bool(false), Scalar::Bool(true)],
            &[Scalar::Null, Scalar::Int(-3), Scalar::Int(0), Scalar::Int(i128::from(u64::MAX))],
            &[
                Scalar::Null,
                Scalar::Float(f64::NEG_INFINITY),
                Scalar::Float(-1.5),
                Scalar::Float(0.0),
                Scalar::Float(2.0),
            ],
            &[
                Scalar::Null,
                Scalar::Str(String::new()),
                Scalar::Str("\0".into()),
                Scalar::Str("a".into()),
                Scalar::Str("a\0".into()),
                Scalar::Str("ab".into()),
                Scalar::Str("ä".into()),
            ],
        ];
        for values in sorted {
            let bytes: Vec<Vec<u8>> = values
                .iter()
                .map(|value| {
                    let mut out = Vec::new();
                    encode(value, &mut out);
                    out
                })
                .collect();
            assert!(bytes.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        }
    }
}
