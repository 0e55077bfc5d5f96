//! `Detector`, continued: what people say of what they want to be told.
#![allow(clippy::doc_markdown, clippy::doc_link_with_quotes)]

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};

use crate::alarm::Alarm;
use crate::arguments::{key_of, shown};
use crate::batch::Batch;
use crate::detector::Detector;
use crate::error::{OrRaise, config};
use crate::filters;

#[pymethods]
impl Detector {
    /// Replace the filters: what isn't given isn't filtered any more. What was learned stays.
    ///
    /// Parameters
    /// ----------
    /// min_deviation, min_relative_deviation : float or dict of str to float
    ///     As for the class.
    /// direction : {"both", "up", "down"} or dict of str to str
    ///     As for the class.
    /// sensitivity : dict of str to dict, optional
    ///     As for the class.
    /// quiet_hours : str or list of str, optional
    ///     As for the class.
    /// maintenance : list of tuple, optional
    ///     As for the class.
    ///
    /// Raises
    /// ------
    /// ConfigError
    ///     If an argument can't be meant; nothing changes then.
    /// BusyError
    ///     If another thread is at work on this detector.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> detector = wr.Detector("counts", measures="cars", by="camera", min_deviation=20)
    /// >>> detector.filter(quiet_hours="22:00-06:00")
    /// >>> detector
    /// Detector('counts', measures=['cars'], by=['camera'], alarm=Alarm(severity=50.0), quiet_hours=['22:00-06:00'])
    #[pyo3(
        signature = (*, min_deviation=None, min_relative_deviation=None, direction=None, sensitivity=None,
            quiet_hours=None, maintenance=None),
        text_signature = "($self, *, min_deviation=0.0, min_relative_deviation=0.0, direction='both', \
            sensitivity=None, quiet_hours=None, maintenance=None)"
    )]
    fn filter(
        &self,
        min_deviation: Option<&Bound<'_, PyAny>>,
        min_relative_deviation: Option<&Bound<'_, PyAny>>,
        direction: Option<&Bound<'_, PyAny>>,
        sensitivity: Option<&Bound<'_, PyAny>>,
        quiet_hours: Option<&Bound<'_, PyAny>>,
        maintenance: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let arguments = filters::Arguments {
            min_deviation,
            min_relative_deviation,
            direction,
            sensitivity,
            quiet_hours,
            maintenance,
        };
        let mut core = self.lock().or_raise()?;
        let filters = arguments.read(&core.settings().measures, core.settings().unit)?;
        core.filter(filters).or_raise()
    }

    /// Replace the alarm's rule. What was learned stays, and each series goes on from the state it is in: the next row
    /// is the first that the new rule weighs.
    ///
    /// Parameters
    /// ----------
    /// alarm : Alarm
    ///     As for the class.
    ///
    /// Raises
    /// ------
    /// ConfigError
    ///     If it can't be meant, or doesn't go with the filters; nothing changes then.
    /// BusyError
    ///     If another thread is at work on this detector.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> detector = wr.Detector("counts", measures="cars", by="camera")
    /// >>> detector.watch(wr.Alarm(severity=80, breaches=2, of=3))
    /// >>> detector
    /// Detector('counts', measures=['cars'], by=['camera'], alarm=Alarm(severity=80.0, breaches=2, of=3))
    fn watch(&self, alarm: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(alarm) = alarm.cast::<Alarm>() else {
            return Err(config(format!("`alarm` must be an Alarm, got {}", shown(alarm))));
        };
        self.lock().or_raise()?.watch(alarm.get().core().clone()).or_raise()
    }

    /// Groups that are new or have closed since the last call: anomalies of one measure at one time are one matter.
    ///
    /// Rows in alarm of the same measure (and level of roll-up) in the same window, or in windows that touch, are a group.
    /// It closes when a window has passed in which it had no part; once more it is told then, whole.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     ``id``, ``measure``, (``level``), ``state`` (alarm while it lasts, then ok), ``start``, ``end`` (null while it
    ///     lasts), and
    ///
    ///     - ``severity``: ``30 ln(n) / ln(365 / 30)`` above its worst series', for n series, at most 100
    ///     - ``series_hit``: n
    ///     - ``dimensions``: for each key column ``{dimension, contributions: [{value, share}]}``, values as text, largest
    ///       share first; they sum to 100. A share is the values' part of all distances ``|observed - expected|``.
    ///     - ``series``: ``{by..., time, observed, expected, lower, upper, severity, channel}`` of each one's worst row, the
    ///       farthest from its expectation first
    ///     - ``causes``: ``{measure, group, lead_seconds, times}``: groups of other measures that began up to 12 windows
    ///       before, as they have at least 3 times, and in at least half of both one's groups
    ///     - ``reason``: one sentence
    ///
    ///     Groups that nobody asks for are kept, up to 100,000.
    ///
    /// Raises
    /// ------
    /// BusyError
    ///     If another thread is at work on this detector.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> detector = wr.Detector("residual", measures="cars", predicted="usual", by="camera", rmse=5.0, every="5m",
    /// ...                        alarm=wr.Alarm(threshold=3.0))
    /// >>> _ = detector.push({"window_start": [0, 0, 0], "camera": ["north", "south", "west"], "cars": [90, 60, 31],
    /// ...                    "usual": [30, 30, 30]})
    /// >>> [group] = detector.groups()
    /// >>> group["reason"]
    /// 'cars off in 2 series, 67 % of it camera north on a Thursday at 00:00'
    /// >>> [(part["value"], round(part["share"])) for part in group["dimensions"][0]["contributions"]]
    /// [('north', 67), ('south', 33)]
    fn groups(&self) -> PyResult<Batch> {
        Ok(Batch::new(self.lock().or_raise()?.groups().or_raise()?))
    }

    /// Say of a series of a group whether it is an anomaly.
    ///
    /// False: from now on one of the same size no longer alarms on that series; ``lowered_by`` is ``feedback`` then. Others
    /// still do. Of the same size is what is on the same side and at most 1.1 times its score, or at most 1.1 times as far
    /// from its expectation and 1.5 times as many widths of its band.
    ///
    /// True: the expectation doesn't learn from it. What it learned since is taught again without the rows in alarm and
    /// those after them that stay outside their band, for 7 days at most. That reaches back 1,024 rows, and as far as
    /// the series is among the 128 that went into alarm last; beyond that what was learned stays.
    ///
    /// Parameters
    /// ----------
    /// group : str
    ///     The id of one of the newest 1,000 groups.
    /// series : str, int, float, bool, None or tuple
    ///     The value of the key column, a tuple for several, None without any.
    /// is_anomaly : bool or None
    ///     None takes back what was said, and what followed from it.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If there is no such group or series.
    /// LimitError
    ///     If there are 100,000 pieces of feedback.
    /// BusyError
    ///     If another thread is at work on this detector.
    #[pyo3(
        signature = (group, series, is_anomaly=FALSE),
        text_signature = "($self, group, series, is_anomaly=False)"
    )]
    fn feedback(
        &self,
        group: &Bound<'_, PyAny>,
        series: &Bound<'_, PyAny>,
        is_anomaly: Option<IsAnomaly>,
    ) -> PyResult<()> {
        let group: String = match group.cast::<PyString>() {
            Ok(group) => group.extract()?,
            Err(_) => return Err(config(format!("`group` must be text, got {}", shown(group)))),
        };
        let mut core = self.lock().or_raise()?;
        let key = key_of(series, core.settings().by.len(), "series")?;
        core.feedback(&group, &key, is_anomaly.map(|said| said.0)).or_raise()
    }

    /// All that was said by `feedback`.
    ///
    /// Returns
    /// -------
    /// Batch
    ///     `by`, (``level``), measure, group, is_anomaly, start and end: the series' first and last window in alarm.
    ///
    /// Raises
    /// ------
    /// BusyError
    ///     If another thread is at work on this detector.
    fn feedbacks(&self) -> PyResult<Batch> {
        Ok(Batch::new(self.lock().or_raise()?.feedbacks().or_raise()?))
    }
}

/// What `feedback` is told where nothing is said.
#[allow(clippy::unnecessary_wraps, reason = "None is another answer")]
const FALSE: Option<IsAnomaly> = Some(IsAnomaly(false));

/// True or False, as Python says it.
struct IsAnomaly(bool);

impl<'py> FromPyObject<'_, 'py> for IsAnomaly {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let said = value.cast::<PyBool>().map(|said| Self(said.is_true()));
        said.map_err(|_| {
            config(format!("`is_anomaly` must be True, False or None, got {}", shown(&value.to_owned())))
        })
    }
}
