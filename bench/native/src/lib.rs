//! The limits that windrow is held against: a method that only takes its arguments, and a table that is only added
//! to. Built by `make bench`; no part of the wheel.
#![forbid(unsafe_code)]

use pyo3::prelude::pymodule;

/// Limits to measure against.
#[pymodule(gil_used = false)]
mod windrow_bench {
    use pyo3::exceptions::PyValueError;
    use pyo3::prelude::*;

    /// Takes what a method takes and does nothing with it.
    #[pyclass(frozen)]
    struct Empty;

    #[pymethods]
    impl Empty {
        #[new]
        fn new() -> Self {
            Self
        }

        /// The arguments of `ResidualScorer.push_one`, and a float as its result.
        #[allow(clippy::unused_self)]
        fn score(&self, time: i64, key: &str, observed: Option<f64>, predicted: Option<f64>) -> Option<f64> {
            std::hint::black_box((time, key));
            Some(observed? - predicted?)
        }

        /// The arguments of `TumblingWindows.push_one`, with one value.
        #[allow(clippy::unused_self)]
        fn row(&self, time: i64, key: &str, values: (f64,)) {
            std::hint::black_box((time, key, values));
        }
    }

    /// Cells of `WORDS` floats, each row added to that of its code: count, sum and so on in one cell.
    fn add<const WORDS: usize>(codes: &[u32], values: &[f64], cells: usize) -> Vec<[f64; WORDS]> {
        let mut table = vec![[0.0; WORDS]; cells];
        for (code, value) in codes.iter().zip(values) {
            let cell = &mut table[*code as usize];
            cell[0] += 1.0;
            for word in &mut cell[1..] {
                *word += value;
            }
        }
        table
    }

    /// A table of cells, and the rows that are added to it.
    #[pyclass(frozen)]
    struct Table {
        codes: Vec<u32>,
        values: Vec<f64>,
        cells: usize,
    }

    #[pymethods]
    impl Table {
        /// Rows of codes below `cells`, as little-endian bytes of 32-bit integers and of floats.
        #[new]
        fn new(codes: &[u8], values: &[u8], cells: usize) -> PyResult<Self> {
            let codes: Vec<u32> =
                codes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
            let values: Vec<f64> =
                values.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
            if codes.len() != values.len() || codes.iter().any(|code| *code as usize >= cells) {
                return Err(PyValueError::new_err("`codes` must lie below `cells`, one for each value"));
            }
            Ok(Self { codes, values, cells })
        }

        /// A bare random read-modify-write a row, of cells of 16 bytes (a count and a sum) or of 48.
        fn add(&self, bytes: usize) -> PyResult<f64> {
            match bytes {
                16 => Ok(add::<2>(&self.codes, &self.values, self.cells)[0][0]),
                48 => Ok(add::<6>(&self.codes, &self.values, self.cells)[0][0]),
                _ => Err(PyValueError::new_err(format!("`bytes` must be 16 or 48, got {bytes}"))),
            }
        }
    }
}
