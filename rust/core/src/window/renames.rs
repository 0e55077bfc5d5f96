//! A tracker's word that two ids are one object, and what a lane remembers of it.
//!
//! Rows that come after it carry the object's oldest id. What was counted before is joined when its window leaves the
//! lane, so within a window the order doesn't matter; what has left stays. An object is remembered until the windows'
//! longest `retain` (at least [`REMEMBERED`]) of event time has gone by without it, with its oldest and its newest
//! [`MOST_IDS`] ids, and of more than [`MOST_OBJECTS`] the lately seen half.
//!
//! An id is one within its camera, where the windows tell cameras apart: by key, among what `distinct` compares, or by a
//! filter for one. Where one aggregate compares ids alone, a rename joins them alone, too.

use std::borrow::Cow;

use ahash::RandomState;
use arrow_array::StringArray;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::aggregate::{FirstSeen, Plan, Same};
use super::open::Partial;
use super::rows::Rows;
use super::spec::Spec;
use crate::column::{Kind, Scalar, Text, Values};
use crate::duration::HOUR;
use crate::key::{self, Keys};
use crate::time::Timestamp;

/// The column of ids.
const TRACK: &str = "track";
/// The column within whose values they are unique.
const CAMERA: &str = "camera";

/// Event time without an object after which it is forgotten, unless `retain` is longer.
pub const REMEMBERED: i64 = HOUR;
/// Ids of an object that are remembered.
pub const MOST_IDS: usize = 8;
/// Objects that are remembered.
pub const MOST_OBJECTS: usize = 65_536;

/// Two ids of one camera are the same object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Which camera, if it says so.
    pub camera: Option<String>,
    /// The older id.
    pub from: String,
    /// The newer one.
    pub to: String,
    /// When, in nanoseconds since the epoch.
    pub time: Timestamp,
}

/// An object of several ids.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Object {
    /// Its camera's bytes; none where ids are compared alone.
    camera: Box<[u8]>,
    /// From the oldest on.
    ids: Vec<String>,
    /// Latest event time.
    last: Timestamp,
}

/// Where the bytes of a camera are.
#[derive(Debug, Clone)]
enum Place {
    /// Ids are compared alone.
    Nowhere,
    /// In the series' key, at this place.
    Key(usize),
    /// Among the compared values, at this place.
    Value(usize),
    /// The filter lets only this one in.
    Fixed(Box<[u8]>),
}

/// What one aggregate compares, of which one is the id.
#[derive(Debug, Clone)]
struct Compared {
    inputs: Vec<usize>,
    track: usize,
    camera: Place,
}

/// What the bytes of a lane's keys and inputs mean.
#[derive(Debug)]
pub struct Names<'a> {
    /// Its series.
    pub keys: &'a Keys,
    /// Kinds of the inputs.
    pub kinds: &'a [Kind],
}

/// What a lane remembers.
#[derive(Debug, Clone, Default)]
pub struct Renames {
    objects: HashMap<u64, Object, RandomState>,
    /// The object of each id, by the bytes of its camera and itself.
    of: HashMap<Box<[u8]>, u64, RandomState>,
    next: u64,
    retain: i64,
    sweep_at: usize,
    /// The input that holds ids, if some aggregate compares them.
    track: Option<usize>,
    /// Whether cameras are told apart.
    by_camera: bool,
    /// By accumulator.
    compared: Vec<Option<Compared>>,
}

