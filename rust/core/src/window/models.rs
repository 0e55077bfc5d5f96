//! The protocol between lanes and reader, proved on small cases: by `loom` in every interleaving up to a bound of
//! preemptions, by `shuttle` in random ones of larger cases.
//!
//! The lane here has windows of ten, and rows that are their own times. What must hold whatever the order of events: a row
//! that its lane read on time is in an outbox before its window fires, and comes out once.
#![allow(clippy::unwrap_used, reason = "models are tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::berth::{Berth, Producer};
use super::lanes::{Lanes, Refused};
use super::watermark::NEVER;
use crate::sync::Claim;
use crate::time::Timestamp;

#[cfg(feature = "loom")]
use loom::{cell::Cell, thread};
#[cfg(all(feature = "shuttle", not(feature = "loom")))]
use {shuttle::thread, std::cell::Cell};

/// Runs a model in many interleavings.
fn check(bound: usize, model: impl Fn() + Send + Sync + 'static) {
    #[cfg(feature = "loom")]
    {
        let mut builder = loom::model::Builder::new();
        // LOOM_MAX_PREEMPTIONS goes beyond.
        builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(bound));
        builder.check(model);
    }
    #[cfg(all(feature = "shuttle", not(feature = "loom")))]
    {
        let _ = bound;
        let runs = std::env::var("SHUTTLE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(2_000);
        shuttle::check_random(model, runs);
    }
}

fn end(time: Timestamp) -> Timestamp {
    (time.div_euclid(10) + 1) * 10
}

/// A lane of windows of ten.
struct Small {
    watermark: Timestamp,
    open: bool,
    idle: bool,
    /// On time, and not handed over yet.
    rows: Vec<Timestamp>,
    late: usize,
    /// Written by whoever has the lane: `loom` tells when two have.
    touched: Cell<usize>,
}

impl Small {
    fn new(open: bool) -> Self {
        Self { watermark: NEVER, open, idle: false, rows: Vec::new(), late: 0, touched: Cell::new(0) }
    }

    /// Reads a row; gives what its watermark passes with it.
    fn read(&mut self, time: Timestamp) -> Option<Vec<Timestamp>> {
        self.touched.set(self.touched.get() + 1);
        self.idle = false;
        if end(time) <= self.watermark {
            self.late += 1;
        } else {
            self.rows.push(time);
        }
        self.raise(time)
    }
}

impl Producer for Small {
    type Handoff = Vec<Timestamp>;

    fn watermark(&self) -> Timestamp {
        self.watermark
    }

    fn raise(&mut self, time: Timestamp) -> Option<Vec<Timestamp>> {
        self.touched.set(self.touched.get() + 1);
        self.watermark = self.watermark.max(time);
        let passed: Vec<_> = self.rows.iter().copied().filter(|row| end(*row) <= self.watermark).collect();
        self.rows.retain(|row| end(*row) > self.watermark);
        Some(passed).filter(|passed| !passed.is_empty())
    }

    fn tick(&mut self, _: Timestamp) -> Option<Vec<Timestamp>> {
        None
    }

    fn is_open(&self) -> bool {
        self.open
    }

    fn open(&mut self) {
        self.open = true;
        self.idle = false;
    }

    fn close(&mut self) -> Option<Vec<Timestamp>> {
        self.open = false;
        Some(std::mem::take(&mut self.rows)).filter(|rows| !rows.is_empty())
    }

    fn is_idle(&self) -> bool {
        self.idle
    }

    fn look_at(&self) -> Timestamp {
        NEVER
    }

    fn is_spent(&self, _: Timestamp) -> bool {
        true
    }

    fn held(&self) -> i64 {
        self.rows.len() as i64
    }

    fn handed(handoff: &Vec<Timestamp>) -> i64 {
        handoff.len() as i64
    }
}

/// What a reader has collected.
#[derive(Default)]
struct Reader {
    waiting: Vec<Timestamp>,
    fired: Option<Timestamp>,
    out: Vec<Timestamp>,
}

impl Reader {
    fn drain(&mut self, lanes: &Lanes<Small>) {
        let limit = lanes.settle(self.fired.unwrap_or(NEVER));
        self.fire(lanes, limit);
        lanes.let_go(limit, |berth, _| {
            berth.let_go();
        });
    }

