//! Closing windows: what a lane's watermark has passed leaves it.

use super::lane::Lane;
use super::open::Partial;
use crate::key::Keys;
use crate::time::Timestamp;

/// What a lane hands over at once.
#[derive(Debug, Clone, Default)]
pub struct Handoff {
    /// Bytes of the keys that were not handed over before, in the order of their ids.
    pub keys: Vec<Box<[u8]>>,
    /// Likewise of the sources.
    pub sources: Vec<Box<[u8]>>,
    /// Windows, in the order in which they were closed.
    pub partials: Vec<Partial>,
}

impl Lane {
    /// Sets aside the windows that the watermark has passed; their block's rows may still have to go in.
    pub(super) fn set_aside(&mut self) {
        let reached = self.watermark.get();
        if reached < self.next_end {
            return;
        }
        self.next_end = Timestamp::MAX;
        let (closing, open) = (&mut self.closing, &self.open);
        let mut next_end = Timestamp::MAX;
        self.index.retain(|_, at| match &open[*at] {
            Some(open) if open.on_time && open.window.end <= reached => {
                closing.push(*at);
                false
            }
            Some(open) if open.on_time => {
                next_end = next_end.min(open.window.end);
                true
            }
            _ => true,
        });
        self.next_end = next_end;
        self.current = None;
    }

    /// Hands over the windows that were set aside.
    pub(super) fn close(&mut self, partials: &mut Vec<Partial>) {
        for at in std::mem::take(&mut self.closing) {
            self.vacant.push(at);
            if let Some(open) = self.open[at].take() {
                partials.push(open.to_partial(self.cells.extract(&open.cells)));
            }
        }
    }

    /// Hands over what came after its window's end, one partial a window.
    pub(super) fn close_reopened(&mut self, partials: &mut Vec<Partial>) {
        let (closing, open) = (&mut self.closing, &self.open);
        self.index.retain(|_, at| {
            let stays = open[*at].as_ref().is_some_and(|open| open.on_time);
            if !stays {
                closing.push(*at);
            }
            stays
        });
        if !self.closing.is_empty() {
            self.current = None;
        }
        self.close(partials);
    }

    /// Hands over what the last row closed or reopened.
    pub(super) fn hand_over_closed(&mut self) -> Handoff {
        let mut partials = Vec::new();
        self.close(&mut partials);
        self.close_reopened(&mut partials);
        self.hand_over(partials)
    }

    /// These windows, and the keys that go with them.
    pub(super) fn hand_over(&mut self, partials: Vec<Partial>) -> Handoff {
        fn fresh(keys: &Keys, from: usize) -> Vec<Box<[u8]>> {
            (from..keys.len()).map(|id| keys.bytes(id as u32).into()).collect()
        }
        let handoff = Handoff {
            keys: fresh(&self.keys, self.handed_keys),
            sources: fresh(&self.sources, self.handed_sources),
            partials,
        };
        self.handed_keys = self.keys.len();
        self.handed_sources = self.sources.len();
        handoff
    }

    /// Hands over everything that the watermark has passed since.
    pub(super) fn settle(&mut self) -> Handoff {
        let mut partials = Vec::new();
        self.set_aside();
        self.close(&mut partials);
        self.hand_over(partials)
    }

    /// The time is `now`.
    pub fn advance(&mut self, now: Timestamp) -> Handoff {
        self.watermark.advance(now);
        self.settle()
    }

    /// Event time has come to `time`.
    pub fn raise(&mut self, time: Timestamp) -> Handoff {
        self.watermark.raise(time);
        self.settle()
    }

    /// Closes every open window, and counts them as passed.
    pub fn flush(&mut self) -> Handoff {
        let last =
            self.index.values().filter_map(|at| self.open[*at].as_ref()).map(|open| open.window.end).max();
        if let Some(end) = last {
            self.watermark.raise(end);
        }
        self.settle()
    }
}
