//! One producer's open windows.
//!
//! A lane reads its rows in their order, alone: it assigns them to windows, tells late ones, folds them into
//! cells, and moves its watermark. What its watermark has passed it hands over as [`Partial`]s; merging and firing
//! are the collector's.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::aggregate::{Block, Cells, FirstSeen, Plan, SINK};
use super::assign::{Assigner, Window};
use super::handoff::Handoff;
use super::late::{Kept, KeptRow, LATE, LEAP, SERIES_LIMIT, WINDOW_OUT_OF_RANGE};
use super::open::{Open, Partial};
use super::renames::{Names, Renames};
use super::rows::Rows;
use super::spec::Spec;
use super::types::Types;
use super::watermark::Watermark;
use crate::column::{Kind, Values};
use crate::error::Result;
use crate::key::{Keys, NO_ID};
use crate::time::Timestamp;

/// Rows that are looked at together: their cells fit the first-level cache.
const BLOCK: usize = 1_024;

/// Counts of what a lane read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows, and messages that could not be read.
    pub read: u64,
    /// Rows in windows.
    pub counted: u64,
    /// Rows whose window had expired.
    pub late: u64,
    /// Rows without a usable time, and messages that could not be read.
    pub rejected: u64,
    /// NaN among the inputs.
    pub nan: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.counted += other.counted;
        self.late += other.late;
        self.rejected += other.rejected;
        self.nan += other.nan;
    }
}

/// See the module.
#[derive(Debug)]
pub struct Lane {
    /// Whether someone writes to it, or means to.
    pub(super) is_open: bool,
    /// What all lanes have agreed on.
    pub(super) types: Arc<Types>,
    pub(super) keys: Keys,
    pub(super) sources: Keys,
    pub(super) watermark: Watermark,
    pub(super) assigner: Assigner,
    pub(super) cells: Cells,
    /// Series and window start of each cell.
    pub(super) of_cell: Vec<(u32, Timestamp)>,
    pub(super) memories: Vec<Option<FirstSeen>>,
    pub(super) renames: Renames,
    pub(super) open: Vec<Option<Open>>,
    pub(super) vacant: Vec<usize>,
    /// Where the window that starts then is open.
    pub(super) index: BTreeMap<Timestamp, usize>,
    /// The window of the row before.
    pub(super) current: Option<usize>,
    /// The least end of the windows that are open on time.
    pub(super) next_end: Timestamp,
    /// Windows to hand over once the block's rows are in.
    pub(super) closing: Vec<usize>,
    pub(super) handed_keys: usize,
    pub(super) handed_sources: usize,
    pub(super) tally: Tally,
    pub(super) late: Kept,
    pub(super) rejects: Kept,
    /// Room for a batch's series.
    pub(super) ids: Vec<u32>,
    /// Room for a block's cells, and for those that a filter leaves.
    pub(super) block: Vec<u32>,
    pub(super) filtered: Vec<u32>,
}

impl Lane {
    /// An empty lane.
    pub fn new(spec: &Spec, plan: &Plan, types: &Arc<Types>) -> Result<Self> {
        Ok(Self {
            is_open: false,
            types: Arc::clone(types),
            keys: Keys::new(spec.by.clone()),
            sources: Keys::new(spec.source.iter().cloned().collect()),
            watermark: Watermark::new(spec.out_of_orderness, spec.idle_timeout),
            assigner: Assigner::new(spec.every, spec.offset, spec.zone.as_deref())?,
            cells: Cells::new(plan),
            of_cell: Vec::new(),
            memories: plan.memories(),
            renames: Renames::new(spec, plan),
            open: Vec::new(),
            vacant: Vec::new(),
            index: BTreeMap::new(),
            current: None,
            next_end: Timestamp::MAX,
            closing: Vec::new(),
            handed_keys: 0,
            handed_sources: 0,
            tally: Tally::default(),
            late: Kept::default(),
            rejects: Kept::default(),
            ids: Vec::new(),
            block: Vec::new(),
            filtered: Vec::new(),
        })
    }

    /// What it read.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Cells that it holds open.
    pub fn cells(&self) -> u64 {
        self.cells.in_use() as u64
    }

    /// Hands out the late rows that it has kept.
    pub fn take_late(&mut self) -> Vec<KeptRow> {
        self.late.take()
    }

    /// As [`Lane::take_late`], of rows and messages that could not be read.
    pub fn take_rejects(&mut self) -> Vec<KeptRow> {
        self.rejects.take()
    }

