//! What an alarm tells: one event from the change into alarm to the change out of it.
//!
//! Owns an event's fields and its id. When events open and close is [`super::log`]'s affair.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray, TimestampNanosecondArray, UInt64Array};
use serde::{Deserialize, Serialize};

use super::rule::State;
use crate::time::Timestamp;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventKind {
    /// Values that the expectation doesn't explain.
    Anomaly,
    /// No data where there should be some.
    Silence,
    /// A new lasting level.
    LevelShift,
    /// A slow departure.
    Drift,
    /// Another regime.
    ChangePoint,
}

impl EventKind {
    /// The word that columns use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anomaly => "anomaly",
            Self::Silence => "silence",
            Self::LevelShift => "level_shift",
            Self::Drift => "drift",
            Self::ChangePoint => "change_point",
        }
    }
}

/// A series as events know it.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// The host's dense number of it.
    pub id: u32,
    /// What it is called wherever it is: key and measure, as bytes. Ids are made of it.
    pub name: &'a [u8],
}

/// A point with all that was known when it was judged; NaN counts as unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Judged<'a> {
    /// The score or severity that the alarm looked at.
    pub value: Option<f64>,
    /// What came.
    pub observed: Option<f64>,
    /// What was expected.
    pub expected: Option<f64>,
    /// The lower edge of the band.
    pub lower: Option<f64>,
    /// The upper edge of the band.
    pub upper: Option<f64>,
    /// How rare it is, 0 to 100.
    pub severity: Option<f64>,
    /// What spoke, in the detector's words.
    pub channel: &'a str,
    /// What kept it from the alarm, in the detector's words.
    pub lowered_by: &'a str,
    /// Why, in the detector's words.
    pub reason: &'a str,
}

/// One event. Figures of expectation are those at the peak.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The same for the same series, kind and start, wherever it is computed.
    pub id: String,
    /// The host's dense number of the series.
    pub series: u32,
    /// What happened.
    pub kind: EventKind,
    /// `Alarm` while it lasts, then what the series changed to.
    pub state: State,
    /// When the state changed to alarm.
    pub start: Timestamp,
    /// When it changed back; null while the event is open.
    pub end: Option<Timestamp>,
    /// The value farthest out, with its sign; null where nothing but missing points was seen.
    pub peak: Option<f64>,
    /// When that was.
    pub peak_time: Option<Timestamp>,
    /// Points in breach: those that opened it and those since.
    pub points: u64,
    /// The rule that fired.
    pub rule: String,
    /// What came.
    pub observed: Option<f64>,
    /// What was expected.
    pub expected: Option<f64>,
    /// The lower edge of the band.
    pub lower: Option<f64>,
    /// The upper edge of the band.
    pub upper: Option<f64>,
    /// How rare it is, 0 to 100.
    pub severity: Option<f64>,
    /// What spoke, in the detector's words.
    pub channel: String,
    /// What kept the point that ended it from the alarm, in the detector's words.
    pub lowered_by: String,
    /// Why, in the detector's words.
    pub reason: String,
}

impl Event {
    /// An event that opens at `start`, before it has seen its first point.
    pub(super) fn open(series: Series<'_>, kind: EventKind, start: Timestamp, rule: String) -> Self {
        Self {
            id: id(series.name, kind, start),
            series: series.id,
            kind,
            state: State::Alarm,
            start,
            end: None,
            peak: None,
            peak_time: None,
            points: 0,
            rule,
            observed: None,
            expected: None,
            lower: None,
            upper: None,
            severity: None,
            channel: String::new(),
            lowered_by: String::new(),
            reason: String::new(),
        }
    }

    /// Takes a point in; the first of the largest ones is the peak.
    pub(super) fn see(&mut self, time: Timestamp, judged: &Judged<'_>) {
        let known = |value: Option<f64>| value.filter(|value| !value.is_nan());
        let peaked =
            known(judged.value).filter(|value| self.peak.is_none_or(|peak| value.abs() > peak.abs()));
        if let Some(value) = peaked {
            self.peak = Some(value);
            self.peak_time = Some(time);
            self.observed = known(judged.observed);
            self.expected = known(judged.expected);
            self.lower = known(judged.lower);
            self.upper = known(judged.upper);
        }
        // One event is told as rare once, on its first rows: that stays, whichever row has the peak.
        let severity = known(judged.severity);
        if severity > self.severity {
            self.severity = severity;
        }
        // The sentence has the numbers of the peak; a silence says how long it lasts, which grows.
        let grown = self.kind == EventKind::Silence;
        if !judged.reason.is_empty() && (peaked.is_some() || grown || self.reason.is_empty()) {
            judged.reason.clone_into(&mut self.reason);
            judged.channel.clone_into(&mut self.channel);
        }
    }
}

/// Of the series' name, the kind and the start.
fn id(series: &[u8], kind: EventKind, start: Timestamp) -> String {
    crate::id::of(&[kind.name().as_bytes(), b":", &start.to_le_bytes(), series])
}

/// A column of words, null where there is none.
fn words<'a>(words: impl Iterator<Item = &'a String>) -> ArrayRef {
    Arc::new(words.map(|word| (!word.is_empty()).then_some(word.as_str())).collect::<StringArray>())
}

/// The columns of events, all but those that name the series: `id, kind, state, start, end, peak, peak_time,
/// points, rule, observed, expected, lower, upper, severity, channel, lowered_by, reason`.
pub fn columns(events: &[Event]) -> Vec<(&'static str, ArrayRef)> {
    let text = |of: fn(&Event) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(events.iter().map(of)))
    };
    let time = |of: fn(&Event) -> Option<Timestamp>| -> ArrayRef {
        Arc::new(events.iter().map(of).collect::<TimestampNanosecondArray>().with_timezone("UTC"))
    };
    let float = |of: fn(&Event) -> Option<f64>| -> ArrayRef {
        Arc::new(events.iter().map(of).collect::<Float64Array>())
    };
    vec![
        ("id", text(|event| &event.id)),
        ("kind", text(|event| event.kind.name())),
        ("state", text(|event| event.state.name())),
        ("start", time(|event| Some(event.start))),
        ("end", time(|event| event.end)),
        ("peak", float(|event| event.peak)),
        ("peak_time", time(|event| event.peak_time)),
        ("points", Arc::new(UInt64Array::from_iter_values(events.iter().map(|event| event.points)))),
        ("rule", text(|event| &event.rule)),
        ("observed", float(|event| event.observed)),
        ("expected", float(|event| event.expected)),
        ("lower", float(|event| event.lower)),
        ("upper", float(|event| event.upper)),
        ("severity", float(|event| event.severity)),
        ("channel", words(events.iter().map(|event| &event.channel))),
        ("lowered_by", words(events.iter().map(|event| &event.lowered_by))),
        ("reason", words(events.iter().map(|event| &event.reason))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_differ() {
        let made = id(b"camera-1/cars", EventKind::Anomaly, 1_625_011_204_000_000_000);
        assert_eq!(made, "7b0d30c7ad32304c");
        assert_ne!(made, id(b"camera-1/cars", EventKind::Silence, 1_625_011_204_000_000_000));
        assert_ne!(made, id(b"camera-2/cars", EventKind::Anomaly, 1_625_011_204_000_000_000));
        assert_ne!(made, id(b"camera-1/cars", EventKind::Anomaly, 1_625_011_204_000_000_001));
    }
}
