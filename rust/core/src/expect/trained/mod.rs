//! A trained model: what was fitted elsewhere to a machine's normal running, evaluated here row by row.
//!
//! Owns the model as a whole: read from its file, checked once, asked for predictions. What the file says is in
//! [`file`], which features follow from the inputs in [`plan`], what a series remembers for them in [`history`], how
//! columns are read in [`inputs`], and the arithmetic in [`regression`] and [`trees`]. Refuses to learn: a model is
//! immutable.

use std::fmt::Write as _;
use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub mod file;
pub mod history;
pub mod inputs;
mod one_row;
pub mod plan;
pub mod regression;
mod table;
pub mod trees;

pub use history::History;
pub use inputs::{Columns, Rows};

use self::file::{Description, Predictor};
use self::history::{LARGEST, Pass};
use self::plan::Plan;
use self::regression::Regression;
use self::trees::Trees;
use crate::error::{Error, Result};
use crate::times::Unit;

/// Rows that are evaluated at once: four vectors of four floats.
pub const LANES: usize = 16;
/// Rows that are looked at together. More of a column in one go come faster from memory; their sums fit the nearest
/// cache.
const RUN: usize = 2048;
/// One feature of so many rows.
pub type Lanes = [f64; LANES];

/// The arithmetic of a model.
#[derive(Debug, Clone, PartialEq)]
enum Fitted {
    Ridge(Regression),
    Trees(Trees),
}

/// A model that can be asked.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The file, as it was read.
    text: String,
    sum: String,
    description: Description,
    plan: Plan,
    unit: Unit,
    fitted: Fitted,
}

/// A model is its file.
impl PartialEq for Trained {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Serialize for Trained {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Trained {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// What has to be said of a row beside its prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mark {
    /// The history that its features want isn't there yet.
    Warming,
    /// An input lies outside what the model was trained on.
    Beyond {
        /// Which.
        input: usize,
        /// Its value.
        value: f64,
    },
    /// An input has been missing for longer than it is held; its usual value stood in.
    Filled {
        /// Which.
        input: usize,
    },
}

/// What a batch was predicted to be.
#[derive(Debug, Clone, Default)]
pub struct Predictions {
    /// One for each row; NaN where there is none.
    pub values: Vec<f64>,
    /// Whether each is known to be a number.
    pub whole: bool,
    /// What has to be said, in the order of rows.
    marks: Vec<(usize, Mark)>,
}

impl Predictions {
    /// What has to be said of a row.
    pub fn mark(&self, row: usize) -> Option<Mark> {
        let at = self.marks.binary_search_by_key(&row, |(row, _)| *row).ok()?;
        Some(self.marks[at].1)
    }
}

impl Predictions {
    /// Rows with such a mark.
    pub fn marked(&self, such: impl Fn(Mark) -> bool) -> impl Iterator<Item = usize> {
        self.marks.iter().filter(move |(_, mark)| such(*mark)).map(|(row, _)| *row)
    }
}

/// What came of looking at many rows at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Glance {
    /// Nothing: they have to be taken one by one.
    None,
    /// Predictions, of which those of odd rows don't count: an input is missing or outside its range.
    Odd,
    /// Predictions of all.
    All,
}

impl Trained {
    /// Reads a model's file and checks all of it.
    pub fn parse(text: &str) -> Result<Self> {
        let (description, sum) = file::parse(text)?;
        let plan = Plan::new(&description)?;
        let unit = Unit::parse(&description.time_unit).map_err(|error| Error::model(error.to_string()))?;
        let fitted = match &description.predictor {
            Predictor::Ridge(ridge) => Fitted::Ridge(Regression::new(ridge, plan.features())?),
            Predictor::Trees(trees) => Fitted::Trees(Trees::new(trees, plan.features())?),
        };
        Ok(Self { text: text.to_owned(), sum, description, plan, unit, fitted })
    }

    /// The file, as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file's checksum, by which models are told apart.
    pub fn sum(&self) -> &str {
        &self.sum
    }

    /// What the file says.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The unit of integer times.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Names of the inputs.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.description.inputs.iter().map(|input| input.name.as_str())
    }

    /// Whether an input holds text.
    pub fn is_text(&self, name: &str) -> bool {
        self.description.inputs.iter().any(|input| input.name == name && input.values.is_some())
    }

    /// Whether predictions hang on the row alone.
    pub fn is_stateless(&self) -> bool {
        self.plan.is_stateless()
    }

