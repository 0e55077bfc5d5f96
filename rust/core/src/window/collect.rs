//! What lanes hand over, merged; and when it fires.
//!
//! Each lane's share of a window stays apart until a row is made of it, and shares merge in the order of lanes:
//! what comes out doesn't depend on when each of them came in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::aggregate::{Cells, Plan};
use super::assign::Assigner;
use super::coarse::Coarse;
use super::handoff::Handoff;
use super::lane::{Lane, Tally};
use super::late::Left;
use super::open::Partial;
use super::pending::{Pending, Seen, Series, Views, Whole};
use super::spec::Spec;
use super::types::Types;
use super::watermark::NEVER;
use crate::column::Kind;
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::time::Timestamp;

/// See the module.
#[derive(Debug, Clone)]
pub struct Collector {
    pub(super) keys: Keys,
    /// Kinds of the inputs, over all lanes.
    pub(super) kinds: Vec<Kind>,
    pub(super) views: Views,
    pub(super) cells: Cells,
    pub(super) windows: BTreeMap<Timestamp, Pending>,
    /// Starts of the windows that may have something to come out. However many are kept beside them: a drain looks at no
    /// others.
    pub(super) due: BTreeSet<Timestamp>,
    /// Series of windows that came whole.
    pub(super) whole: usize,
    /// Keys of the roll-up.
    pub(super) coarse: Coarse,
    pub(super) fill: super::fill::Fill,
    /// Integer sums that were out of range.
    pub(super) overflows: u64,
    /// Keys that came with rows, not by rolling up.
    seen: Seen,
    /// How far windows have fired.
    pub(super) fired: Timestamp,
    /// What lanes read that were let go, and what of it came late or was rejected.
    gone: Tally,
    /// The place of each key in their order, by id; what is new since may lack.
    pub(super) ranks: Vec<u32>,
    pub(super) late: Left,
    pub(super) rejects: Left,
}

/// A collector at rest, as snapshots keep it: cells without gaps.
#[derive(Debug, Serialize, Deserialize)]
pub struct Resting {
    keys: Keys,
    kinds: Vec<Kind>,
    views: Views,
    cells: Cells,
    windows: BTreeMap<Timestamp, Pending>,
    fill: super::fill::Fill,
    overflows: u64,
    seen: Seen,
    fired: Timestamp,
    gone: Tally,
    late: Left,
    rejects: Left,
}

impl Collector {
    /// Nothing collected.
    pub fn new(spec: &Spec, plan: &Plan) -> Self {
        Self {
            keys: Keys::new(spec.by.clone()),
            kinds: vec![Kind::Unknown; plan.inputs().len()],
            views: Views::new(),
            cells: Cells::new(plan),
            windows: BTreeMap::new(),
            due: BTreeSet::new(),
            whole: 0,
            coarse: Coarse::new(spec),
            fill: super::fill::Fill::default(),
            overflows: 0,
            seen: Seen::default(),
            fired: NEVER,
            gone: Tally::default(),
            ranks: Vec::new(),
            late: Left::default(),
            rejects: Left::default(),
        }
    }

    /// Cells and windows that it holds.
    pub fn held(&self) -> u64 {
        (self.cells.in_use() + self.whole).max(self.windows.len()) as u64
    }

    /// Series in windows that have something to come out.
    pub fn waiting(&self) -> u64 {
        let due = |series: &&Series| series.revision.is_none() || series.changed;
        let whole = |pending: &Pending| pending.whole.as_ref().map_or(0, |whole| whole.keys.len());
        let waiting = |pending: &Pending| whole(pending) + pending.series.values().filter(due).count();
        self.due_windows().map(waiting).sum::<usize>() as u64
    }

    fn due_windows(&self) -> impl Iterator<Item = &Pending> {
        self.due.iter().filter_map(|start| self.windows.get(start))
    }

    /// Integer sums that were out of range.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Takes in the types that the lanes have agreed on.
    pub fn admit(&mut self, types: &Types) -> Result<()> {
        self.kinds = types.inputs();
        self.keys.admit_all(&types.by())
    }

