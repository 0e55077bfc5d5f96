//! Learning anew without a stretch that somebody called an anomaly.
//!
//! Owns what is kept for that: of series that went into alarm, their memory as it was before and the rows since, in
//! bounded number; beyond it, what was learned stays learned. And the rule for how far the stretch goes: over the rows
//! that were in alarm, and on while values stay outside their band.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judging::Memory;
use super::model::{Model, Pace, Point};
use crate::snapshot;
use crate::time::Timestamp;

/// Series that are kept at most; beyond it the oldest is let go.
const SERIES: usize = 128;
/// Rows of each; beyond it what was learned stays.
const ROWS: usize = 1_024;
/// A stretch ends after so many days outside the band: a level that lasts is a level.
const LONGEST: i64 = 7 * 86_400 * 1_000_000_000;

/// A row as it was learned, or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    time: Timestamp,
    #[serde(with = "snapshot::array")]
    numbers: [f64; 6],
    holiday: bool,
    learned: bool,
}

impl Row {
    fn point(&self) -> Point {
        let [local, value, low, high, predicted, share] = self.numbers;
        let extremes = [low, high];
        Point { time: self.time, local, value, extremes, predicted, share, holiday: self.holiday }
    }
}

/// One series since it went into alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// As it was before.
    before: Memory,
    rows: Vec<Row>,
    /// The how manieth it is.
    serial: u64,
}

/// The series that are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Keeping {
    series: BTreeMap<u32, Kept>,
    serial: u64,
}

impl Keeping {
    /// Keeps a series as it was before it went into alarm, unless it is kept from an earlier alarm.
    pub fn keep(&mut self, series: u32, before: Memory) {
        if self.series.contains_key(&series) {
            return;
        }
        if self.series.len() >= SERIES {
            let oldest = self.series.iter().min_by_key(|(_, kept)| kept.serial).map(|(id, _)| *id);
            oldest.and_then(|id| self.series.remove(&id));
        }
        self.serial += 1;
        self.series.insert(series, Kept { before, rows: Vec::new(), serial: self.serial });
    }

    /// Notes a row of a series; whether the series is still kept.
    pub fn note(&mut self, series: u32, point: &Point, learned: bool) -> bool {
        let Some(kept) = self.series.get_mut(&series) else { return false };
        if kept.rows.len() >= ROWS {
            self.series.remove(&series);
            return false;
        }
        let [low, high] = point.extremes;
        let numbers = [point.local, point.value, low, high, point.predicted, point.share];
        kept.rows.push(Row { time: point.time, numbers, holiday: point.holiday, learned });
        true
    }

    /// The series as it would be had it not learned from these stretches since it is kept, and its guard; none where it
    /// isn't kept.
    pub fn without(&self, series: u32, stretches: &[Stretch], pace: &mut Pace) -> Option<(Memory, Guard)> {
        let kept = self.series.get(&series)?;
        let mut memory = kept.before.clone();
        let mut guard = Guard::default();
        for row in &kept.rows {
            match &mut memory {
                Memory::Empty | Memory::Joint(_) => {}
                Memory::Counts(model) => row.teach(model.as_mut(), stretches, &mut guard, pace),
                Memory::Novelty(model) => row.teach(model.as_mut(), stretches, &mut guard, pace),
                Memory::Residual(model) => row.teach(model.as_mut(), stretches, &mut guard, pace),
            }
        }
        Some((memory, guard))
    }

    /// Whether what was restored is sound, as `sound` says of each series.
    pub fn is_sound(&self, sound: impl Fn(u32, &Memory) -> bool) -> bool {
        self.series.len() <= SERIES
            && self.series.iter().all(|(id, kept)| kept.rows.len() <= ROWS && sound(*id, &kept.before))
    }
}

impl Row {
    fn teach<M: Model>(&self, model: &mut M, stretches: &[Stretch], guard: &mut Guard, pace: &mut Pace) {
        let point = self.point();
        let (verdict, judged) = model.judge(&point, pace);
        let is_in = |stretch: &&Stretch| (stretch.first..=stretch.last).contains(&self.time);
        if let Some(stretch) = stretches.iter().find(is_in) {
            guard.raise(self.time, stretch.side);
        }
        let held = guard.holds(&point, verdict.lower, verdict.upper);
        if self.learned && !held {
            model.learn(&point, &judged, pace);
            // Was told when it came.
            let _ = model.lasting(&point, &judged, pace);
        }
    }
}

/// A stretch of a series that is an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first window in alarm.
    pub first: Timestamp,
    /// Its last one.
    pub last: Timestamp,
    /// The side of the expectation, as [`crate::group::Anomaly::side`].
    pub side: i8,
}

/// What keeps a series from learning on, once it was told of an anomaly that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Guard {
    /// The newest window that was in alarm.
    since: Option<Timestamp>,
    /// 1 where it was above its expectation, -1 below, 0 where either side counts.
    side: i8,
}

impl Guard {
    /// An anomaly's window is at hand, or the newest one was.
    pub fn raise(&mut self, time: Timestamp, side: i8) {
        self.since = self.since.max(Some(time));
        self.side = side;
    }

    /// The anomaly goes on, if there is one, and on that side.
    #[inline]
    pub fn prolong(&mut self, time: Timestamp, side: i8) {
        if self.since.is_some() && (self.side == 0 || self.side == side) {
            self.raise(time, self.side);
        }
    }

    /// Whether a point isn't to be learned; one that is back from that side of its band ends it.
    #[inline]
    pub fn holds(&mut self, point: &Point, lower: f64, upper: f64) -> bool {
        let Some(since) = self.since else { return false };
        let (above, below) = (point.value > upper, point.value < lower);
        let outside = above && self.side >= 0 || below && self.side <= 0;
        if point.time <= since || outside && point.time.saturating_sub(since) <= LONGEST {
            return true;
        }
        self.since = None;
        false
    }
}
