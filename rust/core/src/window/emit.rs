//! Rows out: which windows and series are due, in which revision, and their columns.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use arrow_array::RecordBatch;

use super::aggregate::{Cells, Plan, SINK};
use super::assign::{Assigner, Window};
use super::collect::Collector;
use super::out::{Out, Row};
use super::pending::{Pending, Series, Whole};
use super::spec::Spec;
use crate::error::Result;
use crate::time::Timestamp;

/// Whether a window that one lane handed over comes out as it is: nothing can come after it and nothing else is made of it.
fn goes_out_whole(spec: &Spec) -> bool {
    spec.allowed_lateness == 0 && !spec.fill && spec.rollup.is_empty()
}

impl Collector {
    /// The rows of all windows that the watermark has passed and that are new or changed.
    pub fn drain(
        &mut self,
        spec: &Spec,
        plan: &Plan,
        assigner: &mut Assigner,
        reached: Timestamp,
    ) -> Result<RecordBatch> {
        self.coarse.learn(&mut self.keys);
        let due = self.take_due(reached);
        let wholes = || due.iter().map(|start| self.windows.get(start)?.whole.as_ref());
        let rows = wholes().flatten().map(|whole| whole.keys.len()).sum();
        let goes_out = |whole: Option<&Whole>| whole.is_some_and(|whole| plan.is_of_numbers(&whole.cells));
        let numbers = !due.is_empty() && goes_out_whole(spec) && wholes().all(goes_out);
        let mut out = Out::new(plan, rows, numbers);
        self.rank(rows);
        let mut due = due.into_iter().peekable();
        if spec.fill {
            loop {
                // Before anything has fired, filling starts with the first window that holds something.
                let next = self.fill.next(spec, assigner, &self.windows, reached);
                let Some(start) =
                    next.map(|window| window.start).into_iter().chain(due.peek().copied()).min()
                else {
                    break;
                };
                if due.peek() == Some(&start) {
                    due.next();
                }
                let end = match (next, self.windows.get(&start)) {
                    (_, Some(pending)) => pending.end,
                    (Some(window), None) => window.end,
                    (None, None) => break,
                };
                let window = Window { start, end };
                let in_turn = next.map_or(!self.fill.begun(), |next| next.start == start);
                let known = self.windows.contains_key(&start);
                self.emit((spec, plan), window, in_turn, &mut out);
                self.fill.fired(window);
                if !known && spec.expiry(end) <= reached {
                    // Nothing came to it and nothing can any more: a long silence holds no windows.
                    self.windows.remove(&start);
                }
            }
        } else {
            for start in due {
                let end = self.windows.get(&start).map_or(start, |pending| pending.end);
                self.emit((spec, plan), Window { start, end }, false, &mut out);
            }
        }
        let batch = self.columns(spec, plan, out);
        self.fired = self.fired.max(reached);
        self.expire(spec, reached);
        batch
    }

    /// Rows on their way out for [`Collector::drain_part`], if all windows of a lane with these cells come out as they are
    /// and nothing else is due.
    pub fn in_parts(&self, spec: &Spec, plan: &Plan, cells: &Cells) -> Option<Out> {
        let parts = goes_out_whole(spec) && self.due.is_empty() && plan.is_of_numbers(cells);
        parts.then(|| Out::new(plan, cells.in_use(), true))
    }

    /// Adds the rows of windows that come out as they are, as far as the watermark has passed them; from the first that
    /// doesn't on, they stay due.
    pub fn drain_part(&mut self, spec: &Spec, plan: &Plan, reached: Timestamp, out: &mut Out) {
        self.rank(out.room());
        let mut due = self.take_due(reached).into_iter();
        while let Some(start) = due.next() {
            match self.windows.get(&start) {
                Some(Pending { end, whole: Some(whole), .. }) if plan.is_of_numbers(&whole.cells) => {
                    self.emit((spec, plan), Window { start, end: *end }, false, out);
                }
                _ => {
                    self.due.insert(start);
                    self.due.extend(due);
                    return;
                }
            }
        }
        self.fired = self.fired.max(reached);
        self.expire(spec, reached);
    }

    /// The windows that the watermark has passed and that are new or changed.
    fn take_due(&mut self, reached: Timestamp) -> Vec<Timestamp> {
        let later = self.due.split_off(&reached);
        let mut due = Vec::new();
        for start in std::mem::replace(&mut self.due, later) {
            match self.windows.get(&start) {
                Some(pending) if pending.end > reached => {
                    self.due.insert(start);
                }
                Some(pending) if !pending.fired || pending.series.values().any(|s| s.changed) => {
                    due.push(start);
                }
                _ => {}
            }
        }
        due
    }

