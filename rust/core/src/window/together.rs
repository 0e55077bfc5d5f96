//! Rows that go together.
//!
//! As long as times stay in the window of the row before and can't close one, rows need no arithmetic each. Where one
//! column of floats is all there is to fold, and a dictionary's codes are the series, they are added to their cells at once.

use std::ops::Range;

use arrow_array::Float64Array;

use super::aggregate::{Number, Ran, Run, SINK};
use super::assign::Window;
use super::lane::Lane;
use super::open::Open;
use super::place::Context;
use super::spec::Spec;
use crate::column::Values;
use crate::key::NO_ID;
use crate::room;
use crate::time::Timestamp;
use crate::times;

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
    /// Room for the cells of a run.
    line: Vec<Number>,
}

/// Rows from which it pays to look at codes by a table of their cells, and to fold them at once.
const LONG: usize = 64;

/// Codes of a dictionary whose table costs next to nothing, and lies in the caches with all that it leads to.
const SMALL: usize = 1_024;

/// Rows below which it doesn't: around a window's border, rows of both windows take turns.
const FEW: usize = 4;

/// Rows a cell from which a run pays.
const ROWS: usize = 16;

impl Direct {
    /// Makes the table that of a window and dictionary of so many codes, unless that costs too much.
    fn turn_to(&mut self, of: (u64, u64), codes: usize) -> bool {
        if self.of == Some(of) {
            return true;
        }
        if codes > SMALL && self.of.is_some() && self.rows < codes {
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

impl Context<'_> {
    /// The column of floats that is all there is to fold.
    fn only_floats(&self) -> Option<&Float64Array> {
        match &self.rows.inputs[self.plan.only_column()?] {
            Values::Float(array) => Some(array),
            _ => None,
        }
    }
}

impl Lane {
    /// Up to when times close no window and are no leap, where there is but one source.
    fn uneventful_before(&self, latest: Option<Timestamp>) -> Timestamp {
        let closes = self.watermark.reached_at(self.next_end);
        latest.map_or(closes, |latest| closes.min(latest.saturating_add(1)))
    }

    /// Between which times rows from one on make a run, if they do.
    pub(super) fn run_within(&mut self, context: &Context<'_>, row: usize) -> Option<(Timestamp, Timestamp)> {
        let Context { spec, rows, latest, .. } = *context;
        let codes = self.keys.codes();
        let open = self.open[self.current[0]?].as_ref()?;
        let (from, to) = (open.sure.start, open.sure.end.min(self.uneventful_before(latest)));
        // To line up the cells has to pay.
        let far = rows.times.values.get(row + ROWS * codes)?;
        let alike = open.on_time && rows.times.nulls.is_none() && matches!(rows.codes(), Some((_, None)));
        let simple = spec.source.is_none() && spec.max_series.is_none() && context.only_floats().is_some();
        (alike && simple && codes <= SMALL && from <= *far && *far < to && self.keys.find_codes().is_some())
            .then_some((from, to))
    }

    /// Adds rows that go where those before went, from the first on, as far as they make a run. Gives their number.
    pub(super) fn add_run(&mut self, context: &Context<'_>, row: usize) -> usize {
        let Some(within) = self.run_within(context, row) else { return 0 };
        let (Some(values), Some((codes, _))) = (context.only_floats(), context.rows.codes()) else {
            return 0;
        };
        let Some(current) = self.current[0] else { return 0 };
        // Taken out, since making cells needs the lane as well.
        let Some(mut open) = self.open[current].take() else { return 0 };
        self.direct.turn_to((open.number, self.keys.dictionaries()), self.keys.codes());
        // A series may have got its cell by another way.
        let ids = self.keys.find_codes().unwrap_or_default();
        for (cell, id) in self.direct.cells.iter_mut().zip(ids) {
            if *cell == SINK && *id != NO_ID {
                *cell = open.pages.get(*id);
            }
        }
        let mut ran = Ran::default();
        let mut line = std::mem::take(&mut self.direct.line);
        if let Some(numbers) = self.cells.group_mut(0, true) {
            numbers.line_up(&mut line, &self.direct.cells);
            let (times, codes) = (&context.rows.times.values[row..], &codes[row..]);
            ran = Run { times, within, codes, values, start: row }.add_to(&mut line);
        }
        if ran.rows > 0 {
            self.expect_cells(context.spec);
            // Series that had their first row here.
            for (code, number) in (0..).zip(&line[..self.direct.cells.len()]) {
                let known = &mut self.direct.cells[code as usize];
                if *known == SINK && number.rows() > 0 {
                    let key = self.keys.intern_code(Some(code));
                    *known = open.cell(key, &mut self.cells, &mut self.origins);
                }
            }
            if let Some(numbers) = self.cells.group_mut(0, true) {
                numbers.put_back(&line, &self.direct.cells);
            }
            self.watermark.observe(0, ran.latest);
            open.mark(context.spec, 0);
            self.direct.rows += ran.rows;
            self.tally.counted += ran.rows as u64;
            self.tally.nan += ran.nan;
        }
        self.direct.line = line;
        self.open[current] = Some(open);
        ran.rows
    }

    /// Cells for the first rows of a block, as far as they go together. Gives their number.
    pub(super) fn assign_together(
        &mut self,
        context: &Context<'_>,
        block: Range<usize>,
        cells: &mut Vec<u32>,
    ) -> usize {
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

    /// Cells for rows around the border of the two windows that rows went to of late, where they go back and forth, as far
    /// as nothing can close. Gives their number.
    pub(super) fn assign_around(
        &mut self,
        context: &Context<'_>,
        block: Range<usize>,
        cells: &mut Vec<u32>,
    ) -> usize {
        let Context { spec, rows, latest, .. } = *context;
        let [Some(one), Some(other)] = self.current else { return 0 };
        if rows.times.nulls.is_some() || spec.source.is_some() || spec.max_series.is_some() {
            return 0;
        }
        let sure = |at: usize| self.open[at].as_ref().filter(|open| open.on_time).map(|open| open.sure);
        let (Some(first), Some(second)) = (sure(one), sure(other)) else { return 0 };
        let sure = [first, second];
        // Taken out, since making cells needs the lane as well.
        let (Some(first), Some(second)) = (self.open[one].take(), self.open[other].take()) else { return 0 };
        let mut open = [first, second];
        let to = self.uneventful_before(latest);
        let (mut furthest, mut window, mut alone, mut count) = (Timestamp::MIN, 0, 0, 0);
        for (row, time) in block.clone().zip(&rows.times.values[block]) {
            let holds = |window: Window| window.start <= *time && *time < window.end.min(to);
            // A number and no branch: which window is next can't be guessed.
            let next = usize::from(!holds(sure[0]));
            if !holds(sure[next]) || alone == LONG {
                break;
            }
            alone = if next == window { alone + 1 } else { 0 };
            window = next;
            furthest = furthest.max(*time);
            let key = self.key_of(context, row);
            let open = &mut open[window];
            cells.push(open.cell(key, &mut self.cells, &mut self.origins));
            open.mark(spec, 0);
            count += 1;
        }
        if count > 0 {
            self.tally.counted += count;
            self.watermark.observe(0, furthest);
            self.turn_to([one, other][window]);
        }
        [self.open[one], self.open[other]] = open.map(Some);
        count as usize
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
                    *cell = open.cell(*key, &mut self.cells, &mut self.origins);
                }
            }
            return;
        };
        let of = (open.number, self.keys.dictionaries());
        self.direct.rows += block.len();
        if nulls.is_some() || block.len() < LONG || !self.direct.turn_to(of, self.keys.codes()) {
            for row in block {
                let code = (!nulls.is_some_and(|nulls| nulls.is_null(row))).then_some(codes[row]);
                cells.push(open.cell(self.keys.intern_code(code), &mut self.cells, &mut self.origins));
            }
            return;
        }
        let floats = context.only_floats();
        if !self.direct.settled || floats.is_none() {
            self.find_cells(context.spec, open, &codes[block.clone()]);
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

    /// Windows that rows may still lag behind in stay open side by side.
    fn windows_at_once(spec: &Spec) -> usize {
        1 + usize::try_from(spec.out_of_orderness / spec.every).unwrap_or(0)
    }

    /// Makes ready for cells of all codes in the table.
    fn expect_cells(&mut self, spec: &Spec) {
        self.cells.expect(self.direct.cells.len().saturating_mul(Self::windows_at_once(spec)));
    }

    /// Notes the cells of codes in the table.
    fn find_cells(&mut self, spec: &Spec, open: &mut Open, codes: &[u32]) {
        if self.direct.cells.len() > SMALL {
            return self.find_many_cells(Self::windows_at_once(spec), open, codes);
        }
        self.expect_cells(spec);
        for code in codes {
            let known = &mut self.direct.cells[*code as usize];
            if *known == SINK {
                let key = self.keys.intern_code(Some(*code));
                *known = open.cell(key, &mut self.cells, &mut self.origins);
            }
        }
        // A block nearly always has all codes: then there is nothing to look for in the next one.
        let known = &self.direct.cells;
        self.direct.settled = known.len() <= codes.len() && !known.contains(&SINK);
    }

    /// Likewise, all at once for those that have none there: what they lead to lies anywhere in memory.
    fn find_many_cells(&mut self, windows: usize, open: &mut Open, codes: &[u32]) {
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
        self.cells.expect((expected - open.keys.len()).saturating_mul(windows));
        self.origins.reserve(unknown, expected);
        room::reserve(&mut open.keys, unknown, expected);
        room::reserve(&mut open.cells, unknown, expected);
        for code in &self.direct.unknown {
            let known = &mut known[*code as usize];
            if *known == SINK {
                let key = self.keys.intern_code(Some(*code));
                *known = open.cell(key, &mut self.cells, &mut self.origins);
            }
        }
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
            self.direct.cells[codes[row] as usize] = open.cell(key, &mut self.cells, &mut self.origins);
        }
    }
}
