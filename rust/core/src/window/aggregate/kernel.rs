//! The pass that adds a column of floats to cells, each a line of the cache.
//!
//! A cell's four sums are one vector and its extrema another, where the processor has vectors that wide; which it has is
//! asked at run time. Both ways give the same bits: nothing is contracted, and each cell sees its values in their order.

use std::hint::black_box;

use arrow_array::{Array, Float64Array};
use pulp::{Arch, NullaryFnOnce};

use super::SINK;
use super::numbers::Number;

/// What was added at once.
#[derive(Debug, Clone, Copy)]
pub struct Added {
    /// Rows.
    pub rows: usize,
    /// NaN among their values.
    pub nan: u64,
}

/// Rows whose validity is one word.
pub(super) const WORD: usize = 64;

/// Cells so far from each other are more than the caches near the processor hold.
const FAR: u32 = 1 << 14;

/// Adds floats from `start` on; `cell_of` gives a row's cell by what `rows` has of it. With `STOP`, ends before the
/// first row that goes to the sink.
pub(super) fn add_floats<const STOP: bool>(
    cells: &mut [Number],
    array: &Float64Array,
    start: usize,
    rows: &[u32],
    cell_of: impl Fn(u32) -> u32 + Copy,
) -> Added {
    let column = &array.values()[start..start + rows.len()];
    let valid = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let valid = valid.map(|valid| valid.inner().slice(start, rows.len()));
    let mut words = valid.as_ref().map(|valid| {
        let words = valid.bit_chunks();
        words.iter().chain(std::iter::once(words.remainder_bits()))
    });
    let mut added = Added { rows: 0, nan: 0 };
    let mut into = [SINK; WORD];
    let vectors = Arch::new();
    for (rows, values) in rows.chunks(WORD).zip(column.chunks(WORD)) {
        for (into, row) in into.iter_mut().zip(rows) {
            *into = cell_of(*row);
        }
        // Nearly always there is none: looked for many at a time, as many as a count no wider than a cell allows.
        let sinks = |count: u32, cell: &u32| count + u32::from(*cell == SINK);
        let unknown = STOP && into[..rows.len()].iter().fold(0, sinks) > 0;
        let count = if unknown { into.iter().take_while(|cell| **cell != SINK).count() } else { rows.len() };
        let (into, values) = (&mut into[..count], &values[..count]);
        let (first, last) =
            into.iter().fold((u32::MAX, 0), |(first, last), cell| (first.min(*cell), last.max(*cell)));
        if STOP && last.saturating_sub(first) >= FAR {
            // From each cell once, so that rows wait for memory together and not one after the other, and none of them
            // with the guess whether its cell has begun.
            black_box(into.iter().fold(false, |any, cell| any | cells[*cell as usize].has_begun()));
        }
        let there = words.as_mut().map_or(u64::MAX, |words| words.next().unwrap_or(0));
        let mut missing = !there;
        let any_nan = vectors.dispatch(
            #[inline(always)]
            || has_nan(values),
        );
        if any_nan {
            let bits = values.iter().enumerate();
            let nan = bits.fold(0, |bits, (at, value)| bits | u64::from(value.is_nan()) << at);
            added.nan += u64::from((nan & there).count_ones());
            missing |= nan;
        }
        // Their values go to the sink: which rows are null can't be predicted, so that a branch a row would cost more.
        while let Some(cell) = into.get_mut(missing.trailing_zeros() as usize) {
            cells[*cell as usize].nulls += 1;
            *cell = SINK;
            missing &= missing - 1;
        }
        add_each(vectors, cells, into, values);
        added.rows += count;
        if unknown {
            break;
        }
    }
    added
}

#[inline]
pub(super) fn has_nan(values: &[f64]) -> bool {
    values.iter().fold(false, |any, value| any | value.is_nan())
}

/// How a value is added to a cell that has begun.
pub(super) trait Adder: Copy {
    fn add(self, cell: &mut Number, value: f64);
}

/// As [`Number`] says itself.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Adder for Plain {
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn add(self, cell: &mut Number, value: f64) {
        cell.add_further(value);
    }
}

/// Adds each value to its cell.
#[cfg_attr(not(target_arch = "x86_64"), allow(unused_variables))]
fn add_each(vectors: Arch, cells: &mut [Number], into: &[u32], values: &[f64]) {
    #[cfg(target_arch = "x86_64")]
    if let Arch::V3(vectors) = vectors {
        vectors.vectorize(Each { adder: vectors, cells, into, values });
        return;
    }
    Each { adder: Plain, cells, into, values }.call();
}

struct Each<'a, A> {
    adder: A,
    cells: &'a mut [Number],
    into: &'a [u32],
    values: &'a [f64],
}

impl<A: Adder> NullaryFnOnce for Each<'_, A> {
    type Output = ();

    // Always, and without closures: what is called from here would not be compiled for the wider vectors.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn call(self) {
        let Self { adder, cells, into, values } = self;
        let mut at = 0;
        while at < into.len() && at < values.len() {
            let (cell, value) = (&mut cells[into[at] as usize], values[at]);
            at += 1;
            if !cell.has_begun() {
                cell.begin(value);
            }
            adder.add(cell, value);
        }
    }
}

/// By AVX2.
#[cfg(target_arch = "x86_64")]
impl Adder for pulp::x86::V3 {
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn add(self, cell: &mut Number, value: f64) {
        use pulp::cast;
        let Self { avx, sse2, .. } = self;
        let value = avx._mm256_set1_pd(value);
        let deviation = avx._mm256_sub_pd(value, avx._mm256_set1_pd(cell.pivot));
        let square = avx._mm256_mul_pd(deviation, deviation);
        let low = avx._mm256_blend_pd::<0b0010>(value, deviation);
        let high = avx._mm256_blend_pd::<0b1000>(square, avx._mm256_set1_pd(1.0));
        let terms = avx._mm256_blend_pd::<0b1100>(low, high);
        cell.sums = cast(avx._mm256_add_pd(cast(cell.sums), terms));
        let negative = sse2._mm_set_pd(-0.0, 0.0);
        let ends = sse2._mm_xor_pd(avx._mm256_castpd256_pd128(value), negative);
        cell.ends = cast(sse2._mm_min_pd(ends, cast(cell.ends)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::EMPTY;
    use super::*;

    #[test]
    fn every_way_to_add_gives_the_same_bits() {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 32
        };
        let odd = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -f64::MAX, 5e-324, -1e-310];
        for rows in [0, 1, 3, 63, 64] {
            for round in 0..200 {
                let into: Vec<u32> = (0..rows).map(|_| next() as u32 % 5).collect();
                let value = |bits: u64| match bits % 16 {
                    0 if round % 2 == 0 => odd[(bits >> 4) as usize % odd.len()],
                    _ => (bits as f64 - 2e9) * 1e-3,
                };
                let values: Vec<f64> = (0..rows).map(|_| value(next())).collect();
                let (mut by_one, mut at_once) = ([EMPTY; 5], [EMPTY; 5]);
                for (cell, value) in into.iter().zip(&values) {
                    by_one[*cell as usize].add(*value);
                }
                add_each(Arch::new(), &mut at_once, &into, &values);
                let bits = |cell: &Number| {
                    let floats = cell.sums.into_iter().chain(cell.ends).chain([cell.pivot]);
                    // Which NaN comes of infinities is the processor's choice.
                    floats.map(|float| if float.is_nan() { 0 } else { float.to_bits() }).collect::<Vec<_>>()
                };
                assert!(by_one.iter().zip(&at_once).all(|(one, other)| bits(one) == bits(other)));
            }
        }
    }
}
