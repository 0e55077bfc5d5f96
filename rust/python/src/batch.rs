//! `Batch`: what every call that returns rows returns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchIterator, StructArray};
use arrow_schema::{DataType, TimeUnit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyIterator, PyList, PyTuple};

use crate::error::data;
use crate::exit::CallingPython;
use crate::time::to_datetime;

/// Rows that came out of windrow, as Arrow.
#[pyclass(frozen, module = "windrow")]
pub struct Batch {
    record: RecordBatch,
}

impl Batch {
    /// Wraps rows.
    pub fn new(record: RecordBatch) -> Self {
        Self { record }
    }

    /// The rows.
    pub fn record(&self) -> &RecordBatch {
        &self.record
    }
}

#[pymethods]
impl Batch {
    /// Names of the columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.record.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    fn __len__(&self) -> usize {
        self.record.num_rows()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.record.schema().as_ref())
            .map_err(|error| data(error.to_string()))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        // The protocol lets a producer that can't convert ignore the wish.
        let _ = requested_schema;
        let array = FFI_ArrowArray::new(&StructArray::from(self.record.clone()).into());
        PyTuple::new(
            py,
            [self.__arrow_c_schema__(py)?, PyCapsule::new_with_value(py, array, c"arrow_array")?],
        )
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        let batches = RecordBatchIterator::new([Ok(self.record.clone())], self.record.schema());
        PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(Box::new(batches)), c"arrow_array_stream")
    }

    /// A `pyarrow.Table` that shares this memory.
    fn to_pyarrow<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let _calling = CallingPython::new(slf.py());
        slf.py().import("pyarrow")?.call_method1("table", (slf,))
    }

    /// A `pandas.DataFrame`.
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let _calling = CallingPython::new(py);
        let pandas = py.import("pandas")?;
        if py.import("pyarrow").is_ok() {
            return Self::to_pyarrow(slf)?.call_method0("to_pandas");
        }
        pandas.call_method1("DataFrame", (slf.get().to_pydict(py)?,))
    }

    /// A `polars.DataFrame` that shares this memory.
    fn to_polars<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let _calling = CallingPython::new(slf.py());
        slf.py().import("polars")?.call_method1("DataFrame", (slf,))
    }

    /// Columns as lists; times as aware datetimes, cut to microseconds.
    fn to_pydict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        for (field, array) in self.record.schema().fields().iter().zip(self.record.columns()) {
            let values = (0..array.len()).map(|row| value(py, array, row)).collect::<PyResult<Vec<_>>>()?;
            columns.set_item(field.name(), PyList::new(py, values)?)?;
        }
        Ok(columns)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let names = self.columns();
        let rows = PyList::empty(py);
        for row in 0..self.record.num_rows() {
            let dict = PyDict::new(py);
            for (name, array) in names.iter().zip(self.record.columns()) {
                dict.set_item(name, value(py, array, row)?)?;
            }
            rows.append(dict)?;
        }
        rows.try_iter()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        const SHOWN: usize = 10;
        let mut lines = vec![self.columns()];
        for row in 0..self.record.num_rows().min(SHOWN) {
            let cells = self.record.columns().iter().map(|array| cell(py, array, row));
            lines.push(cells.collect::<PyResult<_>>()?);
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.record.num_columns()).map(width).collect();
        let mut text = format!("windrow.Batch: {} rows", self.record.num_rows());
        for line in &lines {
            text.push('\n');
            let cells: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
        }
        if self.record.num_rows() > SHOWN {
            text.push_str("\n...");
        }
        Ok(text)
    }
}

/// One value as a Python object.
fn value<'py>(py: Python<'py>, array: &ArrayRef, row: usize) -> PyResult<Bound<'py, PyAny>> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return Ok(py.None().into_bound(py));
    }
    Ok(match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into_pyobject(py)?.into_any(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into_pyobject(py)?.into_any(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into_pyobject(py)?.into_any(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into_pyobject(py)?.into_any(),
        DataType::Boolean => array.as_boolean().value(row).into_pyobject(py)?.to_owned().into_any(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into_pyobject(py)?.into_any(),
        DataType::Binary => pyo3::types::PyBytes::new(py, array.as_binary::<i32>().value(row)).into_any(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            to_datetime(py, array.as_primitive::<TimestampNanosecondType>().value(row))?
        }
        DataType::List(_) => {
            let values = array.as_list::<i32>().value(row);
            let items = (0..values.len()).map(|at| value(py, &values, at)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any()
        }
        DataType::Struct(fields) => {
            let record = PyDict::new(py);
            for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                record.set_item(field.name(), value(py, column, row)?)?;
            }
            record.into_any()
        }
        other => return Err(data(format!("a column of {other} has no Python form"))),
    })
}

/// One value as the repr shows it.
fn cell(py: Python<'_>, array: &ArrayRef, row: usize) -> PyResult<String> {
    let value = value(py, array, row)?;
    if value.is_none() {
        return Ok("null".to_owned());
    }
    match array.data_type() {
        DataType::Float64 => Ok(number(array.as_primitive::<Float64Type>().value(row))),
        DataType::Timestamp(_, _) => {
            let text: String = value.call_method0(intern!(py, "isoformat"))?.extract()?;
            Ok(text.replace("+00:00", "Z"))
        }
        _ => value.str()?.extract(),
    }
}

/// A float in few digits.
fn number(value: f64) -> String {
    if value != 0.0 && value.is_finite() && !(1e-4..1e15).contains(&value.abs()) {
        return format!("{value:.5e}");
    }
    let digits = format!("{value:.6}");
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.').to_owned() } else { digits }
}

/// The type of every time that windrow gives out.
pub fn utc_nanoseconds() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some(Arc::from("UTC")))
}
