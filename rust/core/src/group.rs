//! Groups: anomalies of one measure at one time are one matter, however many series it shows in.
//!
//! Owns what belongs together, how severe it is, the share that each value has in it, and which measure's groups lead
//! to another's. Windows that touch are joined, in whatever order their rows came; a group is closed once a window
//! has passed in which it had no part. Who is told, and in which words, is the affair of [`crate::detect`].

mod causes;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

pub use causes::Cause;
use causes::Causes;

use crate::error::{Error, Result};
use crate::id;
use crate::snapshot;
use crate::time::Timestamp;

/// Closed groups that wait to be taken, and their series; beyond it the oldest are dropped and counted.
const WAITING: Limit = Limit { groups: 100_000, members: 1_000_000 };
/// Groups that were taken and can still be talked about, and their series.
const REMEMBERED: Limit = Limit { groups: 1_000, members: 50_000 };

/// How many of something are kept.
#[derive(Debug, Clone, Copy)]
struct Limit {
    groups: usize,
    members: usize,
}

/// Whose anomalies are grouped: those of one measure at one level of roll-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// The measure's place.
    pub measure: u32,
    /// 0 for the finest keys.
    pub level: i64,
}

/// One series in one window: what came and what was expected. NaN stands for null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The window's time.
    pub time: Timestamp,
    /// What came.
    #[serde(with = "snapshot::float")]
    pub observed: f64,
    /// What was expected.
    #[serde(with = "snapshot::float")]
    pub expected: f64,
    /// The lower edge of the band.
    #[serde(with = "snapshot::float")]
    pub lower: f64,
    /// The upper edge of the band.
    #[serde(with = "snapshot::float")]
    pub upper: f64,
    /// How rare it is, 0 to 100.
    #[serde(with = "snapshot::float")]
    pub severity: f64,
    /// How large it is on its method's own scale.
    #[serde(with = "snapshot::float")]
    pub size: f64,
    /// 1 above its expectation, -1 below, 0 for neither.
    pub side: i8,
    /// What spoke.
    pub channel: String,
}

impl Anomaly {
    /// How far it is from what was expected.
    pub fn distance(&self) -> f64 {
        let distance = (self.observed - self.expected).abs();
        if distance.is_finite() { distance } else { 0.0 }
    }

    /// Whether it is worse than another: rarer, or as rare and earlier.
    fn is_worse(&self, other: &Self) -> bool {
        let rank = |one: &Self| if one.severity.is_nan() { -1.0 } else { one.severity };
        rank(self) > rank(other) || rank(self) == rank(other) && self.time < other.time
    }
}

/// One series' part in a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its first window in alarm.
    pub first: Timestamp,
    /// Its last one.
    pub last: Timestamp,
    /// The worst one.
    pub peak: Anomaly,
}

/// Anomalies that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The same for the same measure, level and start, wherever it is computed. Empty until it is told.
    pub id: String,
    /// Whose anomalies they are.
    pub scope: Scope,
    /// The time of the first window.
    pub start: Timestamp,
    /// The time of the last window.
    pub last: Timestamp,
    /// The end of the last window, once no more can come.
    pub end: Option<Timestamp>,
    /// The series that were hit.
    pub members: BTreeMap<u32, Member>,
    /// What came before, as it often does.
    pub causes: Vec<Cause>,
    /// Its opening has been told.
    told: bool,
}

impl Group {
    fn open(scope: Scope, time: Timestamp) -> Self {
        let (id, members, causes) = (String::new(), BTreeMap::new(), Vec::new());
        Self { id, scope, start: time, last: time, end: None, members, causes, told: false }
    }

    fn add(&mut self, series: u32, anomaly: Anomaly) {
        let time = anomaly.time;
        (self.start, self.last) = (self.start.min(time), self.last.max(time));
        if let Some(member) = self.members.get_mut(&series) {
            (member.first, member.last) = (member.first.min(time), member.last.max(time));
            if anomaly.is_worse(&member.peak) {
                member.peak = anomaly;
            }
        } else {
            self.members.insert(series, Member { first: time, last: time, peak: anomaly });
        }
    }

