//! Regression that learns as it goes: recursive least squares with forgetting.
//!
//! Owns weights and their uncertainty. What it regresses on is the caller's affair: [`super::Recent`] and
//! [`super::Track`] bring features of the recent past.
//!
//! Source: Haykin, "Adaptive Filter Theory", chapter on recursive least squares; the uncertainty's trace is
//! limited, so that forgetting can't blow it up while a series stands still.

use serde::{Deserialize, Serialize};

use crate::snapshot::packed;

/// Weights of `D` features, in rows of `W`: as many, or more where that fills vectors. What is more stays 0.
#[derive(Debug, Clone, PartialEq)]
pub struct LeastSquares<const D: usize, const W: usize = D> {
    weights: [f64; W],
    /// Symmetric, positive.
    uncertainty: [[f64; W]; D],
}

/// How fast a regression forgets.
#[derive(Debug, Clone, Copy)]
pub struct Forgetting {
    /// What the past counts after one more value, below 1.
    pub factor: f64,
    /// The largest trace of the uncertainty.
    pub most: f64,
}

impl<const D: usize, const W: usize> LeastSquares<D, W> {
    /// With these weights and the same uncertainty of each.
    pub fn new(weights: [f64; D], uncertainty: f64) -> Self {
        let mut matrix = [[0.0; W]; D];
        for (at, row) in matrix.iter_mut().enumerate() {
            row[at] = uncertainty;
        }
        let mut wide = [0.0; W];
        wide[..D].copy_from_slice(&weights);
        Self { weights: wide, uncertainty: matrix }
    }

    /// The forecast from features.
    #[inline(always)]
    pub fn forecast(&self, features: &[f64; D]) -> f64 {
        let mut sum = 0.0;
        for (weight, feature) in self.weights.iter().zip(features) {
            sum += weight * feature;
        }
        sum
    }

    /// Takes in the error that the forecast from these features had.
    #[inline(always)]
    pub fn learn(&mut self, features: &[f64; D], error: f64, forgetting: Forgetting) {
        let Forgetting { factor, most } = forgetting;
        let mut gain = [0.0; W];
        // Column by column, which is row by row: the matrix is symmetric, and so the loop runs along memory.
        for (row, feature) in self.uncertainty.iter().zip(features) {
            for (gain, value) in gain.iter_mut().zip(row) {
                *gain += value * feature;
            }
        }
        let mut scale = factor;
        for (gain, feature) in gain.iter().zip(features) {
            scale += feature * gain;
        }
        for (weight, gain) in self.weights.iter_mut().zip(&gain) {
            *weight += gain / scale * error;
        }
        let mut trace = 0.0;
        // Products before scales: `(a b) c` is symmetric to the last bit, `(a c) b` is not.
        let (share, keep) = (1.0 / scale, 1.0 / factor);
        for (at, row) in self.uncertainty.iter_mut().enumerate() {
            let own = gain[at];
            for (value, gain) in row.iter_mut().zip(&gain) {
                *value = (*value - own * gain * share) * keep;
            }
            trace += row[at];
        }
        if trace > most {
            let shrink = most / trace;
            self.uncertainty.iter_mut().flatten().for_each(|value| *value *= shrink);
        }
    }
}

/// What is stored, packed: weights, then the uncertainty's rows from the diagonal on. It is symmetric to the last bit.
impl<const D: usize, const W: usize> Serialize for LeastSquares<D, W> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows = self.uncertainty[..D].iter().enumerate().flat_map(|(at, row)| &row[at..D]);
        serializer.serialize_bytes(&packed::pack(self.weights[..D].iter().chain(rows).copied()))
    }
}

impl<'de, const D: usize, const W: usize> Deserialize<'de> for LeastSquares<D, W> {
    fn deserialize<S: serde::Deserializer<'de>>(deserializer: S) -> Result<Self, S::Error> {
        let bytes: Vec<u8> = Vec::deserialize(deserializer)?;
        let mut stored = vec![0.0; D + D * (D + 1) / 2];
        packed::unpack(&bytes, &mut stored)
            .ok_or_else(|| serde::de::Error::custom(format!("a regression must have {D} weights")))?;
        let mut stored = stored.into_iter();
        let mut fit = Self::new([0.0; D], 0.0);
        fit.weights[..D].iter_mut().zip(&mut stored).for_each(|(weight, value)| *weight = value);
        for row in 0..D {
            for (column, value) in (row..D).zip(&mut stored) {
                fit.uncertainty[row][column] = value;
                fit.uncertainty[column][row] = value;
            }
        }
        Ok(fit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_comes_back_from_bytes() {
        let mut fit = LeastSquares::<2>::new([0.0; 2], 100.0);
        let forgetting = Forgetting { factor: 0.999, most: 1e4 };
        for step in 0..500 {
            let features = [f64::from(step % 7), 1.0];
            let error = 3.0 * features[0] - 2.0 - fit.forecast(&features);
            fit.learn(&features, error, forgetting);
        }
        assert!((fit.forecast(&[10.0, 1.0]) - 28.0).abs() < 1e-2);
        let bytes = postcard::to_stdvec(&fit).unwrap();
        assert_eq!(postcard::from_bytes::<LeastSquares<2>>(&bytes).unwrap(), fit);
        assert!(postcard::from_bytes::<LeastSquares<3>>(&bytes).is_err());
        let wide = postcard::from_bytes::<LeastSquares<2, 4>>(&bytes).unwrap();
        assert_eq!(postcard::to_stdvec(&wide).unwrap(), bytes);
        assert_eq!(wide.forecast(&[10.0, 1.0]), fit.forecast(&[10.0, 1.0]));
    }
}
