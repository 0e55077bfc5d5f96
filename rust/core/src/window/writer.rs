//! A producer's own lane, held open until it is closed or dropped.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::berth::{Berth, Session};
use super::engine::TumblingWindows;
use super::lane::Lane;
use super::messages::Messages;
use super::single::Row;
use crate::column::Scalar;
use crate::error::Result;
use crate::sync::{AtomicBool, Ordering};
use crate::time::Timestamp;

/// Writes to one lane. Its calls are those of [`TumblingWindows`], of that lane.
#[derive(Debug)]
pub struct Writer {
    windows: Arc<TumblingWindows>,
    berth: Arc<Berth<Lane>>,
    open: AtomicBool,
}

impl Writer {
    pub(super) fn new(windows: Arc<TumblingWindows>, berth: Arc<Berth<Lane>>) -> Self {
        Self { windows, berth, open: AtomicBool::new(true) }
    }

    /// The lane's name.
    pub fn name(&self) -> &str {
        &self.berth.name
    }

    /// The windows that it writes to.
    pub fn windows(&self) -> &TumblingWindows {
        &self.windows
    }

    /// Whether it can be written to.
    pub fn is_open(&self) -> bool {
        // Relaxed: asked once the lane is claimed, which orders it after a `close` that is through.
        self.open.load(Ordering::Relaxed)
    }

    #[inline]
    fn produce<T>(&self, work: impl FnOnce(&mut Session<'_, Lane>) -> Result<T>) -> Result<T> {
        self.windows.produce(&self.berth, || self.is_open(), work)
    }

    /// Reads rows. `now` brings the clock along.
    pub fn push(&self, batches: &[RecordBatch], now: Option<Timestamp>) -> Result<()> {
        self.windows.tick(now);
        self.produce(|lane| self.windows.read(lane, batches, now))
    }

    /// Reads one row; gives its series on this lane, unless it was rejected.
    #[inline]
    pub fn push_one(&self, row: Row<'_>) -> Result<Option<u32>> {
        self.produce(|lane| self.windows.read_one(lane, row))
    }

    /// Reads what messages held.
    pub fn push_messages(&self, messages: &Messages<'_>, now: Option<Timestamp>) -> Result<()> {
        self.windows.tick(now);
        self.produce(|lane| self.windows.read_messages(lane, messages, now))
    }

    /// A heartbeat of a source at an event time.
    pub fn alive(&self, source: Option<&Scalar>, time: Timestamp) -> Result<()> {
        self.produce(|lane| self.windows.sign(lane, source, time))
    }

    /// The lane holds nothing back any more; what it has open goes out as it is. Waits for a batch that is under way.
    pub fn close(&self) {
        if self.open.swap(false, Ordering::AcqRel) {
            self.windows.lanes.leave(&self.berth);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}
