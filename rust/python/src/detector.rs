//! `Detector`: expectation, residual and alarm for any number of series.
// What Python reads is numpydoc, not Markdown.
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes)]

use std::sync::{Mutex, MutexGuard, TryLockError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyType};
use windrow_core::alarm::{Alarm as AlarmCore, Settings as AlarmSettings};
use windrow_core::detect::completeness::LEAST;
use windrow_core::detect::joint::FIT_ROWS;
use windrow_core::detect::{Completeness, Detector as Core, Measure, Method, Settings};
use windrow_core::expect::trained::file::Description;
use windrow_core::residual::drift;
use windrow_core::residual::rmse::Rmse as RmseCore;
use windrow_core::residual::series::Rule;
use windrow_core::residual::smooth::Smooth;
use windrow_core::times::Unit;
use windrow_core::{Error, Result};

use crate::alarm::Alarm;
use crate::arguments::{bytes, names, number, shown, size, smoothing, text, word};
use crate::arrow::{read_table, read_table_as};
use crate::batch::Batch;
use crate::error::{OrRaise, config};
use crate::filters;
use crate::measures::{measures, predicted};
use crate::model::{Model, trained};
use crate::rmse::Rmse;
use crate::time;

/// Below so many rows, letting go of the interpreter costs more than it gives.
const DETACH_ROWS: usize = 4_096;

