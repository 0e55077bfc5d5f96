//! One row of one series: judged by its method, stepped through its alarm, learned.
//!
//! Owns the order of these three, what counts as a missing point, and what becomes an event.

use super::completeness::Observed;
use super::counts::Counts;
use super::drift;
use super::feedback::Extent;
use super::filters::Lowered;
use super::level_shift;
use super::model::{LARGEST, Model, Pace, Point, Verdict};
use super::novelty::Metric;
use super::one_series::{Memory, Series};
use super::predicted::Predicted;
use super::reason;
use super::records::Records;
use super::rows::Input;
use super::settings::{Method, Settings};
use super::states::Standing;
use super::wall_clock::WallClock;
use crate::alarm::{self, AlarmState, EventKind, Judged, Point as Counted, State};
use crate::column::Scalar;
use crate::duration;
use crate::error::Result;
use crate::group::Scope;
use crate::key::Keys;
use crate::residual::drift::Usual;
use crate::time::Timestamp;

/// The severity from which rows have a reason, unless the alarm's is lower.
const REMARKABLE: f64 = 25.0;

/// What rows are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be learned, without a verdict.
    Teach,
    /// To be judged, then learned.
    Judge,
}

/// What the rows of one call share.
pub struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) keys: &'a Keys,
    pub(super) records: &'a mut Records,
    pub(super) wall: WallClock<'a>,
    pub(super) pace: Pace,
    /// The length of a window in nanoseconds; 0 until it is known.
    pub(super) every: i64,
    pub(super) reason: String,
    /// The severity from which reasons are written.
    pub(super) remarkable: f64,
    /// What the model's inputs were in training, where somebody asks for drift.
    pub(super) usual: Vec<Option<Usual>>,
}

/// Whose row it is.
#[derive(Clone, Copy)]
pub struct Place {
    pub(super) key: u32,
    pub(super) measure: usize,
    pub(super) measures: usize,
}

impl Place {
    /// Where it is among all series.
    pub fn series(self) -> usize {
        self.key as usize * self.measures + self.measure
    }
}

/// The pace of windows of that length.
pub fn pace_of(every: i64, settings: &Settings) -> Pace {
    Pace::new(every as f64 / 1e9, settings.rule.kernel(), level_shift::days(settings.adopt, every))
}

/// The point of an input; none where its value can't be judged.
pub fn point_of(time: Timestamp, input: &Input, share: f64, wall: &mut WallClock<'_>) -> Option<Point> {
    let fits = |value: f64| value.abs() <= LARGEST;
    fits(input.value).then(|| {
        let local = wall.seconds(time);
        Point {
            time,
            local,
            holiday: wall.is_holiday(local),
            value: input.value,
            extremes: input.extremes.map(|value| if fits(value) { value } else { input.value }),
            predicted: if fits(input.predicted) { input.predicted } else { f64::NAN },
            share,
        }
    })
}

impl<'a> Context<'a> {
    /// For rows of one call.
    pub fn new(
        settings: &'a Settings,
        keys: &'a Keys,
        records: &'a mut Records,
        every: Option<i64>,
    ) -> Result<Self> {
        let wall = WallClock::new(settings.zone.as_deref(), &settings.holidays)?;
        let pace = pace_of(every.unwrap_or(1_000_000_000), settings);
        // An alarm on scores may need the reason of any row.
        let remarkable = settings.alarm.settings().severity.map_or(0.0, |limit| limit.min(REMARKABLE));
        let every = every.unwrap_or(0);
        let reason = String::new();
        let usual = settings.drift.map_or_else(Vec::new, |_| drift::usual(settings));
        Ok(Self { settings, keys, records, wall, pace, every, reason, remarkable, usual })
    }

