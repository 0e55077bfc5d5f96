//! Where a string of JSON ends: the first quote, backslash or control character.
//!
//! Two thirds of a tracker message are names and short texts, so this is what decoding mostly does: eight bytes
//! are looked at together in a plain integer, on every machine alike and without `unsafe`.

/// The place of the first `"`, `\` or byte below 0x20 at or after `at`, or the length of `bytes`.
#[inline]
pub fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let found = marks_of_eight(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

/// The highest bit of each byte that ends a run of plain text; only the lowest set bit can be trusted, since
/// a borrow may mark a byte above a true one.
#[inline]
fn marks_of_eight(word: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(LOW) & !word;
    let quote = zero(word ^ (LOW * u64::from(b'"')));
    let backslash = zero(word ^ (LOW * u64::from(b'\\')));
    let control = word.wrapping_sub(LOW * 0x20) & !word;
    (quote | backslash | control) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place() {
        for length in [1, 7, 8, 9, 15, 16, 17, 31, 40] {
            for place in 0..length {
                for byte in 0..=255_u8 {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let ends = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(
                        string_end(&bytes, 0),
                        if ends { place } else { length },
                        "{byte} at {place} of {length}"
                    );
                    if let Some(word) = bytes.first_chunk::<8>() {
                        let first = (ends && place < 8).then_some(place);
                        let marks = marks_of_eight(u64::from_le_bytes(*word));
                        assert_eq!((marks != 0).then(|| marks.trailing_zeros() as usize / 8), first);
                    }
                }
            }
        }
        assert_eq!(string_end(b"\"\"", 1), 1);
        assert_eq!(string_end(b"", 5), 5);
    }
}
