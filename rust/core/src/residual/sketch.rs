//! The values that a stream has shown, as few of them as say enough.
//!
//! Owns at most [`CAPACITY`] remembered values, sorted, each standing for its neighbourhood; the one that was met
//! the longest ago makes room. What a distance means is the affair of [`super::novelty`].

use serde::{Deserialize, Serialize};

use crate::snapshot;

/// The most values that are remembered.
pub const CAPACITY: usize = 128;

/// The rank of a place that holds no value.
const FREE: u8 = u8::MAX;

/// Remembered values of one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketch {
    /// Ascending; the first `len` count.
    values: [f64; CAPACITY],
    /// How many others were met since each was: a permutation of `0..len`, then [`FREE`].
    rank: [u8; CAPACITY],
    /// At most [`CAPACITY`].
    len: u8,
}

/// The remembered value nearest to a new one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nearest {
    /// How far it is; infinite where nothing is remembered.
    pub distance: f64,
    /// How far it is from its own nearer neighbour; 0 for fewer than three values.
    pub gap: f64,
    /// Its place, and where the new value would go.
    at: u8,
    insert: u8,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { values: [0.0; CAPACITY], rank: [FREE; CAPACITY], len: 0 }
    }
}

impl Sketch {
    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The nearest remembered value; of two as near, the smaller.
    #[inline]
    pub fn nearest(&self, value: f64) -> Nearest {
        let known = &self.values[..usize::from(self.len).min(CAPACITY)];
        let insert = known.partition_point(|known| *known < value);
        let above = known.get(insert).map_or(f64::INFINITY, |known| known - value);
        let below = if insert > 0 { value - known[insert - 1] } else { f64::INFINITY };
        let (at, distance) = if insert > 0 && below <= above { (insert - 1, below) } else { (insert, above) };
        let mut gap = 0.0;
        if known.len() > 2 && at < known.len() {
            let left = if at > 0 { known[at] - known[at - 1] } else { f64::INFINITY };
            let right = known.get(at + 1).map_or(f64::INFINITY, |next| next - known[at]);
            gap = left.min(right);
        }
        Nearest { distance, gap, at: at as u8, insert: insert as u8 }
    }

    /// Takes a value in: remembers it where it is `farther` than what its neighbour stands for, else the neighbour
    /// was met again.
    #[inline]
    pub fn learn(&mut self, value: f64, nearest: &Nearest, farther: bool) {
        if farther || self.len == 0 {
            self.insert(value, usize::from(nearest.insert));
            return;
        }
        let at = usize::from(nearest.at) % CAPACITY;
        let old = self.rank[at];
        if old > 0 {
            let len = usize::from(self.len).min(CAPACITY);
            for rank in &mut self.rank[..len] {
                *rank += u8::from(*rank < old);
            }
            self.rank[at] = 0;
        }
    }

    fn insert(&mut self, value: f64, mut at: usize) {
        let mut len = usize::from(self.len);
        if len >= CAPACITY {
            let oldest = (0..CAPACITY).max_by_key(|at| self.rank[*at]).unwrap_or(0);
            self.values.copy_within(oldest + 1.., oldest);
            self.rank.copy_within(oldest + 1.., oldest);
            len = CAPACITY - 1;
            at -= usize::from(oldest < at);
        }
        self.rank.iter_mut().for_each(|rank| *rank += u8::from(*rank != FREE));
        self.values.copy_within(at..len, at + 1);
        self.rank.copy_within(at..len, at + 1);
        (self.values[at], self.rank[at], self.len) = (value, 0, len as u8 + 1);
    }
}

/// What is stored: the values that count.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(with = "snapshot::floats")]
    values: Vec<f64>,
    rank: Vec<u8>,
}

impl Serialize for Sketch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let len = usize::from(self.len);
        Stored { values: self.values[..len].to_vec(), rank: self.rank[..len].to_vec() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { values, rank } = Stored::deserialize(deserializer)?;
        let len = values.len();
        let mut met = vec![false; len];
        rank.iter().for_each(|rank| {
            if let Some(met) = met.get_mut(usize::from(*rank)) {
                *met = true;
            }
        });
        if len > CAPACITY || rank.len() != len || met.contains(&false) || !values.is_sorted() {
            return Err(serde::de::Error::custom("a sketch is no list of remembered values"));
        }
        let mut sketch = Self { len: len as u8, ..Self::default() };
        sketch.values[..len].copy_from_slice(&values);
        sketch.rank[..len].copy_from_slice(&rank);
        Ok(sketch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_met_the_longest_ago_makes_room() {
        let mut sketch = Sketch::default();
        let mut see = |value: f64| {
            let nearest = sketch.nearest(value);
            sketch.learn(value, &nearest, nearest.distance > 0.5);
            nearest.distance
        };
        for value in 0..128 {
            see(f64::from(value));
        }
        assert_eq!(see(0.25), 0.25);
        // 1 is the oldest now: the newcomer takes its room.
        assert_eq!(see(1000.0), 873.0);
        assert_eq!(see(0.0), 0.0);
        assert_eq!(see(1.0), 1.0);
        let restored: Sketch = postcard::from_bytes(&postcard::to_stdvec(&sketch).unwrap()).unwrap();
        assert_eq!(restored, sketch);
    }
}
