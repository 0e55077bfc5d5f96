//! `Detector`: the series of a table, each under its method and its alarm.
//!
//! Owns the series by key and measure, what is frozen by the first rows, and the events. What a value means is its
//! method's affair ([`super::counts`], [`super::novelty`], [`super::predicted`]); with [`super::joint`] a machine is the
//! series of its first measure.

use arrow_array::RecordBatch;
use serde::Deserialize;

use super::choose::{self, Queue};
use super::completeness::Observed;
use super::each_row::EachRow;
use super::filters::Filters;
use super::joint_row::Machines;
use super::judging::{Context, Place, Purpose, pace_of, point_of};
use super::model::{LARGEST, Model};
use super::one_row;
use super::one_series::{Memory, Series};
use super::output::{Output, batch, key_table};
use super::records::Records;
use super::rows::{Input, Rows};
use super::settings::{Method, Settings};
use super::wall_clock::WallClock;
use crate::alarm;
use crate::column::{self, Scalar};
use crate::error::{Error, Result};
use crate::expect::trained::{self, History, Predictions};
use crate::key::Keys;
use crate::spacing;
use crate::time::Timestamp;

/// Detects in many series.
#[derive(Debug, Clone, Deserialize)]
pub struct Detector {
    pub(super) settings: Settings,
    /// `by`, and the level of roll-ups last.
    pub(super) keys: Keys,
    /// `measures` of them for each key, in the order of its id.
    pub(super) series: Vec<Series>,
    /// The length of a window in nanoseconds, once it is known.
    pub(super) every: Option<i64>,
    /// The method of each measure, once it is chosen.
    pub(super) methods: Vec<Option<Method>>,
    pub(super) waiting: Queue,
    pub(super) records: Records,
    /// What a model remembers of each key.
    pub(super) histories: Vec<Option<Box<History>>>,
    /// Whether any row brought a level.
    pub(super) has_level: bool,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(settings: Settings) -> Result<Self> {
        settings.check()?;
        let mut names = settings.by.clone();
        names.push("level".to_owned());
        let methods = settings
            .measures
            .iter()
            .map(|measure| match settings.method {
                Method::Auto if measure.extremes.is_some() => Some(Method::Novelty),
                Method::Auto => None,
                method => Some(method),
            })
            .collect();
        Ok(Self {
            keys: Keys::new(names),
            series: Vec::new(),
            every: settings.every,
            methods,
            waiting: Queue::default(),
            records: Records::default(),
            histories: Vec::new(),
            has_level: false,
            settings,
        })
    }

    /// What was set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Replaces the filters.
    pub fn filter(&mut self, filters: Filters) -> Result<()> {
        let before = std::mem::replace(&mut self.settings.filters, filters);
        self.settings.check().inspect_err(|_| self.settings.filters = before)
    }

    /// Replaces the alarm: each series goes on from the state and the points it has.
    pub fn watch(&mut self, alarm: alarm::Alarm) -> Result<()> {
        let before = std::mem::replace(&mut self.settings.alarm, alarm);
        self.settings.check().inspect_err(|_| self.settings.alarm = before)?;
        for series in &mut self.series {
            series.alarm.shorten(&self.settings.alarm);
        }
        Ok(())
    }

    /// The length of a window in nanoseconds, once it is known.
    pub fn every(&self) -> Option<i64> {
        self.every
    }

    /// The method of each measure, once it is chosen.
    pub fn methods(&self) -> &[Option<Method>] {
        &self.methods
    }

    /// Learns rows without judging them.
    pub fn learn(&mut self, batches: &[RecordBatch]) -> Result<()> {
        self.read(batches, Purpose::Teach)?;
        let (width, fit_rows) = (self.settings.measures.len(), self.settings.fit_rows);
        for series in &mut self.series {
            if let Memory::Joint(machine) = &mut series.memory {
                machine.fit(width, fit_rows);
            }
        }
        Ok(())
    }

    /// Judges rows, then learns each: one row out for each row and measure, in input order.
    pub fn push(&mut self, batches: &[RecordBatch]) -> Result<RecordBatch> {
        let output = self.read(batches, Purpose::Judge)?;
        let Self { settings, records, every, .. } = self;
        records.groups.settle(every.unwrap_or(0), |measure| &settings.measures[measure as usize].name);
        let names: Vec<&str> = self.settings.measures.iter().map(|measure| measure.name.as_str()).collect();
        output.table(&self.keys, self.has_level, &names)
    }

