//! `ResidualScorer`: the residuals of many series, in batches or row by row.
//!
//! Owns the series by key, the order of time within each, the counts, and which columns come out. What a
//! residual means is [`super::series`]'s affair; whether a score is alarming is nobody's here.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, TimestampNanosecondArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema};
use serde::{Deserialize, Serialize};

use super::rejects::{self, Reason, Reject, Rejects};
use super::rmse::{Cumulative, EwmRows, Remember, Rmse, RollingRows};
use super::rows::{Rows, key_columns};
use super::series::{Judgement, Kernel, Rule, Series};
use super::settings::{Column, Settings};
use super::severity::Severities;
use super::smooth::{Average, OverRows, Plain, Smooth};
use crate::column::Scalar;
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::snapshot;
use crate::time::Timestamp;

/// Counts since the beginning. `read = scored + nulls + waiting + rejected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Rows that came.
    pub read: u64,
    /// Rows with a score.
    pub scored: u64,
    /// Rows without an observation or a prediction; NaN is none.
    pub nulls: u64,
    /// Rows without a score since there is no RMSE above 0 or too few rows to smooth over.
    pub waiting: u64,
    /// Rows whose time can't be used.
    pub rejected: u64,
}

/// A series and where it stands in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Track {
    /// The newest time, null inputs included; the first instant there is before any.
    newest: Timestamp,
    /// In alarm: the RMSE doesn't learn.
    held: bool,
    series: Series,
}

/// The residuals of many series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResidualScorer {
    settings: Settings,
    keys: Keys,
    /// One for each key, by its id.
    tracks: Vec<Track>,
    stats: Stats,
    rejects: Rejects,
    /// Where the severity was asked for.
    severities: Option<Severities>,
}

/// Columns on their way out; NaN stands for null.
#[derive(Default)]
struct Output {
    ids: Vec<u32>,
    times: Vec<(ScalarBuffer<i64>, Option<NullBuffer>)>,
    residual: Vec<f64>,
    smoothed: Vec<f64>,
    rmse: Vec<f64>,
    score: Vec<f64>,
    severity: Vec<f64>,
}

impl ResidualScorer {
    /// A scorer that has seen nothing.
    pub fn new(settings: Settings) -> Result<Self> {
        settings.check()?;
        let keys = Keys::new(settings.by.clone());
        let severities = settings.rates().then(|| Severities::new(settings.every));
        Ok(Self {
            settings,
            keys,
            tracks: Vec::new(),
            stats: Stats::default(),
            rejects: Rejects::default(),
            severities,
        })
    }

    /// What was set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Counts since the beginning.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Series seen.
    pub fn series(&self) -> usize {
        self.tracks.len()
    }

    /// Tells whether a series is in alarm; while it is, its RMSE doesn't learn.
    pub fn hold(&mut self, key: &[Scalar], in_alarm: bool) -> Result<()> {
        let id = self.keys.intern_one(key)? as usize;
        self.grow();
        self.tracks[id].held = in_alarm;
        Ok(())
    }

    fn grow(&mut self) {
        let rule = self.settings.rule;
        self.tracks.resize_with(self.keys.len(), || Track {
            newest: i64::MIN,
            held: false,
            series: rule.start(),
        });
    }

    /// Scores the rows of a table: one row out for each row in, in their order. All columns are read before
    /// any row is scored.
    pub fn push(&mut self, batches: &[RecordBatch]) -> Result<RecordBatch> {
        let names = self.settings.names();
        let tables = batches.iter().map(|batch| Rows::read(batch, names)).collect::<Result<Vec<_>>>()?;
        for rows in &tables {
            self.keys.admit(&rows.by)?;
        }
        self.decide(batches, &tables)?;
        let total = tables.iter().map(|rows| rows.len).sum();
        let mut out = Output::default();
        out.score.reserve_exact(total);
        let only_scores = self.settings.columns.as_deref() == Some(&[Column::Score]);
        let before = (self.stats.nulls, self.stats.rejected);
        let mut ids = Vec::new();
        for rows in tables {
            ids.clear();
            self.keys.intern(&rows.by, rows.len, &mut ids)?;
            self.grow();
            match (only_scores, rows.complete()) {
                (true, true) => self.pass::<false, false>(&rows, &ids, &mut out),
                (true, false) => self.pass::<false, true>(&rows, &ids, &mut out),
                (false, true) => self.pass::<true, false>(&rows, &ids, &mut out),
                (false, false) => self.pass::<true, true>(&rows, &ids, &mut out),
            }
            self.rate(&rows, &ids, &mut out);
            if self.settings.columns.is_none() {
                out.ids.extend_from_slice(&ids);
                out.times.push((rows.times.values, rows.times.nulls));
            }
        }
        let valid = valid(&out.score);
        let stats = &mut self.stats;
        let scored = (total - valid.null_count()) as u64;
        stats.read += total as u64;
        stats.scored += scored;
        stats.waiting += total as u64 - scored - (stats.nulls - before.0) - (stats.rejected - before.1);
        self.table(out, valid, total)
    }

