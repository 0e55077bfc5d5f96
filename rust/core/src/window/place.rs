//! From rows to cells.
//!
//! Rows are taken in their order, since each may move the watermark and with it what becomes of the next. As long as
//! times stay in the window of the row before and can't close one, rows go together and need no arithmetic each.

use std::ops::Range;

use arrow_array::Float64Array;

use super::aggregate::{Plan, SINK};
use super::assign::Window;
use super::lane::Lane;
use super::late::{KeptRow, LATE, LEAP, SERIES_LIMIT, WINDOW_OUT_OF_RANGE};
use super::open::Open;
use super::rows::Rows;
use super::spec::Spec;
use crate::column::Values;
use crate::key::NO_ID;
use crate::room;
use crate::time::Timestamp;
use crate::times;

/// Where a time goes.
pub(super) enum Place {
    /// The open window at this place.
    Open(usize),
    /// Its window has expired.
    Expired,
    /// No 64-bit window holds it.
    Nowhere,
}

/// What assigning the rows of a block needs beside the lane.
pub(super) struct Context<'a> {
    pub spec: &'a Spec,
    pub plan: &'a Plan,
    pub rows: &'a Rows,
    /// Which rows pass each filter.
    pub masks: &'a [Vec<bool>],
    /// The block's first row.
    pub start: usize,
    /// Series of each row of the block; empty where a dictionary leads to them, or `max_series` limits them.
    pub ids: &'a [u32],
    /// Source of each row of the block; empty without a source column.
    pub sources: &'a [u32],
    /// The latest time that is not a leap.
    pub latest: Option<Timestamp>,
}

impl Context<'_> {
    fn source(&self, row: usize) -> u32 {
        self.sources.get(row - self.start).copied().unwrap_or(0)
    }

    /// The column of floats that is all there is to fold.
    fn only_floats(&self) -> Option<&Float64Array> {
        match &self.rows.inputs[self.plan.only_column()?] {
            Values::Float(array) => Some(array),
            _ => None,
        }
    }
}

/// Places of open windows, found again by their start without a search. What is wrong or missing here costs only time.
#[derive(Debug, Default)]
pub(super) struct Recent(Vec<u32>);

impl Recent {
    const SLOTS: usize = 1 << Self::BITS;
    const BITS: u32 = 12;

    fn slot(start: Timestamp) -> usize {
        // The high bits of a product with 2^64 by the golden ratio.
        (start.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) as u64 >> (64 - Self::BITS)) as usize
    }

    fn get(&self, start: Timestamp) -> Option<usize> {
        self.0.get(Self::slot(start)).map(|at| *at as usize)
    }

    fn set(&mut self, start: Timestamp, at: usize) {
        if self.0.is_empty() {
            self.0.resize(Self::SLOTS, u32::MAX);
        }
        self.0[Self::slot(start)] = at as u32;
    }
}

/// The cells of a dictionary's codes in one window.
#[derive(Debug, Default)]
pub(super) struct Direct {
    /// Which window and dictionary.
    of: Option<(u64, u64)>,
    /// By code; the sink where none was looked for.
    cells: Vec<u32>,
    /// Rows since the table was made: a table for another window is made only once they have paid for it.
    rows: usize,
    /// Whether all codes that came last were known.
    settled: bool,
    /// Room for those of a block that are not.
    unknown: Vec<u32>,
}

/// Rows from which it pays to look at codes by a table of their cells, and to fold them at once.
const LONG: usize = 64;

/// Rows below which it doesn't: around a window's border, rows of both windows take turns.
const FEW: usize = 4;

impl Direct {
    /// Makes the table that of a window and dictionary of so many codes, unless that costs too much.
    fn turn_to(&mut self, of: (u64, u64), codes: usize) -> bool {
        if self.of == Some(of) {
            return true;
        }
        // Small tables cost next to nothing.
        if codes > 1_024 && self.of.is_some() && self.rows < codes {
            return false;
        }
        self.of = Some(of);
        self.rows = 0;
        self.settled = false;
        self.cells.clear();
        self.cells.resize(codes, SINK);
        true
    }
}

impl Lane {
    /// A cell for each row of a block that is not in its cell yet.
    pub(super) fn assign_block(&mut self, context: &Context<'_>, block: Range<usize>, cells: &mut Vec<u32>) {
        let mut row = block.start;
        while row < block.end {
            let together = self.assign_together(context, row..block.end, cells);
            row += together;
            if together == 0 {
                cells.push(self.assign(context, row));
                row += 1;
            }
        }
    }

