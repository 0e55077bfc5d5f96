//! `Alarm`: what a caller sets, checked once.
//!
//! Owns the limits and their names in errors, the classification of one value, and the rule's text.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::rule::{self, Missing, Point, State};
use crate::duration;
use crate::error::{Error, Result};

/// The longest range of points: a day of minutes. Longer stretches are what `lasting` is for.
pub const MAX_LOOK_BACK: u32 = 1_440;

/// Which side of zero breaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Direction {
    /// Either: the absolute value is looked at.
    #[default]
    Both,
    /// Above the threshold.
    Up,
    /// Below minus the threshold.
    Down,
}

impl Direction {
    /// The word that callers use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// 1 for up, -1 for down, 0 for both.
    pub fn sign(self) -> i8 {
        match self {
            Self::Both => 0,
            Self::Up => 1,
            Self::Down => -1,
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Result<Self> {
        [Self::Both, Self::Up, Self::Down].into_iter().find(|side| side.name() == text).ok_or_else(|| {
            Error::config(format!("`direction` must be \"both\", \"up\" or \"down\", got {text:?}"))
        })
    }
}

/// What a caller sets. Durations are nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// A score beyond this breaches. Exactly one of `threshold` and `severity` is set.
    pub threshold: Option<f64>,
    /// A severity of at least this (0 to 100) breaches.
    pub severity: Option<f64>,
    /// M: so many points in breach make an alarm.
    pub breaches: u32,
    /// N: of so many points.
    pub of: u32,
    /// How a missing point counts.
    pub missing: Missing,
    /// Which side of zero breaches; with a threshold only.
    pub direction: Direction,
    /// Once in alarm, points count as breaches until they are below this.
    pub clear_below: Option<f64>,
    /// An alarm opens only after being in breach the whole of this time.
    pub lasting: Option<i64>,
    /// R: among how many of the newest points N real ones are looked for; N + 2 by default.
    pub look_back: Option<u32>,
    /// A series without a row for so long has a missing point.
    pub period: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: None,
            severity: None,
            breaches: 1,
            of: 1,
            missing: Missing::Missing,
            direction: Direction::Both,
            clear_below: None,
            lasting: None,
            look_back: None,
            period: None,
        }
    }
}

/// A checked alarm: a value, without any series' state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct Alarm {
    settings: Settings,
    /// The threshold or the severity.
    limit: f64,
    look_back: u32,
}

impl From<Alarm> for Settings {
    fn from(alarm: Alarm) -> Self {
        alarm.settings
    }
}

impl TryFrom<Settings> for Alarm {
    type Error = Error;

    fn try_from(settings: Settings) -> Result<Self> {
        Self::new(settings)
    }
}

impl Alarm {
    /// Checks the settings.
    pub fn new(settings: Settings) -> Result<Self> {
        let limit = match (settings.threshold, settings.severity) {
            (Some(threshold), None) => {
                if !(threshold.is_finite() && threshold >= 0.0) {
                    return Err(Error::config(format!(
                        "`threshold` must be a finite number of at least 0, got {threshold}"
                    )));
                }
                threshold
            }
            (None, Some(severity)) => {
                if !(0.0..=100.0).contains(&severity) {
                    return Err(Error::config(format!(
                        "`severity` must be between 0 and 100, got {severity}"
                    )));
                }
                if settings.direction != Direction::Both {
                    return Err(Error::config(format!(
                        "`direction` must be \"both\" with `severity`, which has no sign, got {:?}",
                        settings.direction.name()
                    )));
                }
                severity
            }
            (Some(_), Some(_)) => {
                return Err(Error::config(
                    "exactly one of `threshold` and `severity` must be given, got both",
                ));
            }
            (None, None) => {
                return Err(Error::config(
                    "exactly one of `threshold` and `severity` must be given, got neither",
                ));
            }
        };
        let (m, n) = (settings.breaches, settings.of);
        if m == 0 {
            return Err(Error::config("`breaches` must be at least 1, got 0"));
        }
        if m > n {
            return Err(Error::config(format!("`breaches` must be at most `of` ({n}), got {m}")));
        }
        let look_back = match settings.look_back {
            Some(range) if range < n => {
                return Err(Error::config(format!("`look_back` must be at least `of` ({n}), got {range}")));
            }
            Some(range) if range > MAX_LOOK_BACK => {
                return Err(Error::config(format!(
                    "`look_back` must be at most {MAX_LOOK_BACK}, got {range}"
                )));
            }
            None if n > MAX_LOOK_BACK - 2 => {
                return Err(Error::config(format!("`of` must be at most {}, got {n}", MAX_LOOK_BACK - 2)));
            }
            range => range.unwrap_or(n + 2),
        };
        if let Some(clear) = settings.clear_below
            && !(clear.is_finite() && (0.0..=limit).contains(&clear))
        {
            let name = if settings.threshold.is_some() { "threshold" } else { "severity" };
            return Err(Error::config(format!(
                "`clear_below` must be between 0 and `{name}` ({limit}), got {clear}"
            )));
        }
        for (name, length) in [("lasting", settings.lasting), ("period", settings.period)] {
            if let Some(length) = length
                && length <= 0
            {
                return Err(Error::config(format!(
                    "`{name}` must be positive, got {:?}",
                    duration::print(length)
                )));
            }
        }
        Ok(Self { settings, limit, look_back })
    }

