//! Hours in which nobody wants an alarm: `"22:00-06:00"`, `"sat-sun"`, `"mon-fri 07:00-09:00"`.
//!
//! Owns how they are written and when they hold. Times are those of a wall; a stretch over midnight belongs to the
//! day on which it begins.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES: u16 = 24 * 60;

/// A stretch of the clock on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QuietHours {
    text: String,
    /// Monday first.
    days: [bool; 7],
    /// Minutes of the day; `to` is below `from` where it runs over midnight.
    from: u16,
    to: u16,
}

impl From<QuietHours> for String {
    fn from(hours: QuietHours) -> Self {
        hours.text
    }
}

impl TryFrom<String> for QuietHours {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60).then_some(hours * 60 + minutes).filter(|of_day| *of_day <= MINUTES)
}

fn hours(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    (from != to && from < MINUTES).then_some((from, to))
}

fn days(text: &str) -> Option<[bool; 7]> {
    let day = |name: &str| DAYS.iter().position(|day| name.eq_ignore_ascii_case(day));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        days[at] = true;
        while at != last {
            at = (at + 1) % 7;
            days[at] = true;
        }
    }
    Some(days)
}

impl QuietHours {
    /// Reads days, hours, or both.
    pub fn parse(text: &str) -> Result<Self> {
        let every_day = [true; 7];
        let parts: Vec<&str> = text.split_whitespace().collect();
        let read = match parts.as_slice() {
            [one] => hours(one)
                .map(|hours| (every_day, hours))
                .or_else(|| days(one).map(|days| (days, (0, MINUTES)))),
            [some, one] => days(some).zip(hours(one)),
            _ => None,
        };
        let Some((days, (from, to))) = read else {
            return Err(Error::config(format!(
                "`quiet_hours` must be hours such as \"22:00-06:00\", days such as \"sat-sun\" or both, got {text:?}"
            )));
        };
        Ok(Self { text: text.to_owned(), days, from, to })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether they hold at a time of the wall, in seconds.
    pub fn hold(&self, local: f64) -> bool {
        let day = (local / 86_400.0).floor();
        // The first of January 1970 was a Thursday.
        let today = (day + 3.0).rem_euclid(7.0) as usize % 7;
        let minute = (local - day * 86_400.0) / 60.0;
        let (from, to) = (f64::from(self.from), f64::from(self.to));
        if from < to {
            return self.days[today] && from <= minute && minute < to;
        }
        self.days[today] && from <= minute || self.days[(today + 6) % 7] && minute < to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: f64 = 4.0 * 86_400.0;

    #[test]
    fn they_hold_by_the_wall() {
        let hold = |text: &str, day: f64, hour: f64| {
            QuietHours::parse(text).unwrap().hold(MONDAY + day * 86_400.0 + hour * 3_600.0)
        };
        assert!(hold("22:00-06:00", 0.0, 23.5) && hold("22:00-06:00", 3.0, 5.9));
        assert!(!hold("22:00-06:00", 0.0, 6.0) && !hold("22:00-06:00", 0.0, 21.99));
        assert!(hold("Sat-Sun", 5.0, 0.0) && hold("sat,sun", 6.0, 23.9) && !hold("sat-sun", 7.0, 0.0));
        // Over midnight they belong to the day on which they begin.
        assert!(hold("fri 22:00-06:00", 4.0, 22.0) && hold("fri 22:00-06:00", 5.0, 5.0));
        assert!(!hold("fri 22:00-06:00", 4.0, 5.0) && !hold("fri 22:00-06:00", 5.0, 22.0));
        assert!(hold("fri-mon", -700.0, 0.0) && !hold("fri-mon", -699.0, 0.0));
        assert!(hold("mon 00:00-24:00", 0.0, 23.99) && !hold("mon 00:00-24:00", 1.0, 0.0));
    }

    #[test]
    fn what_is_none_is_named() {
        for text in ["", "22-06", "22:00", "6:00-7:00", "24:01-25:00", "01:00-01:00", "day", "mon-", "a b c"]
        {
            let message = QuietHours::parse(text).unwrap_err().to_string();
            assert!(message.ends_with(&format!("or both, got {text:?}")), "{message}");
        }
    }
}
