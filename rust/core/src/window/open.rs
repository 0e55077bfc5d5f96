//! A window while its lane holds it open, and the share of it that is handed over.

use ahash::RandomState;
use hashbrown::{HashMap, HashSet};
use serde::{Deserialize, Serialize};

use super::aggregate::{Cells, SINK};
use super::assign::Window;
use super::spec::Spec;
use crate::room;
use crate::time::Timestamp;

/// One lane's share of one window: the rows it read before its watermark reached the end, or some that it read
/// after.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Partial {
    /// The window's start.
    pub start: Timestamp,
    /// The window's end.
    pub end: Timestamp,
    /// Whether the rows came before the lane's watermark had reached the end.
    pub on_time: bool,
    /// The lane's ids of the series; the `i`-th has cell `i + 1`.
    pub keys: Vec<u32>,
    /// Their state.
    pub cells: Cells,
    /// The lane's ids of the sources that were alive in the window.
    pub alive: Vec<u32>,
}

/// Cells of one window by series: a flat table as far as that is an eighth full, so that a series takes at most 64
/// bytes of it, and a hashed one for the others.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    flat: Vec<u32>,
    sparse: HashMap<u32, u32, RandomState>,
    len: usize,
}

/// Series and window start of each cell, where something asks for them.
#[derive(Debug)]
pub struct Origins {
    asked: bool,
    of_cell: Vec<(u32, Timestamp)>,
}

impl Origins {
    /// None yet.
    pub fn new(asked: bool) -> Self {
        Self { asked, of_cell: Vec::new() }
    }

    /// A cell's.
    pub fn get(&self, cell: u32) -> (u32, Timestamp) {
        self.of_cell[cell as usize]
    }

    /// Takes note of a cell.
    #[inline]
    fn set(&mut self, cell: u32, key: u32, start: Timestamp) {
        if !self.asked {
            return;
        }
        if self.of_cell.len() <= cell as usize {
            self.of_cell.resize(cell as usize + 1, (0, 0));
        }
        self.of_cell[cell as usize] = (key, start);
    }

    /// Makes room for so many more, where there are likely to be as many as `expected`.
    pub fn reserve(&mut self, more: usize, expected: usize) {
        if self.asked {
            room::reserve(&mut self.of_cell, more, expected);
        }
    }
}

/// Ids that are always in the flat table.
const FLAT: usize = 1_024;
/// Series from which a window is expected to have as many as the one before.
const SOME: usize = 16;
/// Ids in the flat table for each that is there.
const SPREAD: usize = 8;

impl Pages {
    /// A series' cell; the sink where it has none.
    #[inline]
    pub fn get(&self, key: u32) -> u32 {
        match self.flat.get(key as usize) {
            Some(cell) => *cell,
            None if self.sparse.is_empty() => SINK,
            None => self.sparse.get(&key).copied().unwrap_or(SINK),
        }
    }

    /// Forgets all cells, and keeps the flat table's room.
    fn clear(&mut self) {
        self.flat.fill(SINK);
        self.sparse.clear();
        self.len = 0;
    }

    /// Notes the cell of a series that has none.
    fn set(&mut self, key: u32, cell: u32) {
        self.len += 1;
        let at = key as usize;
        if at >= self.flat.len() {
            if at >= FLAT && at >= SPREAD * self.len {
                self.sparse.insert(key, cell);
                return;
            }
            self.flat.resize((at + 1).next_power_of_two(), SINK);
            let flat = &mut self.flat;
            self.sparse.retain(|key, cell| match flat.get_mut(*key as usize) {
                Some(place) => {
                    *place = *cell;
                    false
                }
                None => true,
            });
        }
        self.flat[at] = cell;
    }
}

/// An open window: which series have which cells.
#[derive(Debug, Clone)]
pub struct Open {
    /// Its number among all that its lane ever opened.
    pub number: u64,
    /// Its start and end.
    pub window: Window,
    /// The times that are known to belong to it without asking.
    pub sure: Window,
    /// Opened before the watermark reached the end.
    pub on_time: bool,
    /// What it is likely to take.
    expected: Room,
    /// Cells by series.
    pub pages: Pages,
    /// In the order in which their cells were made.
    pub keys: Vec<u32>,
    /// Their cells.
    pub cells: Vec<u32>,
    /// Sources with a row or a heartbeat inside, each once, in order of first sight.
    pub alive: Vec<u32>,
    /// The same, to find one of many; made when it is first needed.
    marked: HashSet<u32, RandomState>,
}

/// The lists of a window that was handed over, for the next one that opens: to make them anew takes many small pieces of
/// memory, which lie anywhere by then.
#[derive(Debug, Default)]
pub struct Spare {
    pages: Pages,
    keys: Vec<u32>,
    cells: Vec<u32>,
}

