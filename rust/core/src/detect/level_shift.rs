//! A new level of a series of counts, as an event.
//!
//! Owns how long a level has to last unless somebody says otherwise, and the words. By which rule it is one is the
//! affair of [`crate::residual::level_shift`].

use super::judging::{Context, Place};
use super::reason::Short;
use crate::alarm::{self, EventKind, Judged, State};
use crate::duration::print;
use crate::residual::level_shift::{FEWEST, LevelShift, MOST};
use crate::time::Timestamp;

const DAY: i64 = 86_400_000_000_000;
/// How long a level of counts lasts until it is told, unless somebody says otherwise: a week, so that every day of it
/// has had its turn. Shorter ones tell of more that passes.
pub const ADOPT: i64 = 7 * DAY;
/// The shortest that may be asked for,
pub const SHORTEST: i64 = FEWEST as i64 * DAY;
/// and the longest.
pub const LONGEST: i64 = MOST as i64 * DAY;

/// How many days, or windows where these are longer, a level lasts.
pub fn days(adopt: i64, every: i64) -> usize {
    let length = every.max(DAY);
    // Rounded up; both are positive.
    let days = adopt / length + i64::from(adopt % length > 0);
    usize::try_from(days).unwrap_or(MOST).clamp(FEWEST, MOST)
}

impl Context<'_> {
    /// Tells of a level that was found at `time`: an event from its beginning until now, when it is adopted.
    #[cold]
    pub(super) fn adopted(&mut self, place: Place, time: Timestamp, shift: &LevelShift) {
        let LevelShift { since, observed, expected } = *shift;
        let measure = &self.settings.measures[place.measure].name;
        // Where nothing came before, nothing can be multiplied.
        let ratio = Some(observed / expected).filter(|ratio| ratio.is_finite());
        let reason = format!(
            "{measure} at {} a window for {} instead of {}{}: that is the level now",
            Short(observed),
            print(time.saturating_sub(since)),
            Short(expected),
            ratio.map(|ratio| format!(", {ratio:.2} times as many")).unwrap_or_default()
        );
        let judged = Judged {
            value: ratio,
            observed: Some(observed),
            expected: Some(expected),
            channel: "level shift",
            reason: &reason,
            ..Judged::default()
        };
        let name = self.name(place);
        let series = alarm::Series { id: place.series() as u32, name: &name };
        let rule = || format!("on one side of the four weeks before for {}", print(self.settings.adopt));
        self.records.events.raise(series, EventKind::LevelShift, since, &judged, rule);
        self.records.events.close(series.id, EventKind::LevelShift, time, State::Ok);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_or_windows() {
        let hour = DAY / 24;
        assert_eq!(days(ADOPT, hour), 7);
        assert_eq!(days(ADOPT, DAY), 7);
        assert_eq!(days(3 * DAY + 1, hour), 4);
        assert_eq!(days(LONGEST, 7 * DAY), 4);
        assert_eq!((days(ADOPT, 7 * DAY), days(1, 1), days(i64::MAX, 1)), (FEWEST, FEWEST, MOST));
    }
}
