//! From the aggregates that a caller names to the state that cells keep, and back to columns.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array};
use serde::{Deserialize, Serialize};

use super::count::Counts;
use super::distinct::Sets;
use super::edge::{Edges, End};
use super::numbers::Together;
use super::{Block, Cells, FirstSeen, SINK, Store};
use crate::column::{self, Kind, Scalar, Values};
use crate::duration;
use crate::error::{Error, Result};

/// In which windows `distinct` counts a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CountOn {
    /// In every window that sees it.
    Every,
    /// In the window that saw it first; remembered for so many nanoseconds.
    First {
        /// Event time without it after which it is forgotten.
        retain: i64,
    },
}

/// What an aggregate computes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Function {
    /// Rows, or a column's values.
    Count,
    /// Sum.
    Sum,
    /// Arithmetic mean.
    Mean,
    /// Least value.
    Min,
    /// Greatest value.
    Max,
    /// Sample standard deviation.
    Std,
    /// Sample variance.
    Var,
    /// Earliest value.
    First,
    /// Latest value.
    Last,
    /// Different values.
    Distinct {
        /// Rows that a value needs to count.
        min_hits: u32,
        /// Where it counts.
        count_on: CountOn,
    },
    /// A quantile between 0 and 1.
    Quantile(f64),
}

/// Keeps only rows whose column holds one of these values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The column.
    pub column: String,
    /// The values, of which null is one.
    pub any_of: Vec<Scalar>,
}

/// One output column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Its name.
    pub name: String,
    /// What it computes.
    pub function: Function,
    /// Of which columns: none for `count()`, several for `distinct`, else one.
    pub columns: Vec<String>,
    /// Of which rows: those that meet all conditions.
    pub filter: Vec<Condition>,
}

/// Values that input columns must hold.
pub type Conditions = [(usize, Vec<Scalar>)];

/// A kind of state, and which rows feed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Rows,
    Values,
    Sums,
    Extrema,
    Moments,
    Edge(End),
    Set { min_hits: u32, count_on: CountOn },
    Sketch,
}

/// State that one or more aggregates read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accumulator {
    state: State,
    /// Input columns.
    columns: Vec<usize>,
    filter: Option<usize>,
}

/// How a set of aggregates is computed.
#[derive(Debug, Clone)]
pub struct Plan {
    aggregates: Vec<Aggregate>,
    inputs: Vec<String>,
    /// Different filters: conditions on input columns.
    filters: Vec<Vec<(usize, Vec<Scalar>)>>,
    accumulators: Vec<Accumulator>,
    /// Which accumulator each aggregate reads.
    reads: Vec<usize>,
    /// For the first accumulator of each group that one pass can feed: the group. The others of it: nothing to do.
    passes: Vec<Pass>,
}

/// How an accumulator gets its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// By a pass of its own.
    Own,
    /// With others, where the column is of floats.
    Together(Together),
    /// By the pass of an accumulator before, where the column is of floats.
    Done,
}

/// Groups the accumulators that read the same floats.
fn passes(accumulators: &[Accumulator]) -> Vec<Pass> {
    let same = |a: &Accumulator, b: &Accumulator| a.columns == b.columns && a.filter == b.filter;
    let numeric = |a: &Accumulator| matches!(a.state, State::Sums | State::Extrema | State::Moments);
    let mut passes = vec![Pass::Own; accumulators.len()];
    for (first, accumulator) in accumulators.iter().enumerate() {
        if passes[first] != Pass::Own || !numeric(accumulator) {
            continue;
        }
        let find = |state: State| {
            accumulators.iter().position(|other| other.state == state && same(other, accumulator))
        };
        let together = Together {
            sums: find(State::Sums),
            extrema: find(State::Extrema),
            moments: find(State::Moments),
        };
        if together.pays() {
            let members = [together.sums, together.extrema, together.moments];
            members.into_iter().flatten().for_each(|member| passes[member] = Pass::Done);
            passes[first] = Pass::Together(together);
        }
    }
    passes
}

fn position<T: PartialEq>(items: &mut Vec<T>, item: T) -> usize {
    items.iter().position(|known| *known == item).unwrap_or_else(|| {
        items.push(item);
        items.len() - 1
    })
}

