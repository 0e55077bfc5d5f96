//! What a series remembers for its features, and the features of a row.
//!
//! A mean over the time constant `tau` is `S / W`: with `keep = exp(-dt / tau)`,
//! `S = keep S + (1 - keep) x` and `W = keep W + (1 - keep)`. A value stands for the time since the row before, or
//! for one usual step where that is longer ago than values are held; where an input is missing, both only fade. A model
//! without means remembers nothing: what is missing there is filled in at once. `W` is
//! therefore the share of the weighted past that was seen, and a row whose shares aren't all [`SEEN`] is warming up.

use serde::{Deserialize, Serialize};

use super::Mark;
use super::plan::{Kind, Plan, Signal, Track};
use crate::time::Timestamp;

/// The share of the past that has to be known: after 2.3 time constants it is.
const SEEN: f64 = 0.9;
/// Inputs of a larger magnitude count as missing: products of two have to fit a float with room to spare.
pub const LARGEST: f64 = 1e100;

/// The newest value of an input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Last {
    time: Timestamp,
    #[serde(with = "crate::snapshot::float")]
    value: f64,
}

/// One series' past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The newest time; rows before it leave no trace.
    newest: Option<Timestamp>,
    /// One for each input.
    last: Vec<Option<Last>>,
    /// `S` and `W` of each track.
    means: Vec<Mean>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Mean {
    #[serde(with = "crate::snapshot::float")]
    sum: f64,
    #[serde(with = "crate::snapshot::float")]
    weight: f64,
}

impl Mean {
    fn value(self) -> f64 {
        self.sum / self.weight
    }
}

impl History {
    /// Of a series that has none.
    pub fn new(plan: &Plan) -> Self {
        Self {
            newest: None,
            last: vec![None; plan.ranges.len()],
            means: vec![Mean::default(); plan.tracks.len()],
        }
    }

    /// Whether it is one of this plan's.
    pub fn fits(&self, plan: &Plan) -> bool {
        let sound = |mean: &Mean| mean.sum.is_finite() && (0.0..=1.0 + 1e-9).contains(&mean.weight);
        self.last.len() == plan.ranges.len()
            && self.means.len() == plan.tracks.len()
            && self.means.iter().all(sound)
            && self.last.iter().flatten().all(|last| last.value.abs() <= LARGEST)
    }
}

/// What rows of a call share: the inputs of the row at hand, and how much fades over which time.
#[derive(Debug)]
pub struct Pass {
    /// Inputs, with what stands in for those that are missing.
    inputs: Vec<f64>,
    /// Whether they are known, or held.
    known: Vec<bool>,
    /// The time since the row before, and what stays over it for each time constant.
    elapsed: i64,
    keep: Vec<f64>,
    /// What stays over one usual step.
    step: Vec<f64>,
}

fn keep(spans: &[i64], elapsed: i64) -> impl Iterator<Item = f64> + '_ {
    spans.iter().map(move |span| libm::exp(-(elapsed as f64 / *span as f64)))
}

impl Pass {
    /// For rows of this plan.
    pub fn new(plan: &Plan) -> Self {
        let step: Vec<f64> = keep(&plan.spans, plan.step).collect();
        Self {
            inputs: vec![0.0; plan.ranges.len()],
            known: vec![false; plan.ranges.len()],
            elapsed: plan.step,
            keep: step.clone(),
            step,
        }
    }

    /// Takes a row into the history; what has to be said of it.
    #[inline]
    pub fn take(
        &mut self,
        plan: &Plan,
        history: &mut History,
        time: Timestamp,
        value: impl Fn(usize) -> f64,
    ) -> Option<Mark> {
        let ahead = history.newest.is_none_or(|newest| time > newest);
        let mut mark = None;
        for (input, range) in plan.ranges.iter().enumerate() {
            let mut value = value(input);
            self.known[input] = value.abs() <= LARGEST;
            if self.known[input] {
                if !(range.low..=range.high).contains(&value) && !matches!(mark, Some(Mark::Beyond { .. })) {
                    mark = Some(Mark::Beyond { input, value });
                }
                if ahead && !plan.is_stateless() {
                    history.last[input] = Some(Last { time, value });
                }
            } else {
                let held = history.last[input].filter(|last| time.saturating_sub(last.time) <= plan.hold);
                self.known[input] = held.is_some();
                value = held.map_or(range.fill, |last| last.value);
                if held.is_none() {
                    mark = mark.or(Some(Mark::Filled { input }));
                }
            }
            self.inputs[input] = value;
        }
        if ahead {
            self.fade(plan, history, time);
        }
        let seen = history.means.iter().all(|mean| mean.weight >= SEEN);
        if seen { mark } else { Some(Mark::Warming) }
    }

    fn fade(&mut self, plan: &Plan, history: &mut History, time: Timestamp) {
        // Before its first row a series was not seen: as if that came after a gap.
        let elapsed = history.newest.map_or(i64::MAX, |newest| time.saturating_sub(newest));
        history.newest = Some(time);
        if elapsed != self.elapsed {
            self.elapsed = elapsed;
            self.keep.clear();
            self.keep.extend(keep(&plan.spans, elapsed));
        }
        let added = if elapsed <= plan.hold { &self.keep } else { &self.step };
        for (mean, Track { signal, span }) in history.means.iter_mut().zip(&plan.tracks) {
            let keep = self.keep[*span];
            mean.sum *= keep;
            mean.weight *= keep;
            let signal = plan.signals[*signal];
            if self.known[signal.first] && signal.second.is_none_or(|second| self.known[second]) {
                let gain = 1.0 - added[*span];
                mean.sum += gain * self.signal(signal);
                mean.weight += gain;
            }
        }
    }

    #[inline]
    fn signal(&self, signal: Signal) -> f64 {
        signal
            .second
            .map_or(self.inputs[signal.first], |second| self.inputs[signal.first] * self.inputs[second])
    }

    /// The features of the row that was taken last.
    #[inline]
    pub fn features(&self, plan: &Plan, history: &History, mut put: impl FnMut(usize, f64)) {
        let signal = |at: usize| self.signal(plan.signals[at]);
        for (feature, kind) in plan.kinds.iter().enumerate() {
            put(
                feature,
                match *kind {
                    Kind::Value(at) => signal(at),
                    Kind::Mean(track) => history.means[track].value(),
                    Kind::Rate(track) => {
                        let Track { signal: of, span } = plan.tracks[track];
                        (signal(of) - history.means[track].value()) / (plan.spans[span] as f64 / 1e9)
                    }
                    Kind::Is(input, text) => f64::from(u8::from(self.inputs[input] == text as f64)),
                },
            );
        }
    }
}
