//! `#[serde(with = "snapshot::packed")]`: so many floats as the type says, in as few bits as their likeness allows.
//!
//! Owns the code: two bits say whether a number is 0, is the one before (zeros aside), or differs from it in bits that
//! follow; these lie in the window of the difference before, or in one stated anew (6 bits for the zeros in front, 6 for
//! the length). Bins that are mostly empty, hours that were seen alike and numbers of one size become short, others hardly
//! longer; no bit is lost but those of a NaN.
//!
//! Source: Pelkonen et al., "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015; zeros have a code of
//! their own here, and of two ways to write a number the shorter is taken.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

const ZERO: u64 = 0b00;
const SAME: u64 = 0b01;
const WITHIN: u64 = 0b10;
const ANEW: u64 = 0b11;
/// Bits that state a window.
const WINDOW: u32 = 12;

/// Where two numbers differ: behind so many leading bits, and so many bits long.
#[derive(Clone, Copy)]
struct Window {
    front: u32,
    length: u32,
}

impl Window {
    const ALL: Self = Self { front: 0, length: 64 };

    /// Of bits that aren't all 0.
    fn of(bits: u64) -> Self {
        let front = bits.leading_zeros();
        Self { front, length: 64 - front - bits.trailing_zeros() }
    }

    fn holds(self, other: Self) -> bool {
        self.front <= other.front && other.front + other.length <= self.front + self.length
    }

    /// How far its bits are from the right.
    fn shift(self) -> u32 {
        64 - self.front - self.length
    }
}

/// Bits on their way out, the first one highest.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    pending: u128,
    /// Pending bits, below 64.
    count: u32,
}

impl Writer {
    /// The lowest `length` bits, at most 64, of a number that has no others.
    fn push(&mut self, bits: u64, length: u32) {
        self.pending = self.pending << length | u128::from(bits);
        self.count += length;
        if self.count >= 64 {
            self.count -= 64;
            self.bytes.extend_from_slice(&((self.pending >> self.count) as u64).to_be_bytes());
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let rest = ((self.pending << (64 - self.count)) as u64).to_be_bytes();
        self.bytes.extend_from_slice(&rest[..self.count.div_ceil(8) as usize]);
        self.bytes
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    pending: u128,
    count: u32,
}

impl Reader<'_> {
    /// So many bits, at most 64.
    fn take(&mut self, length: u32) -> Option<u64> {
        while self.count < length {
            let (first, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            self.pending = self.pending << 8 | u128::from(*first);
            self.count += 8;
        }
        self.count -= length;
        let bits = (self.pending >> self.count) as u64;
        Some(if length == 64 { bits } else { bits & ((1 << length) - 1) })
    }
}

/// Numbers as bytes.
pub fn pack(values: impl Iterator<Item = f64>) -> Vec<u8> {
    let mut out = Writer::default();
    let (mut before, mut window) = (0, Window::ALL);
    for value in values {
        let bits = super::canonical(value).to_bits();
        if bits == 0 {
            out.push(ZERO, 2);
            continue;
        }
        let differing = bits ^ std::mem::replace(&mut before, bits);
        if differing == 0 {
            out.push(SAME, 2);
            continue;
        }
        let own = Window::of(differing);
        if window.holds(own) && window.length <= WINDOW + own.length {
            out.push(WITHIN, 2);
        } else {
            window = own;
            out.push(ANEW << WINDOW | u64::from(own.front) << 6 | u64::from(own.length - 1), 2 + WINDOW);
        }
        out.push(differing >> window.shift(), window.length);
    }
    out.finish()
}

/// Fills `values` with what was packed; none where the bytes hold fewer or more.
pub fn unpack(bytes: &[u8], values: &mut [f64]) -> Option<()> {
    let mut reader = Reader { bytes, pending: 0, count: 0 };
    let (mut before, mut window) = (0, Window::ALL);
    for value in values {
        let code = reader.take(2)?;
        if code == ZERO {
            *value = 0.0;
            continue;
        }
        if code == ANEW {
            let (front, length) = (reader.take(6)? as u32, reader.take(6)? as u32 + 1);
            window = Window { front, length };
            if front + length > 64 {
                return None;
            }
        }
        if code != SAME {
            before ^= reader.take(window.length)? << window.shift();
        }
        *value = f64::from_bits(before);
    }
    let left = reader.pending & ((1 << reader.count) - 1);
    (reader.bytes.is_empty() && reader.count < 8 && left == 0).then_some(())
}

/// Writes them.
pub fn serialize<S: Serializer, const N: usize>(values: &[f64; N], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(&pack(values.iter().copied()))
}

struct Packed<const N: usize>;

impl<const N: usize> Visitor<'_> for Packed<N> {
    type Value = [f64; N];

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{N} packed floats")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let mut values = [0.0; N];
        let fits = unpack(bytes, &mut values);
        fits.map(|()| values).ok_or_else(|| E::custom(format!("these bytes are no {N} packed floats")))
    }
}

/// Reads them.
pub fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[f64; N], D::Error> {
    deserializer.deserialize_bytes(Packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    fn there_and_back(values: &[f64]) -> usize {
        let packed = pack(values.iter().copied());
        let mut back = vec![7.0; values.len()];
        unpack(&packed, &mut back).unwrap();
        assert_eq!(bits(&back), bits(values));
        for more in [values.len() + 8, values.len().wrapping_sub(8)] {
            if more < 1 << 20 {
                assert!(unpack(&packed, &mut vec![0.0; more]).is_none(), "{more} of {}", values.len());
            }
        }
        packed.len()
    }

    /// Numbers that come again in every run.
    fn any(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |last| {
            Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
        })
    }

    #[test]
    fn no_bit_is_lost() {
        let odd = [
            0.0,
            -0.0,
            1.0,
            f64::MIN_POSITIVE / 3.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            f64::MAX,
            -1e-300,
            1.0,
        ];
        there_and_back(&odd);
        for seed in 0..200 {
            let mut at = any(seed).map(|one| one >> 16);
            let values: Vec<f64> = at
                .by_ref()
                .take(64)
                .map(|one| match one % 5 {
                    0 => 0.0,
                    1 => (one / 5 % 300) as f64,
                    2 => 1.0 + one as f64 / 1e12,
                    3 => odd[(one / 5) as usize % odd.len()],
                    _ => super::super::canonical(f64::from_bits(one.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
                })
                .collect();
            there_and_back(&values);
        }
    }

    #[test]
    fn what_is_alike_is_short() {
        assert_eq!(there_and_back(&[0.0; 48]), 12);
        assert!(there_and_back(&[214.0; 168]) < 48);
        let sizes: Vec<f64> = any(1).take(168).map(|one| 40.0 + (one >> 40) as f64 / 3e6).collect();
        assert!(there_and_back(&sizes) < 168 * 8);
        // Numbers that have nothing in common cost two bits more than their bytes.
        let alien: Vec<f64> = any(2).take(168).map(|one| f64::from_bits(one & !(1 << 62))).collect();
        assert!(there_and_back(&alien) <= 168 * 8 + 64);
    }
}
