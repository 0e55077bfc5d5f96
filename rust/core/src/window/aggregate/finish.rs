//! From cells to columns: what each aggregate makes of the state that it reads.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array};
use arrow_buffer::NullBuffer;

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
    let mut whole = true;
    let value = |cell: &Option<u32>| {
        let value = cell.and_then(&get);
        whole &= value.is_some();
        value.unwrap_or(0.0)
    };
    let values: Vec<f64> = rows.iter().map(value).collect();
    let valid = || rows.iter().map(|cell| cell.and_then(&get).is_some()).collect::<Vec<bool>>();
    let nulls = (!whole).then(|| NullBuffer::from(valid()));
    Arc::new(Float64Array::new(values.into(), nulls))
}

fn counts(rows: &[Option<u32>], get: impl Fn(u32) -> u64) -> ArrayRef {
    let values: Vec<i64> = rows.iter().map(|cell| cell.map_or(0, |cell| get(cell) as i64)).collect();
    let whole = rows.iter().all(Option::is_some);
    let nulls = (!whole).then(|| rows.iter().map(Option::is_some).collect::<Vec<bool>>().into());
    Arc::new(Int64Array::new(values.into(), nulls))
}

/// One aggregate's column, of cells that hold all about a column of floats.
fn finish_number(function: Function, of_rows: bool, numbers: &[Number], rows: &[Option<u32>]) -> ArrayRef {
    let at = |cell: u32| &numbers[cell as usize];
    match function {
        Function::Count if of_rows => counts(rows, |cell| at(cell).rows()),
        Function::Sum => floats(rows, |cell| at(cell).sum().get()),
        Function::Mean => floats(rows, |cell| at(cell).sum().mean()),
        Function::Min => floats(rows, |cell| at(cell).range().get().map(|(min, _)| min)),
        Function::Max => floats(rows, |cell| at(cell).range().get().map(|(_, max)| max)),
        Function::Std => floats(rows, |cell| at(cell).moment().variance().map(f64::sqrt)),
        Function::Var => floats(rows, |cell| at(cell).moment().variance()),
        _ => counts(rows, |cell| at(cell).values()),
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
