//! Key objects that came lately, and the series that they are: a string that comes again isn't read again.
//!
//! Owns strong references to them, so that no other object can take an address; strings never change.

use pyo3::prelude::*;
use pyo3::types::PyString;

const SLOTS: usize = 4_096;

/// At most one string a slot; which one is a matter of its address.
#[derive(Default)]
pub struct KnownKeys(Vec<Option<(Py<PyString>, u32)>>);

impl KnownKeys {
    /// The series of this very object.
    #[inline]
    pub fn get(&self, key: &Bound<'_, PyAny>) -> Option<u32> {
        match self.0.get(slot(key))? {
            Some((known, series)) if known.as_ptr() == key.as_ptr() => Some(*series),
            _ => None,
        }
    }

    /// Keeps a key, if it is a plain string.
    pub fn insert(&mut self, key: &Bound<'_, PyAny>, series: u32) {
        if let Ok(text) = key.cast_exact::<PyString>() {
            self.0.resize_with(SLOTS, || None);
            self.0[slot(key)] = Some((text.clone().unbind(), series));
        }
    }
}

/// Spreads addresses, which are multiples of 16.
#[inline]
fn slot(key: &Bound<'_, PyAny>) -> usize {
    ((key.as_ptr() as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as usize
}
