//! Learning anew without a stretch that somebody called an anomaly.
//!
//! Owns what is kept for that: of series that went into alarm, their memory as it was before and the rows since, in
//! bounded number; beyond it, what was learned stays learned. And the rule for how far the stretch goes: over the rows
//! that were in alarm, and on while values stay outside their band.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::kept_rows::{KeptRows, ROWS, Row};
use super::model::{Model, Pace, Point};
use super::one_series::Memory;
use crate::time::Timestamp;

/// Series that are kept at most; beyond it the oldest is let go.
const SERIES: usize = 128;
/// A stretch ends after so many days outside the band: a level that lasts is a level.
const LONGEST: i64 = 7 * 86_400 * 1_000_000_000;

/// One series since it went into alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Its memory as it was before, as it is stored.
    before: Vec<u8>,
    rows: KeptRows,
    /// The how manieth it is.
    serial: u64,
}

/// The series that are kept. What such a series remembers now follows from what is kept of it, so it is not stored beside.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Keeping {
    series: BTreeMap<u32, Kept>,
    serial: u64,
}

impl Keeping {
    /// Keeps a series as it was before it went into alarm, unless it is kept from an earlier alarm.
    pub fn keep(&mut self, series: u32, before: &Memory) {
        if self.series.contains_key(&series) {
            return;
        }
        if self.series.len() >= SERIES {
            let oldest = self.series.iter().min_by_key(|(_, kept)| kept.serial).map(|(id, _)| *id);
            oldest.and_then(|id| self.series.remove(&id));
        }
        let Ok(before) = postcard::to_stdvec(before) else { return };
        self.serial += 1;
        self.series.insert(series, Kept { before, rows: KeptRows::default(), serial: self.serial });
    }

    /// Notes a row of a series: whether it may be learned but for what people say, and whether it is. Says whether the
    /// series is still kept.
    pub fn note(&mut self, series: u32, point: &Point, free: bool, learned: bool) -> bool {
        let Some(kept) = self.series.get_mut(&series) else { return false };
        if kept.rows.len() >= ROWS {
            self.series.remove(&series);
            return false;
        }
        kept.rows.push(&Row { point: *point, free, learned });
        true
    }

    /// Lets a series go that begins anew.
    pub fn forget(&mut self, series: u32) {
        self.series.remove(&series);
    }

    /// Whether a series is kept.
    pub fn has(&self, series: u32) -> bool {
        self.series.contains_key(&series)
    }

    /// All that are kept.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.series.keys().copied()
    }

    /// The series as it would be had it not learned from these stretches since it is kept, and its guard; none where it
    /// isn't kept. From then on it hasn't.
    pub fn without(
        &mut self,
        series: u32,
        stretches: &[Stretch],
        pace: &mut Pace,
    ) -> Option<(Memory, Guard)> {
        let kept = self.series.get_mut(&series)?;
        let mut rows = kept.rows.rows()?;
        let mut guard = Guard::default();
        let memory = kept.taught(&mut rows, pace, |row, (lower, upper)| {
            let is_in = |stretch: &&Stretch| (stretch.first..=stretch.last).contains(&row.point.time);
            if let Some(stretch) = stretches.iter().find(is_in) {
                guard.raise(row.point.time, stretch.side);
            }
            row.learned = !guard.holds(&row.point, lower, upper) && row.free;
        })?;
        kept.rows = rows.into_iter().collect();
        Some((memory, guard))
    }

    /// The series as it is; none where it isn't kept, or can't be made of what is.
    pub fn present(&self, series: u32, pace: &mut Pace) -> Option<Memory> {
        let kept = self.series.get(&series)?;
        kept.taught(&mut kept.rows.rows()?, pace, |_, _| {})
    }

    /// Whether what was restored is sound, as `sound` says of each series.
    pub fn is_sound(&self, sound: impl Fn(u32, &Memory) -> bool) -> bool {
        let is_sound = |(id, kept): (&u32, &Kept)| kept.before().is_some_and(|before| sound(*id, &before));
        self.series.len() <= SERIES && self.series.iter().all(is_sound)
    }
}

impl Kept {
    fn before(&self) -> Option<Memory> {
        postcard::take_from_bytes(&self.before)
            .ok()
            .filter(|(_, rest)| rest.is_empty())
            .map(|(memory, _)| memory)
    }

    /// Its memory after these rows. `decide` is asked of each, once it is judged, and given the band.
    fn taught(
        &self,
        rows: &mut [Row],
        pace: &mut Pace,
        decide: impl FnMut(&mut Row, (f64, f64)),
    ) -> Option<Memory> {
        let mut memory = self.before()?;
        match &mut memory {
            Memory::Empty | Memory::Joint(_) => {}
            Memory::Counts(model) => teach(model.as_mut(), rows, pace, decide),
            Memory::Novelty(model) => teach(model.as_mut(), rows, pace, decide),
            Memory::Residual(model) => teach(model.as_mut(), rows, pace, decide),
        }
        Some(memory)
    }
}

fn teach<M: Model>(
    model: &mut M,
    rows: &mut [Row],
    pace: &mut Pace,
    mut decide: impl FnMut(&mut Row, (f64, f64)),
) {
    for row in rows {
        let (verdict, judged) = model.judge(&row.point, pace);
        decide(row, (verdict.lower, verdict.upper));
        if row.learned {
            model.learn(&row.point, &judged, pace);
            // Was told when it came.
            let _ = model.lasting(&row.point, &judged, pace);
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
    #[inline(always)]
    pub fn prolong(&mut self, time: Timestamp, side: i8) {
        if self.since.is_some() && (self.side == 0 || self.side == side) {
            self.raise(time, self.side);
        }
    }

    /// Whether a point isn't to be learned; one that is back from that side of its band ends it.
    #[inline(always)]
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