/// What is odd in many series at once: each measure of each key against its own past.
///
/// ``"counts"`` (objects per window): an hour-of-week profile with a regression on the recent past expects, six
/// statistics look for spikes, hours (of shorter windows), days and three days off level, and silence. Its ``score`` is log10 of the weighted
/// return period in days, null where nothing is told; one event is told once. Verdicts are provisional from 30
/// windows on (an event has to be rarer to be told, the more so the younger the series), calibrated after 7 days. The
/// expectation follows a new level by itself; once it has lasted for `adopt` it is told, once, by an event of the kind
/// ``level_shift``.
///
/// ``"novelty"`` (any other metric): how unlike anything before a value is. Its ``score`` runs from 0 to 100. First
/// verdicts after 30 windows, provisional until 200, when its records begin anew. ``expected`` is a regression on the
/// last three values, made before the value is seen.
///
/// ``"joint"`` (many sensors of one machine): each sensor is expected from all the others. Its ``score`` is how far a
/// sensor's weighted mean residual has moved, with its sign, in units of the machine's limit: beyond 1 it is out, and
/// the sensor farthest out is the one to look at. Only that one has a ``severity`` above 0 and a ``reason``; ``state``
/// is that of the machine, on all its rows. Baselines follow slowly while no sensor is out. Where the sensors begin to
/// go together in another way there is an event of the kind ``change_point``. First verdict after `fit_rows`.
///
/// ``"residual"``: predictions come in a column. Its ``score`` is the rolling mean of observed - predicted in units
/// of the RMSE of the values before; while a series is in alarm its RMSE doesn't learn. Its alarms count among what its
/// ``severity`` is held against: what happens each week isn't once a year.
///
/// ``"auto"`` chooses for each measure, once: ``counts`` for a column of integers, or of floats that are whole and
/// not negative, ``novelty`` for anything else (and for measures with extremes). It looks at the first batch;
/// floats are held until there are 30 of them, or taken as they are from `learn`.
///
/// ``severity`` means the same for all: 50 is what happens by chance once a month, 80 once a year. ``confidence`` is
/// ``d**2 / (d**2 + 25)`` of d days of windows seen: 0 at the first, 0.66 after a week, 0.95 after three.
/// From severity 25 on, or from the alarm's where that is lower, ``channel`` names what spoke and ``reason`` says it in a
/// sentence; ``state`` is ``learning`` before a series' first verdict.
///
/// Filters keep anomalies from the alarm: ``lowered_by`` names the one that did, and the row keeps its numbers.
///
/// Parameters
/// ----------
/// method : {"auto", "counts", "novelty", "joint", "residual"}
///     How series are judged.
/// measures : str, list of str, or dict, optional
///     The columns to judge. ``{"speed": ("speed_mean", "speed_min", "speed_max")}`` is one measure of three
///     columns, for novelty: the mean is observed and learned as usual, and of the three the one farthest from the
///     expectation is judged, since means hide peaks.
/// by : str or list of str, optional
///     The key columns of the series. Rows of roll-ups (an integer column ``level``) are series of their own.
/// time : str
///     The time column: the windows' start.
/// zone : str, optional
///     IANA time zone whose hours and weekdays count. Default UTC.
/// holidays : list of datetime.date or str, optional
///     Days (of that zone) that counts are expected to be like a Sunday's: ``["2026-12-25", ...]``.
/// completeness : str, optional
///     With counts: the column that says how much of each window was observed, from 0 to 1. A window of which half was is
///     expected half as large and teaches half as much. For counts as they came: one that was scaled up already has no
///     half left to expect.
/// min_completeness : float
///     Windows of which less was observed are missing points, neither judged nor learned: ``state`` is ``incomplete``,
///     ``reason`` says how much there was. Default 0.5.
/// every : str or datetime.timedelta, optional
///     The length of a window. Default ``window_end - window_start`` where there are such columns, else the median
///     step between the rows of a series in the first batch that has two; then frozen.
/// alarm : Alarm, optional
///     When a series is in alarm. Default ``Alarm(severity=50)``; with "joint" ``Alarm(threshold=1, breaches=3, of=5,
///     clear_below=0.8)``: three of the last five rows have a sensor that is out.
/// silence : str or datetime.timedelta, optional
///     A series without a value for so long raises an event ``kind = "silence"``, once, which ends with the next
///     value. Rows without one (``silent``, null) tell of it as they come, rows that never came when the next one
///     does. By default only an alarm whose missing points breach tells of silences. Not with "joint".
/// predicted : str, list of str, or dict, optional
///     With "residual": the column of predictions; one for each measure.
/// rmse : Rmse or float, optional
///     With "residual": `cumulative` (default), `rolling`, `ewm`, or a known number; by default that of the model.
/// smooth : int, str or datetime.timedelta, optional
///     With "residual": over how many rows, or how long, residuals are averaged. Default 1, or as the model says.
/// drift : str or datetime.timedelta, optional
///     With "residual": over stretches of this length, the residual's mean and spread are held against training, and an
///     event ``kind = "drift"`` names the input that moved. Default a week with a `model`; "off" for none. Without one it
///     takes a number as `rmse`.
/// fit_rows : int
///     With "joint": the rows of normal running that a machine is fitted on, 200 to 10,000; its first, or those of
///     `learn`, of which all are taken, up to 10,000.
/// adopt : str or datetime.timedelta, optional
///     How long a new level lasts until it is the level, told by an event of the kind ``level_shift``. Of counts:
///     when each of so many days in a row (3 to 28, default 7; of windows, where these are longer) lies on one side
///     of what the four weeks before lead to expect, by 22 % above or 18 % below, and by 1.5 of their robust standard
///     deviations. Days without any objects are outages, left out like those of which less than half is there; after
///     five in a row what is usual is seen anew, for two weeks. With "joint", default a day: when sensors have been out
///     for this long, and for as many rows as the fit had; the alarm ends then.
/// time_unit : {"ns", "us", "ms", "s"}
///     The unit of integer times.
/// min_deviation, min_relative_deviation : float or dict of str to float
///     No alarm where a value is nearer to its expectation: in the measure's units, as a share of what was expected.
///     One number, or one a measure.
/// direction : {"both", "up", "down"} or dict of str to str
///     The side of the expectation that alarms.
/// sensitivity : dict of str to dict, optional
///     ``{"camera": {"north": 0.5}}``: that series is told of half as often; 2 twice as often, 0 never. Of ``by``, or of
///     ``"measure"``; factors that hold at once are multiplied. With ``Alarm(severity=...)``.
/// quiet_hours : str or list of str, optional
///     No alarm in these hours of `zone`: ``"22:00-06:00"``, ``"sat-sun"``, ``"mon-fri 07:00-09:00"``.
/// maintenance : list of tuple, optional
///     ``(start, end)`` or ``(start, end, {"camera": "north"})``: planned work, neither told of nor learned from.
/// model : Model, optional
///     With "residual": what predicts, instead of a column. `measures`, `by`, `time`, `alarm` and all the above are the
///     model's unless given. While it warms up it predicts nothing; ``reason`` marks rows that it extrapolates for.
///
/// Raises
/// ------
/// ConfigError
///     If an argument can't be meant; the message names it.
///
/// Notes
/// -----
/// A null, NaN or infinite value, one beyond 1e100, and a row with ``silent = true`` are missing points: they teach
/// nothing and are not judged, as is a value without a readable `completeness`. A row with ``revision`` above 0 is not judged either and leaves the state as it is.
/// With "joint" a missing reading isn't judged, the others are, with what they lead to expect in its place; a row with
/// fewer than half of its readings is a missing point. A sensor missing in more than half of the rows of the fit is left
/// out; one that stood still is measured in hundredths of its level.
/// Rows are judged in the order of their arrival. One detector is for one thread at a time; a second one gets
/// `BusyError`.
///
/// Examples
/// --------
/// >>> import numpy as np
/// >>> import windrow as wr
/// >>> hours = np.arange(24 * 28)
/// >>> cars = np.random.default_rng(1).poisson(60 + 50 * np.sin(hours * np.pi / 12))
/// >>> cars[24 * 25 + 4 : 24 * 25 + 10] = 0
/// >>> detector = wr.Detector("counts", measures=["cars"], time_unit="s")
/// >>> found = detector.push({"window_start": hours * 3600, "cars": cars}).to_pydict()
/// >>> hour = 24 * 25 + 6
/// >>> found["severity"][hour] > 50, found["state"][hour]
/// (True, 'alarm')
/// >>> found["channel"][hour]
/// 'silence'
/// >>> found["reason"][hour]
/// '0 cars, expected 70 to 130 on a Monday at 06:00; as rare as once in 10 months'
#[pyclass(frozen, module = "windrow")]
pub struct Detector {
    core: Mutex<Core>,
}

