//! NumPy arrays (and lists) as Arrow columns.
//!
//! A contiguous array of a plain number type is shared: its buffer is held until the column is dropped. What
//! NumPy keeps in other ways (booleans, text, objects, strides, foreign byte order) is copied.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    ArrayRef, BooleanArray, NullArray, PrimitiveArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use pyo3::buffer::{PyBuffer, PyUntypedBuffer};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use windrow_core::column::{Scalar, from_scalars};

use crate::error::data;
use crate::time::datetime_nanoseconds;

/// Reads one column; `name` is for errors.
pub fn read(column: &Bound<'_, PyAny>, name: &str) -> PyResult<ArrayRef> {
    let py = column.py();
    let numpy = py.import(intern!(py, "numpy"))?;
    let masked = numpy.getattr(intern!(py, "ma"))?;
    let nulls = if column.is_instance(&masked.getattr(intern!(py, "MaskedArray"))?)? {
        let mask: Vec<bool> =
            masked.call_method1("getmaskarray", (column,))?.call_method0("tolist")?.extract()?;
        Some(mask.into_iter().map(|masked| !masked).collect::<Vec<bool>>())
    } else {
        None
    };
    let mut array = numpy.call_method1(intern!(py, "asarray"), (column,))?;
    if array.getattr(intern!(py, "ndim"))?.extract::<usize>()? != 1 {
        return Err(data(format!(
            "column `{name}` must have one dimension, got shape {}",
            array.getattr(intern!(py, "shape"))?.str()?
        )));
    }
    let mut dtype = array.getattr(intern!(py, "dtype"))?;
    if !dtype.getattr(intern!(py, "isnative"))?.is_truthy()? {
        dtype = dtype.call_method1(intern!(py, "newbyteorder"), ("=",))?;
        array = array.call_method1(intern!(py, "astype"), (&dtype,))?;
    }
    let kind: String = dtype.getattr(intern!(py, "kind"))?.extract()?;
    let size: usize = dtype.getattr(intern!(py, "itemsize"))?.extract()?;
    let contiguous = || numpy.call_method1(intern!(py, "require"), (&array, py.None(), ["C", "A"]));
    let nulls = nulls.map(NullBuffer::from);
    match (kind.as_str(), size) {
        ("i", 1) => primitive::<Int8Type>(&contiguous()?, nulls),
        ("i", 2) => primitive::<Int16Type>(&contiguous()?, nulls),
        ("i", 4) => primitive::<Int32Type>(&contiguous()?, nulls),
        ("i", 8) => primitive::<Int64Type>(&contiguous()?, nulls),
        ("u", 1) => primitive::<UInt8Type>(&contiguous()?, nulls),
        ("u", 2) => primitive::<UInt16Type>(&contiguous()?, nulls),
        ("u", 4) => primitive::<UInt32Type>(&contiguous()?, nulls),
        ("u", 8) => primitive::<UInt64Type>(&contiguous()?, nulls),
        ("f", 2) => primitive::<Float16Type>(&contiguous()?, nulls),
        ("f", 4) => primitive::<Float32Type>(&contiguous()?, nulls),
        ("f", 8) => primitive::<Float64Type>(&contiguous()?, nulls),
        ("b", _) => {
            let bytes = numpy.call_method1(intern!(py, "require"), (&array, py.None(), ["C", "A"]))?;
            let bytes: Vec<u8> =
                PyBuffer::get(&bytes.call_method1(intern!(py, "view"), ("u1",))?)?.to_vec(py)?;
            let values: Vec<bool> = bytes.into_iter().map(|byte| byte != 0).collect();
            Ok(Arc::new(BooleanArray::new(values.into(), nulls)))
        }
        ("M", 8) => datetimes(&contiguous()?, &dtype, nulls),
        ("U" | "T" | "O" | "S", _) => objects(&array, name, nulls.as_ref()),
        _ => Err(data(format!(
            "column `{name}` must hold numbers, booleans, text or times, got dtype {}",
            dtype.str()?
        ))),
    }
}

/// Shares a contiguous, aligned array's memory.
fn primitive<T: ArrowPrimitiveType>(
    array: &Bound<'_, PyAny>,
    nulls: Option<NullBuffer>,
) -> PyResult<ArrayRef> {
    let held = PyUntypedBuffer::get(array)?;
    let values: ScalarBuffer<T::Native> = match NonNull::new(held.buf_ptr().cast::<u8>()) {
        Some(pointer) if held.len_bytes() > 0 => {
            let length = held.len_bytes();
            // SAFETY: the exporter keeps `length` bytes at `pointer` alive and in place until the buffer is
            // released, which happens when `held` is dropped, after the last use of these bytes.
            ScalarBuffer::from(unsafe {
                Buffer::from_custom_allocation(pointer, length, Arc::new(Held(held)))
            })
        }
        _ => ScalarBuffer::from(Vec::new()),
    };
    Ok(Arc::new(PrimitiveArray::<T>::new(values, nulls)))
}

