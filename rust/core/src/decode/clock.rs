//! The time of a message: text, integers in a unit, or epoch seconds with a fraction.

use crate::times::{self, TIME_NULL, TIME_OUT_OF_RANGE, TIME_UNREADABLE, Unit};

use super::fields::Raw;

/// Nanoseconds since the epoch, or why there are none. Integers are in `unit`; a number with a fraction or an
/// exponent is epoch seconds, as in columns.
pub fn time(value: Raw<'_>, unit: Unit) -> Result<i64, &'static str> {
    match value {
        Raw::Absent | Raw::Null => Err(TIME_NULL),
        Raw::Text { inner, escaped: false } => from_text(inner),
        Raw::Text { inner, escaped: true } => from_text(&super::scan::unescape(inner)),
        Raw::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => digits
            .parse::<i64>()
            .ok()
            .and_then(|count| count.checked_mul(unit.nanoseconds()))
            .ok_or(TIME_OUT_OF_RANGE),
        Raw::Number(digits) => digits.parse().map_err(|_| TIME_UNREADABLE).and_then(times::from_seconds),
        Raw::Bool(_) | Raw::Nested(_) => Err(TIME_UNREADABLE),
    }
}

/// As [`times::from_text`], quicker for the one form that nearly all machines write:
/// `2018-09-12T17:20:38.026Z`, with up to nine digits of fraction or none.
pub fn from_text(text: &str) -> Result<i64, &'static str> {
    match plain(text.as_bytes()) {
        Some(time) => Ok(time),
        None => times::from_text(text),
    }
}

fn plain(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_first_chunk::<19>()?;
    if [date[4], date[7], date[10], date[13], date[16]] != *b"--T::" {
        return None;
    }
    let pair = |at: usize| two(date[at], date[at + 1]);
    let year = pair(0)? * 100 + pair(2)?;
    let (month, day) = (pair(5)?, pair(8)?);
    let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    // Years whose nanoseconds all fit into 64 bits; leap seconds and the rest are for the slow way.
    if !(1678..=2261).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=last).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let fraction = match rest {
        [b'Z'] => 0,
        [b'.', digits @ .., b'Z'] if (1..=9).contains(&digits.len()) => {
            let mut fraction = 0;
            for place in 0..9 {
                let digit = match digits.get(place) {
                    Some(digit @ b'0'..=b'9') => i64::from(digit - b'0'),
                    Some(_) => return None,
                    None => 0,
                };
                fraction = fraction * 10 + digit;
            }
            fraction
        }
        _ => return None,
    };
    let seconds = (days(year, month, day) * 24 + hour) * 3_600 + minute * 60 + second;
    Some(seconds * 1_000_000_000 + fraction)
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// Days from 1970-01-01 to a date after the year 0. Years are counted from March, so that the leap day is
/// the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    // 153 days in each five months from March on.
    let of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_way_is_the_slow_way() {
        let slow = |text: &str| times::from_text(text);
        for year in [1678, 1700, 1899, 1900, 1969, 1970, 1972, 2000, 2018, 2023, 2024, 2100, 2261] {
            for month in 0..=13 {
                for day in 0..=32 {
                    let text = format!("{year}-{month:02}-{day:02}T23:59:09.5Z");
                    assert_eq!(from_text(&text), slow(&text), "{text}");
                }
            }
        }
        for rest in ["Z", ".Z", ".1Z", ".123456789Z", ".1234567890Z", "+02:00", "", ".5", ".x5Z", "z", ",5Z"]
        {
            for clock in ["00:00:00", "23:59:59", "24:00:00", "12:60:00", "12:59:60", "1a:00:00", "12-00:00"]
            {
                for between in ["T", " ", "t", "_"] {
                    let text = format!("2018-09-12{between}{clock}{rest}");
                    assert_eq!(from_text(&text), slow(&text), "{text}");
                }
            }
        }
        for text in ["", "2018-09-12", "1677-01-01T00:00:00Z", "2262-12-01T00:00:00Z", "+018-09-12T00:00:00Z"]
        {
            assert_eq!(from_text(text), slow(text), "{text}");
        }
        assert!(plain(b"2018-09-12T17:20:38.026Z").is_some());
    }

    #[test]
    fn numbers_by_their_form() {
        let read = |digits| time(Raw::Number(digits), Unit::Millisecond);
        assert_eq!(read("1536772838026"), Ok(1_536_772_838_026_000_000));
        assert_eq!(read("-1"), Ok(-1_000_000));
        assert_eq!(read("1536772838.5"), Ok(1_536_772_838_500_000_000));
        assert_eq!(read("15367728380260000"), Err(TIME_OUT_OF_RANGE));
        assert_eq!(read("99999999999999999999"), Err(TIME_OUT_OF_RANGE));
        assert_eq!(read("NaN"), Err(TIME_UNREADABLE));
        assert_eq!(read("1e300"), Err(TIME_OUT_OF_RANGE));
        assert_eq!(time(Raw::Bool(true), Unit::Second), Err(TIME_UNREADABLE));
        assert_eq!(time(Raw::Absent, Unit::Second), Err(TIME_NULL));
    }
}