    /// Takes what lanes handed over, and fires as far as `limit`.
    fn fire(&mut self, lanes: &Lanes<Small>, limit: Timestamp) {
        let before = self.fired.unwrap_or(NEVER);
        assert!(limit >= before, "event time goes back");
        for berth in lanes.list().iter() {
            for row in lanes.take_outbox(berth).into_iter().flatten() {
                assert!(end(row) > before, "row {row} comes after its window has fired, at {before}");
                self.waiting.push(row);
            }
        }
        let (due, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|row| end(*row) <= limit);
        self.waiting = waiting;
        self.out.extend::<Vec<_>>(due);
        self.fired = Some(limit);
    }

    /// What came out in the end, once all lanes are closed: each row once.
    fn finish(&mut self, lanes: &Lanes<Small>) -> BTreeMap<Timestamp, usize> {
        self.drain(lanes);
        let mut counts = BTreeMap::new();
        for row in self.out.iter().chain(&self.waiting) {
            *counts.entry(*row).or_default() += 1;
        }
        counts
    }
}

fn lane(lanes: &Lanes<Small>, name: &str) -> Arc<Berth<Small>> {
    let berth = lanes.take(name, || Ok::<_, ()>(Small::new(false)));
    berth.ok().flatten().unwrap()
}

fn push(lanes: &Lanes<Small>, berth: &Berth<Small>, time: Timestamp) -> usize {
    let mut session = lanes.enter(berth, || true).unwrap();
    let passed = session.read(time);
    session.hand_over(passed);
    session.late
}

/// A thread that opens a lane, pushes one row and closes it; gives how many rows were on time.
fn visit(lanes: &Arc<Lanes<Small>>, name: &'static str, row: Timestamp) -> thread::JoinHandle<usize> {
    let lanes = Arc::clone(lanes);
    thread::spawn(move || {
        let berth = lane(&lanes, name);
        let late = push(&lanes, &berth, row);
        lanes.leave(&berth);
        1 - late
    })
}

fn each_once(rows: &[Timestamp]) -> BTreeMap<Timestamp, usize> {
    rows.iter().map(|row| (*row, 1)).collect()
}

/// Hand-off: rows of two lanes, drained while they are written.
#[test]
fn rows_come_out_once_and_before_their_windows_fire() {
    check(3, || {
        let lanes = Arc::new(Lanes::new(None));
        let (a, b) = (lane(&lanes, "a"), lane(&lanes, "b"));
        push(&lanes, &b, 2);
        let writes = {
            let lanes = Arc::clone(&lanes);
            thread::spawn(move || {
                push(&lanes, &a, 1);
                assert_eq!(push(&lanes, &a, 12), 0, "each is in time by its own lane");
            })
        };
        let mut reader = Reader::default();
        reader.drain(&lanes);
        push(&lanes, &b, 13);
        reader.drain(&lanes);
        writes.join().unwrap();
        lanes.list().iter().for_each(|berth| lanes.leave(berth));
        assert_eq!(reader.finish(&lanes), each_once(&[1, 12, 2, 13]));
        assert_eq!(lanes.held(), 0);
    });
}

/// Watermark: a lane opens while windows fire on another's account.
#[test]
fn a_lane_that_opens_starts_where_windows_have_fired() {
    check(3, || {
        let lanes = Arc::new(Lanes::new(None));
        let first = lane(&lanes, "a");
        push(&lanes, &first, 1);
        let opens = visit(&lanes, "b", 5);
        push(&lanes, &first, 25);
        let mut reader = Reader::default();
        reader.drain(&lanes);
        let on_time = opens.join().unwrap();
        lanes.leave(&first);
        let out = reader.finish(&lanes);
        assert_eq!(out.get(&5).copied().unwrap_or(0), on_time);
        assert_eq!((out[&1], out[&25]), (1, 1));
    });
}

/// Watermark: a lane opens while windows fire part by part on the account of one that is the only one.
#[test]
fn a_lane_that_opens_between_two_parts_loses_nothing() {
    check(3, || {
        let lanes = Arc::new(Lanes::new(None));
        let only = lane(&lanes, "a");
        push(&lanes, &only, 1);
        push(&lanes, &only, 3);
        let opens = visit(&lanes, "b", 5);
        let mut reader = Reader::default();
        let mut session = lanes.look(&only);
        for part in [10, 20] {
            session.raise(part);
            if !lanes.come_alone_to(part) {
                break;
            }
            reader.fire(&lanes, part);
        }
        drop(session);
        reader.drain(&lanes);
        let on_time = opens.join().unwrap();
        lanes.leave(&only);
        let out = reader.finish(&lanes);
        assert_eq!(out.get(&5).copied().unwrap_or(0), on_time);
        assert_eq!((out[&1], out[&3]), (1, 1));
    });
}

