//! What tracker messages held, in the order in which it came: rows, and the signs between them.

use arrow_array::RecordBatch;

use super::aggregate::Plan;
use super::handoff::Handoff;
use super::lane::Lane;
use super::renames::Rename;
use super::spec::Spec;
use crate::column::Scalar;
use crate::error::Result;
use crate::time::Timestamp;

/// What messages say between their rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Sign {
    /// A frame without objects: its source is alive (none where sources have no names), at that event time.
    Alive(Option<Scalar>, Timestamp),
    /// Two ids are one object.
    Renamed(Rename),
}

/// A block of messages, read.
#[derive(Debug)]
pub struct Messages<'a> {
    /// The columns that the windows want.
    pub rows: RecordBatch,
    /// In the order in which they came, each with the number of rows before it.
    pub signs: Vec<(usize, Sign)>,
    /// Reason and bytes of those that could not be read.
    pub rejects: Vec<(&'a str, &'a [u8])>,
    /// How many more there were before those.
    pub dropped: u64,
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
        let Messages { rows, signs, rejects, dropped } = messages;
        let latest = now.zip(spec.max_ahead).map_or(Timestamp::MAX, |(now, ahead)| now.saturating_add(ahead));
        // A push without rows checks the columns.
        deliver(self.push(spec, plan, &[rows.slice(0, 0)], now)?);
        let mut read = 0;
        for (row, sign) in signs {
            if *row > read {
                deliver(self.push(spec, plan, &[rows.slice(read, row - read)], now)?);
                read = *row;
            }
            // A clock that leaps is no sign of life, and a nameless camera is nobody's.
            match sign {
                Sign::Alive(source, time)
                    if *time <= latest && (source.is_some() || spec.source.is_none()) =>
                {
                    deliver(self.alive(spec, source.as_ref(), *time)?);
                }
                Sign::Renamed(rename) if rename.time <= latest => self.renames.add(rename),
                _ => {}
            }
        }
        if rows.num_rows() > read {
            deliver(self.push(spec, plan, &[rows.slice(read, rows.num_rows() - read)], now)?);
        }
        self.reject_unseen(*dropped);
        for (reason, message) in rejects {
            self.reject_message(reason, message);
        }
        Ok(())
    }
}
