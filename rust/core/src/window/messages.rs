//! What tracker messages held, in the order in which it came: rows, and the heartbeats between them.

use arrow_array::RecordBatch;

use super::aggregate::Plan;
use super::handoff::Handoff;
use super::lane::Lane;
use super::spec::Spec;
use crate::column::Scalar;
use crate::error::Result;
use crate::time::Timestamp;

/// A frame without objects: a sign of life.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    /// The number of rows that came before it.
    pub row: usize,
    /// Whose it is; none where sources have no names.
    pub source: Option<Scalar>,
    /// Its event time.
    pub time: Timestamp,
}

/// A block of messages, read.
#[derive(Debug)]
pub struct Messages<'a> {
    /// The columns that the windows want.
    pub rows: RecordBatch,
    /// In the order in which they came.
    pub heartbeats: Vec<Heartbeat>,
    /// Reason and bytes of those that could not be read.
    pub rejects: Vec<(&'a str, &'a [u8])>,
}

impl Lane {
    /// Reads what messages held; `deliver` gets what closes on the way.
    pub(super) fn push_messages(
        &mut self,
        spec: &Spec,
        plan: &Plan,
        messages: &Messages<'_>,
        now: Option<Timestamp>,
        mut deliver: impl FnMut(Handoff),
    ) -> Result<()> {
        let Messages { rows, heartbeats, rejects } = messages;
        let latest = now.zip(spec.max_ahead).map_or(Timestamp::MAX, |(now, ahead)| now.saturating_add(ahead));
        // A push without rows checks the columns.
        deliver(self.push(spec, plan, &[rows.slice(0, 0)], now)?);
        let mut read = 0;
        for Heartbeat { row, source, time } in heartbeats {
            if *row > read {
                deliver(self.push(spec, plan, &[rows.slice(read, row - read)], now)?);
                read = *row;
            }
            // A clock that leaps is no sign of life, and a nameless camera is nobody's.
            if *time <= latest && (source.is_some() || spec.source.is_none()) {
                deliver(self.alive(spec, source.as_ref(), *time)?);
            }
        }
        if rows.num_rows() > read {
            deliver(self.push(spec, plan, &[rows.slice(read, rows.num_rows() - read)], now)?);
        }
        for (reason, message) in rejects {
            self.reject_message(reason, message);
        }
        Ok(())
    }
}