impl Plan {
    /// Plans the state for these aggregates.
    pub fn new(aggregates: Vec<Aggregate>) -> Result<Self> {
        if aggregates.is_empty() {
            return Err(Error::config("`aggregates` must name at least one aggregate, got none"));
        }
        let (mut inputs, mut filters, mut accumulators, mut reads) = (vec![], vec![], vec![], vec![]);
        for aggregate in &aggregates {
            let columns = aggregate
                .columns
                .iter()
                .map(|column| position(&mut inputs, column.clone()))
                .collect::<Vec<_>>();
            let conditions: Vec<_> = aggregate
                .filter
                .iter()
                .map(|condition| (position(&mut inputs, condition.column.clone()), condition.any_of.clone()))
                .collect();
            let filter = (!conditions.is_empty()).then(|| position(&mut filters, conditions));
            let state = match aggregate.function {
                Function::Count if columns.is_empty() => State::Rows,
                Function::Count => State::Values,
                Function::Sum | Function::Mean => State::Sums,
                Function::Min | Function::Max => State::Extrema,
                Function::Std | Function::Var => State::Moments,
                Function::First => State::Edge(End::First),
                Function::Last => State::Edge(End::Last),
                Function::Distinct { min_hits, count_on } => {
                    if min_hits == 0 {
                        return Err(Error::config("`min_hits` must be at least 1, got 0"));
                    }
                    if let CountOn::First { retain } = count_on
                        && retain < 0
                    {
                        let retain = duration::print(retain);
                        return Err(Error::config(format!(
                            "`retain` must not be negative, got \"{retain}\""
                        )));
                    }
                    State::Set { min_hits, count_on }
                }
                Function::Quantile(q) => {
                    if !(0.0..=1.0).contains(&q) {
                        return Err(Error::config(format!("`q` must be between 0 and 1, got {q}")));
                    }
                    State::Sketch
                }
            };
            reads.push(position(&mut accumulators, Accumulator { state, columns, filter }));
        }
        let passes = passes(&accumulators);
        Ok(Self { aggregates, inputs, filters, accumulators, reads, passes })
    }

    /// The input columns, in order of first mention.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The aggregates as they were named.
    pub fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// Empty stores, one an accumulator.
    pub(super) fn stores(&self) -> Vec<Store> {
        self.accumulators
            .iter()
            .map(|accumulator| match accumulator.state {
                State::Rows | State::Values => Store::Counts(Counts::default()),
                State::Sums => Store::Sums(super::sum::Sums::default()),
                State::Extrema => Store::Extrema(super::extrema::Extrema::default()),
                State::Moments => Store::Moments(super::moments::Moments::default()),
                State::Edge(end) => Store::Edges(Edges::new(end)),
                State::Set { min_hits, .. } => Store::Sets(Sets::new(min_hits)),
                State::Sketch => Store::Sketches(super::quantile::Sketches::default()),
            })
            .collect()
    }

    /// What each accumulator remembers beyond its cells: nothing, except for `count_on = "first"`.
    pub fn memories(&self) -> Vec<Option<FirstSeen>> {
        self.accumulators
            .iter()
            .map(|accumulator| match accumulator.state {
                State::Set { count_on: CountOn::First { retain }, .. } => Some(FirstSeen::new(retain)),
                _ => None,
            })
            .collect()
    }

    /// Of each accumulator that counts distinct values: its input columns, and the conditions on its rows.
    pub fn sets(&self) -> impl Iterator<Item = Option<(&[usize], &Conditions)>> {
        self.accumulators.iter().map(|accumulator| {
            let filter = accumulator.filter.map_or(&[] as &Conditions, |filter| &self.filters[filter]);
            matches!(accumulator.state, State::Set { .. }).then_some((&*accumulator.columns, filter))
        })
    }

    /// The inputs that some aggregate reads as numbers.
    pub fn numeric(&self) -> Vec<&str> {
        let numeric = |accumulator: &&Accumulator| {
            matches!(accumulator.state, State::Sums | State::Extrema | State::Moments | State::Sketch)
        };
        let columns = self.accumulators.iter().filter(numeric).flat_map(|accumulator| &accumulator.columns);
        columns.map(|column| self.inputs[*column].as_str()).collect()
    }

    /// Checks that every input has a kind that its aggregates can read.
    pub fn check(&self, kinds: &[Kind]) -> Result<()> {
        for (aggregate, read) in self.aggregates.iter().zip(&self.reads) {
            let accumulator = &self.accumulators[*read];
            let numeric =
                matches!(accumulator.state, State::Sums | State::Extrema | State::Moments | State::Sketch);
            for column in &accumulator.columns {
                if numeric && kinds[*column] == Kind::Str {
                    return Err(Error::data(format!(
                        "column `{}` must hold numbers for the aggregate `{}`, got text",
                        self.inputs[*column], aggregate.name
                    )));
                }
            }
        }
        Ok(())
    }

