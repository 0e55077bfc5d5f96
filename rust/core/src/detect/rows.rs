//! A batch's columns as a detector reads them.
//!
//! Owns the errors of columns that aren't there, and the columns that drained windows bring along: `window_start`
//! and `window_end` (the length of a window), `level`, `revision` and `silent`. Those three are read as such only
//! where the caller gave the name no part of its own, and `level` and `revision` only where they hold integers.

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};

use super::settings::{Measure, Settings};
use crate::column::{Kind, Values, floats};
use crate::error::{Error, Result};
use crate::expect::trained;
use crate::spacing;
use crate::times::Times;

/// One measure's value in one row; NaN stands for null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input {
    /// What came.
    pub value: f64,
    /// The smallest and the largest value behind it.
    pub extremes: [f64; 2],
    /// What was predicted.
    pub predicted: f64,
    /// How much of the window was observed, as a column says it.
    pub completeness: f64,
    /// Whether the value was an integer by type.
    pub integer: bool,
}

impl Input {
    /// Nothing.
    pub const NONE: Self = Self {
        value: f64::NAN,
        extremes: [f64::NAN; 2],
        predicted: f64::NAN,
        completeness: f64::NAN,
        integer: false,
    };
}

/// The columns of one measure.
#[derive(Debug)]
pub struct Columns {
    value: Float64Array,
    extremes: Option<[Float64Array; 2]>,
    predicted: Option<Float64Array>,
    integer: bool,
}

/// The columns of one batch.
#[derive(Debug)]
pub struct Rows {
    /// Key columns, and the level last.
    pub keys: Vec<Values>,
    /// Whether the level came from a column.
    pub has_level: bool,
    /// Times.
    pub times: Times,
    /// One for each measure.
    pub measures: Vec<Columns>,
    /// How much of each window was observed.
    completeness: Option<Float64Array>,
    /// What a model reads.
    pub inputs: Option<trained::Columns>,
    /// Above 0: a window that was told before.
    revision: Option<Float64Array>,
    /// True: the source said nothing.
    silent: Option<Float64Array>,
    /// The length of the first window that has one.
    pub window_length: Option<i64>,
    /// How many.
    pub len: usize,
}

fn find<'a>(batch: &'a RecordBatch, name: &str, argument: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| {
        let there: Vec<String> =
            batch.schema_ref().fields().iter().map(|field| format!("{:?}", field.name())).collect();
        Error::data(format!(
            "`{argument}` must name a column of the batch, got {name:?}: there are {}",
            if there.is_empty() { "none".to_owned() } else { there.join(", ") }
        ))
    })
}

#[inline]
fn at(array: &Float64Array, row: usize) -> f64 {
    if array.is_null(row) { f64::NAN } else { array.value(row) }
}

impl Columns {
    fn read(batch: &RecordBatch, measure: &Measure) -> Result<Self> {
        let read = |name: &str, argument: &str| floats(find(batch, name, argument)?, name);
        let integer = {
            let array = find(batch, &measure.column, "measures")?;
            Kind::of(&Values::read(array, &measure.column)?) == Kind::Int
        };
        Ok(Self {
            value: read(&measure.column, "measures")?,
            extremes: match &measure.extremes {
                Some([low, high]) => Some([read(low, "measures")?, read(high, "measures")?]),
                None => None,
            },
            predicted: measure.predicted.as_ref().map(|name| read(name, "predicted")).transpose()?,
            integer,
        })
    }

    /// A row's value.
    #[inline(always)]
    pub fn get(&self, row: usize) -> Input {
        let value = at(&self.value, row);
        Input {
            value,
            extremes: self.extremes.as_ref().map_or([value; 2], |[low, high]| [at(low, row), at(high, row)]),
            predicted: self.predicted.as_ref().map_or(f64::NAN, |predicted| at(predicted, row)),
            completeness: f64::NAN,
            integer: self.integer,
        }
    }
}

impl Rows {
    /// Reads a batch.
    pub fn read(batch: &RecordBatch, settings: &Settings) -> Result<Self> {
        let mut keys = settings
            .by
            .iter()
            .map(|name| Values::read(find(batch, name, "by")?, name))
            .collect::<Result<Vec<_>>>()?;
        let times = Times::read(find(batch, &settings.time, "time")?, settings.unit, &settings.time)?;
        let measures = settings
            .measures
            .iter()
            .map(|measure| Columns::read(batch, measure))
            .collect::<Result<Vec<_>>>()?;
        let inputs = settings.model.as_ref().map(|model| trained::Columns::read(batch, model)).transpose()?;
        let completeness = settings
            .completeness
            .as_ref()
            .map(|one| floats(find(batch, &one.column, "completeness")?, &one.column))
            .transpose()?;
        let own = |name: &str| if settings.uses(name) { None } else { batch.column_by_name(name) };
        let integers = |name: &str| {
            let values = Values::read(own(name)?, name).ok()?;
            (Kind::of(&values) == Kind::Int).then_some(values)
        };
        let level = integers("level");
        let has_level = level.is_some();
        keys.push(level.unwrap_or_else(|| Values::Int(Int64Array::from_value(0, batch.num_rows()))));
        let revision = integers("revision").and_then(|_| floats(own("revision")?, "revision").ok());
        let silent = own("silent").and_then(|column| floats(column, "silent").ok());
        let window_length = spacing::of_windows(batch);
        Ok(Self {
            keys,
            has_level,
            times,
            measures,
            completeness,
            inputs,
            revision,
            silent,
            window_length,
            len: batch.num_rows(),
        })
    }

    /// How much of the row's window was observed; NaN where nothing says so.
    #[inline(always)]
    pub fn completeness(&self, row: usize) -> f64 {
        self.completeness.as_ref().map_or(f64::NAN, |shares| at(shares, row))
    }

    /// Whether the row's window was told before.
    #[inline(always)]
    pub fn is_revised(&self, row: usize) -> bool {
        self.revision.as_ref().is_some_and(|revision| at(revision, row) > 0.0)
    }

    /// Whether the row stands for silence.
    #[inline(always)]
    pub fn is_silent(&self, row: usize) -> bool {
        self.silent.as_ref().is_some_and(|silent| at(silent, row) > 0.0)
    }
}