    fn join(&mut self, other: Self) {
        (self.start, self.last) = (self.start.min(other.start), self.last.max(other.last));
        for (series, member) in other.members {
            let (first, last) = (member.first, member.last);
            self.add(series, member.peak);
            if let Some(member) = self.members.get_mut(&series) {
                (member.first, member.last) = (member.first.min(first), member.last.max(last));
            }
        }
    }

    /// How rare it is, 0 to 100: `30 ln(n) / ln(365 / 30)` above its worst series, since n series at once are n times
    /// as rare. NaN where no series has a severity.
    pub fn severity(&self) -> f64 {
        let worst = self.members.values().map(|member| member.peak.severity).fold(f64::NAN, f64::max);
        let more = 30.0 * libm::log(self.members.len() as f64) / libm::log(365.0 / 30.0);
        (worst + more).min(100.0)
    }

    /// The series that is worst.
    pub fn worst(&self) -> Option<(u32, &Member)> {
        let members = self.members.iter().map(|(series, member)| (*series, member));
        members.reduce(|worst, next| if next.1.peak.is_worse(&worst.1.peak) { next } else { worst })
    }
}

/// Shares that sum to 100, largest first: what is farther from its expectation has the larger one. `distances` are the
/// distances of each value's series; where all are nothing, values share alike.
pub fn shares<V: Ord>(distances: impl Iterator<Item = (V, f64)>) -> Vec<(V, f64)> {
    let mut sums: BTreeMap<V, f64> = BTreeMap::new();
    for (value, distance) in distances {
        *sums.entry(value).or_insert(0.0) += distance;
    }
    let total: f64 = sums.values().sum();
    let alike = 100.0 / sums.len() as f64;
    let share = |sum: f64| if total > 0.0 { 100.0 * (sum / total) } else { alike };
    let mut shares: Vec<(V, f64)> = sums.into_iter().map(|(value, sum)| (value, share(sum))).collect();
    shares.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    shares
}

/// The groups of many series.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Groups {
    /// Those that last, by scope and start; no two of a scope touch.
    open: BTreeMap<(Scope, Timestamp), Group>,
    /// Closed and not taken; the oldest first.
    waiting: VecDeque<Group>,
    /// Taken; the oldest first.
    remembered: VecDeque<Group>,
    /// The newest time of any row.
    newest: Option<Timestamp>,
    causes: Causes,
    dropped: u64,
}

impl Groups {
    /// Takes an anomaly into the group that it touches, else into one of its own.
    pub fn record(&mut self, scope: Scope, series: u32, every: i64, anomaly: Anomaly) {
        let time = anomaly.time;
        // No two touch each other, so at most the two before the next window touch this one.
        let range = (scope, Timestamp::MIN)..=(scope, time.saturating_add(every));
        let near = self.open.range(range).rev().take(2);
        let touched: Vec<(Scope, Timestamp)> =
            near.filter(|(_, group)| group.last.saturating_add(every) >= time).map(|(key, _)| *key).collect();
        let mut found: Option<Group> = None;
        for key in touched.iter().rev() {
            let told = self.open.get(key).is_some_and(|other| other.told);
            // Two that somebody has heard of stay two.
            if told && found.as_ref().is_some_and(|group| group.told) {
                continue;
            }
            let Some(mut other) = self.open.remove(key) else { continue };
            found = Some(match found {
                None => other,
                Some(mut group) if !told => {
                    group.join(other);
                    group
                }
                Some(group) => {
                    other.join(group);
                    other
                }
            });
        }
        let mut group = found.unwrap_or_else(|| Group::open(scope, time));
        group.add(series, anomaly);
        self.open.insert((scope, group.start), group);
    }

