//! Tables in: anything with the Arrow PyCapsule interface, or a mapping of names to arrays.
//!
//! Arrow memory is shared, never copied. This is one of the two files with `unsafe`: the capsules are raw pointers
//! by definition, and their producer is trusted to keep to the Arrow C data interface.
#![allow(unsafe_code)]

use std::sync::Arc;

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StructArray, make_array};
use arrow_schema::{DataType, Field, Schema};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyMapping, PyTuple};

use crate::arguments::shown;
use crate::batch::Batch;
use crate::error::data;
use crate::exit::CallingPython;
use crate::numpy;

/// The record batches of whatever a caller passed as a table.
pub fn read_table(table: &Bound<'_, PyAny>) -> PyResult<Vec<RecordBatch>> {
    read_table_as(table, "batch")
}

/// Likewise, of an argument that is called otherwise.
pub fn read_table_as(table: &Bound<'_, PyAny>, argument: &str) -> PyResult<Vec<RecordBatch>> {
    let py = table.py();
    if let Ok(batch) = table.cast::<Batch>() {
        return Ok(vec![batch.get().record().clone()]);
    }
    let _calling = CallingPython::new(py);
    if table.hasattr(intern!(py, "__arrow_c_stream__"))? {
        match table.call_method0(intern!(py, "__arrow_c_stream__")) {
            Ok(capsule) => return stream(&capsule),
            // pandas has the interface but needs pyarrow for it; without, its columns are read one by one.
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyImportError>(py) && is_frame(table) => {
                return Ok(vec![mapping(py, frame_columns(table)?)?]);
            }
            Err(error) => return Err(error),
        }
    }
    if table.hasattr(intern!(py, "__arrow_c_array__"))? {
        let array = array(table)?;
        let fields = array.as_any().downcast_ref::<StructArray>().ok_or_else(|| {
            data(format!(
                "`{argument}` must be a table or a record batch, got one column of {}",
                array.data_type()
            ))
        })?;
        return Ok(vec![RecordBatch::from(fields)]);
    }
    if let Ok(columns) = table.cast::<PyMapping>() {
        let items = columns.items()?;
        let columns = items
            .iter()
            .map(|item| {
                let item = item.cast_into::<PyTuple>()?;
                let name = item.get_item(0)?;
                let unfit = |_| {
                    data(format!("`{argument}` must have text as its columns' names, got {}", shown(&name)))
                };
                Ok((name.extract::<String>().map_err(unfit)?, item.get_item(1)?))
            })
            .collect::<PyResult<Vec<_>>>()?;
        return Ok(vec![mapping(py, columns)?]);
    }
    if is_frame(table) {
        return Ok(vec![mapping(py, frame_columns(table)?)?]);
    }
    Err(data(format!(
        "`{argument}` must be a table (pyarrow, polars, pandas, duckdb) or a dict of arrays, got {}",
        table.get_type().qualname()?
    )))
}

fn is_frame(table: &Bound<'_, PyAny>) -> bool {
    let py = table.py();
    table.hasattr(intern!(py, "columns")).unwrap_or(false)
        && table.hasattr(intern!(py, "to_numpy")).unwrap_or(false)
}

fn frame_columns<'py>(frame: &Bound<'py, PyAny>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
    let py = frame.py();
    frame
        .getattr(intern!(py, "columns"))?
        .try_iter()?
        .map(|name| {
            let name = name?;
            let column = frame.get_item(&name)?;
            Ok((name.str()?.extract()?, column))
        })
        .collect()
}

/// Columns by name, as one batch.
fn mapping(py: Python<'_>, columns: Vec<(String, Bound<'_, PyAny>)>) -> PyResult<RecordBatch> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    for (name, column) in columns {
        let array = if column.hasattr(intern!(py, "__arrow_c_array__"))? {
            array(&column)?
        } else if column.hasattr(intern!(py, "__arrow_c_stream__"))? {
            match column.call_method0(intern!(py, "__arrow_c_stream__")) {
                Ok(capsule) => chunks(&capsule, &name)?,
                Err(error) if error.is_instance_of::<pyo3::exceptions::PyImportError>(py) => {
                    numpy::read(&column, &name)?
                }
                Err(error) => return Err(error),
            }
        } else {
            numpy::read(&column, &name)?
        };
        if let Some(first) = arrays.first()
            && first.len() != array.len()
        {
            return Err(data(format!(
                "all columns must have as many rows as `{}` ({}), got {} in `{name}`",
                fields.first().map_or("", |field: &Field| field.name()),
                first.len(),
                array.len()
            )));
        }
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    let rows = arrays.first().map_or(0, Array::len);
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        arrays,
        &RecordBatchOptions::new().with_row_count(Some(rows)),
    )
    .map_err(|error| data(error.to_string()))
}

