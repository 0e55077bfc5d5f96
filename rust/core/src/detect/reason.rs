//! Why, in one plain sentence: `312 cars, expected 120 to 190 on a Tuesday at 08:00; as rare as once in 2 years`.
//!
//! Owns the words. The numbers are in the columns beside it; times are those of the wall that the detector has.

use std::fmt::Write as _;

use super::filters::Lowered;
use super::model::{Point, Verdict};
use crate::duration;

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const DAY: f64 = 86_400.0;
/// Sentences are seldom longer.
const USUAL: usize = 128;
/// Beyond so many days, how rare it is isn't told any more: severities end there.
const RAREST: f64 = 5.0 * 365.0;

/// A figure that a person reads: whole where it is large, three digits where it is small.
pub struct Short(pub f64);

impl std::fmt::Display for Short {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(value) = *self;
        let size = value.abs();
        if size >= 1e15 {
            write!(out, "{value:.2e}")
        } else if size >= 100.0 || value == value.round() {
            Whole(value).fmt(out)
        } else if size >= 1.0 {
            write!(out, "{value:.1}")
        } else {
            write!(out, "{value:.3}")
        }
    }
}

/// A figure of at most 18 digits without its fraction: as `{:.0}` has it, but for the minus before a zero; a whole number's
/// digits are found in a fraction of the time that a float's take.
struct Whole(f64);

impl std::fmt::Display for Whole {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (self.0.round_ties_even() as i64).fmt(out)
    }
}

/// One of what a plural names: `cars`, `buses`, `lorries`.
fn singular(plural: &str) -> Option<String> {
    let strip = |end: &str| plural.strip_suffix(end).filter(|stem| stem.len() > 1);
    if let Some(stem) = strip("ies") {
        return Some(format!("{stem}y"));
    }
    for end in ["ses", "xes", "ches", "shes"] {
        if strip(end).is_some() {
            return strip("es").map(str::to_owned);
        }
    }
    strip("s").filter(|stem| !stem.ends_with('s')).map(str::to_owned)
}

/// Whether a measure's name reads as what is counted.
fn is_plural(name: &str) -> bool {
    name.chars().all(char::is_alphabetic) && singular(name).is_some()
}

/// What is told of a value.
pub fn write(out: &mut String, measure: &str, counts: bool, every: f64, point: &Point, verdict: &Verdict) {
    let observed = point.value;
    out.reserve(USUAL);
    if !out.is_empty() {
        // What was said of the row before it was judged: that its model extrapolates.
        out.push_str("; ");
    }
    let _ = match singular(measure) {
        Some(one) if counts && is_plural(measure) && observed == 1.0 => write!(out, "1 {one}"),
        _ if counts && is_plural(measure) => write!(out, "{} {measure}", Short(observed)),
        _ => write!(out, "{measure} {}", Short(observed)),
    };
    if counts && point.share < 1.0 {
        let _ = write!(out, " in {:.0} % of the window", 100.0 * point.share);
    }
    let (mut lower, mut upper) = (verdict.lower, verdict.upper);
    let inside = observed >= lower && observed <= upper;
    if counts && lower.ceil() <= upper.floor() {
        // Things that are counted are whole.
        (lower, upper) = (lower.ceil(), upper.floor());
    }
    if lower.is_nan() || upper.is_nan() {
        if !verdict.expected.is_nan() {
            let _ = write!(out, ", expected {}", Short(verdict.expected));
        }
    } else if lower == upper {
        let _ = write!(out, ", expected {}", Short(lower));
    } else {
        let _ = write!(out, ", expected {} to {}", Short(lower), Short(upper));
    }
    when(out, every, point.local);
    if verdict.change.is_finite() {
        stretch(out, verdict.channel, verdict.change);
    } else if inside && !verdict.channel.is_empty() {
        // Inside its band a value is odd for what came around it, and the channel says what.
        let _ = write!(out, " ({})", verdict.channel);
    }
    rarity(out, verdict.days);
    if let Some(lowered) = verdict.lowered {
        out.push_str(match lowered {
            Lowered::Maintenance => "; no alarm: maintenance",
            Lowered::QuietHours => "; no alarm: quiet hours",
            Lowered::Direction => "; no alarm: the other direction",
            Lowered::Deviation | Lowered::RelativeDeviation => "; no alarm: too small a deviation",
            Lowered::Sensitivity => "; no alarm: sensitivity",
            Lowered::Feedback => "; no alarm: no anomaly by feedback",
        });
    }
}

