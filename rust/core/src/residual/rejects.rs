//! Rows that were not scored because their time can't be used: kept, and handed out with the reason.
//!
//! Owns the reasons and how many such rows are kept.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray, TimestampNanosecondArray};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::time::Timestamp;
use crate::times::{TIME_NULL, TIME_OUT_OF_RANGE};

/// Rejects that wait to be taken; beyond it the oldest are dropped (they stay counted).
pub const CAPACITY: usize = 100_000;

/// Why a row was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// It has no time.
    TimeNull,
    /// What stands there is no time.
    TimeUnreadable,
    /// Its time lies outside the years 1677 to 2262.
    TimeOutOfRange,
    /// It is older than a row of its series before it.
    TimeBackwards,
}

impl Reason {
    /// From the reasons of [`crate::times::Times`].
    pub fn of_time(reason: &str) -> Self {
        match reason {
            TIME_NULL => Self::TimeNull,
            TIME_OUT_OF_RANGE => Self::TimeOutOfRange,
            _ => Self::TimeUnreadable,
        }
    }

    /// The word that columns use.
    pub fn name(self) -> &'static str {
        match self {
            Self::TimeNull => TIME_NULL,
            Self::TimeUnreadable => crate::times::TIME_UNREADABLE,
            Self::TimeOutOfRange => TIME_OUT_OF_RANGE,
            Self::TimeBackwards => "time_backwards",
        }
    }
}

/// A row that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reject {
    /// The series' number.
    pub series: u32,
    /// Its time, where it has one.
    pub time: Option<Timestamp>,
    /// What came; NaN is null.
    pub observed: Option<f64>,
    /// What was predicted; NaN is null.
    pub predicted: Option<f64>,
    /// Why.
    pub reason: Reason,
}

/// The newest rejects, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rejects(VecDeque<Reject>);

impl Rejects {
    /// Takes one in.
    pub fn push(&mut self, reject: Reject) {
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        let number = |value: Option<f64>| value.filter(|value| !value.is_nan());
        self.0.push_back(Reject {
            observed: number(reject.observed),
            predicted: number(reject.predicted),
            ..reject
        });
    }

    /// All that are there, which are forgotten.
    pub fn take(&mut self) -> Vec<Reject> {
        self.0.drain(..).collect()
    }

    /// Whether restored ones belong to one of so many series.
    pub fn check(&self, series: usize) -> Result<()> {
        if self.0.len() > CAPACITY || self.0.iter().any(|reject| reject.series as usize >= series) {
            return Err(Error::snapshot("a rejected row belongs to no series"));
        }
        Ok(())
    }
}

/// The columns `time, observed, predicted, reason`.
pub fn columns(rejects: &[Reject]) -> [ArrayRef; 4] {
    [
        Arc::new(
            rejects
                .iter()
                .map(|reject| reject.time)
                .collect::<TimestampNanosecondArray>()
                .with_timezone("UTC"),
        ),
        Arc::new(rejects.iter().map(|reject| reject.observed).collect::<Float64Array>()),
        Arc::new(rejects.iter().map(|reject| reject.predicted).collect::<Float64Array>()),
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| reject.reason.name()))),
    ]
}
