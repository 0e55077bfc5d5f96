//! One pass over a batch of rows.
//!
//! Owns the blocks that a batch is gone through in, and where each row's series is looked up. A block whose rows are
//! all there and of one series goes through each step at once; any other goes row by row. What needs nothing of the
//! rows before (differences, means, roots, quotients) is always done a block at a time, by the processor's vectors.

use std::ops::Range;

use arrow_array::Array;
use arrow_buffer::NullBuffer;
use arrow_buffer::bit_chunk_iterator::BitChunks;

use super::output::Output;
use super::rejects::{Reason, Reject, Rejects};
use super::rmse::Remember;
use super::rows::Rows;
use super::scorer::{Stats, Track};
use super::series::{Kernel, Rule};
use super::severity::Severities;
use super::smooth::Average;
use crate::column::{Text, Values};
use crate::error::Result;
use crate::key::Keys;
use crate::time::Timestamp;

/// Rows a block: those that one word of a bitmap tells about.
const BLOCK: usize = 64;

/// Rows a step, of which a block has several.
const STEP: usize = 16;

/// What a block's rows come to; NaN stands for null.
pub struct Block {
    /// Observed less predicted.
    pub residual: [f64; BLOCK],
    /// The rolling mean; before the last step what it is made from.
    pub smoothed: [f64; BLOCK],
    /// The RMSE of the rows before; before the last step what it is made from.
    pub rmse: [f64; BLOCK],
    /// `smoothed / rmse`.
    pub score: [f64; BLOCK],
    /// How rarely the series' scores are so large, where that was asked for.
    pub severity: [f64; BLOCK],
}

impl Block {
    fn null() -> Self {
        let nulls = [f64::NAN; BLOCK];
        Self { residual: nulls, smoothed: nulls, rmse: nulls, score: nulls, severity: nulls }
    }

    /// The first step: the residuals. Tells whether all of them are there.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "compiled anew for each width of vectors")]
    fn begin(&mut self, observed: &[f64], predicted: &[f64]) -> bool {
        let mut missing = 0;
        for (residual, (observed, predicted)) in self.residual.iter_mut().zip(observed.iter().zip(predicted))
        {
            *residual = observed - predicted;
            missing += u64::from(residual.is_nan());
        }
        missing == 0
    }

    /// The last step of some rows.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "compiled anew for each width of vectors")]
    fn finish<R: Remember, A: Average>(&mut self, from: usize, kernel: &Kernel<R, A>) {
        let Self { smoothed, rmse, score, .. } = self;
        let rows = smoothed[from..].iter_mut().zip(&mut rmse[from..]).zip(&mut score[from..]).take(STEP);
        for ((smoothed, rmse), score) in rows {
            (*smoothed, *rmse, *score) = kernel.score(*smoothed, *rmse);
        }
    }
}

/// Where the series of a batch's rows are looked up.
enum Series {
    /// There is one.
    One(u32),
    /// By row.
    Ids(Vec<u32>),
    /// By dictionary code, as the codes turn up; [`UNSEEN`] before.
    Codes(Vec<u32>),
}

const UNSEEN: u32 = u32::MAX;

/// The rows of a block.
struct Turn<'a> {
    /// Those of the batch, and where the block begins among them.
    rows: &'a Rows,
    start: usize,
    /// Their series.
    ids: &'a [u32],
    /// One bit a row: whether its time and its numbers are there.
    present: u64,
}

/// The scorer's parts that a pass works on.
pub struct Pass<'a> {
    pub keys: &'a mut Keys,
    pub tracks: &'a mut Vec<Track>,
    pub stats: &'a mut Stats,
    pub rejects: &'a mut Rejects,
    pub severities: Option<&'a mut Severities>,
    pub rule: Rule,
}

