//! All lanes side by side: who holds event time back, and how far it has come for all of them.
//!
//! Each producer owns a lane. It claims it for a batch, works alone, puts what it closed into its outbox, and only then
//! publishes its watermark; so whoever reads a watermark finds in the outbox everything up to it. The engine's watermark
//! is the least of those that hold it back: of lanes that are open and not silent. Where none holds it back, it is that of
//! the lane furthest on, so that the order in which lanes close doesn't decide what fires.
//!
//! A lane that wakes starts at the engine's watermark, which may be moving just then. Two sides, each writing first and
//! reading second: the waking lane publishes where it holds and then looks how far the engine has come, [`Lanes::settle`]
//! publishes how far it wants to come and then looks who holds. A fence between the two on both sides: at least one
//! sees the other, and gives way.

use std::fmt;
use std::sync::Arc;

use super::berth::{Berth, Hold, Producer, Session};
use super::watermark::NEVER;
use crate::sync::{AtomicI64, AtomicUsize, Holder, Listing, Ordering, fence};
use crate::time::Timestamp;

/// See the module.
pub struct Lanes<P: Producer> {
    /// In the order of opening.
    berths: Listing<Arc<Berth<P>>>,
    /// Lanes that ever were.
    opened: AtomicUsize,
    /// How far event time has come, at least; where a waking lane starts.
    reached: AtomicI64,
    /// What was set explicitly; lanes come there with their next batch, or when the reader looks at them.
    floor: AtomicI64,
    /// The furthest watermark of lanes that were let go.
    left: AtomicI64,
    /// The latest `now`.
    clock: AtomicI64,
    /// All that is held, by the measure of `max_cells`: in lanes, on the way, and collected.
    held: AtomicI64,
    idle_timeout: Option<i64>,
}

/// Why a lane is not given to a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Another thread has it.
    Busy,
    /// Its writer was closed.
    Closed,
}

/// What of all lanes together outlives them: how far event time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Reach {
    reached: Timestamp,
    floor: Timestamp,
    left: Timestamp,
    clock: Timestamp,
    opened: u32,
}

impl<P: Producer> fmt::Debug for Lanes<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lanes")
    }
}

impl Reach {
    /// How many lanes there ever were: their numbers are below.
    pub fn opened(self) -> u32 {
        self.opened
    }
}

fn at(hold: Hold) -> Option<Timestamp> {
    match hold {
        Hold::At(time) => Some(time),
        Hold::Idle | Hold::Closed => None,
    }
}

impl<P: Producer> Lanes<P> {
    /// No lanes yet.
    pub fn new(idle_timeout: Option<i64>) -> Self {
        Self {
            berths: Listing::default(),
            opened: AtomicUsize::new(0),
            reached: AtomicI64::new(NEVER),
            floor: AtomicI64::new(NEVER),
            left: AtomicI64::new(NEVER),
            clock: AtomicI64::new(NEVER),
            held: AtomicI64::new(0),
            idle_timeout,
        }
    }

    /// How far event time has come, to be told by a snapshot.
    pub fn reach(&self) -> Reach {
        Reach {
            reached: self.reached(),
            floor: self.floor.load(Ordering::Acquire),
            left: self.left.load(Ordering::Acquire),
            clock: self.clock(),
            opened: self.opened.load(Ordering::Relaxed) as u32,
        }
    }

    /// Goes on where a snapshot was taken.
    pub fn resume(&self, reach: Reach) {
        self.opened.fetch_max(reach.opened as usize, Ordering::Relaxed);
        self.floor.fetch_max(reach.floor, Ordering::AcqRel);
        self.left.fetch_max(reach.left, Ordering::AcqRel);
        self.clock.fetch_max(reach.clock, Ordering::AcqRel);
        self.come_to(reach.reached);
    }

    /// Event time has come to `time`, if it had not before.
    pub fn come_to(&self, time: Timestamp) {
        // Release pairs with the acquire in `reached`.
        self.reached.fetch_max(time, Ordering::AcqRel);
    }

    /// All lanes, in the order of opening.
    pub fn list(&self) -> Arc<Vec<Arc<Berth<P>>>> {
        self.berths.load()
    }

    /// Puts up a lane that a snapshot tells of.
    pub fn restore(&self, name: String, id: u32, lane: P) -> Arc<Berth<P>> {
        self.add_held(lane.held());
        let berth = Arc::new(Berth::new(name, id, lane));
        self.berths.change(|berths| berths.push(Arc::clone(&berth)));
        berth
    }

    /// The lane of that name, made where there is none. It doesn't hold anything yet.
    pub fn berth<E>(&self, name: &str, make: impl FnOnce() -> Result<P, E>) -> Result<Arc<Berth<P>>, E> {
        let find = |berths: &[Arc<Berth<P>>]| {
            berths.iter().find(|berth| berth.name == name && !berth.is_gone()).map(Arc::clone)
        };
        if let Some(berth) = find(&self.list()) {
            return Ok(berth);
        }
        // Relaxed: only that no two numbers are the same.
        let id = self.opened.fetch_add(1, Ordering::Relaxed) as u32;
        let made = Arc::new(Berth::new(name.to_owned(), id, make()?));
        let mut berth = Arc::clone(&made);
        self.berths.change(|berths| {
            // Someone else may have been faster.
            berth = find(berths).unwrap_or_else(|| {
                berths.push(Arc::clone(&made));
                Arc::clone(&made)
            });
        });
        Ok(berth)
    }

