//! The severity of many series' scores, for a scorer that was asked for it.
//!
//! Owns the length of a window (given, read off the input's windows, or the median step of the first rows; then frozen),
//! each series' past, and the scores that came before the length was known.

use std::collections::VecDeque;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::rarity::{RESIDUAL, Rarity};
use crate::snapshot;
use crate::spacing;
use crate::time::{Timestamp, seconds};

/// Scores that are held at most; beyond it the oldest are forgotten.
const CAPACITY: usize = 4_096;

/// A score that came before the length of a window was known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Waiting {
    key: u32,
    time: Timestamp,
    #[serde(with = "snapshot::float")]
    score: f64,
}

/// The past scores of all series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Severities {
    /// The length of a window in nanoseconds, once it is known.
    every: Option<i64>,
    /// By the key's id.
    series: Vec<Rarity>,
    waiting: VecDeque<Waiting>,
}

impl Severities {
    /// Nothing seen; the length of a window where it was given.
    pub fn new(every: Option<i64>) -> Self {
        Self { every, series: Vec::new(), waiting: VecDeque::new() }
    }

    /// Whether the length of a window is known.
    pub fn is_decided(&self) -> bool {
        self.every.is_some()
    }

    /// Fixes the length of a window if these rows can tell; what waited for it is learned then.
    pub fn decide(&mut self, batches: &[RecordBatch], rows: impl Iterator<Item = (u32, Timestamp)>) {
        if self.every.is_none() {
            let waiting = self.waiting.iter().map(|one| (one.key, one.time));
            self.every = batches
                .iter()
                .find_map(spacing::of_windows)
                .or_else(|| spacing::median_step(waiting.chain(rows)));
        }
        if self.every.is_some() {
            for one in std::mem::take(&mut self.waiting) {
                self.push(one.key, one.time, one.score);
            }
        }
    }

    /// The severity of a series' next score, which may be NaN, is learned then, and counts in alarm too: how often
    /// something happens is told by all that happened. NaN where there is nothing to judge or the length of a window
    /// isn't known.
    pub fn push(&mut self, key: u32, time: Timestamp, score: f64) -> f64 {
        let Some(every) = self.every else {
            if self.waiting.len() >= CAPACITY {
                self.waiting.pop_front();
            }
            self.waiting.push_back(Waiting { key, time, score });
            return f64::NAN;
        };
        let key = key as usize;
        if key >= self.series.len() {
            self.series.resize_with(key + 1, Rarity::default);
        }
        let (series, local, every) = (&mut self.series[key], seconds(time), every as f64 / 1e9);
        let judged = series.judge(score, local, every, &RESIDUAL);
        series.learn(&judged, local, every);
        judged.severity
    }

    /// Whether restored ones can be used with so many keys.
    pub fn is_sound(&self, keys: usize) -> bool {
        self.every.is_none_or(|every| every > 0)
            && self.series.len() <= keys
            && self.series.iter().all(Rarity::is_sound)
            && self.waiting.len() <= CAPACITY
            && self.waiting.iter().all(|one| (one.key as usize) < keys)
    }
}
