//! `TumblingWindows`: a lane and a collector behind one face that threads may share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use super::aggregate::Plan;
use super::assign::Assigner;
use super::collect::{self, Collector};
use super::handoff::Handoff;
use super::lane::{Lane, Tally};
use super::rest;
use super::spec::Spec;
use super::watermark::NEVER;
use crate::column::Scalar;
use crate::error::{Error, Result};
use crate::snapshot::{self, Kind};
use crate::time::Timestamp;

/// What the windows have read and hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// What was read.
    pub tally: Tally,
    /// Integer sums out of range.
    pub overflows: u64,
    /// Open windows x series, fired ones that are not drained included.
    pub open: u64,
    /// Series seen.
    pub series: u64,
    /// The watermark, once there is one.
    pub watermark: Option<Timestamp>,
}

/// Folds rows into tumbling windows. See the module.
#[derive(Debug)]
pub struct TumblingWindows {
    spec: Spec,
    plan: Plan,
    lane: Mutex<Producer>,
    /// Whether a thread is pushing: a second one is refused, while a push waits for whoever only looks.
    pushing: AtomicBool,
    collector: Mutex<Collector>,
}

/// The lane while one thread pushes to it.
struct Pushing<'a> {
    producer: MutexGuard<'a, Producer>,
    pushing: &'a AtomicBool,
}

impl Drop for Pushing<'_> {
    fn drop(&mut self) {
        // Pairs with the exchange in `producer`: the next pusher sees all that this one did.
        self.pushing.store(false, Ordering::Release);
    }
}

impl std::ops::Deref for Pushing<'_> {
    type Target = Producer;

    fn deref(&self) -> &Producer {
        &self.producer
    }
}

impl std::ops::DerefMut for Pushing<'_> {
    fn deref_mut(&mut self) -> &mut Producer {
        &mut self.producer
    }
}

/// The default lane, and what it handed over that was not collected yet.
#[derive(Debug)]
struct Producer {
    lane: Lane,
    outbox: Vec<Handoff>,
    /// Whether messages were pushed: rejects then carry their bytes.
    messages: bool,
}

#[derive(Serialize, Deserialize)]
struct Resting {
    spec: Spec,
    lane: rest::Resting,
    collector: collect::Resting,
    messages: bool,
}

/// Name of the default lane among the collector's.
const DEFAULT: u32 = 0;

fn busy() -> Error {
    Error::Busy("another thread is pushing to this lane: use one writer per thread".to_owned())
}

/// A panic elsewhere has been reported there; the state behind the lock is still the engine's best.
fn unpoisoned<'a, T>(lock: Result<MutexGuard<'a, T>, PoisonError<MutexGuard<'a, T>>>) -> MutexGuard<'a, T> {
    lock.unwrap_or_else(PoisonError::into_inner)
}

