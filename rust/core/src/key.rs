//! Series keys: the values of the `by` columns, as bytes, as dense ids.
//!
//! A key's bytes order as its values do (null first, then numbers by size, text by code point), so sorting ids
//! by their bytes gives the order of every output. Ids count from 0 in order of first sight and are stable for
//! the life of the table. The hash is seeded per table: ids from outside can't be made to collide on purpose.

mod bytes;
mod codes;
mod list;
mod texts;

use std::ops::Range;

use ahash::RandomState;
use arrow_array::ArrayRef;
use hashbrown::{HashMap, HashTable};
use serde::{Deserialize, Serialize};

use bytes::decode;
pub use bytes::{encode, encode_row, encode_text, split};
use codes::Codes;
pub use list::List;

use crate::column::{self, Kind, Scalar, Text, Values};
use crate::error::{Error, Result};
use crate::room;

/// Stands for a key that was not let in.
pub const NO_ID: u32 = u32::MAX;

/// A key in the table. Its hash is kept: growing, and telling most keys apart, takes no look at their bytes.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    hash: u32,
}

impl Entry {
    /// What the table goes by: it looks at the lowest and the highest bits.
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }
}

/// The keys seen so far, each with its dense id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Keys {
    names: Vec<String>,
    kinds: Vec<Kind>,
    /// By id.
    list: List,
    table: HashTable<Entry>,
    hasher: RandomState,
    scratch: Vec<u8>,
    codes: Codes,
}

/// What of a key table is worth keeping: keys, never hashes.
#[derive(Serialize, Deserialize)]
struct Stored {
    names: Vec<String>,
    kinds: Vec<Kind>,
    list: List,
}

impl From<Keys> for Stored {
    fn from(keys: Keys) -> Self {
        Self { names: keys.names, kinds: keys.kinds, list: keys.list }
    }
}

impl TryFrom<Stored> for Keys {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let mut keys = Self::new(stored.names);
        if stored.kinds.len() != keys.names.len() {
            return Err("key columns and their types differ in number".to_owned());
        }
        keys.kinds = stored.kinds;
        for (id, key) in stored.list.iter().enumerate() {
            let mut rest = key;
            for kind in &keys.kinds {
                (_, rest) = decode(rest, *kind).ok_or("a key doesn't fit its column's type")?;
            }
            if !rest.is_empty() || keys.insert(key) as usize != id {
                return Err("a key is there twice or too long".to_owned());
            }
        }
        Ok(keys)
    }
}

impl Keys {
    /// A table for the named columns; without columns there is one key, the empty one.
    pub fn new(names: Vec<String>) -> Self {
        Self {
            kinds: vec![Kind::Unknown; names.len()],
            names,
            list: List::default(),
            table: HashTable::new(),
            hasher: RandomState::new(),
            scratch: Vec::new(),
            codes: Codes::default(),
        }
    }

    /// The columns' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The columns' kinds.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Keys seen.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether no key has been seen.
    pub fn is_empty(&self) -> bool {
        self.list.len() == 0
    }

