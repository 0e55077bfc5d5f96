//! How long a window is where nobody said: its own columns tell, else the steps between rows.
//!
//! Decided once by whoever asks, on the first rows, and then frozen.

use arrow_array::RecordBatch;

use crate::time::Timestamp;
use crate::times::{Times, Unit};

/// `window_end - window_start` of the first row that has both.
pub fn of_windows(batch: &RecordBatch) -> Option<i64> {
    let edge = |name: &str| Times::read(batch.column_by_name(name)?, Unit::Nanosecond, name).ok();
    let (start, end) = (edge("window_start")?, edge("window_end")?);
    (0..batch.num_rows()).find_map(|row| {
        let length = end.get(row).ok()?.checked_sub(start.get(row).ok()?)?;
        (length > 0).then_some(length)
    })
}

/// The median of the steps between each series' rows: the mean of the two in the middle where their number is even.
pub fn median_step(rows: impl Iterator<Item = (u32, Timestamp)>) -> Option<i64> {
    let mut newest: Vec<Option<Timestamp>> = Vec::new();
    let mut steps: Vec<i64> = Vec::with_capacity(rows.size_hint().0);
    // By itself, which chained iterators do faster than they are asked row by row.
    rows.for_each(|(key, time)| {
        let key = key as usize;
        if key >= newest.len() {
            newest.resize(key + 1, None);
        }
        if let Some(step) = newest[key].replace(time).and_then(|before| time.checked_sub(before))
            && step > 0
        {
            steps.push(step);
        }
    });
    steps.sort_unstable();
    let upper = *steps.get(steps.len() / 2)?;
    let lower = steps[(steps.len() - 1) / 2];
    Some(lower + (upper - lower) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_each_series() {
        let rows = [(0, 0), (1, 1), (0, 300), (1, 301), (0, 600), (1, 1501)];
        assert_eq!(median_step(rows.into_iter()), Some(300));
        assert_eq!(median_step([(0, 0), (1, 5)].into_iter()), None);
        assert_eq!(median_step([(0, 0), (0, 2), (0, 6)].into_iter()), Some(3));
        assert_eq!(median_step([(0, i64::MIN), (0, i64::MAX)].into_iter()), None);
    }
}
