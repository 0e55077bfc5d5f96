//! Novelty: how unlike anything that it has shown a series is now, at several time scales.
//!
//! Owns three streams of one series (the value; weighted means of its distance from the profile and of its
//! forecast's error), what each has shown in three sketches of different grain, and how a novelty becomes a score:
//! only a local record is told, discounted by how often the series was as novel before. Knows no profile and no
//! forecast: what they left over comes in.

use serde::{Deserialize, Serialize};

use super::sketch::{Place, Sketch, less_than};
use crate::arithmetic::larger;
use crate::snapshot;

const STREAMS: usize = 3;
const SKETCHES: usize = 3;
/// What is computed for all sketches of a stream at once: their number, and an empty one that fills the vector.
const LANES: usize = 4;
/// Values before the first verdict,
pub const FIRST: u64 = 30;
/// and before verdicts are more than provisional: what came until then is no record to be held against later values.
pub const WARM_UP: u64 = 200;
/// Grain of each sketch: what a remembered value stands for, in units of the stream's scale.
const GRAIN: [f64; SKETCHES] = [0.02, 0.03, 0.04];
/// A stream's scale is so many deviations of its own, or of the value's deviation if that share is larger.
const SCALE: f64 = 4.0;
const SHARE: f64 = 0.5;
/// How much a gap between remembered values excuses.
const GAP: f64 = 4.0;
/// Slowest learning rates, per value: of the weighted means, and of mean and variance.
const SMOOTH: f64 = 0.1;
const RATE: f64 = 1.0 / 5000.0;
/// What is left of a record after each value.
const KEEP: f64 = 0.98;
/// Former novelties discount by their number to the 0.3, experience counts to the 0.2: as cube and square of one power.
const POWER: f64 = 0.1;
/// Bins of former novelties, three an octave.
const FORMER: usize = 40;
/// The novelty that scores 50.
pub const HALF: f64 = 0.045;

/// The novelty of one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Novelty {
    sketches: [[Sketch; SKETCHES]; STREAMS],
    /// Mean and variance of each stream.
    #[serde(with = "snapshot::array")]
    mean: [f64; STREAMS],
    #[serde(with = "snapshot::array")]
    variance: [f64; STREAMS],
    /// The two weighted means.
    #[serde(with = "snapshot::array")]
    smooth: [f64; 2],
    /// The record, fading.
    #[serde(with = "snapshot::float")]
    record: f64,
    /// Values seen.
    seen: u64,
    #[serde(with = "former")]
    former: [u32; FORMER],
}

/// What one value came to.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    /// Novelty after discount, where the value is a local record; else 0.
    pub raw: f64,
    streams: [f64; STREAMS],
    places: [[Place; SKETCHES]; STREAMS],
    novelty: f64,
    /// How fast mean and variance follow.
    pub rate: f64,
    /// The bin of a record.
    bin: Option<usize>,
}

impl Judged {
    /// The score, 0 to 100: 50 is the level that the benchmark's alarms were designed for.
    pub fn score(&self) -> f64 {
        100.0 * (self.raw / (self.raw + HALF))
    }
}

/// How fast mean and variance follow, where a value has this share among all: never below the slowest rate.
#[inline(always)]
pub fn rate(share: f64) -> f64 {
    larger(share, RATE)
}

impl Default for Novelty {
    fn default() -> Self {
        Self {
            sketches: std::array::from_fn(|_| std::array::from_fn(|_| Sketch::default())),
            mean: [0.0; STREAMS],
            variance: [0.0; STREAMS],
            smooth: [0.0; 2],
            record: 0.0,
            seen: 0,
            former: [0; FORMER],
        }
    }
}

impl Novelty {
    /// Values seen.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// The share of the next value among all.
    #[inline(always)]
    pub fn share(&self) -> f64 {
        1.0 / (self.seen as f64 + 1.0)
    }

