//! What `TumblingWindows` and `Writer` share: rows, messages and heartbeats for a lane, as Python passes them.

use arrow_array::RecordBatch;
use pyo3::prelude::*;
use windrow_core::column::Scalar;
use windrow_core::window::{Key, Messages, Row, TumblingWindows, Writer};

use crate::arguments::{bytes, shown};
use crate::arrow::read_table;
use crate::error::{OrRaise, data};
use crate::known_keys::KnownKeys;
use crate::numpy::scalar;
use crate::row;
use crate::time;

/// Rows of a batch from which it pays to let other threads run meanwhile.
const DETACH_FROM: usize = 4_096;

/// The default lane, or a writer's.
pub trait Lane: Sync {
    fn windows(&self) -> &TumblingWindows;
    fn push(&self, batches: &[RecordBatch], now: Option<i64>) -> windrow_core::Result<()>;
    fn push_one(&self, row: Row<'_>) -> windrow_core::Result<Option<u32>>;
    fn push_messages(&self, messages: &Messages<'_>, now: Option<i64>) -> windrow_core::Result<()>;
    fn alive(&self, source: Option<&Scalar>, time: i64) -> windrow_core::Result<()>;
}

macro_rules! lane {
    ($of:ty, $windows:expr) => {
        impl Lane for $of {
            fn windows(&self) -> &TumblingWindows {
                $windows(self)
            }
            fn push(&self, batches: &[RecordBatch], now: Option<i64>) -> windrow_core::Result<()> {
                <$of>::push(self, batches, now)
            }
            fn push_one(&self, row: Row<'_>) -> windrow_core::Result<Option<u32>> {
                <$of>::push_one(self, row)
            }
            fn push_messages(&self, messages: &Messages<'_>, now: Option<i64>) -> windrow_core::Result<()> {
                <$of>::push_messages(self, messages, now)
            }
            fn alive(&self, source: Option<&Scalar>, time: i64) -> windrow_core::Result<()> {
                <$of>::alive(self, source, time)
            }
        }
    };
}

lane!(TumblingWindows, std::convert::identity);
lane!(Writer, Writer::windows);

fn moment(lane: &impl Lane, now: Option<&Bound<'_, PyAny>>) -> PyResult<Option<i64>> {
    now.map(|now| time::time(now, lane.windows().spec().time_unit, "now")).transpose()
}

/// Rows of anything that is a table.
pub fn push(
    py: Python<'_>,
    lane: &impl Lane,
    batch: &Bound<'_, PyAny>,
    now: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    push_batches(py, lane, &read_table(batch)?, moment(lane, now)?)
}

/// Rows of an Arrow IPC stream.
pub fn push_ipc(
    py: Python<'_>,
    lane: &impl Lane,
    data: &Bound<'_, PyAny>,
    now: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    let batches = windrow_core::ipc::read(&bytes(data, "data")?).or_raise()?;
    push_batches(py, lane, &batches, moment(lane, now)?)
}

fn push_batches(py: Python<'_>, lane: &impl Lane, batches: &[RecordBatch], now: Option<i64>) -> PyResult<()> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows < DETACH_FROM {
        return lane.push(batches, now).or_raise();
    }
    py.detach(|| lane.push(batches, now)).or_raise()
}

/// One row. `known` has the key objects that came on this lane before.
#[inline]
pub fn push_one(
    lane: &impl Lane,
    known: &KnownKeys,
    time: &Bound<'_, PyAny>,
    key: &Bound<'_, PyAny>,
    values: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (spec, inputs) = (lane.windows().spec(), lane.windows().inputs());
    let time = if time.is_none() {
        Err(windrow_core::times::TIME_NULL)
    } else {
        Ok(time::time(time, spec.time_unit, "time")?)
    };
    let series = if spec.by.len() == 1 { known.get(key) } else { None };
    let Some(series) = series else { return push_new(lane, known, time, key, values) };
    row::with_values(values, inputs, |values| {
        lane.push_one(Row { time, key: Key::Known(series), values }).or_raise().map(drop)
    })
}

/// One row whose key did not come before, or not as this object.
#[cold]
fn push_new(
    lane: &impl Lane,
    known: &KnownKeys,
    time: Result<i64, &'static str>,
    key: &Bound<'_, PyAny>,
    values: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let (spec, inputs) = (lane.windows().spec(), lane.windows().inputs());
    let scalars = row::key(key, &spec.by)?;
    let values = row::values(values, inputs)?;
    let series = lane.push_one(Row { time, key: Key::Values(&scalars), values: &values }).or_raise()?;
    if spec.by.len() == 1
        && let Some(series) = series
    {
        known.insert(key, series);
    }
    Ok(())
}

/// A block of messages.
pub fn push_messages(
    py: Python<'_>,
    lane: &impl Lane,
    data: &Bound<'_, PyAny>,
    decoder: &Bound<'_, PyAny>,
    now: Option<&Bound<'_, PyAny>>,
    beside: Option<&Bound<'_, PyAny>>,
) -> PyResult<usize> {
    let now = moment(lane, now)?;
    let (spec, windows) = (lane.windows().spec(), lane.windows());
    let wanted: Vec<&String> = spec.by.iter().chain(&spec.source).chain(windows.inputs()).collect();
    let wanted: Vec<&String> = wanted.into_iter().filter(|name| **name != spec.time).collect();
    let (found, beside) = crate::decode::read_messages(py, data, decoder, &spec.time, &wanted, beside)?;
    let messages = Messages {
        rows: crate::decode::named_rows(&found, &spec.time, &windows.numeric_inputs())?,
        signs: crate::decode::signs(&found, beside.as_ref(), spec.source.as_deref()),
        rejects: found.rejects.iter().map(|reject| (reject.reason, reject.bytes.as_slice())).collect(),
        dropped: found.dropped,
    };
    if messages.rows.num_rows() < DETACH_FROM {
        lane.push_messages(&messages, now).or_raise()?;
    } else {
        py.detach(|| lane.push_messages(&messages, now)).or_raise()?;
    }
    Ok(found.messages)
}

/// A heartbeat.
pub fn alive(lane: &impl Lane, source: &Bound<'_, PyAny>, time: &Bound<'_, PyAny>) -> PyResult<()> {
    let spec = lane.windows().spec();
    let time = time::time(time, spec.time_unit, "time")?;
    let source = scalar(source).ok_or_else(|| {
        data(format!("`source` must be a number, a boolean or text, got {}", shown(source)))
    })?;
    let source = Some(source).filter(|source| *source != Scalar::Null || spec.source.is_some());
    lane.alive(source.as_ref(), time).or_raise()
}
