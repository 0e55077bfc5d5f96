//! The sensors of a machine against each other: how far each one's residual has moved from where it was in the fit,
//! which of them is farthest, and where the machine changed its ways.
//!
//! Owns the weighted means of clipped residuals, their scales and limits, the baselines that follow slowly while
//! nothing is odd and at once where that has lasted, and the two speeds of averages whose parting is a change point. Where residuals come from is the
//! caller's affair.

use serde::{Deserialize, Serialize};

use crate::snapshot;
use crate::time::Timestamp;

/// Residuals beyond so many of the fit's own count as so many; where it is told which sensor is at fault, beyond so many:
/// a gross fault of one leaves more than [`CLIP`] on all that are expected from it.
const CLIP: f64 = 10.0;
const CLIP_GROSS: f64 = 1e6;
/// An unclipped mean beyond so many residuals of the fit is a gross fault. Of one sensor's fault, the residuals of all others
/// are fewer of their own then: the precision is positive. Below it drifts count, which scales know.
const GROSS: f64 = 4.0;
/// Weight of a row in the means that are judged, and in the baselines.
const FOLLOW: f64 = 0.07;
const BASELINE: f64 = 0.003;
/// Rows of the fit before means count, and rows over which a change of theirs counts [`DRIFT`] times.
const SETTLED: usize = 40;
const LAG: usize = 100;
const DRIFT: f64 = 3.0;
/// The least scale, in residuals of the fit.
const FLOOR: f64 = 0.05;
/// The limit, in root mean squares of the farthest sensor, and the share of it below which nothing is out any longer.
const LIMIT: f64 = 4.5;
const CLEAR: f64 = 0.8;
/// Limits are never lower: of sensors that all stood still there is nothing to go by.
const LEAST: f64 = 1.0;
/// Change points: weights of a row in both averages, rows of the fit before they count, the least scale, the limit,
/// and the time between two of them.
const QUICK: f64 = 0.1;
const SLOW: f64 = 0.01;
const PARTED: usize = 60;
const PARTED_FLOOR: f64 = 0.02;
const CHANGE_LIMIT: f64 = 2.5;
const MINUTE: u64 = 60_000_000_000;
/// The fewest rows that all of this can be fitted on.
pub const FEWEST: usize = 200;

/// What is known of one sensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Sensor {
    /// Root mean square of its residuals in the fit; NaN for a sensor without any.
    #[serde(with = "snapshot::float")]
    spread: f64,
    /// The weighted mean of its residuals, the mean's scale, and where it is at home.
    #[serde(with = "snapshot::float")]
    mean: f64,
    #[serde(with = "snapshot::float")]
    scale: f64,
    #[serde(with = "snapshot::float")]
    baseline: f64,
    /// The mean of all but unclipped residuals.
    #[serde(with = "snapshot::float")]
    gross: f64,
    /// The averages of two speeds, in units of `spread`, and the scale of their difference.
    #[serde(with = "snapshot::float")]
    quick: f64,
    #[serde(with = "snapshot::float")]
    slow: f64,
    #[serde(with = "snapshot::float")]
    parting: f64,
}

/// The sensors of one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Joint {
    sensors: Vec<Sensor>,
    #[serde(with = "snapshot::float")]
    limit: f64,
    #[serde(with = "snapshot::float")]
    change_limit: f64,
    /// The newest change point.
    changed: Option<Timestamp>,
    /// Rows of the fit.
    fitted: u64,
    /// Since when a sensor has been out, and for how many rows.
    out: Option<(Timestamp, u64)>,
}

/// The sensor to look at, and how far the machine is out, in limits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Farthest {
    /// Which: the one whose unclipped mean is farthest out, of a gross fault in residuals of the fit, else in scales.
    pub sensor: usize,
    /// How far the farthest clipped mean is, with its sign.
    pub score: f64,
}