    /// All columns of all batches are read, and what they decide is decided, before the first row is.
    fn read(&mut self, batches: &[RecordBatch], purpose: Purpose) -> Result<Output> {
        let tables =
            batches.iter().map(|batch| Rows::read(batch, &self.settings)).collect::<Result<Vec<_>>>()?;
        for rows in &tables {
            self.keys.admit(&rows.keys)?;
        }
        let mut ids = Vec::with_capacity(tables.len());
        for rows in &tables {
            let mut of_table = Vec::with_capacity(rows.len);
            // Without key columns and levels, all rows have the key of the first.
            let alike = self.settings.by.is_empty() && !rows.has_level;
            self.keys.intern(&rows.keys, if alike { rows.len.min(1) } else { rows.len }, &mut of_table)?;
            if let Some(key) = of_table.last().copied() {
                of_table.resize(rows.len, key);
            }
            self.has_level |= rows.has_level;
            ids.push(of_table);
        }
        self.grow();
        self.decide(&tables, &ids, purpose);
        let total: usize = tables.iter().map(|rows| rows.len).sum();
        let measures = self.settings.measures.len();
        let mut output = Output::new(if purpose == Purpose::Judge { total * measures } else { 0 });
        self.catch_up()?;
        let predictions = self.predict(&tables, &ids);
        let Self { settings, keys, series, every, methods, waiting, records, .. } = self;
        let mut context = Context::new(settings, keys, records, *every)?;
        if context.settings.method == Method::Joint {
            let mut machines = Machines::new(measures);
            for (rows, ids) in tables.iter().zip(&ids) {
                machines.read(&mut context, (rows, ids), (series, waiting), purpose, &mut output);
            }
            return Ok(output);
        }
        let mut each = EachRow { context, series, methods, waiting, output: &mut output, purpose };
        for (at, (rows, ids)) in tables.iter().zip(&ids).enumerate() {
            each.of_table(rows, ids, predictions.get(at));
        }
        Ok(output)
    }

    /// What the model predicts of tables, if there is a model.
    fn predict(&mut self, tables: &[Rows], ids: &[Vec<u32>]) -> Vec<Predictions> {
        let Some(model) = self.settings.model.clone() else { return Vec::new() };
        let of_table = |(rows, ids): (&Rows, &Vec<u32>)| {
            let columns = rows.inputs.as_ref()?;
            let asked = trained::Rows { columns, ids: Some(ids), times: Some(&rows.times) };
            Some(model.predict(asked, |row| rows.is_revised(row), &mut self.histories))
        };
        tables.iter().zip(ids).filter_map(of_table).collect()
    }

    fn grow(&mut self) {
        self.series.resize_with(self.keys.len() * self.settings.measures.len(), Series::default);
    }

    /// Fixes what is still open and these rows can tell.
    fn decide(&mut self, tables: &[Rows], ids: &[Vec<u32>], purpose: Purpose) {
        if self.every.is_none() {
            self.every = tables.iter().find_map(|rows| rows.window_length);
        }
        if self.every.is_none() {
            let waiting = self.waiting.iter().map(|one| (one.key, one.time));
            let rows = tables.iter().zip(ids).flat_map(|(rows, ids)| {
                ids.iter().enumerate().filter_map(|(row, key)| Some((*key, rows.times.get(row).ok()?)))
            });
            self.every = spacing::median_step(waiting.chain(rows));
        }
        for (measure, method) in self.methods.iter_mut().enumerate().filter(|(_, method)| method.is_none()) {
            let waiting = self.waiting.iter().filter(|one| one.measure as usize == measure);
            let rows = tables.iter().flat_map(|rows| {
                (0..rows.len).filter(|row| !rows.is_silent(*row)).map(|row| rows.measures[measure].get(row))
            });
            let values = waiting.map(choose::Waiting::input).chain(rows);
            *method = choose::method(values, purpose == Purpose::Teach);
        }
    }

    /// Teaches what waited for a decision that is there now.
    fn catch_up(&mut self) -> Result<()> {
        if self.every.is_none() || self.waiting.is_empty() {
            return Ok(());
        }
        let measures = self.settings.measures.len();
        let Self { settings, keys, series, every, methods, waiting, records, .. } = self;
        let ready = waiting.take(|one| methods[one.measure as usize].is_some());
        let mut context = Context::new(settings, keys, records, *every)?;
        for one in ready {
            let place = Place { key: one.key, measure: one.measure as usize, measures };
            let Some(method) = methods[place.measure].filter(|method| *method != Method::Joint) else {
                continue;
            };
            let series = &mut series[place.series()];
            context.take(series, place, method, one.time, &one.input(), false, Purpose::Teach);
        }
        Ok(())
    }

    /// Learns one row; `inputs` are one for each measure.
    pub fn learn_one(&mut self, time: Timestamp, key: &[Scalar], inputs: &[Input]) -> Result<()> {
        let key = self.key_of(key)?;
        let key = self.keys.intern_one(&key)?;
        self.grow();
        let measures = self.settings.measures.len();
        if self.settings.method == Method::Joint {
            if self.every.is_none() {
                self.waiting.push(key, 0, time, &Input::NONE);
                self.decide(&[], &[], Purpose::Judge);
            }
            let Self { settings, keys, series, every, records, .. } = self;
            let mut context = Context::new(settings, keys, records, *every)?;
            let machine = &mut series[key as usize * measures];
            Machines::new(measures).learn_one(&mut context, machine, key, time, inputs);
            return Ok(());
        }
        for (measure, input) in inputs.iter().enumerate().take(measures) {
            if input.value.abs() <= LARGEST {
                self.waiting.push(key, measure, time, input);
            }
        }
        self.decide(&[], &[], Purpose::Judge);
        self.catch_up()
    }