    /// Fixes the length of a window if the severity needs it and these rows can tell.
    fn decide(&mut self, batches: &[RecordBatch], tables: &[Rows]) -> Result<()> {
        let Some(severities) = self.severities.as_mut().filter(|severities| !severities.is_decided()) else {
            return Ok(());
        };
        let mut times = Vec::new();
        let mut ids = Vec::new();
        for rows in tables {
            ids.clear();
            self.keys.intern(&rows.by, rows.len, &mut ids)?;
            times.extend(
                ids.iter().enumerate().filter_map(|(row, id)| Some((*id, rows.times.get(row).ok()?))),
            );
        }
        severities.decide(batches, times.into_iter());
        Ok(())
    }

    /// The severities of a batch's scores, if they were asked for.
    fn rate(&mut self, rows: &Rows, ids: &[u32], out: &mut Output) {
        let Some(severities) = &mut self.severities else { return };
        let from = out.severity.len();
        for (row, id) in ids.iter().enumerate() {
            // Rejects and nulls have no residual; a residual may still be without a score.
            let score = out.score[from + row];
            let severity = if out.residual[from + row].is_nan() {
                f64::NAN
            } else {
                severities.push(*id, rows.times.values[row], score, self.tracks[*id as usize].held)
            };
            out.severity.push(severity);
        }
    }

    /// One pass over a batch, with a loop of its own for the rules that are used most.
    fn pass<const ALL: bool, const GAPS: bool>(&mut self, rows: &Rows, ids: &[u32], out: &mut Output) {
        let Rule { rmse, smooth } = self.settings.rule;
        match (rmse, smooth) {
            (Rmse::Cumulative, Smooth::Rows(1)) => {
                self.run::<ALL, GAPS, _, _>(rows, ids, Kernel { rmse: Cumulative, smooth: Plain }, out);
            }
            (Rmse::Cumulative, Smooth::Rows(n)) => {
                self.run::<ALL, GAPS, _, _>(rows, ids, Kernel { rmse: Cumulative, smooth: OverRows(n) }, out);
            }
            (Rmse::RollingRows(of), Smooth::Rows(1)) => {
                self.run::<ALL, GAPS, _, _>(rows, ids, Kernel { rmse: RollingRows(of), smooth: Plain }, out);
            }
            (Rmse::RollingRows(of), Smooth::Rows(n)) => {
                let kernel = Kernel { rmse: RollingRows(of), smooth: OverRows(n) };
                self.run::<ALL, GAPS, _, _>(rows, ids, kernel, out);
            }
            (Rmse::EwmRows(half_life), Smooth::Rows(1)) => {
                let kernel = Kernel { rmse: EwmRows::new(half_life), smooth: Plain };
                self.run::<ALL, GAPS, _, _>(rows, ids, kernel, out);
            }
            (Rmse::EwmRows(half_life), Smooth::Rows(n)) => {
                let kernel = Kernel { rmse: EwmRows::new(half_life), smooth: OverRows(n) };
                self.run::<ALL, GAPS, _, _>(rows, ids, kernel, out);
            }
            _ => self.run::<ALL, GAPS, _, _>(rows, ids, self.settings.rule.kernel(), out),
        }
    }

