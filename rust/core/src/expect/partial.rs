//! A window of which only a share was observed, and the whole one that it stands for.
//!
//! Owns the one rule for both: what was counted, scaled up, is drawn to what was expected until it is no stranger than
//! a whole window would be. Scaled up alone it would look stranger than it is, for fewer things scatter more.

use super::spread::POISSON;

/// How a window's share changes what is said of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Partial {
    /// Above 0, at most 1.
    share: f64,
    /// What a deviation is scaled by; 1 for a whole window.
    drawn: f64,
}

impl Partial {
    /// Of a window of which `share` was observed, where a whole one has this mean and deviation.
    #[inline(always)]
    pub fn of(share: f64, mean: f64, deviation: f64) -> Self {
        if share >= 1.0 {
            return Self { share: 1.0, drawn: 1.0 };
        }
        let variance = deviation * deviation;
        let scatter = POISSON * mean * (1.0 / share - 1.0);
        Self { share, drawn: (variance / (variance + scatter)).sqrt() }
    }

    /// The value of the whole window that a value of this one stands for.
    #[inline(always)]
    pub fn whole(&self, value: f64, mean: f64) -> f64 {
        if self.share >= 1.0 { value } else { mean + self.drawn * (value / self.share - mean) }
    }

    /// What is expected of this window where `mean` is expected of a whole one.
    #[inline(always)]
    pub fn mean(&self, mean: f64) -> f64 {
        self.share * mean
    }

    /// How far this window's values spread where a whole one's do by `deviation`.
    #[inline(always)]
    pub fn deviation(&self, deviation: f64) -> f64 {
        self.share * deviation / self.drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_as_strange_as_the_whole_it_stands_for() {
        assert_eq!(Partial::of(1.0, 80.0, 11.0).whole(93.0, 80.0), 93.0);
        let half = Partial::of(0.5, 80.0, 11.0);
        assert_eq!(half.whole(40.0, 80.0), 80.0);
        let strange = (half.whole(60.0, 80.0) - 80.0) / 11.0;
        assert!((strange - (60.0 - half.mean(80.0)) / half.deviation(11.0)).abs() < 1e-12);
        assert!(half.whole(60.0, 80.0) < 120.0);
    }
}
