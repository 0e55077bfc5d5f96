//! Times and durations as Python passes them: aware datetimes, integers in `time_unit`, `timedelta`, text.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDateTime, PyDelta, PyDeltaAccess, PyInt, PyList, PyString, PyTzInfo};
use windrow_core::times::Unit;

use crate::arguments::shown;
use crate::error::{OrRaise, config, data};

/// The epoch as Python counts days.
const EPOCH_ORDINAL: i32 = 719_163;

/// Nanoseconds since the epoch of an aware datetime (naive ones mean UTC, as everywhere).
pub fn datetime_nanoseconds(value: &Bound<'_, PyAny>, argument: &str) -> PyResult<i64> {
    let py = value.py();
    let utc = PyTzInfo::utc(py)?;
    let aware = if value.getattr(intern!(py, "tzinfo"))?.is_none() {
        let keywords = pyo3::types::PyDict::new(py);
        keywords.set_item("tzinfo", utc)?;
        value.call_method(intern!(py, "replace"), (), Some(&keywords))?
    } else {
        value.clone()
    };
    let epoch = PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&utc))?;
    let since = aware.call_method1(intern!(py, "__sub__"), (epoch,))?.cast_into::<PyDelta>()?;
    let whole = delta_nanoseconds(&since)
        .ok_or_else(|| data(format!("`{argument}` must lie between 1677 and 2262, got {value}")))?;
    // pandas keeps what datetime can't.
    let rest = value.getattr(intern!(py, "nanosecond")).and_then(|rest| rest.extract::<i64>()).unwrap_or(0);
    // pandas' difference is a Timedelta, which is a timedelta cut to microseconds.
    whole
        .checked_add(rest)
        .ok_or_else(|| data(format!("`{argument}` must lie between 1677 and 2262, got {value}")))
}

fn delta_nanoseconds(delta: &Bound<'_, PyDelta>) -> Option<i64> {
    let seconds = i64::from(delta.get_days()) * 86_400 + i64::from(delta.get_seconds());
    seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(delta.get_microseconds()) * 1_000)
}

/// A time argument: an aware datetime, or an integer in `unit`.
#[inline]
pub fn time(value: &Bound<'_, PyAny>, unit: Unit, argument: &str) -> PyResult<i64> {
    // A plain integer, nearly always.
    if let Ok(plain) = value.cast_exact::<PyInt>()
        && let Ok(time) = plain.extract::<i64>()
        && let Some(time) = time.checked_mul(unit.nanoseconds())
    {
        return Ok(time);
    }
    any_time(value, unit, argument)
}

#[cold]
fn any_time(value: &Bound<'_, PyAny>, unit: Unit, argument: &str) -> PyResult<i64> {
    let py = value.py();
    let unfit = || {
        data(format!(
            "`{argument}` must be a datetime or an integer in {}, got {}",
            unit.name(),
            shown(value)
        ))
    };
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        let out = || data(format!("`{argument}` must lie between 1677 and 2262, got {}", shown(value)));
        return value
            .extract::<i64>()
            .ok()
            .and_then(|time| time.checked_mul(unit.nanoseconds()))
            .ok_or_else(out);
    }
    // What is not a time (NaT) is not even equal to itself.
    if value.is_instance_of::<PyBool>() || !value.eq(value).unwrap_or(false) {
        return Err(unfit());
    }
    if value.is_instance_of::<PyDateTime>() {
        return datetime_nanoseconds(value, argument);
    }
    if let Ok(number) = value.call_method0(intern!(py, "__index__")) {
        return time(&number, unit, argument);
    }
    if value.hasattr(intern!(py, "astype"))? && !value.is_instance_of::<PyString>() {
        let nanoseconds = value
            .call_method1("astype", ("M8[ns]",))
            .and_then(|time| time.call_method1("astype", ("i8",)))
            .and_then(|time| time.extract::<i64>());
        return nanoseconds.map_err(|_| unfit());
    }
    Err(unfit())
}

/// A list of dates as days since the epoch, in order, each once: `datetime.date`, what has one (`.item()`), or text.
pub fn days(value: &Bound<'_, PyAny>, argument: &str) -> PyResult<Vec<i32>> {
    let py = value.py();
    let unfit = |given: &Bound<'_, PyAny>| {
        config(format!(
            "`{argument}` must be a list of dates (datetime.date or \"YYYY-MM-DD\"), got {}",
            shown(given)
        ))
    };
    if value.is_instance_of::<PyString>() {
        return Err(unfit(value));
    }
    let date = py.import(intern!(py, "datetime"))?.getattr(intern!(py, "date"))?;
    let mut days = Vec::new();
    for one in value.try_iter().map_err(|_| unfit(value))? {
        let one = one.map_err(|_| unfit(value))?;
        let as_date = if one.is_instance_of::<PyString>() {
            date.call_method1(intern!(py, "fromisoformat"), (&one,))
        } else if one.is_instance(&date)? {
            Ok(one.clone())
        } else {
            one.call_method0(intern!(py, "item"))
        };
        let ordinal = as_date.and_then(|date| date.call_method0(intern!(py, "toordinal")));
        let ordinal: i32 = ordinal.and_then(|day| day.extract()).map_err(|_| unfit(&one))?;
        days.push(ordinal - EPOCH_ORDINAL);
    }
    days.sort_unstable();
    days.dedup();
    Ok(days)
}

/// Days since the epoch as a list of texts: what [`days`] reads.
pub fn show_days(py: Python<'_>, days: &[i32]) -> PyResult<String> {
    let date = py.import(intern!(py, "datetime"))?.getattr(intern!(py, "date"))?;
    let one = |day: &i32| {
        date.call_method1(intern!(py, "fromordinal"), (i64::from(*day) + i64::from(EPOCH_ORDINAL),))?
            .call_method0(intern!(py, "isoformat"))
    };
    let texts: Vec<_> = days.iter().map(one).collect::<PyResult<_>>()?;
    Ok(PyList::new(py, texts)?.repr()?.to_string())
}

/// A duration argument in nanoseconds: text such as `"5m"`, or a `timedelta`.
pub fn duration(value: &Bound<'_, PyAny>, argument: &str) -> PyResult<i64> {
    if let Ok(text) = value.extract::<String>() {
        return windrow_core::duration::parse(&text, argument).or_raise();
    }
    if let Ok(delta) = value.cast::<PyDelta>() {
        return delta_nanoseconds(delta)
            .ok_or_else(|| config(format!("`{argument}` is longer than 292 years, got {value}")));
    }
    Err(config(format!(
        "`{argument}` must be a duration such as \"5m\" or a timedelta, got {}",
        shown(value)
    )))
}

/// An optional duration argument.
pub fn optional(value: Option<&Bound<'_, PyAny>>, argument: &str) -> PyResult<Option<i64>> {
    value.map(|value| duration(value, argument)).transpose()
}

/// An aware datetime in UTC, cut to microseconds.
pub fn to_datetime(py: Python<'_>, nanoseconds: i64) -> PyResult<Bound<'_, PyAny>> {
    let microseconds = nanoseconds.div_euclid(1_000);
    let days = microseconds.div_euclid(86_400_000_000);
    let rest = microseconds.rem_euclid(86_400_000_000);
    let since = PyDelta::new(py, days as i32, (rest / 1_000_000) as i32, (rest % 1_000_000) as i32, false)?;
    let epoch = PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&PyTzInfo::utc(py)?.to_owned()))?;
    epoch.call_method1(intern!(py, "__add__"), (since,))
}
