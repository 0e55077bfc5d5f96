//! Causes: one measure's groups that come before another's, again and again.
//!
//! Owns the counts and when they are enough. What comes before isn't thereby a cause: it is what to look at first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Scope;
use crate::time::Timestamp;

/// A cause is looked for so many windows back.
const LEAD: i64 = 12;
/// So often has one to come before the other to be named.
const REPEATEDLY: u32 = 3;
/// Pairs of measures that are counted; beyond it new ones aren't.
const PAIRS: usize = 10_000;

/// What came before, as it often does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The measure that was hit before.
    pub measure: u32,
    /// Its group.
    pub group: String,
    /// By how much it came before, in nanoseconds.
    pub lead: i64,
    /// How often it has come before by now.
    pub times: u32,
}

/// The groups of one scope so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Past {
    groups: u32,
    start: Timestamp,
    id: String,
}

/// Which scopes' groups came before which others'.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Causes {
    past: BTreeMap<Scope, Past>,
    /// How often the first came before the second.
    before: BTreeMap<(Scope, Scope), u32>,
}

impl Causes {
    /// What came before a group that begins now, in at least half of both one's groups; the nearest first. Counts it.
    pub fn of(&mut self, scope: Scope, start: Timestamp, every: i64) -> Vec<Cause> {
        let groups = self.past.get(&scope).map_or(1, |past| past.groups.saturating_add(1));
        let mut causes = Vec::new();
        for (other, past) in self.past.iter().filter(|(other, _)| other.level == scope.level) {
            let lead = start.saturating_sub(past.start);
            if *other == scope || lead <= 0 || lead > every.saturating_mul(LEAD) {
                continue;
            }
            let full = self.before.len() >= PAIRS;
            let times = match self.before.get_mut(&(*other, scope)) {
                Some(times) => times,
                None if full => continue,
                None => self.before.entry((*other, scope)).or_insert(0),
            };
            *times = times.saturating_add(1);
            let often = |of: u32| u64::from(*times) * 2 >= u64::from(of);
            if *times >= REPEATEDLY && often(groups) && often(past.groups) {
                causes.push(Cause { measure: other.measure, group: past.id.clone(), lead, times: *times });
            }
        }
        causes.sort_by_key(|cause| (cause.lead, cause.measure));
        causes
    }

    /// Takes a group in that has begun.
    pub fn note(&mut self, scope: Scope, start: Timestamp, id: &str) {
        let past = self.past.entry(scope).or_default();
        past.groups = past.groups.saturating_add(1);
        past.start = start;
        id.clone_into(&mut past.id);
    }

    /// Whether restored ones are of so many measures.
    pub fn is_sound(&self, measures: usize) -> bool {
        let known = |scope: &Scope| (scope.measure as usize) < measures;
        self.past.keys().all(known) && self.before.keys().all(|(one, other)| known(one) && known(other))
    }
}
