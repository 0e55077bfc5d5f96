//! The values that a stream has shown, as few of them as say enough.
//!
//! Owns at most [`CAPACITY`] remembered values, sorted, each standing for its neighbourhood; the one that was met
//! the longest ago makes room. What a distance means is the affair of [`super::novelty`].

use pulp::NullaryFnOnce;
use serde::{Deserialize, Serialize};

use crate::arithmetic::lesser;
use crate::snapshot;

/// The most values that are remembered.
pub const CAPACITY: usize = 128;
/// Places on either side of the values, so that each has two neighbours.
const MARGIN: usize = 2;
/// A search looks at the last value of each run of so many, then at one run: both at once, by vectors.
const RUN: usize = 16;
const RUNS: usize = CAPACITY / RUN;

/// Remembered values of one stream.
#[derive(Debug, Clone)]
pub struct Sketch {
    /// Ascending, from [`MARGIN`] on; what lies before is infinitely small, what lies behind infinitely large.
    values: [f64; CAPACITY + 2 * MARGIN],
    /// The last value of each run but the last one, which a search doesn't look behind.
    ends: [f64; RUNS],
    /// When each was met last, by `clock`: all of them at different times. 0 where there is none.
    met: [u8; CAPACITY],
    /// The latest of those times.
    clock: u8,
    /// At most [`CAPACITY`].
    len: u8,
}

/// The remembered value nearest to a new one.
#[derive(Debug, Clone, Copy)]
pub struct Nearest {
    /// How far it is; infinite where nothing is remembered.
    pub distance: f64,
    /// How far it is from its own nearer neighbour; 0 for fewer than three values.
    pub gap: f64,
    place: Place,
}

/// What a new value is to a sketch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// Where the nearest is, and where the new value would go.
    at: u8,
    insert: u8,
    /// Whether it is to be remembered by itself.
    farther: bool,
}

impl Nearest {
    /// Whether the value is farther than what its neighbour stands for: then it is remembered, else the neighbour was
    /// met again.
    #[inline(always)]
    pub fn place(&self, grain: f64) -> Place {
        Place { farther: self.distance > grain, ..self.place }
    }
}

/// How many values of each sketch are less than what its stream shows, where each of `S` streams has `N` sketches: all
/// searches at once, since each alone would wait for itself.
#[inline(always)]
pub fn less_than<const S: usize, const N: usize>(
    sketches: &[[Sketch; N]; S],
    shown: &[f64; S],
) -> [[usize; N]; S] {
    #[cfg(target_arch = "x86_64")]
    if let pulp::Arch::V3(vectors) = pulp::Arch::new() {
        return vectors.vectorize(Search { counter: vectors, sketches, shown });
    }
    Search { counter: Plain, sketches, shown }.call()
}

struct Search<'a, C, const S: usize, const N: usize> {
    counter: C,
    sketches: &'a [[Sketch; N]; S],
    shown: &'a [f64; S],
}

impl<C: Counter, const S: usize, const N: usize> NullaryFnOnce for Search<'_, C, S, N> {
    type Output = [[usize; N]; S];

    #[inline(always)]
    fn call(self) -> Self::Output {
        let mut less = [[0; N]; S];
        for stream in 0..S {
            for (less, sketch) in less[stream].iter_mut().zip(&self.sketches[stream]) {
                *less = sketch.search(self.counter, self.shown[stream]);
            }
        }
        less
    }
}

/// How four numbers are compared with a value.
trait Counter: Copy {
    /// How many are less.
    fn less(self, numbers: &[f64; 4], value: f64) -> u32;
}

// Without a closure, which would not be compiled for the wider vectors.
#[inline(always)]
fn count_less(counter: impl Counter, numbers: &[f64], value: f64) -> usize {
    let mut count = 0;
    for four in numbers.as_chunks::<4>().0 {
        count += counter.less(four, value) as usize;
    }
    count
}

#[derive(Clone, Copy)]
struct Plain;

impl Counter for Plain {
    #[inline(always)]
    fn less(self, numbers: &[f64; 4], value: f64) -> u32 {
        numbers.iter().map(|number| u32::from(*number < value)).sum()
    }
}

/// By AVX2: left to itself, the compiler asks each number alone.
#[cfg(target_arch = "x86_64")]
impl Counter for pulp::x86::V3 {
    #[inline(always)]
    fn less(self, numbers: &[f64; 4], value: f64) -> u32 {
        use std::arch::x86_64::_CMP_LT_OQ;
        let avx = self.avx;
        let less = avx._mm256_cmp_pd::<_CMP_LT_OQ>(pulp::cast(*numbers), avx._mm256_set1_pd(value));
        avx._mm256_movemask_pd(less).count_ones()
    }
}

impl Default for Sketch {
    fn default() -> Self {
        let mut values = [f64::INFINITY; CAPACITY + 2 * MARGIN];
        values[..MARGIN].fill(f64::NEG_INFINITY);
        Self { values, ends: [f64::INFINITY; RUNS], met: [0; CAPACITY], clock: 0, len: 0 }
    }
}

