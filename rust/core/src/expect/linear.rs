//! Every sensor of a machine from all the others: a ridge regression of each, fitted once.
//!
//! Owns each sensor's centre and unit, the fit, and what stands for a reading that is missing. One inverse holds all
//! regressions: row j of the precision, divided by its diagonal, is what the others leave unsaid of sensor j; and a
//! missing reading is what the precision expects of it, given those that are there.

use serde::{Deserialize, Serialize};

use super::cholesky::Cholesky;
use crate::snapshot;

/// The ridge, for each row of the fit.
const RIDGE: f64 = 0.3;
/// A sensor stood still when it varied by no more than this share of its level; it is measured in hundredths of its
/// level then, or in ones around 0.
const STILL: f64 = 1e-9;
const HUNDREDTH: f64 = 0.01;
/// Units are never smaller: quotients have to fit a float.
const SMALLEST: f64 = 1e-100;

/// The sensors of one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    #[serde(with = "snapshot::floats")]
    mean: Vec<f64>,
    /// What a step of 1 is worth; NaN for a sensor that was left out of the fit.
    #[serde(with = "snapshot::floats")]
    unit: Vec<f64>,
    /// Which sensors stood still.
    still: Vec<bool>,
    /// The inverse of the sensors' products, row by row.
    #[serde(with = "snapshot::floats")]
    precision: Vec<f64>,
}

