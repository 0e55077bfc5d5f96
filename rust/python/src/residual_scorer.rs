//! `ResidualScorer`: observed and predicted in, scores out.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, TryLockError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyType};
use windrow_core::duration;
use windrow_core::residual::rejects::Reason;
use windrow_core::residual::scorer::ResidualScorer as Core;
use windrow_core::residual::series::Rule;
use windrow_core::residual::settings::{Column, Settings};
use windrow_core::residual::smooth::Smooth;
use windrow_core::times::Unit;
use windrow_core::{Error, Result};

use crate::arguments::{bytes, key_values, names, observation, smoothing, word};
use crate::arrow::read_table;
use crate::batch::Batch;
use crate::error::OrRaise;
use crate::known_keys::KnownKeys;
use crate::rmse::Rmse;
use crate::time;

/// Below so many rows, letting go of the interpreter costs more than it gives.
const DETACH_ROWS: usize = 4_096;

/// How far observations are from their predictions, in units of each series' own errors.
///
/// ``residual = observed - predicted``; ``score`` is the rolling mean of the residual over `smooth` rows (or a
/// duration), divided by the RMSE of the rows before this one. It is null until there are `smooth` rows, where
/// the RMSE is 0 or nothing was seen before, and where an input is null or NaN; then the statistics don't move.
/// A row whose time can't be read, or lies before a row of its series that came earlier, keeps its place with
/// null scores, is counted in `stats` and handed out by `rejects`. An infinite residual has an infinite score; a
/// cumulative or weighted RMSE doesn't learn it, a rolling one is rid of it with the row.
///
/// ``severity`` says how rarely the series' own scores are so large: 50 is what happens by chance once a month, 80 once
/// a year; 0 what is no new peak. It is that of ``Detector("residual")`` in UTC, null where the score is.
///
/// Parameters
/// ----------
/// by : str or list of str, optional
///     The key columns of the series. A null key is a series.
/// time : str
///     The time column: timestamps, integers in `time_unit`, ISO 8601 text, epoch seconds as floats.
/// observed, predicted : str
///     The columns of what came and what was expected, in one unit.
/// rmse : Rmse or float, optional
///     `cumulative`, `rolling` or `ewm`, or a known number in the unit of `observed`. Default ``cumulative()``.
/// smooth : int, str or datetime.timedelta
///     Over how many rows, or how long, residuals are averaged.
/// columns : list of str, optional
///     Exactly the columns that `push` returns: "residual", "smoothed", "rmse", "score" ("score" alone is the
///     fastest), "severity". By default key, time and the first four.
/// every : str or datetime.timedelta, optional
///     The length of a window, which "severity" needs. Default ``window_end - window_start`` where there are such
///     columns, else the median step between the rows of a series in the first batch that has two; then frozen.
/// time_unit : {"ns", "us", "ms", "s"}
///     The unit of integer times.
///
/// Raises
/// ------
/// ConfigError
///     If an argument can't be meant; the message names it.
///
/// Notes
/// -----
/// One scorer is for one thread at a time; a second one gets `BusyError`. The prequential order (judge, then
/// learn) is that of Gama, Sebastiao and Rodrigues, "On evaluating stream learning algorithms" (2013).
///
/// Examples
/// --------
/// >>> import windrow as wr
/// >>> scorer = wr.ResidualScorer(by="machine", rmse=wr.ewm(1000))
/// >>> scorer.push({
/// ...     "machine": ["a", "a", "a"], "time": [1, 2, 3],
/// ...     "observed": [10.0, 12.0, 19.0], "predicted": [11.0, 11.0, 11.0],
/// ... })
/// windrow.Batch: 3 rows
/// machine  time                      residual  smoothed  rmse  score
/// a        1970-01-01T00:00:00Z      -1        -1        null  null
/// a        1970-01-01T00:00:00Z      1         1         1     1
/// a        1970-01-01T00:00:00Z      8         8         1     8
/// >>> scorer.push_one(4, "a", 11.0, 11.0)
/// 0.0
#[pyclass(frozen, module = "windrow")]
pub struct ResidualScorer {
    state: Mutex<State>,
}

