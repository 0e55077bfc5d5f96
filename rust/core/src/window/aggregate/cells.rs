//! The state of many cells.

use serde::{Deserialize, Serialize};

use super::numbers::{Number, Numbers};
use super::{Plan, SINK, Store};
use crate::room;

/// Cells and their state. Freed cells are used again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Cells {
    stores: Vec<Store>,
    numbers: Vec<Numbers>,
    free: Vec<u32>,
    len: u32,
    /// Cells that all stores have room for.
    room: usize,
    /// Cells that may be needed.
    expected: usize,
}

/// Cells as snapshots keep them: one store an accumulator.
#[derive(Serialize, Deserialize)]
struct Stored {
    stores: Vec<Store>,
    free: Vec<u32>,
    len: u32,
}

impl From<Cells> for Stored {
    fn from(mut cells: Cells) -> Self {
        cells.numbers.iter().for_each(|numbers| numbers.part(&mut cells.stores));
        Self { stores: cells.stores, free: cells.free, len: cells.len }
    }
}

impl From<Stored> for Cells {
    fn from(stored: Stored) -> Self {
        let room = stored.stores.iter().map(Store::len).min().unwrap_or(0);
        Self {
            stores: stored.stores,
            numbers: Vec::new(),
            free: stored.free,
            len: stored.len,
            room,
            expected: 0,
        }
    }
}

impl Cells {
    /// No cells but the sink.
    pub fn new(plan: &Plan) -> Self {
        let mut cells = Self {
            stores: plan.stores(),
            numbers: plan.numbers(),
            free: Vec::new(),
            len: 0,
            room: 0,
            expected: 0,
        };
        cells.allocate();
        cells
    }

    /// A fresh cell.
    pub fn allocate(&mut self) -> u32 {
        if let Some(cell) = self.free.pop() {
            return cell;
        }
        let cell = self.len;
        self.len += 1;
        self.make_room();
        cell
    }

    /// So many more cells may be needed soon.
    pub fn expect(&mut self, more: usize) {
        self.expected = (self.len as usize).saturating_add(more);
    }

    /// Stores grow in steps, so that this is rarely more than a comparison.
    fn make_room(&mut self) {
        if self.len as usize > self.room {
            self.room = (self.len as usize).max(self.room + self.room / 2).max(16);
            self.stores.iter_mut().for_each(|store| store.resize(self.room));
            // The last step may go beyond what is expected, by half of it.
            let aside = room::ahead(self.room, self.expected.saturating_add(self.expected / 2));
            self.numbers.iter_mut().for_each(|numbers| numbers.resize(self.room, aside));
        }
    }

    fn reset(&mut self, cell: u32) {
        self.stores.iter_mut().for_each(|store| store.reset(cell));
        self.numbers.iter_mut().for_each(|numbers| numbers.reset(cell));
    }

    /// Forgets what a cell holds and lets it be used again.
    pub fn release(&mut self, cell: u32) {
        self.reset(cell);
        self.free.push(cell);
    }

    /// Forgets what the sink has swallowed.
    pub fn drain_sink(&mut self) {
        self.reset(SINK);
    }

    /// Cells in use, the sink apart.
    pub fn in_use(&self) -> usize {
        self.len as usize - 1 - self.free.len()
    }

    /// Adds the state of another set's cell.
    pub fn merge(&mut self, into: u32, other: &Self, from: u32) {
        self.join_as(other);
        for (at, numbers) in self.numbers.iter_mut().enumerate() {
            numbers.merge(into, other.numbers.get(at), &other.stores, from);
        }
        for (store, other) in self.stores.iter_mut().zip(&other.stores) {
            store.merge(into, other, from);
        }
    }

    /// Joins what another set has joined.
    fn join_as(&mut self, other: &Self) {
        for (numbers, others) in self.numbers.iter_mut().zip(&other.numbers) {
            if others.is_joined() {
                numbers.join(&mut self.stores, self.room);
            }
        }
    }

    /// The stores, in the order of the plan's accumulators.
    pub fn stores(&self) -> &[Store] {
        &self.stores
    }

    /// The stores, for kernels.
    pub fn stores_mut(&mut self) -> &mut [Store] {
        &mut self.stores
    }

