//! From a model's features to what has to be computed: signals (inputs and their products), and what is remembered of
//! each over which time constant.

use super::file::{Description, Feature, Input};
use super::history::LARGEST;
use crate::duration;
use crate::error::{Error, Result};

/// An input, or the product of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// The input.
    pub first: usize,
    /// The other, of a product.
    pub second: Option<usize>,
}

/// An exponentially weighted mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    /// Of which signal.
    pub signal: usize,
    /// Over which of the time constants.
    pub span: usize,
}

/// How a feature is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A signal's value.
    Value(usize),
    /// A track's mean.
    Mean(usize),
    /// A signal's distance from its track's mean, over the time constant in seconds.
    Rate(usize),
    /// Whether an input is its n-th text.
    Is(usize, usize),
}

/// What has to be computed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The range that numbers were trained on, the number of texts of the others.
    pub ranges: Vec<Range>,
    /// Inputs and products.
    pub signals: Vec<Signal>,
    /// Means.
    pub tracks: Vec<Track>,
    /// Time constants in nanoseconds.
    pub spans: Vec<i64>,
    /// How each feature comes about.
    pub kinds: Vec<Kind>,
    /// The usual time from row to row in nanoseconds.
    pub step: i64,
    /// For how many nanoseconds a value stands for the time after it.
    pub hold: i64,
    /// The input that each feature simply is, where all are.
    pub plain: Option<Vec<usize>>,
    /// Inputs that no feature is of.
    pub idle: Vec<usize>,
}

/// What an input was in training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
    /// What stands in.
    pub fill: f64,
}

impl Range {
    /// Texts are numbered from 0; what stands in for one that is missing is none of them.
    fn of(input: &Input) -> Self {
        match (&input.values, input.range(), input.fill) {
            (Some(values), ..) => Self { low: 0.0, high: values.len() as f64 - 1.0, fill: -1.0 },
            (None, Some((low, high)), Some(fill)) => {
                Self { low: low.max(-LARGEST), high: high.min(LARGEST), fill }
            }
            (None, ..) => Self { low: -LARGEST, high: LARGEST, fill: 0.0 },
        }
    }

    /// Whether a value can be taken as it is; NaN and what counts as missing can't.
    #[inline]
    pub fn holds(&self, value: f64) -> bool {
        value >= self.low && value <= self.high
    }

    /// Whether all values can.
    pub fn holds_all(&self, values: &[f64]) -> bool {
        pulp::Arch::new().dispatch(HoldsAll { range: self, values })
    }

    /// Marks the rows whose value can't.
    pub fn find_odd(&self, values: &[f64], odd: &mut [bool]) {
        pulp::Arch::new().dispatch(FindOdd { range: self, values, odd });
    }
}

struct HoldsAll<'a> {
    range: &'a Range,
    values: &'a [f64],
}

impl pulp::NullaryFnOnce for HoldsAll<'_> {
    type Output = bool;

    // Always: what is called from here would not be compiled for the wider vectors.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn call(self) -> bool {
        let mut odd = 0_u64;
        for value in self.values {
            odd |= u64::from(!self.range.holds(*value));
        }
        odd == 0
    }
}

struct FindOdd<'a> {
    range: &'a Range,
    values: &'a [f64],
    odd: &'a mut [bool],
}

impl pulp::NullaryFnOnce for FindOdd<'_> {
    type Output = ();

    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn call(self) {
        for (odd, value) in self.odd.iter_mut().zip(self.values) {
            *odd |= !self.range.holds(*value);
        }
    }
}

/// The place of something in a list, which it is added to where it isn't there yet.
fn place<T: PartialEq>(list: &mut Vec<T>, one: T) -> usize {
    list.iter().position(|other| *other == one).unwrap_or_else(|| {
        list.push(one);
        list.len() - 1
    })
}

impl Plan {
    /// Of a description.
    pub fn new(description: &Description) -> Result<Self> {
        let length = |text: &str, name: &str| {
            duration::parse_positive(text, name).map_err(|error| Error::model(error.to_string()))
        };
        let mut plan = Self {
            ranges: description.inputs.iter().map(Range::of).collect(),
            signals: Vec::new(),
            tracks: Vec::new(),
            spans: Vec::new(),
            kinds: Vec::new(),
            step: length(&description.step, "step")?,
            hold: length(&description.hold, "hold")?,
            plain: None,
            idle: Vec::new(),
        };
        for feature in &description.features {
            let kind = plan.kind(feature, description)?;
            plan.kinds.push(kind);
        }
        let plain = |kind: &Kind| match kind {
            Kind::Value(signal) => {
                let Signal { first, second } = plan.signals[*signal];
                if second.is_none() { Some(first) } else { None }
            }
            _ => None,
        };
        plan.plain = plan.kinds.iter().map(plain).collect();
        let of = |input: usize| move |signal: &Signal| signal.first == input || signal.second == Some(input);
        plan.idle = (0..plan.ranges.len()).filter(|input| !plan.signals.iter().any(of(*input))).collect();
        Ok(plan)
    }

    fn kind(&mut self, feature: &Feature, description: &Description) -> Result<Kind> {
        let unfit = |what: &str| Error::model(format!("the feature {:?} {what}", feature.name()));
        let input = |name: &String| {
            description
                .inputs
                .iter()
                .position(|input| input.name == *name)
                .ok_or_else(|| unfit("is of an input that the model doesn't have"))
        };
        let (first, second) = match feature.of.as_slice() {
            [one] => (input(one)?, None),
            [one, other] => (input(one)?, Some(input(other)?)),
            _ => return Err(unfit("must be of one or two inputs")),
        };
        let values = |at: usize| description.inputs[at].values.as_ref();
        if let Some(is) = &feature.is {
            let texts = values(first).filter(|_| second.is_none() && feature.mean.is_none());
            let at = texts.and_then(|texts| texts.iter().position(|text| text == is));
            return at.map(|at| Kind::Is(first, at)).ok_or_else(|| unfit("is of a text that is none"));
        }
        if values(first).is_some() || second.is_some_and(|second| values(second).is_some()) {
            return Err(unfit("must be of numbers"));
        }
        let signal = place(&mut self.signals, Signal { first, second });
        let mut track = |text: &str| {
            let span = duration::parse_positive(text, "mean").map_err(|error| unfit(&error.to_string()))?;
            let span = place(&mut self.spans, span);
            Ok(place(&mut self.tracks, Track { signal, span }))
        };
        match (&feature.mean, &feature.rate) {
            (None, None) => Ok(Kind::Value(signal)),
            (Some(span), None) => Ok(Kind::Mean(track(span)?)),
            (None, Some(span)) => Ok(Kind::Rate(track(span)?)),
            (Some(_), Some(_)) => Err(unfit("must be a mean or a rate, not both")),
        }
    }

    /// How many features there are.
    pub fn features(&self) -> usize {
        self.kinds.len()
    }

    /// Whether nothing is remembered.
    pub fn is_stateless(&self) -> bool {
        self.tracks.is_empty()
    }
}
