//! Keys' bytes, one after the other.

use serde::{Deserialize, Serialize};

use crate::room;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct List {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

/// A list from outside.
#[derive(Deserialize)]
struct Stored {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl TryFrom<Stored> for List {
    type Error = &'static str;

    fn try_from(Stored { bytes, ends }: Stored) -> Result<Self, Self::Error> {
        if !ends.is_sorted() || ends.last().is_some_and(|last| *last > bytes.len()) {
            return Err("a key lies outside its bytes");
        }
        Ok(Self { bytes, ends })
    }
}

impl List {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.ends[at - 1] }
    }

    /// One of them.
    #[inline]
    pub fn get(&self, at: usize) -> &[u8] {
        &self.bytes[self.start(at)..self.ends[at]]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Adds one.
    pub fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    /// Makes room for those of another list, where `expected` are likely to come in the end.
    pub fn reserve(&mut self, more: &Self, expected: usize) {
        let bytes = |count: usize| count.saturating_mul(more.bytes.len()) / more.len().max(1);
        room::reserve(&mut self.bytes, more.bytes.len(), bytes(expected));
        room::reserve(&mut self.ends, more.len(), expected);
    }

    /// Adds one as `write` appends it, and gives it.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
        self.get(self.len() - 1)
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Copies of those from one on.
    #[must_use]
    pub fn since(&self, at: usize) -> Self {
        let start = self.start(at);
        Self {
            bytes: self.bytes[start..].to_vec(),
            ends: self.ends[at..].iter().map(|end| end - start).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_is_there_from_any_place_on() {
        let keys: [&[u8]; 4] = [b"a", b"", b"long one", b"b"];
        let mut list = List::default();
        keys.iter().for_each(|key| list.push(key));
        for at in 0..=keys.len() {
            assert!(list.since(at).iter().eq(keys[at..].iter().copied()), "{at}");
        }
    }

    #[test]
    fn ends_beyond_the_bytes_or_out_of_order_are_refused() {
        for ends in [vec![2, 1], vec![4]] {
            let bytes = postcard::to_stdvec(&List { bytes: vec![0; 3], ends }).unwrap();
            assert!(postcard::from_bytes::<List>(&bytes).is_err());
        }
    }
}
