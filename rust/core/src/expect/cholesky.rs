//! Symmetric, positive matrices: factored once, solved as often as needed.
//!
//! Source: Golub and Van Loan, "Matrix Computations", chapter on positive definite systems.

/// The lower factor of a matrix, row by row.
#[derive(Debug, Clone)]
pub struct Cholesky {
    factor: Vec<f64>,
    width: usize,
}

impl Cholesky {
    /// Factors a matrix of `width` rows, of which the lower half is read; none where it is not positive.
    pub fn of(mut matrix: Vec<f64>, width: usize) -> Option<Self> {
        if matrix.len() != width.checked_mul(width)? {
            return None;
        }
        for row in 0..width {
            for column in 0..=row {
                let mut sum = matrix[row * width + column];
                for at in 0..column {
                    sum -= matrix[row * width + at] * matrix[column * width + at];
                }
                matrix[row * width + column] = if row > column {
                    sum / matrix[column * width + column]
                } else if sum > 0.0 && sum < f64::INFINITY {
                    sum.sqrt()
                } else {
                    return None;
                };
            }
        }
        Some(Self { factor: matrix, width })
    }

    /// Replaces a right side by the solution.
    pub fn solve(&self, side: &mut [f64]) {
        let Self { factor, width } = self;
        for row in 0..*width {
            for at in 0..row {
                side[row] -= factor[row * width + at] * side[at];
            }
            side[row] /= factor[row * width + row];
        }
        for row in (0..*width).rev() {
            for at in row + 1..*width {
                side[row] -= factor[at * width + row] * side[at];
            }
            side[row] /= factor[row * width + row];
        }
    }

    /// The inverse, row by row.
    pub fn inverse(&self) -> Vec<f64> {
        let mut inverse = vec![0.0; self.width * self.width];
        for (at, row) in inverse.chunks_exact_mut(self.width.max(1)).enumerate() {
            row[at] = 1.0;
            self.solve(row);
        }
        inverse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solutions_and_inverses() {
        let matrix = vec![4.0, 2.0, 0.4, 2.0, 3.0, 0.5, 0.4, 0.5, 2.0];
        let factored = Cholesky::of(matrix.clone(), 3).unwrap();
        let mut side = vec![1.0, -2.0, 3.0];
        factored.solve(&mut side);
        for (row, right) in matrix.chunks(3).zip([1.0, -2.0, 3.0]) {
            let left: f64 = row.iter().zip(&side).map(|(a, x)| a * x).sum();
            assert!((left - right).abs() < 1e-14);
        }
        let inverse = factored.inverse();
        let corner: f64 = matrix[..3].iter().zip(&inverse[..3]).map(|(a, b)| a * b).sum();
        assert!((corner - 1.0).abs() < 1e-14);
    }

    #[test]
    fn what_is_not_positive_has_no_factor() {
        assert!(Cholesky::of(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
        assert!(Cholesky::of(vec![f64::NAN], 1).is_none());
        assert!(Cholesky::of(vec![1.0; 3], 2).is_none());
        assert!(Cholesky::of(Vec::new(), 0).unwrap().inverse().is_empty());
    }
}
