//! `Detector`, continued: one row at a time.
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes)]

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arguments::key_values;
use crate::detector::Detector;
use crate::error::OrRaise;
use crate::measures::{inputs, scalars};
use crate::time;

#[pymethods]
impl Detector {
    /// Learn one row without judging it.
    ///
    /// Parameters
    /// ----------
    /// time : datetime.datetime or int
    ///     Its time; an integer is in `time_unit`.
    /// key : str, int, float, bool, None or tuple
    ///     The value of the key column, a tuple for several, None without any.
    /// values : float, sequence or mapping
    ///     Values in the order of `inputs`, or by name; a number where there is one input.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If an argument is of the wrong type.
    /// BusyError
    ///     If another thread is at work on this detector.
    fn learn_one(
        &self,
        time: &Bound<'_, PyAny>,
        key: &Bound<'_, PyAny>,
        values: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let mut core = self.lock().or_raise()?;
        let time = time::time(time, core.settings().unit, "time")?;
        let key = key_values(key, core.settings().by.len())?;
        let inputs = inputs(values, core.settings())?;
        if core.settings().model.is_some() {
            let row = scalars(values, core.settings())?;
            return core.learn_row(time, &key, &row).or_raise();
        }
        core.learn_one(time, &key, &inputs).or_raise()
    }

    /// Score one row without learning it: higher is stranger.
    ///
    /// Parameters
    /// ----------
    /// time : datetime.datetime or int
    ///     Its time; an integer is in `time_unit`.
    /// key : str, int, float, bool, None or tuple
    ///     The value of the key column, a tuple for several, None without any.
    /// values : float, sequence or mapping
    ///     Values in the order of `inputs`, or by name; a number where there is one input.
    ///
    /// Returns
    /// -------
    /// float or None, or dict of str to float or None
    ///     The score, None where it is null; by measure where there are several.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If an argument is of the wrong type.
    /// BusyError
    ///     If another thread is at work on this detector.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> detector = wr.Detector("residual", measures="celsius", predicted="model", rmse=2.0, every="1s")
    /// >>> for second in range(3):
    /// ...     detector.learn_one(second * 10**9, None, {"celsius": 20.0, "model": 21.0})
    /// >>> detector.score_one(3 * 10**9, None, [27.0, 21.0])
    /// 3.0
    fn score_one<'py>(
        &self,
        py: Python<'py>,
        time: &Bound<'py, PyAny>,
        key: &Bound<'py, PyAny>,
        values: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let core = self.lock().or_raise()?;
        let time = time::time(time, core.settings().unit, "time")?;
        let key = key_values(key, core.settings().by.len())?;
        let mut inputs = inputs(values, core.settings())?;
        if core.settings().model.is_some() {
            let row = scalars(values, core.settings())?;
            let predicted = core.predict_row(time, &key, &row).or_raise()?;
            inputs.iter_mut().for_each(|input| input.predicted = predicted);
        }
        let scores = core.score_one(time, &key, &inputs).or_raise()?;
        let scores = scores.into_iter().map(|score| (!score.is_nan()).then_some(score));
        if core.settings().measures.len() == 1 {
            return Ok(scores.flatten().next().into_pyobject(py)?);
        }
        let by_measure = PyDict::new(py);
        for (measure, score) in core.settings().measures.iter().zip(scores) {
            by_measure.set_item(&measure.name, score)?;
        }
        Ok(by_measure.into_any())
    }
}
