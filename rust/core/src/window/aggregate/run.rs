//! The pass over a run: rows that lie in one window, one behind the other.
//!
//! That is what nearly all rows are where series are many times fewer than rows. A run's cells stand side by side in the
//! order of the dictionary's codes while it lasts, so that a code is a cell's place; times, codes and values are read
//! together, so that memory is waited for while values are added. Rows are taken in words, as many as have their validity
//! in one; what is left of the run, or doesn't fit it, is for the pass over [`super::Block`]s. Each row asks whether its cell
//! has begun only until all have.

use arrow_array::{Array, Float64Array};
use pulp::NullaryFnOnce;

use super::SINK;
use super::kernel::{Adder, Plain, WORD};
use super::numbers::{EMPTY, Number};
use crate::time::Timestamp;

/// Rows from one on, by columns.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Event times.
    pub times: &'a [Timestamp],
    /// The first time of the window, and the first after.
    pub within: (Timestamp, Timestamp),
    /// Codes of the series, less than there are cells.
    pub codes: &'a [u32],
    /// Values of the whole batch.
    pub values: &'a Float64Array,
    /// Where the first row is among them.
    pub start: usize,
}

/// What was added of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ran {
    /// Rows.
    pub rows: usize,
    /// The latest of their times.
    pub latest: Timestamp,
    /// NaN among their values.
    pub nan: u64,
}

impl Run<'_> {
    /// Adds the words up to the first row outside the window. `cells` has one for each code, and a sink behind them.
    pub fn add_to(self, cells: &mut [Number]) -> Ran {
        let mut all = Ran { rows: 0, latest: self.within.0, nan: 0 };
        loop {
            let rest = self.behind(all.rows);
            let series = cells.len() - 1;
            let ran = if cells[..series].iter().all(Number::has_begun) {
                rest.pass::<false>(cells)
            } else {
                let some = series.div_ceil(WORD).saturating_mul(ASK * WORD).min(rest.times.len());
                Self { times: &rest.times[..some], codes: &rest.codes[..some], ..rest }.pass::<true>(cells)
            };
            all.rows += ran.rows;
            all.latest = all.latest.max(ran.latest);
            all.nan += ran.nan;
            if ran.rows == 0 {
                return all;
            }
        }
    }

    /// What is left behind so many rows.
    fn behind(self, rows: usize) -> Self {
        Self { times: &self.times[rows..], codes: &self.codes[rows..], start: self.start + rows, ..self }
    }

    /// As [`Run::add_to`]; without `ASK`, all cells have begun.
    fn pass<const ASK: bool>(self, cells: &mut [Number]) -> Ran {
        #[cfg(target_arch = "x86_64")]
        if let pulp::Arch::V3(vectors) = pulp::Arch::new() {
            return vectors.vectorize(Pass::<_, ASK> { adder: vectors, run: self, cells });
        }
        Pass::<_, ASK> { adder: Plain, run: self, cells }.call()
    }
}

/// Rows a cell, about, after which it is asked anew whether all have begun.
const ASK: usize = 8;

struct Pass<'a, A, const ASK: bool> {
    adder: A,
    run: Run<'a>,
    cells: &'a mut [Number],
}

impl<A: Adder, const ASK: bool> NullaryFnOnce for Pass<'_, A, ASK> {
    type Output = Ran;

    // As all that is called from here: else it would not be compiled for the wider vectors.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn call(self) -> Ran {
        let Self { adder, run, cells } = self;
        let (from, to) = run.within;
        let mut ran = Ran { rows: 0, latest: from, nan: 0 };
        let (times, codes) = (run.times.as_chunks::<WORD>().0, run.codes.as_chunks::<WORD>().0);
        let values = run.values.values()[run.start..][..run.codes.len()].as_chunks::<WORD>().0;
        let nulls = run.values.nulls().filter(|nulls| nulls.null_count() > 0);
        let valid = nulls.map(|nulls| nulls.inner().slice(run.start, values.len() * WORD));
        let mut words = valid.as_ref().map(|valid| valid.bit_chunks().iter());
        let sink = cells.len() as u32 - 1;
        let mut after = 0;
        for ((times, codes), values) in times.iter().zip(codes).zip(values) {
            let furthest = furthest(times, from);
            if furthest >= to.wrapping_sub(from) as u64 {
                break;
            }
            after = if furthest > after { furthest } else { after };
            let there = match &mut words {
                Some(words) => words.next().unwrap_or(0),
                None => u64::MAX,
            };
            let mut missing = !there;
            if any_nan(values) {
                let nan = nan(values);
                ran.nan += u64::from((nan & there).count_ones());
                missing |= nan;
            }
            // One place more than rows, for what is not there.
            let mut into = [sink; WORD + 1];
            into[..WORD].copy_from_slice(codes);
            // Their values go to the sink. How many there are can't be predicted, but that there are few.
            let mut few = 0;
            while few < FEW {
                missing = pass_over(cells, &mut into, missing, sink);
                few += 1;
            }
            while missing != 0 {
                missing = pass_over(cells, &mut into, missing, sink);
            }
            let mut at = 0;
            while at < WORD {
                let (cell, value) = (&mut cells[into[at] as usize], values[at]);
                if ASK && !cell.has_begun() {
                    cell.begin(value);
                }
                adder.add(cell, value);
                at += 1;
            }
            ran.rows += WORD;
        }
        ran.latest = from.wrapping_add(after as i64);
        ran
    }
}

