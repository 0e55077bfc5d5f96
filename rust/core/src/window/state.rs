//! The whole state at rest: lanes, what was collected of them, and how far event time has come.
//!
//! A snapshot is a prefix of batches on each lane, and of what they handed over what is not drained yet. It is taken while
//! producers run: each lane is looked at between two of its batches, and goes on meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::aggregate::Plan;
use super::berth::Session;
use super::collect::{self, Collector};
use super::engine::{DEFAULT, TumblingWindows};
use super::lane::Lane;
use super::lanes::{Lanes, Reach};
use super::rest;
use super::spec::Spec;
use super::types::Types;
use crate::column::Kind;
use crate::error::{Error, Result};
use crate::snapshot;
use crate::sync::{AtomicBool, Claim, Ordering};

/// One lane.
#[derive(Debug, Serialize, Deserialize)]
struct Named {
    name: String,
    id: u32,
    lane: rest::Resting,
}

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) spec: Spec,
    inputs: Vec<Kind>,
    messages: bool,
    lanes: Vec<Named>,
    collector: collect::Resting,
    reach: Reach,
}

impl TumblingWindows {
    /// The state of lanes that are claimed.
    pub(super) fn rest_of(&self, collector: &mut Collector, sessions: &[Session<'_, Lane>]) -> Result<State> {
        let lanes = sessions.iter().map(|session| self.rest_lane(collector, session)).collect();
        self.rest(collector, lanes)
    }

    fn rest_lane(&self, collector: &mut Collector, session: &Session<'_, Lane>) -> Named {
        self.take_in(collector, session.berth);
        Named { name: session.berth.name.clone(), id: session.berth.id, lane: session.rest() }
    }

    fn rest(&self, collector: &mut Collector, lanes: Vec<Named>) -> Result<State> {
        // Once all is in: a lane agrees on types before it hands over what is of them.
        collector.admit(&self.types)?;
        Ok(State {
            spec: self.spec.clone(),
            inputs: self.types.inputs(),
            messages: self.messages.load(Ordering::Relaxed),
            lanes,
            collector: collector.rest(),
            reach: self.lanes.reach(),
        })
    }

    /// Windows that go on from there.
    pub(super) fn wake(state: State) -> Result<Self> {
        let invalid =
            |error: &Error| Error::snapshot(format!("the snapshot's parameters are invalid: {error}"));
        let broken = |what: &str| Error::snapshot(format!("the snapshot's lanes are inconsistent: {what}"));
        state.spec.check().map_err(|error| invalid(&error))?;
        let spec = state.spec;
        let plan = Plan::new(spec.aggregates.clone()).map_err(|error| invalid(&error))?;
        let types = Arc::new(Types::new(&spec.by, plan.inputs()));
        let collector = Collector::wake(&spec, &plan, state.collector)?;
        if state.inputs.len() != plan.inputs().len() {
            return Err(broken("their inputs"));
        }
        let kinds = (collector.keys.kinds().iter().copied(), state.inputs.iter().copied());
        types.agree(&plan, std::iter::once(kinds)).map_err(|error| invalid(&error))?;
        let lanes = Lanes::new(spec.idle_timeout);
        lanes.resume(state.reach);
        let mut names = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for Named { name, id, lane } in state.lanes {
            let (keys, sources) = lane.handed();
            if !names.insert(name.clone()) || !ids.insert(id) || id >= lanes.reach().opened() {
                return Err(broken("one is there twice"));
            }
            if collector.taken(id).is_some_and(|taken| taken != (&name, keys, sources)) {
                return Err(broken("one doesn't belong to the windows"));
            }
            if collector.taken(id).is_none() && (keys, sources) != (0, 0) {
                return Err(broken("one's keys are missing"));
            }
            lanes.restore(name, id, Lane::wake(&spec, &plan, &types, lane)?);
        }
        if !collector.lanes().is_subset(&ids) {
            return Err(broken("one is missing"));
        }
        lanes.add_held(collector.held() as i64);
        Ok(Self {
            default: lanes.berth(DEFAULT, || Lane::new(&spec, &plan, &types))?,
            lanes,
            collector: Claim::new(collector),
            messages: AtomicBool::new(state.messages),
            types,
            spec,
            plan,
        })
    }

    /// The whole state as bytes. Lanes are looked at one after the other, each between two of its batches.
    pub fn snapshot(&self) -> Result<Vec<u8>> {
        let mut collector = self.collector.read();
        let berths = self.lanes.list();
        let lanes =
            berths.iter().map(|berth| self.rest_lane(&mut collector, &self.lanes.look(berth))).collect();
        let state = self.rest(&mut collector, lanes)?;
        drop(collector);
        snapshot::write(snapshot::Kind::Windows, &state)
    }

    /// Windows that go on where a snapshot was taken.
    pub fn restore(bytes: &[u8]) -> Result<Self> {
        Self::wake(snapshot::read(snapshot::Kind::Windows, bytes)?)
    }
}
