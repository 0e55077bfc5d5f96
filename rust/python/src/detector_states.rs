//! `Detector`, continued: how far it is.
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes)]

use pyo3::prelude::*;
use pyo3::types::PyDict;
use windrow_core::detect::Method;
use windrow_core::duration;

use crate::batch::Batch;
use crate::detector::Detector;
use crate::error::OrRaise;

#[pymethods]
impl Detector {
    /// The series that something came of, each with its state.
    ///
    /// ``learning`` before the first verdict, ``active`` after it; ``failed`` where the newest 30 rows or more brought
    /// nothing that can be judged, ``inactive`` where no value came for 30 windows and a day.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     `by`, (``level``), measure (null of a machine, whose sensors are judged together), method, state, windows seen,
    ///     windows_wanted until the first verdict, confidence, newest: the time of the newest value.
    ///
    /// Raises
    /// ------
    /// BusyError
    ///     If another thread is at work on this detector.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> detector = wr.Detector("novelty", measures="ms", every="1m", time_unit="s")
    /// >>> _ = detector.push({"window_start": [0, 60, 120], "ms": [3.5, 4.0, 3.0]})
    /// >>> [(row["state"], row["windows"], row["windows_wanted"]) for row in detector.states()]
    /// [('learning', 3, 27)]
    fn states(&self) -> PyResult<Batch> {
        Ok(Batch::new(self.lock().or_raise()?.states().or_raise()?))
    }

    /// How far the series are, and what was decided.
    ///
    /// ``learning`` series x measures without a verdict yet, ``active`` ones with, ``failed`` and ``inactive`` ones as
    /// `states` has them; ``windows_wanted`` until the last
    /// of the former has one, if its windows come one after the other; ``incomplete`` values not judged because too little
    /// of their window was observed, ``completeness_unreadable`` those without a readable share; ``methods`` by measure and
    /// ``every``, None while they are open.
    #[getter]
    fn status<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let core = self.lock().or_raise()?;
        let status = core.status();
        let methods = PyDict::new(py);
        for (measure, method) in core.settings().measures.iter().zip(core.methods()) {
            methods.set_item(&measure.name, method.map(Method::name))?;
        }
        let out = PyDict::new(py);
        out.set_item("learning", status.learning)?;
        out.set_item("active", status.active)?;
        out.set_item("failed", status.failed)?;
        out.set_item("inactive", status.inactive)?;
        out.set_item("windows_wanted", status.windows_wanted)?;
        out.set_item("incomplete", status.unjudged.incomplete)?;
        out.set_item("completeness_unreadable", status.unjudged.unreadable)?;
        out.set_item("methods", methods)?;
        out.set_item("every", core.every().map(duration::print))?;
        Ok(out)
    }
}