/// What a window took: the next one nearly always takes as much.
#[derive(Debug, Clone, Copy, Default)]
pub struct Room {
    series: usize,
    ids: usize,
}

impl Open {
    /// Empty.
    pub fn new(
        number: u64,
        window: Window,
        sure: Window,
        on_time: bool,
        expected: Room,
        spare: Spare,
    ) -> Self {
        let Spare { pages, keys, cells } = spare;
        Self {
            number,
            window,
            sure,
            on_time,
            expected,
            pages,
            keys,
            cells,
            alive: Vec::new(),
            marked: HashSet::default(),
        }
    }

    /// What it took.
    pub fn room(&self) -> Room {
        Room { series: self.keys.len().min(FLAT), ids: self.pages.flat.len().min(FLAT) }
    }

    /// A series' cell, made if need be.
    #[inline]
    pub fn cell(&mut self, key: u32, cells: &mut Cells, origins: &mut Origins) -> u32 {
        match self.pages.get(key) {
            SINK => self.add_cell(key, cells, origins),
            cell => cell,
        }
    }

    /// A cell for a series that has none.
    fn add_cell(&mut self, key: u32, cells: &mut Cells, origins: &mut Origins) -> u32 {
        let cell = cells.allocate();
        origins.set(cell, key, self.window.start);
        self.pages.set(key, cell);
        self.keys.push(key);
        self.cells.push(cell);
        if self.keys.len() == SOME {
            self.make_room();
        }
        cell
    }

    /// Room as the window before took it, all at once.
    #[cold]
    fn make_room(&mut self) {
        self.keys.reserve_exact(self.expected.series.saturating_sub(SOME));
        self.cells.reserve_exact(self.expected.series.saturating_sub(SOME));
        self.pages.flat.resize(self.expected.ids.max(self.pages.flat.len()), SINK);
    }

    /// Drops some series; their cells are given to `release`.
    pub fn remove(&mut self, gone: impl Fn(u32) -> bool, mut release: impl FnMut(u32)) {
        for (key, cell) in std::mem::take(&mut self.keys).into_iter().zip(std::mem::take(&mut self.cells)) {
            if gone(key) {
                self.pages.set(key, SINK);
                release(cell);
            } else {
                self.keys.push(key);
                self.cells.push(cell);
            }
        }
    }

    /// Remembers that a source was alive; only `fill` asks for it.
    #[inline]
    pub fn mark(&mut self, spec: &Spec, source: u32) {
        if spec.fill && self.alive.last() != Some(&source) {
            self.mark_other(source);
        }
    }

    fn mark_other(&mut self, source: u32) {
        const FEW: usize = 16;
        let is_new = if self.alive.len() < FEW {
            !self.alive.contains(&source)
        } else {
            if self.marked.len() != self.alive.len() {
                self.marked.extend(&self.alive);
            }
            self.marked.insert(source)
        };
        if is_new {
            self.alive.push(source);
        }
    }

    /// The share to hand over, with these cells.
    pub fn into_partial(self, cells: Cells) -> Partial {
        let Self { window, on_time, keys, alive, .. } = self;
        Partial { start: window.start, end: window.end, on_time, keys, cells, alive }
    }

    /// Its lists for the next window, unless they are large; what is to be handed over stays.
    pub fn spare(&mut self) -> Spare {
        if self.keys.len() > FLAT || self.pages.flat.len() > FLAT {
            return Spare::default();
        }
        let copy = self.keys.clone();
        let (mut keys, mut cells) =
            (std::mem::replace(&mut self.keys, copy), std::mem::take(&mut self.cells));
        let mut pages = std::mem::take(&mut self.pages);
        keys.clear();
        cells.clear();
        pages.clear();
        Spare { pages, keys, cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_keeps_its_cell_however_they_are_spread() {
        for step in [1_u32, 7, 100, 1_000_003] {
            let keys: Vec<u32> =
                (0..3_000).map(|at: u32| (u64::from(at) * u64::from(step) % 400_000_009) as u32).collect();
            for keys in [keys.clone(), keys.into_iter().rev().collect()] {
                let mut pages = Pages::default();
                for (key, cell) in keys.iter().zip(1..) {
                    assert_eq!(pages.get(*key), SINK);
                    pages.set(*key, cell);
                }
                assert!(keys.iter().zip(1..).all(|(key, cell)| pages.get(*key) == cell), "{step}");
                assert!(pages.flat.len() <= (2 * SPREAD * keys.len()).max(2 * FLAT));
            }
        }
    }
}
