//! The rows of tables, each through its series, in order.
//!
//! Owns which rows a series gets to see, and the row of output that each of them has.

use super::choose::Queue;
use super::judging::{Context, Place, Purpose};
use super::model::{LARGEST, Verdict};
use super::one_series::Series;
use super::output::Output;
use super::rows::Rows;
use super::settings::Method;
use crate::expect::trained::Predictions;

/// What the rows of one call go through.
pub(super) struct EachRow<'a, 'b> {
    pub context: Context<'b>,
    pub series: &'a mut [Series],
    pub methods: &'a [Option<Method>],
    pub waiting: &'a mut Queue,
    pub output: &'a mut Output,
    pub purpose: Purpose,
}

impl EachRow<'_, '_> {
    /// Takes a table's rows, by the ids of their keys, with what a model predicts of them.
    pub fn of_table(&mut self, rows: &Rows, ids: &[u32], predictions: Option<&Predictions>) {
        // Compiled once more for wider vectors, which are taken where the processor has them: the same bits, since nothing
        // is contracted.
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (row, key) in ids.iter().enumerate() {
                    self.take(rows, row, *key, predictions);
                }
            },
        );
    }

    #[inline(always)]
    fn take(&mut self, rows: &Rows, row: usize, key: u32, predictions: Option<&Predictions>) {
        let Self { context, series, methods, waiting, output, purpose } = self;
        let (settings, purpose) = (context.settings, *purpose);
        let time = rows.times.get(row).ok();
        let revised = rows.is_revised(row);
        let silent = rows.is_silent(row);
        for (measure, columns) in rows.measures.iter().enumerate() {
            let mut input = columns.get(row);
            input.completeness = rows.completeness(row);
            if let (Some(model), Some(predictions)) = (&settings.model, predictions) {
                input.predicted = predictions.values[row];
                if let Some(mark) = predictions.mark(row).filter(|_| purpose == Purpose::Judge) {
                    model.tell(mark, &mut context.reason);
                }
            }
            let place = Place { key, measure, measures: rows.measures.len() };
            let series = &mut series[place.series()];
            let mut verdict = Verdict::NONE;
            let known = input.value.abs() <= LARGEST && !silent;
            match (time, methods[measure]) {
                (Some(time), Some(method)) if context.every > 0 && !revised => {
                    verdict = context.take(series, place, method, time, &input, silent, purpose);
                    if purpose == Purpose::Judge && settings.drift.is_some() {
                        let value = |at| rows.inputs.as_ref().map_or(f64::NAN, |all| all.get(at, row));
                        context.drift(series, place, time, &input, &verdict, value);
                    }
                }
                (Some(time), _) if known && !revised => waiting.push(key, measure, time, &input),
                _ => {}
            }
            if purpose == Purpose::Judge {
                if !context.reason.is_empty() {
                    std::mem::swap(&mut output.reason, &mut context.reason);
                }
                let unjudged = known && !revised && !settings.judges(&input);
                let state = if unjudged && time.is_some() {
                    "incomplete"
                } else {
                    series.state(context.every, settings)
                };
                output.push(key, time, input.value, &verdict, state);
            }
        }
    }
}
