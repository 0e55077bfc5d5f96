//! Six statistics of a count against its expectation, each made for one kind of trouble.
//!
//! Owns what each channel measures and the short memory it takes. How rare a value is, is the affair of
//! [`super::records`]; what was expected comes in as [`Evidence`].

use serde::{Deserialize, Serialize};

use crate::arithmetic::{larger, lesser};
use crate::snapshot;

/// How many there are.
pub const CHANNELS: usize = 6;
/// Their names, as reasons show them.
pub const NAMES: [&str; CHANNELS] = ["spike up", "hour up", "day up", "day down", "3 days up", "silence"];
/// How many scales they are measured on.
pub const SCALES: usize = 4;
/// The scale of each; silence has an absolute one.
pub const SCALE_OF: [Option<usize>; CHANNELS] = [Some(0), Some(1), Some(2), Some(2), Some(3), None];

/// Memories of the level, in hours: a day, three days, and the longer one that three days are set against.
const LEVELS: [f64; 3] = [48.0, 72.0, 400.0];
/// Evidence that a level needs to count half.
const LEVEL_SHRINK: f64 = 20.0;
/// Memory of turbulence, in hours, and how much it takes away.
const TURBULENCE: f64 = 6.0;
const TURBULENCE_WEIGHT: f64 = 2.0;
/// One window's distance counts no further.
const CLIP: f64 = 8.0;

/// What one window showed.
#[derive(Debug, Clone, Copy)]
pub struct Evidence {
    /// Distance from the profile, in units of the spread around it.
    pub from_profile: f64,
    /// Distance from the forecast, in units of the forecast's own spread.
    pub from_forecast: f64,
    /// How strange the value is against the profile and against the forecast, as a normal variable would be.
    pub surprises: [f64; 2],
    /// The same of all that came within about an hour, where windows are shorter; else a spike says it.
    pub hour: Option<[f64; 2]>,
    /// Expectation in units of the spread: how much one window says of the level.
    pub weight: f64,
    /// How improbable it is that nothing came (-ln), where nothing came.
    pub silence: Option<f64>,
    /// The hour since the epoch.
    pub at: i64,
    /// Length of the window in hours.
    pub hours: f64,
}

/// What the memories keep and learn over some hours; the same for every window at a steady pace.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    keep: [f64; 3],
    turbulence: f64,
    hour: f64,
}

impl Rates {
    /// Over so many hours.
    pub fn over(hours: f64) -> Self {
        Self {
            keep: LEVELS.map(|memory| libm::exp(-hours / memory)),
            turbulence: 1.0 - libm::exp(-hours / TURBULENCE),
            hour: 1.0 - libm::exp(-hours),
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
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Memory {
    levels: [Sums; 3],
    /// How improbable the run of zeros is that lasts (-ln).
    #[serde(with = "snapshot::float")]
    silence: f64,
    /// Mean square of the distance from the forecast; 1 when all is calm.
    #[serde(with = "snapshot::float")]
    turbulence: f64,
    /// The same as it was about an hour ago.
    #[serde(with = "snapshot::float")]
    before: f64,
    /// The day's level, and the hour since the epoch that it is of.
    #[serde(with = "snapshot::float")]
    today: f64,
    hour: i64,
}

/// The short memory of one series' channels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Channels {
    memory: Memory,
    /// The day's level as it was at the end of each hour of the last day.
    #[serde(with = "snapshot::packed")]
    day_level: [f64; 24],
}

/// The statistics of one window, and the memory that they leave.
#[derive(Debug, Clone, Copy)]
pub struct Statistics {
    /// One a channel, larger is stranger.
    pub values: [f64; CHANNELS],
    /// What each scale learns from: the same, in whichever direction it went.
    pub sizes: [f64; SCALES],
    /// How far the day and three days are above what is usual, as a share of that.
    levels: [f64; 2],
    memory: Memory,
}

impl Statistics {
    /// How far the stretch that a channel looks at is above what is usual; NaN where it is no stretch.
    pub fn change(&self, channel: usize) -> f64 {
        match SCALE_OF[channel] {
            Some(2) => self.levels[0],
            Some(3) => self.levels[1],
            _ => f64::NAN,
        }
    }
}

/// How far a value is above (or, negated, below) two references at once, times `worth`; 0 and less between them.
#[inline(always)]
fn beyond(one: f64, other: f64, worth: f64) -> [f64; 2] {
    [lesser(one, other) * worth, lesser(-one, -other) * worth]
}

fn slot(hour: i64) -> usize {
    hour.rem_euclid(24) as usize
}

impl Channels {
    /// Measures a window without learning it.
    #[inline(always)]
    pub fn measure(&self, seen: &Evidence, rates: &Rates) -> Statistics {
        let mut memory = self.memory;
        // Hours that are turbulent already count less.
        let calm = |turbulence: f64| 1.0 / (1.0 + TURBULENCE_WEIGHT * larger(turbulence - 1.0, 0.0)).sqrt();
        let now = calm(memory.turbulence);
        // Odd against the forecast and against the profile.
        let spike = beyond(seen.surprises[0], seen.surprises[1], now);
        let hour = seen.hour.map_or([0.0; 2], |hour| {
            let before = calm(memory.before);
            beyond(hour[0], hour[1], before)
        });
        let distance = seen.from_profile.clamp(-CLIP, CLIP);
        let mut level = [0.0; 3];
        for ((sums, keep), level) in memory.levels.iter_mut().zip(rates.keep).zip(&mut level) {
            sums.distance = sums.distance * keep + seen.weight * distance * seen.hours;
            sums.weight = sums.weight * keep + seen.weight * seen.weight * seen.hours;
            *level = sums.distance / (sums.weight + LEVEL_SHRINK);
        }
        // Today against yesterday and against the profile; three days against their past and the profile.
        let [today, three_days, long] = level;
        let day = beyond(today - self.yesterday(seen.at), today, 1.0);
        let three = beyond(three_days - long, three_days, 1.0);
        memory.silence = seen.silence.map_or(0.0, |surprise| memory.silence + surprise);
        let clipped = seen.from_forecast.clamp(-CLIP, CLIP);
        memory.before += rates.hour * (memory.turbulence - memory.before);
        memory.turbulence += rates.turbulence * (lesser(clipped * clipped, 36.0) - memory.turbulence);
        (memory.today, memory.hour) = (today, seen.at);
        Statistics {
            values: [spike[0], hour[0], day[0], day[1], three[0], memory.silence],
            sizes: [
                larger(spike[0], spike[1]),
                larger(hour[0], hour[1]),
                larger(day[0], day[1]),
                larger(three[0], three[1]),
            ],
            levels: [today, three_days],
            memory,
        }
    }

    /// The day's level as it was a day before this hour's end.
    #[inline(always)]
    fn yesterday(&self, hour: i64) -> f64 {
        let Memory { today, hour: newest, .. } = self.memory;
        if hour.saturating_sub(newest) >= 24 { today } else { self.day_level[slot(hour)] }
    }

    /// Takes in what was measured.
    #[inline(always)]
    pub fn learn(&mut self, statistics: &Statistics) {
        let Memory { today, hour, .. } = self.memory;
        // An hour's level is kept when the hour is over; until then yesterday's is what it is held against. Hours without
        // a window have the level of the one before them.
        let passed = statistics.memory.hour.saturating_sub(hour);
        if passed != 0 {
            for hour in (hour..).take(passed.clamp(1, 24) as usize) {
                self.day_level[slot(hour)] = today;
            }
        }
        self.memory = statistics.memory;
    }
}
