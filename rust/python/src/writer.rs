//! `Writer`.

use pyo3::prelude::*;

use crate::known_keys::KnownKeys;
use crate::lane;

/// A producer's own lane of `TumblingWindows`; made by `TumblingWindows.writer`.
///
/// Use one thread a writer: a second one that pushes meanwhile gets `BusyError`. Closing it, by `close` or at the end of a
/// ``with`` block, lets windows go on without it.
///
/// Examples
/// --------
/// >>> import windrow as wr
/// >>> w = wr.TumblingWindows(every="1m", aggregates={"n": wr.count()}, time_unit="s")
/// >>> with w.writer("north") as lane:
/// ...     lane.push({"time": [0, 59]})
/// >>> w.flush().to_pydict()["n"]
/// [2]
#[pyclass(frozen, module = "windrow")]
pub struct Writer {
    core: windrow_core::window::Writer,
    known: KnownKeys,
}

impl Writer {
    pub fn new(core: windrow_core::window::Writer) -> Self {
        Self { core, known: KnownKeys::default() }
    }
}

#[pymethods]
impl Writer {
    /// The lane's name.
    #[getter]
    fn name(&self) -> &str {
        self.core.name()
    }

    /// Whether it was closed.
    #[getter]
    fn closed(&self) -> bool {
        !self.core.is_open()
    }

    /// Reads rows, as `TumblingWindows.push`.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     A column is missing or of a type that can't be read; nothing was read.
    /// LimitError
    ///     ``max_cells`` is reached; nothing was read.
    /// BusyError
    ///     Another thread is pushing with this writer.
    /// ConfigError
    ///     It is closed.
    #[pyo3(signature = (batch, now=None))]
    fn push(&self, py: Python<'_>, batch: &Bound<'_, PyAny>, now: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        lane::push(py, &self.core, batch, now)
    }

    /// Reads one row, as `TumblingWindows.push_one`.
    fn push_one(
        &self,
        time: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        lane::push_one(&self.core, &self.known, time, key, values)
    }

    /// Reads tracker messages, as `TumblingWindows.push_messages`.
    #[pyo3(signature = (data, decoder, now=None, beside=None))]
    fn push_messages(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        decoder: &Bound<'_, PyAny>,
        now: Option<&Bound<'_, PyAny>>,
        beside: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        lane::push_messages(py, &self.core, data, decoder, now, beside)
    }

    /// Reads the rows of an Arrow IPC stream, as `TumblingWindows.push_ipc`.
    #[pyo3(signature = (data, now=None))]
    fn push_ipc(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
        now: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        lane::push_ipc(py, &self.core, data, now)
    }

    /// Notes a heartbeat, as `TumblingWindows.alive`.
    fn alive(&self, source: &Bound<'_, PyAny>, time: &Bound<'_, PyAny>) -> PyResult<()> {
        lane::alive(&self.core, source, time)
    }

    /// Closes the lane: it holds no window open any more, and what it has read goes out with the others'. Closing again
    /// does nothing.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.core.close());
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, pyo3::types::PyTuple>) {
        self.close(py);
    }

    fn __repr__(&self) -> String {
        let closed = if self.core.is_open() { "" } else { ", closed" };
        format!("<windrow.Writer of lane {:?}{closed}>", self.core.name())
    }
}