impl Pass<'_> {
    /// Scores a batch whose key columns were admitted.
    pub fn run<R: Remember, A: Average>(
        &mut self,
        rows: &Rows,
        mut kernel: Kernel<R, A>,
        out: &mut Output,
    ) -> Result<()> {
        let mut series = self.series(rows)?;
        let present = NullBuffer::union(
            NullBuffer::union(rows.observed.nulls(), rows.predicted.nulls()).as_ref(),
            rows.times.nulls.as_ref(),
        );
        let chunks = present.as_ref().map(|present| present.inner().bit_chunks());
        let mut words = chunks.as_ref().map(BitChunks::iter_padded);
        let mut ids = [0; BLOCK];
        let mut block = Block::null();
        // The widest vectors that this processor has; the same bits, since nothing is contracted.
        let vectors = pulp::Arch::new();
        for start in (0..rows.len).step_by(BLOCK) {
            let of = start..rows.len.min(start + BLOCK);
            let len = of.len();
            let word = words.as_mut().and_then(Iterator::next).unwrap_or(u64::MAX);
            let ids = &mut ids[..len];
            let only = self.look_up(&mut series, rows, start, ids);
            if let Some(out) = &mut out.ids {
                out.extend_from_slice(ids);
            }
            let (observed, predicted) =
                (&rows.observed.values()[of.clone()], &rows.predicted.values()[of.clone()]);
            let there = vectors.dispatch(
                #[inline(always)]
                || block.begin(observed, predicted),
            );
            let times = &rows.times.values[of];
            let all = there && (present.is_none() || word.count_ones() as usize == len);
            let only = only.filter(|id| all && self.in_order(*id, times));
            let turn = Turn { rows, start, ids, present: word };
            // A few rows at a time: while the last step of these waits for roots and quotients, the processor is
            // already at the next ones' sums.
            for from in (0..len).step_by(STEP) {
                let part = from..len.min(from + STEP);
                match only {
                    Some(id) => self.at_once(id, times, part, &mut block, &mut kernel),
                    None if all => self.by_row::<false, _, _>(&turn, part, &mut block, &mut kernel),
                    None => self.by_row::<true, _, _>(&turn, part, &mut block, &mut kernel),
                }
                vectors.dispatch(
                    #[inline(always)]
                    || block.finish(from, &kernel),
                );
            }
            self.rate(ids, times, &mut block);
            out.push(&block, len);
        }
        Ok(())
    }

    /// The severities of a block's scores, if they were asked for.
    fn rate(&mut self, ids: &[u32], times: &[Timestamp], block: &mut Block) {
        let Some(severities) = &mut self.severities else { return };
        let scores = block.residual.iter().zip(&block.score).zip(&mut block.severity);
        for ((id, time), ((residual, score), severity)) in ids.iter().zip(times).zip(scores) {
            // Rejects and nulls have no residual; a residual may still be without a score.
            *severity = if residual.is_nan() { f64::NAN } else { severities.push(*id, *time, *score) };
        }
    }

    fn series(&mut self, rows: &Rows) -> Result<Series> {
        let series = match rows.by.as_slice() {
            [] => Series::One(self.keys.insert(&[])),
            [Values::Str(Text::Dictionary { nulls: None, values, .. })] if !values.is_empty() => {
                Series::Codes(vec![UNSEEN; values.len()])
            }
            columns => {
                let mut ids = Vec::new();
                self.keys.intern(columns, rows.len, &mut ids)?;
                Series::Ids(ids)
            }
        };
        self.grow();
        Ok(series)
    }

    fn grow(&mut self) {
        let rule = self.rule;
        self.tracks.resize_with(self.keys.len(), || Track::new(rule));
    }

    /// The series of a block's rows, and which one it is if it is one.
    #[inline]
    fn look_up(&mut self, series: &mut Series, rows: &Rows, start: usize, ids: &mut [u32]) -> Option<u32> {
        match series {
            Series::One(id) => {
                ids.fill(*id);
                return Some(*id);
            }
            Series::Ids(all) => ids.copy_from_slice(&all[start..start + ids.len()]),
            Series::Codes(of_code) => {
                let [Values::Str(Text::Dictionary { codes, .. })] = rows.by.as_slice() else { return None };
                let codes = &codes[start..start + ids.len()];
                for (id, code) in ids.iter_mut().zip(codes) {
                    *id = of_code[*code as usize];
                }
                if ids.contains(&UNSEEN) {
                    for (at, code) in codes.iter().enumerate() {
                        let id = &mut of_code[*code as usize];
                        if *id == UNSEEN {
                            *id = self.keys.intern_row_within(&rows.by, start + at, usize::MAX);
                        }
                        ids[at] = *id;
                    }
                    self.grow();
                }
            }
        }
        let first = *ids.first()?;
        let differ = ids.iter().fold(0, |differ, id| differ | (id ^ first));
        (differ == 0).then_some(first)
    }

    /// Whether no row of a series goes back in time.
    fn in_order(&self, id: u32, times: &[Timestamp]) -> bool {
        times.is_sorted() && times.first().is_none_or(|time| *time >= self.tracks[id as usize].newest)
    }

    /// Rows that are all there, of one series in order of time.
    #[inline(never)]
    fn at_once<R: Remember, A: Average>(
        &mut self,
        id: u32,
        times: &[Timestamp],
        part: Range<usize>,
        block: &mut Block,
        kernel: &mut Kernel<R, A>,
    ) {
        let track = &mut self.tracks[id as usize];
        let times = &times[part.clone()];
        track.newest = times.last().copied().unwrap_or(track.newest);
        let residuals = &block.residual[part.clone()];
        kernel.smooth.run(&mut track.series.smooth, times, residuals, &mut block.smoothed[part.clone()]);
        let squares = &mut block.rmse[part];
        if track.held {
            for (time, square) in times.iter().zip(squares) {
                *square = kernel.rmse.square(&mut track.series.rmse, *time);
            }
        } else {
            kernel.rmse.run(&mut track.series.rmse, times, residuals, squares);
        }
    }

    /// Rows of several series, or with nulls (`GAPS`), or that go back in time.
    #[inline(never)]
    fn by_row<const GAPS: bool, R: Remember, A: Average>(
        &mut self,
        turn: &Turn<'_>,
        part: Range<usize>,
        block: &mut Block,
        kernel: &mut Kernel<R, A>,
    ) {
        let Turn { rows, start, ids, present } = *turn;
        let Block { residual, smoothed, rmse, .. } = block;
        let into = residual[part.clone()].iter_mut().zip(&mut smoothed[part.clone()]);
        let into = into.zip(&mut rmse[part.clone()]);
        let of = ids[part.clone()].iter().zip(&rows.times.values[start..][part.clone()]);
        for (at, ((id, time), ((residual, pushed), square))) in part.zip(of.zip(into)) {
            let track = &mut self.tracks[*id as usize];
            let here = !GAPS || present >> at & 1 == 1;
            let fault = if here { None } else { rows.times.get(start + at).err().map(Reason::of_time) };
            if fault.is_some() || *time < track.newest {
                self.stats.rejected += 1;
                self.rejects.push(refused(rows, start + at, *id, fault));
                (*residual, *pushed, *square) = (f64::NAN, f64::NAN, f64::NAN);
                continue;
            }
            track.newest = *time;
            if GAPS && (!here || residual.is_nan()) {
                self.stats.nulls += 1;
                (*residual, *pushed, *square) = (f64::NAN, f64::NAN, f64::NAN);
                continue;
            }
            *pushed = kernel.smooth.push(&mut track.series.smooth, *time, *residual);
            *square = kernel.rmse.square(&mut track.series.rmse, *time);
            if !track.held {
                kernel.rmse.learn(&mut track.series.rmse, *time, *residual);
            }
        }
    }
}

