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
use super::assign::Assigner;
use super::handoff::Handoff;
use super::late::{Kept, KeptRow};
use super::open::{Open, Origins, Partial, Room, Spare};
use super::place::{Context, Recent};
use super::renames::{Names, Renames};
use super::rows::Rows;
use super::spec::Spec;
use super::together::Direct;
use super::types::Types;
use super::watermark::Watermark;
use crate::column::{Kind, Values};
use crate::error::Result;
use crate::key::Keys;
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
    pub(super) origins: Origins,
    pub(super) memories: Vec<Option<FirstSeen>>,
    pub(super) renames: Renames,
    pub(super) open: Vec<Option<Open>>,
    pub(super) vacant: Vec<usize>,
    /// Where the window that starts then is open on time.
    pub(super) index: BTreeMap<Timestamp, usize>,
    /// Where it is open for rows that came after its end.
    pub(super) reopened: BTreeMap<Timestamp, usize>,
    /// The window of the row before, and the one before that: around a border, rows go back and forth.
    pub(super) current: [Option<usize>; 2],
    /// Where windows were found of late.
    pub(super) recent: Recent,
    /// The cells of a dictionary's codes in the window where they were last looked for.
    pub(super) direct: Direct,
    /// Windows opened so far.
    pub(super) opened: u64,
    /// What the last window took that was handed over.
    pub(super) room: Room,
    /// Its lists, for the next one that opens.
    pub(super) spare: Spare,
    /// The least end of the windows that are open on time.
    pub(super) next_end: Timestamp,
    /// Windows to hand over once the block's rows are in.
    pub(super) closing: Vec<usize>,
    pub(super) handed_keys: usize,
    pub(super) handed_sources: usize,
    pub(super) tally: Tally,
    pub(super) late: Kept,
    pub(super) rejects: Kept,
    /// Room for a block's series and sources.
    pub(super) ids: Vec<u32>,
    pub(super) source_ids: Vec<u32>,
    /// Room for a block's cells, and for those that a filter leaves.
    pub(super) block: Vec<u32>,
    pub(super) filtered: Vec<u32>,
}

impl Lane {
    /// An empty lane.
    pub fn new(spec: &Spec, plan: &Plan, types: &Arc<Types>) -> Result<Self> {
        let memories = plan.memories();
        Ok(Self {
            is_open: false,
            types: Arc::clone(types),
            keys: Keys::new(spec.by.clone()),
            sources: Keys::new(spec.source.iter().cloned().collect()),
            watermark: Watermark::new(spec.out_of_orderness, spec.idle_timeout),
            assigner: Assigner::new(spec.every, spec.offset, spec.zone.as_deref())?,
            cells: Cells::new(plan),
            origins: Origins::new(memories.iter().any(Option::is_some)),
            memories,
            renames: Renames::new(spec, plan),
            open: Vec::new(),
            vacant: Vec::new(),
            index: BTreeMap::new(),
            reopened: BTreeMap::new(),
            current: [None; 2],
            recent: Recent::default(),
            direct: Direct::default(),
            opened: 0,
            room: Room::default(),
            spare: Spare::default(),
            next_end: Timestamp::MAX,
            closing: Vec::new(),
            handed_keys: 0,
            handed_sources: 0,
            tally: Tally::default(),
            late: Kept::default(),
            rejects: Kept::default(),
            ids: Vec::new(),
            source_ids: Vec::new(),
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
            self.read(spec, plan, &rows, now, &mut partials);
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
    ) {
        let count = rows.times.len();
        if spec.source.is_none() && self.sources.is_empty() {
            self.sources.insert(&[]);
        }
        self.keys.turn_to(&rows.keys);
        self.sources.turn_to(&rows.source);
        let masks = plan.masks(&rows.inputs, count);
        self.tally.read += count as u64;
        let latest = now.zip(spec.max_ahead).map(|(now, ahead)| now.saturating_add(ahead));
        let (mut ids, mut sources) = (std::mem::take(&mut self.ids), std::mem::take(&mut self.source_ids));
        let mut start = 0;
        while start < count {
            ids.clear();
            sources.clear();
            let context =
                Context { spec, plan, rows, masks: &masks, start, ids: &ids, sources: &sources, latest };
            start += self.add_run(&context, start);
            let block = start..(start + BLOCK).min(count);
            // A dictionary's codes lead to cells directly. Under a limit, a row takes a place among the series only once
            // it is known to count.
            if spec.max_series.is_none() && rows.codes().is_none() {
                self.keys.intern_rows(&rows.keys, block.clone(), &mut ids);
            }
            if spec.source.is_some() {
                self.sources.intern_rows(&rows.source, block.clone(), &mut sources);
            }
            let mut cells = std::mem::take(&mut self.block);
            let context =
                Context { spec, plan, rows, masks: &masks, start, ids: &ids, sources: &sources, latest };
            start = self.assign_block(&context, block, &mut cells);
            self.fold(&context, start, &mut cells);
            self.block = cells;
            self.close_aside(partials);
        }
        (self.ids, self.source_ids) = (ids, sources);
        let reached = self.watermark.get();
        self.memories.iter_mut().flatten().for_each(|memory| memory.sweep(reached));
        self.renames.sweep(reached);
    }

    /// Adds the rows before `end`, whose cells these are.
    pub(super) fn fold(&mut self, context: &Context<'_>, end: usize, cells: &mut Vec<u32>) {
        let Context { plan, rows, masks, .. } = *context;
        if cells.is_empty() {
            return;
        }
        let start = end - cells.len();
        self.tally.nan += rows.nan(start..end);
        let block = Block { start, cells, times: &rows.times.values[start..end] };
        let (origins, memories, renames) = (&self.origins, &mut self.memories, &self.renames);
        let kinds = if renames.is_empty() { Vec::new() } else { self.types.inputs() };
        let names = Names { keys: &self.keys, kinds: &kinds };
        let mut value = Vec::new();
        let first = |index: usize, inputs: &[&Values], block: &Block<'_>, counted: &mut Vec<u32>| {
            let Some(Some(memory)) = memories.get_mut(index) else { return };
            for (at, cell) in counted.iter_mut().enumerate() {
                if *cell == SINK {
                    continue;
                }
                let (key, window) = origins.get(*cell);
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
        cells.clear();
    }
}
