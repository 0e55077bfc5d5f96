//! `Alarm`: M of N, as a value.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString, PyType};
use windrow_core::alarm::{Alarm as Core, AlarmState, Direction, Missing, Point, Settings, State};
use windrow_core::duration;
use windrow_core::snapshot::{self, Kind};
use windrow_core::times::Unit;

use crate::arguments::{bytes, number, observation, shown, size, word};
use crate::error::{OrRaise, config, data};
use crate::time;

/// When a series is in alarm: M of its newest N points are in breach.
///
/// The rule, its table and its four ways to treat missing points are those of Amazon CloudWatch ("M out of N").
/// One thing differs where data stops: an absence may end an alarm or let it stand, but opens one only with
/// ``missing="breaching"``.
///
/// Parameters
/// ----------
/// threshold : float, optional
///     A score beyond this breaches (``>``); on either side of zero, unless `direction` says which. Exactly one
///     of `threshold` and `severity` is given.
/// severity : float, optional
///     A severity of at least this breaches (``>=``), 0 to 100: 50 is what happens once a month by chance.
/// breaches : int
///     M: so many points in breach make an alarm.
/// of : int
///     N: of so many points.
/// missing : {"missing", "ignore", "breaching", "not_breaching"}
///     How a null, silent or absent point counts: as no point; as no point, keeping the state in doubt; as a
///     breach; as none.
/// direction : {"both", "up", "down"}
///     Which side breaches: either, above `threshold`, or below minus `threshold`.
/// clear_below : float, optional
///     Hysteresis: once in alarm, points count as breaches until they are below this.
/// lasting : str or datetime.timedelta, optional
///     An alarm opens only after the series has been in breach the whole of this time, by event time. It ends
///     when M of N no longer breach.
/// look_back : int, optional
///     R: among how many of the newest points N real ones are looked for; N + 2 by default, at most 1440.
/// period : str or datetime.timedelta, optional
///     A series without a row for so long has a missing point. Half a period late is still in time.
///
/// Raises
/// ------
/// ConfigError
///     If an argument can't be meant; the message names it.
///
/// Examples
/// --------
/// >>> import windrow as wr
/// >>> alarm = wr.Alarm(threshold=3.0, breaches=3, of=5)
/// >>> alarm
/// Alarm(threshold=3.0, breaches=3, of=5)
/// >>> alarm.evaluate("00XXX")
/// 'alarm'
/// >>> alarm.evaluate([False, True, None, None, None], "alarm")
/// 'ok'
/// >>> alarm.rule
/// '3 of 5 above 3.0'
#[pyclass(frozen, eq, module = "windrow")]
#[derive(PartialEq)]
pub struct Alarm {
    core: Core,
}

impl Alarm {
    /// The engine's alarm.
    pub fn core(&self) -> &Core {
        &self.core
    }
}