/// A row of a batch that is not scored.
#[cold]
fn refused(rows: &Rows, row: usize, series: u32, fault: Option<Reason>) -> Reject {
    Reject {
        series,
        time: fault.is_none().then(|| rows.times.values[row]),
        observed: rows.observed.is_valid(row).then(|| rows.observed.value(row)),
        predicted: rows.predicted.is_valid(row).then(|| rows.predicted.value(row)),
        reason: fault.unwrap_or(Reason::TimeBackwards),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::column::{Scalar, floats};
    use crate::residual::rmse::Rmse;
    use crate::residual::scorer::ResidualScorer;
    use crate::residual::settings::{Column, Settings};
    use crate::residual::smooth::Smooth;
    use crate::times::Unit;

    type Row = (i64, String, f64, f64);

    /// Stretches of one series, longer and shorter than a block, and rows that take turns; some without a number, some
    /// infinite, some back in time.
    fn rows() -> Vec<Row> {
        (0..1_500_i64)
            .map(|at| {
                let key = if at % 500 < 230 { at / 500 } else { at % 3 };
                let observed = match at % 97 {
                    13 => f64::NAN,
                    61 if at > 900 => f64::INFINITY,
                    _ => (at * at % 31) as f64 / 7.0,
                };
                let time = if at % 211 == 210 { at - 50 } else { at };
                (time * 1_000_000_000, format!("m{key}"), observed, (at % 5) as f64 / 3.0)
            })
            .collect()
    }

    fn scorer(rmse: Rmse, smooth: Smooth) -> ResidualScorer {
        ResidualScorer::new(Settings {
            by: vec!["key".into()],
            time: "time".into(),
            unit: Unit::Nanosecond,
            observed: "observed".into(),
            predicted: "predicted".into(),
            rule: Rule { rmse, smooth },
            columns: Some(vec![Column::Score, Column::Severity]),
            every: Some(1_000_000_000),
        })
        .unwrap()
    }

    #[test]
    fn a_batch_is_its_rows_one_after_the_other() {
        let rows = rows();
        let columns: [(&str, ArrayRef); 4] = [
            ("time", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))),
            ("key", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1)))),
            ("observed", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2)))),
            ("predicted", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.3)))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        for rmse in [Rmse::Cumulative, Rmse::RollingRows(5), Rmse::EwmRows(9.0), Rmse::EwmTime(9_000_000_000)]
        {
            for smooth in [Smooth::Rows(1), Smooth::Rows(12), Smooth::Time(7_000_000_000)] {
                let (mut whole, mut single) = (scorer(rmse, smooth), scorer(rmse, smooth));
                // The second time, one series is in alarm.
                for held in [false, true] {
                    let later = i64::from(held) * 10_000_000_000_000;
                    let times = Int64Array::from_iter_values(rows.iter().map(|row| row.0 + later));
                    let mut columns = batch.columns().to_vec();
                    columns[0] = Arc::new(times);
                    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
                    for scorer in [&mut whole, &mut single] {
                        scorer.hold(&[Scalar::Str("m1".into())], held).unwrap();
                    }
                    let scores = whole.push(&[batch]).unwrap();
                    let scores = floats(scores.column(0), "score").unwrap();
                    for ((time, key, observed, predicted), score) in rows.iter().zip(&scores) {
                        let series = single.series_of(&[Scalar::Str(key.clone())]).unwrap();
                        let alone =
                            single.push_one(Ok(time + later), series, Some(*observed), Some(*predicted));
                        assert_eq!(score.map(f64::to_bits), alone.map(f64::to_bits), "{rmse:?} {smooth:?}");
                    }
                    assert_eq!(whole.stats(), single.stats());
                    assert_eq!(whole.snapshot().unwrap(), single.snapshot().unwrap());
                }
            }
        }
    }
}
