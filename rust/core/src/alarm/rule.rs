//! CloudWatch's "M out of N" with its four ways to treat missing points.
//!
//! Owns the verdict on a list of points. Knows no threshold, no time and no series.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What an alarm says of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum State {
    /// Too little was seen to say anything; every series begins so.
    #[default]
    InsufficientData,
    /// Nothing is wrong.
    Ok,
    /// Something is.
    Alarm,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::InsufficientData, Self::Ok, Self::Alarm];

    /// The word that columns and callers use.
    pub fn name(self) -> &'static str {
        match self {
            Self::InsufficientData => "insufficient_data",
            Self::Ok => "ok",
            Self::Alarm => "alarm",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or_else(|| {
            Error::config(format!("`state` must be \"ok\", \"alarm\" or \"insufficient_data\", got {text:?}"))
        })
    }
}

/// How a missing point counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Missing {
    /// As no point; where all are missing, as a lack of data.
    #[default]
    Missing,
    /// As no point; in doubt the state stays what it was.
    Ignore,
    /// As a point in breach.
    Breaching,
    /// As a point that is not in breach.
    NotBreaching,
}

impl Missing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Ignore, Self::Breaching, Self::NotBreaching];

    /// The word that callers use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ignore => "ignore",
            Self::Breaching => "breaching",
            Self::NotBreaching => "not_breaching",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == text).ok_or_else(|| {
            Error::config(format!(
                "`missing` must be \"missing\", \"ignore\", \"breaching\" or \"not_breaching\", got {text:?}"
            ))
        })
    }
}

/// One point as the rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Point {
    /// Nothing came, or nothing that can be judged.
    Missing,
    /// Seen, and not in breach.
    Calm,
    /// In breach.
    Breach,
}

impl Point {
    /// Reads points written as in the documented table: `0` calm, `X` breach, `-` missing, newest right.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        text.chars()
            .map(|mark| match mark {
                '0' => Ok(Self::Calm),
                'X' | 'x' => Ok(Self::Breach),
                '-' => Ok(Self::Missing),
                other => Err(Error::config(format!(
                    "`points` must be written with \"0\" (calm), \"X\" (breach) and \"-\" (missing), got {other:?}"
                ))),
            })
            .collect()
    }
}

/// What the rule found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The state that follows.
    pub state: State,
    /// Real points in breach among those that were weighed.
    pub breaches: u32,
}

/// The rule on the points of the range, newest first: alarm when `m` of `n` are in breach.
///
/// `absent` is how many points of the range are missing without being listed: what lies before the first
/// point of a list that is shorter than the range. `before` is the state that "keep" keeps.
pub fn decide(
    newest_first: impl Iterator<Item = Point>,
    absent: u32,
    (m, n): (u32, u32),
    missing: Missing,
    before: State,
) -> Verdict {
    let (mut real, mut breaches, mut missed, mut age, mut oldest_breach) = (0, 0, absent, 0, 0);
    for point in newest_first {
        age += 1;
        match point {
            Point::Missing => missed += 1,
            Point::Calm => real += 1,
            Point::Breach => {
                real += 1;
                breaches += 1;
                oldest_breach = age;
            }
        }
        if real == n {
            break;
        }
    }
    let verdict = |alarm: bool| if alarm { State::Alarm } else { State::Ok };
    let state = if real == 0 {
        match missing {
            Missing::Missing => State::InsufficientData,
            Missing::Ignore => before,
            Missing::Breaching => State::Alarm,
            Missing::NotBreaching => State::Ok,
        }
    } else if real == n || breaches >= m {
        verdict(breaches >= m)
    } else {
        // A premature alarm: too few points, but all that there are breach, and have for long enough.
        let premature = breaches == real && oldest_breach >= m;
        match missing {
            Missing::Breaching => verdict(breaches + missed.min(n - real) >= m),
            Missing::Missing => verdict(premature),
            Missing::Ignore if premature => before,
            Missing::Ignore | Missing::NotBreaching => State::Ok,
        }
    };
    Verdict { state, breaches }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented table: range 5, N = 3; `K` keeps.
    const TABLE: [(&str, u32, &str); 10] = [
        ("0-X-X", 3, "OOOO"),
        ("0----", 3, "OOOO"),
        ("-----", 3, "IKAO"),
        ("0XX-X", 3, "AAAA"),
        ("--X--", 3, "AKAO"),
        ("0-X-X", 2, "AAAA"),
        ("00X0X", 2, "AAAA"),
        ("0-X--", 2, "OOAO"),
        ("----0", 2, "OOAO"),
        ("---X-", 2, "AKAO"),
    ];

    #[test]
    fn the_documented_table() {
        for (text, m, expected) in TABLE {
            let points = Point::parse_all(text).unwrap();
            for (missing, cell) in Missing::ALL.into_iter().zip(expected.chars()) {
                for before in State::ALL {
                    let verdict = decide(points.iter().rev().copied(), 0, (m, 3), missing, before);
                    let expected = match cell {
                        'O' => State::Ok,
                        'A' => State::Alarm,
                        'I' => State::InsufficientData,
                        _ => before,
                    };
                    assert_eq!(verdict.state, expected, "{text} M={m} {missing:?} {before:?}");
                }
            }
        }
    }

    #[test]
    fn enough_breaches_need_no_age() {
        // Two of three have breached: that is the alarm itself, not a premature one, so nothing is kept.
        let points = Point::parse_all("-XX--").unwrap();
        let verdict = decide(points.into_iter().rev(), 0, (2, 3), Missing::Ignore, State::Ok);
        assert_eq!(verdict, Verdict { state: State::Alarm, breaches: 2 });
    }

    #[test]
    fn what_was_never_expected_is_not_missing() {
        let first = || std::iter::once(Point::Calm);
        assert_eq!(decide(first(), 0, (2, 3), Missing::Breaching, State::Ok).state, State::Ok);
        assert_eq!(decide(first(), 4, (2, 3), Missing::Breaching, State::Ok).state, State::Alarm);
    }
}