    /// Opens a lane for a writer; none where it has one.
    pub fn take<E>(&self, name: &str, make: impl Fn() -> Result<P, E>) -> Result<Option<Arc<Berth<P>>>, E> {
        loop {
            let berth = self.berth(name, &make)?;
            if berth.take() {
                let mut session = self.look(&berth);
                if !matches!(session.hold(), Hold::At(_)) {
                    session.wake();
                    // A new lane's silence begins now.
                    session.tick(self.clock());
                }
                drop(session);
                return Ok(Some(berth));
            }
            if !berth.is_gone() {
                return Ok(None);
            }
        }
    }

    /// Closes a writer's lane: it holds nothing back any more, and what it held goes out.
    pub fn leave(&self, berth: &Berth<P>) {
        self.look(berth).close();
        berth.leave();
    }

    /// Lets go of closed lanes of which nothing is wanted any more, with event time at `reached`: of those that `ask` lets
    /// go, which sees each once more. Only whoever has the collector may.
    pub fn let_go(&self, reached: Timestamp, mut ask: impl FnMut(&Berth<P>, &mut P)) {
        let mut some = false;
        for berth in self.list().iter().filter(|berth| berth.hold() == Hold::Closed && !berth.name.is_empty())
        {
            let Some(mut session) = self.try_look(berth) else { continue };
            let spent = !session.is_open() && session.is_spent(reached) && berth.outbox.is_empty();
            if !spent {
                continue;
            }
            // Before it is gone, so that whoever opens a lane of that name starts there.
            self.left.fetch_max(session.watermark(), Ordering::AcqRel);
            ask(berth, &mut session);
            some |= berth.is_gone();
        }
        if some {
            self.berths.change(|berths| berths.retain(|berth| !berth.is_gone()));
        }
    }