/// How long nothing came, and when the last did: `no value for 3h, the last on a Tuesday at 08:00`.
pub fn silence(length: i64, unjudged: bool, every: f64, last: f64) -> String {
    let what = if unjudged { "nothing to judge" } else { "no value" };
    let mut out = format!("{what} for {}", duration::print(length));
    let mut day = String::new();
    when(&mut day, every, last);
    if !day.is_empty() {
        let _ = write!(out, ", the last{day}");
    }
    out
}

/// The day of the week, and the time of day where windows are shorter than a day.
pub fn when(out: &mut String, every: f64, local: f64) {
    if every >= 7.0 * DAY {
        return;
    }
    let day = (local / DAY).floor();
    // The first of January 1970 was a Thursday.
    let weekday = WEEKDAYS[(day + 3.0).rem_euclid(7.0) as usize % 7];
    let _ = write!(out, " on a {weekday}");
    if every < DAY {
        let second = ((local - day * DAY) as u32).min(86_399);
        let _ = write!(out, " at {:02}:{:02}", second / 3600, second / 60 % 60);
        if every < 60.0 {
            let _ = write!(out, ":{:02}", second % 60);
        }
    }
}

/// What a channel that looks at more than the window saw: `the day 34 % above usual`.
fn stretch(out: &mut String, channel: &str, change: f64) {
    let span = channel.trim_end_matches(" up").trim_end_matches(" down");
    let article = if span.starts_with(char::is_numeric) { "" } else { "the " };
    let _ = write!(out, "; {article}{span} ");
    let _ = if change >= 1.0 {
        write!(out, "{} times the usual", Short(((1.0 + change) * 10.0).round() / 10.0))
    } else {
        let way = if change < 0.0 { "below" } else { "above" };
        write!(out, "{} % {way} usual", Whole(change.abs() * 100.0))
    };
}