    /// Reads a batch.
    pub fn push(
        &mut self,
        spec: &Spec,
        plan: &Plan,
        batches: &[RecordBatch],
        now: Option<Timestamp>,
    ) -> Result<Handoff> {
        // Everything that can be wrong with the columns is found before a row is read.
        let tables = batches.iter().map(|batch| Rows::read(spec, plan, batch)).collect::<Result<Vec<_>>>()?;
        self.types.agree(
            plan,
            tables.iter().map(|rows| (rows.keys.iter().map(Kind::of), rows.inputs.iter().map(Kind::of))),
        )?;
        for rows in &tables {
            self.keys.admit(&rows.keys)?;
            self.sources.admit(&rows.source)?;
        }
        let mut partials = Vec::new();
        for mut rows in tables {
            self.renames.apply(spec, plan, &mut rows);
            self.read(spec, plan, &rows, now, &mut partials)?;
        }
        self.close_reopened(&mut partials);
        Ok(self.hand_over(partials))
    }

    fn read(
        &mut self,
        spec: &Spec,
        plan: &Plan,
        rows: &Rows,
        now: Option<Timestamp>,
        partials: &mut Vec<Partial>,
    ) -> Result<()> {
        let count = rows.times.len();
        let mut ids = std::mem::take(&mut self.ids);
        ids.clear();
        // Under a limit, a row takes a place among the series only once it is known to count.
        if spec.max_series.is_none() {
            self.keys.intern(&rows.keys, count, &mut ids)?;
        }
        let mut sources = Vec::new();
        if spec.source.is_some() {
            self.sources.intern(&rows.source, count, &mut sources)?;
        } else if self.sources.is_empty() {
            self.sources.insert(&[]);
        }
        let masks = plan.masks(&rows.inputs, count);
        self.tally.read += count as u64;
        self.tally.nan += rows.nan();
        let latest = now.zip(spec.max_ahead).map(|(now, ahead)| now.saturating_add(ahead));
        for start in (0..count).step_by(BLOCK) {
            let end = (start + BLOCK).min(count);
            let mut cells = std::mem::take(&mut self.block);
            cells.clear();
            let context = Context { spec, rows, ids: &ids, sources: &sources, latest };
            let mut row = start;
            while row < end {
                let together = self.assign_together(&context, row..end, &mut cells);
                row += together;
                if together == 0 {
                    cells.push(self.assign(&context, row));
                    row += 1;
                }
            }
            self.fold(plan, rows, &masks, start, &cells);
            self.block = cells;
            self.close_aside(partials);
        }
        self.ids = ids;
        let reached = self.watermark.get();
        self.memories.iter_mut().flatten().for_each(|memory| memory.sweep(reached));
        self.renames.sweep(reached);
        Ok(())
    }

    /// Cells for the first rows of a block, as far as all lie in the current window and can't close one: they need
    /// no arithmetic a row. Gives their number.
    fn assign_together(
        &mut self,
        context: &Context<'_>,
        block: std::ops::Range<usize>,
        cells: &mut Vec<u32>,
    ) -> usize {
        let Some(current) = self.current else { return 0 };
        let Some(open) = &mut self.open[current] else { return 0 };
        if !open.on_time || context.rows.times.nulls.is_some() || context.spec.max_series.is_some() {
            return 0;
        }
        // Times from here up to there neither leave the window nor leap nor close one.
        let from = open.sure.start;
        let to = open.sure.end.min(self.watermark.reached_at(self.next_end));
        let to = context.latest.map_or(to, |latest| to.min(latest.saturating_add(1)));
        let times = &context.rows.times.values[block.clone()];
        let count = times.iter().position(|time| *time < from || *time >= to).unwrap_or(times.len());
        let block = block.start..block.start + count;
        let ids = &context.ids[block.clone()];
        let start = cells.len();
        cells.extend(ids.iter().map(|key| open.pages.get(*key)));
        for (key, cell) in ids.iter().zip(&mut cells[start..]) {
            if *cell == SINK {
                *cell = match open.pages.get(*key) {
                    SINK => open.add_cell(*key, &mut self.cells, &mut self.of_cell),
                    cell => cell,
                };
            }
        }
        self.tally.counted += count as u64;
        if context.sources.is_empty() {
            if let Some(latest) = times[..count].iter().max() {
                self.watermark.observe(0, *latest);
                open.mark(context.spec, 0);
            }
        } else {
            for (source, time) in context.sources[block].iter().zip(times) {
                self.watermark.observe(*source as usize, *time);
                open.mark(context.spec, *source);
            }
        }
        count
    }

