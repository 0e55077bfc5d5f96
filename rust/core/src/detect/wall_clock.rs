//! From instants to seconds of local wall time.

use crate::error::Result;
use crate::time::{self, Timestamp};
use crate::zone::Zone;

/// A clock on a wall.
#[derive(Debug, Clone)]
pub struct WallClock {
    zone: Option<Zone>,
}

impl WallClock {
    /// In a zone of the IANA database; without one in UTC.
    pub fn new(zone: Option<&str>) -> Result<Self> {
        Ok(Self { zone: zone.map(Zone::named).transpose()? })
    }

    /// Seconds since the epoch that the wall shows at an instant.
    #[inline]
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
        let mut berlin = WallClock::new(Some("Europe/Berlin")).unwrap();
        let mut shown = |text| {
            let time = from_text(text).unwrap();
            berlin.seconds(time) - (time / 1_000_000_000) as f64
        };
        assert_eq!(shown("2024-03-31T00:59:59Z"), 3600.0);
        assert_eq!(shown("2024-03-31T01:00:00Z"), 7200.0);
        assert_eq!(shown("2024-07-01T00:00:00Z"), 7200.0);
        assert_eq!(shown("2024-10-27T01:00:00Z"), 3600.0);
        assert!((WallClock::new(None).unwrap().seconds(-1) + 1e-9).abs() < 1e-12);
        assert!(berlin.seconds(i64::MIN) < berlin.seconds(i64::MAX));
    }
}