/// Keeps an exported buffer, and with it its NumPy array, alive.
struct Held(#[allow(dead_code)] PyUntypedBuffer);

// SAFETY: the buffer is only read, and only released (in `Drop`, which attaches to the interpreter).
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}
impl std::panic::RefUnwindSafe for Held {}

fn datetimes(
    array: &Bound<'_, PyAny>,
    dtype: &Bound<'_, PyAny>,
    nulls: Option<NullBuffer>,
) -> PyResult<ArrayRef> {
    const NOT_A_TIME: i64 = i64::MIN;
    let py = array.py();
    let (unit, count): (String, i64) =
        py.import(intern!(py, "numpy"))?.call_method1("datetime_data", (dtype,))?.extract()?;
    if !matches!((unit.as_str(), count), ("s" | "ms" | "us" | "ns", 1)) {
        let seconds = array.call_method1(intern!(py, "astype"), ("M8[s]",))?;
        return datetimes(&seconds, &seconds.getattr(intern!(py, "dtype"))?, nulls);
    }
    let integers = primitive::<Int64Type>(&array.call_method1(intern!(py, "view"), ("i8",))?, None)?;
    let values = arrow_array::cast::AsArray::as_primitive::<Int64Type>(&integers).values().clone();
    let missing = values.contains(&NOT_A_TIME);
    let nulls = if missing {
        let valid: NullBuffer = values.iter().map(|value| *value != NOT_A_TIME).collect::<Vec<bool>>().into();
        NullBuffer::union(Some(&valid), nulls.as_ref())
    } else {
        nulls
    };
    Ok(match unit.as_str() {
        "s" => Arc::new(TimestampSecondArray::new(values, nulls)),
        "ms" => Arc::new(TimestampMillisecondArray::new(values, nulls)),
        "us" => Arc::new(TimestampMicrosecondArray::new(values, nulls)),
        _ => Arc::new(TimestampNanosecondArray::new(values, nulls)),
    })
}

/// Text and Python objects, value by value.
fn objects(array: &Bound<'_, PyAny>, name: &str, nulls: Option<&NullBuffer>) -> PyResult<ArrayRef> {
    let py = array.py();
    let items: Vec<Bound<'_, PyAny>> = array.call_method0(intern!(py, "tolist"))?.extract()?;
    let valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
    let datetime = py.import(intern!(py, "datetime"))?.getattr(intern!(py, "datetime"))?;
    let mut scalars = Vec::with_capacity(items.len());
    let mut times = Vec::new();
    for (row, item) in items.iter().enumerate() {
        if valid(row) && item.is_instance(&datetime)? {
            // NaT is an instance of datetime that equals nothing, itself included.
            times.push(if item.eq(item)? { Some(datetime_nanoseconds(item, "time")?) } else { None });
            scalars.push(Scalar::Null);
            continue;
        }
        let value = if valid(row) { scalar(item) } else { Some(Scalar::Null) };
        scalars.push(value.ok_or_else(|| {
            let kind = item.get_type().qualname().map_or_else(|_| "?".to_owned(), |kind| kind.to_string());
            data(format!(
                "column `{name}` must hold numbers, booleans, text or times, got {kind} in row {row}"
            ))
        })?);
        times.push(None);
    }
    if times.iter().any(Option::is_some) {
        if scalars.iter().any(|value| *value != Scalar::Null) {
            return Err(data(format!("column `{name}` mixes times with other values")));
        }
        return Ok(Arc::new(TimestampNanosecondArray::from(times)));
    }
    if scalars.iter().all(|value| *value == Scalar::Null) {
        return Ok(Arc::new(NullArray::new(scalars.len())));
    }
    Ok(from_scalars(scalars.iter()))
}

/// A Python value as one of the engine's, if it is one: numbers, booleans, text, and the several nothings.
pub fn scalar(item: &Bound<'_, PyAny>) -> Option<Scalar> {
    if item.is_none() {
        return Some(Scalar::Null);
    }
    if let Ok(text) = item.cast::<PyString>() {
        return text.extract().ok().map(Scalar::Str);
    }
    if item.is_instance_of::<PyBool>() {
        return item.is_truthy().ok().map(Scalar::Bool);
    }
    if item.is_instance_of::<PyInt>() {
        let value = item.extract::<i64>().map(i128::from).or_else(|_| item.extract::<u64>().map(i128::from));
        return value.ok().map(Scalar::Int);
    }
    if item.is_instance_of::<PyFloat>() {
        return item.extract().ok().map(Scalar::Float);
    }
    if let Ok(bytes) = item.extract::<&[u8]>() {
        return std::str::from_utf8(bytes).ok().map(|text| Scalar::Str(text.to_owned()));
    }
    // NumPy's own scalars say what they are through `item()`; `pandas.NA` is not a value.
    if item.hasattr("item").unwrap_or(false) {
        return item
            .call_method0("item")
            .ok()
            .filter(|value| !value.hasattr("dtype").unwrap_or(true))
            .and_then(|value| scalar(&value));
    }
    (item.get_type().qualname().ok()? == "NAType").then_some(Scalar::Null)
}
