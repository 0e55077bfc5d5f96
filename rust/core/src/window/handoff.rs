//! Closing windows: what a lane's watermark has passed leaves it.

use super::berth::Producer;
use super::lane::Lane;
use super::open::{Open, Partial};
use super::renames::Names;
use crate::key::List;
use crate::time::Timestamp;

/// What a lane hands over at once.
#[derive(Debug, Clone, Default)]
pub struct Handoff {
    /// Bytes of the keys that were not handed over before, in the order of their ids.
    pub keys: List,
    /// Likewise of the sources.
    pub sources: List,
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
        // Windows end in the order in which they start.
        while let Some(first) = self.index.first_entry() {
            match &self.open[*first.get()] {
                Some(open) if open.window.end > reached => {
                    self.next_end = open.window.end;
                    break;
                }
                _ => self.closing.push(first.remove()),
            }
        }
        self.current = [None; 2];
    }

    /// Sets aside every window, whether or not the watermark has passed it.
    fn set_all_aside(&mut self) {
        self.closing.extend(std::mem::take(&mut self.index).into_values());
        self.next_end = Timestamp::MAX;
        self.current = [None; 2];
    }

    /// Hands over the windows that were set aside.
    pub(super) fn close_aside(&mut self, partials: &mut Vec<Partial>) {
        let last = self.closing.last().copied();
        for at in std::mem::take(&mut self.closing) {
            self.vacant.push(at);
            if let Some(mut open) = self.open[at].take() {
                let cells = self.cells.extract(&open.cells);
                if open.on_time {
                    self.room = open.room();
                }
                if Some(at) == last {
                    self.spare = open.spare();
                }
                let mut partial = open.into_partial(cells);
                if !self.renames.is_empty() {
                    let names = Names { keys: &self.keys, kinds: &self.types.inputs() };
                    self.renames.join(&mut partial, &names, &self.memories);
                }
                partials.push(partial);
            }
        }
    }

    /// Hands over what came after its window's end, one partial a window.
    pub(super) fn close_reopened(&mut self, partials: &mut Vec<Partial>) {
        self.closing.extend(std::mem::take(&mut self.reopened).into_values());
        if !self.closing.is_empty() {
            self.current = [None; 2];
        }
        self.close_aside(partials);
    }

    /// Hands over what the last row closed or reopened.
    pub(super) fn hand_over_closed(&mut self) -> Handoff {
        let mut partials = Vec::new();
        self.close_aside(&mut partials);
        self.close_reopened(&mut partials);
        self.hand_over(partials)
    }

    /// These windows, and the keys that go with them.
    pub(super) fn hand_over(&mut self, partials: Vec<Partial>) -> Handoff {
        let handoff = Handoff {
            keys: self.keys.since(self.handed_keys),
            sources: self.sources.since(self.handed_sources),
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
        self.close_aside(&mut partials);
        self.hand_over(partials)
    }

    /// Event time has come to `time`.
    pub fn raise_to(&mut self, time: Timestamp) -> Handoff {
        self.watermark.raise(time);
        self.settle()
    }

    /// The end of the last window that is open, if one is.
    pub fn last_end(&self) -> Option<Timestamp> {
        self.open_windows().map(|open| open.window.end).max()
    }

    /// The end up to which the first windows that are open have so many cells; none where all have fewer.
    pub fn end_of_some(&self, cells: usize) -> Option<Timestamp> {
        let mut so_far = 0;
        let mut windows = self.open_windows();
        let enough = |open: &&Open| {
            so_far += open.cells.len();
            so_far >= cells
        };
        windows.find(enough).map(|open| open.window.end)
    }

    /// The end of the first window that is open, if one is.
    pub fn first_end(&self) -> Option<Timestamp> {
        self.open_windows().map(|open| open.window.end).min()
    }

    /// Whether a row or a heartbeat was ever taken note of.
    pub fn has_begun(&self) -> bool {
        self.watermark.sources() > 0
    }

    fn open_windows(&self) -> impl Iterator<Item = &Open> {
        self.index.values().filter_map(|at| self.open[*at].as_ref())
    }
}

impl Handoff {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.partials.is_empty() && self.keys.is_empty() && self.sources.is_empty()
    }

    pub(super) fn some(self) -> Option<Self> {
        Some(self).filter(|handoff| !handoff.is_empty())
    }
}

impl Producer for Lane {
    type Handoff = Handoff;

    fn watermark(&self) -> Timestamp {
        self.watermark.get()
    }

    fn raise(&mut self, time: Timestamp) -> Option<Handoff> {
        self.raise_to(time).some()
    }

    fn tick(&mut self, clock: Timestamp) -> Option<Handoff> {
        let before = self.watermark.get();
        self.watermark.tick(clock);
        // A source that holds nothing back any more lets the others go on.
        (self.watermark.get() > before).then(|| self.settle()).and_then(Handoff::some)
    }

    fn is_open(&self) -> bool {
        self.is_open
    }

    fn open(&mut self) {
        if !self.is_open {
            self.watermark.begin_anew();
        }
        self.is_open = true;
    }

    fn close(&mut self) -> Option<Handoff> {
        self.is_open = false;
        let mut partials = Vec::new();
        self.set_all_aside();
        self.close_aside(&mut partials);
        self.hand_over(partials).some()
    }

    fn is_idle(&self) -> bool {
        self.watermark.is_idle()
    }

    fn look_at(&self) -> Timestamp {
        self.watermark.look_at()
    }

    fn is_spent(&self, reached: Timestamp) -> bool {
        // One that is further on would start earlier the next time.
        self.watermark.get() <= reached
            && self.memories.iter().flatten().all(|memory| memory.is_forgotten(reached))
            && self.renames.is_forgotten(reached)
    }

    fn held(&self) -> i64 {
        // A window without cells, which a heartbeat opened, takes room as well.
        self.cells.in_use().max(self.index.len()) as i64
    }

    fn handed(handoff: &Handoff) -> i64 {
        handoff.partials.iter().map(|partial| partial.keys.len().max(1) as i64).sum()
    }
}
