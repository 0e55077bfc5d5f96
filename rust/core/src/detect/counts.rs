//! `counts`: objects per window on a street, at a door, past a counter.
//!
//! Owns how the stages work together on one series of counts: the hour-of-week profile times a regression on the
//! recent past expects, six channels measure what came against it, each channel's own peaks say how rare that is.
//! The regression follows a new level by itself; once one has lasted it is told, against the profile, which hardly has.
//! The score is log10 of the longest weighted return period in days.

use serde::{Deserialize, Serialize};

use super::model::{BAND, Model, Pace, Point, Verdict, confidence};
use crate::arithmetic::{larger, lesser};
use crate::expect::recent::Outlook;
use crate::expect::spread::{Lesson, Width};
use crate::expect::{HourOfWeek, Level, Partial, PastHour, Place, Recent, Spread};
use crate::residual::channels::{Channels, Evidence, NAMES, Statistics};
use crate::residual::level_shift::{LevelShift, Levels, Window};
use crate::residual::records::{self, Finding, Records, Stage, WARM_UP, When};
use crate::residual::return_period::days;
use crate::snapshot;

const DAY: f64 = 86_400.0;
/// Innovations beyond so many deviations teach no more than these,
const CLIP: f64 = 3.0;
/// from this age in days on; before, the expectation is not worth trusting.
const TRUSTED: f64 = 3.0;
const CLIP_YOUNG: f64 = 20.0;
/// The first values are learned as they are.
const AS_IS: u64 = 30;
/// So many windows may be missing, and an hour besides, but no more than that, until what came before them is no recent
/// past any more.
const SHORT_GAP: f64 = 6.0;
const MOST_MISSING: f64 = 66.0;
/// Windows shorter than so many hours are judged by the hour as well.
const SHORT: f64 = 1.0;
/// No memory decays over more hours at once.
const LONGEST: f64 = 24.0;

/// One series of counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    level: Level,
    profile: HourOfWeek,
    spread: Spread,
    recent: Recent,
    past_hour: PastHour,
    channels: Channels,
    records: Records,
    levels: Levels,
    /// Local time of the first window and of the newest, in seconds.
    #[serde(with = "snapshot::float")]
    first: f64,
    #[serde(with = "snapshot::float")]
    newest: f64,
}

/// What was expected of a window.
#[derive(Debug, Clone)]
struct Forecast {
    place: Place,
    outlook: Outlook,
    /// The recent past up to this window, where windows before it are missing.
    recent: Option<Box<Recent>>,
    /// By the profile, and the spread around it.
    profile: f64,
    width: Width,
    /// The residual that the recent past leads to expect, in units of the spread.
    residual: f64,
    /// The whole forecast.
    mean: f64,
    /// Deviation of the innovation in units of the spread, and by how much a busy day widens it.
    innovation: f64,
    wider: f64,
}

impl Forecast {
    /// Of the value around the forecast, in the unit of the measure.
    #[inline(always)]
    fn deviation(&self) -> f64 {
        self.width.deviation * self.innovation * self.wider
    }
}

/// What judging leaves for learning.
#[derive(Debug)]
pub struct Judged {
    forecast: Forecast,
    /// Of windows shorter than an hour.
    past_hour: Option<PastHour>,
    statistics: Statistics,
    finding: Finding,
    when: When,
    /// The value of a whole window.
    value: f64,
    /// Distances from the profile and from the forecast, in units of the spread.
    standard: f64,
    error: f64,
}

impl Counts {
    /// A series whose first point this is.
    pub fn new(point: &Point, every: f64) -> Self {
        let mut level = Level::default();
        level.start(point.value / point.share);
        Self {
            level,
            profile: HourOfWeek::default(),
            spread: Spread::default(),
            recent: Recent::new(point.local),
            past_hour: PastHour::default(),
            channels: Channels::default(),
            records: Records::default(),
            levels: Levels::default(),
            first: point.local,
            newest: point.local - every,
        }
    }

