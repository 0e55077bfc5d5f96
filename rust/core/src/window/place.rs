//! From rows to cells.
//!
//! Rows are taken in their order, since each may move the watermark and with it what becomes of the next.

use std::ops::Range;

use super::aggregate::{Plan, SINK};
use super::assign::Window;
use super::lane::Lane;
use super::late::{KeptRow, LATE, LEAP, SERIES_LIMIT, WINDOW_OUT_OF_RANGE};
use super::open::Open;
use super::rows::Rows;
use super::spec::Spec;
use crate::key::NO_ID;
use crate::time::Timestamp;

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

impl Lane {
    /// A cell for each row of a block that is not in its cell yet, up to where a window was closed and a run begins behind it.
    /// Gives where that is.
    pub(super) fn assign_block(
        &mut self,
        context: &Context<'_>,
        block: Range<usize>,
        cells: &mut Vec<u32>,
    ) -> usize {
        let mut row = block.start;
        while row < block.end {
            if !self.closing.is_empty() && self.run_within(context, row).is_some() {
                break;
            }
            let mut together = self.assign_together(context, row..block.end, cells);
            if together == 0 {
                together = self.assign_around(context, row..block.end, cells);
            }
            row += together;
            if together == 0 {
                cells.push(self.assign(context, row));
                row += 1;
            }
        }
        row
    }

    /// The series of a row.
    pub(super) fn key_of(&mut self, context: &Context<'_>, row: usize) -> u32 {
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

    pub(super) fn turn_to(&mut self, window: usize) {
        if self.current[0] != Some(window) {
            self.current = [Some(window), self.current[0]];
        }
    }

    /// Opens a window.
    pub(super) fn open_window(&mut self, window: Window, on_time: bool) -> usize {
        self.opened += 1;
        let spare = std::mem::take(&mut self.spare);
        let open = Open::new(self.opened, window, self.assigner.sure(window), on_time, self.room, spare);
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
        open.cell(key, &mut self.cells, &mut self.origins)
    }

    /// Moves event time on, and with it sets aside the windows that this closes.
    pub(super) fn observe(&mut self, source: u32, time: Timestamp) {
        self.watermark.observe(source as usize, time);
        self.set_aside();
    }
}