    /// The history of a series, begun where there is none.
    fn history_of<'a>(&self, histories: &'a mut Vec<Option<Box<History>>>, id: u32) -> &'a mut History {
        let id = id as usize;
        if histories.len() <= id {
            histories.resize(id + 1, None);
        }
        histories[id].get_or_insert_with(|| Box::new(History::new(&self.plan)))
    }

    /// Whether a restored history can be gone on with.
    pub fn admits(&self, history: &History) -> bool {
        history.fits(&self.plan)
    }

    /// Writes what has to be said of a row.
    pub fn tell(&self, mark: Mark, out: &mut String) {
        let input = |at: usize| &self.description.inputs[at];
        let _ = match mark {
            Mark::Warming => out.write_str("warming up"),
            Mark::Beyond { input: at, value } => match input(at).range() {
                Some((low, high)) => {
                    write!(
                        out,
                        "extrapolating: {} {value:.4}, trained on {low:.4} to {high:.4}",
                        input(at).name
                    )
                }
                None => {
                    write!(out, "extrapolating: {} has a value that it was not trained on", input(at).name)
                }
            },
            Mark::Filled { input: at } => {
                write!(out, "imputed: {} missing for more than {}", input(at).name, self.description.hold)
            }
        };
    }

    /// Predicts rows; `skip` those that leave no trace.
    pub fn predict(
        &self,
        rows: Rows,
        skip: impl Fn(usize) -> bool,
        histories: &mut Vec<Option<Box<History>>>,
    ) -> Predictions {
        let count = rows.count();
        let mut out = Predictions { values: Vec::with_capacity(count), marks: Vec::new(), whole: true };
        let mut pass = Pass::new(&self.plan);
        let mut block = vec![[0.0; LANES]; self.plan.features()];
        let mut into = [0; LANES];
        for start in (0..count).step_by(RUN) {
            let run = start..count.min(start + RUN);
            out.values.resize(run.end, f64::NAN);
            let glance = self.glance(rows, &run, &skip, &mut block, &mut out.values[start..]);
            if glance == Glance::All {
                continue;
            }
            out.whole = false;
            let odd = match glance {
                Glance::Odd => rows.columns.odd(&self.plan.ranges, &run),
                _ => vec![true; run.len()],
            };
            let mut filled = 0;
            for (row, _) in run.zip(odd).filter(|(_, odd)| *odd) {
                out.values[row] = f64::NAN;
                let Some(time) = rows.time(row).filter(|_| !skip(row)) else { continue };
                let history = self.history_of(histories, rows.id(row));
                let mark = pass.take(&self.plan, history, time, |input| rows.columns.get(input, row));
                if let Some(mark) = mark {
                    out.marks.push((row, mark));
                }
                if mark == Some(Mark::Warming) {
                    continue;
                }
                pass.features(&self.plan, history, |feature, value| block[feature][filled] = value);
                into[filled] = row;
                filled += 1;
                if filled == LANES {
                    self.evaluate(&block, &into, &mut out.values);
                    filled = 0;
                }
            }
            self.evaluate(&block, &into[..filled], &mut out.values);
        }
        out
    }

    /// Predicts a run of rows at once, where the model takes inputs as they are: nothing has to be remembered then.
    fn glance(
        &self,
        rows: Rows,
        run: &Range<usize>,
        skip: impl Fn(usize) -> bool,
        block: &mut [Lanes],
        out: &mut [f64],
    ) -> Glance {
        let timed = rows.times.is_none_or(|times| times.nulls.is_none());
        let Some(plain) = self.plan.plain.as_ref().filter(|_| timed) else { return Glance::None };
        if run.clone().any(skip) {
            return Glance::None;
        }
        let inputs = rows.columns.run(run);
        let held = |input: usize| self.plan.ranges[input].holds_all(inputs[input]);
        let usual = match &self.fitted {
            Fitted::Ridge(ridge) => {
                ridge.evaluate_run(plain, &self.plan.ranges, &inputs, out)
                    && self.plan.idle.iter().all(|input| held(*input))
            }
            Fitted::Trees(trees) => {
                for (at, out) in out.chunks_mut(LANES).enumerate() {
                    for (lanes, input) in block.iter_mut().zip(plain) {
                        let values = &inputs[*input][at * LANES..];
                        lanes[..out.len()].copy_from_slice(&values[..out.len()]);
                    }
                    out.copy_from_slice(&trees.evaluate(block)[..out.len()]);
                }
                (0..inputs.len()).all(held)
            }
        };
        if usual && !rows.columns.has_nulls(run) { Glance::All } else { Glance::Odd }
    }

    fn evaluate(&self, block: &[Lanes], rows: &[usize], out: &mut [f64]) {
        if rows.is_empty() {
            return;
        }
        let values = match &self.fitted {
            Fitted::Ridge(ridge) => ridge.evaluate(|feature| &block[feature]),
            Fitted::Trees(trees) => trees.evaluate(block),
        };
        for (row, value) in rows.iter().zip(values) {
            out[*row] = value;
        }
    }

    /// Whether it takes its inputs as they are, and nothing else.
    pub fn is_plain(&self) -> bool {
        self.plan.plain.is_some()
    }

    /// Predicts one row of a model whose predictions hang on the row alone; None where an input is missing (or too large) or the
    /// model takes more than inputs as they are.
    pub fn predict_row(&self, values: &[f64]) -> Option<f64> {
        let plain = self.plan.plain.as_ref()?;
        if values.len() != self.description.inputs.len() || !values.iter().all(|value| value.abs() <= LARGEST)
        {
            return None;
        }
        Some(match &self.fitted {
            Fitted::Ridge(ridge) => ridge.evaluate_row(values, plain),
            Fitted::Trees(trees) => trees.evaluate_row(values, plain),
        })
    }
}
