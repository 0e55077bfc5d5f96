//! A lane's place among the others: who works in it, what it handed over, and what others see of it meanwhile.
//!
//! It is generic in what a lane is, so that models can run it with something small; it knows neither rows nor windows.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::lanes::Lanes;
use super::watermark::NEVER;
use crate::sync::{AtomicI64, AtomicU8, Claim, Claimed, Handover, Ordering, fence};
use crate::time::Timestamp;

/// What a closed lane publishes as its hold: it has nothing open, and is of no account until it opens.
const CLOSED: Timestamp = Timestamp::MAX;
/// What a lane publishes that was silent for long: it doesn't hold event time back, but has windows open.
const IDLE: Timestamp = Timestamp::MAX - 1;

/// Whether a lane holds the engine's watermark back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// There.
    At(Timestamp),
    /// No longer: it is silent. It may wake with its next batch.
    Idle,
    /// Not at all: it is closed.
    Closed,
}

impl Hold {
    fn of(published: Timestamp) -> Self {
        match published {
            CLOSED => Self::Closed,
            IDLE => Self::Idle,
            time => Self::At(time),
        }
    }

    fn published(self) -> Timestamp {
        match self {
            // The last two nanoseconds that there are hold as the third last does.
            Self::At(time) => time.min(IDLE - 1),
            Self::Idle => IDLE,
            Self::Closed => CLOSED,
        }
    }
}

/// What a lane has to know about itself.
pub trait Producer {
    /// What it hands over.
    type Handoff;

    /// How far its event time has come.
    fn watermark(&self) -> Timestamp;

    /// Brings its watermark at least there; gives what that closes.
    fn raise(&mut self, time: Timestamp) -> Option<Self::Handoff>;

    /// The time is `clock`: what was silent for long is idle. Gives what that closes.
    fn tick(&mut self, clock: Timestamp) -> Option<Self::Handoff>;

    /// Whether it is open: writing, or meaning to.
    fn is_open(&self) -> bool;

    /// Opens it.
    fn open(&mut self);

    /// Closes it: everything that it holds goes out.
    fn close(&mut self) -> Option<Self::Handoff>;

    /// Whether it was silent for so long that it doesn't hold the others back.
    fn is_idle(&self) -> bool;

    /// The clock before which a tick changes nothing.
    fn look_at(&self) -> Timestamp;

    /// Whether, closed and with event time there, nothing of it is wanted any more.
    fn is_spent(&self, reached: Timestamp) -> bool;

    /// How much it keeps, by the measure of `max_cells`.
    fn held(&self) -> i64;

    /// How much is in what was handed over.
    fn handed(handoff: &Self::Handoff) -> i64;
}

/// Whether a writer stands for a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Free = 0,
    Taken = 1,
    /// The lane has been let go: who still finds it looks again.
    Gone = 2,
}

/// See the module.
pub struct Berth<P: Producer> {
    /// Its name; the default lane's is empty.
    pub name: String,
    /// Its number among the lanes that ever were.
    pub id: u32,
    stand: AtomicU8,
    pub(super) lane: Claim<P>,
    pub(super) outbox: Handover<P::Handoff>,
    /// Its watermark when it was last put back: all that this closed is in the outbox.
    watermark: AtomicI64,
    /// Where it holds the engine's watermark, as [`Hold::published`].
    hold: AtomicI64,
    /// The clock before which the lane can't fall silent, nor any source of it.
    look_at: AtomicI64,
    /// Its part of what all lanes hold; written by whoever has claimed it.
    held: AtomicI64,
}

/// A claimed lane. Dropping it publishes how far it has come and puts it back, also after a panic.
pub struct Session<'a, P: Producer> {
    pub(super) lanes: &'a Lanes<P>,
    pub(super) berth: &'a Berth<P>,
    pub(super) lane: Claimed<'a, P>,
}

fn hold_of(lane: &impl Producer) -> Hold {
    match (lane.is_open(), lane.is_idle()) {
        (false, _) => Hold::Closed,
        (true, true) => Hold::Idle,
        (true, false) => Hold::At(lane.watermark()),
    }
}

impl<P: Producer> Berth<P> {
    /// A place for a lane.
    pub fn new(name: String, id: u32, lane: P) -> Self {
        Self {
            name,
            id,
            stand: AtomicU8::new(Stand::Free as u8),
            watermark: AtomicI64::new(lane.watermark()),
            hold: AtomicI64::new(hold_of(&lane).published()),
            look_at: AtomicI64::new(lane.look_at()),
            held: AtomicI64::new(lane.held()),
            lane: Claim::new(lane),
            outbox: Handover::new(),
        }
    }