    /// Whether a restored series can be used.
    pub fn is_sound(&self) -> bool {
        self.records.is_sound() && self.levels.is_sound()
    }

    #[inline(always)]
    fn when(&self, time: f64, every: f64) -> When {
        When {
            time,
            age: (time - self.first) / DAY,
            elapsed: (time - self.newest).max(1.0) / 3600.0,
            hours: every / 3600.0,
            seen: self.level.seen(),
        }
    }

    /// The recent past with so many windows more that didn't come.
    #[cold]
    fn across(&self, missing: u32, every: f64) -> Box<Recent> {
        Box::new(self.recent.across(missing, self.newest + every, every))
    }

    #[inline(always)]
    fn forecast(&self, when: &When, every: f64, holiday: bool) -> Forecast {
        let missing = (when.elapsed / when.hours + 0.5).floor() - 1.0;
        let gap = when.elapsed > SHORT_GAP * when.hours + 1.0 || missing > MOST_MISSING;
        let recent = (missing >= 1.0 && !gap).then(|| self.across(missing as u32, every));
        let place = Place::of(when.time, every, holiday);
        let level = self.level.mean();
        let profile = self.profile.expect(&place, level);
        let width = self.spread.around(profile, place.kind(), level, self.level.seen());
        let outlook = recent.as_deref().unwrap_or(&self.recent).outlook(when.time, gap);
        let mut residual = outlook.forecast;
        if profile + residual * width.deviation < 0.0 {
            residual = -profile / width.deviation;
        }
        let mean = (profile + residual * width.deviation).max(0.0);
        Forecast {
            innovation: self.spread.of_innovation(place.kind()),
            wider: width.wider(mean, profile),
            place,
            outlook,
            recent,
            profile,
            width,
            residual,
            mean,
        }
    }

    #[inline(always)]
    fn evidence(
        &self,
        forecast: &Forecast,
        value: f64,
        point: &Point,
        when: &When,
    ) -> (Evidence, Option<PastHour>, f64, f64) {
        let Forecast { profile, width, place, .. } = forecast;
        let around =
            [(*profile, width.deviation * self.spread.of_standard()), (forecast.mean, forecast.deviation())];
        let past_hour =
            (when.hours < SHORT).then(|| self.past_hour.with(value, around, when.elapsed.min(LONGEST)));
        let standard = (value - profile) / width.deviation;
        let error = standard - forecast.residual;
        let silent = point.value <= 0.0;
        let zero = || point.share * self.spread.surprise_of_zero(place.kind(), *profile, *width);
        let evidence = Evidence {
            from_profile: standard,
            from_forecast: error / forecast.innovation / forecast.wider,
            surprises: {
                // Not by `map`, which isn't compiled for wide vectors.
                let [(profile, wide), (mean, narrow)] = around;
                [Spread::surprise(value, profile, wide), Spread::surprise(value, mean, narrow)]
            },
            hour: past_hour.as_ref().map(PastHour::surprises),
            weight: profile / width.deviation,
            silence: silent.then(zero),
            at: forecast.outlook.hour(),
            hours: when.hours * point.share,
        };
        (evidence, past_hour, standard, error)
    }
}

