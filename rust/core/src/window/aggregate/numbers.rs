//! Counts, sums, extrema and moments of one float column, side by side.
//!
//! Each has a store of its own and can do without the others. Where several of them read the same column and filter,
//! a cell's share of all lies in one line of the cache from the first float on, and one pass adds a row to all of it.

use arrow_array::Float64Array;
use bytemuck::{Pod, Zeroable};

use super::count::Counts;
use super::extrema::{Extrema, FloatRange};
use super::kernel::{Added, add_floats};
use super::moments::{Moment, Moments, spread};
use super::run;
use super::sum::{FloatSum, Sums};
use super::{Block, Store, number, scalar_number};
use crate::column::{Scalar, Values};
use crate::large::Large;

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

/// One cell: a line of the cache. What is added to with every value is half of it, for one instruction.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Number {
    /// Least value, and least of the values' negatives.
    pub(super) ends: [f64; 2],
    pub(super) pivot: f64,
    /// Rows without a value.
    pub(super) nulls: u64,
    /// Of the values, of their deviations from the pivot, of the deviations' squares, and of ones: how many values.
    pub(super) sums: [f64; 4],
}

pub(super) const EMPTY: Number = Number { ends: [f64::INFINITY; 2], pivot: 0.0, nulls: 0, sums: [0.0; 4] };

impl Number {
    /// Adds a value.
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        if !self.has_begun() {
            self.begin(value);
        }
        self.add_further(value);
    }

    /// Whether a value was added.
    #[inline]
    pub(super) fn has_begun(&self) -> bool {
        // A positive zero, as an integer: nothing was added yet.
        self.sums[3].to_bits() != 0
    }

    /// Adds a value that is not the first.
    #[inline]
    pub(super) fn add_further(&mut self, value: f64) {
        let deviation = value - self.pivot;
        let terms = [value, deviation, deviation * deviation, 1.0];
        for (sum, term) in self.sums.iter_mut().zip(terms) {
            *sum += term;
        }
        let least = |end: f64, value: f64| if value < end { value } else { end };
        self.ends = [least(self.ends[0], value), least(self.ends[1], -value)];
    }

    /// The first value is the pivot, if it is finite.
    #[cold]
    pub(super) fn begin(&mut self, value: f64) {
        self.pivot = if value.is_finite() { value } else { 0.0 };
    }

    fn add_row(&mut self, value: Option<f64>) {
        match value {
            Some(value) => self.add(value),
            None => self.nulls += 1,
        }
    }

    /// Rows.
    pub fn rows(&self) -> u64 {
        self.nulls + self.values()
    }

    /// Values.
    pub fn values(&self) -> u64 {
        self.sums[3] as u64
    }

    /// Whether there are so many values.
    #[inline]
    pub(super) fn has(&self, values: f64) -> bool {
        self.sums[3] >= values
    }

    /// Whether there is a least and a greatest value. Alone, they come back from a snapshot without a count.
    #[inline]
    pub(super) fn has_ends(&self) -> bool {
        self.ends[0] <= -self.ends[1]
    }

    /// Their mean, where there is one. As [`FloatSum::mean`]: a count is the same number as a float.
    #[inline]
    pub(super) fn mean(&self) -> f64 {
        self.sums[0] / self.sums[3]
    }

    /// Their sample variance, where there are two, as [`Moment::variance`].
    #[inline]
    pub(super) fn variance(&self) -> f64 {
        spread(self.sums[3], self.sums[1], self.sums[2]) / (self.sums[3] - 1.0)
    }

    /// Their sum.
    pub fn sum(&self) -> FloatSum {
        FloatSum { count: self.values(), sum: self.sums[0] }
    }

    /// Their extrema.
    pub fn range(&self) -> FloatRange {
        FloatRange { min: self.ends[0], max: -self.ends[1] }
    }

    /// Their moments.
    pub fn moment(&self) -> Moment {
        Moment { count: self.values(), pivot: self.pivot, sum: self.sums[1], squares: self.sums[2] }
    }

    fn merge(&mut self, other: &Self) {
        let (mut sum, mut range, mut moment) = (self.sum(), self.range(), self.moment());
        sum.merge(other.sum());
        range.merge(other.range());
        moment.merge(&other.moment());
        *self = Self {
            sums: [sum.sum, moment.sum, moment.squares, sum.count as f64],
            ends: [range.min, -range.max],
            pivot: moment.pivot,
            nulls: self.nulls + other.nulls,
        };
    }

    /// From the state that a group's accumulators hold each on its own.
    fn from_stores(group: &Group, stores: &[Store], cell: u32) -> Self {
        let mut number = EMPTY;
        let mut rows = None;
        for member in group.members() {
            match &stores[member] {
                Store::Counts(store) if group.rows == Some(member) => rows = Some(store.get(cell)),
                Store::Counts(store) => number.sums[3] = store.get(cell) as f64,
                Store::Sums(store) => {
                    let sum = store.float(cell);
                    number.sums[3] = sum.count as f64;
                    number.sums[0] = sum.sum;
                }
                Store::Extrema(store) => {
                    let range = store.float(cell);
                    number.ends = [range.min, -range.max];
                }
                Store::Moments(store) => {
                    let moment = store.moment(cell);
                    number.sums[1..].copy_from_slice(&[moment.sum, moment.squares, moment.count as f64]);
                    number.pivot = moment.pivot;
                }
                _ => {}
            }
        }
        // Extrema don't count values: then all rows count as without, which nobody reads apart.
        number.nulls = rows.map_or(0, |rows| rows.saturating_sub(number.values()));
        number
    }
}

