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
use crate::residual::novelty::{self, Novelty, WARM_UP};
use crate::residual::return_period::{Peak, Peaks, Prior, severity};
use crate::snapshot;

/// The raw score that the histogram of peaks begins at.
const SMALLEST: f64 = 0.01;
/// Peaks a window beyond a value, in units of [`SMALLEST`]. Fitted on the first half of the files of the Numenta
/// Anomaly Benchmark by name (5-minute windows) and on all 51 street series of the accuracy figures (hourly), whose rates a window are
/// within a factor of 2.5 of each other: on both together, at 1, 2, 4, 8 and 16.
const PRIOR: Prior = Prior { level: -2.67, slope: 0.28, curve: 0.0 };
/// Windows of watching that the prior is worth.
const PRIOR_WINDOWS: f64 = 10_000.0;
/// Peaks fade over so many days; nor does the time that was watched count any longer.
const MEMORY_DAYS: f64 = 700.0;
/// The newest peak fades over so many hours.
const HOLD_HOURS: f64 = 40.0;

/// One series of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    profile: DayProfile,
    track: Track,
    novelty: Novelty,
    peaks: Peaks,
    /// Days of windows judged when the peaks last faded.
    #[serde(with = "snapshot::float")]
    faded: f64,
}

/// What judging leaves for learning.
#[derive(Debug)]
pub struct Judged {
    at: HourOfDay,
    departure: Departure,
    novelty: novelty::Judged,
    peak: Option<Peak>,
    fade: Option<f64>,
}

impl Metric {
    /// A series whose first point this is.
    pub fn new(point: &Point) -> Self {
        let mut track = Track::default();
        track.start(point.value);
        Self {
            profile: DayProfile::default(),
            track,
            novelty: Novelty::default(),
            peaks: Peaks::default(),
            faded: 0.0,
        }
    }

    /// Whether a restored series can be used.
    pub fn is_sound(&self) -> bool {
        self.peaks.is_sound()
    }

    /// Days of windows that were judged.
    fn watched(&self, every: f64) -> f64 {
        self.novelty.seen().saturating_sub(WARM_UP) as f64 * every / 86_400.0
    }
}

impl Metric {
    #[inline]
    fn weigh(&self, point: &Point, pace: &Pace) -> (Verdict, Judged) {
        let seen = self.novelty.seen();
        let at = HourOfDay::of(point.local);
        let usual = self.profile.expect(at);
        let forecast = self.track.forecast();
        let expected = forecast.map_or(usual, |(value, _)| value);
        // A window's mean hides its peaks: the one of the three that is farthest out is judged.
        let farther = |a: f64, b: f64| if (b - expected).abs() > (a - expected).abs() { b } else { a };
        let judged = farther(farther(point.value, point.extremes[0]), point.extremes[1]);
        let rate = novelty::rate(seen);
        let departure = self.track.depart(point.value, rate);
        let error = departure.error + (judged - point.value);
        let novelty = self.novelty.judge(judged, judged - usual, error);
        let mut verdict =
            Verdict { confidence: confidence(seen as f64 * pace.every / 86_400.0), ..Verdict::NONE };
        if seen > 0 {
            let band = forecast.map_or(f64::NAN, |(_, deviation)| BAND * deviation);
            verdict.expected = expected;
            (verdict.lower, verdict.upper) = (expected - band, expected + band);
        }
        let mut judged = Judged { at, departure, novelty, peak: None, fade: None };
        if seen < WARM_UP {
            return (verdict, judged);
        }
        verdict.score = novelty.score();
        verdict.severity = 0.0;
        let watched = self.watched(pace.every);
        if watched - self.faded >= 1.0 {
            judged.fade = Some(libm::exp(-(watched - self.faded) / MEMORY_DAYS));
        }
        let value = novelty.raw / SMALLEST;
        let hours = pace.every / 3600.0;
        judged.peak = self.peaks.judge(value, point.local, HOLD_HOURS, hours, judged.fade.unwrap_or(1.0));
        if let Some(peak) = &judged.peak {
            let prior_days = PRIOR_WINDOWS * pace.every / 86_400.0;
            let prior_peaks = PRIOR_WINDOWS * PRIOR.rate(value);
            let days = (watched.min(MEMORY_DAYS) + prior_days) / (peak.beyond + prior_peaks);
            verdict.days = days;
            verdict.severity = severity(days);
            verdict.channel = "novelty";
        }
        (verdict, judged)
    }
}

impl Model for Metric {
    type Judged = Judged;
    const HELD: bool = false;

    #[inline]
    fn judge(&mut self, point: &Point, pace: &mut Pace) -> (Verdict, Judged) {
        self.weigh(point, pace)
    }

    fn score(&self, point: &Point, pace: &mut Pace) -> Verdict {
        self.weigh(point, pace).0
    }

    #[inline]
    fn learn(&mut self, point: &Point, judged: &Judged, pace: &mut Pace) {
        if let Some(fade) = judged.fade {
            self.faded = self.watched(pace.every);
            self.peaks.fade(fade);
        }
        if let Some(peak) = &judged.peak {
            self.peaks.learn(judged.novelty.raw / SMALLEST, point.local, peak);
        }
        self.profile.learn(judged.at, point.value, novelty::rate(self.novelty.seen()));
        self.track.learn(point.value, &judged.departure);
        self.novelty.learn(&judged.novelty);
    }

    #[inline]
    fn is_lost(&self) -> bool {
        !self.track.is_finite()
    }

    fn wanted(&self, _every: f64) -> u64 {
        WARM_UP.saturating_sub(self.novelty.seen())
    }
}