    /// The rows of one window. `in_turn`: it is the next of an unbroken run, so that series without rows are filled.
    fn emit(&mut self, (spec, plan): (&Spec, &Plan), window: Window, in_turn: bool, out: &mut Out) {
        let mut pending = self.windows.remove(&window.start).unwrap_or_else(|| Pending::new(window.end));
        if let Some(whole) = pending.whole.take_if(|_| goes_out_whole(spec)) {
            self.whole -= whole.keys.len();
            let order = self.in_order(&whole.keys);
            out.push_whole(plan, window, &whole, &order);
            pending.fired = true;
        }
        self.whole -= pending.merge_whole(&mut self.cells, &self.views);
        if !pending.fired {
            pending.fired = true;
            // Windows that were merged may have series that are out already.
            let on_time = |series: &Series| {
                series.revision.is_none() && series.shares.iter().any(|share| share.on_time.is_some())
            };
            let present: BTreeSet<u32> =
                pending.series.iter().filter(|(_, series)| on_time(series)).map(|(key, _)| *key).collect();
            self.rows_of(window, &mut pending, &present, false, out);
            if spec.fill && in_turn {
                let coarse_present = pending.coarse.keys().copied().collect();
                let (keys, coarse) = (&self.keys, &self.coarse);
                for filled in self.fill.rows(spec, keys, &pending, &present, &coarse_present, coarse) {
                    if filled.level == 0 {
                        pending.series.entry(filled.key).or_default().revision = Some(0);
                    } else {
                        pending.coarse.insert((filled.level, filled.key), 0);
                    }
                    let cell = if filled.silent { SINK } else { out.totals.allocate() };
                    let silent = filled.silent;
                    out.push(Row { window, key: filled.key, level: filled.level, revision: 0, silent, cell });
                }
            }
        }
        let changed: BTreeSet<u32> =
            pending.series.iter().filter(|(_, series)| series.changed).map(|(key, _)| *key).collect();
        if !changed.is_empty() {
            self.rows_of(window, &mut pending, &changed, true, out);
        }
        self.windows.insert(window.start, pending);
    }

    /// One row for each of these series, and for each coarser key that holds one of them.
    fn rows_of(
        &self,
        window: Window,
        pending: &mut Pending,
        keys: &BTreeSet<u32>,
        with_late: bool,
        out: &mut Out,
    ) {
        let next = |revision: Option<u64>| revision.map_or(0, |revision| revision + 1);
        let mut coarse: BTreeSet<(u32, u32)> = BTreeSet::new();
        for key in keys {
            let Some(series) = pending.series.get_mut(key) else { continue };
            let cell = out.totals.allocate();
            self.add_shares(cell, series, with_late, &mut out.totals);
            series.revision = Some(next(series.revision));
            series.changed &= !with_late;
            let revision = series.revision.unwrap_or(0);
            out.push(Row { window, key: *key, level: 0, revision, silent: false, cell });
            coarse.extend(self.coarse.of(*key));
        }
        if coarse.is_empty() {
            return;
        }
        let mut members: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
        for key in pending.series.keys() {
            for coarser in self.coarse.of(*key).filter(|coarser| coarse.contains(coarser)) {
                members.entry(coarser).or_default().push(*key);
            }
        }
        for ((level, key), mut members) in members {
            // By their values: ids depend on which lane was first.
            members.sort_by_key(|key| self.keys.bytes(*key));
            let cell = out.totals.allocate();
            for member in members {
                if let Some(series) = pending.series.get(&member) {
                    self.add_shares(cell, series, with_late, &mut out.totals);
                }
            }
            let revision = next(pending.coarse.get(&(level, key)).copied());
            pending.coarse.insert((level, key), revision);
            out.push(Row { window, key, level, revision, silent: false, cell });
        }
    }

    /// Adds a series' shares to a total: lane by lane, each lane's rows on time and then its late ones.
    fn add_shares(&self, total: u32, series: &Series, with_late: bool, totals: &mut Cells) {
        for share in &series.shares {
            for cell in share.on_time.into_iter().chain(share.late.filter(|_| with_late)) {
                totals.merge(total, &self.cells, cell);
            }
        }
    }

    /// Looks up the order of all keys, unless the windows to come out hold but a few of many.
    fn rank(&mut self, rows: usize) {
        if self.ranks.len() == self.keys.len() || rows < self.keys.len() / 8 {
            return;
        }
        let mut ids: Vec<u32> = (0..self.keys.len() as u32).collect();
        ids.sort_unstable_by_key(|id| self.keys.bytes(*id));
        self.ranks.resize(ids.len(), 0);
        for (id, rank) in ids.into_iter().zip(0..) {
            self.ranks[id as usize] = rank;
        }
    }

    /// The order of two keys.
    fn compare(&self, a: u32, b: u32) -> Ordering {
        if self.ranks.len() == self.keys.len() {
            return self.ranks[a as usize].cmp(&self.ranks[b as usize]);
        }
        if a == b { Ordering::Equal } else { self.keys.bytes(a).cmp(self.keys.bytes(b)) }
    }

    /// The places of different keys in a list, in the keys' order.
    fn in_order(&self, keys: &[u32]) -> Vec<u32> {
        const NONE: u32 = u32::MAX;
        if self.ranks.len() != self.keys.len() || keys.len() < self.ranks.len() / 8 {
            let mut places: Vec<u32> = (0..keys.len() as u32).collect();
            places.sort_unstable_by(|a, b| self.compare(keys[*a as usize], keys[*b as usize]));
            return places;
        }
        // Most keys there are: each has its place at once.
        let mut places = vec![NONE; self.ranks.len()];
        for (key, place) in keys.iter().zip(0..) {
            places[self.ranks[*key as usize] as usize] = place;
        }
        if keys.len() < places.len() {
            places.retain(|place| *place != NONE);
        }
        places
    }

    /// The columns of drained windows.
    pub fn columns(&mut self, spec: &Spec, plan: &Plan, mut out: Out) -> Result<RecordBatch> {
        if !out.in_order {
            self.rank(out.len());
            out.sort(|a, b| self.compare(a, b));
        }
        let (columns, overflows) = out.columns(spec, plan, &self.keys, &self.kinds)?;
        self.overflows += overflows;
        Ok(columns)
    }
}
