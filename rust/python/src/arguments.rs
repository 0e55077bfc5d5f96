//! Arguments that several classes take, read once: names, text, counts, keys.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyString, PyTuple};
use windrow_core::column::Scalar;
use windrow_core::residual::smooth::Smooth;

use crate::error::{config, data};
use crate::numpy::scalar;
use crate::time;

/// A value as errors show it.
pub fn shown(value: &Bound<'_, PyAny>) -> String {
    value.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string())
}

/// One name or several.
pub fn names(value: &Bound<'_, PyAny>, argument: &str) -> PyResult<Vec<String>> {
    if let Ok(one) = value.cast::<PyString>() {
        return Ok(vec![one.extract()?]);
    }
    value
        .extract::<Vec<String>>()
        .map_err(|_| config(format!("`{argument}` must be a name or a list of names, got {}", shown(value))))
}

/// An optional text argument.
pub fn text(value: Option<&Bound<'_, PyAny>>, argument: &str) -> PyResult<Option<String>> {
    let unfit = |value: &Bound<'_, PyAny>| config(format!("`{argument}` must be text, got {}", shown(value)));
    value.map(|value| value.extract().map_err(|_| unfit(value))).transpose()
}

/// An argument that is true or false.
pub fn flag(value: &Bound<'_, PyAny>, argument: &str) -> PyResult<bool> {
    value.extract().map_err(|_| config(format!("`{argument}` must be True or False, got {}", shown(value))))
}

/// An optional argument that counts something.
pub fn size(value: Option<&Bound<'_, PyAny>>, argument: &str) -> PyResult<Option<u64>> {
    let unfit = |value: &Bound<'_, PyAny>| {
        config(format!("`{argument}` must be a whole number that is not negative, got {}", shown(value)))
    };
    value.map(|value| value.extract().map_err(|_| unfit(value))).transpose()
}

/// A series' key: a value for one column, a tuple for several, None for none.
pub fn key_values(key: &Bound<'_, PyAny>, columns: usize) -> PyResult<Vec<Scalar>> {
    let value = |item: &Bound<'_, PyAny>| {
        scalar(item)
            .ok_or_else(|| data(format!("`key` must hold text, numbers or booleans, got {}", shown(item))))
    };
    if let Ok(items) = key.cast::<PyTuple>() {
        return items.iter().map(|item| value(&item)).collect();
    }
    if columns == 0 && key.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![value(key)?])
}

/// Over how many rows, or how long, residuals are averaged.
pub fn smoothing(value: Option<&Bound<'_, PyAny>>) -> PyResult<Smooth> {
    let Some(value) = value else { return Ok(Smooth::Rows(1)) };
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        let rows = value.extract::<usize>();
        return rows
            .map(Smooth::Rows)
            .map_err(|_| config(format!("`smooth` must be a positive number of rows, got {value}")));
    }
    Ok(Smooth::Time(time::duration(value, "smooth")?))
}
