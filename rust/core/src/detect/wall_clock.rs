//! From instants to seconds of local wall time.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp as Instant};

use crate::error::{Error, Result};
use crate::time::Timestamp;

const SECOND: i64 = 1_000_000_000;

/// A clock on a wall.
#[derive(Debug, Clone)]
pub struct WallClock {
    zone: Option<TimeZone>,
    /// The instants for which the offset holds that was looked up last, and that offset in nanoseconds.
    holds: (Timestamp, Timestamp),
    ahead: i64,
}

impl WallClock {
    /// In a zone of the IANA database; without one in UTC.
    pub fn new(zone: Option<&str>) -> Result<Self> {
        let zone = zone.map(|name| {
            TimeZone::get(name).map_err(|_| {
                Error::config(format!(
                    "`zone` must be a name of the IANA database such as \"Europe/Berlin\", got {name:?}"
                ))
            })
        });
        Ok(Self { zone: zone.transpose()?, holds: (1, 0), ahead: 0 })
    }

    /// Seconds since the epoch that the wall shows at an instant.
    #[inline]
    pub fn seconds(&mut self, time: Timestamp) -> f64 {
        if self.zone.is_some() && !(self.holds.0..self.holds.1).contains(&time) {
            self.look_up(time);
        }
        let time = time.saturating_add(self.ahead);
        // Whole seconds apart from the rest: nanoseconds of today don't fit a float.
        time.div_euclid(SECOND) as f64 + time.rem_euclid(SECOND) as f64 / 1e9
    }

    /// Every instant of 64-bit nanoseconds lies well inside what jiff reaches.
    fn look_up(&mut self, time: Timestamp) {
        let Some(zone) = &self.zone else { return };
        let Ok(instant) = Instant::from_nanosecond(i128::from(time)) else { return };
        let nanoseconds = |instant: Instant| i64::try_from(instant.as_nanosecond()).ok();
        // `preceding` looks strictly before, so a transition at `time` itself is looked for from after.
        let after = instant.checked_add(SignedDuration::from_nanos(1)).unwrap_or(instant);
        let from = zone.preceding(after).next().and_then(|change| nanoseconds(change.timestamp()));
        let to = zone.following(instant).next().and_then(|change| nanoseconds(change.timestamp()));
        self.holds = (from.unwrap_or(Timestamp::MIN), to.unwrap_or(Timestamp::MAX));
        self.ahead = i64::from(zone.to_offset(instant).seconds()) * SECOND;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::from_text;

    #[test]
    fn summer_and_winter() {
        let mut berlin = WallClock::new(Some("Europe/Berlin")).unwrap();
        let mut shown = |text| {
            let time = from_text(text).unwrap();
            berlin.seconds(time) - (time / SECOND) as f64
        };
        assert_eq!(shown("2024-03-31T00:59:59Z"), 3600.0);
        assert_eq!(shown("2024-03-31T01:00:00Z"), 7200.0);
        assert_eq!(shown("2024-07-01T00:00:00Z"), 7200.0);
        assert_eq!(shown("2024-10-27T01:00:00Z"), 3600.0);
        assert!((WallClock::new(None).unwrap().seconds(-1) + 1e-9).abs() < 1e-12);
        assert!(berlin.seconds(i64::MIN) < berlin.seconds(i64::MAX));
    }
}
