//! What lanes hand over, merged; and when it fires.
//!
//! Each lane's share of a window stays apart until a row is made of it, and shares merge in the order of lanes:
//! what comes out doesn't depend on when each of them came in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::aggregate::{Cells, Plan};
use super::handoff::Handoff;
use super::open::Partial;
use super::spec::Spec;
use crate::column::Kind;
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::time::Timestamp;

/// One lane's cells of a series in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Which lane.
    pub lane: u32,
    /// Rows read before the lane's watermark reached the end.
    pub on_time: Option<u32>,
    /// Rows read after.
    pub late: Option<u32>,
}

/// A series in a window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// In the order of lanes.
    pub shares: Vec<Share>,
    /// The revision that came out last.
    pub revision: Option<u64>,
    /// Whether rows came since.
    pub changed: bool,
}

/// A window that has not expired.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {
    /// Its end.
    pub end: Timestamp,
    /// Whether revision 0 came out.
    pub fired: bool,
    /// By key.
    pub series: BTreeMap<u32, Series>,
    /// Sources that were alive in it, by their bytes.
    pub alive: BTreeSet<Box<[u8]>>,
    /// Last revision of the rows of coarser keys, by level and key.
    pub coarse: BTreeMap<(u32, u32), u64>,
    /// All that came in so far, where that is one lane's rows on time: most windows fire so, and need no merging.
    #[serde(skip)]
    pub whole: Option<Whole>,
}

/// A window as one lane handed it over.
#[derive(Debug, Clone)]
pub struct Whole {
    pub(super) lane: u32,
    /// The collector's ids; the `i`-th has cell `i + 1`.
    pub(super) keys: Vec<u32>,
    pub(super) cells: Cells,
}

impl Pending {
    /// Adds a lane's share: the `i`-th key has cell `i + 1` of `from`.
    fn merge(&mut self, cells: &mut Cells, lane: u32, keys: &[u32], from: &Cells, on_time: bool) {
        for (key, cell) in keys.iter().zip(1..) {
            let series = self.series.entry(*key).or_default();
            let at = series.shares.partition_point(|share| share.lane < lane);
            if series.shares.get(at).is_none_or(|share| share.lane != lane) {
                series.shares.insert(at, Share { lane, on_time: None, late: None });
            }
            let share = &mut series.shares[at];
            // What comes to a window that has fired is a revision of it, whatever its own lane thought.
            let slot = if on_time && !self.fired {
                &mut share.on_time
            } else {
                series.changed = true;
                &mut share.late
            };
            let into = *slot.get_or_insert_with(|| cells.allocate());
            cells.merge(into, from, cell);
        }
    }

    /// Takes apart a window that came whole, once it can't stay so.
    pub fn merge_whole(&mut self, cells: &mut Cells) {
        if let Some(whole) = self.whole.take() {
            self.merge(cells, whole.lane, &whole.keys, &whole.cells, true);
        }
    }

    /// A window that nothing has come to.
    pub fn new(end: Timestamp) -> Self {
        Self {
            end,
            fired: false,
            series: BTreeMap::new(),
            alive: BTreeSet::new(),
            coarse: BTreeMap::new(),
            whole: None,
        }
    }
}

/// The collector's ids of a lane's keys and sources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    keys: Vec<u32>,
    sources: Vec<Box<[u8]>>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Collector {
    pub(super) keys: Keys,
    /// Kinds of the inputs, over all lanes.
    pub(super) kinds: Vec<Kind>,
    views: Vec<View>,
    pub(super) cells: Cells,
    pub(super) windows: BTreeMap<Timestamp, Pending>,
    pub(super) fill: super::fill::Fill,
    /// Integer sums that were out of range.
    pub(super) overflows: u64,
}

/// A collector at rest, as snapshots keep it: cells without gaps.
#[derive(Debug, Serialize, Deserialize)]
pub struct Resting {
    keys: Keys,
    kinds: Vec<Kind>,
    views: Vec<View>,
    cells: Cells,
    windows: BTreeMap<Timestamp, Pending>,
    fill: super::fill::Fill,
    overflows: u64,
}

impl Collector {
    /// Nothing collected.
    pub fn new(spec: &Spec, plan: &Plan) -> Self {
        Self {
            keys: Keys::new(spec.by.clone()),
            kinds: vec![Kind::Unknown; plan.inputs().len()],
            views: Vec::new(),
            cells: Cells::new(plan),
            windows: BTreeMap::new(),
            fill: super::fill::Fill::default(),
            overflows: 0,
        }
    }