/// Rows without a value that most words don't have more of.
const FEW: usize = 3;

/// Counts the first row without a value, if there is one, and gives the others.
#[allow(clippy::inline_always)]
#[inline(always)]
fn pass_over(cells: &mut [Number], into: &mut [u32; WORD + 1], missing: u64, sink: u32) -> u64 {
    let cell = &mut into[missing.trailing_zeros() as usize];
    cells[*cell as usize].nulls += 1;
    *cell = sink;
    missing & missing.wrapping_sub(1)
}

/// How far the furthest time lies after `from`. What lies before is furthest.
#[allow(clippy::inline_always)]
#[inline(always)]
fn furthest(times: &[Timestamp; WORD], from: Timestamp) -> u64 {
    let (mut furthest, mut at) = (0, 0);
    while at < WORD {
        let after = times[at].wrapping_sub(from) as u64;
        furthest = if after > furthest { after } else { furthest };
        at += 1;
    }
    furthest
}

#[allow(clippy::inline_always)]
#[inline(always)]
fn any_nan(values: &[f64; WORD]) -> bool {
    let (mut any, mut at) = (false, 0);
    while at < WORD {
        any |= values[at].is_nan();
        at += 1;
    }
    any
}

/// Which of them are NaN, as bits.
#[cold]
fn nan(values: &[f64; WORD]) -> u64 {
    let bits = values.iter().enumerate();
    bits.fold(0, |bits, (at, value)| bits | u64::from(value.is_nan()) << at)
}

/// Copies the cells that codes lead to, each to one of its own or to the sink, in the order of codes; with a sink behind them.
pub(super) fn line_up(line: &mut Vec<Number>, cells: &mut [Number], by_code: &[u32]) {
    cells[SINK as usize] = EMPTY;
    line.clear();
    line.extend(by_code.iter().map(|cell| cells[*cell as usize]));
    line.push(EMPTY);
}

/// Puts them back.
pub(super) fn put_back(line: &[Number], cells: &mut [Number], by_code: &[u32]) {
    for (cell, number) in by_code.iter().zip(line) {
        cells[*cell as usize] = *number;
    }
    cells[SINK as usize] = EMPTY;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(cells: &[Number]) -> Vec<String> {
        cells.iter().map(|cell| format!("{cell:?}")).collect()
    }

    #[test]
    fn a_run_is_what_its_rows_are_one_by_one() {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        for round in 0..60_u64 {
            let (start, rows) = (next() as usize % 70, next() as usize % 400);
            let within = if round % 2 == 0 { (i64::MIN, i64::MAX) } else { (-1_000, 1_000) };
            let codes: Vec<u32> = (0..rows).map(|_| next() as u32 % 3).collect();
            let mut times: Vec<i64> = (0..rows).map(|_| next() as i64 % 2_000 - 1_000).collect();
            let outside = next() as usize % 800;
            if let Some(time) = times.get_mut(outside).filter(|_| round % 2 == 1) {
                *time = if round % 4 == 1 { -1_001 } else { 1_000 };
            }
            let value = |bits: u64| match bits % 64 {
                0 if round % 3 == 0 => f64::NAN,
                1 => f64::INFINITY,
                2 => -0.0,
                _ => bits as f64 * 1e-3,
            };
            let values: Vec<f64> = (0..start + rows).map(|_| value(next())).collect();
            let often = [1, 40, 2][round as usize % 3];
            let there: Vec<bool> = (0..start + rows).map(|_| often == 1 || next() % often != 0).collect();
            let array = Float64Array::new(values.clone().into(), Some(there.clone().into()));
            let run = Run { times: &times, within, codes: &codes, values: &array, start };

            let mut cells = vec![EMPTY; 4];
            let begun = [3, 2, 0][next() as usize % 3];
            cells.iter_mut().take(begun).for_each(|cell| cell.add(5.0));
            let mut expected = cells.clone();
            let added = times.iter().position(|time| !(within.0..within.1).contains(time)).unwrap_or(rows);
            let added = added / WORD * WORD;
            let mut nan = 0;
            for row in 0..added {
                let (cell, value) = (&mut expected[codes[row] as usize], values[start + row]);
                if there[start + row] && !value.is_nan() {
                    cell.add(value);
                } else {
                    cell.nulls += 1;
                }
                nan += u64::from(there[start + row] && value.is_nan());
            }
            let latest = times[..added].iter().fold(within.0, |latest, time| latest.max(*time));
            let mut plain = cells.clone();
            let by_one = Pass::<_, true> { adder: Plain, run, cells: &mut plain }.call();
            let ran = run.add_to(&mut cells);
            for (ran, cells) in [(ran, cells), (by_one, plain)] {
                assert_eq!((ran.rows, ran.latest, ran.nan), (added, latest, nan));
                assert_eq!(bits(&cells[..3]), bits(&expected[..3]));
            }
        }
    }

    #[test]
    fn cells_that_lined_up_go_back_to_where_they_were() {
        let mut cells = vec![EMPTY; 4];
        (0..).zip(&mut cells).for_each(|(value, cell)| cell.add(f64::from(value)));
        let (before, mut line) = (cells.clone(), Vec::new());
        line_up(&mut line, &mut cells, &[3, SINK, 1]);
        assert_eq!(line, [before[3], EMPTY, before[1], EMPTY]);
        line[1].add(7.0);
        put_back(&line, &mut cells, &[3, SINK, 1]);
        assert_eq!(cells, [&[EMPTY], &before[1..]].concat());
    }
}