    /// Notes that rows until this time have come.
    #[inline]
    pub fn pass(&mut self, time: Timestamp) {
        self.newest = self.newest.max(Some(time));
    }

    /// The newest time of any row.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// Ends a batch: new groups get their ids and causes, and those are closed that nothing can touch any more. `name`
    /// is what a measure is called.
    pub fn settle<'a>(&mut self, every: i64, name: impl Fn(u32) -> &'a str) {
        let Some(newest) = self.newest.filter(|_| !self.open.is_empty()) else { return };
        let mut new: Vec<&mut Group> = self.open.values_mut().filter(|group| group.id.is_empty()).collect();
        new.sort_by_key(|group| (group.start, group.scope));
        for same in new.chunk_by_mut(|one, other| one.start == other.start) {
            for group in same.iter_mut() {
                let Scope { measure, level } = group.scope;
                let parts = [&level.to_le_bytes()[..], &group.start.to_le_bytes(), name(measure).as_bytes()];
                group.id = id::of(&parts);
                group.causes = self.causes.of(group.scope, group.start, every);
            }
            // What begins together doesn't lead to each other.
            same.iter().for_each(|group| self.causes.note(group.scope, group.start, &group.id));
        }
        let due = |group: &Group| group.last.saturating_add(every).saturating_add(every) <= newest;
        let passed: Vec<(Scope, Timestamp)> =
            self.open.iter().filter(|(_, group)| due(group)).map(|(key, _)| *key).collect();
        let mut closed: Vec<Group> = passed.iter().filter_map(|key| self.open.remove(key)).collect();
        closed.sort_by_key(|group| (group.last, group.scope));
        for mut group in closed {
            group.end = Some(group.last.saturating_add(every));
            self.waiting.push_back(group);
        }
        self.dropped += trim(&mut self.waiting, WAITING);
    }

    /// What is new since the last call, by start, then scope: groups that have opened and last, and that have closed.
    pub fn take(&mut self) -> Vec<Group> {
        let mut news: Vec<Group> = self.waiting.iter().cloned().collect();
        self.remembered.append(&mut self.waiting);
        trim(&mut self.remembered, REMEMBERED);
        for group in self.open.values_mut().filter(|group| !group.told && !group.id.is_empty()) {
            group.told = true;
            news.push(group.clone());
        }
        news.sort_by_key(|group| (group.start, group.scope));
        news
    }

    /// The group of that id, if it lasts, waits or is still remembered.
    pub fn find(&self, id: &str) -> Option<&Group> {
        let past = self.waiting.iter().rev().chain(self.remembered.iter().rev());
        self.open.values().chain(past).find(|group| group.id == id)
    }

    /// Groups that were dropped because nobody took them.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether restored groups are such as a detector of so many series and measures could have left behind.
    pub fn check(&self, series: usize, measures: usize) -> Result<()> {
        let past = self.waiting.iter().chain(&self.remembered);
        let sound = |group: &Group| {
            (group.scope.measure as usize) < measures
                && group.start <= group.last
                && !group.members.is_empty()
                && group.members.keys().all(|id| (*id as usize) < series)
                && group.causes.iter().all(|cause| (cause.measure as usize) < measures)
        };
        let open = |(key, group): (&(Scope, Timestamp), &Group)| {
            *key == (group.scope, group.start) && group.end.is_none() && sound(group)
        };
        if !self.open.iter().all(open)
            || !past.into_iter().all(|group| group.end.is_some() && sound(group))
            || self.waiting.len() > WAITING.groups
            || self.remembered.len() > REMEMBERED.groups
            || !self.causes.is_sound(measures)
        {
            return Err(Error::snapshot("a group belongs to no series"));
        }
        Ok(())
    }
}

