//! Rows and signs of life that come one at a time.

use super::aggregate::{Plan, SINK};
use super::handoff::Handoff;
use super::lane::Lane;
use super::late::{KeptRow, LATE, SERIES_LIMIT, WINDOW_OUT_OF_RANGE};
use super::place::Place;
use super::renames::Names;
use super::spec::Spec;
use crate::column::{Kind, Scalar};
use crate::error::{Error, Result};
use crate::key::NO_ID;
use crate::time::Timestamp;

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its event time, or why there is none.
    pub time: Result<Timestamp, &'static str>,
    /// Its series.
    pub key: Key<'a>,
    /// The inputs in their order.
    pub values: &'a [Scalar],
}

/// The series of one row.
#[derive(Debug, Clone, Copy)]
pub enum Key<'a> {
    /// The values of its key.
    Values(&'a [Scalar]),
    /// What an earlier row of the same lane was found to be.
    Known(u32),
}

/// What became of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Its series, as the lane knows it; none where it was rejected.
    pub series: Option<u32>,
    /// Whether there is something to hand over.
    pub closes: bool,
}

impl Lane {
    /// Reads one row. What it closes is handed over by [`Lane::hand_over_closed`], which is asked for.
    #[inline]
    pub fn push_one(&mut self, spec: &Spec, plan: &Plan, row: Row<'_>) -> Result<Read> {
        if let (Ok(time), Key::Known(id)) = (row.time, row.key)
            && self.push_along(spec, plan, time, id, row.values)
        {
            return Ok(Read { series: Some(id), closes: false });
        }
        self.push_any(spec, plan, row)
    }

    /// Reads a row that goes where the one before went, as nearly all do: to a cell that is there, in the window at hand,
    /// and closes none; of floats, which the lane has read before. `false` where it is no such row, and was not read.
    #[inline]
    fn push_along(&mut self, spec: &Spec, plan: &Plan, time: Timestamp, id: u32, values: &[Scalar]) -> bool {
        let Some(Some(open)) = self.current[0].and_then(|at| self.open.get_mut(at)) else { return false };
        let here = open.on_time && open.sure.start <= time && time < open.sure.end;
        if !here || time >= self.watermark.reached_at(self.next_end) || spec.source.is_some() {
            return false;
        }
        let cell = open.pages.get(id);
        if cell == SINK || self.sources.is_empty() || !self.renames.is_empty() {
            return false;
        }
        if !plan.add_floats(&mut self.cells, cell, values) {
            return false;
        }
        open.mark(spec, 0);
        self.watermark.observe(0, time);
        self.tally.read += 1;
        self.tally.counted += 1;
        true
    }

