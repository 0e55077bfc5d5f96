//! Moving series between windows: `merge` takes in what others hold, `split` gives some series away.
//!
//! Host engines do it when work is spread anew over more or fewer workers. What is moved is the state of whole series: open
//! windows and what is kept of fired ones, sightings, runs of silence. Windows of the same series merge as lanes do.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::Collector;
use super::engine::TumblingWindows;
use super::lane::Lane;
use super::spec::Spec;
use super::watermark::NEVER;
use crate::column::Scalar;
use crate::error::{Error, Result};
use crate::key;
use crate::time::Timestamp;

/// Whether a series, by the bytes of its key, is meant.
type Meant<'a> = &'a dyn Fn(&[u8]) -> bool;

impl TumblingWindows {
    /// Takes in all that a snapshot of windows with the same parameters holds.
    ///
    /// A lane that both have goes on at the lesser of its two watermarks, but not before what has fired here.
    pub fn merge(&self, bytes: &[u8]) -> Result<()> {
        let other = Self::restore(bytes)?;
        if let Some(parameter) = self.spec.differs_in(&other.spec) {
            return Err(Error::snapshot(format!(
                "the snapshot must be of windows with the same parameters, got another `{parameter}`"
            )));
        }
        self.absorb(&other, &|_| true, true)
    }

    /// Gives away the series of these keys, as a snapshot of windows that hold them alone; the counts of what was read,
    /// late rows and rejects stay here. Waits for the batches under way; producers wait meanwhile.
    pub fn split(&self, keys: &[Vec<Scalar>]) -> Result<Vec<u8>> {
        let mut meant = BTreeSet::new();
        for values in keys {
            if values.len() != self.spec.by.len() {
                return Err(Error::data(format!(
                    "`keys` must have {} values each ({}), got {}",
                    self.spec.by.len(),
                    self.spec.by.join(", "),
                    values.len()
                )));
            }
            let mut bytes = Vec::new();
            values.iter().for_each(|value| key::encode(value, &mut bytes));
            meant.insert(bytes);
        }
        let meant: Meant<'_> = &|key| meant.contains(key);
        let mut collector = self.collector.read();
        let berths = self.lanes.list();
        let mut sessions: Vec<_> = berths.iter().map(|berth| self.lanes.look(berth)).collect();
        let state = self.rest_of(&mut collector, &sessions)?;
        let moved = Self::new(self.spec.clone())?;
        moved.absorb(&Self::wake(state)?, meant, false)?;
        let bytes = moved.snapshot()?;
        sessions.iter_mut().for_each(|session| session.remove(meant));
        self.holding(&mut collector, |collector| collector.remove(&self.spec, meant));
        Ok(bytes)
    }

    /// Takes in the series that are `meant`; with `counts` also what was read of all.
    fn absorb(&self, other: &Self, meant: Meant<'_>, counts: bool) -> Result<()> {
        let mut collector = self.collector.read();
        let kinds = (other.types.by().into_iter(), other.types.inputs().into_iter());
        self.types.agree(&self.plan, std::iter::once(kinds))?;
        collector.admit(&self.types)?;
        let mut theirs = other.collector.read();
        theirs.admit(&other.types)?;
        let fresh = self.lanes.watermark() == NEVER && collector.series() == 0;
        if fresh {
            self.lanes.resume(other.lanes.reach());
            collector.begin_at(theirs.fired());
        }
        self.lanes.tick(other.lanes.clock());
        let mut ids = BTreeMap::new();
        for berth in other.lanes.list().iter() {
            let mut from = other.lanes.look(berth);
            let was_open = from.is_open;
            from.close();
            other.take_in(&mut theirs, berth);
            let mine = self.lanes.berth(&berth.name, || Lane::new(&self.spec, &self.plan, &self.types))?;
            let mut into = self.lanes.look(&mine);
            into.is_open |= was_open;
            into.absorb(&mut from, collector.fired(), meant, counts)?;
            // It may have come further than windows that it holds open.
            let handoff = into.settle();
            into.hand_over(handoff.some());
            ids.insert(berth.id, mine.id);
        }
        let theirs = std::mem::replace(&mut *theirs, Collector::new(&self.spec, &self.plan));
        self.holding(&mut collector, |collector| collector.absorb(theirs, &ids, meant, counts))
    }
}

impl Lane {
    /// Takes in what another lane remembers of the series that are `meant`, and how far it has come.
    fn absorb(&mut self, other: &mut Self, fired: Timestamp, meant: Meant<'_>, counts: bool) -> Result<()> {
        self.keys.admit_all(other.keys.kinds())?;
        self.sources.admit_all(other.sources.kinds())?;
        let keys = &mut self.keys;
        for (mine, theirs) in self.memories.iter_mut().zip(&mut other.memories) {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                mine.absorb(theirs, |id| {
                    let bytes = other.keys.bytes(id);
                    meant(bytes).then(|| keys.insert(bytes))
                });
            }
        }
        self.renames.absorb(&other.renames);
        let sources: Vec<u32> = (0..other.watermark.sources() as u32)
            .map(|source| self.sources.insert(other.sources.bytes(source)))
            .collect();
        self.watermark.absorb(&other.watermark, &sources, fired);
        if counts {
            self.tally += other.tally;
            other.late.take().into_iter().for_each(|row| self.late.push(row));
            other.rejects.take().into_iter().for_each(|row| self.rejects.push(row));
        }
        Ok(())
    }

    /// Drops the series that are `meant`.
    fn remove(&mut self, meant: Meant<'_>) {
        let keys = &self.keys;
        for open in self.open.iter_mut().flatten() {
            open.remove(|key| meant(keys.bytes(key)), |cell| self.cells.release(cell));
        }
        for memory in self.memories.iter_mut().flatten() {
            memory.forget(|id| meant(keys.bytes(id)));
        }
    }
}

impl Spec {
    /// The name of a parameter in which the two differ.
    fn differs_in(&self, other: &Self) -> Option<&'static str> {
        let same = [
            (self.every == other.every, "every"),
            (self.aggregates == other.aggregates, "aggregates"),
            (self.by == other.by, "by"),
            (self.source == other.source, "source"),
            ((self.offset, &self.zone) == (other.offset, &other.zone), "offset` or `zone"),
            (self.out_of_orderness == other.out_of_orderness, "out_of_orderness"),
            (self.allowed_lateness == other.allowed_lateness, "allowed_lateness"),
            ((self.fill, self.fill_limit) == (other.fill, other.fill_limit), "fill` or `fill_limit"),
            (self.rollup == other.rollup, "rollup"),
        ];
        same.iter().find(|(same, _)| !same).map(|(_, name)| *name)
    }
}
