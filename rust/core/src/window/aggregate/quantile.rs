//! `quantile`: DDSketch (Masson, Rim and Lee, 2019), 1 % relative error, the same for any order of rows.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sketches_ddsketch::DDSketch;

use super::Block;
use crate::column::{Scalar, Values};

/// Sketches, one a cell; an empty cell costs nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sketches(Vec<Option<Box<Sketch>>>);

/// Finite values go to the sketch (1 % error, 2,048 bins on each side of zero, values within 1e-9 of zero
/// count as zero); infinities, which have no bin, are counted beside it.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Sketch {
    #[serde(with = "stored")]
    finite: DDSketch,
    below: u64,
    above: u64,
}

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
        write!(f, "Sketch({} values)", self.finite.count() as u64 + self.below + self.above)
    }
}

impl Sketch {
    fn add(&mut self, value: f64) {
        if value == f64::INFINITY {
            self.above += 1;
        } else if value == f64::NEG_INFINITY {
            self.below += 1;
        } else {
            self.finite.add(value);
        }
    }

    fn merge(&mut self, other: &Self) {
        // All are made with the one configuration, which is all that a merge can fail on.
        let merged = self.finite.merge(&other.finite);
        debug_assert!(merged.is_ok());
        self.below += other.below;
        self.above += other.above;
    }

    fn quantile(&self, q: f64) -> Option<f64> {
        let finite = self.finite.count() as u64;
        let last = (self.below + finite + self.above).checked_sub(1)?;
        if self.below == 0 && self.above == 0 {
            return self.finite.quantile(q).ok().flatten();
        }
        let rank = (q * last as f64) as u64;
        if rank < self.below {
            return Some(f64::NEG_INFINITY);
        }
        let rank = rank - self.below;
        if rank >= finite {
            return Some(f64::INFINITY);
        }
        // Half a rank on, so that rounding can't fall below the rank that is meant.
        let q = if finite == 1 { 0.0 } else { ((rank as f64 + 0.5) / (finite - 1) as f64).min(1.0) };
        self.finite.quantile(q).ok().flatten()
    }
}

impl Sketches {
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