    /// Where an accumulator shares its state with others: that state.
    pub fn numbers(&self, accumulator: usize) -> Option<&[Number]> {
        self.numbers.iter().find(|numbers| numbers.holds(accumulator)).and_then(Numbers::cells)
    }

    /// Whether a group's state is in one place.
    #[inline]
    pub fn is_joined(&self, group: usize) -> bool {
        self.numbers.get(group).is_some_and(Numbers::is_joined)
    }

    /// A group's state, for kernels; `join`: from now on it is in one place.
    pub fn group_mut(&mut self, group: usize, join: bool) -> Option<&mut Numbers> {
        let numbers = self.numbers.get_mut(group)?;
        if join {
            numbers.join(&mut self.stores, self.room);
        }
        numbers.is_joined().then_some(numbers)
    }

    /// So many cells behind a sink, whose state is to be filled in.
    fn of(cells: usize) -> Self {
        Self {
            stores: Vec::new(),
            numbers: Vec::new(),
            free: Vec::new(),
            len: cells as u32 + 1,
            room: cells + 1,
            expected: 0,
        }
    }

    /// Copies cells out, in the given order; in the result they are cells 1, 2, 3, ...
    #[must_use]
    pub fn copy(&self, cells: &[u32]) -> Self {
        Self {
            stores: self.stores.iter().map(|store| store.gather(cells)).collect(),
            numbers: self.numbers.iter().map(|numbers| numbers.gather(cells)).collect(),
            ..Self::of(cells.len())
        }
    }

    /// As [`Cells::copy`], and releases them.
    #[must_use]
    pub fn extract(&mut self, cells: &[u32]) -> Self {
        let out = Self {
            stores: self.stores.iter().map(|store| store.gather(cells)).collect(),
            numbers: self.numbers.iter_mut().map(|numbers| numbers.extract(cells)).collect(),
            ..Self::of(cells.len())
        };
        for store in self.stores.iter_mut().filter(|store| !matches!(store, Store::Grouped)) {
            cells.iter().for_each(|cell| store.reset(*cell));
        }
        self.free.extend_from_slice(cells);
        out
    }

    /// Makes room for exactly so many more, as another set has them.
    pub fn reserve(&mut self, more: usize, other: &Self) {
        self.join_as(other);
        self.room = self.room.max(self.len as usize + more);
        self.stores.iter_mut().for_each(|store| store.resize(self.room));
        self.numbers.iter_mut().for_each(|numbers| numbers.resize(self.room, self.room));
    }

    /// Copies cells of another set, by their places behind its sink, and gives the first of the copies.
    pub fn append(&mut self, other: &Self, places: &[u32]) -> u32 {
        self.join_as(other);
        let at = self.len;
        self.len += places.len() as u32;
        self.make_room();
        let cells = || places.iter().map(|place| place + 1);
        for (numbers, others) in self.numbers.iter_mut().zip(&other.numbers) {
            numbers.copy(at, others, &other.stores, cells());
        }
        for (store, others) in self.stores.iter_mut().zip(&other.stores) {
            if !matches!(store, Store::Grouped) {
                (at..).zip(cells()).for_each(|(into, cell)| store.merge(into, others, cell));
            }
        }
        at
    }

    /// Whether this set could have been made by the plan; for state that comes from outside.
    pub fn fits(&self, plan: &Plan) -> bool {
        let stores = plan.stores();
        self.len >= 1
            && self.free.is_empty()
            && self.stores.len() == stores.len()
            && self
                .stores
                .iter()
                .zip(&stores)
                .all(|(store, like)| store.is_like(like) && store.len() >= self.len as usize)
    }

    /// The set as snapshots keep it, whether or not it is one's bytes that it goes to.
    #[must_use]
    pub fn parted(self) -> Self {
        Self::from(Stored::from(self))
    }

    /// A set that fits the plan, as one that was made by it.
    #[must_use]
    pub fn grouped(self, plan: &Plan) -> Self {
        Self { numbers: plan.numbers(), ..self }
    }

    /// Cells that ever were, the sink included.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is nothing but the sink.
    pub fn is_empty(&self) -> bool {
        self.in_use() == 0
    }
}
