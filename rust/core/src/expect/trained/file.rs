//! A model's file: JSON with a version and a checksum around what the model is.
//!
//! ```text
//! {"format": "windrow-model", "version": 1, "crc32": "8 hex digits of the text of `model`", "model": {...}}
//! ```
//!
//! Owns what is in it and the errors of a file that is cut off, altered, newer, or no model at all. What a report says
//! of the model, and how it came to be, is kept in it and not read here.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::duration;
use crate::error::{Error, Result};

/// What the file calls itself.
pub const FORMAT: &str = "windrow-model";
/// The version that is written and read.
pub const VERSION: u64 = 1;

/// What is looked at first: a newer version may have anything else.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    #[serde(rename = "format")]
    _format: IgnoredAny,
    #[serde(rename = "version")]
    _version: IgnoredAny,
    crc32: String,
    #[serde(borrow)]
    model: &'a RawValue,
}

/// What a model is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The column that is predicted.
    pub target: String,
    /// The time column.
    pub time: String,
    /// The unit of integer times.
    pub time_unit: String,
    /// Key columns: each of their values is a machine with a history of its own.
    pub by: Vec<String>,
    /// The columns that predict.
    pub inputs: Vec<Input>,
    /// The usual time from row to row.
    pub step: String,
    /// How long a value stands for the time after it.
    pub hold: String,
    /// What is made of the inputs.
    pub features: Vec<Feature>,
    /// What is made of the features.
    pub predictor: Predictor,
    /// The error to expect, from cross-validation.
    pub rmse: f64,
    /// How residuals are watched, unless the caller says otherwise.
    pub watch: Watch,
    /// How it came to be.
    #[serde(rename = "made")]
    _made: Ignored,
    /// The data that it was trained on.
    #[serde(rename = "data")]
    _data: Ignored,
    /// How good it is.
    #[serde(rename = "report")]
    _report: Ignored,
}

/// A part that is for readers of the file only.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "IgnoredAny")]
struct Ignored;

impl From<IgnoredAny> for Ignored {
    fn from(_: IgnoredAny) -> Self {
        Self
    }
}

/// One input column: a number with the range it was trained on and what stands in for it, or one of a few texts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The column.
    pub name: String,
    /// A number: the smallest that was trained on.
    pub low: Option<f64>,
    /// A number: the largest.
    pub high: Option<f64>,
    /// A number: stands in where it is missing for longer than it is held.
    pub fill: Option<f64>,
    /// A number: its mean, if it is known, ...
    pub mean: Option<f64>,
    /// ... and its standard deviation.
    pub std: Option<f64>,
    /// Text: what it may be.
    pub values: Option<Vec<String>>,
}

impl Input {
    /// The range of a number.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.low.zip(self.high)
    }
}

/// One feature of one or two inputs (their product): the value itself, its exponentially weighted mean, its rate, or
/// whether it is a text.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// The inputs.
    pub of: Vec<String>,
    /// The time constant of a mean.
    pub mean: Option<String>,
    /// The time constant of a rate.
    pub rate: Option<String>,
    /// The text that it is 1 for.
    pub is: Option<String>,
}

impl Feature {
    /// What people call it: `speed x torque, mean 12m`.
    pub fn name(&self) -> String {
        let of = self.of.join(" x ");
        match (&self.mean, &self.rate, &self.is) {
            (Some(span), ..) => format!("{of}, mean {span}"),
            (_, Some(span), _) => format!("{of}, rate {span}"),
            (_, _, Some(is)) => format!("{of} is {is}"),
            _ => of,
        }
    }
}

/// What is made of the features.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Predictor {
    /// A linear regression on standardised features.
    Ridge(Ridge),
    /// Gradient-boosted trees.
    Trees(Boosted),
}

/// `intercept + sum of coefficient x (feature - mean) / scale`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ridge {
    /// The prediction of features at their means.
    pub intercept: f64,
    /// One for each feature.
    pub coefficients: Vec<f64>,
    /// One for each feature.
    pub mean: Vec<f64>,
    /// One for each feature; not 0.
    pub scale: Vec<f64>,
}

