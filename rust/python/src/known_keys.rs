//! Key objects that came lately, and the series that they are: a string that comes again isn't read again.
//!
//! Owns strong references to them, so that no other object can take an address; strings never change. To look one up is one
//! load, without a lock: a slot is a single word that says which object and which series.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyString;
use windrow_core::sync::Claim;

const SLOTS: usize = 4_096;

/// At most one string a slot; which one is a matter of its address.
#[derive(Default)]
pub struct KnownKeys {
    /// What [`place`] leaves of an address beside the slot, then the series; 0 where there is none.
    slots: OnceLock<Box<[AtomicU64]>>,
    /// The strings. One leaves only once its slot says so.
    held: Claim<Vec<Option<Py<PyString>>>>,
}

impl KnownKeys {
    /// The series of this very object.
    #[inline]
    pub fn get(&self, key: &Bound<'_, PyAny>) -> Option<u32> {
        let (slot, rest) = place(key);
        // Relaxed: whoever passes an object that took the address of another has seen that one leave, and with it the slot.
        let word = self.slots.get()?[slot].load(Ordering::Relaxed);
        (word >> 32 == rest).then_some(word as u32)
    }

    /// Keeps a key, if it is a plain string; not while another thread keeps one.
    pub fn insert(&self, key: &Bound<'_, PyAny>, series: u32) {
        let (slot, rest) = place(key);
        let Ok(text) = key.cast_exact::<PyString>() else { return };
        let (Ok(rest), Some(mut held)) = (u32::try_from(rest), self.held.write()) else { return };
        let slots = self.slots.get_or_init(|| (0..SLOTS).map(|_| AtomicU64::new(0)).collect());
        held.resize_with(SLOTS, || None);
        slots[slot].store(u64::from(rest) << 32 | u64::from(series), Ordering::Relaxed);
        held[slot] = Some(text.clone().unbind());
    }
}

/// The slot of an object, and the rest of its address: both together are all of it. The rest has 32 bits where an address
/// has 48 and is a multiple of 16, as nearly everywhere; it is never 0.
#[inline]
fn place(key: &Bound<'_, PyAny>) -> (usize, u64) {
    let at = (key.as_ptr().addr() as u64).rotate_right(4);
    let rest = at / SLOTS as u64;
    // Objects that were made one after the other take different slots, so far and beyond.
    ((at ^ rest) as usize % SLOTS, rest)
}
