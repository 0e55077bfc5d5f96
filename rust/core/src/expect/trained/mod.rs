//! A trained model: what was fitted elsewhere to a machine's normal running, evaluated here row by row.
//!
//! Owns the model as a whole: read from its file, checked once, asked for predictions. What the file says is in
//! [`file`], which features follow from the inputs in [`plan`], what a series remembers for them in [`history`], how
//! columns are read in [`inputs`], and the arithmetic in [`regression`] and [`trees`]. Refuses to learn: a model is
//! immutable.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub mod file;
pub mod history;
pub mod inputs;
pub mod plan;
pub mod regression;
mod table;
pub mod trees;

pub use history::History;
pub use inputs::Columns;

use self::file::{Description, Predictor};
use self::history::Pass;
use self::plan::Plan;
use self::regression::Regression;
use self::trees::Trees;
use crate::error::{Error, Result};
use crate::times::{Times, Unit};

/// Rows that are evaluated at once: four vectors of four floats.
pub const LANES: usize = 16;
/// Rows that are looked at before they are evaluated at once; a multiple of [`LANES`].
pub const RUN: usize = 64;
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

    /// Predicts rows in the order of their arrival; `ids` are their series, `skip` rows that leave no trace.
    pub fn predict(
        &self,
        columns: &Columns,
        ids: &[u32],
        times: &Times,
        skip: impl Fn(usize) -> bool,
        histories: &mut Vec<Option<Box<History>>>,
    ) -> Predictions {
        let rows = ids.len();
        let mut out = Predictions { values: vec![f64::NAN; rows], marks: Vec::new() };
        let mut pass = Pass::new(&self.plan);
        let mut block = vec![[0.0; LANES]; self.plan.features()];
        let mut into = [0; LANES];
        let mut filled = 0;
        let mut next = 0;
        while next < rows {
            let row = next;
            if row.is_multiple_of(RUN) {
                self.evaluate(&block, &into[..filled], &mut out.values);
                filled = 0;
                if let Some(run) = out.values.get_mut(row..row + RUN)
                    && self.quick(columns, row, times, &skip, &mut block, run)
                {
                    next += RUN;
                    continue;
                }
            }
            next += 1;
            let Ok(time) = times.get(row) else { continue };
            if skip(row) {
                continue;
            }
            let history = self.history_of(histories, ids[row]);
            let mark = pass.take(&self.plan, history, time, |input| columns.get(input, row));
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
        out
    }

    /// A run of rows from `start` on at once, where they are all there, within what was trained on, and predicted by
    /// inputs as they are: nothing has to be remembered or said of them.
    fn quick(
        &self,
        columns: &Columns,
        start: usize,
        times: &Times,
        skip: impl Fn(usize) -> bool,
        block: &mut [Lanes],
        out: &mut [f64],
    ) -> bool {
        let Some(plain) = self.plan.plain.as_ref().filter(|_| times.nulls.is_none()) else { return false };
        let Some(inputs) = columns.run(start) else { return false };
        if !plan::are_within(&self.plan.ranges, &inputs) || (start..start + RUN).any(skip) {
            return false;
        }
        match &self.fitted {
            Fitted::Ridge(ridge) => ridge.evaluate_run(plain, &inputs, out),
            Fitted::Trees(trees) => {
                for (at, out) in out.chunks_exact_mut(LANES).enumerate() {
                    for (lanes, input) in block.iter_mut().zip(plain) {
                        lanes.copy_from_slice(&inputs[*input][at * LANES..(at + 1) * LANES]);
                    }
                    out.copy_from_slice(&trees.evaluate(block));
                }
            }
        }
        true
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

    /// Predicts one row of a model whose predictions hang on the row alone; None where an input is missing or the
    /// model takes more than inputs as they are.
    pub fn predict_row(&self, values: &[f64]) -> Option<f64> {
        let plain = self.plan.plain.as_ref()?;
        if values.len() != self.description.inputs.len() || !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        let feature = |at: usize| values[plain[at]];
        Some(match &self.fitted {
            Fitted::Ridge(ridge) => ridge.evaluate_row(feature),
            Fitted::Trees(trees) => trees.evaluate_row(feature),
        })
    }
}
