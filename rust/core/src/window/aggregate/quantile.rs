//! `quantile`: DDSketch (Masson, Rim and Lee, 2019), 1 % relative error, the same for any order of rows.
//!
//! The sketch has bins for 17 orders of magnitude; past them it would merge the lowest, and one absurd value would
//! spoil all others. So values go to one sketch for each band of 2^48 in magnitude, scaled by a power of two, which is
//! exact.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sketches_ddsketch::DDSketch;

use super::Block;
use crate::column::{Scalar, Values};

/// Sketches, one a cell; an empty cell costs nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sketches(Vec<Option<Box<Sketch>>>);

/// The values of a cell, by sign and magnitude.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Sketch {
    /// In the order of their values.
    bands: BTreeMap<Band, Stored>,
}

/// Where a value lies; ordered as values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Band {
    /// Minus infinity.
    Below,
    /// Negative, by magnitude, the largest first.
    Negative(Reverse<i16>),
    /// Zero, and what is too small to have a full mantissa.
    Zero,
    /// Positive, by magnitude.
    Positive(i16),
    /// Infinity.
    Above,
}

/// Binary orders of magnitude in a band.
const WIDTH: i16 = 48;

impl Band {
    fn of(value: f64) -> Self {
        let exponent = (value.to_bits() >> 52 & 0x7ff) as i16 - 1023;
        let band = exponent.div_euclid(WIDTH);
        match value {
            f64::INFINITY => Self::Above,
            f64::NEG_INFINITY => Self::Below,
            _ if exponent == -1023 => Self::Zero,
            _ if value < 0.0 => Self::Negative(Reverse(band)),
            _ => Self::Positive(band),
        }
    }

    /// A value's size within its band: 1 to 2^48.
    fn scale(self, value: f64) -> f64 {
        match self {
            Self::Positive(band) | Self::Negative(Reverse(band)) => {
                libm::ldexp(value.abs(), -i32::from(band * WIDTH))
            }
            _ => 1.0,
        }
    }

    /// The value of a size within the band.
    fn unscale(self, size: f64) -> f64 {
        match self {
            Self::Below => f64::NEG_INFINITY,
            Self::Above => f64::INFINITY,
            Self::Zero => 0.0,
            Self::Positive(band) => libm::ldexp(size, i32::from(band * WIDTH)),
            Self::Negative(Reverse(band)) => -libm::ldexp(size, i32::from(band * WIDTH)),
        }
    }
}

/// One band's values.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Stored(#[serde(with = "stored")] DDSketch);

/// The sketch's published wire format: it names bins and counts, nothing of how this machine holds them.
mod stored {
    use super::{DDSketch, Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(sketch: &DDSketch, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&sketch.to_java_bytes())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DDSketch, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        DDSketch::from_java_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.bands.iter().map(|(band, sketch)| (band, sketch.0.count()))).finish()
    }
}

impl Sketch {
    fn add(&mut self, value: f64) {
        let band = Band::of(value);
        self.bands.entry(band).or_default().0.add(band.scale(value));
    }

    fn merge(&mut self, other: &Self) {
        for (band, theirs) in &other.bands {
            // All are made with the one configuration, which is all that a merge can fail on.
            let merged = self.bands.entry(*band).or_default().0.merge(&theirs.0);
            debug_assert!(merged.is_ok());
        }
    }

    fn quantile(&self, q: f64) -> Option<f64> {
        let all: usize = self.bands.values().map(|sketch| sketch.0.count()).sum();
        let mut rank = (q * all.checked_sub(1)? as f64) as usize;
        for (band, sketch) in &self.bands {
            let count = sketch.0.count();
            if rank >= count {
                rank -= count;
                continue;
            }
            // The largest sizes of a negative band are its least values.
            let rank = if let Band::Negative(_) = band { count - 1 - rank } else { rank };
            // Half a rank on, so that rounding can't fall below the rank that is meant.
            let within = if count == 1 { 0.0 } else { ((rank as f64 + 0.5) / (count - 1) as f64).min(1.0) };
            let within = if rank == 0 { 0.0 } else { within };
            return sketch.0.quantile(within).ok().flatten().map(|size| band.unscale(size));
        }
        None
    }
}

impl Sketches {
    pub(super) fn gather(&self, cells: &[u32]) -> Self {
        Self(super::gather(&self.0, None, cells))
    }

    pub(super) fn resize(&mut self, cells: usize) {
        self.0.resize(cells, None);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn at(&mut self, cell: u32) -> &mut Sketch {
        self.0[cell as usize].get_or_insert_default()
    }

    pub(super) fn add(&mut self, block: &Block<'_>, values: &Values) {
        for (at, cell) in block.cells.iter().enumerate() {
            if *cell != super::SINK
                && let Some(value) = super::number(values, block.start + at)
            {
                self.at(*cell).add(value);
            }
        }
    }

    pub(super) fn add_one(&mut self, cell: u32, value: &Scalar) {
        if let Some(value) = super::scalar_number(value) {
            self.at(cell).add(value);
        }
    }

    pub(super) fn merge(&mut self, into: u32, other: &Self, from: u32) {
        match (&mut self.0[into as usize], &other.0[from as usize]) {
            (_, None) => {}
            (Some(sketch), Some(other)) => sketch.merge(other),
            (empty, other) => empty.clone_from(other),
        }
    }

    pub(super) fn reset(&mut self, cell: u32) {
        self.0[cell as usize] = None;
    }

    pub(super) fn get(&self, cell: u32, q: f64) -> Option<f64> {
        self.0[cell as usize].as_ref()?.quantile(q)
    }
}