/// How residuals are judged: as said, else as the model says.
fn judging(
    rmse: Option<&Bound<'_, PyAny>>,
    smooth: Option<&Bound<'_, PyAny>>,
    known: Option<&Description>,
) -> PyResult<Rule> {
    Ok(Rule {
        rmse: match (rmse, known) {
            (None, Some(known)) => RmseCore::Fixed(known.rmse),
            (rmse, _) => Rmse::read(rmse)?,
        },
        smooth: match (smooth, known) {
            (None, Some(known)) => Smooth::Rows(known.watch.smooth as usize),
            (smooth, _) => smoothing(smooth)?,
        },
    })
}

/// How drift is told; `trained` is the model's error.
fn drifting(
    drift: Option<&Bound<'_, PyAny>>,
    rule: &Rule,
    trained: Option<f64>,
) -> PyResult<Option<drift::Rule>> {
    let fixed = if let RmseCore::Fixed(rmse) = rule.rmse { Some(rmse) } else { None };
    let stretch = match drift {
        None if trained.is_none() => return Ok(None),
        None => drift::STRETCH,
        Some(word) if word.extract::<&str>().is_ok_and(|word| word == "off") => return Ok(None),
        Some(stretch) => time::duration(stretch, "drift")?,
    };
    let Some(rmse) = fixed.or(trained) else {
        return Err(config(
            "`drift` needs a `model`, or a number as `rmse` (the error in training), got neither",
        ));
    };
    Ok(Some(drift::Rule { stretch, rmse }))
}

impl Detector {
    /// The engine's detector, unless another thread has it.
    pub fn lock(&self) -> Result<MutexGuard<'_, Core>> {
        match self.core.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::busy(
                "another thread is at work on this Detector: use one detector per thread".to_owned(),
            )),
        }
    }
}

