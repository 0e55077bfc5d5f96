//! Rows on their way out of drained windows, column by column.

use std::cmp::Ordering;
use std::iter::repeat_n;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, TimestampNanosecondArray};

use super::aggregate::{Cells, NumberColumn, Plan};
use super::assign::Window;
use super::late::table;
use super::pending::Whole;
use super::spec::Spec;
use crate::column::Kind;
use crate::error::Result;
use crate::key::Keys;
use crate::time::Timestamp;

/// One row to come out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub window: Window,
    pub key: u32,
    pub level: u32,
    pub revision: u64,
    pub silent: bool,
    /// Its cell among the totals; the sink for a row of nulls.
    pub cell: u32,
}

/// Rows on their way out, and the cells that they show.
pub struct Out {
    starts: Vec<Timestamp>,
    ends: Vec<Timestamp>,
    keys: Vec<u32>,
    levels: Vec<i64>,
    revisions: Vec<i64>,
    silent: Vec<bool>,
    cells: Vec<u32>,
    pub totals: Cells,
    /// The aggregates' columns, where they are filled window by window and nothing is totalled.
    numbers: Option<Vec<NumberColumn>>,
    /// Whether all came in the order in which they go out.
    pub in_order: bool,
}

impl Out {
    /// With room for the rows of windows that come whole; `numbers`: all do, with cells that hold all about columns of
    /// floats.
    pub fn new(plan: &Plan, rows: usize, numbers: bool) -> Self {
        Self {
            starts: Vec::with_capacity(rows),
            ends: Vec::with_capacity(rows),
            keys: Vec::with_capacity(rows),
            levels: Vec::with_capacity(rows),
            revisions: Vec::with_capacity(rows),
            silent: Vec::with_capacity(rows),
            cells: Vec::new(),
            totals: Cells::new(plan),
            numbers: numbers.then(|| plan.number_columns(rows)),
            in_order: true,
        }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Rows that there is room for.
    pub fn room(&self) -> usize {
        self.keys.capacity()
    }

    /// Adds a row; it may belong before others.
    pub(super) fn push(&mut self, row: Row) {
        self.in_order = false;
        self.starts.push(row.window.start);
        self.ends.push(row.window.end);
        self.keys.push(row.key);
        self.levels.push(i64::from(row.level));
        self.revisions.push(row.revision as i64);
        self.silent.push(row.silent);
        self.cells.push(row.cell);
    }

    /// Adds the rows of a window that came whole, which are in this order.
    pub fn push_whole(&mut self, plan: &Plan, window: Window, whole: &Whole, order: &[u32]) {
        let rows = order.len();
        if let Some(numbers) = &mut self.numbers {
            plan.extend(numbers, &whole.cells, order);
        } else {
            if self.totals.is_empty() {
                self.totals.reserve(self.keys.capacity(), &whole.cells);
            }
            let first = self.totals.append(&whole.cells, order);
            self.cells.extend(first..first + rows as u32);
        }
        self.starts.extend(repeat_n(window.start, rows));
        self.ends.extend(repeat_n(window.end, rows));
        self.keys.extend(order.iter().map(|at| whole.keys[*at as usize]));
        self.levels.extend(repeat_n(0, rows));
        self.revisions.extend(repeat_n(0, rows));
        self.silent.extend(repeat_n(false, rows));
    }

    /// Puts the rows in the order in which they go out; `compare` knows that of keys.
    pub fn sort(&mut self, compare: impl Fn(u32, u32) -> Ordering) {
        let mut order: Vec<usize> = (0..self.len()).collect();
        let window = |at: usize| (self.starts[at], self.ends[at]);
        let same = |at: usize| (self.levels[at], self.revisions[at]);
        order.sort_by(|a, b| {
            let (a, b) = (*a, *b);
            let keys = || compare(self.keys[a], self.keys[b]);
            window(a).cmp(&window(b)).then_with(keys).then_with(|| same(a).cmp(&same(b)))
        });
        put_in_order(&mut self.starts, &order);
        put_in_order(&mut self.ends, &order);
        put_in_order(&mut self.keys, &order);
        put_in_order(&mut self.levels, &order);
        put_in_order(&mut self.revisions, &order);
        put_in_order(&mut self.silent, &order);
        put_in_order(&mut self.cells, &order);
        self.in_order = true;
    }

    /// The table, and how many integer sums were out of range.
    pub fn columns(
        self,
        spec: &Spec,
        plan: &Plan,
        keys: &Keys,
        kinds: &[Kind],
    ) -> Result<(RecordBatch, u64)> {
        let rows = self.len();
        let mut columns: Vec<(String, ArrayRef)> =
            spec.by.iter().cloned().zip(keys.columns(&self.keys)).collect();
        let times = |times: Vec<Timestamp>| -> ArrayRef {
            Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))
        };
        columns.push(("window_start".to_owned(), times(self.starts)));
        columns.push(("window_end".to_owned(), times(self.ends)));
        if !spec.rollup.is_empty() {
            columns.push(("level".to_owned(), Arc::new(Int64Array::from(self.levels))));
        }
        columns.push(("revision".to_owned(), Arc::new(Int64Array::from(self.revisions))));
        if spec.fill {
            columns.push(("silent".to_owned(), Arc::new(BooleanArray::from(self.silent))));
        }
        let (aggregates, overflows) = match self.numbers {
            Some(numbers) => (numbers.into_iter().map(|column| column.finish(None)).collect(), 0),
            None => plan.finish(&self.totals, &self.cells, kinds),
        };
        columns.extend(plan.aggregates().iter().map(|aggregate| aggregate.name.clone()).zip(aggregates));
        Ok((table(columns, rows)?, overflows))
    }
}

fn put_in_order<T: Copy>(column: &mut Vec<T>, order: &[usize]) {
    *column = order.iter().map(|at| column[*at]).collect();
}
