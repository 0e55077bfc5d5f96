//! Python bindings of windrow: one file per class. No algorithm lives here.
#![deny(unsafe_code)]
#![allow(dead_code)]
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes, reason = "docstrings are numpydoc, not rustdoc")]

use pyo3::prelude::pymodule;

mod alarm;
mod arguments;
mod arrow;
mod batch;
mod decode;
mod detector;
mod detector_groups;
mod detector_one;
mod detector_repr;
mod detector_states;
mod error;
mod exit;
mod filters;
mod known_keys;
mod lane;
mod measures;
mod model;
mod numpy;
mod residual_scorer;
mod rmse;
mod row;
mod spec;
mod stats;
mod time;
mod tumbling_windows;
mod writer;

/// The compiled part of windrow; import `windrow` instead.
#[pymodule(gil_used = false)]
mod _windrow {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::alarm::Alarm;
    #[pymodule_export]
    use super::batch::Batch;
    #[pymodule_export]
    use super::detector::Detector;
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::residual_scorer::ResidualScorer;
    #[pymodule_export]
    use super::rmse::{Rmse, cumulative, ewm, rolling};
    #[pymodule_export]
    use super::tumbling_windows::TumblingWindows;
    #[pymodule_export]
    use super::writer::Writer;

    #[pymodule_export]
    use super::decode::{Decoded, decode};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DEBUG", cfg!(debug_assertions))?;
        crate::exit::register(module)
    }
}
