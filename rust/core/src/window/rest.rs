//! A lane at rest: what snapshots keep of it.
//!
//! The state is kept by what it means, window by window and series by series, never by where it lies in memory. What is
//! read back is checked against the plan and the keys, so that bytes from outside can't reach past a table's end.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::aggregate::{FirstSeen, Plan, SINK};
use super::assign::Window;
use super::lane::{Lane, Tally};
use super::late::Kept;
use super::open::Partial;
use super::renames;
use super::spec::Spec;
use super::types::Types;
use super::watermark::Watermark;
use crate::error::{Error, Result};
use crate::key::Keys;

/// A lane at rest, as snapshots keep it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Resting {
    is_open: bool,
    keys: Keys,
    sources: Keys,
    watermark: Watermark,
    memories: Vec<Option<FirstSeen>>,
    renames: Vec<renames::Object>,
    open: Vec<Partial>,
    handed_keys: usize,
    handed_sources: usize,
    tally: Tally,
    late: Kept,
    rejects: Kept,
}

impl Resting {
    /// Keys and sources that were handed over.
    pub fn handed(&self) -> (usize, usize) {
        (self.handed_keys, self.handed_sources)
    }
}

impl Lane {
    /// The lane as it stands between two batches.
    pub fn rest(&self) -> Resting {
        let open = self
            .index
            .values()
            .filter_map(|at| self.open[*at].as_ref())
            .map(|open| open.clone().into_partial(self.cells.copy(&open.cells).parted()))
            .collect();
        Resting {
            is_open: self.is_open,
            keys: self.keys.clone(),
            sources: self.sources.clone(),
            watermark: self.watermark.clone(),
            memories: self.memories.clone(),
            renames: self.renames.rest(),
            open,
            handed_keys: self.handed_keys,
            handed_sources: self.handed_sources,
            tally: self.tally,
            late: self.late.clone(),
            rejects: self.rejects.clone(),
        }
    }

    /// A lane that goes on from there.
    pub fn wake(spec: &Spec, plan: &Plan, types: &Arc<Types>, resting: Resting) -> Result<Self> {
        let broken = |what: &str| Error::snapshot(format!("the snapshot's lane is inconsistent: {what}"));
        let mut lane = Self::new(spec, plan, types)?;
        if resting.keys.names() != lane.keys.names()
            || resting.sources.names() != lane.sources.names()
            || resting.watermark.sources() > resting.sources.len()
            || resting.handed_keys > resting.keys.len()
            || resting.handed_sources > resting.sources.len()
        {
            return Err(broken("its keys or inputs"));
        }
        if resting.memories.len() != lane.memories.len()
            || resting
                .memories
                .iter()
                .zip(&lane.memories)
                .any(|(a, b)| a.as_ref().map(FirstSeen::retain) != b.as_ref().map(FirstSeen::retain))
            || !resting.memories.iter().flatten().all(|memory| memory.fits(resting.keys.len()))
        {
            return Err(broken("what it has seen first"));
        }
        for partial in resting.open {
            let cells = partial.keys.len() as u32 + 1;
            if !partial.cells.fits(plan)
                || partial.cells.len() != cells
                || partial.keys.iter().any(|key| *key as usize >= resting.keys.len())
                || partial.alive.iter().any(|source| *source as usize >= resting.sources.len())
                || !partial.on_time
                || partial.end <= partial.start
                || (spec.zone.is_none() && partial.end.checked_sub(partial.start) != Some(spec.every))
                || lane.index.contains_key(&partial.start)
            {
                return Err(broken("a window"));
            }
            let at = lane.open_window(Window { start: partial.start, end: partial.end }, true);
            for (key, from) in partial.keys.iter().zip(1..) {
                if lane.open[at].as_ref().is_some_and(|open| open.pages.get(*key) != SINK) {
                    return Err(broken("a series twice in a window"));
                }
                let cell = lane.cell(at, *key);
                lane.cells.merge(cell, &partial.cells, from);
            }
            if let Some(open) = &mut lane.open[at] {
                open.alive = partial.alive;
            }
        }
        types
            .agree(plan, std::iter::once((resting.keys.kinds().iter().copied(), std::iter::empty())))
            .map_err(|error| broken(&error.to_string()))?;
        lane.is_open = resting.is_open;
        lane.keys = resting.keys;
        lane.sources = resting.sources;
        lane.watermark = resting.watermark.woken();
        lane.memories = resting.memories;
        lane.renames.wake(resting.renames);
        lane.handed_keys = resting.handed_keys;
        lane.handed_sources = resting.handed_sources;
        lane.tally = resting.tally;
        lane.late = resting.late;
        lane.rejects = resting.rejects;
        Ok(lane)
    }
}
