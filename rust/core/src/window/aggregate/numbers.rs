//! Counts, sums, extrema and moments of one float column, side by side.
//!
//! Each has a store of its own and can do without the others. Where several of them read the same column and filter,
//! a cell's share of all lies in one line of the cache from the first float on, and one pass adds a row to all of it.

use arrow_array::{Array, Float64Array};

use super::count::Counts;
use super::extrema::{Extrema, FloatRange};
use super::moments::{Moment, Moments};
use super::sum::{FloatSum, Sums};
use super::{Block, SINK, Store, number, scalar_number};
use crate::column::{Scalar, Values};

/// Accumulators that one pass can feed: of the same column and filter, by their place in the plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// Of rows, whatever they hold.
    pub rows: Option<usize>,
    /// Of values.
    pub values: Option<usize>,
    /// Of sums.
    pub sums: Option<usize>,
    /// Of extrema.
    pub extrema: Option<usize>,
    /// Of moments.
    pub moments: Option<usize>,
}

impl Group {
    /// The accumulators.
    pub fn members(&self) -> impl Iterator<Item = usize> {
        [self.rows, self.values, self.sums, self.extrema, self.moments].into_iter().flatten()
    }
}

/// One cell: a line of the cache. Pairs are added by one instruction each.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Number {
    /// Rows without a value, and with one.
    counts: [u64; 2],
    /// Of the values, and of their deviations from the pivot.
    sums: [f64; 2],
    /// Least value, and least of the values' negatives.
    ends: [f64; 2],
    /// Sum of the deviations' squares.
    squares: f64,
    pivot: f64,
}

const EMPTY: Number =
    Number { counts: [0; 2], sums: [0.0; 2], ends: [f64::INFINITY; 2], squares: 0.0, pivot: 0.0 };

impl Number {
    /// Adds a value to all but the counts.
    #[inline]
    fn add(&mut self, value: f64) {
        let deviation = value - self.pivot;
        let (terms, ends) = ([value, deviation], [value, -value]);
        for (at, term) in terms.iter().enumerate() {
            self.sums[at] += term;
        }
        for (at, value) in ends.iter().enumerate() {
            self.ends[at] = if *value < self.ends[at] { *value } else { self.ends[at] };
        }
        self.squares += deviation * deviation;
    }

    /// The first value is the pivot, if it is finite.
    #[cold]
    fn begin(&mut self, there: bool, value: f64) {
        self.pivot = if there && value.is_finite() { value } else { 0.0 };
    }

    /// Counts a row with or without a value.
    #[inline]
    fn count(&mut self, there: bool, value: f64) {
        if self.counts[1] == 0 {
            self.begin(there, value);
        }
        self.counts[usize::from(there)] += 1;
    }

    fn add_row(&mut self, value: Option<f64>) {
        self.count(value.is_some(), value.unwrap_or(0.0));
        value.into_iter().for_each(|value| self.add(value));
    }

    /// Rows.
    pub fn rows(&self) -> u64 {
        self.counts[0] + self.counts[1]
    }

    /// Values.
    pub fn values(&self) -> u64 {
        self.counts[1]
    }

    /// Their sum.
    pub fn sum(&self) -> FloatSum {
        FloatSum { count: self.counts[1], sum: self.sums[0] }
    }

    /// Their extrema.
    pub fn range(&self) -> FloatRange {
        FloatRange { min: self.ends[0], max: -self.ends[1] }
    }

    /// Their moments.
    pub fn moment(&self) -> Moment {
        Moment { count: self.counts[1], pivot: self.pivot, sum: self.sums[1], squares: self.squares }
    }

    fn merge(&mut self, other: &Self) {
        let (mut sum, mut range, mut moment) = (self.sum(), self.range(), self.moment());
        sum.merge(other.sum());
        range.merge(other.range());
        moment.merge(&other.moment());
        *self = Self {
            counts: [self.counts[0] + other.counts[0], sum.count],
            sums: [sum.sum, moment.sum],
            ends: [range.min, -range.max],
            squares: moment.squares,
            pivot: moment.pivot,
        };
    }

