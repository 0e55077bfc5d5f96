//! Sums over the newest rows, or over the newest stretch of time, without ever subtracting.
//!
//! Owns the two-part sum: the older part is kept as sums from each row to the part's end, the newer part as
//! one running sum. When the older part is used up, the newer one takes its place, summed up afresh. So each
//! row costs two additions, nothing cancels, and an infinity is gone with the row that brought it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::snapshot;
use crate::time::Timestamp;

/// Replaces values, newest first, by the sums from each to the newest.
fn sum_from_newest<'a>(newest_first: impl Iterator<Item = &'a mut f64>) {
    let mut sum = 0.0;
    for value in newest_first {
        sum += *value;
        *value = sum;
    }
}

/// The sum of the newest `rows` values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RowSum {
    /// Values before `next`, and from it on sums to the end; grows up to `rows`, values only till then.
    #[serde(with = "snapshot::floats")]
    ring: Vec<f64>,
    /// Where the next value goes once the ring is full; below the ring's length then, else 0.
    next: usize,
    /// The sum of the values before `next`, or of all while the ring grows.
    #[serde(with = "snapshot::float")]
    newer: f64,
}

impl RowSum {
    /// Values in the sum.
    #[inline]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// The sum; `rows` is the same at every call.
    #[inline]
    pub fn total(&self, rows: usize) -> f64 {
        if self.ring.len() == rows { self.newer + self.ring[self.next] } else { self.newer }
    }

    /// Takes in a value; beyond `rows`, the oldest one leaves.
    #[inline]
    pub fn push(&mut self, rows: usize, value: f64) {
        if self.ring.len() < rows {
            self.grow(rows, value);
            return;
        }
        self.ring[self.next] = value;
        self.newer += value;
        self.next += 1;
        if self.next == rows {
            self.wrap();
        }
    }

    /// Takes in values, and gives the sum after each; NaN until there are `rows`.
    pub fn run(&mut self, rows: usize, values: &[f64], sums: &mut [f64]) {
        let growing = (rows - self.ring.len()).min(values.len());
        let (first, values) = values.split_at(growing);
        let (early, mut sums) = sums.split_at_mut(growing);
        for (value, sum) in first.iter().zip(early) {
            self.grow(rows, *value);
            *sum = if self.ring.len() == rows { self.total(rows) } else { f64::NAN };
        }
        let mut values = values;
        while !values.is_empty() {
            // As far as the older part reaches, or the values do.
            let stretch = (rows - self.next).min(values.len());
            let (now, later) = values.split_at(stretch);
            let (out, rest) = sums.split_at_mut(stretch);
            let mut newer = self.newer;
            let ring = &mut self.ring[self.next..self.next + stretch];
            // The last of a stretch may wrap; before it, the sum is the newer part and what is left of the older one.
            for at in 0..stretch - 1 {
                ring[at] = now[at];
                newer += now[at];
                out[at] = newer + ring[at + 1];
            }
            self.next += stretch - 1;
            self.newer = newer;
            self.push(rows, now[stretch - 1]);
            out[stretch - 1] = self.total(rows);
            (values, sums) = (later, rest);
        }
    }

    #[cold]
    fn grow(&mut self, rows: usize, value: f64) {
        self.ring.push(value);
        self.newer += value;
        if self.ring.len() == rows {
            self.wrap();
        }
    }

    fn wrap(&mut self) {
        sum_from_newest(self.ring.iter_mut().rev());
        self.next = 0;
        self.newer = 0.0;
    }

    /// Whether restored parts fit together.
    pub fn fits(&self, rows: usize) -> bool {
        self.ring.len() <= rows && if self.ring.len() == rows { self.next < rows } else { self.next == 0 }
    }
}

/// The sum of the values of the newest stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredSpan", into = "StoredSpan")]
pub struct SpanSum {
    /// Times, and sums to the older part's end for the first `older` rows, values for the rest.
    rows: VecDeque<(Timestamp, f64)>,
    /// Never more than there are rows.
    older: usize,
    newer: f64,
}

#[derive(Serialize, Deserialize)]
struct StoredSpan {
    times: Vec<Timestamp>,
    #[serde(with = "snapshot::floats")]
    values: Vec<f64>,
    older: usize,
    #[serde(with = "snapshot::float")]
    newer: f64,
}