    /// Claims a lane for its producer's next batch, if it is `still` the producer once it has it; none while another
    /// thread is pushing to it.
    #[inline]
    pub fn enter<'a>(
        &'a self,
        berth: &'a Berth<P>,
        still: impl FnOnce() -> bool,
    ) -> Result<Session<'a, P>, Refused> {
        let lane = berth.lane.write().ok_or(Refused::Busy)?;
        let mut session = Session { lanes: self, berth, lane };
        if !still() {
            return Err(Refused::Closed);
        }
        let clock = self.clock();
        session.tick(clock);
        match session.hold() {
            Hold::At(_) => session.raise(self.floor.load(Ordering::Acquire)),
            Hold::Idle | Hold::Closed => session.wake(),
        }
        Ok(session)
    }

    /// Claims a lane to look at it; waits for the batch that is under way, if there is one.
    pub fn look<'a>(&'a self, berth: &'a Berth<P>) -> Session<'a, P> {
        Session { lanes: self, berth, lane: berth.lane.read() }
    }

    fn try_look<'a>(&'a self, berth: &'a Berth<P>) -> Option<Session<'a, P>> {
        let lane = berth.lane.try_claim(Holder::Reader).ok()?;
        Some(Session { lanes: self, berth, lane })
    }

    /// The clock, once there is one.
    pub fn clock(&self) -> Timestamp {
        self.clock.load(Ordering::Acquire)
    }

    /// Brings the clock along.
    pub fn tick(&self, now: Timestamp) {
        self.clock.fetch_max(now, Ordering::AcqRel);
    }

    /// How far event time has come, at least.
    pub(super) fn reached(&self) -> Timestamp {
        // Acquire pairs with the release in `come_to`.
        self.reached.load(Ordering::Acquire)
    }

    /// What is held, by the measure of `max_cells`.
    pub fn held(&self) -> i64 {
        self.held.load(Ordering::Relaxed)
    }

    /// More is held, or less.
    pub fn add_held(&self, more: i64) {
        if more != 0 {
            // Relaxed: a count that nothing else hangs on.
            self.held.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// The engine's watermark as it stands.
    pub fn watermark(&self) -> Timestamp {
        self.least(&self.list(), |_| true)
    }

    /// Where a lane starts that opens or wakes now: at the engine's watermark, which it doesn't hold itself.
    pub(super) fn start(&self, waking: &Berth<P>) -> Timestamp {
        let berths = self.list();
        let other = |berth: &Berth<P>| !std::ptr::eq(berth, waking);
        // Others may be silent, and nobody has asked them since.
        let clock = self.clock();
        for berth in berths.iter().filter(|berth| other(berth) && self.seems_silent(berth, clock)) {
            if let Some(mut session) = self.try_look(berth) {
                session.tick(clock);
            }
        }
        self.least(&berths, other)
    }

    /// Whether it is worth asking a lane whether it, or a source of it, is silent.
    fn seems_silent(&self, berth: &Berth<P>, clock: Timestamp) -> bool {
        self.idle_timeout.is_some()
            && clock != NEVER
            && clock >= berth.look_at()
            && matches!(berth.hold(), Hold::At(_))
    }

    /// Event time has come to `time` on the only lane; whether it still is the only one. Another that wakes meanwhile starts
    /// there, or is seen here.
    pub fn come_alone_to(&self, time: Timestamp) -> bool {
        self.come_to(time);
        // Pairs with the fence in `Session::wake`, as in `settle`.
        fence(Ordering::SeqCst);
        self.list().len() == 1
    }

    /// The least watermark of lanes that are `counted` and hold one, or the furthest where none does.
    fn least(&self, berths: &[Arc<Berth<P>>], counted: impl Fn(&Berth<P>) -> bool) -> Timestamp {
        let least = berths.iter().filter(|berth| counted(berth)).filter_map(|berth| at(berth.hold())).min();
        let left = self.left.load(Ordering::Acquire);
        let furthest = || berths.iter().map(|berth| berth.published()).fold(left, Timestamp::max);
        self.reached().max(least.unwrap_or_else(furthest))
    }

    /// Event time has come to `time`: lanes at rest close what is due, busy ones with their next batch.
    pub fn set_watermark(&self, time: Timestamp) {
        self.floor.fetch_max(time, Ordering::AcqRel);
        self.come_to(time);
        for berth in self.list().iter() {
            if let Some(mut session) = self.try_look(berth)
                && session.is_open()
            {
                session.raise(time);
            }
        }
    }

    /// The time is `now`. Where all lanes are silent, event time goes on with it, to `due`.
    pub fn advance(&self, now: Timestamp, due: Timestamp) {
        self.tick(now);
        let clock = self.clock();
        let berths = self.list();
        let mut sessions: Vec<_> = berths.iter().filter_map(|berth| self.try_look(berth)).collect();
        sessions.iter_mut().for_each(|session| session.tick(clock));
        let begun = |session: &Session<'_, P>| session.is_open() || session.watermark() != NEVER;
        let silent = |session: &Session<'_, P>| at(session.hold()).is_none();
        // One that was let go had begun as well.
        let any = self.left.load(Ordering::Acquire) != NEVER || sessions.iter().any(begun);
        // One that can't be claimed has its producer at work.
        if sessions.len() == berths.len() && sessions.iter().all(silent) && any {
            sessions.iter_mut().for_each(|session| session.raise(due));
            self.come_to(due);
        }
    }

    /// How far windows may fire: everything that lanes read on time up to there is in their outboxes. `fired` is how
    /// far they have; only whoever has the collector may ask.
    pub fn settle(&self, fired: Timestamp) -> Timestamp {
        let berths = self.list();
        let (clock, floor) = (self.clock(), self.floor.load(Ordering::Acquire));
        // Lanes at rest that have windows open, which event time may pass.
        let mut sessions: Vec<Session<'_, P>> = Vec::new();
        let (mut least, mut furthest) = (None, self.left.load(Ordering::Acquire));
        let mut holds =
            |time: Timestamp| least = Some(least.map_or(time, |least: Timestamp| least.min(time)));
        for berth in berths.iter() {
            let hold = berth.hold();
            let ask = match hold {
                Hold::At(time) => time < floor || self.seems_silent(berth, clock),
                Hold::Idle => true,
                Hold::Closed => false,
            };
            if let Some(mut session) = ask.then(|| self.try_look(berth)).flatten() {
                session.tick(clock);
                if session.is_open() {
                    session.raise(floor);
                }
                at(session.hold()).into_iter().for_each(&mut holds);
                furthest = furthest.max(session.watermark());
                sessions.push(session);
                continue;
            }
            match hold {
                Hold::At(time) => holds(time),
                // About to wake: what it published last is certain.
                Hold::Idle => holds(berth.published()),
                Hold::Closed => {}
            }
            furthest = furthest.max(berth.published());
        }
        let target = least.unwrap_or_else(|| furthest.max(self.reached()));
        self.come_to(target);
        // Pairs with the fence in `Session::wake`: a lane that wakes meanwhile sees how far this goes, or is seen here.
        fence(Ordering::SeqCst);
        let mut limit = target;
        for berth in self.list().iter() {
            // Lanes that are claimed here can't wake.
            let ours = sessions.iter().any(|session| std::ptr::eq(session.berth, &raw const **berth));
            match berth.hold() {
                _ if ours => {}
                Hold::At(time) => limit = limit.min(time),
                Hold::Idle => limit = limit.min(berth.published()),
                Hold::Closed => {}
            }
        }
        let limit = limit.max(fired);
        for session in &mut sessions {
            if session.hold() == Hold::Idle {
                session.raise(limit);
            }
        }
        limit
    }

    /// Takes what a lane has handed over. Only whoever has the collector may.
    pub fn take_outbox(&self, berth: &Berth<P>) -> Vec<P::Handoff> {
        let handoffs = berth.outbox.take();
        self.add_held(-handoffs.iter().map(P::handed).sum::<i64>());
        handoffs
    }
}