    /// From the state that a group's accumulators hold each on its own.
    fn from_stores(group: &Group, stores: &[Store], cell: u32) -> Self {
        let mut number = EMPTY;
        let mut rows = None;
        for member in group.members() {
            match &stores[member] {
                Store::Counts(store) if group.rows == Some(member) => rows = Some(store.get(cell)),
                Store::Counts(store) => number.counts[1] = store.get(cell),
                Store::Sums(store) => {
                    let sum = store.float(cell);
                    number.counts[1] = sum.count;
                    number.sums[0] = sum.sum;
                }
                Store::Extrema(store) => {
                    let range = store.float(cell);
                    number.ends = [range.min, -range.max];
                }
                Store::Moments(store) => {
                    let moment = store.moment(cell);
                    number.counts[1] = moment.count;
                    (number.sums[1], number.squares, number.pivot) =
                        (moment.sum, moment.squares, moment.pivot);
                }
                _ => {}
            }
        }
        // Extrema don't count values: then all rows count as without, which nobody reads apart.
        number.counts[0] = rows.map_or(0, |rows| rows.saturating_sub(number.counts[1]));
        number
    }
}

/// The cells of one group.
#[derive(Debug, Clone)]
pub struct Numbers {
    group: Group,
    /// None before the first float column: until then its accumulators hold their state themselves.
    cells: Option<Vec<Number>>,
}

impl Numbers {
    /// Nothing there yet.
    pub fn new(group: Group) -> Self {
        Self { group, cells: None }
    }

    /// Whether one of its accumulators is this one, and the state is here.
    pub fn holds(&self, accumulator: usize) -> bool {
        self.is_joined() && self.group.members().any(|member| member == accumulator)
    }

    /// Whether the state is here.
    pub fn is_joined(&self) -> bool {
        self.cells.is_some()
    }

    /// Takes the state of its accumulators.
    pub fn join(&mut self, stores: &mut [Store], room: usize) {
        if self.cells.is_some() {
            return;
        }
        self.cells =
            Some((0..room as u32).map(|cell| Number::from_stores(&self.group, stores, cell)).collect());
        self.group.members().for_each(|member| stores[member] = Store::Grouped);
    }

    /// Gives copies of their state back to the accumulators.
    pub fn part(&self, stores: &mut [Store]) {
        let Some(cells) = &self.cells else { return };
        for member in self.group.members() {
            let at = Some(member);
            stores[member] = if self.group.rows == at {
                Store::Counts(Counts::from_cells(cells.iter().map(Number::rows)))
            } else if self.group.values == at {
                Store::Counts(Counts::from_cells(cells.iter().map(Number::values)))
            } else if self.group.sums == at {
                Store::Sums(Sums::from_cells(cells.iter().map(Number::sum)))
            } else if self.group.extrema == at {
                Store::Extrema(Extrema::from_cells(cells.iter().map(Number::range)))
            } else {
                Store::Moments(Moments::from_cells(cells.iter().map(Number::moment)))
            };
        }
    }

    /// The cells, once they are here.
    pub fn cells(&self) -> Option<&[Number]> {
        self.cells.as_deref()
    }

    /// Makes room; where that moves the cells, sets more aside.
    pub fn resize(&mut self, cells: usize, aside: usize) {
        let Some(known) = &mut self.cells else { return };
        if known.capacity() < cells {
            known.reserve_exact(aside.max(cells).saturating_sub(known.len()));
        }
        known.resize(cells, EMPTY);
    }

    /// Forgets what a cell holds.
    pub fn reset(&mut self, cell: u32) {
        self.cells.iter_mut().for_each(|cells| cells[cell as usize] = EMPTY);
    }

    /// The chosen cells, behind a sink.
    pub fn gather(&self, cells: &[u32]) -> Self {
        let gather = |known: &Vec<Number>| super::gather(known, EMPTY, cells);
        Self { group: self.group, cells: self.cells.as_ref().map(gather) }
    }