/// What says how much of a window was observed.
fn completeness(
    column: Option<&Bound<'_, PyAny>>,
    least: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<Completeness>> {
    let least = number(least, "min_completeness")?;
    match text(column, "completeness")? {
        Some(column) => Ok(Some(Completeness { column, least: least.unwrap_or(LEAST) })),
        None if least.is_some() => Err(config("`min_completeness` goes with `completeness`, got it alone")),
        None => Ok(None),
    }
}

/// Refuses an argument that is for other methods.
fn only_for(
    method: Method,
    name: &str,
    value: Option<&Bound<'_, PyAny>>,
    methods: &[Method],
) -> PyResult<()> {
    if value.is_none() || methods.contains(&method) {
        return Ok(());
    }
    let named: Vec<String> = methods.iter().map(|method| format!("{:?}", method.name())).collect();
    let named = named.join(" and ");
    Err(config(format!("`{name}` is for {named} only, got it with {:?}", method.name())))
}

#[pymethods]
impl Detector {
    #[new]
    #[pyo3(
        signature = (method=None, *, measures=None, by=None, time=None, zone=None, holidays=None, completeness=None,
            min_completeness=None, every=None, alarm=None, silence=None, predicted=None, rmse=None, smooth=None, drift=None,
            fit_rows=None, adopt=None, time_unit=None, min_deviation=None, min_relative_deviation=None, direction=None, sensitivity=None, quiet_hours=None,
            maintenance=None, model=None),
        text_signature = "(method='auto', *, measures=None, by=None, time='window_start', zone=None, holidays=None, \
            completeness=None, min_completeness=0.5, every=None, alarm=None, silence=None, predicted=None, rmse=None, \
            smooth=None, drift=None, fit_rows=400, adopt=None, time_unit='ns', min_deviation=0.0, min_relative_deviation=0.0, direction='both', sensitivity=None, \
            quiet_hours=None, maintenance=None, model=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn new(
        method: Option<&Bound<'_, PyAny>>,
        measures: Option<&Bound<'_, PyAny>>,
        by: Option<&Bound<'_, PyAny>>,
        time: Option<&Bound<'_, PyAny>>,
        zone: Option<&Bound<'_, PyAny>>,
        holidays: Option<&Bound<'_, PyAny>>,
        completeness: Option<&Bound<'_, PyAny>>,
        min_completeness: Option<&Bound<'_, PyAny>>,
        every: Option<&Bound<'_, PyAny>>,
        alarm: Option<&Bound<'_, PyAny>>,
        silence: Option<&Bound<'_, PyAny>>,
        predicted: Option<&Bound<'_, PyAny>>,
        rmse: Option<&Bound<'_, PyAny>>,
        smooth: Option<&Bound<'_, PyAny>>,
        drift: Option<&Bound<'_, PyAny>>,
        fit_rows: Option<&Bound<'_, PyAny>>,
        adopt: Option<&Bound<'_, PyAny>>,
        time_unit: Option<&Bound<'_, PyAny>>,
        min_deviation: Option<&Bound<'_, PyAny>>,
        min_relative_deviation: Option<&Bound<'_, PyAny>>,
        direction: Option<&Bound<'_, PyAny>>,
        sensitivity: Option<&Bound<'_, PyAny>>,
        quiet_hours: Option<&Bound<'_, PyAny>>,
        maintenance: Option<&Bound<'_, PyAny>>,
        model: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let method = Method::parse(&word(method, "method", "auto")?).or_raise()?;
        for (name, value) in [("rmse", rmse), ("smooth", smooth), ("drift", drift)] {
            only_for(method, name, value, &[Method::Residual])?;
        }
        only_for(method, "fit_rows", fit_rows, &[Method::Joint])?;
        if method != Method::Auto {
            only_for(method, "adopt", adopt, &[Method::Counts, Method::Joint])?;
        }
        if method == Method::Joint && silence.is_some() {
            return Err(config("`silence` is not for \"joint\""));
        }
        let model = model.map(trained).transpose()?;
        let known = model.as_ref().map(|model| model.description());
        let mut measures = match (measures, known) {
            (Some(measures), _) => self::measures(measures)?,
            (None, Some(known)) => vec![Measure::plain(known.target.clone())],
            (None, None) => {
                return Err(config("`measures` must name at least one column, got none".to_owned()));
            }
        };
        if let Some(predicted) = predicted {
            self::predicted(predicted, &mut measures)?;
        }
        let unit = match (time_unit, &model) {
            (None, Some(model)) => model.unit(),
            _ => Unit::parse(&word(time_unit, "time_unit", "ns")?).or_raise()?,
        };
        let filters = filters::Arguments {
            min_deviation,
            min_relative_deviation,
            direction,
            sensitivity,
            quiet_hours,
            maintenance,
        };
        let rule = judging(rmse, smooth, known)?;
        let settings = Settings {
            method,
            filters: filters.read(&measures, unit)?,
            measures,
            by: match (by, known) {
                (Some(by), _) => names(by, "by")?,
                (None, known) => known.map(|known| known.by.clone()).unwrap_or_default(),
            },
            time: word(time, "time", known.map_or("window_start", |known| &known.time))?,
            unit,
            zone: text(zone, "zone")?,
            holidays: holidays
                .map(|holidays| time::days(holidays, "holidays"))
                .transpose()?
                .unwrap_or_default(),
            completeness: self::completeness(completeness, min_completeness)?,
            every: every.map(|every| time::duration(every, "every")).transpose()?,
            alarm: match alarm {
                Some(alarm) => match alarm.cast::<Alarm>() {
                    Ok(alarm) => alarm.get().core().clone(),
                    Err(_) => {
                        return Err(config(format!("`alarm` must be an Alarm, got {}", shown(alarm))));
                    }
                },
                None => AlarmCore::new(match known.map(|known| known.watch) {
                    Some(watch) => AlarmSettings {
                        threshold: Some(watch.threshold),
                        breaches: watch.breaches,
                        of: watch.of,
                        ..AlarmSettings::default()
                    },
                    None => method.alarm(),
                })
                .or_raise()?,
            },
            drift: drifting(drift, &rule, known.map(|known| known.rmse))?,
            rule,
            silence: silence.map(|silence| time::duration(silence, "silence")).transpose()?,
            fit_rows: match size(fit_rows, "fit_rows")? {
                Some(rows) => u32::try_from(rows).unwrap_or(u32::MAX),
                None => FIT_ROWS,
            },
            model,
            adopt: adopt
                .map(|adopt| time::duration(adopt, "adopt"))
                .transpose()?
                .unwrap_or_else(|| method.adopt()),
        };
        Ok(Self { core: Mutex::new(Core::new(settings).or_raise()?) })
    }

    /// Learn the rows of a table without judging them.
    ///
    /// Parameters
    /// ----------
    /// history : Arrow table or mapping of str to array
    ///     As for `push`.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If a column is missing or of the wrong type; no row was learned then.
    /// BusyError
    ///     If another thread is at work on this detector.
    fn learn(&self, py: Python<'_>, history: &Bound<'_, PyAny>) -> PyResult<()> {
        let batches = read_table_as(history, "history")?;
        py.detach(|| self.lock()?.learn(&batches)).or_raise()
    }

    /// Judge the rows of a table, and learn each.
    ///
    /// Parameters
    /// ----------
    /// batch : Arrow table or mapping of str to array
    ///     Anything with the Arrow PyCapsule interface (pyarrow, polars, pandas, duckdb, windrow), or columns by
    ///     name; with `by`, `time` and the columns of the measures.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     One row for each row and measure, in input order: `by`, (``level``, once there was such a column), ``time``,
    ///     measure, observed, expected, lower, upper, score, severity, confidence, state, channel, lowered_by, reason.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If a column is missing or of the wrong type; no row was judged then.
    /// BusyError
    ///     If another thread is at work on this detector.
    fn push(&self, py: Python<'_>, batch: &Bound<'_, PyAny>) -> PyResult<Batch> {
        let batches = read_table(batch)?;
        let judge = || self.lock()?.push(&batches);
        let rows: usize = batches.iter().map(arrow_array::RecordBatch::num_rows).sum();
        let judged = if rows > DETACH_ROWS { py.detach(judge) } else { judge() };
        Ok(Batch::new(judged.or_raise()?))
    }

    /// The columns that values are read from, in order of first mention.
    #[getter]
    fn inputs(&self) -> PyResult<Vec<String>> {
        let core = self.lock().or_raise()?;
        Ok(core.settings().inputs().into_iter().map(str::to_owned).collect())
    }

    /// What predicts, if it is a `Model`.
    #[getter]
    fn model(&self) -> PyResult<Option<Model>> {
        Ok(self.lock().or_raise()?.settings().model.clone().map(Model::of))
    }

    /// Events that are new or have ended since the last call.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     `by`, (``level``), measure, id, kind, state, start, end (null while it lasts), peak and its time, points,
    ///     rule; observed, expected, lower, upper, severity, channel and reason at the peak; in ``lowered_by`` the filter
    ///     that ended it. The reason of a silence says how long nothing came, and when the last value did. Of a ``drift``,
    ///     start and end are those of its stretches, told when each is over; peak is the mean residual in RMSE (or the
    ///     spread, where only that is off), points are stretches, channel is the input that moved. A level shift of counts
    ///     starts where the new level began and ends where it was told; observed is what came a window between, expected
    ///     what would have come on the level before, and peak how many times as much that is.
    fn events(&self) -> PyResult<Batch> {
        Ok(Batch::new(self.lock().or_raise()?.events().or_raise()?))
    }

    /// The detector with all it has learned as bytes, the same on every machine.
    ///
    /// Returns
    /// -------
    /// bytes
    ///     What `restore` reads.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.lock()?.snapshot()).or_raise()?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Read a detector back from its bytes.
    ///
    /// Parameters
    /// ----------
    /// data : bytes
    ///     What `snapshot` gave.
    ///
    /// Returns
    /// -------
    /// Detector
    ///     One that goes on where the other was.
    ///
    /// Raises
    /// ------
    /// SnapshotError
    ///     If the bytes are damaged, of another kind, or of a newer version.
    #[classmethod]
    fn restore(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { core: Mutex::new(Core::restore(&bytes(data, "data")?).or_raise()?) })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().getattr("restore")?, (slf.get().snapshot(slf.py())?,)))
    }
}
