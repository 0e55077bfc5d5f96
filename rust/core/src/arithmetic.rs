//! The larger and the lesser of two numbers, in one instruction each.
//!
//! The standard library's `max` and `min` look for NaN on either side; here a NaN on the left gives what is on the right,
//! and one on the right stays. So where the right side is a number, the results are the same.

/// The larger of two; the second unless the first is larger.
#[inline(always)]
pub fn larger(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The lesser of two; the second unless the first is less.
#[inline(always)]
pub fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}
