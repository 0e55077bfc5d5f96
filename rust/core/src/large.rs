//! Lists that are read all over, in large pages of memory where they are large.
//!
//! To read from any place of a table of many megabytes takes a look into memory for what is there, and another for the page
//! that it is in, unless pages are large. Linux gives large ones to whoever asks; where it has none, and elsewhere, it is a
//! list as any other.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytemuck::{AnyBitPattern, NoUninit};
use memmap2::MmapMut;

/// Bytes from which on a list is large: two such pages.
const LARGE: usize = 4 << 20;

/// See the module.
pub struct Large<T> {
    /// Empty where it is large.
    list: Vec<T>,
    map: Option<Map>,
}

struct Map {
    bytes: MmapMut,
    /// How many are there; behind them is room.
    len: usize,
}

impl<T: AnyBitPattern + NoUninit> Large<T> {
    fn capacity(&self) -> usize {
        self.map.as_ref().map_or(self.list.capacity(), |map| map.bytes.len() / size_of::<T>())
    }

    /// Lengthens it by copies of `value`; where that moves it, to where there is room for `aside`.
    pub fn lengthen(&mut self, len: usize, aside: usize, value: T) {
        if self.capacity() < len {
            self.move_to(aside.max(len));
        }
        match &mut self.map {
            Some(map) if map.len < len => {
                bytemuck::cast_slice_mut(&mut map.bytes)[map.len..len].fill(value);
                map.len = len;
            }
            Some(_) => {}
            None => self.list.resize(len.max(self.list.len()), value),
        }
    }

    /// Makes room for so many.
    fn move_to(&mut self, room: usize) {
        let len = self.len();
        let bytes = room.saturating_mul(size_of::<T>());
        if let Some(mut bytes) = (bytes >= LARGE).then(|| large_pages(bytes)).flatten() {
            bytemuck::cast_slice_mut(&mut bytes)[..len].copy_from_slice(self);
            *self = Self { list: Vec::new(), map: Some(Map { bytes, len }) };
            return;
        }
        if self.map.is_some() {
            *self = Self::from(self.to_vec());
        }
        self.list.reserve_exact(room.saturating_sub(len));
    }
}

#[cfg(target_os = "linux")]
fn large_pages(bytes: usize) -> Option<MmapMut> {
    let map = MmapMut::map_anon(bytes).ok()?;
    map.advise(memmap2::Advice::HugePage).is_ok().then_some(map)
}

#[cfg(not(target_os = "linux"))]
fn large_pages(_bytes: usize) -> Option<MmapMut> {
    None
}

impl<T> From<Vec<T>> for Large<T> {
    fn from(list: Vec<T>) -> Self {
        Self { list, map: None }
    }
}

impl<T: AnyBitPattern + NoUninit> Deref for Large<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.map {
            Some(map) => &bytemuck::cast_slice(&map.bytes)[..map.len],
            None => &self.list,
        }
    }
}

impl<T: AnyBitPattern + NoUninit> DerefMut for Large<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.map {
            Some(map) => &mut bytemuck::cast_slice_mut(&mut map.bytes)[..map.len],
            None => &mut self.list,
        }
    }
}

impl<T: AnyBitPattern + NoUninit> Clone for Large<T> {
    fn clone(&self) -> Self {
        Self::from(self.to_vec())
    }
}

impl<T: AnyBitPattern + NoUninit + fmt::Debug> fmt::Debug for Large<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_however_large_it_gets() {
        let mut list = Large::from(vec![7_u64, 8]);
        let mut twin = vec![7, 8];
        for (value, len) in [(1, 3), (2, 1_000), (3, LARGE / 8), (4, LARGE / 8 + 1), (5, LARGE)] {
            list.lengthen(len, len + len / 2, value);
            twin.resize(len, value);
            list[len - 1] += 9;
            twin[len - 1] += 9;
            assert!(list[..] == twin && list.clone()[..] == twin, "{len}");
        }
        list.lengthen(5, 5, 0);
        assert_eq!(list.len(), LARGE);
    }
}
