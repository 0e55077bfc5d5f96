//! One series: what its method remembers of it, its alarm and its standing.
//!
//! Owns which memory belongs to which method. What a row does to a series is the affair of [`super::judging`].

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::joint::Machine;
use super::model::Model;
use super::novelty::Metric;
use super::predicted::Predicted;
use super::settings::{Method, Settings};
use super::states::Standing;
use crate::alarm::AlarmState;

/// One series: what its method remembers. Boxed, since they differ in size and most of a table's keys may have
/// nothing in some measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Memory {
    Empty,
    Counts(Box<Counts>),
    Novelty(Box<Metric>),
    Joint(Box<Machine>),
    Residual(Box<Predicted>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    pub memory: Memory,
    pub alarm: AlarmState,
    pub standing: Standing,
}

impl From<Counts> for Memory {
    fn from(model: Counts) -> Self {
        Self::Counts(Box::new(model))
    }
}

impl From<Metric> for Memory {
    fn from(model: Metric) -> Self {
        Self::Novelty(Box::new(model))
    }
}

impl From<Predicted> for Memory {
    fn from(model: Predicted) -> Self {
        Self::Residual(Box::new(model))
    }
}

impl Default for Series {
    fn default() -> Self {
        Self { memory: Memory::Empty, alarm: AlarmState::default(), standing: Standing::default() }
    }
}

impl Memory {
    /// Windows until the first verdict; 0 once there are verdicts, none where nothing came yet.
    pub fn wanted(&self, every: i64, settings: &Settings) -> Option<u64> {
        let every = every as f64 / 1e9;
        match self {
            Self::Empty => None,
            Self::Counts(model) => Some(model.wanted(every)),
            Self::Novelty(model) => Some(model.wanted(every)),
            Self::Joint(machine) => Some(machine.wanted(settings.measures.len(), settings.fit_rows)),
            Self::Residual(model) => Some(model.wanted(every)),
        }
    }

    /// Whether a restored one can be used by a detector of these settings.
    pub fn is_sound(&self, settings: &Settings) -> bool {
        let joint = settings.method == Method::Joint;
        match self {
            Self::Empty => true,
            Self::Joint(machine) => joint && machine.is_sound(settings.measures.len()),
            Self::Counts(model) => !joint && model.is_sound(),
            Self::Novelty(model) => !joint && model.is_sound(),
            Self::Residual(model) => !joint && model.is_sound(settings),
        }
    }
}

impl Series {
    /// What rows say of it: `learning` before its first verdict, then what its alarm says.
    #[inline]
    pub fn state(&self, every: i64, settings: &Settings) -> &'static str {
        if !self.alarm.has_begun() && self.memory.wanted(every, settings) != Some(0) {
            return "learning";
        }
        self.alarm.state().name()
    }
}