/// What a row came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The sensor to look at; none where no sensor has a residual.
    pub farthest: Option<Farthest>,
    /// A change point, and the sensor that changed most.
    pub change: Option<Farthest>,
    /// The farthest sensor, where it has been out for so long that it is at home there now.
    pub adopted: Option<Farthest>,
}

fn clip(value: f64, most: f64) -> f64 {
    value.max(-most).min(most)
}

/// Weight of a row after `before` earlier ones.
fn weight(least: f64, before: usize) -> f64 {
    least.max(1.0 / (before as f64 + 1.0))
}

/// Mean of squares; 0 of none.
fn mean_square(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value * value, count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

impl Sensor {
    /// Moves the averages on.
    #[inline]
    fn take(&mut self, residual: f64, follow: f64, quick: f64, slow: f64) {
        self.mean += follow * (clip(residual, CLIP * self.spread) - self.mean);
        self.gross += follow * (clip(residual, CLIP_GROSS * self.spread) - self.gross);
        let standard = clip(residual / self.spread, CLIP);
        self.quick += quick * (standard - self.quick);
        self.slow += slow * (standard - self.slow);
    }

    fn is_known(&self) -> bool {
        !self.spread.is_nan()
    }
}

impl Joint {
    /// From the residuals of the fit, rows of `width`, NaN where there is none; at least [`FEWEST`] rows. `still` says
    /// which sensors had nothing to leave residuals.
    pub fn fit(residuals: &[f64], width: usize, still: impl Fn(usize) -> bool) -> Self {
        let mut sensors: Vec<Sensor> = (0..width)
            .map(|sensor| {
                let known = residuals.iter().skip(sensor).step_by(width).filter(|value| !value.is_nan());
                let spread = if known.clone().next().is_none() {
                    f64::NAN
                } else if still(sensor) {
                    1.0
                } else {
                    mean_square(known.copied()).sqrt() + 1e-12
                };
                let zero = 0.0;
                Sensor {
                    spread,
                    mean: zero,
                    scale: zero,
                    gross: zero,
                    baseline: zero,
                    quick: zero,
                    slow: zero,
                    parting: zero,
                }
            })
            .collect();
        // The course of each mean, and of each parting.
        let (mut means, mut partings) = (vec![0.0; residuals.len()], vec![0.0; residuals.len()]);
        let mut seen = vec![0; width];
        for (at, residual) in residuals.iter().enumerate() {
            let (sensor, seen) = (&mut sensors[at % width], &mut seen[at % width]);
            if !residual.is_nan() {
                sensor.take(*residual, weight(FOLLOW, *seen), weight(QUICK, *seen), weight(SLOW, *seen));
                *seen += 1;
            }
            means[at] = sensor.mean;
            partings[at] = sensor.quick - sensor.slow;
        }
        let from = |rows: usize| (rows * width).min(residuals.len());
        for (at, sensor) in sensors.iter_mut().enumerate() {
            let of = |course: &'_ [f64]| course.iter().skip(at).step_by(width).copied().collect::<Vec<_>>();
            let settled = of(&means[from(SETTLED)..]);
            let drift = settled.iter().skip(LAG).zip(&settled).map(|(now, then)| now - then);
            let floor = FLOOR * sensor.spread;
            let squares = mean_square(settled.iter().copied()) + DRIFT * mean_square(drift) + floor * floor;
            sensor.scale = squares.sqrt();
            sensor.parting = mean_square(of(&partings[from(PARTED)..]).into_iter()).sqrt() + PARTED_FLOOR;
        }
        let mut fitted = Self { sensors, limit: 0.0, change_limit: 0.0, changed: None, fitted: 0, out: None };
        fitted.fitted = (residuals.len() / width.max(1)) as u64;
        let rows = |course: &[f64], skip: usize, size: &dyn Fn(&[f64]) -> f64| {
            mean_square(course[from(skip)..].chunks_exact(width.max(1)).map(size)).sqrt()
        };
        let farthest = |means: &[f64]| {
            let sizes = means.iter().zip(&fitted.sensors).map(|(mean, sensor)| mean.abs() / sensor.scale);
            sizes.fold(0.0, f64::max)
        };
        let limit = LIMIT * rows(&means, SETTLED, &farthest);
        let together = |partings: &[f64]| fitted.together(partings.iter().copied());
        let change_limit = CHANGE_LIMIT * rows(&partings, PARTED, &together);
        (fitted.limit, fitted.change_limit) = (limit.max(LEAST), change_limit.max(LEAST));
        fitted
    }

    /// Partings of all sensors as one number: the fourth root of the mean of fourth powers.
    fn together(&self, partings: impl Iterator<Item = f64>) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for (parting, sensor) in partings.zip(&self.sensors).filter(|(_, sensor)| sensor.is_known()) {
            let square = (parting / sensor.parting) * (parting / sensor.parting);
            sum += square * square;
            count += 1.0;
        }
        if count > 0.0 { (sum / count).sqrt().sqrt() } else { 0.0 }
    }

    /// Takes the next row's residuals, NaN where there is none; `scores` gets how far each sensor is out, in limits,
    /// NaN likewise. Where sensors are out for `adopt` nanoseconds, and for as many rows as the fit had, they are at
    /// home there.
    #[inline]
    pub fn step(&mut self, residuals: &[f64], time: Timestamp, adopt: i64, scores: &mut [f64]) -> Step {
        let mut farthest: Option<Farthest> = None;
        // The unclipped mean farthest out: in scales, and in residuals of the fit.
        let (mut fine, mut gross) = ((0, -1.0), (0, -1.0));
        for (at, (sensor, residual)) in self.sensors.iter_mut().zip(residuals).enumerate() {
            scores[at] = f64::NAN;
            if residual.is_nan() || !sensor.is_known() {
                continue;
            }
            sensor.take(*residual, FOLLOW, QUICK, SLOW);
            let score = (sensor.mean - sensor.baseline) / sensor.scale / self.limit;
            scores[at] = score;
            let found = farthest.get_or_insert(Farthest { sensor: at, score });
            if score.abs() > found.score.abs() {
                found.score = score;
            }
            let out = (sensor.gross - sensor.baseline).abs();
            for (most, unit) in [(&mut fine, sensor.scale), (&mut gross, sensor.spread)] {
                if out / unit > most.1 {
                    *most = (at, out / unit);
                }
            }
        }
        if let Some(farthest) = &mut farthest {
            farthest.sensor = if gross.1 > GROSS { gross.0 } else { fine.0 };
        }
        // Only what is not odd may move the baselines.
        if farthest.is_some_and(|farthest| farthest.score.abs() < 1.0) {
            for (sensor, residual) in self.sensors.iter_mut().zip(residuals) {
                if !residual.is_nan() && sensor.is_known() {
                    sensor.baseline += BASELINE * (clip(*residual, CLIP * sensor.spread) - sensor.baseline);
                }
            }
        }
        let Some(farthest) = farthest else { return Step { farthest, change: None, adopted: None } };
        let adopted = self.lasts(farthest.score.abs(), time, adopt).then_some(farthest);
        Step { farthest: Some(farthest), change: self.change(time), adopted }
    }

    /// Whether what is out has lasted; the baselines are where it is then.
    #[inline]
    fn lasts(&mut self, score: f64, time: Timestamp, adopt: i64) -> bool {
        if score < CLEAR {
            self.out = None;
            return false;
        }
        let (since, rows) = match self.out {
            None if score < 1.0 => return false,
            None => (time, 1),
            Some((since, rows)) => (since, rows.saturating_add(1)),
        };
        let lasts = rows >= self.fitted && time.saturating_sub(since) >= adopt;
        self.out = if lasts { None } else { Some((since, rows)) };
        if lasts {
            self.sensors.iter_mut().for_each(|sensor| sensor.baseline = sensor.mean);
        }
        lasts
    }

    #[inline]
    fn change(&mut self, time: Timestamp) -> Option<Farthest> {
        let size = self.together(self.sensors.iter().map(|sensor| sensor.quick - sensor.slow));
        if size <= self.change_limit || self.changed.is_some_and(|last| time.abs_diff(last) < MINUTE) {
            return None;
        }
        let mut most = Farthest { sensor: 0, score: 0.0 };
        for (at, sensor) in self.sensors.iter_mut().enumerate().filter(|(_, sensor)| sensor.is_known()) {
            let score = (sensor.quick - sensor.slow) / sensor.parting;
            if score.abs() > most.score.abs() {
                most = Farthest { sensor: at, score };
            }
            sensor.slow = sensor.quick;
        }
        self.changed = Some(time);
        Some(Farthest { score: (size / self.change_limit).copysign(most.score), ..most })
    }

    /// Where a sensor's residual is at home, in its unit.
    pub fn baseline(&self, sensor: usize) -> f64 {
        self.sensors[sensor].baseline
    }

    /// Root mean square of a sensor's residuals in the fit.
    pub fn spread(&self, sensor: usize) -> f64 {
        self.sensors[sensor].spread
    }

    /// Whether a restored one can be used for so many sensors.
    pub fn is_sound(&self, width: usize) -> bool {
        self.sensors.len() == width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Noise of two sensors and nothing of a third, repeatable.
    fn noise(row: usize) -> [f64; 3] {
        let mix = |seed: u64| {
            let mut state = (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed;
            state ^= state >> 31;
            (state.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
        };
        [mix(1), mix(2), f64::NAN]
    }

    fn fitted() -> Joint {
        let rows: Vec<f64> = (0..400).flat_map(noise).collect();
        Joint::fit(&rows, 3, |_| false)
    }

    #[test]
    fn a_lasting_shift_is_found_and_moves_no_baseline() {
        let mut joint = fitted();
        let mut scores = [0.0; 3];
        let mut step = |joint: &mut Joint, row: usize, shift: f64| {
            let [a, b, c] = noise(row);
            joint.step(&[a, b + shift, c], row as i64 * SECOND, 500 * SECOND, &mut scores)
        };
        let calm =
            (400..800).map(|row| step(&mut joint, row, 0.0)).filter(|step| step.change.is_some()).count();
        assert!(calm <= 2);
        let home = joint.baseline(1);
        let found: Vec<Step> = (800..900).map(|row| step(&mut joint, row, -2.0)).collect();
        let last = found[99].farthest.unwrap();
        assert!(last.sensor == 1 && last.score < -1.0, "{last:?}");
        assert!(found.iter().any(|step| step.change.is_some_and(|change| change.sensor == 1)));
        // The few rows before it was odd may have moved it a little.
        assert!((joint.baseline(1) - home).abs() < 0.05);
        // 500 seconds, and the 400 rows of the fit, after it was out first, that is normal.
        let adopted: Vec<usize> =
            (900..1_400).filter(|row| step(&mut joint, *row, -2.0).adopted.is_some()).collect();
        assert!(adopted.len() == 1 && (1_300..1_330).contains(&adopted[0]), "{adopted:?}");
        assert!((joint.baseline(1) + 2.0).abs() < 0.2);
        assert!(scores[2].is_nan());
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        let mut joint = fitted();
        let before = joint.clone();
        let step = joint.step(&[f64::NAN; 3], 0, 0, &mut [0.0; 3]);
        assert_eq!(step, Step { farthest: None, change: None, adopted: None });
        assert_eq!(joint.sensors[0], before.sensors[0]);
        let still = Joint::fit(&[0.0; 600], 3, |_| true);
        assert!(still.limit >= 1.0 && still.sensors[0].scale > 0.0);
    }
}
