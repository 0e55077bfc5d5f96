//! `TumblingWindows`: lanes and a collector behind one face that threads may share.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_select::concat::concat_batches;

use super::aggregate::Plan;
use super::assign::Assigner;
use super::berth::{Berth, Session};
use super::collect::Collector;
use super::handoff::Handoff;
use super::lane::{Lane, Tally};
use super::lanes::{Lanes, Refused};
use super::late::{KeptRow, Left, kept_table};
use super::messages::Messages;
use super::out::Out;
use super::single::Row;
use super::spec::Spec;
use super::types::Types;
use super::watermark::NEVER;
use super::writer::Writer;
use crate::column::{Kind, Scalar};
use crate::error::{Error, Result};
use crate::sync::{AtomicBool, Claim, Ordering};
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
    pub(super) spec: Spec,
    pub(super) plan: Plan,
    pub(super) types: Arc<Types>,
    pub(super) lanes: Lanes<Lane>,
    /// The lane of `push` and the other calls that name none.
    pub(super) default: Arc<Berth<Lane>>,
    /// Claimed by whoever takes what lanes hand over.
    pub(super) collector: Claim<Collector>,
    /// Whether messages were pushed: rejects then carry their bytes.
    pub(super) messages: AtomicBool,
}

/// Name of the default lane.
pub const DEFAULT: &str = "";

#[cold]
fn refused(why: Refused, name: &str) -> Error {
    let lane = if name == DEFAULT { "this lane".to_owned() } else { format!("lane `{name}`") };
    match why {
        Refused::Busy => {
            Error::busy(format!("another thread is pushing to {lane}: use one writer per thread"))
        }
        Refused::Closed => Error::config(format!("the writer of {lane} is closed: ask for a new one")),
    }
}

#[cold]
fn no_room(open: u64, most: u64) -> Error {
    Error::limit(format!(
        "`max_cells` is reached: {open} open windows x series of at most {most}; drain, or let the watermark pass"
    ))
}

fn taken(name: &str) -> Error {
    Error::busy(format!(
        "lane `{name}` has a writer already: close it first, or give this one a name of its own"
    ))
}

