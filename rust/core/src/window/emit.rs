//! Rows out: which windows and series are due, in which revision, and their columns.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampNanosecondArray};

use super::aggregate::{Cells, Plan};
use super::assign::{Assigner, Window};
use super::collect::Collector;
use super::late::table;
use super::pending::{Pending, Series};
use super::spec::Spec;
use crate::error::Result;
use crate::time::Timestamp;

/// One row to come out.
#[derive(Debug, Clone, Copy)]
struct Row {
    window: Window,
    key: u32,
    level: u32,
    revision: u64,
    silent: bool,
    /// Its cell among the totals; none for a row of nulls.
    cell: Option<u32>,
}

/// Rows on their way out, and the cells that they show.
struct Out {
    rows: Vec<Row>,
    totals: Cells,
    /// Whether all came in the order in which they go out.
    in_order: bool,
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
        let mut out = Out { rows: Vec::new(), totals: Cells::new(plan), in_order: true };
        self.coarse.learn(&mut self.keys);
        let due = self.take_due(reached);
        let whole =
            |start: &Timestamp| self.windows[start].whole.as_ref().map_or(0, |whole| whole.keys.len());
        let whole = due.iter().map(whole).sum();
        self.rank(whole);
        out.rows.reserve(whole);
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
                self.emit(spec, window, in_turn, &mut out);
                self.fill.fired(window);
                if !known && spec.expiry(end) <= reached {
                    // Nothing came to it and nothing can any more: a long silence holds no windows.
                    self.windows.remove(&start);
                }
            }
        } else {
            for start in due {
                let end = self.windows.get(&start).map_or(start, |pending| pending.end);
                self.emit(spec, Window { start, end }, false, &mut out);
            }
        }
        let batch = self.columns(spec, plan, out);
        self.fired = self.fired.max(reached);
        self.expire(spec, reached);
        batch
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
    fn emit(&mut self, spec: &Spec, window: Window, in_turn: bool, out: &mut Out) {
        let mut pending = self.windows.remove(&window.start).unwrap_or_else(|| Pending::new(window.end));
        if let Some(whole) =
            pending.whole.take_if(|_| spec.allowed_lateness == 0 && !spec.fill && spec.rollup.is_empty())
        {
            // Nothing can come after it and nothing else is made of it.
            self.whole -= whole.keys.len();
            if out.totals.is_empty() {
                out.totals.reserve(out.rows.capacity(), &whole.cells);
            }
            let order = self.in_order(&whole.keys);
            let first = out.totals.append(&whole.cells, &order);
            let row = |(at, cell): (&u32, u32)| Row {
                window,
                key: whole.keys[*at as usize],
                level: 0,
                revision: 0,
                silent: false,
                cell: Some(cell),
            };
            out.rows.extend(order.iter().zip(first..).map(row));
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
                out.in_order = false;
                for filled in self.fill.rows(spec, keys, &pending, &present, &coarse_present, coarse) {
                    if filled.level == 0 {
                        pending.series.entry(filled.key).or_default().revision = Some(0);
                    } else {
                        pending.coarse.insert((filled.level, filled.key), 0);
                    }
                    out.rows.push(Row {
                        window,
                        key: filled.key,
                        level: filled.level,
                        revision: 0,
                        silent: filled.silent,
                        cell: (!filled.silent).then(|| out.totals.allocate()),
                    });
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
        out.in_order = false;
        let next = |revision: Option<u64>| revision.map_or(0, |revision| revision + 1);
        let mut coarse: BTreeSet<(u32, u32)> = BTreeSet::new();
        for key in keys {
            let Some(series) = pending.series.get_mut(key) else { continue };
            let cell = out.totals.allocate();
            self.add_shares(cell, series, with_late, &mut out.totals);
            series.revision = Some(next(series.revision));
            series.changed &= !with_late;
            let revision = series.revision.unwrap_or(0);
            out.rows.push(Row { window, key: *key, level: 0, revision, silent: false, cell: Some(cell) });
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
            out.rows.push(Row { window, key, level, revision, silent: false, cell: Some(cell) });
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
        places.retain(|place| *place != NONE);
        places
    }

    /// The columns of drained windows.
    fn columns(&mut self, spec: &Spec, plan: &Plan, out: Out) -> Result<RecordBatch> {
        let Out { mut rows, totals, in_order } = out;
        if !in_order {
            self.rank(rows.len());
            let order = |row: &Row| (row.window.start, row.window.end);
            rows.sort_by(|a, b| {
                let keys = || self.compare(a.key, b.key).then(a.level.cmp(&b.level));
                order(a).cmp(&order(b)).then_with(keys).then(a.revision.cmp(&b.revision))
            });
        }
        let keys: Vec<Option<u32>> = rows.iter().map(|row| Some(row.key)).collect();
        let mut columns: Vec<(String, ArrayRef)> =
            spec.by.iter().cloned().zip(self.keys.columns(&keys)).collect();
        let times = |time: fn(&Row) -> Timestamp| -> ArrayRef {
            Arc::new(TimestampNanosecondArray::from_iter_values(rows.iter().map(time)).with_timezone("UTC"))
        };
        columns.push(("window_start".to_owned(), times(|row| row.window.start)));
        columns.push(("window_end".to_owned(), times(|row| row.window.end)));
        if !spec.rollup.is_empty() {
            let levels = Int64Array::from_iter_values(rows.iter().map(|row| i64::from(row.level)));
            columns.push(("level".to_owned(), Arc::new(levels)));
        }
        let revisions = Int64Array::from_iter_values(rows.iter().map(|row| row.revision as i64));
        columns.push(("revision".to_owned(), Arc::new(revisions)));
        if spec.fill {
            let silent: BooleanArray = rows.iter().map(|row| Some(row.silent)).collect();
            columns.push(("silent".to_owned(), Arc::new(silent)));
        }
        let cells: Vec<Option<u32>> = rows.iter().map(|row| row.cell).collect();
        let (aggregates, overflows) = plan.finish(&totals, &cells, &self.kinds);
        self.overflows += overflows;
        columns.extend(plan.aggregates().iter().map(|aggregate| aggregate.name.clone()).zip(aggregates));
        table(columns, rows.len())
    }
}
