//! `novelty`: any metric that is no count: latency, temperature, occupancy, speed.
//!
//! Owns how the stages work together on one such series: a day profile and a regression on the last values expect,
//! [`Novelty`] says how unlike anything before a value is, and the series' own past scores say how rare that is.
//! The score runs from 0 to 100; 50 is the level that the benchmark's alarms were designed for.

use serde::{Deserialize, Serialize};

use super::model::{BAND, Model, Pace, Point, Verdict, confidence};
use crate::expect::day_profile::HourOfDay;
use crate::expect::track::Departure;
use crate::expect::{DayProfile, Track};
use crate::residual::novelty::{self, FIRST, Novelty, WARM_UP};
use crate::residual::rarity::{self, Calibration, Rarity, Worth};
use crate::residual::return_period::{LARGEST, Prior};

/// How rare a raw score is, in windows. Fitted on the first half of the files of the Numenta Anomaly Benchmark by name
/// (5-minute windows) and on all 51 street series of the accuracy figures (hourly), whose rates a window are within a
/// factor of 2.5 of each other: on both together, at 1, 2, 4, 8 and 16 times the smallest.
const RARITY: Calibration = Calibration {
    smallest: 0.01,
    prior: Prior { level: -2.67, slope: 0.28, curve: 0.0 },
    largest: f64::INFINITY,
    worth: Worth::Windows(10_000.0),
    by_hour: false,
};
/// The same of provisional scores: on the development half of the benchmark by its scorer and on the same streets, whose
/// rates are within a factor of 2 of each other up to 16. Beyond what a histogram of peaks tells apart the fall isn't
/// followed: the first move of a series that stood still until then has no bound, and isn't once in five years for that.
const RARITY_PROVISIONAL: Calibration =
    Calibration { prior: Prior { level: -1.55, slope: 0.245, curve: 0.0 }, largest: LARGEST, ..RARITY };

/// One series of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    profile: DayProfile,
    track: Track,
    novelty: Novelty,
    rarity: Rarity,
}

/// What judging leaves for learning.
#[derive(Debug)]
pub struct Judged {
    at: HourOfDay,
    departure: Departure,
    novelty: novelty::Judged,
    /// Once there are verdicts.
    rarity: Option<rarity::Judged>,
}

impl Metric {
    /// A series whose first point this is.
    pub fn new(point: &Point) -> Self {
        let mut track = Track::default();
        track.start(point.value);
        Self { profile: DayProfile::default(), track, novelty: Novelty::default(), rarity: Rarity::default() }
    }

    /// Whether a restored series can be used.
    pub fn is_sound(&self) -> bool {
        self.rarity.is_sound()
    }

    #[inline(always)]
    fn weigh(&self, point: &Point, pace: &Pace) -> (Verdict, Judged) {
        let seen = self.novelty.seen();
        let at = HourOfDay::of(point.local);
        let usual = self.profile.expect(at);
        let forecast = self.track.forecast();
        let expected = forecast.map_or(usual, |(value, _)| value);
        // A window's mean hides its peaks: the one of the three that is farthest out is judged.
        let farther = |a: f64, b: f64| if (b - expected).abs() > (a - expected).abs() { b } else { a };
        let judged = farther(farther(point.value, point.extremes[0]), point.extremes[1]);
        let share = self.novelty.share();
        let departure = self.track.depart(point.value, novelty::rate(share));
        let error = departure.error + (judged - point.value);
        let mut verdict =
            Verdict { confidence: confidence(seen as f64 * pace.every / 86_400.0), ..Verdict::NONE };
        if seen > 0 {
            let band = forecast.map_or(f64::NAN, |(_, deviation)| BAND * deviation);
            verdict.expected = expected;
            (verdict.lower, verdict.upper) = (expected - band, expected + band);
        }
        let novelty = self.novelty.judge(judged, judged - usual, error, share);
        let mut found = (verdict, Judged { at, departure, novelty, rarity: None });
        if seen >= FIRST {
            let (verdict, judged) = &mut found;
            verdict.score = judged.novelty.score();
            let calibration = if seen < WARM_UP { &RARITY_PROVISIONAL } else { &RARITY };
            let rarity = self.rarity.judge(judged.novelty.raw, point.local, pace.every, calibration);
            verdict.severity = rarity.severity;
            verdict.days = rarity.days;
            if !rarity.days.is_nan() {
                verdict.channel = "novelty";
            }
            judged.rarity = Some(rarity);
        }
        found
    }
}

impl Model for Metric {
    type Judged = Judged;
    const HELD: bool = false;

    #[inline(always)]
    fn judge(&mut self, point: &Point, pace: &mut Pace) -> (Verdict, Judged) {
        self.weigh(point, pace)
    }

    fn score(&self, point: &Point, pace: &mut Pace) -> Verdict {
        self.weigh(point, pace).0
    }

    #[inline(always)]
    fn learn(&mut self, point: &Point, judged: &Judged, pace: &mut Pace) {
        if let Some(rarity) = &judged.rarity {
            self.rarity.learn(rarity, point.local, pace.every);
        }
        self.profile.learn(judged.at, point.value, judged.novelty.rate);
        self.track.learn(point.value, &judged.departure);
        self.novelty.learn(&judged.novelty);
        if self.novelty.seen() == WARM_UP {
            self.rarity = Rarity::default();
        }
    }

    #[inline(always)]
    fn is_lost(&self) -> bool {
        !self.track.is_finite()
    }

    fn size(verdict: &Verdict) -> f64 {
        // The score ends at 100, what is behind it doesn't.
        verdict.score / (100.0 - verdict.score)
    }

    fn wanted(&self, _every: f64) -> u64 {
        FIRST.saturating_sub(self.novelty.seen())
    }
}