impl Linear {
    /// Fits rows of `width` readings, NaN where one is missing. A sensor that is missing in more than half of them is
    /// left out.
    pub fn fit(rows: &[f64], width: usize) -> Option<Self> {
        let many = (rows.len() / width.max(1)) as f64;
        let mut fitted =
            Self { mean: Vec::new(), unit: Vec::new(), still: Vec::new(), precision: Vec::new() };
        for sensor in 0..width {
            let known = || rows.iter().skip(sensor).step_by(width).filter(|value| !value.is_nan());
            let count = known().count() as f64;
            let mean = known().sum::<f64>() / count;
            let deviation =
                (known().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt();
            let still = deviation <= STILL * mean.abs() || deviation < SMALLEST;
            let level = HUNDREDTH * mean.abs();
            let unit = match still {
                _ if 2.0 * count < many => f64::NAN,
                true if level < SMALLEST => 1.0,
                true => level,
                false => deviation,
            };
            fitted.mean.push(mean);
            fitted.unit.push(unit);
            fitted.still.push(still);
        }
        let mut products = vec![0.0; width * width];
        let mut steps = vec![0.0; width];
        for row in rows.chunks_exact(width.max(1)) {
            fitted.steps(row, &mut steps);
            // What is missing is at its mean here.
            steps.iter_mut().filter(|step| step.is_nan()).for_each(|step| *step = 0.0);
            for (at, step) in steps.iter().enumerate() {
                for (product, other) in products[at * width..].iter_mut().zip(&steps[..=at]) {
                    *product += step * other;
                }
            }
        }
        for at in 0..width {
            products[at * width + at] += RIDGE * many;
        }
        fitted.precision = Cholesky::of(products, width)?.inverse();
        Some(fitted)
    }

    /// How many sensors there are.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Whether a sensor stood still in all rows of the fit.
    pub fn is_still(&self, sensor: usize) -> bool {
        self.still[sensor]
    }

    /// A sensor's unit in its own measure.
    pub fn unit(&self, sensor: usize) -> f64 {
        self.unit[sensor]
    }

    /// A reading in steps from its mean, back in its own measure.
    pub fn reading(&self, sensor: usize, steps: f64) -> f64 {
        self.mean[sensor] + self.unit[sensor] * steps
    }

    /// Readings in steps from their means; NaN where one is missing or was left out.
    fn steps(&self, row: &[f64], steps: &mut [f64]) {
        for (((step, value), mean), unit) in steps.iter_mut().zip(row).zip(&self.mean).zip(&self.unit) {
            *step = (value - mean) / unit;
        }
    }

    /// What the others leave unsaid of each reading, in its unit: NaN where it is missing or was left out. `steps` gets
    /// the readings themselves, with what is expected in place of those that are missing.
    #[inline]
    pub fn residuals(&self, row: &[f64], steps: &mut [f64], residuals: &mut [f64]) {
        let width = self.width();
        self.steps(row, steps);
        if steps.iter().any(|step| step.is_nan()) {
            self.complete(steps);
        }
        let rows = self.precision.chunks_exact(width.max(1));
        for (sensor, (residual, precision)) in residuals.iter_mut().zip(rows).enumerate() {
            let sum: f64 = precision.iter().zip(&*steps).map(|(weight, step)| weight * step).sum();
            let is_there = !(row[sensor].is_nan() || self.unit[sensor].is_nan());
            *residual = if is_there { sum / precision[sensor] } else { f64::NAN };
        }
    }

    /// Puts what is expected in place of what is missing.
    #[cold]
    fn complete(&self, steps: &mut [f64]) {
        let width = self.width();
        let missing: Vec<usize> = (0..width).filter(|at| steps[*at].is_nan()).collect();
        missing.iter().for_each(|at| steps[*at] = 0.0);
        let among = |row: usize| missing.iter().map(move |column| self.precision[row * width + column]);
        let matrix = missing.iter().flat_map(|row| among(*row)).collect();
        let mut side: Vec<f64> = missing
            .iter()
            .map(|row| {
                let precision = &self.precision[row * width..(row + 1) * width];
                -precision.iter().zip(&*steps).map(|(weight, step)| weight * step).sum::<f64>()
            })
            .collect();
        if let Some(factored) = Cholesky::of(matrix, missing.len()) {
            factored.solve(&mut side);
            missing.iter().zip(side).for_each(|(at, step)| steps[*at] = step);
        }
    }

    /// Whether a restored one can be used for so many sensors.
    pub fn is_sound(&self, width: usize) -> bool {
        self.mean.len() == width
            && self.unit.len() == width
            && self.still.len() == width
            && Some(self.precision.len()) == width.checked_mul(width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sensors that go together, one that stands still, one that is never there.
    fn rows(many: usize) -> Vec<f64> {
        let wave = |row: usize| (row as f64 * 0.7).sin();
        (0..many).flat_map(|row| [wave(row), 10.0 + 2.0 * wave(row), 32.0, f64::NAN]).collect()
    }

    fn residuals(fitted: &Linear, row: [f64; 4]) -> ([f64; 4], [f64; 4]) {
        let (mut steps, mut residuals) = ([0.0; 4], [0.0; 4]);
        fitted.residuals(&row, &mut steps, &mut residuals);
        (steps, residuals)
    }

    #[test]
    fn what_breaks_the_habit_is_left() {
        let fitted = Linear::fit(&rows(300), 4).unwrap();
        let (_, usual) = residuals(&fitted, [0.5, 11.0, 32.0, f64::NAN]);
        let (_, odd) = residuals(&fitted, [0.5, 9.0, 33.0, f64::NAN]);
        assert!(usual[0].abs() < 0.2 && odd[0].abs() > 1.0, "{usual:?} {odd:?}");
        assert!(usual[2].abs() < 1e-9 && (odd[2] - 1.0 / 0.32).abs() < 1e-9);
        assert!(usual[3].is_nan());
        assert!(fitted.is_still(2) && !fitted.is_still(1));
    }

    #[test]
    fn a_missing_reading_is_expected_from_the_others() {
        let fitted = Linear::fit(&rows(300), 4).unwrap();
        let (steps, left) = residuals(&fitted, [f64::NAN, 12.0, 32.0, 5.0]);
        assert!((steps[0] - steps[1] / 1.3).abs() < 1e-9, "{steps:?}");
        assert!(left[0].is_nan() && left[1].is_finite() && left[3].is_nan());
        let (steps, _) = residuals(&fitted, [f64::NAN; 4]);
        assert_eq!(steps, [0.0; 4]);
    }
}