impl PartialEq for Sketch {
    fn eq(&self, other: &Self) -> bool {
        self.known() == other.known() && self.ranks() == other.ranks()
    }
}

impl Sketch {
    /// The remembered values.
    fn known(&self) -> &[f64] {
        &self.values[MARGIN..MARGIN + usize::from(self.len).min(CAPACITY)]
    }

    /// How many values are less than a value.
    #[inline(always)]
    fn search(&self, counter: impl Counter, value: f64) -> usize {
        let run = count_less(counter, &self.ends, value) % RUNS;
        let (runs, _) = self.values[MARGIN..MARGIN + CAPACITY].as_chunks::<RUN>();
        run * RUN + count_less(counter, &runs[run], value)
    }

    /// The nearest remembered value, where so many are less; of two as near, the smaller.
    #[inline(always)]
    pub fn nearest(&self, value: f64, insert: usize) -> Nearest {
        let insert = insert.min(CAPACITY);
        // By place, where the first value is at `MARGIN`: before it and behind the last there are others.
        let (below, above) = (value - self.values[insert + 1], self.values[insert + 2] - value);
        // As a number: a branch would be guessed wrong half the time.
        let place = insert + 1 + usize::from(above < below);
        let known = self.values[place];
        let gap = lesser(known - self.values[place - 1], self.values[place + 1] - known);
        let gap = if self.len > 2 { gap } else { 0.0 };
        let at = place.wrapping_sub(MARGIN) as u8;
        let place = Place { at, insert: insert as u8, farther: false };
        Nearest { distance: lesser(below, above), gap, place }
    }

    /// Takes a value in.
    #[inline(always)]
    pub fn learn(&mut self, value: f64, place: &Place) {
        if place.farther || self.len == 0 {
            self.insert(value, usize::from(place.insert));
            return;
        }
        let at = usize::from(place.at) % CAPACITY;
        if self.met[at] != self.clock {
            self.met[at] = self.tick();
        }
    }

    /// The next time.
    #[inline]
    fn tick(&mut self) -> u8 {
        if self.clock == u8::MAX {
            self.count_anew();
        }
        self.clock += 1;
        self.clock
    }

    /// Sets the clock back as far as their order allows: to how many there are.
    #[cold]
    fn count_anew(&mut self) {
        let mut there = [0_u8; 1 << u8::BITS];
        self.met.iter().for_each(|met| there[usize::from(*met)] = u8::from(*met > 0));
        let mut so_far = 0;
        for count in &mut there {
            so_far += *count;
            *count = so_far;
        }
        self.met.iter_mut().for_each(|met| *met = if *met > 0 { there[usize::from(*met)] } else { 0 });
        self.clock = so_far;
    }

    fn insert(&mut self, value: f64, mut at: usize) {
        // The place that is overwritten: the one behind the last, or that of the value met the longest ago.
        let mut free = usize::from(self.len);
        if free >= CAPACITY {
            free = (0..CAPACITY).min_by_key(|at| self.met[*at]).unwrap_or(0);
            at -= usize::from(free < at);
        } else {
            self.len += 1;
        }
        let (from, to) = if free < at { (free + 1..at + 1, free) } else { (at..free, at + 1) };
        self.values.copy_within(from.start + MARGIN..from.end + MARGIN, to + MARGIN);
        self.met.copy_within(from, to);
        self.values[at + MARGIN] = value;
        self.find_ends();
        self.met[at] = 0;
        self.met[at] = self.tick();
    }

    /// Notes the ends of runs anew.
    fn find_ends(&mut self) {
        let (runs, _) = self.values[MARGIN..MARGIN + CAPACITY].as_chunks::<RUN>();
        for (end, run) in self.ends[..RUNS - 1].iter_mut().zip(runs) {
            *end = run[RUN - 1];
        }
    }

    /// How many others were met since each was.
    fn ranks(&self) -> Vec<u8> {
        let known = &self.met[..self.known().len()];
        known.iter().map(|met| known.iter().filter(|other| *other > met).count() as u8).collect()
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
        Stored { values: self.known().to_vec(), rank: self.ranks() }.serialize(serializer)
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
        let mut sketch = Self { len: len as u8, clock: len as u8, ..Self::default() };
        sketch.values[MARGIN..MARGIN + len].copy_from_slice(&values);
        sketch.find_ends();
        sketch.met.iter_mut().zip(&rank).for_each(|(met, rank)| *met = len as u8 - rank);
        Ok(sketch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_met_the_longest_ago_makes_room() {
        let mut sketches = [[Sketch::default()]];
        let mut see = |value: f64| {
            let [[less]] = less_than(&sketches, &[value]);
            let sketch = &mut sketches[0][0];
            assert_eq!(less, sketch.known().iter().filter(|known| **known < value).count());
            assert_eq!(less, sketch.search(Plain, value));
            let nearest = sketch.nearest(value, less);
            sketch.learn(value, &nearest.place(0.5));
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
        let restored: Sketch = postcard::from_bytes(&postcard::to_stdvec(&sketches[0][0]).unwrap()).unwrap();
        assert_eq!(restored, sketches[0][0]);
    }
}
