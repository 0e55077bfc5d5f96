//! `decode`: bytes of tracker messages as rows.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{Field, Schema};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyDict, PyMapping, PyString};
use windrow_core::decode::{Decoded as Block, Decoder, Setting};

use crate::batch::Batch;
use crate::error::{OrRaise, config, data as data_error};

/// Blocks longer than this are read detached from the interpreter: a few thousand short messages.
const LONG: usize = 1 << 19;

/// Reads messages of object trackers into rows.
#[pyfunction]
#[pyo3(signature = (data, decoder, columns=None))]
pub fn decode(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    decoder: &Bound<'_, PyAny>,
    columns: Option<Vec<String>>,
) -> PyResult<Decoded> {
    let Ok(bytes) = data.extract::<PyBackedBytes>() else {
        return Err(data_error(format!("`data` must be bytes, got {}", data.get_type().qualname()?)));
    };
    let mut decoder = read_decoder(decoder)?;
    if let Some(columns) = columns {
        decoder = decoder.with_columns(&columns).or_raise()?;
    }
    let mut out = Block::default();
    if bytes.len() > LONG {
        py.detach(|| decoder.decode(&bytes, &mut out)).or_raise()?;
    } else {
        decoder.decode(&bytes, &mut out).or_raise()?;
    }
    let wrap = |record| Py::new(py, Batch::new(record));
    Ok(Decoded {
        rows: wrap(out.plain_record().or_raise()?)?,
        heartbeats: wrap(heartbeats(&out)?)?,
        rejects: wrap(rejects(&out)?)?,
        out,
    })
}

/// A decoder as Python names it: its name, or a mapping with `kind` and options.
pub fn read_decoder(decoder: &Bound<'_, PyAny>) -> PyResult<Decoder> {
    if let Ok(name) = decoder.cast::<PyString>() {
        return Decoder::parse(&name.to_cow()?).or_raise();
    }
    let Ok(options) = decoder.cast::<PyMapping>() else {
        return Err(config(format!(
            "`decoder` must be a name or a mapping with `kind` and options, got {}",
            decoder.get_type().qualname()?
        )));
    };
    let mut settings = Vec::new();
    for item in options.items()?.iter() {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        settings.push((name.str()?.extract()?, setting(&value)?));
    }
    Decoder::configured(&settings).or_raise()
}

fn setting(value: &Bound<'_, PyAny>) -> PyResult<Setting> {
    if let Ok(text) = value.extract::<String>() {
        return Ok(Setting::Text(text));
    }
    if let Ok(map) = value.cast::<PyMapping>() {
        let pairs =
            map.items()?.iter().map(|item| item.extract::<(String, String)>()).collect::<PyResult<_>>();
        return Ok(pairs.map_or_else(
            |_| Setting::Other("a mapping of other things than text".to_owned()),
            Setting::Map,
        ));
    }
    if let Ok(list) = value.extract::<Vec<String>>() {
        return Ok(Setting::List(list));
    }
    Ok(Setting::Other(value.get_type().qualname()?.extract()?))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> PyResult<RecordBatch> {
    let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, column)| column).collect())
        .map_err(|error| data_error(error.to_string()))
}

fn heartbeats(out: &Block) -> PyResult<RecordBatch> {
    let times = TimestampNanosecondArray::from_iter_values(out.heartbeats.iter().map(|beat| beat.time));
    let cameras: StringArray = out.heartbeats.iter().map(|beat| beat.camera.as_deref()).collect();
    table(vec![("time", Arc::new(times.with_timezone("UTC"))), ("camera", Arc::new(cameras))])
}

fn rejects(out: &Block) -> PyResult<RecordBatch> {
    let lines = Int64Array::from_iter_values(out.rejects.iter().map(|reject| reject.line as i64));
    let reasons = StringArray::from_iter_values(out.rejects.iter().map(|reject| reject.reason));
    let bytes = BinaryArray::from_iter_values(out.rejects.iter().map(|reject| &reject.bytes));
    table(vec![("line", Arc::new(lines)), ("reason", Arc::new(reasons)), ("bytes", Arc::new(bytes))])
}

/// What a block of messages held.
#[pyclass(frozen, module = "windrow")]
pub struct Decoded {
    /// The rows.
    #[pyo3(get)]
    rows: Py<Batch>,
    /// Frames in which nothing was seen.
    #[pyo3(get)]
    heartbeats: Py<Batch>,
    /// What couldn't be read.
    #[pyo3(get)]
    rejects: Py<Batch>,
    out: Block,
}

#[pymethods]
impl Decoded {
    /// Lines read; blank ones are none.
    #[getter]
    fn messages(&self) -> usize {
        self.out.messages
    }

    /// By column, how many values were there and couldn't be read as its type.
    #[getter]
    fn unreadable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counts = PyDict::new(py);
        for (column, count) in &self.out.unreadable {
            counts.set_item(column, count)?;
        }
        Ok(counts)
    }

    fn __repr__(&self) -> String {
        format!(
            "windrow.Decoded: {} messages, {} rows, {} heartbeats, {} rejects",
            self.out.messages,
            self.out.rows,
            self.out.heartbeats.len(),
            self.out.rejects.len()
        )
    }
}