    /// Whether it holds the engine's watermark back.
    pub(super) fn hold(&self) -> Hold {
        // Acquire pairs with the releases in `Session::publish` and `Session::wake`.
        Hold::of(self.hold.load(Ordering::Acquire))
    }

    /// The watermark that it published last.
    pub(super) fn published(&self) -> Timestamp {
        // Acquire pairs with the release in `Session::publish`.
        self.watermark.load(Ordering::Acquire)
    }

    /// The clock before which the lane can't fall silent, nor any source of it.
    pub(super) fn look_at(&self) -> Timestamp {
        // Relaxed: decides only whether it is worth asking the lane itself.
        self.look_at.load(Ordering::Relaxed)
    }

    fn stand(&self, from: Stand, to: Stand) -> bool {
        // Acquire and release: who takes the stand sees what the one before did. The lane's own claim would do as well.
        self.stand.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// A writer stands for it from now on; `false` where one does already, or it is gone.
    pub(super) fn take(&self) -> bool {
        self.stand(Stand::Free, Stand::Taken)
    }

    /// No writer stands for it any more.
    pub(super) fn leave(&self) {
        self.stand(Stand::Taken, Stand::Free);
    }

    /// Lets it go for good, unless a writer stands for it.
    pub(super) fn let_go(&self) -> bool {
        self.stand(Stand::Free, Stand::Gone)
    }

    /// Whether it was let go.
    pub(super) fn is_gone(&self) -> bool {
        self.stand.load(Ordering::Acquire) == Stand::Gone as u8
    }
}

impl<P: Producer> fmt::Debug for Berth<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Berth").field(&self.name).finish()
    }
}

impl<P: Producer> Session<'_, P> {
    /// Puts into the outbox what the lane hands over.
    pub fn hand_over(&mut self, handoff: Option<P::Handoff>) {
        if let Some(handoff) = handoff {
            self.lanes.add_held(P::handed(&handoff));
            self.berth.outbox.push(handoff);
        }
    }

    /// Raises the lane's watermark.
    pub fn raise(&mut self, time: Timestamp) {
        if time > self.lane.watermark() {
            let handoff = self.lane.raise(time);
            self.hand_over(handoff);
        }
    }

    /// The time is `clock`.
    pub(super) fn tick(&mut self, clock: Timestamp) {
        if clock != NEVER {
            let handoff = self.lane.tick(clock);
            self.hand_over(handoff);
        }
    }

    /// Closes the lane.
    pub fn close(&mut self) {
        if self.lane.is_open() {
            let handoff = self.lane.close();
            self.hand_over(handoff);
        }
    }

    /// Whether it holds the engine's watermark back.
    pub(super) fn hold(&self) -> Hold {
        hold_of(&*self.lane)
    }

    /// From here on the lane holds the engine's watermark: at its own, or where the engine has come to.
    pub(super) fn wake(&mut self) {
        self.lane.open();
        let mut start = self.lanes.start(self.berth);
        loop {
            self.raise(start);
            // Release, after the outbox was filled: pairs with the acquire in `Berth::hold`.
            self.berth.hold.store(Hold::At(self.lane.watermark()).published(), Ordering::Release);
            // Pairs with the fence in `Lanes::settle`: either it sees the hold, or this sees how far it went.
            fence(Ordering::SeqCst);
            start = self.lanes.reached();
            if start <= self.lane.watermark() {
                return;
            }
        }
    }

    #[inline]
    fn publish(&self) {
        let (watermark, held) = (self.lane.watermark(), self.lane.held());
        // Release, both: pair with the acquires in `Berth::hold` and `Berth::published`. The outbox was filled before.
        self.berth.watermark.store(watermark, Ordering::Release);
        self.berth.hold.store(self.hold().published(), Ordering::Release);
        // Relaxed: see `Berth::look_at`.
        self.berth.look_at.store(self.lane.look_at(), Ordering::Relaxed);
        // Relaxed: written by whoever has the lane, and the claim orders those.
        let before = self.berth.held.load(Ordering::Relaxed);
        if before != held {
            self.berth.held.store(held, Ordering::Relaxed);
            self.lanes.add_held(held - before);
        }
    }
}

impl<P: Producer> Drop for Session<'_, P> {
    fn drop(&mut self) {
        self.publish();
    }
}

impl<P: Producer> Deref for Session<'_, P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.lane
    }
}

impl<P: Producer> DerefMut for Session<'_, P> {
    fn deref_mut(&mut self) -> &mut P {
        &mut self.lane
    }
}