    /// Cells for the first rows of a block, as far as they go together. Gives their number.
    fn assign_together(&mut self, context: &Context<'_>, block: Range<usize>, cells: &mut Vec<u32>) -> usize {
        let Context { spec, rows, latest, .. } = *context;
        let Some(current) = self.current[0] else { return 0 };
        let Some(known) = &self.open[current] else { return 0 };
        if !known.on_time || rows.times.nulls.is_some() || spec.max_series.is_some() {
            return 0;
        }
        let mut to = known.sure.end;
        if context.sources.is_empty() {
            to = to.min(self.watermark.reached_at(self.next_end));
        }
        let to = latest.map_or(to, |latest| to.min(latest.saturating_add(1)));
        let times = &rows.times.values[block.clone()];
        let (mut count, last) = times::prefix_within(times, known.sure.start, to);
        if count < FEW {
            return 0;
        }
        // Taken out, since finding cells needs the lane as well.
        let Some(mut open) = self.open[current].take() else { return 0 };
        if context.sources.is_empty() {
            self.watermark.observe(0, last);
            open.mark(spec, 0);
        } else {
            let first = block.start - context.start;
            for (at, (source, time)) in context.sources[first..first + count].iter().zip(times).enumerate() {
                self.watermark.observe(*source as usize, *time);
                open.mark(spec, *source);
                // This row closes windows.
                if self.watermark.get() >= self.next_end {
                    count = at + 1;
                    break;
                }
            }
        }
        self.cells_together(context, &mut open, block.start..block.start + count, cells);
        self.open[current] = Some(open);
        self.tally.counted += count as u64;
        if !context.sources.is_empty() {
            self.set_aside();
        }
        count
    }

    /// Cells in one window for rows that go together.
    fn cells_together(
        &mut self,
        context: &Context<'_>,
        open: &mut Open,
        block: Range<usize>,
        cells: &mut Vec<u32>,
    ) {
        let Some((codes, nulls)) = context.rows.codes() else {
            let start = cells.len();
            let ids = &context.ids[block.start - context.start..block.end - context.start];
            cells.extend(ids.iter().map(|key| open.pages.get(*key)));
            for (key, cell) in ids.iter().zip(&mut cells[start..]) {
                if *cell == SINK {
                    *cell = open.cell(*key, &mut self.cells, &mut self.of_cell);
                }
            }
            return;
        };
        let of = (open.number, self.keys.dictionaries());
        self.direct.rows += block.len();
        if nulls.is_some() || block.len() < LONG || !self.direct.turn_to(of, self.keys.codes()) {
            for row in block {
                let code = (!nulls.is_some_and(|nulls| nulls.is_null(row))).then_some(codes[row]);
                cells.push(open.cell(self.keys.intern_code(code), &mut self.cells, &mut self.of_cell));
            }
            return;
        }
        let floats = context.only_floats();
        if !self.direct.settled || floats.is_none() {
            self.find_cells(open, &codes[block.clone()]);
        }
        if let Some(array) = floats {
            // What came before goes in before.
            self.fold(context, block.start, cells);
            self.fold_coded(context, open, array, block);
            return;
        }
        let known = &self.direct.cells;
        cells.extend(codes[block].iter().map(|code| known[*code as usize]));
    }

    /// Notes the cells of codes in the table, all at once for those that have none there.
    fn find_cells(&mut self, open: &mut Open, codes: &[u32]) {
        let known = &mut self.direct.cells;
        self.direct.unknown.clear();
        self.direct.unknown.extend(codes.iter().copied().filter(|code| known[*code as usize] == SINK));
        let unknown = self.direct.unknown.len();
        self.direct.settled = unknown == 0;
        if unknown == 0 {
            return;
        }
        self.keys.intern_codes(self.direct.unknown.iter().copied());
        let expected = self.keys.codes().max(open.keys.len());
        self.cells.expect(expected - open.keys.len());
        room::reserve(&mut self.of_cell, unknown, expected);
        room::reserve(&mut open.keys, unknown, expected);
        room::reserve(&mut open.cells, unknown, expected);
        for code in &self.direct.unknown {
            let known = &mut known[*code as usize];
            if *known == SINK {
                let key = self.keys.intern_code(Some(*code));
                *known = open.cell(key, &mut self.cells, &mut self.of_cell);
            }
        }
        // Of a small dictionary a block nearly always has all codes: then there is nothing to look for in the next one.
        self.direct.settled = known.len() <= codes.len() && !known.contains(&SINK);
    }

