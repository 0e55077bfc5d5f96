//! What keeps an anomaly from the alarm, though its numbers stay: size, direction, place, hours, planned work.
//!
//! Owns what can be filtered and in which order. How rare a value is isn't touched: only what the alarm makes of it.

use serde::{Deserialize, Serialize};

use super::model::{Point, Verdict};
use super::quiet_hours::QuietHours;
use super::settings::Measure;
use crate::alarm::Direction;
use crate::column::Scalar;
use crate::error::{Error, Result};
use crate::key::Keys;
use crate::time::Timestamp;

/// What lowered an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lowered {
    /// Planned work.
    Maintenance,
    /// Nobody wants to be told at this hour.
    QuietHours,
    /// The other side.
    Direction,
    /// Too small in the measure's units.
    Deviation,
    /// Too small beside what was expected.
    RelativeDeviation,
    /// A series that is told of less.
    Sensitivity,
    /// Somebody said that the like is none.
    Feedback,
}

impl Lowered {
    /// The word that columns use: the argument's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Maintenance => "maintenance",
            Self::QuietHours => "quiet_hours",
            Self::Direction => "direction",
            Self::Deviation => "min_deviation",
            Self::RelativeDeviation => "min_relative_deviation",
            Self::Sensitivity => "sensitivity",
            Self::Feedback => "feedback",
        }
    }
}

/// How far from its expectation, and on which side, a measure's value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bounds {
    /// In the measure's units.
    pub deviation: f64,
    /// As a share of what was expected.
    pub relative: f64,
    /// The side that counts.
    pub direction: Direction,
}

/// How often series with a value in a column are told of, as a multiple.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// A key column, or `measure`.
    pub column: String,
    /// Its value.
    pub value: Scalar,
    /// How many times as often; 0 for never.
    pub factor: f64,
}

/// Planned work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Maintenance {
    /// The first instant.
    pub start: Timestamp,
    /// The first one after it.
    pub end: Timestamp,
    /// The series that it is about: a column and its values, all of which have to hold. None for all series.
    pub keys: Vec<(String, Vec<Scalar>)>,
}

/// All filters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Filters {
    /// One for each measure, in their order; or none at all.
    pub bounds: Vec<Bounds>,
    /// Factors that hold at once are multiplied.
    pub sensitivity: Vec<Sensitivity>,
    /// When nobody wants to be told.
    pub quiet_hours: Vec<QuietHours>,
    /// Stretches that are neither told of nor learned from.
    pub maintenance: Vec<Maintenance>,
}

/// A value that two tables of keys share, whatever type the number has.
fn is_same(one: &Scalar, other: &Scalar) -> bool {
    match (one, other) {
        (Scalar::Int(whole), Scalar::Float(value)) | (Scalar::Float(value), Scalar::Int(whole)) => {
            *whole as f64 == *value
        }
        _ => one == other,
    }
}

impl Filters {
    /// Checks what can be meant, for these key columns and measures.
    pub fn check(&self, by: &[String], measures: &[Measure]) -> Result<()> {
        for bounds in &self.bounds {
            for (name, value) in
                [("min_deviation", bounds.deviation), ("min_relative_deviation", bounds.relative)]
            {
                if !(value.is_finite() && value >= 0.0) {
                    return Err(Error::config(format!(
                        "`{name}` must be a finite number of at least 0, got {value}"
                    )));
                }
            }
        }
        if !self.bounds.is_empty() && self.bounds.len() != measures.len() {
            return Err(Error::config("`min_deviation` must be one number, or one for each measure"));
        }
        let known = |column: &str, argument: &str, more: &[&str]| {
            let there: Vec<&str> = by.iter().map(String::as_str).chain(more.iter().copied()).collect();
            if there.contains(&column) {
                return Ok(());
            }
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            Err(Error::config(format!("`{argument}` must name columns of `by` ({there}), got {column:?}")))
        };
        for Sensitivity { column, factor, .. } in &self.sensitivity {
            known(column, "sensitivity", &["measure"])?;
            if !(0.0..=1e6).contains(factor) {
                return Err(Error::config(format!(
                    "`sensitivity` must be between 0 and 1e6 for each value, got {factor}"
                )));
            }
        }
        for Maintenance { start, end, keys } in &self.maintenance {
            if start >= end {
                return Err(Error::config("`maintenance` must end after it starts, got an end that doesn't"));
            }
            keys.iter().try_for_each(|(column, _)| known(column, "maintenance", &[]))?;
        }
        Ok(())
    }

    /// Whether a series is worked on at an instant.
    #[inline]
    pub fn is_maintained(&self, keys: &Keys, key: u32, time: Timestamp) -> bool {
        !self.maintenance.is_empty() && self.finds_maintenance(keys, key, time)
    }

    #[cold]
    fn finds_maintenance(&self, keys: &Keys, key: u32, time: Timestamp) -> bool {
        let mut values = None;
        self.maintenance.iter().filter(|work| (work.start..work.end).contains(&time)).any(|work| {
            let values = values.get_or_insert_with(|| keys.values(key));
            work.keys.iter().all(|(column, wanted)| {
                let at = keys.names().iter().position(|name| name == column);
                at.is_some_and(|at| wanted.iter().any(|wanted| is_same(wanted, &values[at])))
            })
        })
    }

    /// The severity that the alarm sees of one of a series: `30 ln(factor) / ln(365 / 30)` higher, since that
    /// makes it come so many times as often.
    pub fn weighed(&self, keys: &Keys, key: u32, measure: &str, severity: f64) -> f64 {
        if self.sensitivity.is_empty() || severity <= 0.0 {
            return severity;
        }
        let values = keys.values(key);
        let holds = |one: &&Sensitivity| match keys.names().iter().position(|name| *name == one.column) {
            Some(at) => is_same(&one.value, &values[at]),
            None => one.value == Scalar::Str(measure.to_owned()),
        };
        let factor: f64 = self.sensitivity.iter().filter(holds).map(|one| one.factor).product();
        if factor <= 0.0 {
            return 0.0;
        }
        (severity + 30.0 * libm::log(factor) / libm::log(365.0 / 30.0)).clamp(0.0, 100.0)
    }

    /// What keeps a value from the alarm, if anything does.
    pub fn lower(&self, measure: usize, point: &Point, verdict: &Verdict) -> Option<Lowered> {
        if self.quiet_hours.iter().any(|hours| hours.hold(point.local)) {
            return Some(Lowered::QuietHours);
        }
        let bounds = self.bounds.get(measure)?;
        let deviation = point.value - verdict.expected;
        if bounds.direction != Direction::Both && verdict.side(point.value) != bounds.direction {
            return Some(Lowered::Direction);
        }
        // Without an expectation there is no deviation that could be too small.
        if deviation.abs() < bounds.deviation {
            return Some(Lowered::Deviation);
        }
        (deviation.abs() < bounds.relative * verdict.expected.abs()).then_some(Lowered::RelativeDeviation)
    }
}
