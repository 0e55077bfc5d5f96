//! What a caller asks of the windows, checked once.

use serde::{Deserialize, Serialize};

use super::aggregate::Aggregate;
use super::assign::Assigner;
use crate::duration::{self, DAY};
use crate::error::{Error, Result};
use crate::times::Unit;

/// Which end of a window later stages treat as its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Label {
    /// `window_start`.
    Start,
    /// `window_end`.
    End,
}

impl Label {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
        }
    }
}

/// Columns of drained windows that an aggregate can't be named after.
const RESERVED: [&str; 5] = ["window_start", "window_end", "level", "revision", "silent"];
/// Silent rows in a run where no limit is given: a day of windows of a second.
const SILENT_ROWS: u64 = 86_400;

/// The parameters of tumbling windows. Durations are nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Length of a window.
    pub every: i64,
    /// Shift of all windows.
    pub offset: i64,
    /// Civil time that windows align to; UTC without.
    pub zone: Option<String>,
    /// Which end is a window's time.
    pub label: Label,
    /// The aggregates.
    pub aggregates: Vec<Aggregate>,
    /// Key columns.
    pub by: Vec<String>,
    /// The time column.
    pub time: String,
    /// Unit of integer times.
    pub time_unit: Unit,
    /// The column whose values have watermarks of their own.
    pub source: Option<String>,
    /// How far behind the largest time seen the watermark stays.
    pub out_of_orderness: i64,
    /// How long after its end a window still takes rows.
    pub allowed_lateness: i64,
    /// Silence after which a source stops holding the watermark back.
    pub idle_timeout: Option<i64>,
    /// How far beyond `now` a row may lie.
    pub max_ahead: Option<i64>,
    /// Whether series without rows get one all the same.
    pub fill: bool,
    /// Silent rows in a run.
    pub fill_limit: Option<u64>,
    /// Coarser keys, each a part of `by`.
    pub rollup: Vec<Vec<String>>,
    /// Open windows x series.
    pub max_cells: u64,
    /// Series.
    pub max_series: Option<u64>,
}

impl Spec {
    /// Checks everything that can be checked without rows.
    pub fn check(&self) -> Result<()> {
        let positive = |value: i64, name: &str| match value {
            1.. => Ok(()),
            _ => Err(Error::config(format!("`{name}` must be positive, got \"{}\"", duration::print(value)))),
        };
        let not_negative = |value: i64, name: &str| match value {
            0.. => Ok(()),
            _ => Err(Error::config(format!(
                "`{name}` must not be negative, got \"{}\"",
                duration::print(value)
            ))),
        };
        positive(self.every, "every")?;
        not_negative(self.out_of_orderness, "out_of_orderness")?;
        not_negative(self.allowed_lateness, "allowed_lateness")?;
        self.idle_timeout.map_or(Ok(()), |value| positive(value, "idle_timeout"))?;
        self.max_ahead.map_or(Ok(()), |value| not_negative(value, "max_ahead"))?;
        if self.max_cells == 0 {
            return Err(Error::config("`max_cells` must be positive, got 0"));
        }
        if self.max_series == Some(0) {
            return Err(Error::config("`max_series` must be positive, got 0"));
        }
        Assigner::new(self.every, self.offset, self.zone.as_deref())?;
        for (at, column) in self.by.iter().enumerate() {
            if self.by[..at].contains(column) {
                return Err(Error::config(format!("`by` names column `{column}` twice")));
            }
        }
        for (level, columns) in self.rollup.iter().enumerate() {
            for column in columns {
                if !self.by.contains(column) {
                    return Err(Error::config(format!(
                        "`rollup` must name columns of `by` ({}), got \"{column}\"",
                        self.by.join(", ")
                    )));
                }
            }
            if self.rollup[..level].contains(columns) || columns.len() == self.by.len() {
                return Err(Error::config(format!(
                    "`rollup` must name coarser keys, each once, got [{}] at place {level}",
                    columns.join(", ")
                )));
            }
        }
        for (at, aggregate) in self.aggregates.iter().enumerate() {
            let name = &aggregate.name;
            if RESERVED.contains(&name.as_str()) || self.by.contains(name) {
                return Err(Error::config(format!(
                    "the aggregate `{name}` has the name of another output column"
                )));
            }
            if self.aggregates[..at].iter().any(|other| other.name == *name) {
                return Err(Error::config(format!("`aggregates` names `{name}` twice")));
            }
        }
        for column in &self.by {
            if RESERVED.contains(&column.as_str()) {
                return Err(Error::config(format!("`by` can't hold `{column}`: it is an output column")));
            }
        }
        Ok(())
    }

    /// Silent rows in a run: as asked, else a day's worth, at most [`SILENT_ROWS`].
    pub fn silent_rows(&self) -> u64 {
        self.fill_limit.unwrap_or_else(|| ((DAY / self.every) as u64).clamp(1, SILENT_ROWS))
    }

    /// When a window's last chance is over.
    pub fn expiry(&self, end: i64) -> i64 {
        end.saturating_add(self.allowed_lateness)
    }
}