fn claim<T>(lock: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match lock.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl TumblingWindows {
    /// Windows as asked for.
    pub fn new(spec: Spec) -> Result<Self> {
        spec.check()?;
        let plan = Plan::new(spec.aggregates.clone())?;
        let lane = Lane::new(&spec, &plan)?;
        let collector = Collector::new(&spec, &plan);
        Ok(Self {
            lane: Mutex::new(Producer { lane, outbox: Vec::new(), messages: false }),
            pushing: AtomicBool::new(false),
            collector: Mutex::new(collector),
            spec,
            plan,
        })
    }

    /// The parameters.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The input columns, in order of first mention.
    pub fn inputs(&self) -> &[String] {
        self.plan.inputs()
    }

    /// The inputs that some aggregate reads as numbers.
    pub fn numeric_inputs(&self) -> Vec<&str> {
        self.plan.numeric()
    }

    fn producer(&self) -> Result<Pushing<'_>> {
        // Pairs with the store in `Pushing::drop`.
        self.pushing
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .map_err(|_| busy())?;
        Ok(Pushing { producer: unpoisoned(self.lane.lock()), pushing: &self.pushing })
    }

    /// Refuses to go on while too much is open.
    fn check_room(&self, producer: &Producer) -> Result<()> {
        let collected = claim(&self.collector).map_or(0, |collector| collector.held());
        let handed: u64 = producer
            .outbox
            .iter()
            .flat_map(|handoff| &handoff.partials)
            .map(|partial| partial.keys.len() as u64)
            .sum();
        let open = producer.lane.held() + handed + collected;
        if open >= self.spec.max_cells {
            return Err(Error::Limit(format!(
                "`max_cells` is reached: {open} open windows x series of at most {}; drain, or let the watermark pass",
                self.spec.max_cells
            )));
        }
        Ok(())
    }

    /// Reads rows. `now` brings the clock along.
    pub fn push(&self, batches: &[RecordBatch], now: Option<Timestamp>) -> Result<()> {
        let mut producer = self.producer()?;
        self.check_room(&producer)?;
        let handoff = producer.lane.push(&self.spec, &self.plan, batches, now)?;
        producer.deliver(handoff);
        Ok(())
    }

    /// Reads one row; `time` is why there is none where it can't be read.
    pub fn push_one(
        &self,
        time: Result<Timestamp, &'static str>,
        key: &[Scalar],
        values: &[Scalar],
    ) -> Result<()> {
        let mut producer = self.producer()?;
        if producer.lane.held() >= self.spec.max_cells {
            self.check_room(&producer)?;
        }
        let handoff = producer.lane.push_one(&self.spec, &self.plan, time, key, values)?;
        producer.deliver(handoff);
        Ok(())
    }

    /// Reads what messages held: rows, the heartbeats between them (each with the number of rows before it), and
    /// what could not be read.
    pub fn push_messages<'a>(
        &self,
        rows: &RecordBatch,
        heartbeats: &[(usize, Option<Scalar>, Timestamp)],
        rejects: impl Iterator<Item = (&'a str, &'a [u8])>,
        now: Option<Timestamp>,
    ) -> Result<()> {
        let mut producer = self.producer()?;
        self.check_room(&producer)?;
        producer.messages = true;
        let (spec, plan) = (&self.spec, &self.plan);
        let latest = now.zip(spec.max_ahead).map_or(Timestamp::MAX, |(now, ahead)| now.saturating_add(ahead));
        // A push without rows checks the columns and tells the clock.
        let handoff = producer.lane.push(spec, plan, &[rows.slice(0, 0)], now)?;
        producer.deliver(handoff);
        let mut read = 0;
        for (row, source, time) in heartbeats {
            if *row > read {
                let handoff = producer.lane.push(spec, plan, &[rows.slice(read, row - read)], now)?;
                producer.deliver(handoff);
                read = *row;
            }
            // A clock that leaps is no sign of life, and a nameless camera is nobody's.
            if *time <= latest && (source.is_some() || spec.source.is_none()) {
                let handoff = producer.lane.alive(spec, source.as_ref(), *time)?;
                producer.deliver(handoff);
            }
        }
        if rows.num_rows() > read {
            let handoff = producer.lane.push(spec, plan, &[rows.slice(read, rows.num_rows() - read)], now)?;
            producer.deliver(handoff);
        }
        for (reason, message) in rejects {
            producer.lane.reject_message(reason, message);
        }
        Ok(())
    }

    /// A heartbeat of a source at an event time.
    pub fn alive(&self, source: Option<&Scalar>, time: Timestamp) -> Result<()> {
        let mut producer = self.producer()?;
        self.check_room(&producer)?;
        let handoff = producer.lane.alive(&self.spec, source, time)?;
        producer.deliver(handoff);
        Ok(())
    }

    /// The time is `now`: silent sources stop holding windows back; when all are silent, what is due closes.
    pub fn advance(&self, now: Timestamp) -> Result<()> {
        let mut producer = self.producer()?;
        let handoff = producer.lane.advance(now);
        producer.deliver(handoff);
        Ok(())
    }

    /// Event time has come to `time`.
    pub fn watermark(&self, time: Timestamp) -> Result<()> {
        let mut producer = self.producer()?;
        let handoff = producer.lane.raise(time);
        producer.deliver(handoff);
        Ok(())
    }

    /// The rows of windows that fired or changed since the last call. While another thread drains, nothing.
    pub fn drain(&self) -> Result<RecordBatch> {
        match claim(&self.collector) {
            Some(mut collector) => self.collect(&mut collector, unpoisoned(self.lane.lock())),
            None => Collector::new(&self.spec, &self.plan).drain(
                &self.spec,
                &self.plan,
                &mut self.assigner()?,
                NEVER,
            ),
        }
    }

    /// Fires everything, also what the watermark has not passed; that counts as passed from then on.
    pub fn flush(&self) -> Result<RecordBatch> {
        let mut collector = unpoisoned(self.collector.lock());
        let mut producer = unpoisoned(self.lane.lock());
        let handoff = producer.lane.flush();
        producer.deliver(handoff);
        self.collect(&mut collector, producer)
    }

    fn assigner(&self) -> Result<Assigner> {
        Assigner::new(self.spec.every, self.spec.offset, self.spec.zone.as_deref())
    }

    /// The lane is free again before the rows are made.
    fn collect(
        &self,
        collector: &mut Collector,
        mut producer: MutexGuard<'_, Producer>,
    ) -> Result<RecordBatch> {
        producer.hand_to(collector)?;
        let reached = producer.lane.watermark();
        drop(producer);
        collector.drain(&self.spec, &self.plan, &mut self.assigner()?, reached)
    }

    /// Late rows since the last call.
    pub fn take_late(&self) -> Result<RecordBatch> {
        unpoisoned(self.lane.lock()).lane.take_late(&self.spec, &self.plan)
    }

    /// Rejects since the last call.
    pub fn take_rejects(&self) -> Result<RecordBatch> {
        let mut producer = unpoisoned(self.lane.lock());
        let messages = producer.messages;
        producer.lane.take_rejects(&self.spec, &self.plan, messages)
    }

    /// What was read and is held.
    pub fn stats(&self) -> Stats {
        let collector = unpoisoned(self.collector.lock());
        let producer = unpoisoned(self.lane.lock());
        let partials = producer.outbox.iter().flat_map(|handoff| &handoff.partials);
        Stats {
            tally: producer.lane.tally(),
            overflows: collector.overflows(),
            open: producer.lane.cells()
                + partials.map(|partial| partial.keys.len() as u64).sum::<u64>()
                + collector.waiting(),
            series: producer.lane.series() as u64,
            watermark: Some(producer.lane.watermark()).filter(|time| *time != NEVER),
        }
    }

    /// The whole state, between two batches.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        let mut collector = unpoisoned(self.collector.lock());
        let mut producer = unpoisoned(self.lane.lock());
        producer.hand_to(&mut collector)?;
        let resting = Resting {
            spec: self.spec.clone(),
            lane: producer.lane.rest(),
            collector: collector.rest(),
            messages: producer.messages,
        };
        snapshot::write(Kind::Windows, &resting)
    }

    /// Windows that go on where a snapshot was taken.
    pub fn restore(bytes: &[u8]) -> Result<Self> {
        let resting: Resting = snapshot::read(Kind::Windows, bytes)?;
        let invalid =
            |error: &Error| Error::snapshot(format!("the snapshot's parameters are invalid: {error}"));
        resting.spec.check().map_err(|error| invalid(&error))?;
        let spec = resting.spec;
        let plan = Plan::new(spec.aggregates.clone()).map_err(|error| invalid(&error))?;
        let (keys, sources) = resting.lane.handed();
        let lane = Lane::wake(&spec, &plan, resting.lane)?;
        let collector = Collector::wake(&spec, &plan, resting.collector)?;
        if collector.taken(DEFAULT) != (keys, sources) {
            return Err(Error::snapshot("the snapshot's lane and windows don't belong together"));
        }
        Ok(Self {
            lane: Mutex::new(Producer { lane, outbox: Vec::new(), messages: resting.messages }),
            pushing: AtomicBool::new(false),
            collector: Mutex::new(collector),
            spec,
            plan,
        })
    }
}

impl Producer {
    fn deliver(&mut self, handoff: Handoff) {
        if !handoff.partials.is_empty() || !handoff.keys.is_empty() || !handoff.sources.is_empty() {
            self.outbox.push(handoff);
        }
    }

    fn hand_to(&mut self, collector: &mut Collector) -> Result<()> {
        let (keys, kinds) = (self.lane.keys(), self.lane.kinds());
        // Types are known from the first batch on, windows or not.
        collector.accept(DEFAULT, keys, kinds, Handoff::default())?;
        for handoff in std::mem::take(&mut self.outbox) {
            collector.accept(DEFAULT, keys, kinds, handoff)?;
        }
        Ok(())
    }
}