    /// The settings as they were given.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether severities are judged; else scores are.
    pub fn judges_severity(&self) -> bool {
        self.settings.severity.is_some()
    }

    /// R: the points of the range.
    pub fn look_back(&self) -> u32 {
        self.look_back
    }

    /// The same alarm with this period, where none was set: a host that knows its window length says so.
    #[must_use]
    pub fn with_default_period(mut self, period: i64) -> Self {
        if self.settings.period.is_none() && period > 0 {
            self.settings.period = Some(period);
        }
        self
    }

    /// The bare rule on a list of points, newest last: no threshold, no time. Only the newest `look_back`
    /// points are looked at; what a shorter list lacks is missing.
    pub fn evaluate(&self, points: &[Point], state: State) -> State {
        let range = &points[points.len().saturating_sub(self.look_back as usize)..];
        let absent = self.look_back - range.len() as u32;
        let m_of_n = (self.settings.breaches, self.settings.of);
        rule::decide(range.iter().rev().copied(), absent, m_of_n, self.settings.missing, state).state
    }

    /// What a value is to this alarm while the series is in `state`. Null and NaN are missing.
    #[inline(always)]
    pub fn classify(&self, value: Option<f64>, state: State) -> Point {
        let Some(value) = value.filter(|value| !value.is_nan()) else { return Point::Missing };
        let level = match self.settings.direction {
            _ if self.judges_severity() => value,
            Direction::Both => value.abs(),
            Direction::Up => value,
            Direction::Down => -value,
        };
        let breach = match self.settings.clear_below {
            Some(clear) if state == State::Alarm => level >= clear,
            // The highest severity there is has to be able to breach a limit of 100.
            _ if self.judges_severity() => level >= self.limit,
            _ => level > self.limit,
        };
        if breach { Point::Breach } else { Point::Calm }
    }

    /// The rule as an event shows it: `"3 of 5 above 3.0"`, `"1 of 1 of severity 50.0 or more for 3m"`.
    pub fn rule(&self) -> String {
        let Settings { breaches, of, direction, .. } = self.settings;
        let limit = self.limit;
        let mut text = match direction {
            _ if self.judges_severity() => format!("{breaches} of {of} of severity {limit:?} or more"),
            Direction::Both | Direction::Up => format!("{breaches} of {of} above {limit:?}"),
            Direction::Down => format!("{breaches} of {of} below {:?}", -limit),
        };
        if let Some(lasting) = self.settings.lasting {
            let _ = write!(text, " for {}", duration::print(lasting));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let base = || Settings { threshold: Some(3.0), ..Settings::default() };
        for (settings, message) in [
            (Settings::default(), "exactly one of `threshold` and `severity` must be given, got neither"),
            (
                Settings { severity: Some(50.0), ..base() },
                "exactly one of `threshold` and `severity` must be given, got both",
            ),
            (
                Settings { threshold: Some(f64::NAN), ..base() },
                "`threshold` must be a finite number of at least 0, got NaN",
            ),
            (
                Settings { threshold: None, severity: Some(101.0), ..base() },
                "`severity` must be between 0 and 100, got 101",
            ),
            (Settings { breaches: 0, ..base() }, "`breaches` must be at least 1, got 0"),
            (Settings { breaches: 4, of: 3, ..base() }, "`breaches` must be at most `of` (3), got 4"),
            (
                Settings { of: 3, look_back: Some(2), ..base() },
                "`look_back` must be at least `of` (3), got 2",
            ),
            (Settings { look_back: Some(9_999), ..base() }, "`look_back` must be at most 1440, got 9999"),
            (
                Settings { clear_below: Some(4.0), ..base() },
                "`clear_below` must be between 0 and `threshold` (3), got 4",
            ),
            (Settings { lasting: Some(-1), ..base() }, "`lasting` must be positive, got \"-1ns\""),
            (Settings { period: Some(0), ..base() }, "`period` must be positive, got \"0s\""),
        ] {
            assert_eq!(Alarm::new(settings).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn limits_and_sides() {
        let alarm = |direction| {
            Alarm::new(Settings { threshold: Some(3.0), direction, ..Settings::default() }).unwrap()
        };
        let point = |direction, value| alarm(direction).classify(Some(value), State::Ok);
        assert_eq!(point(Direction::Both, 3.0), Point::Calm);
        assert_eq!(point(Direction::Both, -3.5), Point::Breach);
        assert_eq!(point(Direction::Up, -3.5), Point::Calm);
        assert_eq!(point(Direction::Down, -3.5), Point::Breach);
        assert_eq!(point(Direction::Down, f64::INFINITY), Point::Calm);
        assert_eq!(point(Direction::Both, f64::NAN), Point::Missing);
        let alarm = Alarm::new(Settings { severity: Some(100.0), ..Settings::default() }).unwrap();
        assert_eq!(alarm.classify(Some(100.0), State::Ok), Point::Breach);
        assert_eq!(alarm.rule(), "1 of 1 of severity 100.0 or more");
    }

    #[test]
    fn a_stored_alarm_is_checked_again() {
        let broken = Settings { breaches: 9, threshold: Some(1.0), ..Settings::default() };
        let bytes = postcard::to_stdvec(&broken).unwrap();
        assert!(postcard::from_bytes::<Alarm>(&bytes).is_err());
    }
}
