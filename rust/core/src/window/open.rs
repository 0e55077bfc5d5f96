//! A window while its lane holds it open, and the share of it that is handed over.

use serde::{Deserialize, Serialize};

use super::aggregate::{Cells, SINK};
use super::assign::Window;
use super::spec::Spec;
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

/// Cells of one window by series: a flat table of the first ids, pages of the others, so that a few series of many
/// cost little.
#[derive(Debug, Clone, Default)]
pub struct Pages {
    flat: Vec<u32>,
    pages: Vec<Option<Box<[u32; PAGE]>>>,
}

const FLAT: usize = 4_096;
const PAGE: usize = 256;

impl Pages {
    /// A series' cell; the sink where it has none.
    #[inline]
    pub fn get(&self, key: u32) -> u32 {
        let key = key as usize;
        if let Some(cell) = self.flat.get(key) {
            return *cell;
        }
        match self.pages.get(key / PAGE) {
            Some(Some(page)) => page[key % PAGE],
            _ => SINK,
        }
    }

    fn set(&mut self, key: u32, cell: u32) {
        let key = key as usize;
        if key < FLAT {
            if key >= self.flat.len() {
                self.flat.resize((key + 1).next_power_of_two(), SINK);
            }
            self.flat[key] = cell;
            return;
        }
        let page = key / PAGE;
        if page >= self.pages.len() {
            self.pages.resize(page + 1, None);
        }
        self.pages[page].get_or_insert_with(|| Box::new([SINK; PAGE]))[key % PAGE] = cell;
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
    /// Cells by series.
    pub pages: Pages,
    /// In order of first sight.
    pub keys: Vec<u32>,
    /// Their cells.
    pub cells: Vec<u32>,
    /// Sources with a row or a heartbeat inside, each once, in order of first sight.
    pub alive: Vec<u32>,
}

impl Open {
    /// Empty.
    pub fn new(number: u64, window: Window, sure: Window, on_time: bool) -> Self {
        Self {
            number,
            window,
            sure,
            on_time,
            pages: Pages::default(),
            keys: Vec::new(),
            cells: Vec::new(),
            alive: Vec::new(),
        }
    }

    /// A series' cell, made if need be.
    #[inline]
    pub fn cell(&mut self, key: u32, cells: &mut Cells, of_cell: &mut Vec<(u32, Timestamp)>) -> u32 {
        match self.pages.get(key) {
            SINK => self.add_cell(key, cells, of_cell),
            cell => cell,
        }
    }

    /// A cell for a series that has none.
    fn add_cell(&mut self, key: u32, cells: &mut Cells, of_cell: &mut Vec<(u32, Timestamp)>) -> u32 {
        let cell = cells.allocate();
        if of_cell.len() <= cell as usize {
            of_cell.resize(cell as usize + 1, (0, 0));
        }
        of_cell[cell as usize] = (key, self.window.start);
        self.pages.set(key, cell);
        self.keys.push(key);
        self.cells.push(cell);
        cell
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
    pub fn mark(&mut self, spec: &Spec, source: u32) {
        if spec.fill && self.alive.last() != Some(&source) && !self.alive.contains(&source) {
            self.alive.push(source);
        }
    }

    /// The share to hand over, with these cells.
    pub fn to_partial(&self, cells: Cells) -> Partial {
        Partial {
            start: self.window.start,
            end: self.window.end,
            on_time: self.on_time,
            keys: self.keys.clone(),
            cells,
            alive: self.alive.clone(),
        }
    }
}