    /// A row of one series: a value where one can be judged, else a missing point.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    pub fn take(
        &mut self,
        series: &mut Series,
        place: Place,
        method: Method,
        time: Timestamp,
        input: &Input,
        silent: bool,
        purpose: Purpose,
    ) -> Verdict {
        let observed = self.settings.observed(input.completeness);
        let share = if let Observed::Share(share) = observed { share } else { 1.0 };
        let point = if silent { None } else { point_of(time, input, share, &mut self.wall) };
        let point = point.filter(|point| method != Method::Residual || !point.predicted.is_nan());
        // A window of which too little was observed is a missing point.
        let unjudged = point.is_some() && !matches!(observed, Observed::Share(_));
        let point = point.filter(|_| !unjudged);
        if purpose == Purpose::Judge {
            self.records.groups.pass(time);
            if let (Some(limit), Some(heard)) = (self.settings.silence, series.standing.newest) {
                self.listen(place, time, heard, limit, point.is_some());
            }
        }
        let Some(point) = point else {
            if !silent {
                series.standing.miss();
            }
            // Nothing is missing of a series that is still learning.
            if purpose == Purpose::Judge && series.alarm.has_begun() {
                self.step(&mut series.alarm, place, time, None, &Verdict::NONE, input.value);
            }
            if unjudged {
                self.leave(observed, input, purpose);
            }
            return Verdict::NONE;
        };
        if matches!(series.memory, Memory::Empty) {
            series.memory = match method {
                Method::Counts => Memory::Counts(Box::new(Counts::new(&point, self.pace.every))),
                Method::Residual => Memory::Residual(Box::new(Predicted::new(&point, &self.settings.rule))),
                Method::Auto | Method::Joint | Method::Novelty => {
                    Memory::Novelty(Box::new(Metric::new(&point)))
                }
            };
        }
        let Series { memory, alarm, standing } = series;
        standing.hear(time);
        let of = (alarm, standing);
        let (verdict, lost) = match memory {
            Memory::Empty | Memory::Joint(_) => (Verdict::NONE, false),
            Memory::Counts(model) => self.observe(model.as_mut(), of, place, &point, purpose),
            Memory::Novelty(model) => self.observe(model.as_mut(), of, place, &point, purpose),
            Memory::Residual(model) => self.observe(model.as_mut(), of, place, &point, purpose),
        };
        if lost {
            series.memory = Memory::Empty;
            self.records.keeping.forget(place.series() as u32);
        }
        verdict
    }

    /// Counts a value that isn't judged for its window's completeness, and says why.
    #[cold]
    fn leave(&mut self, observed: Observed, input: &Input, purpose: Purpose) {
        let count = match observed {
            Observed::TooLittle => &mut self.records.unjudged.incomplete,
            _ => &mut self.records.unjudged.unreadable,
        };
        *count = count.saturating_add(1);
        if let (Some(completeness), Purpose::Judge) = (&self.settings.completeness, purpose) {
            self.reason = completeness.tell(input.completeness, observed);
        }
    }

    #[inline(always)]
    fn observe<M: Model + Clone + Into<Memory>>(
        &mut self,
        model: &mut M,
        (alarm, standing): (&mut AlarmState, &mut Standing),
        place: Place,
        point: &Point,
        purpose: Purpose,
    ) -> (Verdict, bool) {
        let (mut verdict, judged) = model.judge(point, &mut self.pace);
        let maintained = self.settings.filters.is_maintained(self.keys, place.key, point.time);
        let mut held = false;
        if purpose == Purpose::Judge {
            // Nothing to tell is a calm point, not a missing one.
            let calm = if verdict.severity.is_nan() { None } else { Some(0.0) };
            let by_severity = self.settings.alarm.judges_severity();
            let value = if by_severity { verdict.severity } else { verdict.score };
            let (value, breach) = if value.is_nan() {
                (calm, false)
            } else {
                let size = M::size(&verdict);
                self.filtered(alarm.state(), place, point, &mut verdict, (value, size), maintained)
            };
            if breach || verdict.is_remarkable(self.remarkable) {
                let measure = &self.settings.measures[place.measure].name;
                // Copies, here and below: what few rows look at stays in registers for the others.
                let (said, at) = (verdict, *point);
                reason::write(&mut self.reason, measure, M::COUNTS, self.pace.every, &at, &said);
            }
            let before = alarm.state();
            // Before its first verdict a series is learning: its points are there, only not judged.
            let state = match value {
                None => before,
                value => self.step(alarm, place, point.time, value, &verdict, point.value),
            };
            if state == State::Alarm {
                self.group(place, point.time, point.value, &{ verdict }, M::size(&verdict));
                standing.guard.prolong(point.time, verdict.side(point.value).sign());
                held = M::HELD;
                if before != State::Alarm && !M::HELD && !standing.kept {
                    self.records.keeping.keep(place.series() as u32, &model.clone().into());
                    standing.kept = true;
                }
            }
        }
        let guarded = standing.guard.holds(point, verdict.lower, verdict.upper);
        if standing.kept {
            let free = !maintained && !held;
            standing.kept =
                self.records.keeping.note(place.series() as u32, &{ *point }, free, free && !guarded);
        }
        if !maintained && !guarded {
            if held {
                model.count(point, &judged, &self.pace);
            } else {
                model.learn(point, &judged, &mut self.pace);
                let lasting = model.lasting(point, &judged, &self.pace);
                if let Some(shift) = lasting.filter(|_| purpose == Purpose::Judge) {
                    self.adopted(place, point.time, &shift);
                }
            }
        }
        (verdict, model.is_lost())
    }

    /// What the alarm looks at, and whether it breaches, or would without the filters that keep it from the alarm.
    #[inline(always)]
    pub(super) fn filtered(
        &mut self,
        state: State,
        place: Place,
        point: &Point,
        verdict: &mut Verdict,
        (value, size): (f64, f64),
        maintained: bool,
    ) -> (Option<f64>, bool) {
        let rule = &self.settings.alarm;
        let breaches = |value: f64| rule.classify(Some(value), state) == Counted::Breach;
        let filters = &self.settings.filters;
        let mut weighed = value;
        if !filters.sensitivity.is_empty() {
            let measure = &self.settings.measures[place.measure].name;
            weighed = filters.weighed(self.keys, place.key, measure, value);
            if breaches(value) && !breaches(weighed) {
                verdict.lowered = Some(Lowered::Sensitivity);
                return (Some(weighed), true);
            }
        }
        if !breaches(weighed) {
            return (Some(weighed), false);
        }
        let lowered = if maintained { Some(Lowered::Maintenance) } else { None };
        let (said, point) = (*verdict, *point);
        let quiet = || {
            let anomaly = said.anomaly(point.time, point.value, size);
            let quiet = self.records.feedback.quiets(place.series() as u32, &Extent::of(&anomaly));
            quiet.then_some(Lowered::Feedback)
        };
        verdict.lowered = lowered.or_else(|| filters.lower(place.measure, &point, &said)).or_else(quiet);
        (Some(if verdict.lowered.is_some() { 0.0 } else { weighed }), true)
    }

    /// Takes a row in alarm into its group.
    #[cold]
    pub(super) fn group(
        &mut self,
        place: Place,
        time: Timestamp,
        observed: f64,
        verdict: &Verdict,
        size: f64,
    ) {
        let level = match self.keys.values(place.key).last() {
            Some(Scalar::Int(level)) => i64::try_from(*level).unwrap_or(i64::MAX),
            _ => 0,
        };
        let scope = Scope { measure: place.measure as u32, level };
        let anomaly = verdict.anomaly(time, observed, size);
        self.records.groups.record(scope, place.series() as u32, self.every, anomaly);
    }

    /// Steps the alarm, and notes what that means for events.
    #[inline(always)]
    pub(super) fn step(
        &mut self,
        alarm: &mut AlarmState,
        place: Place,
        time: Timestamp,
        value: Option<f64>,
        verdict: &Verdict,
        observed: f64,
    ) -> State {
        let rule = &self.settings.alarm;
        if rule.settings().period.is_some() {
            while let Some(step) = rule.absent(alarm, time) {
                let silence = self.silence(alarm.heard(), step.time, false);
                self.note(place, &step, &Judged::default(), &silence);
            }
        }
        let heard = alarm.heard();
        let step = rule.step(alarm, time, value);
        if step.changed || step.state == State::Alarm {
            self.tell(place, &{ step }, (heard, value), &{ *verdict }, observed);
        }
        step.state
    }

    /// Notes a step that means something for events.
    #[cold]
    fn tell(
        &mut self,
        place: Place,
        step: &alarm::Step,
        (heard, value): (Option<Timestamp>, Option<f64>),
        verdict: &Verdict,
        observed: f64,
    ) {
        let known = |value: f64| (!value.is_nan()).then_some(value);
        let reason = std::mem::take(&mut self.reason);
        let judged = Judged {
            value,
            observed: known(observed),
            expected: known(verdict.expected),
            lower: known(verdict.lower),
            upper: known(verdict.upper),
            severity: known(verdict.severity),
            channel: if reason.is_empty() { "" } else { verdict.channel },
            lowered_by: verdict.lowered.map_or("", Lowered::name),
            reason: &reason,
        };
        let silence = match value {
            None => self.silence(heard, step.time, !observed.is_nan()),
            // What ends it came when its window was due again.
            Some(_) if step.changed => self.silence(heard, step.time.saturating_sub(self.every), false),
            Some(_) => String::new(),
        };
        self.note(place, step, &judged, &silence);
        self.reason = reason;
    }

    /// Raises a silence that has lasted for `limit`, and ends it when a value comes.
    fn listen(&mut self, place: Place, time: Timestamp, heard: Timestamp, limit: i64, back: bool) {
        // A window that is there ends a silence where it begins, one that isn't prolongs it to its end.
        let until = if back { time.saturating_sub(self.every) } else { time };
        let raised = heard.saturating_add(limit);
        if until >= raised {
            let reason = self.silence(Some(heard), until, false);
            let judged = Judged { reason: &reason, ..Judged::default() };
            let rule = || format!("no value for {}", duration::print(limit));
            let name = self.name(place);
            let series = alarm::Series { id: place.series() as u32, name: &name };
            self.records.events.raise(series, EventKind::Silence, raised, &judged, rule);
        }
        if back {
            self.records.events.close(place.series() as u32, EventKind::Silence, time, State::Ok);
        }
    }

    /// How long nothing came that could be judged.
    #[cold]
    fn silence(&mut self, heard: Option<Timestamp>, until: Timestamp, unjudged: bool) -> String {
        let Some(heard) = heard.filter(|heard| *heard < until) else { return String::new() };
        let local = self.wall.seconds(heard);
        reason::silence(until.saturating_sub(heard), unjudged, self.pace.every, local)
    }

    /// What a series is called wherever it is: its key and its measure.
    pub(super) fn name(&self, place: Place) -> Vec<u8> {
        let mut name = self.keys.bytes(place.key).to_vec();
        name.extend_from_slice(self.settings.measures[place.measure].name.as_bytes());
        name
    }

    #[cold]
    fn note(&mut self, place: Place, step: &alarm::Step, judged: &Judged<'_>, silence: &str) {
        let name = self.name(place);
        let series = alarm::Series { id: place.series() as u32, name: &name };
        let rule = || self.settings.alarm.rule();
        // An alarm that opens on a missing point tells of a silence, not of a value.
        let opened = if judged.value.is_none() { EventKind::Silence } else { EventKind::Anomaly };
        for kind in [EventKind::Anomaly, EventKind::Silence] {
            // Silences that are timed have nothing to do with the alarm.
            if kind == EventKind::Silence && self.settings.silence.is_some() {
                continue;
            }
            if kind == opened || !step.changed || step.state != State::Alarm {
                let reason = if kind == EventKind::Silence { silence } else { judged.reason };
                self.records.events.record(series, kind, step, &Judged { reason, ..*judged }, rule);
            }
        }
    }
}
