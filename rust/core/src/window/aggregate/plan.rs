//! From the aggregates that a caller names to the state that cells keep.

use serde::{Deserialize, Serialize};

use super::count::Counts;
use super::distinct::Sets;
use super::edge::{Edges, End};
use super::filter::{Condition, holds, narrow};
use super::numbers::{Group, Numbers};
use super::{Block, Cells, FirstSeen, SINK, Store};
use crate::column::{Kind, Scalar, Values};
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
    /// Accumulators that one pass can feed.
    groups: Vec<Group>,
    /// The column of each group, where all accumulators are in one and see all rows; else none.
    grouped: Vec<usize>,
}

/// Groups the accumulators that read the same numbers.
fn groups(accumulators: &[Accumulator]) -> Vec<Group> {
    let mut groups: Vec<(Group, &Accumulator)> = Vec::new();
    for (at, accumulator) in accumulators.iter().enumerate() {
        if !matches!(accumulator.state, State::Sums | State::Extrema | State::Moments) {
            continue;
        }
        let known = groups.iter().position(|(_, first)| {
            first.columns == accumulator.columns && first.filter == accumulator.filter
        });
        let known = known.unwrap_or_else(|| {
            groups.push((Group::default(), accumulator));
            groups.len() - 1
        });
        let group = &mut groups[known].0;
        match accumulator.state {
            State::Sums => group.sums = Some(at),
            State::Extrema => group.extrema = Some(at),
            _ => group.moments = Some(at),
        }
    }
    for (group, first) in &mut groups {
        group.values = accumulators.iter().position(|accumulator| {
            accumulator.state == State::Values
                && accumulator.columns == first.columns
                && accumulator.filter == first.filter
        });
    }
    // Rows go with one of the groups of their filter.
    if let Some((at, rows)) = accumulators.iter().enumerate().find(|(_, rows)| rows.state == State::Rows)
        && let Some((group, _)) = groups.iter_mut().find(|(_, first)| first.filter == rows.filter)
    {
        group.rows = Some(at);
    }
    groups.into_iter().map(|(group, _)| group).filter(|group| group.members().count() > 1).collect()
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
        let groups = groups(&accumulators);
        let mut plan = Self { aggregates, inputs, filters, accumulators, reads, groups, grouped: Vec::new() };
        let members: usize = plan.groups.iter().map(|group| group.members().count()).sum();
        if plan.filters.is_empty() && members == plan.accumulators.len() {
            plan.grouped = plan.groups.iter().filter_map(|group| plan.group_column(group)).collect();
        }
        Ok(plan)
    }

    /// The input columns, in order of first mention.
    pub fn inputs(&self) -> &[String] {
        &self.inputs
    }

    /// The aggregates as they were named.
    pub fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// Which accumulator each aggregate reads.
    pub(super) fn reads(&self) -> &[usize] {
        &self.reads
    }

    /// The first column that an accumulator reads, as a place among the inputs.
    pub(super) fn column_of(&self, accumulator: usize) -> Option<usize> {
        self.accumulators[accumulator].columns.first().copied()
    }

    /// The column that a group reads.
    fn group_column(&self, group: &Group) -> Option<usize> {
        group.members().find_map(|member| self.column_of(member))
    }

    /// The column of the only group, where all accumulators are in it and see all rows.
    pub fn only_column(&self) -> Option<usize> {
        if let [column] = self.grouped.as_slice() { Some(*column) } else { None }
    }

    /// What groups keep for their accumulators.
    pub(super) fn numbers(&self) -> Vec<Numbers> {
        self.groups.iter().map(|group| Numbers::new(*group)).collect()
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
        for (group, members) in self.groups.iter().enumerate() {
            let Some(column) = self.group_column(members) else { continue };
            let values = &columns[column];
            if let Some(numbers) = cells.group_mut(group, matches!(values, Values::Float(_))) {
                let filter = members.members().find_map(|member| self.accumulators[member].filter);
                numbers.add(&filtered(block, filter, masks, scratch), values);
            }
        }
        for (index, accumulator) in self.accumulators.iter().enumerate() {
            if matches!(cells.stores()[index], Store::Grouped) {
                continue;
            }
            let mut block = filtered(block, accumulator.filter, masks, scratch);
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
                (_, []) | (Store::Grouped, _) => {}
            }
        }
    }

    /// Adds one row of floats where they are all there is to add, and were added before: one column a group, none of them
    /// NaN. `false` where it is otherwise, and nothing was added.
    #[inline]
    pub fn add_floats(&self, cells: &mut Cells, cell: u32, values: &[Scalar]) -> bool {
        let float = |column: usize| match values.get(column) {
            Some(Scalar::Float(value)) if !value.is_nan() => Some(*value),
            _ => None,
        };
        let fits = |group: usize| cells.is_joined(group) && float(self.grouped[group]).is_some();
        if self.grouped.is_empty() || !(0..self.grouped.len()).all(fits) {
            return false;
        }
        for (group, column) in self.grouped.iter().enumerate() {
            if let (Some(numbers), Some(value)) = (cells.group_mut(group, false), float(*column)) {
                numbers.add_float(cell, value);
            }
        }
        true
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
        let passes = |filter: Option<usize>| {
            filter.is_none_or(|filter| {
                self.filters[filter].iter().all(|(column, any_of)| holds(&values[*column], any_of))
            })
        };
        for (group, members) in self.groups.iter().enumerate() {
            let Some(column) = self.group_column(members) else { continue };
            let value = &values[column];
            if let Some(numbers) = cells.group_mut(group, matches!(value, Scalar::Float(_)))
                && passes(members.members().find_map(|member| self.accumulators[member].filter))
            {
                numbers.add_one(cell, value);
            }
        }
        for (index, accumulator) in self.accumulators.iter().enumerate() {
            if matches!(cells.stores()[index], Store::Grouped) || !passes(accumulator.filter) {
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
                (_, None) | (Store::Grouped, _) => {}
            }
        }
    }
}

/// The block with the rows that a mask clears sent to the sink.
fn filtered<'a>(
    block: &Block<'a>,
    filter: Option<usize>,
    masks: &[Vec<bool>],
    scratch: &'a mut Vec<u32>,
) -> Block<'a> {
    let Some(filter) = filter else { return *block };
    let mask = &masks[filter][block.start..block.start + block.cells.len()];
    scratch.clear();
    scratch.extend(block.cells.iter().zip(mask).map(|(cell, pass)| if *pass { *cell } else { SINK }));
    Block { cells: scratch, ..*block }
}
