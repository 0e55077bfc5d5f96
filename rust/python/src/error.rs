//! The engine's errors as Python exceptions.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use windrow_core::Error;

use crate::exit::CallingPython;

/// Turns an engine error into the exception of `windrow.errors` that stands for it.
pub fn raise(error: &Error) -> PyErr {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let name = match error {
        Error::Config(_) => "ConfigError",
        Error::Data(_) => "DataError",
        Error::Snapshot(_) => "SnapshotError",
        Error::Model(_) => "ModelError",
        Error::Limit(_) => "LimitError",
        Error::Busy(_) => "BusyError",
    };
    Python::attach(|py| {
        let _calling = CallingPython::new(py);
        let class = MODULE
            .get_or_try_init(py, || PyModule::import(py, "windrow.errors").map(Bound::unbind))
            .and_then(|module| module.bind(py).getattr(name))
            .and_then(|class| Ok(class.cast_into::<PyType>()?));
        match class {
            Ok(class) => PyErr::from_type(class, error.to_string()),
            Err(failure) => failure,
        }
    })
}

/// `?` from the engine into Python.
pub trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for windrow_core::Result<T> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| raise(&error))
    }
}

/// A data error raised by the bindings themselves.
pub fn data(message: impl Into<String>) -> PyErr {
    raise(&Error::data(message))
}

/// A configuration error raised by the bindings themselves.
pub fn config(message: impl Into<String>) -> PyErr {
    raise(&Error::config(message))
}
