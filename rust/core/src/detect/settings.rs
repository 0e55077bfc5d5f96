//! What a caller sets of a detector, checked once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::completeness::{Completeness, Observed};
use super::filters::Filters;
use super::joint::{self, FEWEST_ROWS, MOST_ROWS};
use super::level_shift::{self, LONGEST, SHORTEST};
use super::rows::Input;
use super::wall_clock::WallClock;
use crate::alarm::{self, Alarm};
use crate::duration;
use crate::error::{Error, Result};
use crate::expect::Trained;
use crate::residual::drift;
use crate::residual::series::Rule;
use crate::times::Unit;

/// How series are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// Chosen for each measure.
    Auto,
    /// Objects per window.
    Counts,
    /// Any other metric.
    Novelty,
    /// All measures of a row together: the sensors of one machine.
    Joint,
    /// Against predictions that come in a column.
    Residual,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Counts, Self::Novelty, Self::Joint, Self::Residual];

    /// The word that callers use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Counts => "counts",
            Self::Novelty => "novelty",
            Self::Joint => "joint",
            Self::Residual => "residual",
        }
    }

    /// When a series is in alarm unless somebody says otherwise: at what happens by chance once a month; a machine
    /// when three of its last five rows have a sensor that is out.
    pub fn alarm(self) -> alarm::Settings {
        let settings = alarm::Settings::default();
        if self == Self::Joint {
            let (threshold, clear_below) = (Some(1.0), Some(0.8));
            return alarm::Settings { threshold, clear_below, breaches: 3, of: 5, ..settings };
        }
        alarm::Settings { severity: Some(50.0), ..settings }
    }

    /// How long a new level has to last unless somebody says otherwise, in nanoseconds.
    pub fn adopt(self) -> i64 {
        if self == Self::Joint { joint::ADOPT } else { level_shift::ADOPT }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|method| method.name() == text).ok_or_else(|| {
            Error::config(format!(
                "`method` must be \"auto\", \"counts\", \"novelty\", \"joint\" or \"residual\", got {text:?}"
            ))
        })
    }
}

/// One measure: a name and the columns behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// What it is called in the output.
    pub name: String,
    /// The column of values.
    pub column: String,
    /// The columns of the smallest and the largest value behind each.
    pub extremes: Option<[String; 2]>,
    /// The column of predictions.
    pub predicted: Option<String>,
}

impl Measure {
    /// A column under its own name.
    pub fn plain(name: String) -> Self {
        Self { column: name.clone(), name, extremes: None, predicted: None }
    }
}

/// What a caller sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How series are judged.
    pub method: Method,
    /// What is judged; at least one.
    pub measures: Vec<Measure>,
    /// Key columns; none for one series.
    pub by: Vec<String>,
    /// The time column.
    pub time: String,
    /// The unit of integer times.
    pub unit: Unit,
    /// The zone of the wall whose hours and weekdays count.
    pub zone: Option<String>,
    /// Days of that wall, since the epoch, that are expected to be like Sundays; in order, each once.
    pub holidays: Vec<i32>,
    /// The length of a window in nanoseconds; else it is read off the input.
    pub every: Option<i64>,
    /// When a series is in alarm.
    pub alarm: Alarm,
    /// A series without a value for so many nanoseconds is a silence; else only missing points that breach are.
    pub silence: Option<i64>,
    /// How residuals are judged; with `residual` only.
    pub rule: Rule,
    /// Whether a model still fits, and by what that is told; with `residual` only.
    pub drift: Option<drift::Rule>,
    /// The rows that a machine is fitted on; with `joint` only.
    pub fit_rows: u32,
    /// What keeps an anomaly from the alarm.
    pub filters: Filters,
    /// How much of a window was observed; with counts only.
    pub completeness: Option<Completeness>,
    /// What predicts; with `residual` only, where no column does.
    pub model: Option<Arc<Trained>>,
    /// How long a new level has to last until it is one, in nanoseconds; of counts, or of a machine's sensor.
    pub adopt: i64,
}

/// Sensors of a machine: a fit takes the cube of them in time, a machine the square in memory.
const MOST_SENSORS: usize = 500;
/// Columns of the output that are no key.
const OUTPUT: [&str; 12] = [
    "measure",
    "observed",
    "expected",
    "lower",
    "upper",
    "score",
    "severity",
    "confidence",
    "state",
    "channel",
    "lowered_by",
    "reason",
];