/// `baseline + sum of trees`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boosted {
    /// What the trees add to.
    pub baseline: f64,
    /// In the order in which they are added.
    pub trees: Vec<Tree>,
}

/// One tree: its nodes in columns, the root first, children after their parent.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// The feature that a node asks; none for a leaf.
    pub feature: Vec<Option<u32>>,
    /// Up to which a row goes left.
    pub threshold: Vec<f64>,
    /// The left child.
    pub left: Vec<u32>,
    /// The right child.
    pub right: Vec<u32>,
    /// What a leaf adds.
    pub value: Vec<f64>,
}

/// How residuals are watched.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// Alarm beyond so many RMSE.
    pub threshold: f64,
    /// Rows of the rolling mean.
    pub smooth: u32,
    /// M points in breach ...
    pub breaches: u32,
    /// ... of the last N.
    pub of: u32,
}

/// Reads the envelope and what is in it; its checksum beside it.
pub fn parse(text: &str) -> Result<(Description, String)> {
    let unfit = |error: serde_json::Error| {
        let (what, place) = match error.classify() {
            serde_json::error::Category::Eof => ("is cut off", format!("after {} bytes", text.len())),
            _ => ("can't be read", error.to_string()),
        };
        Error::model(format!("the model file {what}: {place}"))
    };
    let head: Head = serde_json::from_str(text).map_err(unfit)?;
    if head.format != FORMAT {
        return Err(Error::model(format!("this is no model file: `format` is {:?}", head.format)));
    }
    if head.version != VERSION {
        return Err(Error::model(format!(
            "the model file is of version {}; this windrow reads version {VERSION}",
            head.version
        )));
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(unfit)?;
    let sum = format!("{:08x}", crc32fast::hash(envelope.model.get().as_bytes()));
    if envelope.crc32 != sum {
        return Err(Error::model(format!(
            "the model file was altered: its checksum is {sum}, it should be {}",
            envelope.crc32
        )));
    }
    let description: Description = serde_json::from_str(envelope.model.get()).map_err(unfit)?;
    description.check()?;
    Ok((description, sum))
}

impl Description {
    fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::model(format!("the model file {what}")));
        let names = self.inputs.iter().map(|input| &input.name);
        for (at, name) in names.clone().enumerate() {
            if names.clone().take(at).any(|other| other == name) {
                return refuse(format!("names the input {name:?} twice"));
            }
            if [&self.target, &self.time].contains(&name) || self.by.contains(name) {
                return refuse(format!("has {name:?} as an input and as something else"));
            }
        }
        for input in &self.inputs {
            let numbers = [input.low, input.high, input.fill];
            let number = input.values.is_none()
                && numbers.iter().all(|value| value.is_some_and(f64::is_finite))
                && input.low <= input.high
                && input.mean.is_none_or(f64::is_finite)
                && input.std.is_none_or(|std| std >= 0.0 && std.is_finite());
            let numbers = [input.low, input.high, input.fill, input.mean, input.std];
            let text = input.values.is_some() && numbers.iter().all(Option::is_none);
            if !number && !text {
                return refuse(format!(
                    "must give `low`, `high` and `fill`, or `values`, of the input {:?}",
                    input.name
                ));
            }
        }
        if self.inputs.is_empty() || self.features.is_empty() {
            return refuse("must have inputs and features, got none".to_owned());
        }
        let positive = |text: &str, name: &str| {
            duration::parse_positive(text, name).map_err(|error| Error::model(error.to_string()))
        };
        positive(&self.step, "step")?;
        positive(&self.hold, "hold")?;
        let Watch { threshold, smooth, breaches, of } = self.watch;
        let watched = threshold > 0.0 && threshold.is_finite() && smooth > 0 && (1..=of).contains(&breaches);
        if !(watched && self.rmse > 0.0 && self.rmse.is_finite()) {
            return refuse("must have a positive `rmse` and a `watch` that can be meant".to_owned());
        }
        Ok(())
    }
}