/// The scorer, and the keys of its `push_one`.
struct State {
    core: Core,
    known: KnownKeys,
}

impl Deref for State {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl ResidualScorer {
    fn of(core: Core) -> Self {
        Self { state: Mutex::new(State { core, known: KnownKeys::default() }) }
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::busy(
                "another thread is at work on this ResidualScorer: use one scorer per thread".to_owned(),
            )),
        }
    }
}

#[pymethods]
impl ResidualScorer {
    #[new]
    #[pyo3(
        signature = (*, by=None, time=None, observed=None, predicted=None, rmse=None, smooth=None, columns=None,
            every=None, time_unit=None),
        text_signature = "(*, by=None, time='time', observed='observed', predicted='predicted', rmse=None, \
            smooth=None, columns=None, every=None, time_unit='ns')"
    )]
    #[allow(clippy::too_many_arguments)]
    fn new(
        by: Option<&Bound<'_, PyAny>>,
        time: Option<&Bound<'_, PyAny>>,
        observed: Option<&Bound<'_, PyAny>>,
        predicted: Option<&Bound<'_, PyAny>>,
        rmse: Option<&Bound<'_, PyAny>>,
        smooth: Option<&Bound<'_, PyAny>>,
        columns: Option<&Bound<'_, PyAny>>,
        every: Option<&Bound<'_, PyAny>>,
        time_unit: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let columns = columns.map(|columns| names(columns, "columns")).transpose()?;
        let columns = columns
            .map(|columns| columns.iter().map(|name| Column::parse(name)).collect::<Result<Vec<_>>>())
            .transpose()
            .or_raise()?;
        let settings = Settings {
            by: by.map(|by| names(by, "by")).transpose()?.unwrap_or_default(),
            time: word(time, "time", "time")?,
            unit: Unit::parse(&word(time_unit, "time_unit", "ns")?).or_raise()?,
            observed: word(observed, "observed", "observed")?,
            predicted: word(predicted, "predicted", "predicted")?,
            rule: Rule { rmse: Rmse::read(rmse)?, smooth: smoothing(smooth)? },
            columns,
            every: every.map(|every| time::duration(every, "every")).transpose()?,
        };
        Ok(Self::of(Core::new(settings).or_raise()?))
    }

    /// Score the rows of a table.
    ///
    /// Parameters
    /// ----------
    /// batch : Arrow table or mapping of str to array
    ///     Anything with the Arrow PyCapsule interface (pyarrow, polars, pandas, duckdb, windrow), or columns by
    ///     name, with `by`, `time`, `observed` and `predicted`; others are ignored.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     One row for each row of `batch`, in its order: key, time, residual, smoothed, rmse, score; or exactly
    ///     `columns`.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If a column is missing or of the wrong type; no row was scored then.
    /// BusyError
    ///     If another thread is at work on this scorer.
    fn push(&self, py: Python<'_>, batch: &Bound<'_, PyAny>) -> PyResult<Batch> {
        let batches = read_table(batch)?;
        let score = || self.lock()?.push(&batches);
        let rows: usize = batches.iter().map(arrow_array::RecordBatch::num_rows).sum();
        let scored = if rows > DETACH_ROWS { py.detach(score) } else { score() };
        Ok(Batch::new(scored.or_raise()?))
    }

    /// Score one row.
    ///
    /// Parameters
    /// ----------
    /// time : datetime.datetime or int
    ///     Its time; an integer is in `time_unit`. None makes it a reject.
    /// key : str, int, float, bool, None or tuple
    ///     The value of the key column, a tuple for several, None without any.
    /// observed, predicted : float or None
    ///     What came and what was expected.
    ///
    /// Returns
    /// -------
    /// float or None
    ///     The score, None where it is null.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If an argument is of the wrong type.
    /// BusyError
    ///     If another thread is at work on this scorer.
    fn push_one(
        &self,
        time: Option<&Bound<'_, PyAny>>,
        key: &Bound<'_, PyAny>,
        observed: Option<&Bound<'_, PyAny>>,
        predicted: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<f64>> {
        let observed = observation(observed, "observed")?;
        let predicted = observation(predicted, "predicted")?;
        let mut state = self.lock().or_raise()?;
        let State { core, known } = &mut *state;
        let settings = core.settings();
        let time = match time {
            None => Err(Reason::TimeNull),
            Some(time) => Ok(time::time(time, settings.unit, "time")?),
        };
        let series = if let Some(series) = known.get(key) {
            series
        } else {
            let series = core.series_of(&key_values(key, settings.by.len())?).or_raise()?;
            known.insert(key, series);
            series
        };
        Ok(core.push_one(time, series, observed, predicted))
    }

    /// The rows whose time could not be used, since the last call.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     time, key, observed, predicted, and the reason: "time_null", "time_unreadable", "time_out_of_range" or
    ///     "time_backwards". The newest 100,000 are kept; all are counted.
    fn rejects(&self) -> PyResult<Batch> {
        Ok(Batch::new(self.lock().or_raise()?.rejects().or_raise()?))
    }

    /// Counts: ``read = scored + nulls + waiting + rejected``, and how many series there are.
    #[getter]
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let core = self.lock().or_raise()?;
        let (stats, series) = (core.stats(), core.series());
        let counts = PyDict::new(py);
        counts.set_item("read", stats.read)?;
        counts.set_item("scored", stats.scored)?;
        counts.set_item("nulls", stats.nulls)?;
        counts.set_item("waiting", stats.waiting)?;
        counts.set_item("rejected", stats.rejected)?;
        counts.set_item("series", series)?;
        Ok(counts)
    }

    /// The scorer with all it has learned as bytes, the same on every machine.
    ///
    /// Returns
    /// -------
    /// bytes
    ///     What `restore` reads.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.lock().or_raise()?.snapshot().or_raise()?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Read a scorer back from its bytes.
    ///
    /// Parameters
    /// ----------
    /// data : bytes
    ///     What `snapshot` gave.
    ///
    /// Returns
    /// -------
    /// ResidualScorer
    ///     One that goes on where the other was.
    ///
    /// Raises
    /// ------
    /// SnapshotError
    ///     If the bytes are damaged, of another kind, or of a newer version.
    #[classmethod]
    fn restore(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self::of(Core::restore(&bytes(data, "data")?).or_raise()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().getattr("restore")?, (slf.get().snapshot(slf.py())?,)))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let core = self.lock().or_raise()?;
        let set = core.settings();
        let text = |text: &str| PyString::new(py, text).repr().map(|text| text.to_string());
        let list = |names: Vec<&str>| {
            PyList::new(py, names).and_then(|list| list.repr()).map(|text| text.to_string())
        };
        let mut parts = Vec::new();
        match set.by.as_slice() {
            [] => {}
            [one] => parts.push(format!("by={}", text(one)?)),
            many => parts.push(format!("by={}", list(many.iter().map(String::as_str).collect())?)),
        }
        for (name, value) in [("time", &set.time), ("observed", &set.observed), ("predicted", &set.predicted)]
        {
            if name != value {
                parts.push(format!("{name}={}", text(value)?));
            }
        }
        parts.push(format!("rmse={}", Rmse::print(set.rule.rmse)));
        match set.rule.smooth {
            Smooth::Rows(1) => {}
            Smooth::Rows(rows) => parts.push(format!("smooth={rows}")),
            Smooth::Time(span) => parts.push(format!("smooth='{}'", duration::print(span))),
        }
        if let Some(columns) = &set.columns {
            parts.push(format!("columns={}", list(columns.iter().map(|column| column.name()).collect())?));
        }
        if let Some(every) = set.every {
            parts.push(format!("every='{}'", duration::print(every)));
        }
        if set.unit != Unit::Nanosecond {
            parts.push(format!("time_unit='{}'", set.unit.name()));
        }
        Ok(format!("ResidualScorer({})", parts.join(", ")))
    }
}