impl From<SpanSum> for StoredSpan {
    fn from(sum: SpanSum) -> Self {
        let (times, values) = sum.rows.into_iter().unzip();
        Self { times, values, older: sum.older, newer: sum.newer }
    }
}

impl TryFrom<StoredSpan> for SpanSum {
    type Error = &'static str;

    fn try_from(stored: StoredSpan) -> Result<Self, Self::Error> {
        if stored.times.len() != stored.values.len() || stored.older > stored.times.len() {
            return Err("the parts of a rolling sum don't fit together");
        }
        let rows = stored.times.into_iter().zip(stored.values).collect();
        Ok(Self { rows, older: stored.older, newer: stored.newer })
    }
}

impl SpanSum {
    /// Values in the sum.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The sum.
    pub fn total(&self) -> f64 {
        if self.older > 0 { self.newer + self.rows[0].1 } else { self.newer }
    }

    /// Lets go of what is not within `(now - span, now]`.
    pub fn forget(&mut self, now: Timestamp, span: i64) {
        // Before the first instant there is nothing to forget.
        let Some(end) = now.checked_sub(span) else { return };
        while self.rows.front().is_some_and(|(time, _)| *time <= end) {
            if self.older == 0 {
                sum_from_newest(self.rows.iter_mut().rev().map(|(_, value)| value));
                self.older = self.rows.len();
                self.newer = 0.0;
            }
            self.rows.pop_front();
            self.older -= 1;
        }
    }

    /// Takes in a value.
    pub fn push(&mut self, time: Timestamp, value: f64) {
        self.rows.push_back((time, value));
        self.newer += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_equal_the_plain_sum() {
        let values: Vec<f64> = (0..40).map(|i| f64::from(i * i % 17)).collect();
        for rows in 1..9 {
            let mut sum = RowSum::default();
            for (at, value) in values.iter().enumerate() {
                sum.push(rows, *value);
                let plain: f64 = values[(at + 1).saturating_sub(rows)..=at].iter().sum();
                assert_eq!((sum.total(rows), sum.fits(rows)), (plain, true), "{rows} rows at {at}");
            }
        }
    }

    #[test]
    fn many_at_once_are_one_after_the_other() {
        let values: Vec<f64> = (0..60).map(|i| f64::from(i * i % 17) / 3.0).collect();
        for rows in 1..9 {
            for step in 1..20 {
                let (mut run, mut single) = (RowSum::default(), RowSum::default());
                for part in values.chunks(step) {
                    let mut sums = vec![0.0; part.len()];
                    run.run(rows, part, &mut sums);
                    for (value, sum) in part.iter().zip(&sums) {
                        single.push(rows, *value);
                        let full = single.len() == rows;
                        assert!(if full { *sum == single.total(rows) } else { sum.is_nan() });
                    }
                    assert_eq!(run, single, "{rows} rows, {step} at once");
                }
            }
        }
    }

    #[test]
    fn an_infinity_leaves_with_its_row() {
        let mut sum = RowSum::default();
        let mut span = SpanSum::default();
        let mut seen = Vec::new();
        for (time, value) in
            [1.0, f64::INFINITY, 2.0, 3.0, f64::NEG_INFINITY, 4.0, 5.0].into_iter().enumerate()
        {
            let time = time as i64;
            sum.push(2, value);
            span.forget(time, 2);
            span.push(time, value);
            assert_eq!(sum.total(2), span.total());
            seen.push(sum.total(2));
        }
        assert_eq!(seen, [1.0, f64::INFINITY, f64::INFINITY, 5.0, f64::NEG_INFINITY, f64::NEG_INFINITY, 9.0]);
    }

    #[test]
    fn spans_are_open_at_the_old_end() {
        let mut span = SpanSum::default();
        for time in [0, 5, 10] {
            span.push(time, 1.0);
        }
        span.forget(10, 10);
        assert_eq!((span.len(), span.total()), (2, 2.0));
        span.forget(i64::MIN + 1, 10);
        assert_eq!(span.len(), 2);
        span.forget(i64::MAX, 10);
        assert_eq!((span.len(), span.total()), (0, 0.0));
    }
}