/// One array from `__arrow_c_array__`.
fn array(object: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let py = object.py();
    let capsules = object.call_method0(intern!(py, "__arrow_c_array__"))?.cast_into::<PyTuple>()?;
    let schema = capsules.get_item(0)?.cast_into::<PyCapsule>()?;
    let array = capsules.get_item(1)?.cast_into::<PyCapsule>()?;
    let schema = schema.pointer_checked(Some(c"arrow_schema"))?.cast::<FFI_ArrowSchema>();
    let array = array.pointer_checked(Some(c"arrow_array"))?.cast::<FFI_ArrowArray>();
    // SAFETY: capsules with these names hold these structs (Arrow PyCapsule interface); `from_raw` moves the array
    // out and leaves a released struct behind, so the capsule's destructor frees nothing twice. The schema is
    // only borrowed.
    let imported = unsafe { from_ffi(FFI_ArrowArray::from_raw(array.as_ptr()), schema.as_ref()) };
    imported.map(make_array).map_err(|error| data(format!("the Arrow array can't be read: {error}")))
}

fn stream_of(capsule: &Bound<'_, PyAny>) -> PyResult<FFI_ArrowArrayStream> {
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: a capsule with this name holds this struct; `from_raw` moves it out and leaves a released one.
    Ok(unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) })
}

/// All batches of a stream of record batches.
fn stream(capsule: &Bound<'_, PyAny>) -> PyResult<Vec<RecordBatch>> {
    let unreadable =
        |error: arrow_schema::ArrowError| data(format!("the Arrow stream can't be read: {error}"));
    RecordBatchStreamReader::try_new(stream_of(capsule)?)
        .map_err(unreadable)?
        .map(|batch| batch.map_err(unreadable))
        .collect()
}

/// All chunks of a stream of one column, put together.
fn chunks(capsule: &Bound<'_, PyAny>, name: &str) -> PyResult<ArrayRef> {
    let unreadable = |error: &dyn std::fmt::Display| {
        data(format!("column `{name}` can't be read as an Arrow stream: {error}"))
    };
    let mut stream = stream_of(capsule)?;
    let mut schema = FFI_ArrowSchema::empty();
    let get_schema = stream.get_schema().ok_or_else(|| unreadable(&"it is released"))?;
    // SAFETY: the function comes from this very stream and fills the struct that it is given.
    if unsafe { get_schema(&raw mut stream, &raw mut schema) } != 0 {
        return Err(unreadable(&"it gives no schema"));
    }
    let mut arrays = Vec::new();
    loop {
        let mut chunk = FFI_ArrowArray::empty();
        let get_next = stream.get_next().ok_or_else(|| unreadable(&"it is released"))?;
        // SAFETY: as above.
        if unsafe { get_next(&raw mut stream, &raw mut chunk) } != 0 {
            return Err(unreadable(&"a chunk failed"));
        }
        if chunk.is_released() {
            break;
        }
        // SAFETY: the stream has just filled `chunk` according to `schema`.
        arrays.push(unsafe { from_ffi(chunk, &schema) }.map_err(|error| unreadable(&error))?);
    }
    match arrays.as_slice() {
        [] => {
            let kind = DataType::try_from(&schema).map_err(|error| unreadable(&error))?;
            Ok(arrow_array::new_empty_array(&kind))
        }
        [one] => Ok(make_array(one.clone())),
        many => {
            let rows = many.iter().map(arrow_data::ArrayData::len).sum();
            let mut joined = arrow_data::transform::MutableArrayData::new(many.iter().collect(), false, rows);
            for (index, chunk) in many.iter().enumerate() {
                joined.try_extend(index, 0, chunk.len()).map_err(|error| unreadable(&error))?;
            }
            Ok(make_array(joined.freeze()))
        }
    }
}