    /// Takes in what a lane of that number and name hands over.
    pub fn accept(&mut self, lane: u32, name: &str, handoff: Handoff) {
        let view = self.views.entry(lane).or_default();
        name.clone_into(&mut view.name);
        view.keys.reserve(handoff.keys.len());
        for key in handoff.keys.iter() {
            let id = self.keys.insert(key);
            view.keys.push(id);
            self.seen.insert(id);
        }
        view.sources.extend(handoff.sources.iter().map(Box::from));
        for partial in handoff.partials {
            self.take_in(lane, partial);
        }
    }

    fn take_in(&mut self, lane: u32, partial: Partial) {
        let Some(view) = self.views.get(&lane) else { return };
        self.due.insert(partial.start);
        let pending = self.windows.entry(partial.start).or_insert_with(|| Pending::new(partial.end));
        // Signs of life that came after the watermark had passed are too late to tell a zero from silence: whether they
        // are seen must not hang on when the caller drains.
        if partial.on_time {
            pending.alive.extend(partial.alive.iter().map(|source| view.sources[*source as usize].clone()));
        }
        let mut keys = partial.keys;
        keys.iter_mut().for_each(|key| *key = view.keys[*key as usize]);
        keys.iter().for_each(|key| self.coarse.meet(*key));
        if partial.on_time && !pending.fired && pending.series.is_empty() && pending.whole.is_none() {
            self.whole += keys.len();
            pending.whole = Some(Whole { lane, keys, cells: partial.cells });
            return;
        }
        self.whole -= pending.merge_whole(&mut self.cells, &self.views);
        pending.merge((&mut self.cells, &self.views), lane, &keys, &partial.cells, partial.on_time);
    }

    /// Lets go of windows that no row can reach any more.
    pub fn expire(&mut self, spec: &Spec, reached: Timestamp) {
        // Windows end, and so fire and expire, in the order in which they start.
        while let Some(first) = self.windows.first_entry()
            && first.get().fired
            && spec.expiry(first.get().end) <= reached
        {
            let (start, pending) = first.remove_entry();
            self.due.remove(&start);
            let shares = pending.series.values().flat_map(|series| &series.shares);
            let cells = shares.flat_map(|share| [share.on_time, share.late]).flatten();
            cells.for_each(|cell| self.cells.release(cell));
        }
    }

    /// The collector as it stands.
    pub fn rest(&mut self) -> Resting {
        for pending in self.windows.values_mut() {
            self.whole -= pending.merge_whole(&mut self.cells, &self.views);
        }
        let mut windows = self.windows.clone();
        let mut order = Vec::new();
        let shares = windows.values_mut().flat_map(|pending| pending.series.values_mut());
        for share in shares.flat_map(|series| &mut series.shares) {
            for cell in [&mut share.on_time, &mut share.late].into_iter().flatten() {
                order.push(*cell);
                *cell = order.len() as u32;
            }
        }
        Resting {
            keys: self.keys.clone(),
            kinds: self.kinds.clone(),
            views: self.views.clone(),
            cells: self.cells.copy(&order).parted(),
            windows,
            fill: self.fill.clone(),
            overflows: self.overflows,
            seen: self.seen.clone(),
            fired: self.fired,
            gone: self.gone,
            late: self.late.clone(),
            rejects: self.rejects.clone(),
        }
    }

