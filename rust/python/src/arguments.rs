//! Arguments that several classes take, read once: names, text, numbers, counts, keys, bytes. What is none of these is
//! answered by the argument's name, what was expected and what came, never by Python's own words.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBool, PyInt, PyString, PyTuple};
use windrow_core::column::Scalar;
use windrow_core::residual::smooth::Smooth;

use crate::error::{config, data};
use crate::numpy::scalar;
use crate::time;

/// Characters of a value that errors show.
const SHOWN: usize = 80;

/// A value as errors show it.
pub fn shown(value: &Bound<'_, PyAny>) -> String {
    let Ok(text) = value.repr() else { return "?".to_owned() };
    let text = text.to_string();
    if text.chars().nth(SHOWN).is_none() {
        return text;
    }
    text.chars().take(SHOWN).chain("...".chars()).collect()
}

/// One name or several.
pub fn names(value: &Bound<'_, PyAny>, argument: &str) -> PyResult<Vec<String>> {
    let unfit = || config(format!("`{argument}` must be a name or a list of names, got {}", shown(value)));
    if let Ok(one) = value.cast::<PyString>() {
        return Ok(vec![one.extract().map_err(|_| unfit())?]);
    }
    value.extract::<Vec<String>>().map_err(|_| unfit())
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

/// A text argument with a default.
pub fn word(value: Option<&Bound<'_, PyAny>>, argument: &str, default: &str) -> PyResult<String> {
    Ok(text(value, argument)?.unwrap_or_else(|| default.to_owned()))
}

/// An optional argument that counts something.
pub fn size(value: Option<&Bound<'_, PyAny>>, argument: &str) -> PyResult<Option<u64>> {
    let unfit = |value: &Bound<'_, PyAny>| {
        config(format!("`{argument}` must be a whole number that is not negative, got {}", shown(value)))
    };
    let one = |value: &Bound<'_, PyAny>| {
        if value.is_instance_of::<PyBool>() {
            Err(unfit(value))
        } else {
            value.extract().map_err(|_| unfit(value))
        }
    };
    value.map(one).transpose()
}

/// An optional number.
pub fn number(value: Option<&Bound<'_, PyAny>>, argument: &str) -> PyResult<Option<f64>> {
    let one = |value: &Bound<'_, PyAny>| {
        float(value).ok_or_else(|| config(format!("`{argument}` must be a number, got {}", shown(value))))
    };
    value.map(one).transpose()
}

/// An optional number of a row.
pub fn observation(value: Option<&Bound<'_, PyAny>>, argument: &str) -> PyResult<Option<f64>> {
    let one = |value: &Bound<'_, PyAny>| {
        float(value)
            .ok_or_else(|| data(format!("`{argument}` must be a number or None, got {}", shown(value))))
    };
    value.map(one).transpose()
}

/// A number that a float can hold; True and False are none.
pub fn float(value: &Bound<'_, PyAny>) -> Option<f64> {
    if value.is_instance_of::<PyBool>() { None } else { value.extract().ok() }
}

/// Bytes: a snapshot, a stream.
pub fn bytes(value: &Bound<'_, PyAny>, argument: &str) -> PyResult<PyBackedBytes> {
    value.extract().map_err(|_| data(format!("`{argument}` must be bytes, got {}", shown(value))))
}

/// A series' key: a value for one column, a tuple for several, None for none.
pub fn key_values(key: &Bound<'_, PyAny>, columns: usize) -> PyResult<Vec<Scalar>> {
    key_of(key, columns, "key")
}

/// As [`key_values`], by another name.
pub fn key_of(key: &Bound<'_, PyAny>, columns: usize, argument: &str) -> PyResult<Vec<Scalar>> {
    let value = |item: &Bound<'_, PyAny>| {
        scalar(item).ok_or_else(|| {
            data(format!("`{argument}` must hold text, numbers or booleans, got {}", shown(item)))
        })
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