impl TumblingWindows {
    /// Windows as asked for.
    pub fn new(spec: Spec) -> Result<Self> {
        spec.check()?;
        let plan = Plan::new(spec.aggregates.clone())?;
        let types = Arc::new(Types::new(&spec.by, plan.inputs()));
        let lanes = Lanes::new(spec.idle_timeout);
        Ok(Self {
            default: lanes.berth(DEFAULT, || Lane::new(&spec, &plan, &types))?,
            lanes,
            collector: Claim::new(Collector::new(&spec, &plan)),
            messages: AtomicBool::new(false),
            types,
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

    /// Refuses to go on while too much is open.
    #[inline]
    fn check_room(&self) -> Result<()> {
        let open = self.lanes.held().max(0) as u64;
        if open < self.spec.max_cells { Ok(()) } else { Err(no_room(open, self.spec.max_cells)) }
    }

    /// Lets the producer of a lane work, if it is `still` that; what the lane hands over goes to its outbox.
    #[inline]
    pub(super) fn produce<T>(
        &self,
        berth: &Berth<Lane>,
        still: impl FnOnce() -> bool,
        work: impl FnOnce(&mut Session<'_, Lane>) -> Result<T>,
    ) -> Result<T> {
        self.check_room()?;
        let mut lane = self.lanes.enter(berth, still).map_err(|why| refused(why, &berth.name))?;
        work(&mut lane)
    }

    /// As [`TumblingWindows::produce`], on the default lane, which lives from the first row or heartbeat that it was given.
    #[inline]
    fn produce_default<T>(&self, work: impl FnOnce(&mut Session<'_, Lane>) -> Result<T>) -> Result<T> {
        self.produce(
            &self.default,
            || true,
            |lane| {
                let worked = work(lane);
                if !lane.has_begun() {
                    lane.close();
                }
                worked
            },
        )
    }

    /// A lane of one's own, for one producer: none waits for another.
    pub fn writer(self: &Arc<Self>, name: &str) -> Result<Writer> {
        if name == DEFAULT {
            return Err(Error::config(
                "`name` must not be empty, got \"\": that is the lane of `push` itself",
            ));
        }
        let berth = self.lanes.take(name, || Lane::new(&self.spec, &self.plan, &self.types))?;
        berth.map(|berth| Writer::new(Arc::clone(self), berth)).ok_or_else(|| taken(name))
    }

    /// Reads rows. `now` brings the clock along.
    pub fn push(&self, batches: &[RecordBatch], now: Option<Timestamp>) -> Result<()> {
        self.tick(now);
        self.produce_default(|lane| self.read(lane, batches, now))
    }

    /// Reads one row; gives its series, for [`super::Key::Known`], unless it was rejected.
    #[inline]
    pub fn push_one(&self, row: Row<'_>) -> Result<Option<u32>> {
        self.produce_default(|lane| self.read_one(lane, row))
    }

    pub(super) fn read(
        &self,
        lane: &mut Session<'_, Lane>,
        batches: &[RecordBatch],
        now: Option<Timestamp>,
    ) -> Result<()> {
        let handoff = lane.push(&self.spec, &self.plan, batches, now)?;
        lane.hand_over(handoff.some());
        Ok(())
    }

    #[inline]
    pub(super) fn read_one(&self, lane: &mut Session<'_, Lane>, row: Row<'_>) -> Result<Option<u32>> {
        let read = lane.push_one(&self.spec, &self.plan, row)?;
        if read.closes {
            let handoff = lane.hand_over_closed();
            lane.hand_over(handoff.some());
        }
        Ok(read.series)
    }

    pub(super) fn sign(
        &self,
        lane: &mut Session<'_, Lane>,
        source: Option<&Scalar>,
        time: Timestamp,
    ) -> Result<()> {
        let handoff = lane.alive(&self.spec, source, time)?;
        lane.hand_over(handoff.some());
        Ok(())
    }

    /// Reads what messages held.
    pub fn push_messages(&self, messages: &Messages<'_>, now: Option<Timestamp>) -> Result<()> {
        self.tick(now);
        self.produce_default(|lane| self.read_messages(lane, messages, now))
    }

    /// A heartbeat of a source at an event time.
    pub fn alive(&self, source: Option<&Scalar>, time: Timestamp) -> Result<()> {
        self.produce_default(|lane| self.sign(lane, source, time))
    }

    pub(super) fn tick(&self, now: Option<Timestamp>) {
        now.into_iter().for_each(|now| self.lanes.tick(now));
    }

    pub(super) fn read_messages(
        &self,
        lane: &mut Session<'_, Lane>,
        messages: &Messages<'_>,
        now: Option<Timestamp>,
    ) -> Result<()> {
        // Relaxed: a column more or less among the rejects, which the lane's claim orders.
        self.messages.store(true, Ordering::Relaxed);
        let mut handoffs = Vec::new();
        let read =
            lane.push_messages(&self.spec, &self.plan, messages, now, |handoff| handoffs.push(handoff));
        handoffs.into_iter().for_each(|handoff: Handoff| lane.hand_over(handoff.some()));
        read
    }

    /// The time is `now`: silent sources and lanes stop holding windows back; when all are silent, what is due closes.
    pub fn advance(&self, now: Timestamp) {
        self.lanes.advance(now, now.saturating_sub(self.spec.out_of_orderness));
    }

    /// Event time has come to `time`, on all lanes.
    pub fn watermark(&self, time: Timestamp) {
        self.lanes.set_watermark(time);
    }

    /// The rows of windows that fired or changed since the last call. While another thread drains, nothing.
    pub fn drain(&self) -> Result<RecordBatch> {
        if let Some(mut collector) = self.collector.write() {
            return self.collect(&mut collector, None);
        }
        let mut empty = Collector::new(&self.spec, &self.plan);
        empty.admit(&self.types)?;
        empty.drain(&self.spec, &self.plan, &mut self.assigner()?, NEVER)
    }

    /// Fires everything, also what the watermark has not passed; that counts as passed from then on.
    pub fn flush(&self) -> Result<RecordBatch> {
        let mut collector = self.collector.read();
        let berths = self.lanes.list();
        // All at once, so that event time comes to the same end on all of them.
        let mut sessions: Vec<_> = berths.iter().map(|berth| self.lanes.look(berth)).collect();
        for session in &mut sessions {
            self.take_in(&mut collector, session.berth);
        }
        let open = sessions.iter().filter_map(|session| session.last_end());
        let last = open.chain(collector.open_ends()).max();
        let mut out = None;
        if let (Some(last), [only]) = (last, sessions.as_mut_slice()) {
            out = collector.in_parts(&self.spec, &self.plan, &only.cells);
            if let Some(out) = &mut out {
                self.flush_in_parts(&mut collector, only, last, out);
            }
        }
        if let Some(last) = last {
            sessions.iter_mut().for_each(|session| session.raise(last));
            self.lanes.come_to(last);
        }
        drop(sessions);
        self.collect(&mut collector, out)
    }

    /// Fires what the only lane holds, some windows at a time, so that the memory of those before is used again: all at
    /// once, they would take twice as much, and that anew.
    fn flush_in_parts(
        &self,
        collector: &mut Collector,
        only: &mut Session<'_, Lane>,
        last: Timestamp,
        out: &mut Out,
    ) {
        const CELLS: usize = 1 << 12;
        let further =
            |only: &Lane| only.end_of_some(CELLS).filter(|end| only.watermark.get() < *end && *end < last);
        while let Some(end) = further(only) {
            only.raise(end);
            if !self.lanes.come_alone_to(end) {
                return;
            }
            self.take_in(collector, only.berth);
            self.holding(collector, |collector| collector.drain_part(&self.spec, &self.plan, end, out));
        }
    }

    /// Lets a collector work, and counts what it holds afterwards.
    pub(super) fn holding<T>(&self, collector: &mut Collector, work: impl FnOnce(&mut Collector) -> T) -> T {
        let before = collector.held();
        let worked = work(collector);
        self.lanes.add_held(collector.held() as i64 - before as i64);
        worked
    }

    pub(super) fn assigner(&self) -> Result<Assigner> {
        Assigner::new(self.spec.every, self.spec.offset, self.spec.zone.as_deref())
    }

    /// Takes what a lane has handed over.
    pub(super) fn take_in(&self, collector: &mut Collector, berth: &Berth<Lane>) {
        self.holding(collector, |collector| {
            for handoff in self.lanes.take_outbox(berth) {
                collector.accept(berth.id, &berth.name, handoff);
            }
        });
    }

    /// Takes what lanes handed over, and makes rows of it as far as it is sure; behind those of `out`.
    fn collect(&self, collector: &mut Collector, out: Option<Out>) -> Result<RecordBatch> {
        let limit = self.lanes.settle(collector.fired());
        for berth in self.lanes.list().iter() {
            self.take_in(collector, berth);
        }
        // Once all is in: a lane agrees on types before it hands over what is of them.
        collector.admit(&self.types)?;
        let mut assigner = self.assigner()?;
        let (spec, plan) = (&self.spec, &self.plan);
        let rows = self.holding(collector, |collector| match out {
            Some(mut out) => {
                collector.drain_part(spec, plan, limit, &mut out);
                let parts =
                    [collector.columns(spec, plan, out)?, collector.drain(spec, plan, &mut assigner, limit)?];
                if parts[1].num_rows() == 0 {
                    return Ok(parts[0].clone());
                }
                concat_batches(parts[0].schema_ref(), &parts).map_err(|error| Error::data(error.to_string()))
            }
            None => collector.drain(spec, plan, &mut assigner, limit),
        });
        let mut in_use = None;
        self.lanes.let_go(limit, |berth, lane| {
            let spare = !in_use.get_or_insert_with(|| collector.lanes_in_use()).contains(&berth.id);
            if spare && berth.let_go() {
                collector.forget(berth.id, &berth.name, lane);
            }
        });
        rows
    }

    /// Late rows since the last call.
    pub fn take_late(&self) -> Result<RecordBatch> {
        self.kept(|collector| &mut collector.late, Lane::take_late, false)
    }

    /// Rejects since the last call.
    pub fn take_rejects(&self) -> Result<RecordBatch> {
        let messages = self.messages.load(Ordering::Relaxed);
        self.kept(|collector| &mut collector.rejects, Lane::take_rejects, messages)
    }

    /// What all lanes have kept, in the order of their names.
    fn kept(
        &self,
        left: impl Fn(&mut Collector) -> &mut Left,
        take: impl Fn(&mut Lane) -> Vec<KeptRow>,
        messages: bool,
    ) -> Result<RecordBatch> {
        let mut collector = self.collector.read();
        let mut parts: Vec<(String, Vec<KeptRow>)> = left(&mut collector).take().collect();
        for berth in self.lanes.list().iter() {
            parts.push((berth.name.clone(), take(&mut self.lanes.look(berth))));
        }
        drop(collector);
        // What a lane of that name kept before it was let go comes first.
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        let rows: Vec<KeptRow> = parts.into_iter().flat_map(|(_, rows)| rows).collect();
        let names = self.spec.by.iter().chain(self.plan.inputs()).map(String::as_str);
        let kinds = self.types.by().into_iter().chain(self.types.inputs());
        let columns: Vec<(&str, Kind)> = names.zip(kinds).collect();
        kept_table(&self.spec.time, &columns, &rows, messages)
    }

    /// The event time at which the next window ends that has not fired: before the watermark is there, a drain has nothing
    /// new but changes of old windows.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let mut collector = self.collector.read();
        let berths = self.lanes.list();
        let open = berths.iter().filter_map(|berth| {
            let session = self.lanes.look(berth);
            self.take_in(&mut collector, berth);
            session.first_end()
        });
        let open = open.min();
        let filled =
            self.assigner().ok().and_then(|mut assigner| collector.next_fill(&self.spec, &mut assigner));
        open.into_iter().chain(filled).chain(collector.open_ends()).min()
    }

    /// What was read and is held.
    pub fn stats(&self) -> Stats {
        let mut collector = self.collector.read();
        let (mut tally, mut open) = (Tally::default(), 0);
        for berth in self.lanes.list().iter() {
            let session = self.lanes.look(berth);
            self.take_in(&mut collector, berth);
            tally += session.tally();
            open += session.cells();
        }
        tally += collector.gone();
        Stats {
            tally,
            overflows: collector.overflows(),
            open: open + collector.waiting(),
            series: collector.series(),
            watermark: Some(self.lanes.watermark()).filter(|time| *time != NEVER),
        }
    }
}
