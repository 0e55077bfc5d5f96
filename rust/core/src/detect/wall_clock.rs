//! From instants to seconds of local wall time, and which of its days are holidays.

use crate::error::Result;
use crate::time::{self, Timestamp};
use crate::zone::Zone;

/// A clock on a wall, a calendar beside it.
#[derive(Debug, Clone)]
pub struct WallClock<'a> {
    zone: Option<Zone>,
    /// Days since the epoch, in order.
    holidays: &'a [i32],
}

impl<'a> WallClock<'a> {
    /// In a zone of the IANA database; without one in UTC. `holidays` are days since the epoch, in order.
    pub fn new(zone: Option<&str>, holidays: &'a [i32]) -> Result<Self> {
        Ok(Self { zone: zone.map(Zone::named).transpose()?, holidays })
    }

    /// Whether these seconds of wall time lie in a holiday.
    #[inline(always)]
    pub fn is_holiday(&self, seconds: f64) -> bool {
        !self.holidays.is_empty()
            && self.holidays.binary_search(&((seconds / 86_400.0).floor() as i32)).is_ok()
    }

    /// Seconds since the epoch that the wall shows at an instant.
    #[inline(always)]
    pub fn seconds(&mut self, time: Timestamp) -> f64 {
        let ahead = self.zone.as_mut().map_or(0, |zone| zone.ahead(time));
        time::seconds(time.saturating_add(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::from_text;

    #[test]
    fn summer_and_winter() {
        let mut berlin = WallClock::new(Some("Europe/Berlin"), &[]).unwrap();
        let mut shown = |text| {
            let time = from_text(text).unwrap();
            berlin.seconds(time) - (time / 1_000_000_000) as f64
        };
        assert_eq!(shown("2024-03-31T00:59:59Z"), 3600.0);
        assert_eq!(shown("2024-03-31T01:00:00Z"), 7200.0);
        assert_eq!(shown("2024-07-01T00:00:00Z"), 7200.0);
        assert_eq!(shown("2024-10-27T01:00:00Z"), 3600.0);
        assert!((WallClock::new(None, &[]).unwrap().seconds(-1) + 1e-9).abs() < 1e-12);
        assert!(berlin.seconds(i64::MIN) < berlin.seconds(i64::MAX));
    }

    #[test]
    fn holidays_are_days_of_the_wall() {
        // New Year's Day 2024.
        let mut berlin = WallClock::new(Some("Europe/Berlin"), &[19_723]).unwrap();
        let mut is_holiday = |text| {
            let seconds = berlin.seconds(from_text(text).unwrap());
            berlin.is_holiday(seconds)
        };
        assert!(!is_holiday("2023-12-31T22:59:59Z"));
        assert!(is_holiday("2023-12-31T23:00:00Z"));
        assert!(is_holiday("2024-01-01T22:59:59Z"));
        assert!(!is_holiday("2024-01-01T23:00:00Z"));
    }
}
