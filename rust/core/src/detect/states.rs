//! `Detector`, continued: how far each series is.
//!
//! Owns the four states: `learning` before the first verdict, `active` after it, `failed` where rows come of which none
//! can be judged, `inactive` where none come any more.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array};
use serde::{Deserialize, Serialize};

use super::completeness::Unjudged;
use super::detector::Detector;
use super::model::confidence;
use super::output::{batch, key_table};
use super::relearn::Guard;
use super::settings::Method;
use crate::error::Result;
use crate::time::Timestamp;

/// So many rows in a row without a value that can be judged, and a series has failed.
const FAILED: u32 = 30;
/// Without a value for so many windows, and for a day, a series is inactive.
const INACTIVE_WINDOWS: i64 = 30;
const DAY: i64 = 86_400 * 1_000_000_000;

/// What is known of a series beside what its method remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// Values that were learned or judged.
    pub seen: u64,
    /// The time of the newest of them.
    pub newest: Option<Timestamp>,
    /// Rows since then that brought none that could be judged.
    pub unusable: u32,
    /// What keeps it from learning.
    pub guard: Guard,
    /// Whether it is kept as it was before an alarm.
    pub kept: bool,
}

impl Standing {
    /// A value came.
    #[inline(always)]
    pub fn hear(&mut self, time: Timestamp) {
        self.seen += 1;
        self.newest = self.newest.max(Some(time));
        self.unusable = 0;
    }

    /// A row came without a value that can be judged.
    pub fn miss(&mut self) {
        self.unusable = self.unusable.saturating_add(1);
    }
}

/// How far the series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Series and measures without a verdict yet.
    pub learning: u64,
    /// Those with verdicts.
    pub active: u64,
    /// Those of whose newest rows none could be judged.
    pub failed: u64,
    /// Those that don't come any more.
    pub inactive: u64,
    /// Windows until the last of the learning ones has a verdict.
    pub windows_wanted: u64,
    /// Rows that weren't judged for their completeness.
    pub unjudged: Unjudged,
}

fn texts<'a>(words: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(words.collect::<StringArray>())
}

/// One series' state.
struct State {
    name: &'static str,
    wanted: u64,
}

impl Detector {
    fn state(&self, series: usize) -> Option<State> {
        let every = self.every.unwrap_or(1);
        let series = self.series.get(series)?;
        let standing = &series.standing;
        let wanted = series.memory.wanted(every, &self.settings);
        let length = every.saturating_mul(INACTIVE_WINDOWS).max(DAY);
        let away = |newest: Timestamp| {
            self.records.groups.newest().is_some_and(|now| now.saturating_sub(newest) > length)
        };
        let name = match wanted {
            _ if standing.unusable >= FAILED => "failed",
            None => return None,
            _ if standing.newest.is_some_and(away) => "inactive",
            Some(0) => "active",
            Some(_) => "learning",
        };
        Some(State { name, wanted: wanted.unwrap_or(0) })
    }

    /// A measure's name; none of a machine, whose sensors are judged together.
    fn measure_of(&self, measure: usize) -> Option<&str> {
        let name = self.settings.measures[measure].name.as_str();
        (self.settings.method != Method::Joint).then_some(name)
    }

    /// How many series are how far.
    pub fn status(&self) -> Status {
        let mut status = Status { unjudged: self.records.unjudged, ..Status::default() };
        for state in (0..self.series.len()).filter_map(|series| self.state(series)) {
            match state.name {
                "failed" => status.failed += 1,
                "inactive" => status.inactive += 1,
                "active" => status.active += 1,
                _ => {
                    status.learning += 1;
                    status.windows_wanted = status.windows_wanted.max(state.wanted);
                }
            }
        }
        status
    }

    /// The series that something came of, each with its state.
    pub fn states(&self) -> Result<RecordBatch> {
        let measures = self.settings.measures.len();
        let states: Vec<(usize, State)> =
            (0..self.series.len()).filter_map(|series| Some((series, self.state(series)?))).collect();
        let ids: Vec<u32> = states.iter().map(|(series, _)| (series / measures) as u32).collect();
        let mut columns = key_table(&self.keys, &ids, self.has_level);
        let standing = |series: usize| &self.series[series].standing;
        let days = |series: usize| standing(series).seen as f64 * self.every.unwrap_or(0) as f64 / DAY as f64;
        let number = |of: &dyn Fn(&(usize, State)) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(states.iter().map(of)))
        };
        columns.extend([
            ("measure", texts(states.iter().map(|(series, _)| self.measure_of(series % measures)))),
            (
                "method",
                texts(states.iter().map(|(series, _)| self.methods[series % measures].map(Method::name))),
            ),
            ("state", texts(states.iter().map(|(_, state)| Some(state.name)))),
            ("windows", number(&|(series, _)| standing(*series).seen)),
            ("windows_wanted", number(&|(_, state)| state.wanted)),
            (
                "confidence",
                Arc::new(Float64Array::from_iter_values(
                    states.iter().map(|(series, _)| confidence(days(*series))),
                )),
            ),
            (
                "newest",
                Arc::new(
                    states
                        .iter()
                        .map(|(series, _)| standing(*series).newest)
                        .collect::<TimestampNanosecondArray>()
                        .with_timezone("UTC"),
                ),
            ),
        ]);
        batch(columns, states.len())
    }
}
