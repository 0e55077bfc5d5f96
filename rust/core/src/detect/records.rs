//! What a detector writes down of its rows, beside the series themselves: events, groups, and what people said.

use serde::{Deserialize, Serialize};

use super::completeness::Unjudged;
use super::feedback::Feedbacks;
use super::one_series::{Memory, Series};
use super::relearn::Keeping;
use super::settings::Settings;
use crate::alarm::EventLog;
use crate::error::{Error, Result};
use crate::group::Groups;

/// What is written down of rows, beside the series themselves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Records {
    pub events: EventLog,
    pub groups: Groups,
    pub feedback: Feedbacks,
    pub keeping: Keeping,
    pub unjudged: Unjudged,
}

impl Records {
    /// Whether restored ones are of these series.
    pub fn check(&self, series: &[Series], settings: &Settings) -> Result<()> {
        self.events.check(series.len())?;
        self.groups.check(series.len(), settings.measures.len())?;
        let sound = |id: u32, memory: &Memory| {
            series.get(id as usize).is_some_and(|one| one.standing.kept) && memory.is_sound(settings)
        };
        if !self.feedback.is_sound(series.len()) || !self.keeping.is_sound(sound) {
            return Err(Error::snapshot("what people said is of no series"));
        }
        Ok(())
    }
}
