//! Event time: nanoseconds since the epoch, and how windows align to it.

/// Nanoseconds since 1970-01-01T00:00:00Z. Reaches from 1677 to 2262.
pub type Timestamp = i64;

const SECOND: i64 = 1_000_000_000;

/// Seconds since the epoch as a float: whole seconds apart from the rest, since nanoseconds of today don't fit one.
#[inline]
pub fn seconds(time: Timestamp) -> f64 {
    time.div_euclid(SECOND) as f64 + time.rem_euclid(SECOND) as f64 / 1e9
}

/// The start of the window of length `every` that holds `time`, with a true floor before 1970:
/// `floor((time - offset) / every) * every + offset`. Nothing where it lies outside 64 bits.
///
/// ```
/// use windrow_core::time::align;
/// assert_eq!(align(-1, 10, 0), Some(-10));
/// assert_eq!(align(4, 10, 6), Some(-4));
/// ```
pub fn align(time: Timestamp, every: i64, offset: i64) -> Option<Timestamp> {
    let offset = offset.rem_euclid(every);
    // `offset` is in [0, every), so the start is `time - rem` with rem in [0, every).
    let rem = (time.rem_euclid(every) - offset).rem_euclid(every);
    time.checked_sub(rem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_both_signs() {
        let minute = 60_000_000_000;
        let t = 1_625_011_204_000_000_000; // 2021-06-30T00:00:04Z
        let six_before = 1_625_010_840_000_000_000; // 06-29 23:54
        for offset in [-16, -6, 4] {
            assert_eq!(align(t, 10 * minute, offset * minute), Some(six_before), "{offset}");
        }
        for offset in [-4, 6, 16] {
            assert_eq!(align(t, 10 * minute, offset * minute), Some(six_before + 2 * minute), "{offset}");
        }
        assert_eq!(align(t, 10 * minute, 0), Some(t - 4_000_000_000));
    }

    #[test]
    fn edges_of_64_bits() {
        assert_eq!(align(i64::MIN, 7, 0), None);
        assert_eq!(align(i64::MAX, i64::MAX, 0), Some(i64::MAX));
        assert_eq!(align(i64::MAX - 1, i64::MAX, 0), Some(0));
        assert_eq!(align(-1, i64::MAX, 0), Some(-i64::MAX));
    }
}