    /// Judges a value, its distance from the profile and its forecast's error, without learning them; `share` is
    /// [`Novelty::share`].
    #[inline(always)]
    pub fn judge(&self, value: f64, from_profile: f64, error: f64, share: f64) -> Judged {
        let (rate, follow) = (rate(share), larger(share, SMOOTH));
        let [a, b] = self.smooth;
        let streams = [value, a + follow * (from_profile - a), b + follow * (error - b)];
        // The scale's floor is relative to the level; all but the first stream know the new one.
        let level = if self.seen == 0 { value } else { self.mean[0] + rate * (value - self.mean[0]) };
        let spread = self.variance[0].sqrt();
        let less = less_than(&self.sketches, &streams);
        let mut squares = [0.0; LANES];
        let mut places = [[Place::default(); SKETCHES]; STREAMS];
        for stream in 0..STREAMS {
            let level = if stream == 0 { self.mean[0] } else { level };
            let own = larger(SCALE * self.variance[stream].sqrt(), SCALE * SHARE * spread);
            let scale = larger(larger(own, 1e-6 * level.abs()), 1e-12);
            let (mut distance, mut gap) = ([f64::INFINITY; LANES], [0.0; LANES]);
            for (at, sketch) in self.sketches[stream].iter().enumerate() {
                let found = sketch.nearest(streams[stream], less[stream][at]);
                (distance[at], gap[at]) = (found.distance, found.gap);
                places[stream][at] = found.place(GRAIN[at] * scale);
            }
            for lane in 0..LANES {
                let novelty = distance[lane] / (scale + GAP * gap[lane]);
                // Nothing is far where nothing is remembered.
                let novelty = if distance[lane] < f64::INFINITY { novelty } else { 0.0 };
                squares[lane] += novelty * novelty;
            }
        }
        let mut novelty = 0.0;
        if self.seen >= FIRST {
            let mut shares = [0.0; LANES];
            for lane in 0..LANES {
                shares[lane] = squares[lane].sqrt() / SKETCHES as f64;
            }
            for share in &shares[..SKETCHES] {
                novelty += share;
            }
        }
        let mut judged = Judged { raw: 0.0, streams, places, novelty, rate, bin: None };
        if novelty > self.record && novelty > 1e-6 {
            let (bin, raw) = self.record(novelty);
            (judged.bin, judged.raw) = (Some(bin), raw);
        }
        judged
    }

    /// A local record: its bin, and what it is worth beside those that were as large.
    #[inline(never)]
    fn record(&self, novelty: f64) -> (usize, f64) {
        let bin = (20.0 + 3.0 * libm::log2(novelty)).max(0.0).min(FORMER as f64 - 1.0) as usize;
        let before = self.former[bin..].iter().map(|count| u64::from(*count)).sum::<u64>() as f64;
        let experience = (100.0 + self.seen.min(20_000) as f64) / 1000.0;
        let often = 1.0 + before;
        (bin, novelty * libm::pow(experience * experience / (often * often * often), POWER))
    }

    /// Takes in what was judged: at once, since a value that came can come again.
    #[inline(always)]
    pub fn learn(&mut self, judged: &Judged) {
        let rate = judged.rate;
        for stream in 0..STREAMS {
            let value = judged.streams[stream];
            for (sketch, place) in self.sketches[stream].iter_mut().zip(&judged.places[stream]) {
                sketch.learn(value, place);
            }
            if self.seen == 0 {
                self.mean[stream] = value;
            }
            let difference = value - self.mean[stream];
            self.mean[stream] += rate * difference;
            self.variance[stream] += rate * (difference * difference * (1.0 - rate) - self.variance[stream]);
        }
        self.smooth = [judged.streams[1], judged.streams[2]];
        if let Some(bin) = judged.bin {
            self.former[bin] = self.former[bin].saturating_add(1);
        }
        self.record = larger(judged.novelty, self.record * KEEP);
        self.seen = self.seen.saturating_add(1);
        if self.seen == WARM_UP {
            (self.record, self.former) = (0.0, [0; FORMER]);
        }
    }
}

/// An array of 40, which serde doesn't know.
mod former {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::FORMER;

    pub fn serialize<S: Serializer>(counts: &[u32; FORMER], serializer: S) -> Result<S::Ok, S::Error> {
        counts.as_slice().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u32; FORMER], D::Error> {
        Vec::deserialize(deserializer)?
            .try_into()
            .map_err(|_| serde::de::Error::custom(format!("there must be {FORMER} counts of novelties")))
    }
}
