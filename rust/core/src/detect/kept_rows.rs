//! The rows of a series since it is kept, in a few bytes each.
//!
//! Owns the code of a row. Rows in a row that differ in nothing but their number of things take a byte or two: times that
//! go on by the step of the row before, extremes and shares that say nothing and no prediction are marks, and marks that
//! stay the same are told once.

use serde::{Deserialize, Deserializer, Serialize};

use super::model::Point;
use crate::time::Timestamp;

/// Rows at most.
pub const ROWS: usize = 1_024;

/// Whether it may be learned, but for what people say,
const FREE: u8 = 1;
/// and was.
const LEARNED: u8 = 2;
const HOLIDAY: u8 = 4;
/// As long after the row before as that one after its own.
const STEADY: u8 = 8;
/// The value is a number of things.
const COUNT: u8 = 16;
/// The extremes are the value, nothing is predicted, and all of the window was observed.
const PLAIN: u8 = 32;

/// A row as it came.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub point: Point,
    /// Whether it may be learned, but for what people say.
    pub free: bool,
    /// Whether it was.
    pub learned: bool,
}

/// When a row came, and how long after the one before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Clock {
    time: Timestamp,
    local: f64,
    step: (i64, f64),
}

impl Clock {
    fn next(self, time: Timestamp, local: f64) -> Self {
        Self { time, local, step: (time.wrapping_sub(self.time), local - self.local) }
    }

    /// After as long again.
    fn steady(self) -> Self {
        Self { time: self.time.wrapping_add(self.step.0), local: self.local + self.step.1, step: self.step }
    }
}

/// The rows, oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct KeptRows {
    /// Marks, and how many rows in a row have them.
    runs: Vec<(u8, u16)>,
    /// What the marks leave open, row by row.
    bytes: Vec<u8>,
    #[serde(skip)]
    len: usize,
    #[serde(skip)]
    clock: Clock,
}

impl KeptRows {
    /// So many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds one.
    pub fn push(&mut self, row: &Row) {
        let Row { point, free, learned } = row;
        let Point { time, local, holiday, value, extremes, predicted, share } = *point;
        let Self { bytes, clock, .. } = self;
        let mut marks = 0;
        let mut mark = |holds: bool, bit: u8| {
            marks |= if holds { bit } else { 0 };
            holds
        };
        mark(*free, FREE);
        mark(*learned, LEARNED);
        mark(holiday, HOLIDAY);
        let steady = clock.steady();
        if mark(steady.time == time && steady.local.to_bits() == local.to_bits(), STEADY) {
            *clock = steady;
        } else {
            bytes.extend_from_slice(&time.to_le_bytes());
            bytes.extend_from_slice(&local.to_le_bytes());
            *clock = clock.next(time, local);
        }
        let count = value as u32;
        if mark(f64::from(count).to_bits() == value.to_bits(), COUNT) {
            write_count(bytes, count);
        } else {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        let alone = extremes.map(f64::to_bits) == [value.to_bits(); 2];
        if !mark(alone && predicted.is_nan() && share == 1.0, PLAIN) {
            let predicted = if predicted.is_nan() { f64::NAN } else { predicted };
            for number in [extremes[0], extremes[1], predicted, share] {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
        }
        match self.runs.last_mut() {
            Some((same, rows)) if *same == marks => *rows = rows.saturating_add(1),
            _ => self.runs.push((marks, 1)),
        }
        self.len += 1;
    }

    /// All of them; none where the bytes aren't those of rows.
    pub fn rows(&self) -> Option<Vec<Row>> {
        let (rows, _, left) = self.read()?;
        left.is_empty().then_some(rows)
    }

    fn read(&self) -> Option<(Vec<Row>, Clock, &[u8])> {
        let mut bytes = self.bytes.as_slice();
        let mut clock = Clock::default();
        let mut rows = Vec::new();
        for (marks, many) in &self.runs {
            if rows.len() + usize::from(*many) > ROWS {
                return None;
            }
            for _ in 0..*many {
                let is = |bit: u8| marks & bit != 0;
                clock = if is(STEADY) {
                    clock.steady()
                } else {
                    let time = i64::from_le_bytes(take(&mut bytes)?);
                    clock.next(time, number(&mut bytes)?)
                };
                let value = if is(COUNT) { f64::from(read_count(&mut bytes)?) } else { number(&mut bytes)? };
                let [low, high, predicted, share] = if is(PLAIN) {
                    [value, value, f64::NAN, 1.0]
                } else {
                    let mut numbers = [0.0; 4];
                    for one in &mut numbers {
                        *one = number(&mut bytes)?;
                    }
                    numbers
                };
                let Clock { time, local, .. } = clock;
                let extremes = [low, high];
                let point = Point { time, local, holiday: is(HOLIDAY), value, extremes, predicted, share };
                rows.push(Row { point, free: is(FREE), learned: is(LEARNED) });
            }
        }
        Some((rows, clock, bytes))
    }
}

impl<'de> Deserialize<'de> for KeptRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (runs, bytes) = Deserialize::deserialize(deserializer)?;
        let mut kept = Self { runs, bytes, ..Self::default() };
        let read =
            kept.read().filter(|(_, _, left)| left.is_empty()).map(|(rows, clock, _)| (rows.len(), clock));
        (kept.len, kept.clock) =
            read.ok_or_else(|| serde::de::Error::custom("these bytes are no rows of a series"))?;
        Ok(kept)
    }
}

