//! Values of `distinct` that stand for one object, because a tracker gave it another id.
//!
//! The pairs are kept beside a cell's values, not worked into them: values and pairs may come in any order and by
//! several lanes, and merge to the same count.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{Cells, Store};

/// Pairs that a cell keeps; beyond, values count apart.
const MOST: usize = 16_384;

/// The bytes of one value.
type Value = Box<[u8]>;

/// Pairs of values, the lesser first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined(BTreeSet<(Value, Value)>);

/// What is known of a value whose object has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Same {
    /// Whether it counts in its window.
    pub counts: bool,
    /// All values of the object.
    pub values: Vec<Vec<u8>>,
}

impl Joined {
    /// Whether every value stands for itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes note that both stand for one object.
    pub fn add(&mut self, one: &[u8], other: &[u8]) {
        if one != other && self.0.len() < MOST {
            self.0.insert((one.min(other).into(), one.max(other).into()));
        }
    }

    /// Takes in the pairs of another cell.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(one, other)| self.add(one, other));
    }

    /// The least value of each object, for all of its values.
    pub fn roots(&self) -> Roots<'_> {
        let mut parents: HashMap<&[u8], &[u8]> = HashMap::new();
        for (one, other) in &self.0 {
            let (one, other) = (root(&mut parents, one), root(&mut parents, other));
            parents.insert(one.max(other), one.min(other));
        }
        Roots(parents)
    }
}

/// Goes up to the root, and lets all on the way know it.
fn root<'a>(parents: &mut HashMap<&'a [u8], &'a [u8]>, value: &'a [u8]) -> &'a [u8] {
    let mut root = value;
    while let Some(parent) = parents.get(root).filter(|parent| **parent != root) {
        root = parent;
    }
    let mut at = value;
    while at != root {
        at = parents.insert(at, root).unwrap_or(root);
    }
    root
}

/// See [`Joined::roots`].
#[derive(Debug)]
pub struct Roots<'a>(HashMap<&'a [u8], &'a [u8]>);

impl<'a> Roots<'a> {
    /// The value that stands for this one's object.
    pub fn of<'v>(&self, value: &'v [u8]) -> &'v [u8]
    where
        'a: 'v,
    {
        let mut root = value;
        while let Some(parent) = self.0.get(root).filter(|parent| **parent != root) {
            root = parent;
        }
        root
    }
}

impl Cells {
    /// Joins the values of a distinct count: `same` says of each what is known of it, if anything.
    pub fn join(&mut self, store: usize, cell: u32, same: impl FnMut(&[u8]) -> Option<Same>) {
        if let Some(Store::Sets(sets)) = self.stores_mut().get_mut(store) {
            sets.join(cell, same);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_and_stars_are_one_object() {
        let mut joined = Joined::default();
        for (one, other) in [("c", "d"), ("b", "c"), ("x", "y"), ("a", "b"), ("d", "e"), ("z", "z")] {
            joined.add(one.as_bytes(), other.as_bytes());
        }
        let roots = joined.roots();
        let all: Vec<&[u8]> = ["a", "b", "c", "d", "e"].iter().map(|id| roots.of(id.as_bytes())).collect();
        assert_eq!(all, [b"a"; 5]);
        assert_eq!((roots.of(b"y"), roots.of(b"z")), (b"x".as_slice(), b"z".as_slice()));
    }
}
