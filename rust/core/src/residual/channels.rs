//! Ten statistics of a count against its expectation, each made for one kind of trouble.
//!
//! Owns what each channel measures and the short memory it takes. How rare a value is, is the affair of
//! [`super::records`]; what was expected comes in as [`Evidence`].

use serde::{Deserialize, Serialize};

use crate::snapshot;

/// How many there are.
pub const CHANNELS: usize = 10;
/// Their names, as reasons show them. The first eight are pairs of up and down.
pub const NAMES: [&str; CHANNELS] = [
    "spike up",
    "spike down",
    "3 points up",
    "3 points down",
    "day up",
    "day down",
    "3 days up",
    "3 days down",
    "silence",
    "wrong kind of day",
];

/// Memories of the level, in hours: a day, three days, and the longer one that three days are set against.
const LEVELS: [f64; 3] = [34.0, 72.0, 400.0];
/// Evidence that a level needs to count half.
const LEVEL_SHRINK: f64 = 2.0;
/// What share of the long level is usual by now.
const LONG_SHARE: f64 = 0.6;
/// Memory of the evidence for the other kind of day, and of turbulence, in hours.
const DAY_KIND: f64 = 6.0;
const TURBULENCE: f64 = 12.0;
/// How much turbulence takes away.
const TURBULENCE_WEIGHT: f64 = 2.5;
/// Memory of the day kind's own mean and spread, in days.
const DAY_KIND_DAYS: f64 = 60.0;
/// One window's distance counts no further.
const CLIP: f64 = 8.0;

/// What one window showed.
#[derive(Debug, Clone, Copy)]
pub struct Evidence {
    /// Distance from the profile, in units of the spread around it.
    pub from_profile: f64,
    /// That distance's own deviation over the whole series.
    pub profile_deviation: f64,
    /// Distance from the forecast, in units of the forecast's own spread.
    pub from_forecast: f64,
    /// Expectation in units of the spread: how much one window says of the level.
    pub weight: f64,
    /// The distances from the profile of the two windows before, as learned; zeros after a gap.
    pub before: [f64; 2],
    /// How improbable it is that nothing came (-ln), where nothing came.
    pub silence: Option<f64>,
    /// How much better the other kind of day explains the value (log likelihood).
    pub other_day: f64,
    /// The hour of the day, below 24.
    pub hour_of_day: usize,
    /// Whether windows are missing just before this one.
    pub gap: bool,
    /// Length of the window in hours.
    pub hours: f64,
    /// Windows seen before.
    pub seen: u64,
}

/// What the memories keep and learn over some hours; the same for every window at a steady pace.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    keep: [f64; 3],
    day_kind: f64,
    turbulence: f64,
}

impl Rates {
    /// Over so many hours.
    pub fn over(hours: f64) -> Self {
        Self {
            keep: LEVELS.map(|memory| libm::exp(-hours / memory)),
            day_kind: 1.0 - libm::exp(-hours / DAY_KIND),
            turbulence: 1.0 - libm::exp(-hours / TURBULENCE),
        }
    }
}

/// A weighted level: sums of weight x distance and of weight squared.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Sums {
    #[serde(with = "snapshot::float")]
    distance: f64,
    #[serde(with = "snapshot::float")]
    weight: f64,
}

/// Memory of all channels but the levels of the hours of the last day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Memory {
    /// Distances from the forecast of the two windows before, newest first.
    #[serde(with = "snapshot::array")]
    last: [f64; 2],
    levels: [Sums; 3],
    /// How improbable the run of zeros is that lasts (-ln).
    #[serde(with = "snapshot::float")]
    silence: f64,
    /// Evidence for the other kind of day, its usual value and mean square.
    #[serde(with = "snapshot::float")]
    day_kind: f64,
    #[serde(with = "snapshot::float")]
    day_kind_mean: f64,
    #[serde(with = "snapshot::float")]
    day_kind_square: f64,
    /// Mean square of the distance from the forecast; 1 when all is calm.
    #[serde(with = "snapshot::float")]
    turbulence: f64,
}

/// The short memory of one series' channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Channels {
    memory: Memory,
    /// The day's level as it was at each hour of the last day.
    #[serde(with = "snapshot::array")]
    day_level: [f64; 24],
}