#[pymethods]
impl Alarm {
    #[new]
    #[pyo3(
        signature = (*, threshold=None, severity=None, breaches=None, of=None, missing=None, direction=None,
            clear_below=None, lasting=None, look_back=None, period=None),
        text_signature = "(*, threshold=None, severity=None, breaches=1, of=1, missing='missing', direction='both', \
            clear_below=None, lasting=None, look_back=None, period=None)"
    )]
    #[allow(clippy::too_many_arguments)]
    fn new(
        threshold: Option<&Bound<'_, PyAny>>,
        severity: Option<&Bound<'_, PyAny>>,
        breaches: Option<&Bound<'_, PyAny>>,
        of: Option<&Bound<'_, PyAny>>,
        missing: Option<&Bound<'_, PyAny>>,
        direction: Option<&Bound<'_, PyAny>>,
        clear_below: Option<&Bound<'_, PyAny>>,
        lasting: Option<&Bound<'_, PyAny>>,
        look_back: Option<&Bound<'_, PyAny>>,
        period: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let settings = Settings {
            threshold: number(threshold, "threshold")?,
            severity: number(severity, "severity")?,
            breaches: count(breaches, "breaches")?.unwrap_or(1),
            of: count(of, "of")?.unwrap_or(1),
            missing: Missing::parse(&word(missing, "missing", "missing")?).or_raise()?,
            direction: Direction::parse(&word(direction, "direction", "both")?).or_raise()?,
            clear_below: number(clear_below, "clear_below")?,
            lasting: lasting.map(|length| time::duration(length, "lasting")).transpose()?,
            look_back: count(look_back, "look_back")?,
            period: period.map(|length| time::duration(length, "period")).transpose()?,
        };
        Ok(Self { core: Core::new(settings).or_raise()? })
    }

    /// A score beyond this breaches, or None.
    #[getter]
    fn threshold(&self) -> Option<f64> {
        self.core.settings().threshold
    }

    /// A severity of at least this breaches, or None.
    #[getter]
    fn severity(&self) -> Option<f64> {
        self.core.settings().severity
    }

    /// M: so many points in breach make an alarm.
    #[getter]
    fn breaches(&self) -> u32 {
        self.core.settings().breaches
    }

    /// N: of so many points.
    #[getter]
    fn of(&self) -> u32 {
        self.core.settings().of
    }

    /// How a missing point counts.
    #[getter]
    fn missing(&self) -> &'static str {
        self.core.settings().missing.name()
    }

    /// Which side of zero breaches.
    #[getter]
    fn direction(&self) -> &'static str {
        self.core.settings().direction.name()
    }

    /// Below this an alarm's points no longer breach, or None.
    #[getter]
    fn clear_below(&self) -> Option<f64> {
        self.core.settings().clear_below
    }

    /// How long a breach has to last, as text such as ``"3m"``, or None.
    #[getter]
    fn lasting(&self) -> Option<String> {
        self.core.settings().lasting.map(duration::print)
    }

    /// R: the points that are looked at.
    #[getter]
    fn look_back(&self) -> u32 {
        self.core.look_back()
    }

    /// After how long a row is missing, as text such as ``"5m"``, or None.
    #[getter]
    fn period(&self) -> Option<String> {
        self.core.settings().period.map(duration::print)
    }

    /// The rule as events show it.
    #[getter]
    fn rule(&self) -> String {
        self.core.rule()
    }

    /// Apply the bare rule to a list of points: no threshold, no time.
    ///
    /// Parameters
    /// ----------
    /// points : str or sequence of bool or None
    ///     Newest last: True in breach, False not, None missing; or text of ``X``, ``0`` and ``-``. Only the
    ///     newest `look_back` points count; what a shorter list lacks is missing.
    /// state : {"ok", "alarm", "insufficient_data"}
    ///     The state before, for where the rule keeps it.
    ///
    /// Returns
    /// -------
    /// str
    ///     "ok", "alarm" or "insufficient_data".
    ///
    /// Raises
    /// ------
    /// ConfigError
    ///     If a point or the state is none.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> wr.Alarm(threshold=3.0, breaches=2, of=3, missing="ignore").evaluate("---X-", "ok")
    /// 'ok'
    #[pyo3(signature = (points, state=None), text_signature = "($self, points, state='insufficient_data')")]
    fn evaluate(
        &self,
        points: &Bound<'_, PyAny>,
        state: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<&'static str> {
        let state = State::parse(&word(state, "state", "insufficient_data")?).or_raise()?;
        let unfit = |_| {
            config(format!(
                "`points` must be text or a sequence of True, False and None, got {}",
                shown(points)
            ))
        };
        let points = if points.is_instance_of::<PyString>() {
            Point::parse_all(&points.extract::<String>().map_err(unfit)?).or_raise()?
        } else {
            points.try_iter().map_err(unfit)?.map(|item| point(&item?)).collect::<PyResult<_>>()?
        };
        Ok(self.core.evaluate(&points, state).name())
    }

    /// The states of one series after each of its rows, from the beginning.
    ///
    /// For trying an alarm on scores that are there already; a `Detector` does this for many series, and keeps
    /// their states.
    ///
    /// Parameters
    /// ----------
    /// times : sequence of datetime.datetime or int
    ///     In order of arrival; integers are nanoseconds since the epoch.
    /// values : sequence of float or None
    ///     As many scores (or severities); None and NaN are missing points.
    ///
    /// Returns
    /// -------
    /// list of str
    ///     "ok", "alarm" or "insufficient_data", one for each row.
    ///
    /// Raises
    /// ------
    /// DataError
    ///     If there are not as many values as times, or a time is none.
    ///
    /// Examples
    /// --------
    /// >>> import windrow as wr
    /// >>> wr.Alarm(threshold=3.0, clear_below=2.0).states([1, 2, 3, 4], [2.5, -4.0, 2.5, None])
    /// ['ok', 'alarm', 'alarm', 'alarm']
    fn states(&self, times: &Bound<'_, PyAny>, values: &Bound<'_, PyAny>) -> PyResult<Vec<&'static str>> {
        let sequence = |items: &Bound<'_, PyAny>, argument: &str, what: &str| {
            data(format!("`{argument}` must be a sequence of {what}, got {}", shown(items)))
        };
        let times = times
            .try_iter()
            .map_err(|_| sequence(times, "times", "datetimes or integers"))?
            .map(|time| time::time(&time?, Unit::Nanosecond, "times"))
            .collect::<PyResult<Vec<_>>>()?;
        let values = values
            .try_iter()
            .map_err(|_| sequence(values, "values", "numbers and None"))?
            .map(|value| observation(Some(&value?).filter(|value| !value.is_none()), "values"))
            .collect::<PyResult<Vec<_>>>()?;
        if times.len() != values.len() {
            return Err(data(format!(
                "`values` must be as many as `times` ({}), got {}",
                times.len(),
                values.len()
            )));
        }
        let mut series = AlarmState::default();
        let rows = times.into_iter().zip(values);
        Ok(rows.map(|(time, value)| self.core.step(&mut series, time, value).state.name()).collect())
    }

    /// The alarm as bytes, the same on every machine.
    ///
    /// Returns
    /// -------
    /// bytes
    ///     What `restore` reads.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &snapshot::write(Kind::Alarm, &self.core).or_raise()?))
    }

    /// Read an alarm back from its bytes.
    ///
    /// Parameters
    /// ----------
    /// data : bytes
    ///     What `snapshot` gave.
    ///
    /// Returns
    /// -------
    /// Alarm
    ///     An equal alarm.
    ///
    /// Raises
    /// ------
    /// SnapshotError
    ///     If the bytes are damaged, of another kind, or of a newer version.
    #[classmethod]
    fn restore(_class: &Bound<'_, PyType>, data: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { core: snapshot::read(Kind::Alarm, &bytes(data, "data")?).or_raise()? })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        Ok((slf.get_type().getattr("restore")?, (slf.get().snapshot(slf.py())?,)))
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.repr()?.hash()
    }

    fn __repr__(&self) -> String {
        let set = self.core.settings();
        let plain = Settings::default();
        let mut parts = Vec::new();
        let mut show = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                parts.push(format!("{name}={value}"));
            }
        };
        show("threshold", set.threshold.map(|value| format!("{value:?}")));
        show("severity", set.severity.map(|value| format!("{value:?}")));
        show("breaches", (set.breaches != plain.breaches).then(|| set.breaches.to_string()));
        show("of", (set.of != plain.of).then(|| set.of.to_string()));
        show("missing", (set.missing != plain.missing).then(|| format!("{:?}", set.missing.name())));
        show("direction", (set.direction != plain.direction).then(|| format!("{:?}", set.direction.name())));
        show("clear_below", set.clear_below.map(|value| format!("{value:?}")));
        show("lasting", set.lasting.map(|length| format!("{:?}", duration::print(length))));
        show("look_back", set.look_back.map(|points| points.to_string()));
        show("period", set.period.map(|length| format!("{:?}", duration::print(length))));
        format!("Alarm({})", parts.join(", "))
    }
}

fn count(value: Option<&Bound<'_, PyAny>>, argument: &str) -> PyResult<Option<u32>> {
    let small = |count: u64| {
        u32::try_from(count)
            .map_err(|_| config(format!("`{argument}` must be a small positive number, got {count}")))
    };
    size(value, argument)?.map(small).transpose()
}

fn point(item: &Bound<'_, PyAny>) -> PyResult<Point> {
    if item.is_none() {
        return Ok(Point::Missing);
    }
    let of = |breach: bool| if breach { Point::Breach } else { Point::Calm };
    if item.is_instance_of::<PyBool>() || item.get_type().qualname()? == "bool" {
        return Ok(of(item.is_truthy()?));
    }
    match item.cast::<PyInt>().ok().and_then(|number| number.extract::<i64>().ok()) {
        Some(number @ (0 | 1)) => Ok(of(number == 1)),
        _ => Err(config(format!("`points` must hold True, False or None, got {}", shown(item)))),
    }
}