impl Counts {
    #[inline(always)]
    fn weigh(&self, point: &Point, pace: &mut Pace) -> (Verdict, Judged) {
        let when = self.when(point.local, pace.every);
        let forecast = self.forecast(&when, pace.every, point.holiday);
        let (_, rates) = pace.rates(when.elapsed.min(LONGEST));
        let partial = Partial::of(point.share, forecast.mean, forecast.deviation());
        let value = partial.whole(point.value, forecast.mean);
        let (evidence, past_hour, standard, error) = self.evidence(&forecast, value, point, &when);
        let statistics = self.channels.measure(&evidence, rates);
        let finding = self.records.judge(&statistics.values, &when);
        let expected = partial.mean(forecast.mean);
        let band = BAND * partial.deviation(forecast.deviation());
        let mut verdict = Verdict {
            expected,
            lower: (expected - band).max(0.0),
            upper: expected + band,
            confidence: confidence(self.level.seen() as f64 * when.hours / 24.0),
            ..Verdict::NONE
        };
        if when.stage() != Stage::Mute {
            verdict.severity = 0.0;
        }
        if let Some(level) = finding.told {
            verdict.score = level;
            verdict.severity = records::severity(level);
            // The weights are in the score; what the knots were calibrated to is said.
            verdict.days = days(verdict.severity);
            verdict.channel = NAMES[finding.channel];
            verdict.change = match verdict.channel {
                "hour up" => past_hour.map_or(f64::NAN, |past_hour| past_hour.change()),
                _ => statistics.change(finding.channel),
            };
        }
        (verdict, Judged { forecast, past_hour, statistics, finding, when, value, standard, error })
    }
}

impl Model for Counts {
    type Judged = Judged;
    const HELD: bool = false;
    const COUNTS: bool = true;

    #[inline(always)]
    fn judge(&mut self, point: &Point, pace: &mut Pace) -> (Verdict, Judged) {
        self.weigh(point, pace)
    }

    fn score(&self, point: &Point, pace: &mut Pace) -> Verdict {
        self.weigh(point, pace).0
    }

    #[inline(always)]
    fn learn(&mut self, point: &Point, judged: &Judged, pace: &mut Pace) {
        let Judged { forecast, when, .. } = judged;
        let (rates, _) = pace.rates(when.elapsed.min(LONGEST));
        let seen = self.level.seen();
        self.channels.learn(&judged.statistics);
        if let Some(past_hour) = judged.past_hour {
            self.past_hour = past_hour;
        }
        self.records.learn(&judged.statistics, &judged.finding, when);
        // From the value as far as the forecast lets it count.
        let most = if when.age > TRUSTED { CLIP * forecast.innovation } else { CLIP_YOUNG };
        let error = lesser(larger(judged.error, -most), most);
        let residual = forecast.residual + error;
        let believed =
            if seen < AS_IS { judged.value } else { forecast.profile + residual * forecast.width.deviation };
        // A part of a window teaches as a shorter one would.
        let hours = when.hours * point.share;
        let lesson = Lesson {
            observed: point.value,
            expected: forecast.profile,
            learned: residual,
            standard: judged.standard,
            innovation: judged.error,
            innovation_learned: error,
            deviation: forecast.innovation,
            wider: forecast.wider,
        };
        self.spread.learn(forecast.place.kind(), &lesson, forecast.width, hours, seen);
        if let Some(recent) = &forecast.recent {
            self.recent.clone_from(recent);
        }
        self.recent.learn(&forecast.outlook, residual, error, rates, seen);
        self.profile.learn(&forecast.place, believed, hours);
        self.level.learn(believed, hours);
        self.newest = point.local;
    }

    #[inline(always)]
    fn lasting(&mut self, point: &Point, judged: &Judged, pace: &Pace) -> Option<LevelShift> {
        // Until then the profile is no ruler.
        if judged.when.stage() != Stage::Calibrated {
            return None;
        }
        let window = Window {
            day: (point.local / DAY).floor() as i64,
            time: point.time,
            observed: point.value,
            expected: judged.forecast.profile * point.share,
            a_day: pace.a_day,
        };
        self.levels.take(&window, pace.adopt)
    }

    #[inline(always)]
    fn is_lost(&self) -> bool {
        !(self.level.mean().is_finite() && self.spread.is_finite())
    }

    fn wanted(&self, every: f64) -> u64 {
        let missing = WARM_UP * DAY - (self.newest - self.first);
        if missing < 0.0 { 0 } else { (missing / every) as u64 + 1 }
    }
}
