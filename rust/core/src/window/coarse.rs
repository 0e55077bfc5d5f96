//! The coarser keys of a roll-up, looked for once a key.

use super::spec::Spec;
use crate::key::{Keys, NO_ID};

/// See the module.
#[derive(Debug, Clone)]
pub struct Coarse {
    /// Level by level, which key columns stay.
    keep: Vec<Vec<bool>>,
    /// The coarser keys of each key, one a level; [`NO_ID`] where they were not looked for.
    ids: Vec<u32>,
}

impl Coarse {
    /// None known yet.
    pub fn new(spec: &Spec) -> Self {
        let stays = |level: &Vec<String>| spec.by.iter().map(|name| level.contains(name)).collect();
        Self { keep: spec.rollup.iter().map(stays).collect(), ids: Vec::new() }
    }

    /// Looks for those of keys that are new to it.
    pub fn learn(&mut self, keys: &mut Keys, series: impl Iterator<Item = u32>) {
        let levels = self.keep.len();
        if levels == 0 {
            return;
        }
        for key in series {
            let at = key as usize * levels;
            if self.ids.get(at).is_some_and(|id| *id != NO_ID) {
                continue;
            }
            if at >= self.ids.len() {
                self.ids.resize(levels * keys.len(), NO_ID);
            }
            for (id, keep) in self.ids[at..].iter_mut().zip(&self.keep) {
                *id = keys.coarsen(key, keep);
            }
        }
    }

    /// The coarser keys of a key that was learned, each behind its level.
    pub fn of(&self, key: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let at = key as usize * self.keep.len();
        (1..).zip(self.ids.iter().skip(at).take(self.keep.len()).copied())
    }
}
