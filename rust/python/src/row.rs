//! One row as Python passes it: its key and its values.

use std::ops::Deref;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyList, PyMapping, PySequence, PyString, PyTuple};
use windrow_core::column::Scalar;

use crate::arguments::shown;
use crate::error::data;
use crate::numpy::scalar;

/// Several values, or one without a list around it.
pub enum Few {
    /// One.
    One([Scalar; 1]),
    /// Any number.
    Many(Vec<Scalar>),
}

impl Deref for Few {
    type Target = [Scalar];

    fn deref(&self) -> &[Scalar] {
        match self {
            Self::One(value) => value,
            Self::Many(values) => values,
        }
    }
}

/// The key: a value for one column of `by`, a tuple for several, None for none.
pub fn key(key: &Bound<'_, PyAny>, by: &[String]) -> PyResult<Few> {
    let one = |value: &Bound<'_, PyAny>| {
        scalar(value)
            .ok_or_else(|| data(format!("`key` must hold numbers, booleans or text, got {}", shown(value))))
    };
    match by.len() {
        0 if key.is_none() => Ok(Few::Many(Vec::new())),
        1 if !key.is_instance_of::<PyTuple>() => Ok(Few::One([one(key)?])),
        _ => {
            let tuple = key.cast::<PyTuple>().map_err(|_| {
                data(format!("`key` must be a tuple of {} values, got {}", by.len(), shown(key)))
            })?;
            tuple.iter().map(|value| one(&value)).collect::<PyResult<_>>().map(Few::Many)
        }
    }
}

/// Several keys, one of each series.
pub fn keys(keys: &Bound<'_, PyAny>, by: &[String]) -> PyResult<Vec<Vec<Scalar>>> {
    let unfit = || data(format!("`keys` must be a list of series, got {}", shown(keys)));
    if keys.is_instance_of::<PyString>() || keys.is_instance_of::<PyBytes>() {
        return Err(unfit());
    }
    keys.try_iter().map_err(|_| unfit())?.map(|item| Ok(key(&item?, by)?.to_vec())).collect()
}

/// Does something with the values of the inputs; one float in a tuple or a list, without anything around it.
#[inline]
pub fn with_values<T>(
    values: &Bound<'_, PyAny>,
    inputs: &[String],
    work: impl Fn(&[Scalar]) -> PyResult<T>,
) -> PyResult<T> {
    if inputs.len() == 1
        && let Some(value) = only_float(values)
    {
        return work(&[Scalar::Float(value)]);
    }
    work(&self::values(values, inputs)?)
}

/// The float that is all there is in a tuple or a list.
#[inline]
fn only_float(values: &Bound<'_, PyAny>) -> Option<f64> {
    let float = |item: &Bound<'_, PyAny>| item.cast_exact::<PyFloat>().ok().map(PyFloatMethods::value);
    if let Ok(tuple) = values.cast_exact::<PyTuple>() {
        return if tuple.len() == 1 { float(&*tuple.get_borrowed_item(0).ok()?) } else { None };
    }
    let list = values.cast_exact::<PyList>().ok()?;
    if list.len() == 1 { float(&list.get_item(0).ok()?) } else { None }
}

/// The values of the inputs: in their order, or by name.
pub fn values(values: &Bound<'_, PyAny>, inputs: &[String]) -> PyResult<Few> {
    let one = |value: &Bound<'_, PyAny>, name: &str| {
        scalar(value).ok_or_else(|| {
            data(format!("`values` must hold numbers, booleans or text, got {} for `{name}`", shown(value)))
        })
    };
    let unfit = || {
        let (count, names) = (inputs.len(), inputs.join(", "));
        data(format!("`values` must hold {count} values ({names}), got {}", shown(values)))
    };
    // To ask whether these are a mapping takes longer than to read them.
    if let Ok(tuple) = values.cast_exact::<PyTuple>()
        && tuple.len() == inputs.len()
    {
        return few(tuple.iter().zip(inputs).map(|(value, name)| one(&value, name)));
    }
    if let Ok(list) = values.cast_exact::<PyList>()
        && list.len() == inputs.len()
    {
        return few(list.iter().zip(inputs).map(|(value, name)| one(&value, name)));
    }
    if let Ok(mapping) = values.cast::<PyMapping>() {
        let item = |name: &String| {
            let value = mapping.get_item(name);
            one(
                &value.map_err(|_| data(format!("`values` must have `{name}`, got {}", shown(values))))?,
                name,
            )
        };
        return few(inputs.iter().map(item));
    }
    let sequence = values.cast::<PySequence>().map_err(|_| unfit())?;
    if sequence.len()? != inputs.len() || values.is_instance_of::<PyString>() {
        return Err(unfit());
    }
    few(inputs.iter().enumerate().map(|(at, name)| one(&sequence.get_item(at)?, name)))
}

fn few(mut values: impl ExactSizeIterator<Item = PyResult<Scalar>>) -> PyResult<Few> {
    if values.len() == 1
        && let Some(value) = values.next()
    {
        return value.map(|value| Few::One([value]));
    }
    values.collect::<PyResult<_>>().map(Few::Many)
}