/// How often the like comes by chance.
fn rarity(out: &mut String, days: f64) {
    if days.is_nan() {
        return;
    }
    if days >= RAREST {
        out.push_str("; rarer than once in 5 years");
        return;
    }
    let (number, unit) = match days {
        days if days < 0.979 => (days * 24.0, "hour"),
        days if days < 27.5 => (days, "day"),
        days if days < 1.5 * 365.0 => (days / 30.4, "month"),
        days => (days / 365.0, "year"),
    };
    let _ = match number.round() {
        number if number > 1.0 => write!(out, "; as rare as once in {} {unit}s", Whole(number)),
        _ => write!(out, "; as rare as once {} {unit}", if unit == "hour" { "an" } else { "a" }),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(measure: &str, counts: bool, value: f64, change: impl FnOnce(&mut Verdict)) -> String {
        // The fifth of January 2021 at 08:00, a Tuesday.
        let local = 1_609_833_600.0;
        let point = Point {
            time: 0,
            local,
            holiday: false,
            value,
            extremes: [value; 2],
            predicted: f64::NAN,
            share: 1.0,
        };
        let mut verdict = Verdict {
            expected: 155.2,
            lower: 119.3,
            upper: 190.9,
            days: 730.0,
            channel: "spike up",
            ..Verdict::NONE
        };
        change(&mut verdict);
        let mut out = String::new();
        write(&mut out, measure, counts, 300.0, &point, &verdict);
        out
    }

    #[test]
    fn a_sentence_reads_well() {
        assert_eq!(
            told("cars", true, 312.0, |_| ()),
            "312 cars, expected 120 to 190 on a Tuesday at 08:00; as rare as once in 2 years"
        );
        assert_eq!(
            told("buses", true, 1.0, |verdict| (verdict.lower, verdict.upper) = (0.2, 0.7)),
            "1 bus, expected 0.200 to 0.700 on a Tuesday at 08:00; as rare as once in 2 years"
        );
        assert_eq!(
            told("speed_mean", false, 48.25, |verdict| verdict.days = 31.0),
            "speed_mean 48.2, expected 119 to 191 on a Tuesday at 08:00; as rare as once a month"
        );
        assert_eq!(
            told("entries", true, 150.0, |verdict| {
                (verdict.channel, verdict.days, verdict.change) = ("day up", 1e9, 0.337);
                verdict.lowered = Some(Lowered::QuietHours);
            }),
            "150 entries, expected 120 to 190 on a Tuesday at 08:00; the day 34 % above usual; \
             rarer than once in 5 years; no alarm: quiet hours"
        );
        assert_eq!(
            told("persons", true, 0.0, |verdict| (verdict.channel, verdict.lower) = ("silence", 0.0)),
            "0 persons, expected 0 to 190 on a Tuesday at 08:00 (silence); as rare as once in 2 years"
        );
        for (channel, change, said) in [
            ("hour up", 2.4449, "the hour 3.4 times the usual"),
            ("day down", -0.2, "the day 20 % below usual"),
            ("3 days up", 1.0, "3 days 2 times the usual"),
        ] {
            let told = told("cars", true, 150.0, |verdict| {
                (verdict.channel, verdict.change, verdict.days) = (channel, change, f64::NAN);
            });
            assert_eq!(told, format!("150 cars, expected 120 to 190 on a Tuesday at 08:00; {said}"));
        }
        assert_eq!(
            told("people", true, 0.0, |verdict| *verdict = Verdict::NONE),
            "people 0 on a Tuesday at 08:00"
        );
    }

    #[test]
    fn whole_figures_are_those_of_floats() {
        let sizes =
            (0_u32..2_000).map(|step| f64::from(step) * 0.25).chain([1e6 + 0.5, 123_456_789.5, 1e15 - 0.5]);
        for value in sizes.flat_map(|size| [size, -size]) {
            let text = format!("{value:.0}");
            assert_eq!(Whole(value).to_string(), if text == "-0" { "0" } else { text.as_str() }, "{value}");
        }
    }

    #[test]
    fn rarities_have_units() {
        let of = |days| {
            let mut out = String::new();
            rarity(&mut out, days);
            out.split("once ").last().unwrap_or_default().to_owned()
        };
        for (days, text) in [
            (0.0, "an hour"),
            (0.5, "in 12 hours"),
            (1.0, "a day"),
            (27.0, "in 27 days"),
            (30.0, "a month"),
            (364.0, "in 12 months"),
            (560.0, "in 2 years"),
        ] {
            assert_eq!(of(days), text, "{days}");
        }
    }

    #[test]
    fn silences_say_since_when() {
        let hours = 3_600_000_000_000;
        let tuesday = 1_609_833_600.0;
        assert_eq!(
            silence(5 * hours, false, 3600.0, tuesday),
            "no value for 5h, the last on a Tuesday at 08:00"
        );
        assert_eq!(
            silence(hours, true, 1.0, tuesday),
            "nothing to judge for 1h, the last on a Tuesday at 08:00:00"
        );
        assert_eq!(silence(24 * hours, false, 86_400.0, tuesday), "no value for 1d, the last on a Tuesday");
        assert_eq!(silence(336 * hours, false, 604_800.0, tuesday), "no value for 14d");
    }

    #[test]
    fn plurals_have_a_singular() {
        for (many, one) in [("cars", "car"), ("lorries", "lorry"), ("buses", "bus"), ("coaches", "coach")] {
            assert_eq!(singular(many).as_deref(), Some(one));
        }
        assert!(!is_plural("class") && !is_plural("n") && !is_plural("car_counts") && is_plural("persons"));
    }
}