    /// Which rows pass each filter.
    pub fn masks(&self, columns: &[Values], rows: usize) -> Vec<Vec<bool>> {
        self.filters
            .iter()
            .map(|conditions| {
                let mut mask = vec![true; rows];
                for (column, any_of) in conditions {
                    narrow(&mut mask, &columns[*column], any_of);
                }
                mask
            })
            .collect()
    }

    /// Adds a block of rows to its cells. `masks` are those of the whole batch; `scratch` is room for cells.
    pub fn add(
        &self,
        cells: &mut Cells,
        block: &Block<'_>,
        columns: &[Values],
        masks: &[Vec<bool>],
        scratch: &mut Vec<u32>,
        mut first: impl FnMut(usize, &[&Values], &Block<'_>, &mut Vec<u32>),
    ) {
        for (index, (accumulator, pass)) in self.accumulators.iter().zip(&self.passes).enumerate() {
            let floats = match accumulator.columns.first().map(|column| &columns[*column]) {
                Some(Values::Float(array)) => Some(array),
                _ => None,
            };
            if *pass == Pass::Done && floats.is_some() {
                continue;
            }
            let mut block = *block;
            if let Some(filter) = accumulator.filter {
                let mask = &masks[filter][block.start..block.start + block.cells.len()];
                scratch.clear();
                scratch.extend(
                    block.cells.iter().zip(mask).map(|(cell, pass)| if *pass { *cell } else { SINK }),
                );
                block.cells = scratch;
            }
            if let (Pass::Together(together), Some(array)) = (pass, floats) {
                together.add(cells.stores_mut(), &block, array);
                continue;
            }
            let inputs: Vec<&Values> = accumulator.columns.iter().map(|column| &columns[*column]).collect();
            let mut counted;
            if let State::Set { count_on: CountOn::First { .. }, .. } = accumulator.state {
                counted = block.cells.to_vec();
                first(index, &inputs, &block, &mut counted);
                block.cells = &counted;
            }
            match (&mut cells.stores_mut()[index], inputs.as_slice()) {
                (Store::Counts(store), []) => store.add_rows(&block),
                (Store::Counts(store), [values, ..]) => store.add_values(&block, values),
                (Store::Sums(store), [values, ..]) => store.add(&block, values),
                (Store::Extrema(store), [values, ..]) => store.add(&block, values),
                (Store::Moments(store), [values, ..]) => store.add(&block, values),
                (Store::Edges(store), [values, ..]) => store.add(&block, values),
                (Store::Sets(store), values) => store.add(&block, values),
                (Store::Sketches(store), [values, ..]) => store.add(&block, values),
                (_, []) => {}
            }
        }
    }

    /// Adds one row of single values. `counts` says whether a value that may count once still does.
    pub fn add_one(
        &self,
        cells: &mut Cells,
        cell: u32,
        time: i64,
        values: &[Scalar],
        mut counts: impl FnMut(usize, &[u8]) -> bool,
    ) {
        for (index, accumulator) in self.accumulators.iter().enumerate() {
            if let Some(filter) = accumulator.filter
                && !self.filters[filter].iter().all(|(column, any_of)| holds(&values[*column], any_of))
            {
                continue;
            }
            let value = accumulator.columns.first().map(|column| &values[*column]);
            match (&mut cells.stores_mut()[index], value) {
                (Store::Counts(store), value) => store.add_one(cell, value),
                (Store::Sums(store), Some(value)) => store.add_one(cell, value),
                (Store::Extrema(store), Some(value)) => store.add_one(cell, value),
                (Store::Moments(store), Some(value)) => store.add_one(cell, value),
                (Store::Edges(store), Some(value)) => store.add_one(cell, time, value),
                (Store::Sketches(store), Some(value)) => store.add_one(cell, value),
                (Store::Sets(store), Some(_)) => {
                    let mut bytes = Vec::new();
                    let whole = accumulator
                        .columns
                        .iter()
                        .all(|column| super::encode_scalar(&values[*column], &mut bytes));
                    if whole && counts(index, &bytes) {
                        store.add_one(cell, &bytes);
                    }
                }
                (_, None) => {}
            }
        }
    }

    /// The aggregates' columns for these cells, `None` being a row of nulls; and how many integer sums were out of
    /// range and so are null.
    pub fn finish(&self, cells: &Cells, rows: &[Option<u32>], kinds: &[Kind]) -> (Vec<ArrayRef>, u64) {
        let mut overflows = 0;
        let columns = self
            .aggregates
            .iter()
            .zip(&self.reads)
            .map(|(aggregate, read)| {
                let accumulator = &self.accumulators[*read];
                let kind = accumulator.columns.first().map_or(Kind::Unknown, |column| kinds[*column]);
                let kind = match (aggregate.function, kind) {
                    (Function::First | Function::Last, kind) => kind,
                    (_, Kind::Float) => Kind::Float,
                    _ => Kind::Int,
                };
                finish_one(aggregate.function, &cells.stores()[*read], rows, kind, &mut overflows)
            })
            .collect();
        (columns, overflows)
    }
}

/// One aggregate's column.
fn finish_one(
    function: Function,
    store: &Store,
    rows: &[Option<u32>],
    kind: Kind,
    overflows: &mut u64,
) -> ArrayRef {
    let floats = |get: &dyn Fn(u32) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(|cell| cell.and_then(get)).collect::<Float64Array>())
    };
    let scalars = |get: &dyn Fn(u32) -> Option<Scalar>| -> ArrayRef {
        column::of_kind(kind, rows.iter().map(|cell| cell.and_then(get).unwrap_or(Scalar::Null)))
    };
    let counts = |get: &dyn Fn(u32) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|cell| cell.map(|cell| get(cell) as i64)).collect::<Int64Array>())
    };
    match (store, function) {
        (Store::Counts(store), _) => counts(&|cell| store.get(cell)),
        (Store::Sets(store), _) => counts(&|cell| store.get(cell)),
        (Store::Sums(store), Function::Mean) => floats(&|cell| store.mean(cell)),
        (Store::Sums(store), _) => {
            let fits = |sum: &Scalar| !matches!(sum, Scalar::Int(sum) if i64::try_from(*sum).is_err());
            *overflows +=
                rows.iter().flatten().filter_map(|cell| store.get(*cell)).filter(|sum| !fits(sum)).count()
                    as u64;
            scalars(&|cell| store.get(cell).filter(fits))
        }
        (Store::Extrema(store), Function::Min) => scalars(&|cell| store.get(cell).map(|(min, _)| min)),
        (Store::Extrema(store), _) => scalars(&|cell| store.get(cell).map(|(_, max)| max)),
        (Store::Moments(store), Function::Std) => floats(&|cell| store.variance(cell).map(f64::sqrt)),
        (Store::Moments(store), _) => floats(&|cell| store.variance(cell)),
        (Store::Edges(store), _) => scalars(&|cell| store.get(cell)),
        (Store::Sketches(store), Function::Quantile(q)) => floats(&|cell| store.get(cell, q)),
        (Store::Sketches(_), _) => floats(&|_| None),
    }
}

