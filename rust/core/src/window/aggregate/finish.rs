//! From cells to columns: what each aggregate makes of the state that it reads.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array};

use super::numbers::Number;
use super::plan::Function;
use super::{Cells, Plan, Store};
use crate::column::{self, Kind, Scalar};

impl Plan {
    /// The aggregates' columns for these cells, `None` being a row of nulls; and how many integer sums were out of
    /// range and so are null.
    pub fn finish(&self, cells: &Cells, rows: &[Option<u32>], kinds: &[Kind]) -> (Vec<ArrayRef>, u64) {
        let mut overflows = 0;
        let columns = self
            .aggregates()
            .iter()
            .zip(self.reads())
            .map(|(aggregate, read)| {
                if let Some(numbers) = cells.numbers(*read) {
                    return finish_number(aggregate.function, aggregate.columns.is_empty(), numbers, rows);
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
}

fn floats(rows: &[Option<u32>], get: impl Fn(u32) -> Option<f64>) -> ArrayRef {
    float_column(rows.iter().map(|cell| cell.and_then(&get)))
}

fn float_column(values: impl Iterator<Item = Option<f64>> + Clone) -> ArrayRef {
    let mut whole = true;
    let column = values.clone().map(|value| {
        whole &= value.is_some();
        value.unwrap_or(0.0)
    });
    let column: Vec<f64> = column.collect();
    let nulls = (!whole).then(|| values.map(|value| value.is_some()).collect::<Vec<bool>>().into());
    Arc::new(Float64Array::new(column.into(), nulls))
}

fn counts(rows: &[Option<u32>], get: impl Fn(u32) -> u64) -> ArrayRef {
    count_column(rows.iter().map(|cell| cell.map(&get)))
}

fn count_column(values: impl Iterator<Item = Option<u64>> + Clone) -> ArrayRef {
    let whole = values.clone().all(|value| value.is_some());
    let nulls = (!whole).then(|| values.clone().map(|value| value.is_some()).collect::<Vec<bool>>().into());
    let column: Vec<i64> = values.map(|value| value.unwrap_or(0) as i64).collect();
    Arc::new(Int64Array::new(column.into(), nulls))
}

/// One aggregate's column, of cells that hold all about a column of floats.
fn finish_number(function: Function, of_rows: bool, numbers: &[Number], rows: &[Option<u32>]) -> ArrayRef {
    // Nearly always they lie one behind the other.
    let first = rows.first().copied().flatten().unwrap_or(0);
    if rows.iter().zip(first..).all(|(cell, next)| *cell == Some(next)) {
        let cells = &numbers[first as usize..][..rows.len()];
        return number_column(function, of_rows, cells.iter().map(Some));
    }
    number_column(function, of_rows, rows.iter().map(|cell| cell.map(|cell| &numbers[cell as usize])))
}

fn number_column<'a>(
    function: Function,
    of_rows: bool,
    cells: impl Iterator<Item = Option<&'a Number>> + Clone,
) -> ArrayRef {
    let count = |get: fn(&Number) -> u64| count_column(cells.clone().map(move |cell| cell.map(get)));
    match function {
        Function::Count if of_rows => count(Number::rows),
        Function::Sum => float_column(cells.map(|cell| cell?.sum().get())),
        Function::Mean => float_column(cells.map(|cell| cell?.sum().mean())),
        Function::Min => float_column(cells.map(|cell| cell?.range().get().map(|(min, _)| min))),
        Function::Max => float_column(cells.map(|cell| cell?.range().get().map(|(_, max)| max))),
        Function::Std => float_column(cells.map(|cell| cell?.moment().variance().map(f64::sqrt))),
        Function::Var => float_column(cells.map(|cell| cell?.moment().variance())),
        _ => count(Number::values),
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
    let scalars = |get: &dyn Fn(u32) -> Option<Scalar>| -> ArrayRef {
        column::of_kind(kind, rows.iter().map(|cell| cell.and_then(get).unwrap_or(Scalar::Null)))
    };
    match (store, function) {
        (Store::Counts(store), _) => counts(rows, |cell| store.get(cell)),
        (Store::Sets(store), _) => counts(rows, |cell| store.get(cell)),
        (Store::Sums(store), Function::Mean) => floats(rows, |cell| store.mean(cell)),
        (Store::Sums(store), _) => {
            let fits = |sum: &Scalar| !matches!(sum, Scalar::Int(sum) if i64::try_from(*sum).is_err());
            *overflows +=
                rows.iter().flatten().filter_map(|cell| store.get(*cell)).filter(|sum| !fits(sum)).count()
                    as u64;
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
