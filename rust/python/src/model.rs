//! `Model`: what was trained on a machine's normal running.
// What Python reads is numpydoc, not Markdown.
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes)]

use std::sync::Arc;

use arrow_array::RecordBatch;
use pyo3::buffer::PyBuffer;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple, PyType};
use windrow_core::Result;
use windrow_core::expect::Trained;

use crate::arguments::shown;
use crate::arrow::read_table_as;
use crate::batch::Batch;
use crate::error::{OrRaise, config, data};
use crate::exit::CallingPython;

/// A regression of normal running: which columns predict a target, and how.
///
/// It is its file: versioned JSON, read by `load` and written by `save`. It needs neither scikit-learn nor any model
/// runtime, and never changes. `train` makes one; `Detector("residual", model=...)` watches by one.
///
/// Examples
/// --------
/// >>> import windrow as wr
/// >>> normal = wr.simulate.motor(days=2, healthy=True).columns()
/// >>> model = wr.train(normal, target="bearing_temperature", inputs=["motor_speed", "torque", "ambient_temperature"])
/// >>> model.rmse < 1.0
/// True
/// >>> watch = wr.Detector("residual", model=model)
/// >>> watch.push(normal).columns[:4]
/// ['time', 'measure', 'observed', 'expected']
#[pyclass(frozen, module = "windrow")]
pub struct Model {
    core: Arc<Trained>,
}

/// A model that was passed as an argument.
pub fn trained(model: &Bound<'_, PyAny>) -> PyResult<Arc<Trained>> {
    match model.cast::<Model>() {
        Ok(model) => Ok(model.get().core.clone()),
        Err(_) => Err(config(format!("`model` must be a Model, got {}", shown(model)))),
    }
}

#[pymethods]
impl Model {
    /// Read a model from its file.
    ///
    /// Parameters
    /// ----------
    /// path : str or path
    ///     What `save` wrote.
    ///
    /// Returns
    /// -------
    /// Model
    ///     The same model.
    ///
    /// Raises
    /// ------
    /// ModelError
    ///     If it is no model, was cut off or altered, or comes from a newer version.
    /// ConfigError
    ///     If there is no such file.
    #[classmethod]
    fn load(class: &Bound<'_, PyType>, path: &Bound<'_, PyAny>) -> PyResult<Self> {
        let _calling = CallingPython::new(class.py());
        let model = class.py().import("windrow.model.file")?.call_method1("load", (path,))?;
        Ok(Self { core: trained(&model)? })
    }

    /// Read a model from the text of its file.
    ///
    /// Parameters
    /// ----------
    /// text : str
    ///     What `to_json` gave.
    ///
    /// Returns
    /// -------
    /// Model
    ///     The same model.
    ///
    /// Raises
    /// ------
    /// ModelError
    ///     If it is no model, was cut off or altered, or comes from a newer version.
    #[classmethod]
    fn from_json(_class: &Bound<'_, PyType>, text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let text: String =
            text.extract().map_err(|_| data(format!("`text` must be text, got {}", shown(text))))?;
        Ok(Self { core: Arc::new(Trained::parse(&text).or_raise()?) })
    }

    /// The text of its file.
    ///
    /// Returns
    /// -------
    /// str
    ///     JSON.
    fn to_json(&self) -> &str {
        self.core.text()
    }

    /// Write the model to a file, whole or not at all.
    ///
    /// Parameters
    /// ----------
    /// path : str or path
    ///     The file; its folders are made.
    ///
    /// Raises
    /// ------
    /// ConfigError
    ///     If it can't be written.
    fn save(slf: &Bound<'_, Self>, path: &Bound<'_, PyAny>) -> PyResult<()> {
        let _calling = CallingPython::new(slf.py());
        slf.py().import("windrow.model.file")?.call_method1("save", (slf, path)).map(drop)
    }

    /// The column that is predicted.
    #[getter]
    fn target(&self) -> &str {
        &self.core.description().target
    }

    /// The columns that predict.
    #[getter]
    fn inputs(&self) -> Vec<&str> {
        self.core.inputs().collect()
    }

    /// Those of the inputs that hold text.
    #[getter]
    fn texts(&self) -> Vec<&str> {
        let inputs = &self.core.description().inputs;
        inputs.iter().filter(|input| input.values.is_some()).map(|input| input.name.as_str()).collect()
    }

    /// The key columns: each of their values is a machine with a history of its own.
    #[getter]
    fn by(&self) -> Vec<&str> {
        self.core.description().by.iter().map(String::as_str).collect()
    }

    /// The time column.
    #[getter]
    fn time(&self) -> &str {
        &self.core.description().time
    }