/// Watermark: a silent lane that has a window open wakes while that window fires.
#[test]
fn a_silent_lane_that_wakes_loses_nothing() {
    check(3, || {
        let lanes = Arc::new(Lanes::new(None));
        let (busy, silent) = (lane(&lanes, "a"), lane(&lanes, "b"));
        push(&lanes, &silent, 3);
        lanes.look(&silent).idle = true;
        let wakes = {
            let (lanes, silent) = (Arc::clone(&lanes), Arc::clone(&silent));
            thread::spawn(move || {
                let late = push(&lanes, &silent, 4);
                lanes.leave(&silent);
                1 - late
            })
        };
        push(&lanes, &busy, 31);
        let mut reader = Reader::default();
        reader.drain(&lanes);
        reader.drain(&lanes);
        let on_time = wakes.join().unwrap();
        lanes.leave(&busy);
        let out = reader.finish(&lanes);
        assert_eq!(out.get(&4).copied().unwrap_or(0), on_time);
        assert_eq!((out[&3], out[&31]), (1, 1));
    });
}

/// Claim: two threads on one lane.
#[test]
fn a_lane_has_one_producer_at_a_time() {
    check(3, || {
        let lanes = Arc::new(Lanes::new(None));
        let berth = lane(&lanes, "a");
        let push = |lanes: &Lanes<Small>, berth: &Berth<Small>, row| match lanes.enter(berth, || true) {
            Ok(mut session) => {
                let passed = session.read(row);
                session.hand_over(passed);
                1
            }
            Err(why) => {
                assert_eq!(why, Refused::Busy);
                0
            }
        };
        let other = {
            let (lanes, berth) = (Arc::clone(&lanes), Arc::clone(&berth));
            thread::spawn(move || push(&lanes, &berth, 1))
        };
        let pushed = push(&lanes, &berth, 2) + other.join().unwrap();
        assert!(pushed >= 1);
        assert_eq!(lanes.look(&berth).rows.len(), pushed);
    });
}

/// Claim: whoever looks waits for the batch that is under way, and sees whole batches.
#[test]
fn a_look_waits_for_a_batch() {
    check(3, || {
        let lanes = Arc::new(Lanes::new(None));
        let berth = lane(&lanes, "a");
        let pushes = {
            let (lanes, berth) = (Arc::clone(&lanes), Arc::clone(&berth));
            thread::spawn(move || {
                for rows in [[1, 2], [3, 4]] {
                    let mut session = lanes.enter(&berth, || true).unwrap();
                    rows.into_iter().for_each(|row| assert_eq!(session.read(row), None));
                }
            })
        };
        let seen = lanes.look(&berth).rows.len();
        assert!(seen.is_multiple_of(2) && lanes.held() <= 4);
        pushes.join().unwrap();
        assert_eq!((lanes.look(&berth).rows.len(), lanes.held()), (4, 4));
    });
}

/// Release: a writer is closed while its thread pushes; whatever was read comes out, and nothing holds event time.
#[test]
fn closing_during_a_push_keeps_what_was_read() {
    check(3, || {
        let lanes = Arc::new(Lanes::new(None));
        let (berth, other) = (lane(&lanes, "a"), lane(&lanes, "b"));
        let open = Arc::new(crate::sync::AtomicBool::new(true));
        let pushes = {
            let (lanes, berth, open) = (Arc::clone(&lanes), Arc::clone(&berth), Arc::clone(&open));
            thread::spawn(move || match lanes.enter(&berth, || open.load(crate::sync::Ordering::Relaxed)) {
                Ok(mut session) => {
                    let passed = session.read(2);
                    session.hand_over(passed);
                    1
                }
                Err(why) => {
                    assert_eq!(why, Refused::Closed);
                    0
                }
            })
        };
        open.store(false, crate::sync::Ordering::Relaxed);
        lanes.leave(&berth);
        push(&lanes, &other, 50);
        let mut reader = Reader::default();
        reader.drain(&lanes);
        let read = pushes.join().unwrap();
        reader.drain(&lanes);
        assert_eq!(reader.fired, Some(50), "a closed lane holds nothing back");
        assert_eq!(reader.finish(&lanes).get(&2).copied().unwrap_or(0), read);
    });
}

