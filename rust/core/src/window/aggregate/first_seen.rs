//! `count_on = "first"`: a value counts only in the window in which it was first seen.
//!
//! First in the order of arrival on its lane, so a producer's result depends on its own rows alone. A value is
//! remembered until `retain` of event time has gone by without it.

use ahash::RandomState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Where and when a value was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sighting {
    /// Start of the window that counts it.
    window: Timestamp,
    /// Latest event time.
    last: Timestamp,
}

/// The values that one aggregate of one lane remembers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct FirstSeen {
    retain: i64,
    /// By series and value.
    seen: HashMap<Box<[u8]>, Sighting, RandomState>,
    /// Size at which forgotten values are looked for next; doubles with what is left, so that the search costs
    /// nothing a row.
    sweep_at: usize,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    retain: i64,
    seen: Vec<(Box<[u8]>, Sighting)>,
}

impl From<FirstSeen> for Stored {
    fn from(first: FirstSeen) -> Self {
        let mut seen: Vec<_> = first.seen.into_iter().collect();
        seen.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Self { retain: first.retain, seen }
    }
}

impl From<Stored> for FirstSeen {
    fn from(stored: Stored) -> Self {
        Self { retain: stored.retain, seen: stored.seen.into_iter().collect(), sweep_at: 0 }
    }
}

impl FirstSeen {
    /// Nothing seen yet.
    pub fn new(retain: i64) -> Self {
        Self { retain, ..Self::default() }
    }

    /// Whether it could be of so many series; for state that comes from outside.
    pub fn fits(&self, series: usize) -> bool {
        let id = |key: &[u8]| key.first_chunk::<4>().map(|id| u32::from_le_bytes(*id) as usize);
        self.seen.keys().all(|key| id(key).is_some_and(|id| id < series))
    }

    /// How long values are remembered, in nanoseconds.
    pub fn retain(&self) -> i64 {
        self.retain
    }

    /// As [`FirstSeen::counts`] of an object with several values: it counts in the earliest window of any.
    pub fn counts_any(&mut self, keys: &[Vec<u8>], window: Timestamp, time: Timestamp) -> bool {
        let mut home: Option<Timestamp> = None;
        for key in keys {
            if let Some(sighting) = self.seen.get_mut(key.as_slice()) {
                if time <= sighting.last.saturating_add(self.retain) {
                    home = Some(home.map_or(sighting.window, |home| home.min(sighting.window)));
                }
                sighting.last = sighting.last.max(time);
            }
        }
        if home.is_none()
            && let Some(first) = keys.first()
        {
            self.seen.insert(first.as_slice().into(), Sighting { window, last: time });
        }
        home.is_none_or(|home| home == window)
    }

    /// The earliest window that counts one of these.
    pub fn home(&self, keys: &[Vec<u8>]) -> Option<Timestamp> {
        keys.iter().filter_map(|key| self.seen.get(key.as_slice())).map(|sighting| sighting.window).min()
    }

    /// Whether a value (`key` is the series and the value) counts in the window that starts at `window`.
    pub fn counts(&mut self, key: &[u8], window: Timestamp, time: Timestamp) -> bool {
        if let Some(sighting) = self.seen.get_mut(key) {
            let remembered = time <= sighting.last.saturating_add(self.retain);
            sighting.last = sighting.last.max(time);
            if remembered {
                return sighting.window == window;
            }
            sighting.window = window;
            return true;
        }
        self.seen.insert(key.into(), Sighting { window, last: time });
        true
    }

    /// Takes in what another remembers, with the series renumbered; those without a number are left.
    pub fn absorb(&mut self, other: &mut Self, mut renumber: impl FnMut(u32) -> Option<u32>) {
        let mut theirs: Vec<_> = std::mem::take(&mut other.seen).into_iter().collect();
        // New numbers are given in an order that doesn't hang on hashes.
        theirs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (key, sighting) in theirs {
            let Some((id, value)) = key.split_first_chunk::<4>() else { continue };
            let Some(id) = renumber(u32::from_le_bytes(*id)) else { continue };
            let mine = self.seen.entry([&id.to_le_bytes(), value].concat().into()).or_insert(sighting);
            mine.window = mine.window.min(sighting.window);
            mine.last = mine.last.max(sighting.last);
        }
    }

    /// Forgets some series.
    pub fn forget(&mut self, gone: impl Fn(u32) -> bool) {
        self.seen.retain(|key, _| key.first_chunk::<4>().is_none_or(|id| !gone(u32::from_le_bytes(*id))));
    }

    /// Whether all of it is forgotten by `time`.
    pub fn is_forgotten(&self, time: Timestamp) -> bool {
        self.seen.values().all(|sighting| time > sighting.last.saturating_add(self.retain))
    }

    /// Forgets what was last seen more than `retain` before `time`.
    pub fn sweep(&mut self, time: Timestamp) {
        if self.seen.len() < self.sweep_at.max(1_024) {
            return;
        }
        let retain = self.retain;
        self.seen.retain(|_, sighting| time <= sighting.last.saturating_add(retain));
        self.sweep_at = 2 * self.seen.len();
    }
}
