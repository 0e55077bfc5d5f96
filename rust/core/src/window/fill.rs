//! Rows for series that had none: a zero where their source was alive, a silent row where it wasn't.
//!
//! Zeros need a sign of life in their window, so there are no more than the input calls for. Silent rows end after
//! `fill_limit` in a run of a series; in windows of which nothing at all is known, after `max_cells` of all series. What
//! lies beyond is passed over by arithmetic, however short windows are and however long nothing comes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::assign::{Assigner, Window};
use super::coarse::Coarse;
use super::pending::Pending;
use super::spec::Spec;
use crate::key::{self, Keys};
use crate::time::Timestamp;

/// What `fill` remembers between windows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Silent rows in a run, by series seen in a window that fired.
    known: BTreeMap<u32, u64>,
    /// Likewise by level and coarser key.
    coarse: BTreeMap<(u32, u32), u64>,
    /// Silent rows of the newest run of windows without any sign of life.
    empty: u64,
    /// Start of the window that fires next.
    next: Option<Timestamp>,
    /// Start of the last window that fired in turn.
    last: Option<Timestamp>,
}

/// A row for a series that had none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// 0, or the level of the roll-up.
    pub level: u32,
    /// The series.
    pub key: u32,
    /// Whether its source was silent too.
    pub silent: bool,
}

impl Fill {
    /// Whether it could belong to a table of so many keys.
    pub fn fits(&self, keys: usize) -> bool {
        self.known.keys().chain(self.coarse.keys().map(|(_, key)| key)).all(|key| (*key as usize) < keys)
    }

    /// The window after the one that fired last, where it is due and needs a look: it is in `windows`, or a
    /// series still gets silent rows. Windows in which nothing can come out are passed over.
    pub fn next(
        &mut self,
        spec: &Spec,
        assigner: &mut Assigner,
        windows: &BTreeMap<Timestamp, Pending>,
        reached: Timestamp,
    ) -> Option<Window> {
        let mut window = self.in_turn(assigner)?;
        if !windows.contains_key(&window.start) && self.is_quiet(spec) {
            let waiting =
                windows.range(window.start..).find(|(_, pending)| !pending.fired).map(|(start, _)| *start);
            let due = assigner.window(reached).map_or(reached, |window| window.start);
            window = assigner.window(waiting.map_or(due, |start| start.min(due)).max(window.start))?;
        }
        self.next = Some(window.start);
        (window.end <= reached).then_some(window)
    }

    fn in_turn(&self, assigner: &mut Assigner) -> Option<Window> {
        let mut window = assigner.window(self.next?)?;
        // Where windows overlap, or a stored one is off the grid, the same one must not come twice.
        while self.last.is_some_and(|last| window.start <= last) {
            window = assigner.window(window.end)?;
        }
        Some(window)
    }

    /// Whether a window of which nothing is known has no rows.
    fn is_quiet(&self, spec: &Spec) -> bool {
        let quiet = |silent: &u64| *silent >= spec.silent_rows();
        self.empty >= spec.max_cells || self.known.values().all(quiet) && self.coarse.values().all(quiet)
    }

    /// The end of the next window that has silent rows, if nothing comes any more.
    pub fn deadline(&self, spec: &Spec, assigner: &mut Assigner) -> Option<Timestamp> {
        if self.is_quiet(spec) { None } else { self.in_turn(assigner).map(|window| window.end) }
    }

    /// Whether a window has fired yet.
    pub fn begun(&self) -> bool {
        self.next.is_some()
    }

    /// That window has fired.
    pub fn fired(&mut self, window: Window) {
        self.last = self.last.max(Some(window.start));
        if self.next.is_none_or(|next| next < window.end) {
            self.next = Some(window.end);
        }
    }

    /// The rows that a window lacks, given the series that have one, and what is known from now on.
    pub fn rows(
        &mut self,
        spec: &Spec,
        keys: &Keys,
        pending: &Pending,
        present: &BTreeSet<u32>,
        coarse_present: &BTreeSet<(u32, u32)>,
        coarser: &Coarse,
    ) -> Vec<Filled> {
        let anything = !pending.alive.is_empty();
        let empty = !anything && present.is_empty() && coarse_present.is_empty();
        if !empty {
            self.empty = 0;
        } else if self.empty >= spec.max_cells {
            return Vec::new();
        }
        let limit = spec.silent_rows();
        let by_source =
            spec.source.as_ref().and_then(|source| spec.by.iter().position(|name| name == source));
        let mut rows = Vec::new();
        let mut coarse_alive = BTreeSet::new();
        for (key, silent) in &mut self.known {
            if present.contains(key) {
                continue;
            }
            let alive = match by_source {
                None => anything,
                Some(at) => pending.alive.contains(source_bytes(keys, *key, at).as_slice()),
            };
            if alive {
                *silent = 0;
                rows.push(Filled { level: 0, key: *key, silent: false });
                coarse_alive.extend(coarser.of(*key));
            } else if *silent < limit {
                *silent += 1;
                rows.push(Filled { level: 0, key: *key, silent: true });
            }
        }
        for ((level, key), silent) in &mut self.coarse {
            if coarse_present.contains(&(*level, *key)) {
                continue;
            }
            if coarse_alive.contains(&(*level, *key)) {
                *silent = 0;
                rows.push(Filled { level: *level, key: *key, silent: false });
            } else if *silent < limit {
                *silent += 1;
                rows.push(Filled { level: *level, key: *key, silent: true });
            }
        }
        for key in present {
            self.known.insert(*key, 0);
        }
        for key in coarse_present {
            self.coarse.insert(*key, 0);
        }
        if empty {
            self.empty += rows.len() as u64;
        }
        rows
    }

    /// Takes in another's runs of silence, with the keys renumbered; those without a number are left.
    pub fn absorb(&mut self, other: &Self, mut renumber: impl FnMut(u32, bool) -> Option<u32>) {
        for (key, silent) in &other.known {
            if let Some(key) = renumber(*key, false) {
                self.known.entry(key).or_insert(*silent);
            }
        }
        for ((level, key), silent) in &other.coarse {
            if let Some(key) = renumber(*key, true) {
                self.coarse.entry((*level, key)).or_insert(*silent);
            }
        }
        if self.next.is_none() {
            (self.next, self.last) = (other.next, other.last);
        }
    }

    /// Forgets some series.
    pub fn forget(&mut self, gone: impl Fn(u32) -> bool) {
        self.known.retain(|key, _| !gone(*key));
    }

    /// Series that were seen.
    pub fn known(&self) -> impl Iterator<Item = u32> + '_ {
        self.known.keys().copied()
    }
}

/// The bytes under which a lane knows the source that is one of the key's values.
fn source_bytes(keys: &Keys, id: u32, at: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(value) = keys.values(id).get(at) {
        key::encode(value, &mut bytes);
    }
    bytes
}
