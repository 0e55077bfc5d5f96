//! From cells to columns: what each aggregate makes of the state that it reads.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array};
use arrow_buffer::NullBuffer;

use super::numbers::Number;
use super::plan::{Aggregate, Function};
use super::{Cells, Plan, SINK, Store};
use crate::column::{self, Kind, Scalar};

impl Plan {
    /// The aggregates' columns for these cells, the sink being a row of nulls; and how many integer sums were out of
    /// range and so are null.
    pub fn finish(&self, cells: &Cells, rows: &[u32], kinds: &[Kind]) -> (Vec<ArrayRef>, u64) {
        let mut overflows = 0;
        let columns = self
            .aggregates()
            .iter()
            .zip(self.reads())
            .map(|(aggregate, read)| {
                if let Some(numbers) = cells.numbers(*read) {
                    let mut column = NumberColumn::new(aggregate, rows.len());
                    column.extend(rows.iter().map(|cell| &numbers[*cell as usize]));
                    return column.finish(there(rows));
                }
                let kind = self.column_of(*read).map_or(Kind::Unknown, |column| kinds[column]);
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

    /// Whether these cells hold all about columns of floats side by side, for [`Plan::extend`].
    pub fn is_of_numbers(&self, cells: &Cells) -> bool {
        self.reads().iter().all(|read| cells.numbers(*read).is_some())
    }

    /// Columns of such cells, to be filled part by part with so many.
    pub fn number_columns(&self, rows: usize) -> Vec<NumberColumn> {
        self.aggregates().iter().map(|aggregate| NumberColumn::new(aggregate, rows)).collect()
    }

    /// Adds cells by their places behind the sink. What is read and written lies in the caches where parts are small.
    pub fn extend(&self, columns: &mut [NumberColumn], cells: &Cells, places: &[u32]) {
        for (column, read) in columns.iter_mut().zip(self.reads()) {
            if let Some(numbers) = cells.numbers(*read).and_then(|numbers| numbers.get(1..)) {
                column.extend(places.iter().map(|place| &numbers[*place as usize]));
            }
        }
    }
}

/// One aggregate's column, of cells that hold all about a column of floats.
pub struct NumberColumn {
    function: Function,
    /// Of rows, whatever they hold.
    of_rows: bool,
    counts: Vec<i64>,
    floats: Vec<f64>,
    /// Rows that are null.
    missing: Vec<usize>,
}

impl NumberColumn {
    /// With room for so many rows.
    fn new(aggregate: &Aggregate, rows: usize) -> Self {
        let is_count = aggregate.function == Function::Count;
        Self {
            function: aggregate.function,
            of_rows: aggregate.columns.is_empty(),
            counts: Vec::with_capacity(if is_count { rows } else { 0 }),
            floats: Vec::with_capacity(if is_count { 0 } else { rows }),
            missing: Vec::new(),
        }
    }

    fn extend<'a>(&mut self, cells: impl Iterator<Item = &'a Number> + Clone) {
        match self.function {
            Function::Count if self.of_rows => self.counts.extend(cells.map(|cell| cell.rows() as i64)),
            Function::Sum => self.add(cells, |cell| cell.has(1.0), |cell| cell.sums[0]),
            Function::Mean => self.add(cells, |cell| cell.has(1.0), Number::mean),
            Function::Min => self.add(cells, Number::has_ends, |cell| cell.ends[0]),
            Function::Max => self.add(cells, Number::has_ends, |cell| -cell.ends[1]),
            Function::Std => self.add(cells, |cell| cell.has(2.0), |cell| cell.variance().sqrt()),
            Function::Var => self.add(cells, |cell| cell.has(2.0), Number::variance),
            _ => self.counts.extend(cells.map(|cell| cell.values() as i64)),
        }
    }

    /// Null where there is nothing to get. Nearly always there is: then none asks while it is computed.
    fn add<'a>(
        &mut self,
        cells: impl Iterator<Item = &'a Number> + Clone,
        is_there: impl Fn(&Number) -> bool,
        get: impl Fn(&Number) -> f64,
    ) {
        if cells.clone().fold(true, |all, cell| all & is_there(cell)) {
            self.floats.extend(cells.map(get));
            return;
        }
        for cell in cells {
            if !is_there(cell) {
                self.missing.push(self.floats.len());
            }
            self.floats.push(if is_there(cell) { get(cell) } else { 0.0 });
        }
    }

    /// The column; counts are null where `there` says so.
    pub fn finish(self, there: Option<NullBuffer>) -> ArrayRef {
        if self.function == Function::Count {
            return Arc::new(Int64Array::new(self.counts.into(), there));
        }
        let there = (!self.missing.is_empty()).then(|| {
            let mut there = vec![true; self.floats.len()];
            self.missing.iter().for_each(|row| there[*row] = false);
            NullBuffer::from(there)
        });
        Arc::new(Float64Array::new(self.floats.into(), there))
    }
}

/// Which rows are not of nulls, if one is.
fn there(rows: &[u32]) -> Option<NullBuffer> {
    let there = |cell: &u32| *cell != SINK;
    rows.contains(&SINK).then(|| NullBuffer::new(rows.iter().map(there).collect()))
}

fn floats(rows: &[u32], get: impl Fn(u32) -> Option<f64>) -> ArrayRef {
    let cells = rows.iter().map(|cell| if *cell == SINK { None } else { get(*cell) });
    Arc::new(cells.collect::<Float64Array>())
}

fn counts(rows: &[u32], get: impl Fn(u32) -> u64) -> ArrayRef {
    let column: Vec<i64> = rows.iter().map(|cell| get(*cell) as i64).collect();
    Arc::new(Int64Array::new(column.into(), there(rows)))
}

/// One aggregate's column.
fn finish_one(function: Function, store: &Store, rows: &[u32], kind: Kind, overflows: &mut u64) -> ArrayRef {
    let scalars = |get: &dyn Fn(u32) -> Option<Scalar>| -> ArrayRef {
        let value = |cell: &u32| if *cell == SINK { None } else { get(*cell) };
        column::of_kind(kind, rows.iter().map(|cell| value(cell).unwrap_or(Scalar::Null)))
    };
    match (store, function) {
        (Store::Counts(store), _) => counts(rows, |cell| store.get(cell)),
        (Store::Sets(store), _) => counts(rows, |cell| store.get(cell)),
        (Store::Sums(store), Function::Mean) => floats(rows, |cell| store.mean(cell)),
        (Store::Sums(store), _) => {
            let fits = |sum: &Scalar| !matches!(sum, Scalar::Int(sum) if i64::try_from(*sum).is_err());
            *overflows +=
                rows.iter().filter_map(|cell| store.get(*cell)).filter(|sum| !fits(sum)).count() as u64;
            scalars(&|cell| store.get(cell).filter(fits))
        }
        (Store::Extrema(store), Function::Min) => scalars(&|cell| store.get(cell).map(|(min, _)| min)),
        (Store::Extrema(store), _) => scalars(&|cell| store.get(cell).map(|(_, max)| max)),
        (Store::Moments(store), Function::Std) => floats(rows, |cell| store.variance(cell).map(f64::sqrt)),
        (Store::Moments(store), _) => floats(rows, |cell| store.variance(cell)),
        (Store::Edges(store), _) => scalars(&|cell| store.get(cell)),
        (Store::Sketches(store), Function::Quantile(q)) => floats(rows, |cell| store.get(cell, q)),
        (Store::Sketches(_) | Store::Grouped, _) => floats(rows, |_| None),
    }
}
