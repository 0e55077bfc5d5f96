//! Python bindings of windrow: one file per class. No algorithm lives here.
#![deny(unsafe_code)]
#![allow(dead_code)]

use pyo3::prelude::*;

mod arrow;
mod batch;
mod decode;
mod error;
mod numpy;
mod time;

/// The compiled part of windrow; import `windrow` instead.
#[pymodule(gil_used = false)]
mod _windrow {
    use super::*;

    #[pymodule_export]
    use super::batch::Batch;

    #[pymodule_export]
    use super::decode::{Decoded, decode};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DEBUG", cfg!(debug_assertions))
    }
}
