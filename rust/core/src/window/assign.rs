//! From a time to its window.

use crate::duration::{self, DAY};
use crate::error::{Error, Result};
use crate::time::{Timestamp, align};
use crate::zone::Zone;

/// A window: `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First instant.
    pub start: Timestamp,
    /// First instant after.
    pub end: Timestamp,
}

/// Aligns times to windows, in UTC or in civil time.
#[derive(Debug, Clone)]
pub struct Assigner {
    every: i64,
    offset: i64,
    zone: Option<Zone>,
}

impl Assigner {
    /// Windows of length `every`, shifted by `offset`.
    pub fn new(every: i64, offset: i64, zone: Option<&str>) -> Result<Self> {
        let zone = zone.map(Zone::named).transpose()?;
        if zone.is_some() && every > DAY && every % DAY != 0 {
            return Err(Error::config(format!(
                "`every` must be whole days when it is over a day and a `zone` is given, got \"{}\"",
                duration::print(every)
            )));
        }
        Ok(Self { every, offset, zone })
    }

    /// The window of a time; none where its start or end lies outside 64 bits.
    pub fn window(&mut self, time: Timestamp) -> Option<Window> {
        let Some(zone) = &mut self.zone else {
            let start = align(time, self.every, self.offset)?;
            return Some(Window { start, end: start.checked_add(self.every)? });
        };
        if self.every < DAY {
            // By the offset in force at `time`.
            let ahead = zone.ahead(time);
            let start = align(time.checked_add(ahead)?, self.every, self.offset)?.checked_sub(ahead)?;
            return Some(Window { start, end: start.checked_add(self.every)? });
        }
        let days = self.every / DAY;
        let local = time.checked_add(zone.ahead(time))?.checked_sub(self.offset)?;
        let mut first = align(local.div_euclid(DAY), days, 0)?;
        loop {
            let start = zone.instant(first, self.offset)?;
            let end = zone.instant(first + days, self.offset)?;
            // A clock change may put the instant on the other side of a border that its civil time is not on.
            if time < start {
                first -= days;
            } else if time >= end {
                first += days;
            } else {
                return Some(Window { start, end });
            }
        }
    }
}

impl Assigner {
    /// Times around the one assigned last that surely share its window: all of the window, but for windows under a day
    /// only as far as the same UTC offset is in force.
    pub fn sure(&self, window: Window) -> Window {
        match &self.zone {
            Some(zone) if self.every < DAY => {
                let (from, to) = zone.holds();
                Window { start: window.start.max(from), end: window.end.min(to) }
            }
            _ => window,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::HOUR;
    use crate::times::from_text;
    use jiff::Timestamp as Instant;

    fn hours(zone: &str, every: i64, time: &str) -> (String, i64) {
        let window = Assigner::new(every, 0, Some(zone)).unwrap().window(from_text(time).unwrap()).unwrap();
        (
            Instant::from_nanosecond(window.start.into()).unwrap().to_string(),
            (window.end - window.start) / HOUR,
        )
    }

    #[test]
    fn days_follow_the_calendar() {
        let day = |zone, time| hours(zone, DAY, time);
        assert_eq!(day("Europe/Berlin", "2024-03-31T12:00:00Z"), ("2024-03-30T23:00:00Z".into(), 23));
        assert_eq!(day("Europe/Berlin", "2024-10-27T12:00:00Z"), ("2024-10-26T22:00:00Z".into(), 25));
        // Midnight itself is skipped: the day starts at one o'clock.
        assert_eq!(day("America/Sao_Paulo", "2018-11-04T12:00:00Z"), ("2018-11-04T03:00:00Z".into(), 23));
        // A whole day is skipped.
        assert_eq!(day("Pacific/Apia", "2011-12-30T09:00:00Z"), ("2011-12-29T10:00:00Z".into(), 24));
        assert_eq!(day("Pacific/Apia", "2011-12-30T10:00:00Z"), ("2011-12-30T10:00:00Z".into(), 24));
    }

    #[test]
    fn hours_follow_the_offset() {
        assert_eq!(hours("Asia/Kolkata", HOUR, "2026-01-01T00:00:00Z"), ("2025-12-31T23:30:00Z".into(), 1));
    }

    #[test]
    fn every_time_lies_in_its_window() {
        for zone in
            ["Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Asia/Kolkata", "Australia/Lord_Howe"]
        {
            for every in [HOUR, 6 * HOUR, DAY, 7 * DAY] {
                let mut assigner = Assigner::new(every, 0, Some(zone)).unwrap();
                for step in 0..20_000_i64 {
                    let time = 1_290_000_000_000_000_000 + step * 5_003_000_000_000;
                    let window = assigner.window(time).unwrap();
                    assert!(window.start <= time && time < window.end, "{zone} {every} {time}");
                }
            }
        }
    }

    #[test]
    fn what_lies_outside_64_bits_has_no_window() {
        assert_eq!(Assigner::new(HOUR, 0, None).unwrap().window(i64::MAX), None);
        assert_eq!(Assigner::new(DAY, 0, Some("Europe/Berlin")).unwrap().window(i64::MIN), None);
    }
}
