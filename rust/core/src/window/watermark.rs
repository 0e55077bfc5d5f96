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
    /// `latest` of the live sources, to find the least of many: each place has the lesser of the two below it, those
    /// of place `i` being `2 i` and `2 i + 1`. The sources are the second half; places without a live one have the
    /// end of time.
    #[serde(skip)]
    least: Vec<Timestamp>,
    /// Sources that are not idle.
    #[serde(skip)]
    live: usize,
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
            least: Vec::new(),
            live: 0,
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
        if source >= self.least.len() / 2 {
            self.line_up();
        }
        let known = &mut self.sources[source];
        known.heard = self.now.or(known.heard);
        if known.idle || time > known.latest {
            self.live += usize::from(std::mem::take(&mut known.idle));
            known.latest = known.latest.max(time);
            let latest = known.latest;
            self.lift(source, latest);
        }
    }

    /// A source's time has changed: so may the least.
    fn lift(&mut self, source: usize, latest: Timestamp) {
        let mut at = self.least.len() / 2 + source;
        self.least[at] = latest;
        while at > 1 {
            let lesser = self.least[at].min(self.least[at ^ 1]);
            at /= 2;
            if self.least[at] == lesser && lesser != Timestamp::MAX {
                return;
            }
            self.least[at] = lesser;
        }
        self.lowest = self.least[1];
        if self.lowest != NEVER {
            self.raise(self.lowest.saturating_sub(self.out_of_orderness));
        }
    }

    /// Compares all sources anew.
    fn line_up(&mut self) {
        self.live = self.sources.iter().filter(|source| !source.idle).count();
        let half = self.sources.len().next_power_of_two();
        self.least.clear();
        self.least.resize(2 * half, Timestamp::MAX);
        for (place, source) in self.least[half..].iter_mut().zip(&self.sources) {
            if !source.idle {
                *place = source.latest;
            }
        }
        for at in (1..half).rev() {
            self.least[at] = self.least[2 * at].min(self.least[2 * at + 1]);
        }
    }

    /// Looks for the slowest live source.
    fn settle(&mut self) {
        self.line_up();
        if self.live > 0 {
            self.lowest = self.least[1];
            if self.lowest != NEVER {
                self.raise(self.lowest.saturating_sub(self.out_of_orderness));
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
        let waiting = *self.waiting.get_or_insert(now);
        // No source can have become idle before that.
        if !first && self.look_at.is_some_and(|at| now < at) {
            return;
        }
        let (mut changed, mut alive) = (false, false);
        let mut oldest = if self.sources.is_empty() { waiting } else { now };
        // When the last source fell silent, and the least time of those that did so then.
        let (mut last, mut least) = (NEVER, NEVER);
        for source in &mut self.sources {
            let heard = *source.heard.get_or_insert(now);
            if !source.idle && now.saturating_sub(heard) >= timeout {
                source.idle = true;
                changed = true;
                least = if heard == last { least.min(source.latest) } else { least };
                (last, least) = if heard > last { (heard, source.latest) } else { (last, least) };
            }
            if !source.idle {
                alive = true;
                oldest = oldest.min(heard);
            }
        }
        self.look_at = Some(oldest.saturating_add(timeout));
        if changed {
            // For a while those were alone, whether or not a clock came then.
            if !alive && least != NEVER {
                self.raise(least.saturating_sub(self.out_of_orderness));
            }
            self.settle();
        }
    }

    /// The clock before which a tick makes no source idle; before any that came, where that wasn't looked for.
    pub fn look_at(&self) -> Timestamp {
        self.look_at.unwrap_or(NEVER)
    }

    /// Another producer may write here from now on: whatever was alive has to show it anew. Event time stays.
    pub fn begin_anew(&mut self) {
        self.sources.clear();
        self.least.clear();
        (self.waiting, self.look_at) = (None, None);
    }

    /// Whether all sources are idle, or none was heard of for as long.
    pub fn is_idle(&self) -> bool {
        if !self.sources.is_empty() {
            return self.live == 0;
        }
        let silence = self.now.zip(self.waiting).map(|(now, since)| now.saturating_sub(since));
        self.idle_timeout.zip(silence).is_some_and(|(timeout, silence)| silence >= timeout)
    }

    /// As it was when a snapshot was taken, with what a snapshot doesn't keep.
    #[must_use]
    pub fn woken(mut self) -> Self {
        self.line_up();
        self
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