/// Lets the oldest go until the rest are within the limit, of which the newest always is; how many went.
fn trim(groups: &mut VecDeque<Group>, limit: Limit) -> u64 {
    let mut members: usize = groups.iter().map(|group| group.members.len()).sum();
    let mut gone = 0;
    while groups.len() > 1 && (groups.len() > limit.groups || members > limit.members) {
        members -= groups.pop_front().map_or(0, |group| group.members.len());
        gone += 1;
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope = Scope { measure: 0, level: 0 };

    fn anomaly(time: Timestamp, severity: f64) -> Anomaly {
        let (observed, expected, lower, upper) = (severity, 0.0, -1.0, 1.0);
        Anomaly {
            time,
            observed,
            expected,
            lower,
            upper,
            severity,
            size: 1.0,
            side: 1,
            channel: String::new(),
        }
    }

    fn groups(order: &[(Timestamp, u32, f64)]) -> Vec<(Timestamp, Timestamp, usize)> {
        let mut groups = Groups::default();
        for (time, series, severity) in order {
            groups.record(SCOPE, *series, 10, anomaly(*time, *severity));
            groups.pass(*time);
        }
        groups.pass(1_000);
        groups.settle(10, |_| "cars");
        groups.take().iter().map(|group| (group.start, group.last, group.members.len())).collect()
    }

    #[test]
    fn touching_windows_are_joined_in_any_order() {
        let mut rows = vec![(0, 1, 50.0), (10, 2, 60.0), (20, 1, 70.0), (40, 3, 80.0), (60, 3, 80.0)];
        let expected = [(0, 20, 2), (40, 40, 1), (60, 60, 1)];
        for _ in 0..rows.len() {
            rows.rotate_left(1);
            assert_eq!(groups(&rows), expected);
            assert_eq!(groups(&rows.iter().rev().copied().collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn a_group_is_news_when_it_opens_and_when_it_closes() {
        let mut groups = Groups::default();
        groups.record(SCOPE, 1, 10, anomaly(0, 50.0));
        groups.pass(0);
        groups.settle(10, |_| "cars");
        let news = groups.take();
        assert_eq!((news.len(), news[0].end), (1, None));
        groups.record(SCOPE, 2, 10, anomaly(10, 50.0));
        groups.pass(20);
        groups.settle(10, |_| "cars");
        assert!(groups.take().is_empty());
        groups.pass(30);
        groups.settle(10, |_| "cars");
        let closed = groups.take();
        assert_eq!((closed.len(), closed[0].end, &closed[0].id), (1, Some(20), &news[0].id));
        assert!((closed[0].severity() - 58.33).abs() < 0.1 && news[0].severity() == 50.0);
        assert!(groups.find(&news[0].id).is_some() && groups.check(3, 1).is_ok());
        assert!(groups.check(2, 1).is_err());
    }

    #[test]
    fn shares_sum_to_a_hundred() {
        let of = |distances: &[(u8, f64)]| shares(distances.iter().copied());
        assert_eq!(of(&[(1, 1.0), (2, 2.0), (1, 1.0), (3, 6.0)]), [(3, 60.0), (1, 20.0), (2, 20.0)]);
        assert_eq!(of(&[(1, 0.0), (2, 0.0)]), [(1, 50.0), (2, 50.0)]);
        assert_eq!(of(&[(1, 1e100), (2, 0.0)]), [(1, 100.0), (2, 0.0)]);
    }

    #[test]
    fn what_comes_before_repeatedly_is_named() {
        let mut groups = Groups::default();
        let mut causes = Vec::new();
        for round in 0..4 {
            for (measure, time) in [(0, round * 1_000), (1, round * 1_000 + 20)] {
                groups.record(Scope { measure, level: 0 }, measure, 10, anomaly(time, 50.0));
                groups.pass(time);
                groups.settle(10, |_| "cars");
                causes.push(groups.take().last().map_or(0, |group| group.causes.len()));
            }
        }
        assert_eq!(causes, [0, 0, 0, 0, 0, 1, 0, 1]);
    }
}