    /// The unit of integer times.
    #[getter]
    fn time_unit(&self) -> &'static str {
        self.core.unit().name()
    }

    /// The error to expect of new rows of normal running, from blocked cross-validation.
    #[getter]
    fn rmse(&self) -> f64 {
        self.core.description().rmse
    }

    /// How good it is, as data: errors, skill, impact of each column, thresholds, candidates.
    #[getter]
    fn report<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let _calling = CallingPython::new(slf.py());
        slf.py().import("windrow.model.file")?.call_method1("report", (slf,))
    }

    /// Predict the target of each row.
    ///
    /// Parameters
    /// ----------
    /// table : Arrow table or mapping of str to array
    ///     With `by`, `time` and the inputs; each machine's history begins with it. Rows should come in order of time.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     One row for each, in input order: `by`, `time`, ``predicted`` (null while the history that it needs isn't
    ///     there yet), ``extrapolating`` (whether an input lies outside what the model was trained on).
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If a column is missing or of the wrong type.
    fn predict(&self, py: Python<'_>, table: &Bound<'_, PyAny>) -> PyResult<Batch> {
        self.table(py, table, Trained::predict_table)
    }

    /// Predict the target of one row, of a model that takes its inputs as they are.
    ///
    /// Parameters
    /// ----------
    /// values : sequence or array of float
    ///     In the order of `inputs`.
    ///
    /// Returns
    /// -------
    /// float or None
    ///     None where an input is missing.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If these are no numbers, or not as many as there are inputs.
    /// ConfigError
    ///     If the model takes more than its inputs as they are: their past, products, texts. A `Detector` with it
    ///     remembers: its `score_one` and `learn_one` take single rows, its `push` tables of as few as one.
    fn predict_one(&self, values: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
        let unfit = |_| data(format!("`values` must be numbers, got {}", shown(values)));
        let numbers = row(values).map_err(unfit)?;
        if numbers.len() != self.core.description().inputs.len() {
            return Err(data(format!(
                "`values` must be {} numbers ({}), got {}",
                self.core.description().inputs.len(),
                self.inputs().join(", "),
                numbers.len()
            )));
        }
        if !self.core.is_plain() {
            return Err(config(
                "`predict_one` is for models that take their inputs as they are, got one that takes their past, products \
                 or texts: use `predict` for a table, and for single rows a `Detector` with the model, which remembers",
            ));
        }
        Ok(self.core.predict_row(&numbers))
    }

    /// What the model makes of the inputs, before it predicts.
    ///
    /// Parameters
    /// ----------
    /// table : Arrow table or mapping of str to array
    ///     As for `predict`.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     A column for each feature; null while the history isn't there yet.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If a column is missing or of the wrong type.
    fn features(&self, py: Python<'_>, table: &Bound<'_, PyAny>) -> PyResult<Batch> {
        self.table(py, table, Trained::features_table)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| *other.get().core == *self.core)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        PyString::new(py, self.core.text()).hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().core.text().to_owned(),)))
    }

    fn __repr__(&self) -> String {
        Self::shown(&self.core)
    }
}

/// The numbers of a row: the quickest way there is for a list, a tuple and an array of floats; else of any sequence, and
/// of whatever makes a list of itself.
fn row(values: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    // Of a tuple items are borrowed; of a list each would have to be held while it is read.
    let tuple = match values.cast_exact::<PyList>() {
        Ok(list) => Ok(list.to_tuple()),
        Err(_) => values.cast_exact::<PyTuple>().cloned(),
    };
    if let Ok(tuple) = tuple {
        let mut numbers = Vec::with_capacity(tuple.len());
        for item in tuple.iter_borrowed() {
            numbers.push(item.extract()?);
        }
        return Ok(numbers);
    }
    match PyBuffer::<f64>::get(values) {
        Ok(array) if array.dimensions() == 1 => array.to_vec(values.py()),
        _ => values.extract().or_else(|_| values.call_method0(intern!(values.py(), "tolist"))?.extract()),
    }
}

type Asked = fn(&Trained, &[RecordBatch]) -> Result<RecordBatch>;

impl Model {
    /// Of a detector.
    pub fn of(core: Arc<Trained>) -> Self {
        Self { core }
    }

    /// What it is, in short: its file is too long to show, its checksum is not.
    pub fn shown(model: &Trained) -> String {
        let description = model.description();
        let inputs = model.inputs().collect::<Vec<_>>().join(", ");
        format!("<Model {}: {} from {inputs}, RMSE {:.4}>", model.sum(), description.target, description.rmse)
    }

    fn table(&self, py: Python<'_>, table: &Bound<'_, PyAny>, ask: Asked) -> PyResult<Batch> {
        let batches = read_table_as(table, "table")?;
        Ok(Batch::new(py.detach(|| ask(&self.core, &batches)).or_raise()?))
    }
}