    /// One pass over a batch. `ALL` columns or the score alone; with `GAPS`, any input may be null.
    fn run<const ALL: bool, const GAPS: bool, R: Remember, A: Average>(
        &mut self,
        rows: &Rows,
        ids: &[u32],
        mut kernel: Kernel<R, A>,
        out: &mut Output,
    ) {
        let Self { tracks, stats, rejects, .. } = self;
        let mut one = |row: usize, id: u32, time: Timestamp, observed: f64, predicted: f64| -> Judgement {
            let track = &mut tracks[id as usize];
            let fault = if GAPS { rows.times.get(row).err().map(Reason::of_time) } else { None };
            if fault.is_some() || time < track.newest {
                stats.rejected += 1;
                rejects.push(refused(rows, row, id, fault));
                return Judgement::NULL;
            }
            track.newest = time;
            let residual = observed - predicted;
            let null = GAPS && (rows.observed.is_null(row) || rows.predicted.is_null(row));
            if null || residual.is_nan() {
                stats.nulls += 1;
                return Judgement::NULL;
            }
            let judgement = kernel.judge(&mut track.series, time, residual);
            if !track.held {
                kernel.learn(&mut track.series, time, residual);
            }
            judgement
        };
        let inputs = ids
            .iter()
            .zip(rows.times.values.iter())
            .zip(rows.observed.values().iter().zip(rows.predicted.values()))
            .enumerate();
        if ALL {
            for (row, ((id, time), (observed, predicted))) in inputs {
                let judgement = one(row, *id, *time, *observed, *predicted);
                out.residual.push(judgement.residual);
                out.smoothed.push(judgement.smoothed);
                out.rmse.push(judgement.rmse);
                out.score.push(judgement.score);
            }
        } else {
            out.score.extend(inputs.map(|(row, ((id, time), (observed, predicted)))| {
                one(row, *id, *time, *observed, *predicted).score
            }));
        }
    }

    /// Scores one row; a time that can't be used makes it a reject and gives its reason's kind of null.
    pub fn push_one(
        &mut self,
        time: Result<Timestamp, Reason>,
        key: &[Scalar],
        observed: Option<f64>,
        predicted: Option<f64>,
    ) -> Result<Option<f64>> {
        let id = self.keys.intern_one(key)?;
        self.grow();
        let track = &mut self.tracks[id as usize];
        self.stats.read += 1;
        let fault = match time {
            Ok(time) if time >= track.newest => None,
            Ok(_) => Some(Reason::TimeBackwards),
            Err(reason) => Some(reason),
        };
        if let Some(reason) = fault {
            self.stats.rejected += 1;
            self.rejects.push(Reject { series: id, time: time.ok(), observed, predicted, reason });
            return Ok(None);
        }
        let time = time.unwrap_or(track.newest);
        track.newest = time;
        let residual = match (observed, predicted) {
            (Some(observed), Some(predicted)) => observed - predicted,
            _ => f64::NAN,
        };
        if residual.is_nan() {
            self.stats.nulls += 1;
            return Ok(None);
        }
        let mut kernel = self.settings.rule.kernel();
        let judgement = kernel.judge(&mut track.series, time, residual);
        if !track.held {
            kernel.learn(&mut track.series, time, residual);
        }
        if let Some(severities) = &mut self.severities {
            severities.decide(&[], std::iter::once((id, time)));
            severities.push(id, time, judgement.score, track.held);
        }
        if judgement.score.is_nan() {
            self.stats.waiting += 1;
            return Ok(None);
        }
        self.stats.scored += 1;
        Ok(Some(judgement.score))
    }

    /// The rows that were refused since the last call: time, key columns, what came, what was predicted, and
    /// `reason`; all but the last under the names of the input.
    pub fn rejects(&mut self) -> Result<RecordBatch> {
        let taken = self.rejects.take();
        let ids: Vec<u32> = taken.iter().map(|reject| reject.series).collect();
        let [time, observed, predicted, reason] = rejects::columns(&taken);
        let mut columns = vec![(self.settings.time.as_str(), time)];
        columns.extend(self.keys.names().iter().map(String::as_str).zip(key_columns(&self.keys, &ids)));
        columns.push((&self.settings.observed, observed));
        columns.push((&self.settings.predicted, predicted));
        columns.push(("reason", reason));
        batch(columns, taken.len())
    }

