//! `distinct`: how many different values, exact up to 1,024 a cell, a HyperLogLog beyond.
//!
//! A cell is exact exactly when the union of all that it merged is within the limit. Past it, values go to an
//! Apache DataSketches HLL of 4,096 registers, read by its order-free estimator: 1.6 % standard error. Its hash
//! is fixed, so that cells of different machines merge.
//!
//! With `min_hits`, a value counts once it was seen so many times. Past the limit the sketch holds the values
//! that count, and hits are remembered for at most 1,024 values that don't yet.
//!
//! Values that stand for one object ([`Joined`]) count once, with all their hits; what a sketch has swallowed apart
//! stays apart.

use std::collections::BTreeMap;

use ahash::RandomState;
use datasketches::hll::{HllSketch, HllType, HllUnion};
use hashbrown::HashMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Block;
use super::joined::{Joined, Same};
use crate::column::{Scalar, Values};
use crate::key;

/// Values a cell keeps exactly.
const EXACT: usize = 1_024;
/// log2 of the registers.
const LG_REGISTERS: u8 = 12;

/// Hits of each value.
type Hits = HashMap<Box<[u8]>, u32, RandomState>;

/// Sets of values, one a cell; an empty cell costs nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sets {
    min_hits: u32,
    cells: Vec<Option<Box<Set>>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Set {
    /// All values while exact; afterwards those with too few hits (none at `min_hits = 1`).
    #[serde(with = "sorted")]
    hits: Hits,
    /// There once the union went past the limit.
    #[serde(with = "sketch")]
    sketch: Option<HllSketch>,
    /// Which of them are the same object.
    joined: Joined,
}

impl Set {
    fn add(&mut self, value: &[u8], times: u32, min_hits: u32) {
        if let Some(sketch) = &mut self.sketch {
            if min_hits <= 1 {
                sketch.update(value);
                return;
            }
            let hits = self.hits.get(value).map_or(times, |hits| hits.saturating_add(times));
            if hits >= min_hits {
                self.hits.remove(value);
                sketch.update(value);
                return;
            }
            self.hits.insert(value.into(), hits);
            if self.hits.len() > EXACT {
                // Flicker, nearly all of it; what was seen more than once stays.
                self.hits.retain(|_, hits| *hits > 1);
                if self.hits.len() > EXACT {
                    self.hits.clear();
                }
            }
            return;
        }
        if let Some(hits) = self.hits.get_mut(value) {
            *hits = hits.saturating_add(times);
            return;
        }
        self.hits.insert(value.into(), times);
        if self.hits.len() > EXACT {
            self.overflow(min_hits);
        }
    }

    /// Turns the exact set into a sketch.
    fn overflow(&mut self, min_hits: u32) {
        let Ok(mut sketch) = HllSketch::new(LG_REGISTERS, HllType::Hll8) else { return };
        // In the order of the values, so that the same set makes the same bytes.
        let mut values: BTreeMap<Box<[u8]>, u32> = BTreeMap::new();
        let roots = self.joined.roots();
        for (value, times) in std::mem::take(&mut self.hits) {
            let hits = values.entry(roots.of(&value).into()).or_default();
            *hits = hits.saturating_add(times);
        }
        for (value, hits) in values {
            if hits >= min_hits {
                sketch.update(&*value);
            } else {
                self.hits.insert(value, hits);
            }
        }
        if self.hits.len() > EXACT {
            self.hits.clear();
        }
        self.sketch = Some(sketch);
    }

    fn merge(&mut self, other: &Self, min_hits: u32) {
        self.joined.merge(&other.joined);
        if let Some(theirs) = &other.sketch {
            if self.sketch.is_none() {
                self.overflow(min_hits);
            }
            if let (Some(ours), Ok(mut union)) = (&mut self.sketch, HllUnion::new(LG_REGISTERS)) {
                union.update(ours);
                union.update(theirs);
                *ours = union.to_sketch(HllType::Hll8);
            }
        }
        let joined = self.joined.clone();
        let roots = joined.roots();
        for (value, hits) in &other.hits {
            let value = if self.sketch.is_some() { roots.of(value) } else { value };
            self.add(value, *hits, min_hits);
        }
    }

