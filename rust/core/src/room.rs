//! Room for what is likely to come.

/// Places that are set aside at most, for each that is taken.
const AHEAD: usize = 8;
/// Places from which some are set aside: small pieces of memory share what is touched with others.
const MANY: usize = 1 << 14;

/// How much room to make at once for `needed` places, where `expected` are likely to be needed.
///
/// Memory that is only set aside is not touched, so it takes none yet, and spares moving all that is there again and again.
pub fn ahead(needed: usize, expected: usize) -> usize {
    if needed < MANY { needed } else { expected.clamp(needed, AHEAD.saturating_mul(needed).max(needed)) }
}

/// Makes room for `more` in a list that is likely to have `expected` in the end.
#[inline]
pub fn reserve<T>(list: &mut Vec<T>, more: usize, expected: usize) {
    if list.capacity() - list.len() < more {
        // At least twice what is there, as lists grow by themselves.
        list.reserve(more.max(ahead(list.len() + more, expected) - list.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_for_what_is_expected_but_not_for_any_promise() {
        let room_for = |len: usize, expected: usize| {
            let mut list = vec![0_u8; len];
            reserve(&mut list, 1, expected);
            list.capacity()
        };
        assert!((5 * MANY..8 * MANY).contains(&room_for(MANY, 5 * MANY)));
        assert!((8 * MANY..9 * MANY).contains(&room_for(MANY, usize::MAX)));
        assert!(room_for(100, usize::MAX) <= 200);
    }
}