impl Default for Channels {
    fn default() -> Self {
        let memory = Memory {
            last: [0.0; 2],
            levels: [Sums::default(); 3],
            silence: 0.0,
            day_kind: 0.0,
            day_kind_mean: 0.0,
            day_kind_square: 0.0,
            turbulence: 0.0,
        };
        Self { memory, day_level: [0.0; 24] }
    }
}

/// The statistics of one window, and the memory that they leave.
#[derive(Debug, Clone, Copy)]
pub struct Statistics {
    /// One a channel, larger is stranger.
    pub values: [f64; CHANNELS],
    memory: Memory,
    day_level: f64,
    hour_of_day: usize,
}

impl Channels {
    /// Measures a window without learning it.
    #[inline]
    pub fn measure(&self, seen: &Evidence, rates: &Rates) -> Statistics {
        let mut memory = self.memory;
        let mut values = [0.0; CHANNELS];
        // Hours that are turbulent already count less.
        let calm = 1.0 / (1.0 + TURBULENCE_WEIGHT * (memory.turbulence - 1.0).max(0.0)).sqrt();
        let mut pair = |at: usize, up: f64, down: f64, factor: f64| {
            values[at] = up * factor;
            values[at + 1] = down * factor;
        };
        // Odd against the forecast and against the profile.
        let (forecast, profile) = (seen.from_forecast, seen.from_profile / seen.profile_deviation);
        pair(0, forecast.min(profile), (-forecast).min(-profile), calm);
        let last = if seen.gap { [0.0; 2] } else { memory.last };
        let clipped = seen.from_forecast.clamp(-CLIP, CLIP);
        let clipped_profile = seen.from_profile.clamp(-CLIP, CLIP);
        let forecast = (clipped + last[0] + last[1]) / 1.732;
        let profile = (clipped_profile + seen.before[0] + seen.before[1]) / 1.732 / seen.profile_deviation;
        pair(2, forecast.min(profile), (-forecast).min(-profile), calm);
        let mut level = [0.0; 3];
        for ((sums, keep), level) in memory.levels.iter_mut().zip(rates.keep).zip(&mut level) {
            sums.distance = sums.distance * keep + seen.weight * clipped_profile * seen.hours;
            sums.weight = sums.weight * keep + seen.weight * seen.weight * seen.hours;
            *level = sums.distance / (sums.weight + LEVEL_SHRINK);
        }
        // Today against yesterday and against the profile; three days against their past and the profile.
        let [day, three_days, long] = level;
        let yesterday = self.day_level[seen.hour_of_day];
        pair(4, (day - yesterday).min(day), (yesterday - day).min(-day), 1.0);
        let usual = LONG_SHARE * long;
        pair(6, (three_days - usual).min(three_days), (usual - three_days).min(-three_days), 1.0);
        memory.silence = seen.silence.map_or(0.0, |surprise| memory.silence + surprise);
        values[8] = memory.silence;
        memory.day_kind += rates.day_kind * (seen.other_day.clamp(-4.0, 4.0) - memory.day_kind);
        let deviation = memory.day_kind_square.max(1e-4).sqrt();
        let mut beyond = memory.day_kind - memory.day_kind_mean;
        values[9] = beyond / deviation;
        if seen.seen > 48 {
            beyond = beyond.max(-4.0 * deviation).min(4.0 * deviation);
        }
        let rate = (1.0 / (seen.seen as f64 + 1.0)).max(seen.hours / 24.0 / DAY_KIND_DAYS);
        memory.day_kind_mean += rate * beyond;
        memory.day_kind_square += rate * (beyond * beyond - memory.day_kind_square);
        memory.turbulence += rates.turbulence * ((clipped * clipped).min(36.0) - memory.turbulence);
        memory.last = [clipped, last[0]];
        Statistics { values, memory, day_level: day, hour_of_day: seen.hour_of_day }
    }

    /// Takes in what was measured.
    #[inline]
    pub fn learn(&mut self, statistics: &Statistics) {
        self.memory = statistics.memory;
        self.day_level[statistics.hour_of_day] = statistics.day_level;
    }
}
