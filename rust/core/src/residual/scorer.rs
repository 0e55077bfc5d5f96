//! `ResidualScorer`: the residuals of many series, in batches or row by row.
//!
//! Owns the series by key, the rows that come alone, and the counts. How a batch is gone through is [`super::pass`]'s
//! affair, what a residual means [`super::series`]'s; whether a score is alarming is nobody's here.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use serde::{Deserialize, Serialize};

use super::output::Output;
use super::pass::Pass;
use super::rejects::{self, Reason, Reject, Rejects};
use super::rmse::{self, Cumulative, EwmRows, Rmse, RollingRows};
use super::rows::{Rows, key_columns};
use super::series::{Kernel, Rule, Series};
use super::settings::Settings;
use super::severity::Severities;
use super::smooth::{OverRows, Plain, Smooth};
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
pub(super) struct Track {
    /// The newest time, null inputs included; the first instant there is before any.
    pub(super) newest: Timestamp,
    /// In alarm: the RMSE doesn't learn.
    pub(super) held: bool,
    pub(super) series: Series,
}

impl Track {
    pub(super) fn new(rule: Rule) -> Self {
        Self { newest: i64::MIN, held: false, series: rule.start() }
    }
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
    /// The rule made ready for rows that come alone, from the first of them on.
    #[serde(skip)]
    kernel: Option<Kernel<rmse::Kernel, Smooth>>,
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
            kernel: None,
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
        let series = self.series_of(key)?;
        self.tracks[series as usize].held = in_alarm;
        Ok(())
    }

    /// The number of a key's series, which it keeps as long as the scorer lives; a new one if need be.
    pub fn series_of(&mut self, key: &[Scalar]) -> Result<u32> {
        let series = self.keys.intern_one(key)?;
        let rule = self.settings.rule;
        self.tracks.resize_with(self.keys.len(), || Track::new(rule));
        Ok(series)
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
        let total: usize = tables.iter().map(|rows| rows.len).sum();
        let mut out = Output::new(self.settings.columns.as_deref(), total);
        let before = self.stats;
        for rows in tables {
            self.pass(&rows, &mut out)?;
            out.push_times(rows.times.values, rows.times.nulls);
        }
        let stats = &mut self.stats;
        let others = (stats.nulls - before.nulls) + (stats.rejected - before.rejected);
        stats.read += total as u64;
        stats.scored += out.scored;
        stats.waiting += total as u64 - out.scored - others;
        self.table(out, total)
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

    /// One pass over a batch, with a loop of its own for the rules that are used most.
    fn pass(&mut self, rows: &Rows, out: &mut Output) -> Result<()> {
        let rule = self.settings.rule;
        let Self { keys, tracks, stats, rejects, severities, .. } = self;
        let mut pass = Pass { keys, tracks, stats, rejects, severities: severities.as_mut(), rule };
        match (rule.rmse, rule.smooth) {
            (Rmse::Cumulative, Smooth::Rows(1)) => {
                pass.run(rows, Kernel { rmse: Cumulative, smooth: Plain }, out)
            }
            (Rmse::Cumulative, Smooth::Rows(n)) => {
                pass.run(rows, Kernel { rmse: Cumulative, smooth: OverRows(n) }, out)
            }
            (Rmse::RollingRows(of), Smooth::Rows(1)) => {
                pass.run(rows, Kernel { rmse: RollingRows(of), smooth: Plain }, out)
            }
            (Rmse::RollingRows(of), Smooth::Rows(n)) => {
                pass.run(rows, Kernel { rmse: RollingRows(of), smooth: OverRows(n) }, out)
            }
            (Rmse::EwmRows(half_life), Smooth::Rows(1)) => {
                pass.run(rows, Kernel { rmse: EwmRows::new(half_life), smooth: Plain }, out)
            }
            (Rmse::EwmRows(half_life), Smooth::Rows(n)) => {
                pass.run(rows, Kernel { rmse: EwmRows::new(half_life), smooth: OverRows(n) }, out)
            }
            _ => pass.run(rows, rule.kernel(), out),
        }
    }

    /// Scores one row of a series that [`Self::series_of`] gave; a time that can't be used makes it a reject and gives
    /// its reason's kind of null.
    pub fn push_one(
        &mut self,
        time: Result<Timestamp, Reason>,
        series: u32,
        observed: Option<f64>,
        predicted: Option<f64>,
    ) -> Option<f64> {
        let track = self.tracks.get_mut(series as usize)?;
        self.stats.read += 1;
        let fault = match time {
            Ok(time) if time >= track.newest => None,
            Ok(_) => Some(Reason::TimeBackwards),
            Err(reason) => Some(reason),
        };
        if let Some(reason) = fault {
            self.stats.rejected += 1;
            self.rejects.push(Reject { series, time: time.ok(), observed, predicted, reason });
            return None;
        }
        let time = time.unwrap_or(track.newest);
        track.newest = time;
        let residual = match (observed, predicted) {
            (Some(observed), Some(predicted)) => observed - predicted,
            _ => f64::NAN,
        };
        if residual.is_nan() {
            self.stats.nulls += 1;
            return None;
        }
        let kernel = self.kernel.get_or_insert_with(|| self.settings.rule.kernel());
        let judgement = kernel.judge(&mut track.series, time, residual);
        if !track.held {
            kernel.learn(&mut track.series, time, residual);
        }
        if let Some(severities) = &mut self.severities {
            severities.decide(&[], std::iter::once((series, time)));
            severities.push(series, time, judgement.score);
        }
        if judgement.score.is_nan() {
            self.stats.waiting += 1;
            return None;
        }
        self.stats.scored += 1;
        Some(judgement.score)
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

    fn table(&self, mut out: Output, rows: usize) -> Result<RecordBatch> {
        let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
        if let Some(ids) = out.ids.take() {
            columns.extend(self.keys.names().iter().map(String::as_str).zip(key_columns(&self.keys, &ids)));
            columns.push((&self.settings.time, out.times()));
        }
        columns.extend(out.numbers().map(|(column, values)| (column.name(), values)));
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