    fn table(&self, out: Output, scored: NullBuffer, rows: usize) -> Result<RecordBatch> {
        let mut scored = Some(scored);
        let mut column = |name: Column, values: Vec<f64>| -> ArrayRef {
            let known = if name == Column::Score { scored.take() } else { None };
            let valid = known.unwrap_or_else(|| valid(&values));
            let nulls = (valid.null_count() > 0).then_some(valid);
            Arc::new(Float64Array::new(values.into(), nulls))
        };
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        if self.settings.columns.is_none() {
            let keys = key_columns(&self.keys, &out.ids);
            columns.extend(self.keys.names().iter().map(String::as_str).zip(keys));
            columns.push((&self.settings.time, times(out.times, rows)));
        }
        let Output { mut residual, mut smoothed, mut rmse, mut score, mut severity, .. } = out;
        for name in self.settings.columns.as_deref().unwrap_or(&Column::PLAIN) {
            let values = match name {
                Column::Residual => &mut residual,
                Column::Smoothed => &mut smoothed,
                Column::Rmse => &mut rmse,
                Column::Score => &mut score,
                Column::Severity => &mut severity,
            };
            columns.push((name.name(), column(*name, std::mem::take(values))));
        }
        batch(columns, rows)
    }

    /// The state, with what it takes to go on.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        snapshot::write(snapshot::Kind::Residual, self)
    }

    /// The scorer of a snapshot.
    pub fn restore(bytes: &[u8]) -> Result<Self> {
        let scorer: Self = snapshot::read(snapshot::Kind::Residual, bytes)?;
        scorer.settings.check().map_err(|error| Error::snapshot(error.to_string()))?;
        if scorer.keys.names() != scorer.settings.by || scorer.keys.len() != scorer.tracks.len() {
            return Err(Error::snapshot("the series and their keys differ in number"));
        }
        scorer.rejects.check(scorer.tracks.len())?;
        if scorer.severities.is_some() != scorer.settings.rates()
            || scorer.severities.as_ref().is_some_and(|severities| !severities.is_sound(scorer.keys.len()))
        {
            return Err(Error::snapshot("the series' past scores don't fit the settings"));
        }
        scorer.tracks.iter().try_for_each(|track| scorer.settings.rule.admit(&track.series))?;
        Ok(scorer)
    }
}

/// A row of a batch that is not scored.
#[cold]
fn refused(rows: &Rows, row: usize, series: u32, fault: Option<Reason>) -> Reject {
    Reject {
        series,
        time: fault.is_none().then(|| rows.times.values[row]),
        observed: rows.observed.is_valid(row).then(|| rows.observed.value(row)),
        predicted: rows.predicted.is_valid(row).then(|| rows.predicted.value(row)),
        reason: fault.unwrap_or(Reason::TimeBackwards),
    }
}

/// Which values are there.
fn valid(values: &[f64]) -> NullBuffer {
    NullBuffer::new(BooleanBuffer::collect_bool(values.len(), |row| !values[row].is_nan()))
}

/// The time column: shared where it was one, else put together.
fn times(parts: Vec<(ScalarBuffer<i64>, Option<NullBuffer>)>, rows: usize) -> ArrayRef {
    let (values, nulls) = match <[_; 1]>::try_from(parts) {
        Ok([one]) => one,
        Err(parts) => {
            let mut values = Vec::with_capacity(rows);
            let mut valid = Vec::with_capacity(rows);
            for (part, nulls) in &parts {
                values.extend_from_slice(part);
                valid.extend(
                    (0..part.len()).map(|row| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))),
                );
            }
            let valid = NullBuffer::from(valid);
            (values.into(), (valid.null_count() > 0).then_some(valid))
        }
    };
    Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone("UTC"))
}

fn batch(columns: Vec<(&str, ArrayRef)>, rows: usize) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns.into_iter().map(|(_, array)| array).collect(),
        &RecordBatchOptions::new().with_row_count(Some(rows)),
    )
    .map_err(|error| Error::data(error.to_string()))
}
