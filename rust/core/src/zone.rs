//! Time zones: how far civil time is ahead of UTC, and when a civil time is.
//!
//! From the bundled IANA database, so that every machine has the same rules.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Instant};

use crate::error::{Error, Result};
use crate::time::Timestamp;

/// A zone, with the UTC offset that was looked up last.
#[derive(Debug, Clone)]
pub struct Zone {
    rules: TimeZone,
    /// The instants for which that offset holds.
    holds: (Timestamp, Timestamp),
    /// The offset in nanoseconds.
    ahead: i64,
}

impl Zone {
    /// The zone of that name.
    pub fn named(name: &str) -> Result<Self> {
        let rules = TimeZone::get(name).map_err(|_| {
            Error::config(format!(
                "`zone` must be a name of the IANA database such as \"Europe/Berlin\", got {name:?}"
            ))
        })?;
        Ok(Self { rules, holds: (1, 0), ahead: 0 })
    }

    /// Nanoseconds that civil time is ahead of UTC at an instant.
    #[inline]
    pub fn ahead(&mut self, time: Timestamp) -> i64 {
        if !(self.holds.0..self.holds.1).contains(&time) {
            self.look_up(time);
        }
        self.ahead
    }

    /// From when until when the offset holds that was asked for last.
    pub fn holds(&self) -> (Timestamp, Timestamp) {
        self.holds
    }

    /// Every instant of 64-bit nanoseconds lies well inside what the rules reach.
    fn look_up(&mut self, time: Timestamp) {
        let Ok(instant) = Instant::from_nanosecond(i128::from(time)) else { return };
        let nanoseconds = |instant: Instant| i64::try_from(instant.as_nanosecond()).ok();
        // `preceding` looks strictly before, so a transition at `time` itself is looked for from after.
        let after = instant.checked_add(SignedDuration::from_nanos(1)).unwrap_or(instant);
        let from = self.rules.preceding(after).next().and_then(|change| nanoseconds(change.timestamp()));
        let to = self.rules.following(instant).next().and_then(|change| nanoseconds(change.timestamp()));
        self.holds = (from.unwrap_or(Timestamp::MIN), to.unwrap_or(Timestamp::MAX));
        self.ahead = i64::from(self.rules.to_offset(instant).seconds()) * 1_000_000_000;
    }

    /// The instant of a civil time: so many days after 1970-01-01 plus `offset`. A civil time that a clock change
    /// skips stands for the instant of the change.
    pub fn instant(&self, days: i64, offset: i64) -> Option<Timestamp> {
        let civil: DateTime = jiff::civil::date(1970, 1, 1)
            .at(0, 0, 0, 0)
            .checked_add(SignedDuration::from_hours(days.checked_mul(24)?))
            .ok()?
            .checked_add(SignedDuration::from_nanos(offset))
            .ok()?;
        let ambiguous = self.rules.to_ambiguous_timestamp(civil);
        let instant = match ambiguous.offset() {
            jiff::tz::AmbiguousOffset::Gap { before, .. } => {
                // The first instant after the gap: where the clock stood when it jumped.
                let later = before.to_timestamp(civil).ok()?;
                self.rules
                    .preceding(later.checked_add(SignedDuration::from_nanos(1)).ok()?)
                    .next()?
                    .timestamp()
            }
            _ => ambiguous.compatible().ok()?,
        };
        i64::try_from(instant.as_nanosecond()).ok()
    }
}