    /// Adds another set's cell. Both sets' state is here, or `stores` is where the other's is.
    pub fn merge(&mut self, into: u32, other: Option<&Self>, stores: &[Store], from: u32) {
        let Some(cells) = &mut self.cells else { return };
        let other = match other.and_then(Self::cells) {
            Some(others) => others[from as usize],
            None => Number::from_stores(&self.group, stores, from),
        };
        cells[into as usize].merge(&other);
    }

    /// Copies another set's cells from the second on to the cells from `at` on, which are empty.
    pub fn copy(&mut self, at: usize, others: &[Number]) {
        if let Some(cells) = &mut self.cells {
            cells[at..at + others.len() - 1].copy_from_slice(&others[1..]);
        }
    }

    /// Adds a block of rows; `nan`: there may be NaN among their values.
    pub fn add(&mut self, block: &Block<'_>, values: &Values, nan: bool) {
        let Some(cells) = self.cells.as_deref_mut() else { return };
        match values {
            Values::Float(array) => {
                add_floats::<false>(cells, array, block.start, block.cells, nan, |cell| cell);
            }
            _ => {
                for (at, cell) in block.cells.iter().enumerate() {
                    cells[*cell as usize].add_row(number(values, block.start + at));
                }
            }
        }
    }

    /// Adds rows from `start` on whose cells a table has by `codes`, up to the first that it has none for. Gives their
    /// number.
    pub fn add_coded(
        &mut self,
        array: &Float64Array,
        start: usize,
        codes: &[u32],
        table: &[u32],
        nan: bool,
    ) -> usize {
        let Some(cells) = self.cells.as_deref_mut() else { return codes.len() };
        add_floats::<true>(cells, array, start, codes, nan, |code: u32| table[code as usize])
    }

    /// Adds one row.
    pub fn add_one(&mut self, cell: u32, value: &Scalar) {
        self.cells.iter_mut().for_each(|cells| cells[cell as usize].add_row(scalar_number(value)));
    }
}

/// Adds floats from `start` on; `cell_of` gives a row's cell by what `rows` has of it. With `STOP`, ends before the
/// first row that goes to the sink. Gives the number of rows.
fn add_floats<const STOP: bool>(
    cells: &mut [Number],
    array: &Float64Array,
    start: usize,
    rows: &[u32],
    nan: bool,
    cell_of: impl Fn(u32) -> u32 + Copy,
) -> usize {
    let column = &array.values()[start..start + rows.len()];
    let valid = array.nulls().filter(|nulls| nulls.null_count() > 0);
    let valid = valid.map(|valid| valid.inner().slice(start, rows.len()));
    let mut words = valid.as_ref().map(|valid| {
        let words = valid.bit_chunks();
        words.iter().chain(std::iter::once(words.remainder_bits()))
    });
    for (at, (rows, values)) in rows.chunks(64).zip(column.chunks(64)).enumerate() {
        let mut there = words.as_mut().map_or(u64::MAX, |words| words.next().unwrap_or(0));
        if nan {
            let bits = values.iter().enumerate();
            there &= bits.fold(0, |bits, (at, value)| bits | u64::from(!value.is_nan()) << at);
        }
        let added = add_word::<STOP>(cells, rows, values, there, cell_of);
        if added < rows.len() {
            return 64 * at + added;
        }
    }
    rows.len()
}

/// As [`add_floats`], of the rows of one word of validity. Kept apart for the sake of its registers.
#[inline(never)]
fn add_word<const STOP: bool>(
    cells: &mut [Number],
    rows: &[u32],
    values: &[f64],
    mut there: u64,
    cell_of: impl Fn(u32) -> u32,
) -> usize {
    for (at, (row, value)) in rows.iter().zip(values).enumerate() {
        let cell = cell_of(*row);
        if STOP && cell == SINK {
            return at;
        }
        let one = there & 1;
        there >>= 1;
        cells[cell as usize].count(one == 1, *value);
        // Which rows are null can't be predicted: their values go to the sink by a mask, not by a branch.
        cells[(cell & 0_u32.wrapping_sub(one as u32)) as usize].add(*value);
    }
    rows.len()
}

const _: () = assert!(SINK == 0, "a mask of no bits is the sink");
