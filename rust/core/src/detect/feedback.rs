//! Feedback: what people say of a group's series, and what follows.
//!
//! Owns what is stored and when an anomaly is like one that was none. Teaching a series anew without a stretch is the
//! affair of [`super::relearn`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::relearn::Stretch;
use crate::error::{Error, Result};
use crate::group::Anomaly;
use crate::snapshot;
use crate::time::Timestamp;

/// What is stored at most; beyond it nothing is taken until something is taken back.
const CAPACITY: usize = 100_000;
/// So much larger, and on its method's scale it is still of the same size.
const SAME_SIZE: f64 = 1.1;
/// So much more of its band's width, which breathes.
const SAME_WIDTHS: f64 = 1.5;

/// What was said of a series in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// Whether it is an anomaly.
    pub is_anomaly: bool,
    /// Its first window in the group.
    pub start: Timestamp,
    /// Its last one by then.
    pub end: Timestamp,
    extent: Extent,
}

/// How large an anomaly is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Extent {
    /// On its method's own scale.
    #[serde(with = "snapshot::float")]
    size: f64,
    /// From what was expected, in the measure's units.
    #[serde(with = "snapshot::float")]
    distance: f64,
    /// The same in widths of the band.
    #[serde(with = "snapshot::float")]
    widths: f64,
    side: i8,
}

impl Extent {
    /// Of an anomaly.
    pub fn of(anomaly: &Anomaly) -> Self {
        let distance = (anomaly.observed - anomaly.expected).abs();
        let widths = distance / (anomaly.upper - anomaly.lower);
        Self { size: anomaly.size, distance, widths, side: anomaly.side }
    }

    /// Whether another one, on the same side, is no larger: on its method's scale, which moves as a series grows older,
    /// or as far from its expectation with a band as wide.
    fn covers(&self, other: &Self) -> bool {
        let far = other.distance <= SAME_SIZE * self.distance && other.widths <= SAME_WIDTHS * self.widths;
        self.side == other.side && (other.size <= SAME_SIZE * self.size || far)
    }
}

/// All of it, by series and group.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Feedbacks(BTreeMap<(u32, String), Feedback>);

impl Feedbacks {
    /// Stores what is said of a series' part in a group, in place of what was said before.
    pub fn say(
        &mut self,
        series: u32,
        group: &str,
        (start, end): (Timestamp, Timestamp),
        peak: &Anomaly,
        is_anomaly: bool,
    ) -> Result<()> {
        let key = (series, group.to_owned());
        if self.0.len() >= CAPACITY && !self.0.contains_key(&key) {
            return Err(Error::limit(format!(
                "there are {CAPACITY} pieces of feedback already: take some back"
            )));
        }
        self.0.insert(key, Feedback { is_anomaly, start, end, extent: Extent::of(peak) });
        Ok(())
    }

    /// Takes back what was said; whether anything was.
    pub fn take_back(&mut self, series: u32, group: &str) -> Option<Feedback> {
        self.0.remove(&(series, group.to_owned()))
    }

    fn of(&self, series: u32) -> impl Iterator<Item = &Feedback> {
        let all = (series, String::new())..(series.saturating_add(1), String::new());
        self.0.range(all).map(|(_, feedback)| feedback)
    }

    /// Whether somebody said that one as large as this is none.
    pub fn quiets(&self, series: u32, extent: &Extent) -> bool {
        !self.0.is_empty() && self.of(series).any(|one| !one.is_anomaly && one.extent.covers(extent))
    }

    /// The stretches of a series that are anomalies, whatever the detector thinks.
    pub fn stretches(&self, series: u32) -> Vec<Stretch> {
        let stretch = |one: &Feedback| Stretch { first: one.start, last: one.end, side: one.extent.side };
        self.of(series).filter(|one| one.is_anomaly).map(stretch).collect()
    }

    /// All of it, by series and group.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str, &Feedback)> {
        self.0.iter().map(|((series, group), feedback)| (*series, group.as_str(), feedback))
    }

    /// Whether restored feedback is of so many series.
    pub fn is_sound(&self, series: usize) -> bool {
        self.0.len() <= CAPACITY && self.0.keys().all(|(id, _)| (*id as usize) < series)
    }
}