/// Two readers at once: one drains, the other is turned away, and each row comes out once.
#[test]
fn of_two_readers_one_drains() {
    check(3, || {
        let lanes = Arc::new(Lanes::new(None));
        let berth = lane(&lanes, "a");
        push(&lanes, &berth, 1);
        push(&lanes, &berth, 11);
        let reader = Arc::new(Claim::new(Reader::default()));
        let drains = {
            let (lanes, reader) = (Arc::clone(&lanes), Arc::clone(&reader));
            thread::spawn(move || reader.write().map(|mut reader| reader.drain(&lanes)).is_some())
        };
        let here = reader.write().map(|mut reader| reader.drain(&lanes)).is_some();
        assert!(drains.join().unwrap() || here);
        assert_eq!(reader.read().out, [1]);
    });
}

/// A closed lane is let go while a writer of that name asks for it: no row goes to a lane that nobody drains.
#[test]
fn a_lane_that_is_let_go_is_not_written_to() {
    check(2, || {
        let lanes = Arc::new(Lanes::new(None));
        let berth = lane(&lanes, "a");
        push(&lanes, &berth, 1);
        lanes.leave(&berth);
        let reopens = {
            let lanes = Arc::clone(&lanes);
            thread::spawn(move || {
                let berth = lane(&lanes, "a");
                push(&lanes, &berth, 21);
                lanes.leave(&berth);
            })
        };
        let mut reader = Reader::default();
        reader.drain(&lanes);
        reader.drain(&lanes);
        reopens.join().unwrap();
        assert_eq!(reader.finish(&lanes), each_once(&[1, 21]));
    });
}

/// Event time is set, and goes on with the clock, while lanes write: what fires has everything on time in it.
#[test]
fn a_set_watermark_closes_what_lanes_have_read() {
    check(2, || {
        let lanes = Arc::new(Lanes::new(None));
        let (a, b) = (lane(&lanes, "a"), lane(&lanes, "b"));
        let writes = {
            let lanes = Arc::clone(&lanes);
            thread::spawn(move || {
                push(&lanes, &a, 2);
                let late = push(&lanes, &a, 3);
                lanes.leave(&a);
                2 - late.min(2)
            })
        };
        lanes.set_watermark(40);
        let mut reader = Reader::default();
        reader.drain(&lanes);
        lanes.leave(&b);
        let on_time = writes.join().unwrap();
        let out = reader.finish(&lanes);
        assert!(out.values().all(|count| *count == 1));
        assert!(out.len() <= 2 && out.len() >= on_time.min(1) && reader.fired == Some(40));
    });
}

/// Larger than every interleaving can be tried of: four lanes, of which one dies, one falls silent and one comes late.
#[cfg(all(feature = "shuttle", not(feature = "loom")))]
#[test]
fn many_lanes_at_once() {
    use shuttle::rand::{Rng, thread_rng};

    check(0, || {
        let lanes = Arc::new(Lanes::new(None));
        let berths: Vec<_> = ["a", "b", "c"].iter().map(|name| lane(&lanes, name)).collect();
        let mut producers: Vec<_> = berths
            .into_iter()
            .enumerate()
            .map(|(at, berth)| {
                let lanes = Arc::clone(&lanes);
                thread::spawn(move || {
                    let (mut time, mut late) = (0, 0);
                    for row in 0..6 {
                        time += thread_rng().gen_range(-5..15);
                        late = push(&lanes, &berth, time);
                        if (at, row) == (0, 3) {
                            // As if its thread had died.
                            lanes.leave(&berth);
                            return 4 - late;
                        }
                    }
                    match at {
                        1 => lanes.look(&berth).idle = true,
                        _ => lanes.leave(&berth),
                    }
                    6 - late
                })
            })
            .collect();
        producers.push(visit(&lanes, "d", 20));
        let mut reader = Reader::default();
        for _ in 0..4 {
            reader.drain(&lanes);
        }
        let on_time: usize = producers.into_iter().map(|producer| producer.join().unwrap()).sum();
        lanes.set_watermark(1_000);
        reader.drain(&lanes);
        assert_eq!((reader.out.len(), reader.waiting.len(), lanes.held()), (on_time, 0, 0));
    });
}