impl Renames {
    /// Nothing renamed yet.
    pub fn new(spec: &Spec, plan: &Plan) -> Self {
        let position = |names: &[String], name: &str| names.iter().position(|known| known == name);
        let of_column = |columns: &[usize], input: Option<usize>| {
            input.and_then(|input| columns.iter().position(|column| *column == input))
        };
        let (track, camera) = (position(plan.inputs(), TRACK), position(plan.inputs(), CAMERA));
        let in_key = position(&spec.by, CAMERA);
        let mut compared: Vec<Option<Compared>> = plan
            .sets()
            .map(|set| {
                let (columns, filter) = set?;
                let fixed = || {
                    let (_, any_of) = filter.iter().find(|(input, _)| Some(*input) == camera)?;
                    let [one] = any_of.as_slice() else { return None };
                    let mut bytes = Vec::new();
                    key::encode(one, &mut bytes);
                    Some(Place::Fixed(bytes.into()))
                };
                Some(Compared {
                    inputs: columns.to_vec(),
                    track: of_column(columns, track)?,
                    camera: of_column(columns, camera)
                        .map(Place::Value)
                        .or(in_key.map(Place::Key))
                        .or_else(fixed)
                        .unwrap_or(Place::Nowhere),
                })
            })
            .collect();
        let by_camera = compared.iter().flatten().all(|set| !matches!(set.camera, Place::Nowhere));
        if !by_camera {
            compared.iter_mut().flatten().for_each(|set| set.camera = Place::Nowhere);
        }
        let retain = plan.memories().iter().flatten().map(FirstSeen::retain).max().unwrap_or(0);
        Self {
            retain: retain.max(REMEMBERED),
            track: track.filter(|_| compared.iter().any(Option::is_some)),
            by_camera,
            compared,
            ..Self::default()
        }
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Takes note of a rename.
    pub fn add(&mut self, rename: &Rename) {
        if self.track.is_none() || rename.from == rename.to {
            return;
        }
        let mut camera = Vec::new();
        if self.by_camera {
            key::encode(&rename.camera.clone().map_or(Scalar::Null, Scalar::Str), &mut camera);
        }
        self.unite(&camera, &rename.from, &rename.to, rename.time);
    }

    fn unite(&mut self, camera: &[u8], from: &str, to: &str, time: Timestamp) {
        let find = |id: &str| self.of.get(&id_of(camera, id)).copied();
        let fresh = |id: &str| Object { camera: camera.into(), ids: vec![id.to_owned()], last: time };
        let (older, newer) = (find(from), find(to));
        if older.is_some() && older == newer {
            return;
        }
        let mut object = older.and_then(|at| self.objects.remove(&at)).unwrap_or_else(|| fresh(from));
        let other = newer.and_then(|at| self.objects.remove(&at)).unwrap_or_else(|| fresh(to));
        object.last = object.last.max(other.last).max(time);
        object.ids.extend(other.ids);
        while object.ids.len() > MOST_IDS {
            let forgotten = object.ids.remove(1);
            self.of.remove(&id_of(camera, &forgotten));
        }
        self.insert(object);
        if self.objects.len() > MOST_OBJECTS {
            self.forget_half();
        }
    }

    /// Takes in what another lane remembers.
    pub fn absorb(&mut self, other: &Self) {
        for object in other.rest() {
            if let Some((oldest, others)) = object.ids.split_first() {
                others.iter().for_each(|id| self.unite(&object.camera, oldest, id, object.last));
            }
        }
    }

    /// Whether all was last seen more than `retain` before `time`.
    pub fn is_forgotten(&self, time: Timestamp) -> bool {
        self.objects.values().all(|object| time > object.last.saturating_add(self.retain))
    }

    fn insert(&mut self, object: Object) {
        let at = self.next;
        self.next += 1;
        for id in &object.ids {
            self.of.insert(id_of(&object.camera, id), at);
        }
        self.objects.insert(at, object);
    }

    fn retain(&mut self, stays: impl Fn(&Object) -> bool) {
        self.objects.retain(|_, object| stays(object));
        let objects = &self.objects;
        self.of.retain(|_, at| objects.contains_key(at));
    }

    fn forget_half(&mut self) {
        let mut times: Vec<Timestamp> = self.objects.values().map(|object| object.last).collect();
        let middle = times.len() / 2;
        let (_, middle, _) = times.select_nth_unstable(middle);
        let middle = *middle;
        self.retain(|object| object.last > middle);
    }

    /// Forgets what was last seen more than `retain` before `time`.
    pub fn sweep(&mut self, time: Timestamp) {
        if self.objects.len() < self.sweep_at.max(1_024) {
            return;
        }
        let retain = self.retain;
        self.retain(|object| time <= object.last.saturating_add(retain));
        self.sweep_at = 2 * self.objects.len();
    }

    /// The oldest id of a row's object, where that is another than its own.
    fn oldest(&mut self, camera: &[u8], id: &str, time: Timestamp) -> Option<&str> {
        let at = *self.of.get(&id_of(camera, id))?;
        let object = self.objects.get_mut(&at)?;
        if time > object.last.saturating_add(self.retain) {
            return None;
        }
        object.last = object.last.max(time);
        object.ids.first().map(String::as_str).filter(|oldest| *oldest != id)
    }

    /// Gives the rows of a batch the oldest ids of their objects.
    pub fn apply(&mut self, spec: &Spec, plan: &Plan, rows: &mut Rows) {
        let Some(track) = self.track.filter(|_| !self.is_empty()) else { return };
        let Values::Str(ids) = &rows.inputs[track] else { return };
        let among = |names: &[String], values: &'_ [Values]| {
            names.iter().position(|name| name == CAMERA).and_then(|at| values.get(at).cloned())
        };
        let cameras = self
            .by_camera
            .then(|| among(&spec.by, &rows.keys).or_else(|| among(plan.inputs(), &rows.inputs)))
            .flatten();
        let mut camera = Vec::new();
        let mut changed: Vec<(usize, String)> = Vec::new();
        for row in 0..ids.len() {
            let (Some(id), Ok(time)) = (ids.get(row), rows.times.get(row)) else { continue };
            camera.clear();
            if let Some(cameras) = &cameras {
                key::encode_row(cameras, row, &mut camera);
            }
            if let Some(oldest) = self.oldest(&camera, id, time) {
                changed.push((row, oldest.to_owned()));
            }
        }
        if changed.is_empty() {
            return;
        }
        let mut changed = changed.iter().peekable();
        let renamed: StringArray = (0..ids.len())
            .map(|row| match changed.next_if(|(at, _)| *at == row) {
                Some((_, id)) => Some(id.as_str()),
                None => ids.get(row),
            })
            .collect();
        rows.inputs[track] = Values::Str(Text::Small(renamed));
    }

