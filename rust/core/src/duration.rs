//! Durations as people write them: `"5m"`, `"1h30m"`, `"-500ms"`. Inside, all are whole nanoseconds.

use crate::error::{Error, Result};

/// Unit names with their length in nanoseconds, largest first.
const UNITS: [(&str, i64); 8] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// Nanoseconds in a day.
pub const DAY: i64 = 86_400_000_000_000;
/// Nanoseconds in an hour.
pub const HOUR: i64 = 3_600_000_000_000;
/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;

/// Reads a duration in nanoseconds; `argument` is the name that errors carry.
///
/// ```
/// use windrow_core::duration::parse;
/// assert_eq!(parse("1h30m", "every").unwrap(), 5_400_000_000_000);
/// assert_eq!(parse("5mo", "every").unwrap_err().to_string(),
///     "unknown unit \"mo\" in `every`: use ns, us, ms, s, m, h, d or w");
/// ```
pub fn parse(text: &str, argument: &str) -> Result<i64> {
    let trimmed = text.trim();
    let (negative, mut rest) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let unreadable = || {
        Error::config(format!("`{argument}` must be a duration such as \"5m\" or \"1h30m\", got {text:?}"))
    };
    let overflow = || Error::config(format!("`{argument}` is longer than 292 years, got {text:?}"));
    if rest.is_empty() {
        return Err(unreadable());
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if digits == 0 {
            return Err(unreadable());
        }
        let number: i64 = rest[..digits].parse().map_err(|_| overflow())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = &rest[..letters];
        rest = rest[letters..].trim_start();
        if unit.is_empty() {
            return Err(if rest.is_empty() {
                Error::config(format!(
                    "`{argument}` needs a unit (ns, us, ms, s, m, h, d or w), got {text:?}"
                ))
            } else {
                unreadable()
            });
        }
        let Some((_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(Error::config(format!(
                "unknown unit {unit:?} in `{argument}`: use ns, us, ms, s, m, h, d or w"
            )));
        };
        total = number.checked_mul(*length).and_then(|part| total.checked_add(part)).ok_or_else(overflow)?;
    }
    Ok(if negative { -total } else { total })
}

/// Writes a duration so that [`parse`] reads the same one back: `"1h30m"`.
pub fn print(mut nanoseconds: i64) -> String {
    if nanoseconds == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    if nanoseconds < 0 {
        text.push('-');
    }
    // Negative remainders keep `i64::MIN` representable.
    if nanoseconds > 0 {
        nanoseconds = -nanoseconds;
    }
    // Weeks read worse than days ("2w1d"), so they are accepted but not written.
    for (name, length) in &UNITS[1..] {
        let count = nanoseconds / length;
        nanoseconds %= length;
        if count != 0 {
            text.push_str(&count.unsigned_abs().to_string());
            text.push_str(name);
        }
    }
    text
}

/// As [`parse`], for what must be longer than nothing.
pub fn parse_positive(text: &str, argument: &str) -> Result<i64> {
    match parse(text, argument)? {
        length if length > 0 => Ok(length),
        _ => Err(Error::config(format!("`{argument}` must be positive, got {text:?}"))),
    }
}

/// As [`parse`], for what can't be negative.
pub fn parse_non_negative(text: &str, argument: &str) -> Result<i64> {
    match parse(text, argument)? {
        length if length >= 0 => Ok(length),
        _ => Err(Error::config(format!("`{argument}` must not be negative, got {text:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for nanoseconds in [0, 1, -1, 999, 5_400_000_000_000, -60_000_000_000, i64::MAX, -i64::MAX] {
            assert_eq!(parse(&print(nanoseconds), "x").unwrap(), nanoseconds, "{}", print(nanoseconds));
        }
        assert_eq!(print(5_400_000_000_000), "1h30m");
        assert_eq!(parse("2w", "x").unwrap(), 14 * DAY);
    }

    #[test]
    fn mistakes_name_the_argument() {
        for (text, message) in [
            ("", "`every` must be a duration such as \"5m\" or \"1h30m\", got \"\""),
            ("m", "`every` must be a duration such as \"5m\" or \"1h30m\", got \"m\""),
            ("5", "`every` needs a unit (ns, us, ms, s, m, h, d or w), got \"5\""),
            ("5 minutes", "`every` must be a duration such as \"5m\" or \"1h30m\", got \"5 minutes\""),
            ("300y", "unknown unit \"y\" in `every`: use ns, us, ms, s, m, h, d or w"),
            ("999999d", "`every` is longer than 292 years, got \"999999d\""),
        ] {
            assert_eq!(parse(text, "every").unwrap_err().to_string(), message);
        }
        assert_eq!(
            parse_positive("-5m", "every").unwrap_err().to_string(),
            "`every` must be positive, got \"-5m\""
        );
    }
}