    /// Adds rows that go together to their cells at once.
    fn fold_coded(
        &mut self,
        context: &Context<'_>,
        open: &mut Open,
        array: &Float64Array,
        block: Range<usize>,
    ) {
        let Some((codes, _)) = context.rows.codes() else { return };
        let mut row = block.start;
        while let Some(numbers) = self.cells.group_mut(0, true) {
            let added = numbers.add_coded(array, row, &codes[row..block.end], &self.direct.cells);
            self.tally.nan += added.nan;
            row += added.rows;
            if row == block.end {
                return;
            }
            self.direct.settled = false;
            let key = self.keys.intern_code(Some(codes[row]));
            self.direct.cells[codes[row] as usize] = open.cell(key, &mut self.cells, &mut self.of_cell);
        }
    }

    /// The series of a row.
    fn key_of(&mut self, context: &Context<'_>, row: usize) -> u32 {
        match context.rows.codes() {
            Some((codes, nulls)) => {
                let code = (!nulls.is_some_and(|nulls| nulls.is_null(row))).then_some(codes[row]);
                self.keys.intern_code(code)
            }
            None => context.ids[row - context.start],
        }
    }

    /// The cell of one row, after all before it; the sink where it counts nowhere.
    fn assign(&mut self, context: &Context<'_>, row: usize) -> u32 {
        let Context { spec, rows, latest, .. } = *context;
        let source = context.source(row);
        // Under a limit, a row takes a place among the series only once it is known to count.
        let key = spec.max_series.is_none().then(|| self.key_of(context, row));
        let time = match rows.times.get(row) {
            Ok(time) if latest.is_some_and(|latest| time > latest) => {
                return self.reject(rows, row, Some(time), LEAP);
            }
            Ok(time) => time,
            Err(reason) => return self.reject(rows, row, None, reason),
        };
        match self.place(spec, time) {
            Place::Open(window) => {
                let limit = spec.max_series.map_or(usize::MAX, |limit| limit as usize);
                let key = key.unwrap_or_else(|| self.keys.intern_row_within(&rows.keys, row, limit));
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
        for current in self.current {
            if let Some(at) = current
                && let Some(open) = &self.open[at]
                && open.sure.start <= time
                && time < open.sure.end
                && (open.on_time || self.watermark.get() < spec.expiry(open.window.end))
            {
                self.turn_to(at);
                return Place::Open(at);
            }
        }
        let Some(window) = self.assigner.window(time) else { return Place::Nowhere };
        let reached = self.watermark.get();
        if spec.expiry(window.end) <= reached {
            return Place::Expired;
        }
        // Until the watermark has passed a window's end it is open on time, if at all; from then on it isn't.
        let on_time = window.end > reached;
        let found = self.recent.get(window.start).filter(|at| {
            let open = self.open.get(*at).and_then(Option::as_ref);
            open.is_some_and(|open| open.window == window && open.on_time == on_time)
        });
        let known = if on_time { &self.index } else { &self.reopened };
        let at = match found.or_else(|| known.get(&window.start).copied()) {
            Some(at) => at,
            None => self.open_window(window, on_time),
        };
        self.recent.set(window.start, at);
        self.turn_to(at);
        Place::Open(at)
    }

    fn turn_to(&mut self, window: usize) {
        if self.current[0] != Some(window) {
            self.current = [Some(window), self.current[0]];
        }
    }

    /// Opens a window.
    pub(super) fn open_window(&mut self, window: Window, on_time: bool) -> usize {
        self.opened += 1;
        let open = Open::new(self.opened, window, self.assigner.sure(window), on_time);
        let at = self.vacant.pop().unwrap_or(self.open.len());
        if at == self.open.len() {
            self.open.push(Some(open));
        } else {
            self.open[at] = Some(open);
        }
        if on_time {
            self.index.insert(window.start, at);
            self.next_end = self.next_end.min(window.end);
        } else {
            self.reopened.insert(window.start, at);
        }
        at
    }

    /// A series' cell in an open window, made if need be.
    pub(super) fn cell(&mut self, window: usize, key: u32) -> u32 {
        let Some(open) = &mut self.open[window] else { return SINK };
        open.cell(key, &mut self.cells, &mut self.of_cell)
    }

    /// Moves event time on, and with it sets aside the windows that this closes.
    pub(super) fn observe(&mut self, source: u32, time: Timestamp) {
        self.watermark.observe(source as usize, time);
        self.set_aside();
    }
}