    /// As [`Lane::push_one`], whatever the row is like.
    #[inline(never)]
    fn push_any(&mut self, spec: &Spec, plan: &Plan, row: Row<'_>) -> Result<Read> {
        let Row { time, key, values } = row;
        let decoded;
        let (key, known) = match key {
            Key::Values(key) => (key, None),
            Key::Known(id) if id as usize >= self.keys.len() => {
                return Err(Error::data("`key` is of another lane"));
            }
            // Nobody asks for the key's values.
            Key::Known(id) if spec.source.is_none() && self.renames.is_empty() => (&[][..], Some(id)),
            Key::Known(id) => {
                decoded = self.keys.values(id);
                (&decoded[..], Some(id))
            }
        };
        let kinds = (key.iter().map(Kind::of_scalar), values.iter().map(Kind::of_scalar));
        self.types.agree(plan, std::iter::once(kinds))?;
        if known.is_none() {
            self.keys.admit_one(key)?;
        }
        let source = self.source_of(spec, plan, key, values)?;
        self.tally.read += 1;
        let nan = |value: &&Scalar| matches!(value, Scalar::Float(value) if value.is_nan());
        self.tally.nan += values.iter().filter(nan).count() as u64;
        let keep = |lane: &Self, reason: &str| {
            let key = known.map_or_else(|| key.to_vec(), |id| lane.keys.values(id));
            KeptRow {
                time: time.ok(),
                values: key.into_iter().chain(values.iter().cloned()).collect(),
                reason: reason.to_owned(),
                message: None,
            }
        };
        let time = match time {
            Ok(time) => time,
            Err(reason) => return Ok(self.reject_one(keep(self, reason))),
        };
        match self.place(spec, time) {
            Place::Nowhere => Ok(self.reject_one(keep(self, WINDOW_OUT_OF_RANGE))),
            Place::Expired => {
                self.tally.late += 1;
                self.late.push(keep(self, LATE));
                self.observe(source, time);
                Ok(Read { series: known, closes: true })
            }
            Place::Open(window) => {
                let limit = spec.max_series.map_or(usize::MAX, |limit| limit as usize);
                let id = match known {
                    Some(id) => id,
                    None => self.keys.intern_one_within(key, limit)?,
                };
                if id == NO_ID {
                    return Ok(self.reject_one(keep(self, SERIES_LIMIT)));
                }
                let cell = self.cell(window, id);
                let mut start = time;
                if let Some(open) = &mut self.open[window] {
                    open.mark(spec, source);
                    start = open.window.start;
                }
                self.tally.counted += 1;
                let values = &*self.renames.apply_one(spec, plan, time, key, values);
                let (memories, renames) = (&mut self.memories, &self.renames);
                let kinds = if renames.is_empty() { Vec::new() } else { self.types.inputs() };
                let names = Names { keys: &self.keys, kinds: &kinds };
                plan.add_one(&mut self.cells, cell, time, values, |index, value| {
                    match &mut memories[index] {
                        None => true,
                        Some(memory) => {
                            let key = [&id.to_le_bytes(), value].concat();
                            renames.counts(memory, (index, &key), &names, start, time)
                        }
                    }
                });
                self.observe(source, time);
                // Nothing to hand over, nearly always.
                let open_on_time = self.open[window].as_ref().is_some_and(|open| open.on_time);
                Ok(Read { series: Some(id), closes: !self.closing.is_empty() || !open_on_time })
            }
        }
    }

    /// The source of one row: the value of its column among the key or the inputs.
    fn source_of(&mut self, spec: &Spec, plan: &Plan, key: &[Scalar], values: &[Scalar]) -> Result<u32> {
        let Some(column) = &spec.source else {
            if self.sources.is_empty() {
                self.sources.insert(&[]);
            }
            return Ok(0);
        };
        let among = |names: &[String], values: &[Scalar]| {
            names.iter().position(|name| name == column).and_then(|at| values.get(at).cloned())
        };
        let value = among(&spec.by, key).or_else(|| among(plan.inputs(), values)).ok_or_else(|| {
            Error::config(format!("`push_one` needs the source column `{column}` among `by` or the inputs"))
        })?;
        self.sources.intern_one(&[value])
    }

    fn reject_one(&mut self, row: KeptRow) -> Read {
        self.tally.rejected += 1;
        self.rejects.push(row);
        Read { series: None, closes: false }
    }

    /// Counts rejects that nobody kept.
    pub fn reject_unseen(&mut self, count: u64) {
        self.tally.read += count;
        self.tally.rejected += count;
    }

    /// Takes note that a message could not be read.
    pub fn reject_message(&mut self, reason: &str, message: &[u8]) {
        self.tally.read += 1;
        self.tally.rejected += 1;
        self.rejects.push(KeptRow {
            time: None,
            values: Vec::new(),
            reason: reason.to_owned(),
            message: Some(message.to_vec()),
        });
    }

    /// A heartbeat: the source is alive at that event time, and has no row to show for it.
    pub fn alive(&mut self, spec: &Spec, source: Option<&Scalar>, time: Timestamp) -> Result<Handoff> {
        let source = match (&spec.source, source) {
            (None, _) => self.sources.insert(&[]),
            (Some(_), Some(source)) => self.sources.intern_one(std::slice::from_ref(source))?,
            (Some(column), None) => {
                return Err(Error::data(format!("`source` must be a value of column `{column}`, got None")));
            }
        };
        if spec.fill
            && let Place::Open(window) = self.place(spec, time)
            && let Some(open) = &mut self.open[window]
        {
            open.mark(spec, source);
        }
        self.observe(source, time);
        Ok(self.hand_over_closed())
    }
}