    /// A collector that goes on from there.
    pub fn wake(spec: &Spec, plan: &Plan, resting: Resting) -> Result<Self> {
        let broken = |what: &str| Error::snapshot(format!("the snapshot's windows are inconsistent: {what}"));
        let known = |key: u32| (key as usize) < resting.keys.len();
        let mut next = 1;
        let mut last = NEVER;
        for (start, pending) in &resting.windows {
            if pending.end < std::mem::replace(&mut last, pending.end) {
                return Err(broken("a window ends before one that starts earlier"));
            }
            if pending.end <= *start
                || (spec.zone.is_none() && pending.end.checked_sub(*start) != Some(spec.every))
            {
                return Err(broken("a window has another length"));
            }
            if !pending.series.keys().all(|key| known(*key))
                || !pending.coarse.keys().all(|(_, key)| known(*key))
            {
                return Err(broken("an unknown series"));
            }
            for share in pending.series.values().flat_map(|series| &series.shares) {
                if !resting.views.contains_key(&share.lane) {
                    return Err(broken("an unknown lane"));
                }
                for cell in [share.on_time, share.late].into_iter().flatten() {
                    if cell != next {
                        return Err(broken("its cells"));
                    }
                    next += 1;
                }
            }
        }
        if resting.keys.names() != spec.by
            || resting.kinds.len() != plan.inputs().len()
            || !resting.views.values().flat_map(|view| &view.keys).all(|key| known(*key))
            || !resting.fill.fits(resting.keys.len())
            || !resting.seen.fits(resting.keys.len())
        {
            return Err(broken("its keys or inputs"));
        }
        if !resting.cells.fits(plan) || resting.cells.len() != next {
            return Err(broken("its cells"));
        }
        let is_due = |pending: &Pending| !pending.fired || pending.series.values().any(|s| s.changed);
        let due = resting.windows.iter().filter(|(_, pending)| is_due(pending)).map(|(start, _)| *start);
        let mut coarse = Coarse::new(spec);
        let in_windows = resting.windows.values().flat_map(|pending| pending.series.keys().copied());
        in_windows.chain(resting.fill.known()).for_each(|key| coarse.meet(key));
        Ok(Self {
            due: due.collect(),
            whole: 0,
            coarse,
            keys: resting.keys,
            kinds: resting.kinds,
            views: resting.views,
            cells: resting.cells.grouped(plan),
            windows: resting.windows,
            fill: resting.fill,
            overflows: resting.overflows,
            seen: resting.seen,
            fired: resting.fired,
            gone: resting.gone,
            ranks: Vec::new(),
            late: resting.late,
            rejects: resting.rejects,
        })
    }

    /// Under which name a lane is known, and how many of its keys and sources; for state that comes from outside.
    pub fn taken(&self, lane: u32) -> Option<(&String, usize, usize)> {
        self.views.get(&lane).map(|view| (&view.name, view.keys.len(), view.sources.len()))
    }

    /// The lanes that it knows.
    pub fn lanes(&self) -> BTreeSet<u32> {
        self.views.keys().copied().collect()
    }

    /// Lanes of which something is held.
    pub fn lanes_in_use(&self) -> BTreeSet<u32> {
        let shares = |pending: &Pending| {
            let whole = pending.whole.iter().map(|whole| whole.lane);
            let shares = pending.series.values().flat_map(|series| &series.shares).map(|share| share.lane);
            whole.chain(shares).collect::<BTreeSet<_>>()
        };
        self.windows.values().flat_map(shares).collect()
    }

