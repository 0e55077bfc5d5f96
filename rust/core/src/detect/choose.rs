//! What nobody said: which method suits a measure.
//!
//! It is decided once, on the first rows, and then frozen, as is the length of a window ([`crate::spacing`]). Rows that
//! come before are held, bounded, and taught once both are decided.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::rows::Input;
use super::settings::Method;
use crate::snapshot;
use crate::time::Timestamp;

/// Values that a choice of method takes.
const ENOUGH: usize = 30;
/// Values that are held at most; beyond it the oldest are forgotten.
const CAPACITY: usize = 4_096;

/// A value that waits for a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The key's id.
    pub key: u32,
    /// The measure's place.
    pub measure: u32,
    /// When.
    pub time: Timestamp,
    #[serde(with = "snapshot::array")]
    numbers: [f64; 5],
    integer: bool,
}

impl Waiting {
    /// What came.
    pub fn input(&self) -> Input {
        let [value, low, high, predicted, completeness] = self.numbers;
        Input { value, extremes: [low, high], predicted, completeness, integer: self.integer }
    }
}

/// The values that wait, in order of arrival.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Queue(VecDeque<Waiting>);

impl Queue {
    /// Takes one in.
    pub fn push(&mut self, key: u32, measure: usize, time: Timestamp, input: &Input) {
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        let [low, high] = input.extremes;
        let numbers = [input.value, low, high, input.predicted, input.completeness];
        self.0.push_back(Waiting { key, measure: measure as u32, time, numbers, integer: input.integer });
    }

    /// Those that wait.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.0.iter()
    }

    /// Takes out those of which `ready` holds.
    pub fn take(&mut self, ready: impl FnMut(&Waiting) -> bool) -> VecDeque<Waiting> {
        let (taken, kept): (VecDeque<_>, VecDeque<_>) = self.0.drain(..).partition(ready);
        self.0 = kept;
        taken
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether restored ones belong to series that exist.
    pub fn is_sound(&self, keys: usize, measures: usize) -> bool {
        self.0.len() <= CAPACITY
            && self.0.iter().all(|one| (one.key as usize) < keys && (one.measure as usize) < measures)
    }
}

/// The method for a measure of which these are the first values: `counts` where all are whole and none is negative,
/// else `novelty`. Values of an integer column decide at once; of floats there must be enough, unless they are
/// `history`.
pub fn method(values: impl Iterator<Item = Input>, history: bool) -> Option<Method> {
    let (mut seen, mut integer, mut counts) = (0, true, true);
    for Input { value, integer: whole, .. } in values.filter(|input| input.value.is_finite()) {
        seen += 1;
        integer &= whole;
        counts &= value >= 0.0 && value == value.floor();
    }
    let enough = seen >= ENOUGH || seen > 0 && (integer || history);
    enough.then_some(if counts { Method::Counts } else { Method::Novelty })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(values: &[f64], integer: bool) -> impl Iterator<Item = Input> {
        values.iter().map(move |value| Input {
            value: *value,
            extremes: [*value; 2],
            predicted: f64::NAN,
            completeness: f64::NAN,
            integer,
        })
    }

    #[test]
    fn methods() {
        assert_eq!(method(inputs(&[3.0], true), false), Some(Method::Counts));
        assert_eq!(method(inputs(&[-3.0], true), false), Some(Method::Novelty));
        assert_eq!(method(inputs(&[3.0; 29], false), false), None);
        assert_eq!(method(inputs(&[3.0; 30], false), false), Some(Method::Counts));
        assert_eq!(method(inputs(&[3.5; 30], false), false), Some(Method::Novelty));
        assert_eq!(method(inputs(&[3.5], false), true), Some(Method::Novelty));
        assert_eq!(method(inputs(&[f64::NAN], true), true), None);
    }
}