    /// Learns one row that the model reads; `values` in the order of the settings' inputs.
    pub fn learn_row(&mut self, time: Timestamp, key: &[Scalar], values: &[Scalar]) -> Result<()> {
        self.key_of(key)?;
        self.learn(&[one_row::of(&self.settings, time, key, values)?])
    }

    /// What the model predicts of a row; NaN where it doesn't. Nothing changes.
    pub fn predict_row(&self, time: Timestamp, key: &[Scalar], values: &[Scalar]) -> Result<f64> {
        let Some(model) = &self.settings.model else { return Ok(f64::NAN) };
        let mut bytes = Vec::new();
        self.key_of(key)?.iter().for_each(|value| crate::key::encode(value, &mut bytes));
        let known = self.keys.find(&bytes).and_then(|id| self.histories.get(id as usize)).cloned().flatten();
        let rows = Rows::read(&one_row::of(&self.settings, time, key, values)?, &self.settings)?;
        let Some(columns) = &rows.inputs else { return Ok(f64::NAN) };
        let asked = trained::Rows { columns, ids: None, times: Some(&rows.times) };
        Ok(model.predict(asked, |_| false, &mut vec![known]).values[0])
    }

    /// What a row would score, one for each measure; NaN where there is nothing to tell. Nothing changes.
    pub fn score_one(&self, time: Timestamp, key: &[Scalar], inputs: &[Input]) -> Result<Vec<f64>> {
        let measures = self.settings.measures.len();
        let mut scores = vec![f64::NAN; measures];
        let (Some(key), Some(every)) = (self.id_of(key, 0, "key")?, self.every) else { return Ok(scores) };
        let mut wall = WallClock::new(self.settings.zone.as_deref(), &self.settings.holidays)?;
        let mut pace = pace_of(every, &self.settings);
        if let Memory::Joint(machine) = &self.series[key as usize * measures].memory {
            let at = (time, wall.seconds(time));
            return Ok(Machines::new(measures).score_one(machine, at, &pace, inputs));
        }
        for (measure, (input, score)) in inputs.iter().zip(&mut scores).enumerate() {
            let Observed::Share(share) = self.settings.observed(input.completeness) else { continue };
            let Some(point) = point_of(time, input, share, &mut wall) else { continue };
            let series = &self.series[Place { key, measure, measures }.series()];
            *score = match &series.memory {
                Memory::Empty | Memory::Joint(_) => continue,
                Memory::Counts(model) => model.score(&point, &mut pace),
                Memory::Novelty(model) => model.score(&point, &mut pace),
                Memory::Residual(model) if point.predicted.is_nan() => continue,
                Memory::Residual(model) => model.score(&point, &mut pace),
            }
            .score;
        }
        Ok(scores)
    }

    fn key_of(&self, key: &[Scalar]) -> Result<Vec<Scalar>> {
        self.key_at(key, 0, "key")
    }

    /// The id of a key at a level of roll-up, if it was seen.
    pub(super) fn id_of(&self, key: &[Scalar], level: i64, argument: &str) -> Result<Option<u32>> {
        let mut bytes = Vec::new();
        let key = self.key_at(key, level, argument)?;
        key.iter().for_each(|value| crate::key::encode(value, &mut bytes));
        Ok(self.keys.find(&bytes))
    }

    fn key_at(&self, key: &[Scalar], level: i64, argument: &str) -> Result<Vec<Scalar>> {
        let by = &self.settings.by;
        if key.len() != by.len() {
            return Err(Error::data(format!(
                "`{argument}` must have {} values ({}), got {}",
                by.len(),
                by.join(", "),
                key.len()
            )));
        }
        Ok(key.iter().cloned().chain([Scalar::Int(i128::from(level))]).collect())
    }

    /// Events that are new or have ended since the last call: key, measure, and the columns of events.
    pub fn events(&mut self) -> Result<RecordBatch> {
        let news = self.records.events.take();
        let measures = self.settings.measures.len();
        let ids: Vec<u32> = news.iter().map(|event| event.series / measures as u32).collect();
        let names = news
            .iter()
            .map(|event| Scalar::Str(self.settings.measures[event.series as usize % measures].name.clone()));
        let mut columns = key_table(&self.keys, &ids, self.has_level);
        columns.push(("measure", column::of_kind(column::Kind::Str, names)));
        columns.extend(alarm::event::columns(&news));
        batch(columns, news.len())
    }
}