    /// A key's bytes.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.list.get(id as usize)
    }

    /// The bytes of the keys from an id on.
    pub fn since(&self, id: usize) -> List {
        self.list.since(id)
    }

    /// The id of a key's bytes, if it was seen.
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        self.find_hashed(key, self.hash(key))
    }

    fn hash(&self, key: &[u8]) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    fn find_hashed(&self, key: &[u8], hash: u32) -> Option<u32> {
        // Comparing nothing with nothing is not free: the C library may do it through a page that isn't there.
        let is_same = |known: &[u8]| known.len() == key.len() && (key.is_empty() || known == key);
        let is_it = |entry: &Entry| entry.hash == hash && is_same(self.bytes(entry.id));
        self.table.find(Entry::spread(hash), is_it).map(|entry| entry.id)
    }

    /// The id of a key's bytes, a new one if need be.
    pub fn insert(&mut self, key: &[u8]) -> u32 {
        self.insert_hashed(key, self.hash(key))
    }

    fn insert_hashed(&mut self, key: &[u8], hash: u32) -> u32 {
        if let Some(id) = self.find_hashed(key, hash) {
            return id;
        }
        let id = self.list.len() as u32;
        self.list.push(key);
        self.table.insert_unique(Entry::spread(hash), Entry { id, hash }, |entry| Entry::spread(entry.hash));
        id
    }

    /// Makes room for these keys, where `more` are likely to come.
    fn expect(&mut self, keys: &List, more: usize) {
        let expected = self.len() + more;
        self.list.reserve(keys, expected);
        if self.table.capacity() - self.table.len() < keys.len() {
            let ahead = room::ahead(self.len() + keys.len(), expected);
            self.table.reserve(ahead - self.len(), |entry| Entry::spread(entry.hash));
        }
    }

    /// Takes in the types of a batch's key columns; an error where one doesn't fit what it was before.
    pub fn admit(&mut self, columns: &[Values]) -> Result<()> {
        self.admit_kinds(columns.iter().map(Kind::of))
    }

    /// As [`Keys::admit`], of another table's kinds.
    pub fn admit_all(&mut self, kinds: &[Kind]) -> Result<()> {
        self.admit_kinds(kinds.iter().copied())
    }

    fn admit_kinds(&mut self, kinds: impl Iterator<Item = Kind> + Clone) -> Result<()> {
        for ((name, known), kind) in self.names.iter().zip(&self.kinds).zip(kinds.clone()) {
            if kind != Kind::Unknown && *known != Kind::Unknown && kind != *known {
                return Err(Error::data(format!(
                    "key column `{name}` must hold {} as before, got {}",
                    known.name(),
                    kind.name()
                )));
            }
        }
        for (known, kind) in self.kinds.iter_mut().zip(kinds) {
            if kind != Kind::Unknown {
                *known = kind;
            }
        }
        Ok(())
    }

    /// The ids of a batch's rows, appended to `ids`. `columns` are the key columns in their order.
    pub fn intern(&mut self, columns: &[Values], rows: usize, ids: &mut Vec<u32>) -> Result<()> {
        self.admit(columns)?;
        self.turn_to(columns);
        self.intern_rows(columns, 0..rows, ids);
        Ok(())
    }

    /// The ids of some rows of the batch that was turned to, appended to `ids`.
    pub fn intern_rows(&mut self, columns: &[Values], rows: Range<usize>, ids: &mut Vec<u32>) {
        if columns.is_empty() {
            let id = self.insert(&[]);
            ids.resize(ids.len() + rows.len(), id);
            return;
        }
        if let [Values::Str(Text::Dictionary { codes, nulls, .. })] = columns {
            ids.extend(rows.map(|row| {
                let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                self.intern_code((!is_null).then_some(codes[row]))
            }));
            return;
        }
        let mut key = std::mem::take(&mut self.scratch);
        let mut previous = None;
        let mut last = Vec::new();
        ids.reserve(rows.len());
        for row in rows {
            key.clear();
            for column in columns {
                encode_row(column, row, &mut key);
            }
            let id = match previous {
                Some(id) if last == key => id,
                _ => self.insert(&key),
            };
            if previous != Some(id) {
                last.clone_from(&key);
                previous = Some(id);
            }
            ids.push(id);
        }
        self.scratch = key;
    }

    /// The id of one key given value by value.
    pub fn intern_one(&mut self, values: &[Scalar]) -> Result<u32> {
        self.intern_one_within(values, usize::MAX)
    }

    /// Takes in the types of one key given value by value.
    pub fn admit_one(&mut self, values: &[Scalar]) -> Result<()> {
        if values.len() != self.names.len() {
            return Err(Error::data(format!(
                "`key` must have {} values ({}), got {}",
                self.names.len(),
                self.names.join(", "),
                values.len()
            )));
        }
        self.admit_kinds(values.iter().map(Kind::of_scalar))
    }

    /// As [`Keys::intern_one`], with [`NO_ID`] for a new key beyond `limit`.
    pub fn intern_one_within(&mut self, values: &[Scalar], limit: usize) -> Result<u32> {
        self.admit_one(values)?;
        Ok(self.intern_encoded(limit, |key| values.iter().for_each(|value| encode(value, key))))
    }

    /// The id of one row of columns that were admitted, with [`NO_ID`] for a new key beyond `limit`.
    pub fn intern_row_within(&mut self, columns: &[Values], row: usize, limit: usize) -> u32 {
        self.intern_encoded(limit, |key| columns.iter().for_each(|column| encode_row(column, row, key)))
    }

    fn intern_encoded(&mut self, limit: usize, write: impl FnOnce(&mut Vec<u8>)) -> u32 {
        let mut key = std::mem::take(&mut self.scratch);
        key.clear();
        write(&mut key);
        let id = if self.len() >= limit { self.find(&key).unwrap_or(NO_ID) } else { self.insert(&key) };
        self.scratch = key;
        id
    }

    /// A key's values, in the order of the columns.
    pub fn values(&self, id: u32) -> Vec<Scalar> {
        let mut rest = self.bytes(id);
        let mut values = Vec::with_capacity(self.kinds.len());
        for kind in &self.kinds {
            let Some((value, after)) = decode(rest, *kind) else { break };
            values.push(value);
            rest = after;
        }
        values.resize(self.kinds.len(), Scalar::Null);
        values
    }

    /// The key that keeps only some columns, the others null.
    pub fn coarsen(&mut self, id: u32, keep: &[bool]) -> u32 {
        let mut key = Vec::new();
        for (value, keep) in self.values(id).iter().zip(keep) {
            encode(if *keep { value } else { &Scalar::Null }, &mut key);
        }
        self.insert(&key)
    }

    /// The key columns of rows with these ids.
    pub fn columns(&self, ids: &[u32]) -> Vec<ArrayRef> {
        if let [Kind::Str] = self.kinds.as_slice() {
            return vec![self.texts(ids)];
        }
        // Each key is decoded once, however many rows it has.
        let mut decoded: HashMap<u32, Vec<Scalar>, RandomState> = HashMap::default();
        for id in ids {
            decoded.entry(*id).or_insert_with(|| self.values(*id));
        }
        let value = |id: &u32, column: usize| {
            decoded.get(id).and_then(|values| values.get(column)).unwrap_or(&Scalar::Null)
        };
        (0..self.kinds.len())
            .map(|column| column::of_kind(self.kinds[column], ids.iter().map(|id| value(id, column))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow_array::{Int64Array, StringArray};

    #[test]
    fn keys_come_back_as_they_went_in() {
        let mut keys = Keys::new(vec!["camera".into(), "lane".into()]);
        let camera: ArrayRef = Arc::new(StringArray::from(vec![Some("a\0b"), None, Some("a\0b")]));
        let lane: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 1]));
        let columns = [Values::read(&camera, "camera").unwrap(), Values::read(&lane, "lane").unwrap()];
        let mut ids = Vec::new();
        keys.intern(&columns, 3, &mut ids).unwrap();
        assert_eq!(ids, [0, 1, 0]);
        assert_eq!(keys.values(0), [Scalar::Str("a\0b".into()), Scalar::Int(1)]);
        assert_eq!(keys.values(1), [Scalar::Null, Scalar::Int(2)]);
        assert_eq!(keys.intern_one(&[Scalar::Null, Scalar::Int(2)]).unwrap(), 1);
        assert_eq!(
            keys.intern_one(&[Scalar::Int(1), Scalar::Int(2)]).unwrap_err().to_string(),
            "key column `camera` must hold text as before, got integers"
        );
        let restored: Keys = postcard::from_bytes(&postcard::to_stdvec(&keys).unwrap()).unwrap();
        assert_eq!(restored.values(1), keys.values(1));
        assert_eq!(restored.find(keys.bytes(0)), Some(0));
    }
}