/// The cells of one group.
#[derive(Debug, Clone)]
pub struct Numbers {
    group: Group,
    /// None before the first float column: until then its accumulators hold their state themselves.
    cells: Option<Large<Number>>,
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
        let number = |cell| Number::from_stores(&self.group, stores, cell);
        self.cells = Some((0..room as u32).map(number).collect::<Vec<_>>().into());
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
        self.cells.iter_mut().for_each(|known| known.lengthen(cells, aside, EMPTY));
    }

    /// Forgets what a cell holds.
    pub fn reset(&mut self, cell: u32) {
        self.cells.iter_mut().for_each(|cells| cells[cell as usize] = EMPTY);
    }

    /// The chosen cells, behind a sink.
    pub fn gather(&self, cells: &[u32]) -> Self {
        let gather = |known: &Large<Number>| super::gather(known, EMPTY, cells).into();
        Self { group: self.group, cells: self.cells.as_ref().map(gather) }
    }

    /// As [`Numbers::gather`], and forgets them here.
    pub fn extract(&mut self, cells: &[u32]) -> Self {
        let extract = |known: &mut Large<Number>| {
            let known = &mut known[..];
            let mut out = Vec::with_capacity(cells.len() + 1);
            out.push(EMPTY);
            out.extend(cells.iter().map(|cell| std::mem::replace(&mut known[*cell as usize], EMPTY)));
            out.into()
        };
        Self { group: self.group, cells: self.cells.as_mut().map(extract) }
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

    /// Copies another set's cells to those from `at` on, which are empty. The other's state is there, or in `stores`.
    pub fn copy(&mut self, at: u32, other: &Self, stores: &[Store], cells: impl Iterator<Item = u32>) {
        let Some(known) = &mut self.cells else { return };
        let into = known[at as usize..].iter_mut().zip(cells);
        match &other.cells {
            Some(others) => {
                let others = &others[..];
                into.for_each(|(into, cell)| *into = others[cell as usize]);
            }
            None => into.for_each(|(into, cell)| *into = Number::from_stores(&self.group, stores, cell)),
        }
    }

    /// Adds a block of rows.
    pub fn add(&mut self, block: &Block<'_>, values: &Values) {
        let Some(cells) = self.cells.as_deref_mut() else { return };
        match values {
            Values::Float(array) => {
                add_floats::<false>(cells, array, block.start, block.cells, |cell| cell);
            }
            _ => {
                for (at, cell) in block.cells.iter().enumerate() {
                    cells[*cell as usize].add_row(number(values, block.start + at));
                }
            }
        }
    }

    /// Adds rows from `start` on whose cells a table has by `codes`, up to the first that it has none for.
    pub fn add_coded(&mut self, array: &Float64Array, start: usize, codes: &[u32], table: &[u32]) -> Added {
        let Some(cells) = self.cells.as_deref_mut() else { return Added { rows: codes.len(), nan: 0 } };
        add_floats::<true>(cells, array, start, codes, |code: u32| table[code as usize])
    }

    /// Copies the cells that a table has by codes, for a run.
    pub fn line_up(&mut self, line: &mut Vec<Number>, table: &[u32]) {
        self.cells.iter_mut().for_each(|cells| run::line_up(line, cells, table));
    }

    /// Puts them back, behind it.
    pub fn put_back(&mut self, line: &[Number], table: &[u32]) {
        self.cells.iter_mut().for_each(|cells| run::put_back(line, cells, table));
    }

    /// Adds one value that is not NaN.
    #[inline]
    pub fn add_float(&mut self, cell: u32, value: f64) {
        self.cells.iter_mut().for_each(|cells| cells[cell as usize].add(value));
    }

    /// Adds one row.
    pub fn add_one(&mut self, cell: u32, value: &Scalar) {
        self.cells.iter_mut().for_each(|cells| cells[cell as usize].add_row(scalar_number(value)));
    }
}
