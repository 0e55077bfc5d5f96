//! Windows that the collector holds: each lane's share of each series, until it is merged into a row.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::aggregate::Cells;
use crate::time::Timestamp;

/// One lane's cells of a series in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Which lane.
    pub lane: u32,
    /// Rows read before the lane's watermark reached the end.
    pub on_time: Option<u32>,
    /// Rows read after.
    pub late: Option<u32>,
}

/// A series in a window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// In the order of lanes.
    pub shares: Vec<Share>,
    /// The revision that came out last.
    pub revision: Option<u64>,
    /// Whether rows came since.
    pub changed: bool,
}

/// A window that has not expired.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {
    /// Its end.
    pub end: Timestamp,
    /// Whether revision 0 came out.
    pub fired: bool,
    /// By key.
    pub series: BTreeMap<u32, Series>,
    /// Sources that were alive in it, by their bytes.
    pub alive: BTreeSet<Box<[u8]>>,
    /// Last revision of the rows of coarser keys, by level and key.
    pub coarse: BTreeMap<(u32, u32), u64>,
    /// All that came in so far, where that is one lane's rows on time: most windows fire so, and need no merging.
    #[serde(skip)]
    pub whole: Option<Whole>,
}

/// A window as one lane handed it over.
#[derive(Debug, Clone)]
pub struct Whole {
    pub(super) lane: u32,
    /// The collector's ids; the `i`-th has cell `i + 1`.
    pub(super) keys: Vec<u32>,
    pub(super) cells: Cells,
}

impl Series {
    /// A lane's share, made where there is none.
    pub fn share(&mut self, lane: u32, views: &Views) -> &mut Share {
        let name = |lane: u32| views.get(&lane).map(|view| &view.name);
        let at = self.shares.partition_point(|share| name(share.lane) < name(lane));
        if self.shares.get(at).is_none_or(|share| share.lane != lane) {
            self.shares.insert(at, Share { lane, on_time: None, late: None });
        }
        &mut self.shares[at]
    }
}

impl Pending {
    /// Adds a lane's share: the `i`-th key has cell `i + 1` of `from`.
    pub fn merge(
        &mut self,
        (cells, views): (&mut Cells, &Views),
        lane: u32,
        keys: &[u32],
        from: &Cells,
        on_time: bool,
    ) {
        for (key, cell) in keys.iter().zip(1..) {
            let series = self.series.entry(*key).or_default();
            // What comes to a window that has fired is a revision of it, whatever its own lane thought.
            let on_time = on_time && !self.fired;
            series.changed |= !on_time;
            let share = series.share(lane, views);
            let slot = if on_time { &mut share.on_time } else { &mut share.late };
            let into = *slot.get_or_insert_with(|| cells.allocate());
            cells.merge(into, from, cell);
        }
    }

    /// Takes apart a window that came whole, once it can't stay so. Gives the number of its series.
    pub fn merge_whole(&mut self, cells: &mut Cells, views: &Views) -> usize {
        let Some(whole) = self.whole.take() else { return 0 };
        self.merge((cells, views), whole.lane, &whole.keys, &whole.cells, true);
        whole.keys.len()
    }

    /// A window that nothing has come to.
    pub fn new(end: Timestamp) -> Self {
        Self {
            end,
            fired: false,
            series: BTreeMap::new(),
            alive: BTreeSet::new(),
            coarse: BTreeMap::new(),
            whole: None,
        }
    }
}

/// Lanes by their number.
pub type Views = BTreeMap<u32, View>;

/// A lane as the collector knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its name: shares merge in the order of names.
    pub name: String,
    /// The collector's ids of its keys.
    pub keys: Vec<u32>,
    /// The bytes of its sources.
    pub sources: Vec<Box<[u8]>>,
}

/// A set of ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub ids: Vec<bool>,
    len: usize,
}

impl Seen {
    pub fn insert(&mut self, id: u32) {
        let id = id as usize;
        if id >= self.ids.len() {
            self.ids.resize(id + 1, false);
        }
        self.len += usize::from(!std::mem::replace(&mut self.ids[id], true));
    }

    pub fn remove(&mut self, gone: impl Fn(u32) -> bool) {
        for (id, seen) in (0..).zip(&mut self.ids) {
            if *seen && gone(id) {
                *seen = false;
                self.len -= 1;
            }
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it could be of a table of so many keys.
    pub fn fits(&self, keys: usize) -> bool {
        self.ids.len() <= keys && self.len == self.ids.iter().filter(|seen| **seen).count()
    }
}