impl Settings {
    /// Checks what can be meant.
    pub fn check(&self) -> Result<()> {
        self.rule.check()?;
        self.filters.check(&self.by, &self.measures)?;
        if !self.filters.sensitivity.is_empty() && !self.alarm.judges_severity() {
            return Err(Error::config(
                "`sensitivity` goes with `Alarm(severity=...)`, got a threshold of scores",
            ));
        }
        self.check_completeness()?;
        WallClock::new(self.zone.as_deref(), &[])?;
        if !self.holidays.is_sorted_by(|one, next| one < next) {
            return Err(Error::config("`holidays` must be in order, each day once"));
        }
        let stretch = self.drift.map(|drift| drift.stretch);
        for (name, length) in [
            ("every", self.every),
            ("silence", self.silence),
            ("adopt", Some(self.adopt)),
            ("drift", stretch),
        ] {
            if let Some(length) = length
                && length <= 0
            {
                let got = duration::print(length);
                return Err(Error::config(format!("`{name}` must be positive, got {got:?}")));
            }
        }
        let counts = matches!(self.method, Method::Auto | Method::Counts);
        if counts && !(SHORTEST..=LONGEST).contains(&self.adopt) {
            return Err(Error::config(format!(
                "`adopt` must be between {:?} and {:?} with {:?}, got {:?}",
                duration::print(SHORTEST),
                duration::print(LONGEST),
                self.method.name(),
                duration::print(self.adopt)
            )));
        }
        if self.measures.is_empty() {
            return Err(Error::config("`measures` must name at least one column, got none"));
        }
        if self.method == Method::Joint && !(2..=MOST_SENSORS).contains(&self.measures.len()) {
            return Err(Error::config(format!(
                "`measures` must name 2 to {MOST_SENSORS} sensors with \"joint\", got {}",
                self.measures.len()
            )));
        }
        if !(FEWEST_ROWS..=MOST_ROWS).contains(&self.fit_rows) {
            return Err(Error::config(format!(
                "`fit_rows` must be between {FEWEST_ROWS} and {MOST_ROWS}, got {}",
                self.fit_rows
            )));
        }
        for (at, measure) in self.measures.iter().enumerate() {
            if self.measures[..at].iter().any(|other| other.name == measure.name) {
                return Err(Error::config(format!(
                    "`measures` must name each measure once, got {:?} twice",
                    measure.name
                )));
            }
            if measure.extremes.is_some() && !matches!(self.method, Method::Auto | Method::Novelty) {
                return Err(Error::config(format!(
                    "`measures` takes columns of extremes with \"novelty\" only, got {:?} with {:?}",
                    measure.name,
                    self.method.name()
                )));
            }
            if self.model.is_some() {
                continue;
            }
            if measure.predicted.is_some() != (self.method == Method::Residual) {
                return Err(Error::config(if self.method == Method::Residual {
                    format!(
                        "`predicted` must name a column for each measure, got none for {:?}",
                        measure.name
                    )
                } else {
                    format!("`predicted` is for \"residual\" only, got it with {:?}", self.method.name())
                }));
            }
        }
        if self.drift.is_some_and(|drift| !(drift.rmse > 0.0 && drift.rmse.is_finite())) {
            return Err(Error::config("`drift` needs a positive RMSE of training"));
        }
        self.check_model()?;
        for (at, name) in self.by.iter().enumerate() {
            if self.by[..at].contains(name) || *name == self.time {
                return Err(Error::config(format!(
                    "`by` and `time` must be different columns, got {name:?} twice"
                )));
            }
            if OUTPUT.contains(&name.as_str()) {
                return Err(Error::config(format!("`by` can't hold {name:?}: it is an output column")));
            }
        }
        if OUTPUT.contains(&self.time.as_str()) {
            return Err(Error::config(format!("`time` can't be {:?}: it is an output column", self.time)));
        }
        Ok(())
    }

    /// Shares scale numbers of things, nothing else.
    fn check_completeness(&self) -> Result<()> {
        let Some(completeness) = &self.completeness else { return Ok(()) };
        if !matches!(self.method, Method::Auto | Method::Counts) {
            let got = self.method.name();
            return Err(Error::config(format!("`completeness` is for \"counts\" only, got it with {got:?}")));
        }
        let column = &completeness.column;
        if *column == self.time || self.by.contains(column) {
            return Err(Error::config(format!(
                "`completeness` must be a column of its own, got {column:?}, which `by` or `time` names"
            )));
        }
        completeness.check()
    }

    /// What a row's completeness says; all was observed where no column says otherwise.
    #[inline]
    pub fn observed(&self, share: f64) -> Observed {
        self.completeness.as_ref().map_or(Observed::Share(1.0), |completeness| completeness.read(share))
    }

    /// Whether enough of a value's window was observed.
    #[inline]
    pub fn judges(&self, input: &Input) -> bool {
        matches!(self.observed(input.completeness), Observed::Share(_))
    }

    /// A model predicts one column; it knows machines by its own key columns.
    fn check_model(&self) -> Result<()> {
        let Some(model) = &self.model else { return Ok(()) };
        let description = model.description();
        let [measure] = self.measures.as_slice() else {
            return Err(Error::config(format!(
                "`measures` must be one column with a `model`, got {}",
                self.measures.len()
            )));
        };
        if self.method != Method::Residual || measure.predicted.is_some() || measure.extremes.is_some() {
            return Err(Error::config("`model` is for \"residual\" without `predicted` only"));
        }
        if self.by != description.by {
            return Err(Error::config(format!(
                "`by` must be that of the model, {:?}, got {:?}",
                description.by, self.by
            )));
        }
        Ok(())
    }

    /// Columns that values are read from, in order of first mention.
    pub fn inputs(&self) -> Vec<&str> {
        let mut inputs: Vec<&str> = Vec::new();
        for measure in &self.measures {
            let extremes = measure.extremes.iter().flatten();
            for name in [&measure.column].into_iter().chain(extremes).chain(&measure.predicted) {
                if !inputs.contains(&name.as_str()) {
                    inputs.push(name);
                }
            }
        }
        let completeness = self.completeness.iter().map(|one| one.column.as_str());
        for name in completeness.chain(self.model.iter().flat_map(|model| model.inputs())) {
            if !inputs.contains(&name) {
                inputs.push(name);
            }
        }
        inputs
    }

    /// Whether a column has a part of its own here, whatever windows call theirs.
    pub fn uses(&self, name: &str) -> bool {
        self.time == name || self.by.iter().any(|by| by == name) || self.inputs().contains(&name)
    }
}