    /// The cell of one row, after all before it; the sink where it counts nowhere.
    fn assign(&mut self, context: &Context<'_>, row: usize) -> u32 {
        let Context { spec, rows, ids, sources, latest } = context;
        let source = sources.get(row).copied().unwrap_or(0);
        let time = match rows.times.get(row) {
            Ok(time) if latest.is_some_and(|latest| time > latest) => {
                return self.reject(rows, row, Some(time), LEAP);
            }
            Ok(time) => time,
            Err(reason) => return self.reject(rows, row, None, reason),
        };
        match self.place(spec, time) {
            Place::Open(window) => {
                let key = match spec.max_series {
                    None => ids[row],
                    Some(limit) => self.keys.intern_row_within(&rows.keys, row, limit as usize),
                };
                if key == NO_ID {
                    return self.reject(rows, row, Some(time), SERIES_LIMIT);
                }
                let cell = self.cell(window, key);
                if let Some(open) = &mut self.open[window] {
                    open.mark(spec, source);
                }
                self.tally.counted += 1;
                self.observe(source, time);
                cell
            }
            Place::Expired => {
                self.tally.late += 1;
                self.late.push(KeptRow {
                    time: Some(time),
                    values: rows.values(row),
                    reason: LATE.to_owned(),
                    message: None,
                });
                self.observe(source, time);
                SINK
            }
            Place::Nowhere => self.reject(rows, row, Some(time), WINDOW_OUT_OF_RANGE),
        }
    }

    fn reject(&mut self, rows: &Rows, row: usize, time: Option<Timestamp>, reason: &str) -> u32 {
        self.tally.rejected += 1;
        self.rejects.push(KeptRow {
            time,
            values: rows.values(row),
            reason: reason.to_owned(),
            message: None,
        });
        SINK
    }

    /// The open window of a time, opened if need be.
    pub(super) fn place(&mut self, spec: &Spec, time: Timestamp) -> Place {
        if let Some(current) = self.current
            && let Some(open) = &self.open[current]
            && open.sure.start <= time
            && time < open.sure.end
            && (open.on_time || self.watermark.get() < spec.expiry(open.window.end))
        {
            return Place::Open(current);
        }
        let Some(window) = self.assigner.window(time) else { return Place::Nowhere };
        let reached = self.watermark.get();
        if spec.expiry(window.end) <= reached {
            return Place::Expired;
        }
        let at = match self.index.get(&window.start) {
            Some(at) => *at,
            None => self.open_window(window, window.end > reached),
        };
        self.current = Some(at);
        Place::Open(at)
    }

    /// Opens a window.
    pub(super) fn open_window(&mut self, window: Window, on_time: bool) -> usize {
        let open = Open::new(window, self.assigner.sure(window), on_time);
        let at = self.vacant.pop().unwrap_or(self.open.len());
        if at == self.open.len() {
            self.open.push(Some(open));
        } else {
            self.open[at] = Some(open);
        }
        self.index.insert(window.start, at);
        if on_time {
            self.next_end = self.next_end.min(window.end);
        }
        at
    }

    /// A series' cell in an open window, made if need be.
    pub(super) fn cell(&mut self, window: usize, key: u32) -> u32 {
        let Some(open) = &mut self.open[window] else { return SINK };
        match open.pages.get(key) {
            SINK => open.add_cell(key, &mut self.cells, &mut self.of_cell),
            cell => cell,
        }
    }

    /// Moves event time on, and with it sets aside the windows that this closes.
    pub(super) fn observe(&mut self, source: u32, time: Timestamp) {
        self.watermark.observe(source as usize, time);
        self.set_aside();
    }

    /// Adds a block's rows to their cells.
    fn fold(&mut self, plan: &Plan, rows: &Rows, masks: &[Vec<bool>], start: usize, cells: &[u32]) {
        let times = &rows.times.values[start..start + cells.len()];
        let block = Block { start, cells, times };
        let (of_cell, memories, renames) = (&self.of_cell, &mut self.memories, &self.renames);
        let kinds = if renames.is_empty() { Vec::new() } else { self.types.inputs() };
        let names = Names { keys: &self.keys, kinds: &kinds };
        let mut value = Vec::new();
        let first = |index: usize, inputs: &[&Values], block: &Block<'_>, counted: &mut Vec<u32>| {
            let Some(Some(memory)) = memories.get_mut(index) else { return };
            for (at, cell) in counted.iter_mut().enumerate() {
                if *cell == SINK {
                    continue;
                }
                let (key, window) = of_cell[*cell as usize];
                value.clear();
                value.extend_from_slice(&key.to_le_bytes());
                if !super::aggregate::encode(inputs, block.start + at, &mut value)
                    || !renames.counts(memory, (index, &value), &names, window, block.times[at])
                {
                    *cell = SINK;
                }
            }
        };
        plan.add(&mut self.cells, &block, &rows.inputs, masks, &mut self.filtered, first);
        self.cells.drain_sink();
    }
}

/// Where a time goes.
pub(super) enum Place {
    /// The open window at this place.
    Open(usize),
    /// Its window has expired.
    Expired,
    /// No 64-bit window holds it.
    Nowhere,
}

/// What assigning the rows of a batch needs beside the lane.
struct Context<'a> {
    spec: &'a Spec,
    rows: &'a Rows,
    /// Series of each row; empty where `max_series` limits them.
    ids: &'a [u32],
    /// Source of each row; empty without a source column.
    sources: &'a [u32],
    /// The latest time that is not a leap.
    latest: Option<Timestamp>,
}