impl FromIterator<Row> for KeptRows {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        let mut kept = Self::default();
        rows.into_iter().for_each(|row| kept.push(&row));
        kept
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

fn number(bytes: &mut &[u8]) -> Option<f64> {
    take(bytes).map(f64::from_le_bytes)
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn write_count(bytes: &mut Vec<u8>, mut count: u32) {
    while count >= 0x80 {
        bytes.push(count as u8 | 0x80);
        count >>= 7;
    }
    bytes.push(count as u8);
}

fn read_count(bytes: &mut &[u8]) -> Option<u32> {
    let mut count = 0_u64;
    for shift in (0..35).step_by(7) {
        let [byte] = take(bytes)?;
        count |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(count).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(time: i64, value: f64) -> Row {
        let local = time as f64 / 1e9;
        let (extremes, predicted) = ([value; 2], f64::NAN);
        let point = Point { time, local, holiday: false, value, extremes, predicted, share: 1.0 };
        Row { point, free: true, learned: true }
    }

    fn there_and_back(rows: &[Row]) -> usize {
        let kept: KeptRows = rows.iter().copied().collect();
        let bytes = postcard::to_stdvec(&kept).unwrap();
        let back: KeptRows = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(back, kept);
        assert_eq!(back.len(), rows.len());
        assert_eq!(format!("{:?}", back.rows().unwrap()), format!("{rows:?}"));
        for cut in 0..bytes.len() {
            assert!(postcard::from_bytes::<KeptRows>(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        bytes.len()
    }

    #[test]
    fn all_of_a_row_comes_back() {
        const HOUR: i64 = 3_600_000_000_000;
        let mut rows: Vec<Row> = (0..100).map(|at| row(at * HOUR, f64::from(at as u32 % 90))).collect();
        assert!(there_and_back(&rows) < 100 + 60);
        rows[3].point.share = 0.5;
        rows[4].point.predicted = 12.25;
        rows[5].point.extremes = [-1.0, 1e99];
        for (at, value) in
            (10..).zip([-0.0, 0.25, -3.0, 1e100, 127.0, 128.0, f64::from(u32::MAX), 4_294_967_296.0])
        {
            rows[at] = row(at as i64 * HOUR, value);
        }
        rows[30].point.local += 3600.0;
        rows[31].point.holiday = true;
        (rows[32].learned, rows[33].free) = (false, false);
        rows.drain(50..60);
        rows[60].point.time = i64::MIN;
        rows[61].point.time = i64::MAX;
        there_and_back(&rows);
        there_and_back(&[]);
    }

    #[test]
    fn too_many_rows_are_none() {
        let many = |rows: u16| {
            postcard::to_stdvec(&(vec![(FREE | STEADY | COUNT | PLAIN, rows)], vec![0_u8; usize::from(rows)]))
        };
        assert!(postcard::from_bytes::<KeptRows>(&many(1_024).unwrap()).is_ok());
        assert!(postcard::from_bytes::<KeptRows>(&many(1_025).unwrap()).is_err());
        assert!(read_count(&mut &[0xff; 5][..]).is_none());
    }
}