    /// As [`Renames::apply`], of one row.
    pub fn apply_one<'v>(
        &mut self,
        spec: &Spec,
        plan: &Plan,
        time: Timestamp,
        key: &[Scalar],
        values: &'v [Scalar],
    ) -> Cow<'v, [Scalar]> {
        let Some(track) = self.track.filter(|_| !self.is_empty()) else { return Cow::Borrowed(values) };
        let Some(Scalar::Str(id)) = values.get(track) else { return Cow::Borrowed(values) };
        let mut camera = Vec::new();
        if self.by_camera {
            let names = spec.by.iter().chain(plan.inputs());
            let value = names.zip(key.iter().chain(values)).find(|(name, _)| *name == CAMERA);
            key::encode(value.map_or(&Scalar::Null, |(_, value)| value), &mut camera);
        }
        let Some(oldest) = self.oldest(&camera, id, time) else { return Cow::Borrowed(values) };
        let mut renamed = values.to_vec();
        renamed[track] = Scalar::Str(oldest.to_owned());
        Cow::Owned(renamed)
    }

    /// All values of the object that a value of an accumulator stands for, where there are several.
    fn same(
        &self,
        (index, series, value): (usize, u32, &[u8]),
        names: &Names<'_>,
        time: Timestamp,
    ) -> Option<Vec<Vec<u8>>> {
        let Names { keys, kinds } = names;
        let compared = self.compared.get(index)?.as_ref()?;
        let component = |place: usize| -> Option<(usize, &[u8])> {
            let mut rest = value;
            for input in compared.inputs.get(..place)? {
                // Whole floats are written as integers, so where they end can't be told.
                let kind = kinds.get(*input).filter(|kind| **kind != Kind::Float)?;
                (_, rest) = key::split(rest, *kind)?;
            }
            let (part, _) = key::split(rest, *kinds.get(*compared.inputs.get(place)?)?)?;
            Some((value.len() - rest.len(), part))
        };
        let camera: &[u8] = match &compared.camera {
            Place::Nowhere => &[],
            Place::Fixed(camera) => camera,
            Place::Value(place) => component(*place)?.1,
            Place::Key(place) => {
                let mut rest = keys.bytes(series);
                for kind in keys.kinds().get(..*place)? {
                    (_, rest) = key::split(rest, *kind)?;
                }
                key::split(rest, *keys.kinds().get(*place)?)?.0
            }
        };
        let (start, id) = component(compared.track)?;
        let object = self.objects.get(self.of.get([camera, id].concat().as_slice())?)?;
        if time > object.last.saturating_add(self.retain) {
            return None;
        }
        let with = |another: &String| {
            let mut other = value[..start].to_vec();
            key::encode_text(another, &mut other);
            other.extend_from_slice(&value[start + id.len()..]);
            other
        };
        Some(object.ids.iter().map(with).collect())
    }

    /// Whether a value that may count once still does, in the window that starts at `window`; `key` is by what it is
    /// remembered, its series and itself.
    pub fn counts(
        &self,
        memory: &mut FirstSeen,
        (index, key): (usize, &[u8]),
        names: &Names<'_>,
        window: Timestamp,
        time: Timestamp,
    ) -> bool {
        if !self.is_empty()
            && let Some((series, value)) = key.split_first_chunk()
            && let Some(all) = self.same((index, u32::from_le_bytes(*series), value), names, time)
        {
            let all: Vec<Vec<u8>> = all.iter().map(|value| [series, value.as_slice()].concat()).collect();
            return memory.counts_any(&all, window, time);
        }
        memory.counts(key, window, time)
    }

    /// Joins what was counted in a window that leaves the lane.
    pub fn join(&self, partial: &mut Partial, names: &Names<'_>, memories: &[Option<FirstSeen>]) {
        for (index, memory) in memories.iter().enumerate() {
            for (series, cell) in partial.keys.iter().zip(1..) {
                partial.cells.join(index, cell, |value| {
                    let values = self.same((index, *series, value), names, partial.start)?;
                    let home = memory.as_ref().and_then(|memory| {
                        memory.home(&values.iter().map(|value| of_series(*series, value)).collect::<Vec<_>>())
                    });
                    Some(Same { counts: home.is_none_or(|home| home >= partial.start), values })
                });
            }
        }
    }

    /// What snapshots keep.
    pub fn rest(&self) -> Vec<Object> {
        let mut objects: Vec<Object> = self.objects.values().cloned().collect();
        objects.sort_unstable_by(|a, b| (&a.camera, &a.ids).cmp(&(&b.camera, &b.ids)));
        objects
    }

    /// Goes on from there.
    pub fn wake(&mut self, objects: Vec<Object>) {
        objects.into_iter().for_each(|object| self.insert(object));
    }
}

/// The bytes of an id within its camera.
fn id_of(camera: &[u8], id: &str) -> Box<[u8]> {
    let mut bytes = camera.to_vec();
    key::encode_text(id, &mut bytes);
    bytes.into()
}

/// The bytes by which a value of a series is remembered.
fn of_series(series: u32, value: &[u8]) -> Vec<u8> {
    [&series.to_le_bytes(), value].concat()
}
