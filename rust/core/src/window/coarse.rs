//! The coarser keys of a roll-up, looked for once a key.

use std::collections::BTreeSet;

use super::spec::Spec;
use crate::key::{Keys, NO_ID};

/// See the module.
#[derive(Debug, Clone)]
pub struct Coarse {
    /// Level by level, which key columns stay.
    keep: Vec<Vec<bool>>,
    /// The coarser keys of each key, one a level; [`NO_ID`] where they were not looked for.
    ids: Vec<u32>,
    /// Series whose coarser keys are to be looked for.
    met: BTreeSet<u32>,
}

impl Coarse {
    /// None known yet.
    pub fn new(spec: &Spec) -> Self {
        let stays = |level: &Vec<String>| spec.by.iter().map(|name| level.contains(name)).collect();
        Self { keep: spec.rollup.iter().map(stays).collect(), ids: Vec::new(), met: BTreeSet::new() }
    }

    /// Takes note of a series, to look for its coarser keys with the next drain.
    #[inline]
    pub fn meet(&mut self, key: u32) {
        let levels = self.keep.len();
        if levels > 0 && self.ids.get(key as usize * levels).is_none_or(|id| *id == NO_ID) {
            self.met.insert(key);
        }
    }

    /// Looks for the coarser keys of the series that were met since, in the order of their ids.
    pub fn learn(&mut self, keys: &mut Keys) {
        let levels = self.keep.len();
        for key in std::mem::take(&mut self.met) {
            let at = key as usize * levels;
            if at >= self.ids.len() {
                self.ids.resize(levels * keys.len(), NO_ID);
            }
            for (id, keep) in self.ids[at..].iter_mut().zip(&self.keep) {
                *id = keys.coarsen(key, keep);
            }
        }
    }

    /// Forgets series that were only met.
    pub fn forget(&mut self, gone: impl Fn(u32) -> bool) {
        self.met.retain(|key| !gone(*key));
    }

    /// The coarser keys of a key that was learned, each behind its level.
    pub fn of(&self, key: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let at = key as usize * self.keep.len();
        (1..).zip(self.ids.iter().skip(at).take(self.keep.len()).copied())
    }
}