    fn len(&self, min_hits: u32) -> u64 {
        match &self.sketch {
            Some(sketch) => sketch.composite_estimate().round() as u64,
            None if !self.joined.is_empty() => {
                let roots = self.joined.roots();
                let mut objects: HashMap<&[u8], u32, RandomState> = HashMap::default();
                for (value, times) in &self.hits {
                    let hits = objects.entry(roots.of(value)).or_default();
                    *hits = hits.saturating_add(*times);
                }
                objects.values().filter(|hits| **hits >= min_hits).count() as u64
            }
            None if min_hits <= 1 => self.hits.len() as u64,
            None => self.hits.values().filter(|hits| **hits >= min_hits).count() as u64,
        }
    }

    fn join(&mut self, mut same: impl FnMut(&[u8]) -> Option<Same>) {
        let Self { hits, joined, .. } = self;
        hits.retain(|value, _| {
            let Some(same) = same(value) else { return true };
            if same.counts
                && let Some((first, others)) = same.values.split_first()
            {
                others.iter().for_each(|other| joined.add(first, other));
            }
            same.counts
        });
    }
}

/// Maps in the order of their keys: the same set, the same bytes.
mod sorted {
    use super::{BTreeMap, Deserialize, Deserializer, Hits, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(hits: &Hits, serializer: S) -> Result<S::Ok, S::Error> {
        hits.iter()
            .map(|(value, hits)| (&**value, *hits))
            .collect::<BTreeMap<&[u8], u32>>()
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hits, D::Error> {
        Ok(BTreeMap::<Box<[u8]>, u32>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// The sketch in its library's published format.
mod sketch {
    use super::{Deserialize, Deserializer, HllSketch, LG_REGISTERS, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        sketch: &Option<HllSketch>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        sketch.as_ref().map(HllSketch::serialize).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<HllSketch>, D::Error> {
        let Some(bytes) = Option::<Vec<u8>>::deserialize(deserializer)? else { return Ok(None) };
        let sketch = HllSketch::deserialize(&bytes).map_err(serde::de::Error::custom)?;
        if sketch.lg_config_k() != LG_REGISTERS {
            return Err(serde::de::Error::custom("a distinct count has another number of registers"));
        }
        Ok(Some(sketch))
    }
}

/// Appends the bytes that stand for a row's values; false where one of them is null. Whole floats are the
/// integers that they equal.
pub fn encode(columns: &[&Values], row: usize, out: &mut Vec<u8>) -> bool {
    columns.iter().all(|values| match values {
        Values::Float(_) => encode_scalar(&values.scalar(row), out),
        _ if super::is_value(values, row) => {
            key::encode_row(values, row, out);
            true
        }
        _ => false,
    })
}

/// As [`encode`], one value at a time.
pub fn encode_scalar(value: &Scalar, out: &mut Vec<u8>) -> bool {
    match value {
        _ if !super::is_there(value) => return false,
        Scalar::Float(value) if value.fract() == 0.0 && value.abs() < 1e18 => {
            key::encode(&Scalar::Int(*value as i128), out);
        }
        value => key::encode(value, out),
    }
    true
}

impl Sets {
    pub(super) fn new(min_hits: u32) -> Self {
        Self { min_hits, cells: Vec::new() }
    }

    pub(super) fn min_hits(&self) -> u32 {
        self.min_hits
    }

    pub(super) fn gather(&self, cells: &[u32]) -> Self {
        Self { min_hits: self.min_hits, cells: super::gather(&self.cells, None, cells) }
    }

    pub(super) fn resize(&mut self, cells: usize) {
        self.cells.resize(cells, None);
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn add(&mut self, block: &Block<'_>, columns: &[&Values]) {
        let mut value = Vec::new();
        for (at, cell) in block.cells.iter().enumerate() {
            if *cell == super::SINK {
                continue;
            }
            value.clear();
            if encode(columns, block.start + at, &mut value) {
                self.add_one(*cell, &value);
            }
        }
    }

    /// Adds a value already encoded.
    pub(super) fn add_one(&mut self, cell: u32, value: &[u8]) {
        let min_hits = self.min_hits;
        self.cells[cell as usize].get_or_insert_default().add(value, 1, min_hits);
    }

    pub(super) fn merge(&mut self, into: u32, other: &Self, from: u32) {
        let min_hits = self.min_hits;
        match (&mut self.cells[into as usize], &other.cells[from as usize]) {
            (_, None) => {}
            (Some(set), Some(other)) => set.merge(other, min_hits),
            (empty, other) => empty.clone_from(other),
        }
    }

    /// See [`super::Cells::join`].
    pub(super) fn join(&mut self, cell: u32, same: impl FnMut(&[u8]) -> Option<Same>) {
        if let Some(Some(set)) = self.cells.get_mut(cell as usize) {
            set.join(same);
        }
    }

    pub(super) fn reset(&mut self, cell: u32) {
        self.cells[cell as usize] = None;
    }

    pub(super) fn get(&self, cell: u32) -> u64 {
        self.cells[cell as usize].as_ref().map_or(0, |set| set.len(self.min_hits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: std::ops::Range<u32>) -> Set {
        let mut set = Set::default();
        values.for_each(|value| set.add(&value.to_be_bytes(), 1, 1));
        set
    }

    #[test]
    fn exact_exactly_within_the_limit() {
        assert_eq!(of(0..1_024).len(1), 1_024);
        let mut merged = of(0..600);
        merged.merge(&of(400..1_024), 1);
        assert_eq!((merged.len(1), merged.sketch.is_none()), (1_024, true));
        merged.merge(&of(1_000..1_025), 1);
        assert!(merged.sketch.is_some());
    }

    #[test]
    fn the_sketch_stays_within_its_error_and_ignores_order() {
        for size in [2_000, 10_000, 100_000] {
            let mut parts = of(0..size / 3);
            parts.merge(&of(size / 4..size), 1);
            let mut other_way = of(size / 4..size);
            other_way.merge(&of(0..size / 3), 1);
            assert_eq!(parts.len(1), of(0..size).len(1));
            assert_eq!(parts.len(1), other_way.len(1));
            // Four standard errors.
            let error = (parts.len(1) as f64 - f64::from(size)).abs() / f64::from(size);
            assert!(error < 4.0 * 0.0163, "{size}: {error}");
        }
    }

    #[test]
    fn joined_values_are_one_whatever_comes_first() {
        let all = |same: &[&[u8]]| {
            let values = same.iter().map(|value| value.to_vec()).collect();
            move |_: &[u8]| Some(Same { counts: true, values: Clone::clone(&values) })
        };
        let mut left = Set::default();
        left.add(b"a", 1, 2);
        left.join(all(&[b"a", b"b"]));
        let mut right = Set::default();
        right.add(b"b", 1, 2);
        right.add(b"c", 1, 2);
        let (mut one, mut other) = (left.clone(), right.clone());
        one.merge(&right, 2);
        other.merge(&left, 2);
        assert_eq!((one.len(2), other.len(2), one.len(1)), (1, 1, 2));
        assert_eq!(one.joined, other.joined);
        // A set that overflows counts objects, not ids.
        let mut many = of(0..1_000);
        many.join(|value| {
            let even = u32::from_be_bytes([value[0], value[1], value[2], value[3]]) & !1;
            Some(Same { counts: true, values: [even, even + 1].map(|id| id.to_be_bytes().to_vec()).to_vec() })
        });
        assert_eq!(many.len(1), 500);
        many.merge(&of(5_000..5_100), 1);
        assert!(many.sketch.is_some());
        assert!(many.len(1).abs_diff(600) < 20, "{}", many.len(1));
    }

    #[test]
    fn hits_add_up_across_merges() {
        let mut left = Set::default();
        left.add(b"a", 2, 3);
        left.add(b"b", 1, 3);
        let mut right = Set::default();
        right.add(b"a", 1, 3);
        left.merge(&right, 3);
        assert_eq!(left.len(3), 1);
    }
}
