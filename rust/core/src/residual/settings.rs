//! What a caller sets of a residual scorer, checked once, and which columns can come out.

use serde::{Deserialize, Serialize};

use super::rows::Names;
use super::series::Rule;
use crate::duration;
use crate::error::{Error, Result};
use crate::times::Unit;

/// What can come out for a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Column {
    /// Observed less predicted.
    Residual,
    /// The rolling mean of residuals.
    Smoothed,
    /// The RMSE of the rows before.
    Rmse,
    /// `smoothed / rmse`.
    Score,
    /// How rarely the series' scores are so large, 0 to 100.
    Severity,
}

impl Column {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Residual, Self::Smoothed, Self::Rmse, Self::Score, Self::Severity];
    /// Those that come out where none are named.
    pub const PLAIN: [Self; 4] = [Self::Residual, Self::Smoothed, Self::Rmse, Self::Score];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Residual => "residual",
            Self::Smoothed => "smoothed",
            Self::Rmse => "rmse",
            Self::Score => "score",
            Self::Severity => "severity",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|column| column.name() == text).ok_or_else(|| {
            Error::config(format!(
                "`columns` must be of \"residual\", \"smoothed\", \"rmse\", \"score\" and \"severity\", got {text:?}"
            ))
        })
    }
}

/// What a caller sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Key columns; none for one series.
    pub by: Vec<String>,
    /// The time column.
    pub time: String,
    /// The unit of integer times.
    pub unit: Unit,
    /// The column of what came.
    pub observed: String,
    /// The column of what was predicted.
    pub predicted: String,
    /// How residuals are judged.
    pub rule: Rule,
    /// Exactly the columns that come out; without it key, time and all of them but the severity do.
    pub columns: Option<Vec<Column>>,
    /// The length of a window, for the severity; else it is read off the input.
    pub every: Option<i64>,
}

impl Settings {
    /// Checks what can be meant.
    pub fn check(&self) -> Result<()> {
        self.rule.check()?;
        let mut names: Vec<&str> = self.by.iter().map(String::as_str).collect();
        names.push(&self.time);
        if let Some(twice) = (1..names.len()).find(|at| names[..*at].contains(&names[*at])) {
            return Err(Error::config(format!(
                "`by` and `time` must be different columns, got {:?} twice",
                names[twice]
            )));
        }
        if let Some(columns) = &self.columns {
            if columns.is_empty() {
                return Err(Error::config("`columns` must name at least one column, got none"));
            }
            if let Some(twice) = (1..columns.len()).find(|at| columns[..*at].contains(&columns[*at])) {
                return Err(Error::config(format!(
                    "`columns` must name each column once, got {:?} twice",
                    columns[twice].name()
                )));
            }
        }
        match self.every {
            Some(every) if every <= 0 => {
                Err(Error::config(format!("`every` must be positive, got {:?}", duration::print(every))))
            }
            Some(_) if !self.rates() => {
                Err(Error::config("`every` is for \"severity\", which `columns` must name, got it without"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the severity was asked for.
    pub fn rates(&self) -> bool {
        self.columns.as_ref().is_some_and(|columns| columns.contains(&Column::Severity))
    }

    /// The columns of the input.
    pub fn names(&self) -> Names<'_> {
        Names {
            by: &self.by,
            time: &self.time,
            unit: self.unit,
            observed: &self.observed,
            predicted: &self.predicted,
        }
    }
}