    /// Cells and windows that it holds.
    pub fn held(&self) -> u64 {
        let whole =
            self.windows.values().filter_map(|pending| pending.whole.as_ref()).map(|whole| whole.keys.len());
        (self.cells.in_use() as u64 + whole.sum::<usize>() as u64).max(self.windows.len() as u64)
    }

    /// Series in windows that have something to come out.
    pub fn waiting(&self) -> u64 {
        let due = |series: &&Series| series.revision.is_none() || series.changed;
        let whole = |pending: &Pending| pending.whole.as_ref().map_or(0, |whole| whole.keys.len());
        let waiting = |pending: &Pending| whole(pending) + pending.series.values().filter(due).count();
        self.windows.values().map(waiting).sum::<usize>() as u64
    }

    /// Integer sums that were out of range.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    /// Takes in what a lane hands over. `keys` and `inputs` say of which kinds its columns are.
    pub fn accept(&mut self, lane: u32, keys: &Keys, inputs: &[Kind], handoff: Handoff) -> Result<()> {
        self.keys.admit_all(keys.kinds())?;
        for (kind, fresh) in self.kinds.iter_mut().zip(inputs) {
            *kind = kind.unify(*fresh).unwrap_or(*kind);
        }
        if self.views.len() <= lane as usize {
            self.views.resize(lane as usize + 1, View::default());
        }
        let view = &mut self.views[lane as usize];
        view.keys.extend(handoff.keys.iter().map(|key| self.keys.insert(key)));
        view.sources.extend(handoff.sources);
        for partial in handoff.partials {
            self.take_in(lane, partial);
        }
        Ok(())
    }

    fn take_in(&mut self, lane: u32, partial: Partial) {
        let view = &self.views[lane as usize];
        let pending = self.windows.entry(partial.start).or_insert_with(|| Pending::new(partial.end));
        // Signs of life that came after the watermark had passed are too late to tell a zero from silence: whether they
        // are seen must not hang on when the caller drains.
        if partial.on_time {
            pending.alive.extend(partial.alive.iter().map(|source| view.sources[*source as usize].clone()));
        }
        let keys: Vec<u32> = partial.keys.iter().map(|key| view.keys[*key as usize]).collect();
        if partial.on_time && !pending.fired && pending.series.is_empty() && pending.whole.is_none() {
            pending.whole = Some(Whole { lane, keys, cells: partial.cells });
            return;
        }
        pending.merge_whole(&mut self.cells);
        pending.merge(&mut self.cells, lane, &keys, &partial.cells, partial.on_time);
    }

    /// Lets go of windows that no row can reach any more.
    pub fn expire(&mut self, spec: &Spec, reached: Timestamp) {
        let cells = &mut self.cells;
        self.windows.retain(|_, pending| {
            let stays = !pending.fired || spec.expiry(pending.end) > reached;
            if !stays {
                let shares = pending.series.values().flat_map(|series| &series.shares);
                shares
                    .flat_map(|share| [share.on_time, share.late])
                    .flatten()
                    .for_each(|cell| cells.release(cell));
            }
            stays
        });
    }

    /// The collector as it stands.
    pub fn rest(&mut self) -> Resting {
        for pending in self.windows.values_mut() {
            pending.merge_whole(&mut self.cells);
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
            cells: self.cells.copy(&order),
            windows,
            fill: self.fill.clone(),
            overflows: self.overflows,
        }
    }

    /// A collector that goes on from there.
    pub fn wake(spec: &Spec, plan: &Plan, resting: Resting) -> Result<Self> {
        let broken = |what: &str| Error::snapshot(format!("the snapshot's windows are inconsistent: {what}"));
        let known = |key: u32| (key as usize) < resting.keys.len();
        let mut next = 1;
        for (start, pending) in &resting.windows {
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
            || !resting.views.iter().flat_map(|view| &view.keys).all(|key| known(*key))
            || !resting.fill.fits(resting.keys.len())
        {
            return Err(broken("its keys or inputs"));
        }
        if !resting.cells.fits(plan) || resting.cells.len() != next {
            return Err(broken("its cells"));
        }
        Ok(Self {
            keys: resting.keys,
            kinds: resting.kinds,
            views: resting.views,
            cells: resting.cells,
            windows: resting.windows,
            fill: resting.fill,
            overflows: resting.overflows,
        })
    }

    /// How many keys and sources of a lane were taken in; for state that comes from outside.
    pub fn taken(&self, lane: u32) -> (usize, usize) {
        self.views.get(lane as usize).map_or((0, 0), |view| (view.keys.len(), view.sources.len()))
    }
}
