//! A dictionary's codes as keys.

use std::collections::HashSet;

use ahash::RandomState;
use arrow_array::Array;
use arrow_buffer::NullBuffer;

use super::bytes::{NULL, encode_text};
use super::list::List;
use super::{Entry, Keys, NO_ID};
use crate::column::{Text, Values};

/// The ids of a dictionary's codes. Batches nearly always share their dictionary, so these are kept for the next one.
#[derive(Debug, Clone, Default)]
pub(super) struct Codes {
    /// Holding it keeps its memory from becoming another's, so that the same place means the same values.
    values: Option<Text>,
    /// By code, null's behind them; [`NO_ID`] where none was looked for.
    ids: Vec<u32>,
    turns: u64,
    /// Codes that are known.
    known: usize,
    /// Whether no text is there twice, once that was asked.
    differ: Option<bool>,
    /// Keys of the table when all codes were last looked for.
    sought: usize,
    /// Room for codes that are new, with their keys and hashes.
    fresh: Vec<(u32, u32)>,
    keys: List,
}

impl Codes {
    fn turn_to(&mut self, values: &Text) {
        if self.values.as_ref().is_some_and(|known| same_memory(known, values)) {
            return;
        }
        self.turns += 1;
        self.known = 0;
        self.differ = None;
        self.sought = 0;
        self.ids.clear();
        self.ids.resize(values.len() + 1, NO_ID);
        self.values = Some(values.clone());
    }

    fn null(&self) -> usize {
        self.ids.len().saturating_sub(1)
    }
}

/// Whether two columns lie in the same memory, and so are the same.
fn same_memory(a: &Text, b: &Text) -> bool {
    let nulls = |a: Option<&NullBuffer>, b: Option<&NullBuffer>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.inner().ptr_eq(b.inner()),
        _ => false,
    };
    match (a, b) {
        (Text::Small(a), Text::Small(b)) => {
            a.offsets().ptr_eq(b.offsets()) && a.values().ptr_eq(b.values()) && nulls(a.nulls(), b.nulls())
        }
        (Text::Large(a), Text::Large(b)) => {
            a.offsets().ptr_eq(b.offsets()) && a.values().ptr_eq(b.values()) && nulls(a.nulls(), b.nulls())
        }
        (Text::View(a), Text::View(b)) => {
            a.views().ptr_eq(b.views())
                && a.data_buffers().len() == b.data_buffers().len()
                && a.data_buffers().iter().zip(b.data_buffers().iter()).all(|(a, b)| a.ptr_eq(b))
                && nulls(a.nulls(), b.nulls())
        }
        _ => false,
    }
}

fn encode_value(text: Option<&str>, key: &mut Vec<u8>) {
    match text {
        Some(text) => encode_text(text, key),
        None => key.push(NULL),
    }
}

impl Keys {
    /// Makes ready for the rows of a batch, whose key columns these are.
    pub fn turn_to(&mut self, columns: &[Values]) {
        if let [Values::Str(Text::Dictionary { values, .. })] = columns {
            self.codes.turn_to(values);
        }
    }

    /// The id of a code of the dictionary that was turned to, or of a null.
    pub fn intern_code(&mut self, code: Option<u32>) -> u32 {
        let at = code.map_or(self.codes.null(), |code| code as usize);
        match self.codes.ids.get(at) {
            Some(id) if *id != NO_ID => return *id,
            _ => {}
        }
        let mut key = std::mem::take(&mut self.scratch);
        key.clear();
        encode_value(code.and_then(|code| self.codes.values.as_ref()?.get(code as usize)), &mut key);
        let id = self.insert(&key);
        self.scratch = key;
        if let Some(known) = self.codes.ids.get_mut(at) {
            *known = id;
            self.codes.known += 1;
        }
        id
    }

    /// Codes of the dictionary that was turned to.
    pub fn codes(&self) -> usize {
        self.codes.null()
    }

    /// The ids of all codes of the dictionary that was turned to, [`NO_ID`] for keys that were never seen; nothing where
    /// two codes are one key.
    pub fn find_codes(&mut self) -> Option<&[u32]> {
        let values = self.codes.values.as_ref()?;
        let differ = self.codes.differ.get_or_insert_with(|| {
            let mut texts: HashSet<_, RandomState> = HashSet::default();
            (0..values.len()).all(|code| texts.insert(values.get(code)))
        });
        if !*differ {
            return None;
        }
        // A key that came since may be that of a code without a row.
        if self.codes.sought != self.list.len() {
            let mut key = std::mem::take(&mut self.scratch);
            for code in 0..values.len() {
                if self.codes.ids[code] == NO_ID {
                    key.clear();
                    encode_value(values.get(code), &mut key);
                    if let Some(id) = self.find(&key) {
                        self.codes.ids[code] = id;
                        self.codes.known += 1;
                    }
                }
            }
            self.scratch = key;
            self.codes.sought = self.list.len();
        }
        Some(&self.codes.ids[..values.len()])
    }

    /// How often another dictionary was turned to.
    pub fn dictionaries(&self) -> u64 {
        self.codes.turns
    }

    /// Looks for the ids of these codes of the dictionary that was turned to, in their order.
    ///
    /// What a new code leads to, its text and its place in the table, lies anywhere in memory. Each step is taken for all of
    /// them before the next, so that they wait for memory together and not one after the other.
    pub fn intern_codes(&mut self, codes: impl Iterator<Item = u32>) {
        let Some(values) = &self.codes.values else { return };
        let is_new = |ids: &[u32], code: u32| ids.get(code as usize) == Some(&NO_ID);
        let (mut fresh, mut keys) =
            (std::mem::take(&mut self.codes.fresh), std::mem::take(&mut self.codes.keys));
        fresh.clear();
        keys.clear();
        fresh.extend(codes.filter(|code| is_new(&self.codes.ids, *code)).map(|code| (code, 0)));
        let text = |code: u32| values.get(code as usize);
        let first = |code: u32| text(code).and_then(|text| text.as_bytes().first()).copied().unwrap_or(0);
        std::hint::black_box(fresh.iter().fold(0, |all, (code, _)| all ^ first(*code)));
        for (code, hash) in &mut fresh {
            *hash = self.hash(keys.push_with(|key| encode_value(text(*code), key)));
        }
        let is_there = |hash: u32| self.table.find(Entry::spread(hash), |entry| entry.hash == hash).is_some();
        std::hint::black_box(fresh.iter().fold(false, |any, (_, hash)| any | is_there(*hash)));
        self.expect(&keys, self.codes.ids.len() - self.codes.known);
        for ((code, hash), key) in fresh.iter().zip(keys.iter()) {
            if is_new(&self.codes.ids, *code) {
                self.codes.ids[*code as usize] = self.insert_hashed(key, *hash);
                self.codes.known += 1;
            }
        }
        (self.codes.fresh, self.codes.keys) = (fresh, keys);
    }
}