/// Whether a value is one of those asked for; numbers compare by value, whatever their type.
fn holds(value: &Scalar, any_of: &[Scalar]) -> bool {
    any_of.iter().any(|wanted| match (value, wanted) {
        (Scalar::Int(value), Scalar::Float(wanted)) => *value as f64 == *wanted,
        (Scalar::Float(value), Scalar::Int(wanted)) => *value == *wanted as f64,
        (value, wanted) => value == wanted,
    })
}

fn narrow(mask: &mut [bool], values: &Values, any_of: &[Scalar]) {
    if let Values::Str(column::Text::Dictionary { codes, nulls, values }) = values {
        // One comparison a distinct value, not one a row.
        let null = any_of.contains(&Scalar::Null);
        let passes: Vec<bool> = (0..values.len())
            .map(|code| match values.get(code) {
                Some(text) => {
                    any_of.iter().any(|wanted| matches!(wanted, Scalar::Str(wanted) if wanted == text))
                }
                None => null,
            })
            .collect();
        for (row, (pass, code)) in mask.iter_mut().zip(codes.iter()).enumerate() {
            *pass &= if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                null
            } else {
                passes[*code as usize]
            };
        }
        return;
    }
    for (row, pass) in mask.iter_mut().enumerate() {
        if *pass {
            *pass = match values {
                Values::Str(text) => match text.get(row) {
                    Some(text) => {
                        any_of.iter().any(|wanted| matches!(wanted, Scalar::Str(wanted) if wanted == text))
                    }
                    None => any_of.contains(&Scalar::Null),
                },
                values => holds(&values.scalar(row), any_of),
            };
        }
    }
}
