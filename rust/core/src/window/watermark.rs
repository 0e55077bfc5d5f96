//! How far event time has come in one lane.
//!
//! The watermark is the largest time seen minus `out_of_orderness`; with several sources, the least of that over
//! those that are not idle. It never falls. There is no clock here: `now` comes with calls, and only then can a
//! source be idle.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Before anything was seen.
pub const NEVER: Timestamp = Timestamp::MIN;

/// One value of the `source` column, or the lane itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Source {
    /// Largest event time seen.
    latest: Timestamp,
    /// `now` when it was last heard of; none before any `now` came.
    heard: Option<Timestamp>,
    /// Silent for `idle_timeout`.
    idle: bool,
}

/// A lane's watermark and what it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    out_of_orderness: i64,
    idle_timeout: Option<i64>,
    sources: Vec<Source>,
    /// The least `latest` of the live sources when it was last looked for.
    lowest: Timestamp,
    value: Timestamp,
    now: Option<Timestamp>,
    /// `now` when a clock was first told, while there is no source to have been heard of.
    waiting: Option<Timestamp>,
    /// The clock before which no source can become idle, once that was looked for.
    #[serde(skip)]
    look_at: Option<Timestamp>,
}

impl Watermark {
    /// Nothing seen yet.
    pub fn new(out_of_orderness: i64, idle_timeout: Option<i64>) -> Self {
        Self {
            out_of_orderness,
            idle_timeout,
            sources: Vec::new(),
            lowest: NEVER,
            value: NEVER,
            now: None,
            waiting: None,
            look_at: None,
        }
    }

    /// The watermark.
    #[inline]
    pub fn get(&self) -> Timestamp {
        self.value
    }

    /// The earliest event time that could bring the watermark to `end`.
    #[inline]
    pub fn reached_at(&self, end: Timestamp) -> Timestamp {
        end.saturating_add(self.out_of_orderness)
    }

    /// Takes note of an event time of a source.
    #[inline]
    pub fn observe(&mut self, source: usize, time: Timestamp) {
        if source >= self.sources.len() {
            self.sources.resize(source + 1, Source { latest: NEVER, heard: None, idle: true });
        }
        let now = self.now;
        let known = &mut self.sources[source];
        known.heard = now.or(known.heard);
        let (before, woke) = (known.latest, known.idle);
        known.idle = false;
        known.latest = before.max(time);
        // Only the slowest source, or one that joins, can change the least.
        if woke || (time > before && before <= self.lowest) {
            self.settle();
        }
    }

    /// Looks for the slowest live source.
    fn settle(&mut self) {
        let live = self.sources.iter().filter(|source| !source.idle).map(|source| source.latest);
        if let Some(lowest) = live.min() {
            self.lowest = lowest;
            if lowest != NEVER {
                self.raise(lowest.saturating_sub(self.out_of_orderness));
            }
        }
    }

    /// Raises the watermark to `time`, or leaves it where it is.
    pub fn raise(&mut self, time: Timestamp) {
        self.value = self.value.max(time);
    }

    /// The time is `now`: sources unheard of for `idle_timeout` stop holding the watermark back.
    pub fn tick(&mut self, now: Timestamp) {
        let now = self.now.map_or(now, |known| known.max(now));
        let first = self.now.is_none();
        self.now = Some(now);
        let Some(timeout) = self.idle_timeout else { return };
        self.waiting.get_or_insert(now);
        // No source can have become idle before that.
        if !first && self.look_at.is_some_and(|at| now < at) {
            return;
        }
        let mut changed = false;
        let mut oldest = now;
        for source in &mut self.sources {
            let heard = *source.heard.get_or_insert(now);
            if !source.idle && now.saturating_sub(heard) >= timeout {
                source.idle = true;
                changed = true;
            }
            if !source.idle {
                oldest = oldest.min(heard);
            }
        }
        self.look_at = Some(oldest.saturating_add(timeout));
        if changed {
            self.settle();
        }
    }

    /// Whether all sources are idle, or none was heard of for as long.
    pub fn is_idle(&self) -> bool {
        if !self.sources.is_empty() {
            return self.sources.iter().all(|source| source.idle);
        }
        let silence = self.now.zip(self.waiting).map(|(now, since)| now.saturating_sub(since));
        self.idle_timeout.zip(silence).is_some_and(|(timeout, silence)| silence >= timeout)
    }

    /// Takes in another lane's, whose sources have these places here. Event time goes on from the lesser of the two, but not
    /// from before `fired`.
    pub fn absorb(&mut self, other: &Self, places: &[u32], fired: Timestamp) {
        let (mine, theirs) = (!self.sources.is_empty(), !other.sources.is_empty());
        for (source, place) in other.sources.iter().zip(places) {
            let place = *place as usize;
            if place >= self.sources.len() {
                self.sources.resize(place + 1, Source { latest: NEVER, heard: None, idle: true });
            }
            let known = &mut self.sources[place];
            *known = match known.latest {
                NEVER => *source,
                latest => Source {
                    latest: latest.min(source.latest),
                    heard: known.heard.max(source.heard),
                    idle: known.idle && source.idle,
                },
            };
        }
        let value = match (mine, theirs) {
            (true, true) => self.value.min(other.value),
            (true, false) => self.value,
            (false, _) => self.value.max(other.value),
        };
        self.value = value.max(fired);
        self.now = self.now.max(other.now);
        self.waiting = self.waiting.max(other.waiting);
        self.look_at = None;
        self.settle();
    }

    /// How many sources there are, for state that comes from outside.
    pub fn sources(&self) -> usize {
        self.sources.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_live_source_holds_it_back() {
        let mut watermark = Watermark::new(2, Some(10));
        watermark.tick(100);
        watermark.observe(0, 50);
        watermark.observe(1, 40);
        // A new source doesn't lower it.
        assert_eq!(watermark.get(), 48);
        watermark.observe(0, 60);
        assert_eq!(watermark.get(), 48);
        watermark.observe(1, 55);
        assert_eq!(watermark.get(), 53);
        watermark.tick(105);
        watermark.observe(0, 90);
        assert_eq!(watermark.get(), 53);
        watermark.tick(110);
        assert_eq!(watermark.get(), 88);
        assert!(!watermark.is_idle());
        // All silent: event time stands still by itself.
        watermark.tick(200);
        assert_eq!(watermark.get(), 88);
        assert!(watermark.is_idle());
    }

    #[test]
    fn without_a_clock_nothing_is_idle() {
        let mut watermark = Watermark::new(0, Some(10));
        watermark.observe(0, 5);
        watermark.observe(1, 7);
        watermark.observe(1, 1_000);
        assert_eq!(watermark.get(), 5);
    }
}