    /// Takes in what another collected of the series that are `meant`; `lanes` are its lanes' numbers here.
    pub fn absorb(
        &mut self,
        mut other: Self,
        lanes: &BTreeMap<u32, u32>,
        meant: &dyn Fn(&[u8]) -> bool,
        counts: bool,
    ) -> Result<()> {
        self.keys.admit_all(other.keys.kinds())?;
        for (theirs, mine) in lanes {
            if let Some(view) = other.views.get(theirs) {
                self.views.entry(*mine).or_default().name.clone_from(&view.name);
            }
        }
        let keys = &mut self.keys;
        let mut renumber = |id: u32, coarse: bool| {
            let bytes = other.keys.bytes(id);
            (coarse || meant(bytes)).then(|| keys.insert(bytes))
        };
        let seen = (0_u32..).zip(&other.seen.ids).filter(|(_, seen)| **seen).map(|(id, _)| id);
        let seen: Vec<u32> = seen.filter_map(|id| renumber(id, false)).collect();
        self.fill.absorb(&other.fill, &mut renumber);
        for (start, mut pending) in other.windows {
            pending.merge_whole(&mut other.cells, &other.views);
            let series: Vec<(u32, Series)> = pending
                .series
                .into_iter()
                .filter_map(|(key, series)| Some((renumber(key, false)?, series)))
                .collect();
            if series.is_empty() && !counts {
                continue;
            }
            self.due.insert(start);
            let mine = self.windows.entry(start).or_insert_with(|| {
                let mut fresh = Pending::new(pending.end);
                fresh.fired = pending.fired;
                fresh
            });
            self.whole -= mine.merge_whole(&mut self.cells, &self.views);
            // Series of either side that are out already don't come out again.
            mine.fired &= pending.fired;
            mine.alive.extend(pending.alive);
            for ((level, key), revision) in pending.coarse {
                if let Some(key) = renumber(key, true) {
                    let known = mine.coarse.entry((level, key)).or_insert(revision);
                    *known = revision.max(*known);
                }
            }
            for (key, series) in series {
                self.coarse.meet(key);
                let known = mine.series.entry(key).or_default();
                known.revision = known.revision.max(series.revision);
                known.changed |= series.changed;
                for share in series.shares {
                    let Some(lane) = lanes.get(&share.lane) else { continue };
                    let into = known.share(*lane, &self.views);
                    for (slot, cell) in [(&mut into.on_time, share.on_time), (&mut into.late, share.late)] {
                        if let Some(cell) = cell {
                            let slot = *slot.get_or_insert_with(|| self.cells.allocate());
                            self.cells.merge(slot, &other.cells, cell);
                        }
                    }
                }
            }
        }
        self.fill.known().for_each(|key| self.coarse.meet(key));
        seen.into_iter().for_each(|id| self.seen.insert(id));
        if counts {
            self.overflows += other.overflows;
            self.gone += other.gone;
            self.late.absorb(other.late);
            self.rejects.absorb(other.rejects);
        }
        Ok(())
    }

    /// Drops the series that are `meant`.
    pub fn remove(&mut self, spec: &Spec, meant: &dyn Fn(&[u8]) -> bool) {
        let (cells, keys) = (&mut self.cells, &self.keys);
        for pending in self.windows.values_mut() {
            self.whole -= pending.merge_whole(cells, &self.views);
            pending.series.retain(|key, series| {
                let stays = !meant(keys.bytes(*key));
                if !stays {
                    let shares = series.shares.iter().flat_map(|share| [share.on_time, share.late]);
                    shares.flatten().for_each(|cell| cells.release(cell));
                }
                stays
            });
        }
        self.windows.retain(|_, pending| spec.fill || pending.fired || !pending.series.is_empty());
        self.due.retain(|start| self.windows.contains_key(start));
        self.fill.forget(|key| meant(keys.bytes(key)));
        self.coarse.forget(|key| meant(keys.bytes(key)));
        self.seen.remove(|id| meant(keys.bytes(id)));
    }

    /// Windows up to there fired elsewhere, before anything came here.
    pub fn begin_at(&mut self, fired: Timestamp) {
        self.fired = self.fired.max(fired);
    }

    /// Forgets a lane that was let go, but for what it read and kept.
    pub fn forget(&mut self, id: u32, name: &str, lane: &mut Lane) {
        self.views.remove(&id);
        self.gone += lane.tally();
        self.late.push(name, lane.take_late());
        self.rejects.push(name, lane.take_rejects());
    }

    /// What lanes read that were let go.
    pub fn gone(&self) -> Tally {
        self.gone
    }

    /// Series seen in rows.
    pub fn series(&self) -> u64 {
        self.seen.len() as u64
    }

    /// How far windows have fired.
    pub fn fired(&self) -> Timestamp {
        self.fired
    }

    /// The end of the next window that has rows for series without any, if nothing comes any more.
    pub fn next_fill(&self, spec: &Spec, assigner: &mut Assigner) -> Option<Timestamp> {
        if spec.fill { self.fill.deadline(spec, assigner) } else { None }
    }

    /// The ends of windows that have not fired.
    pub fn open_ends(&self) -> impl Iterator<Item = Timestamp> {
        self.due_windows().filter(|pending| !pending.fired).map(|pending| pending.end)
    }
}
