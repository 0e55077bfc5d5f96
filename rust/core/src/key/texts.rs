//! The only key column, where it is of text.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, StringArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};

use super::Keys;
use super::bytes::text;

/// Bytes that are copied at once.
const PIECE: usize = 16;

/// Texts laid out to be copied often: in whole pieces, of which the next text overwrites what is too much.
struct Texts {
    pieces: Vec<[u8; PIECE]>,
    /// Where the pieces of each begin, and its length; none where it is null.
    places: Vec<Option<(usize, usize)>>,
}

impl Texts {
    fn of<'a>(texts: impl Iterator<Item = Option<Cow<'a, str>>>) -> Self {
        let mut all = Self { pieces: Vec::new(), places: Vec::new() };
        for text in texts {
            all.places.push(text.as_deref().map(|text| (all.pieces.len(), text.len())));
            for bytes in text.as_deref().unwrap_or_default().as_bytes().chunks(PIECE) {
                let mut piece = [0; PIECE];
                piece[..bytes.len()].copy_from_slice(bytes);
                all.pieces.push(piece);
            }
        }
        all
    }

    /// A column of these; nothing where it takes more bytes than a column can have.
    fn column(&self, rows: &[u32]) -> Option<StringArray> {
        let place = |row: &u32| self.places[*row as usize];
        let mut end = 0;
        let mut ends = Vec::with_capacity(rows.len() + 1);
        ends.push(0);
        ends.extend(rows.iter().map(|row| {
            end += place(row).map_or(0, |(_, length)| length);
            end as i32
        }));
        i32::try_from(end).ok()?;
        let mut bytes = vec![0; end + PIECE];
        for (row, at) in rows.iter().zip(&ends) {
            let (first, length) = place(row).unwrap_or_default();
            let mut at = *at as usize;
            for piece in &self.pieces[first..first + length.div_ceil(PIECE)] {
                bytes[at..at + PIECE].copy_from_slice(piece);
                at += PIECE;
            }
        }
        bytes.truncate(end);
        let any_null = self.places.iter().any(Option::is_none);
        let there = any_null.then(|| NullBuffer::new(rows.iter().map(|row| place(row).is_some()).collect()));
        StringArray::try_new(OffsetBuffer::new(ends.into()), bytes.into(), there).ok()
    }
}

impl Keys {
    /// The texts of these keys.
    pub(super) fn texts(&self, ids: &[u32]) -> ArrayRef {
        if ids.len() > self.len() {
            let all = Texts::of((0..self.len() as u32).map(|id| text(self.bytes(id))));
            if let Some(column) = all.column(ids) {
                return Arc::new(column);
            }
        }
        let mut builder = StringBuilder::with_capacity(ids.len(), PIECE * ids.len());
        ids.iter().for_each(|id| builder.append_option(text(self.bytes(*id))));
        Arc::new(builder.finish())
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;

    use super::*;
    use crate::column::Scalar;

    #[test]
    fn texts_of_any_length_come_out_as_they_went_in() {
        let lengths = [0, 1, 15, 16, 17, 32, 40];
        let mut texts: Vec<Option<String>> =
            lengths.iter().map(|length| Some("\u{e9}a\0"[..3].repeat(*length))).collect();
        texts.push(None);
        let mut keys = Keys::new(vec!["camera".into()]);
        for text in &texts {
            let value = text.as_ref().map_or(Scalar::Null, |text| Scalar::Str(text.as_str().into()));
            keys.intern_one(&[value]).unwrap();
        }
        let often: Vec<u32> = (0..100).map(|at| at * 7 % texts.len() as u32).collect();
        for ids in [&often[..], &often[..5], &[]] {
            let column = keys.columns(ids).remove(0);
            let column = column.as_string::<i32>();
            let expected: Vec<_> = ids.iter().map(|id| texts[*id as usize].as_deref()).collect();
            assert_eq!(column.iter().collect::<Vec<_>>(), expected);
            assert_eq!(column.null_count(), expected.iter().filter(|text| text.is_none()).count());
        }
    }
}
