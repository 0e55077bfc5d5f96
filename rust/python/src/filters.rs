//! A detector's filters: from Python's arguments to the engine's, and back to text.

use std::fmt::Write as _;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString, PyTuple};
use windrow_core::alarm::Direction;
use windrow_core::column::Scalar;
use windrow_core::detect::filters::{Bounds, Filters, Maintenance, Sensitivity};
use windrow_core::detect::quiet_hours::QuietHours;
use windrow_core::detect::{Measure, Settings};
use windrow_core::times::{self, Unit};

use crate::arguments::{float, names, shown};
use crate::error::{OrRaise, config};
use crate::numpy::scalar;
use crate::time;

/// The arguments, as Python passes them.
pub struct Arguments<'a, 'py> {
    pub min_deviation: Option<&'a Bound<'py, PyAny>>,
    pub min_relative_deviation: Option<&'a Bound<'py, PyAny>>,
    pub direction: Option<&'a Bound<'py, PyAny>>,
    pub sensitivity: Option<&'a Bound<'py, PyAny>>,
    pub quiet_hours: Option<&'a Bound<'py, PyAny>>,
    pub maintenance: Option<&'a Bound<'py, PyAny>>,
}

impl Arguments<'_, '_> {
    /// The filters of a detector of these measures, with integer times in `unit`.
    pub fn read(&self, measures: &[Measure], unit: Unit) -> PyResult<Filters> {
        let mut bounds = vec![Bounds::default(); measures.len()];
        let number = |value: &Bound<'_, PyAny>, argument: &str| {
            float(value).ok_or_else(|| config(format!("`{argument}` must be a number, got {}", shown(value))))
        };
        let word = |value: &Bound<'_, PyAny>| {
            let text: String = value
                .extract()
                .map_err(|_| config(format!("`direction` must be text, got {}", shown(value))))?;
            Direction::parse(&text).or_raise()
        };
        each(self.min_deviation, "min_deviation", measures, |at, value| {
            bounds[at].deviation = number(value, "min_deviation")?;
            Ok(())
        })?;
        each(self.min_relative_deviation, "min_relative_deviation", measures, |at, value| {
            bounds[at].relative = number(value, "min_relative_deviation")?;
            Ok(())
        })?;
        each(self.direction, "direction", measures, |at, value| {
            bounds[at].direction = word(value)?;
            Ok(())
        })?;
        if bounds.iter().all(|bounds| *bounds == Bounds::default()) {
            bounds.clear();
        }
        Ok(Filters {
            bounds,
            sensitivity: self.sensitivity.map(sensitivity).transpose()?.unwrap_or_default(),
            quiet_hours: self.quiet_hours.map(quiet_hours).transpose()?.unwrap_or_default(),
            maintenance: self
                .maintenance
                .map(|value| maintenance(value, unit))
                .transpose()?
                .unwrap_or_default(),
        })
    }
}

/// One value for all measures, or a mapping of measures to values.
fn each(
    value: Option<&Bound<'_, PyAny>>,
    argument: &str,
    measures: &[Measure],
    mut set: impl FnMut(usize, &Bound<'_, PyAny>) -> PyResult<()>,
) -> PyResult<()> {
    let Some(value) = value else { return Ok(()) };
    let Ok(mapping) = value.cast::<PyMapping>() else {
        return (0..measures.len()).try_for_each(|at| set(at, value));
    };
    for item in mapping.items()?.iter() {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let at = name
            .extract::<String>()
            .ok()
            .and_then(|name| measures.iter().position(|measure| measure.name == name));
        let Some(at) = at else {
            let there: Vec<&str> = measures.iter().map(|measure| measure.name.as_str()).collect();
            return Err(config(format!(
                "`{argument}` must name measures ({}), got {}",
                there.join(", "),
                shown(&name)
            )));
        };
        set(at, &value)?;
    }
    Ok(())
}

fn sensitivity(value: &Bound<'_, PyAny>) -> PyResult<Vec<Sensitivity>> {
    let unfit = || {
        config(format!(
            "`sensitivity` must be of the form {{\"camera\": {{\"north\": 0.5}}}}, got {}",
            shown(value)
        ))
    };
    let mut read = Vec::new();
    for item in value.cast::<PyMapping>().map_err(|_| unfit())?.items()?.iter() {
        let (column, factors): (String, Bound<'_, PyAny>) = item.extract().map_err(|_| unfit())?;
        for item in factors.cast::<PyMapping>().map_err(|_| unfit())?.items()?.iter() {
            let (value, factor): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            read.push(Sensitivity {
                column: column.clone(),
                value: scalar(&value).ok_or_else(unfit)?,
                factor: float(&factor).ok_or_else(unfit)?,
            });
        }
    }
    Ok(read)
}

fn quiet_hours(value: &Bound<'_, PyAny>) -> PyResult<Vec<QuietHours>> {
    names(value, "quiet_hours")?.iter().map(|text| QuietHours::parse(text).or_raise()).collect()
}

fn maintenance(value: &Bound<'_, PyAny>, unit: Unit) -> PyResult<Vec<Maintenance>> {
    let unfit = || {
        config(format!(
            "`maintenance` must be a list of (start, end) or (start, end, {{\"camera\": \"north\"}}), got {}",
            shown(value)
        ))
    };
    let at = |value: &Bound<'_, PyAny>| -> PyResult<i64> {
        if value.is_instance_of::<PyString>() {
            let text: String = value.extract()?;
            return times::from_text(&text).map_err(|_| {
                config(format!("`maintenance` must hold times in ISO 8601, got {}", shown(value)))
            });
        }
        time::time(value, unit, "maintenance").map_err(|error| config(error.value(value.py()).to_string()))
    };
    let mut read = Vec::new();
    for item in value.try_iter().map_err(|_| unfit())? {
        let parts: Vec<Bound<'_, PyAny>> = item?.extract().map_err(|_| unfit())?;
        let (start, end, keys) = match parts.as_slice() {
            [start, end] => (start, end, Vec::new()),
            [start, end, keys] => (start, end, self::keys(keys).ok_or_else(unfit)?),
            _ => return Err(unfit()),
        };
        read.push(Maintenance { start: at(start)?, end: at(end)?, keys });
    }
    Ok(read)
}

fn keys(value: &Bound<'_, PyAny>) -> Option<Vec<(String, Vec<Scalar>)>> {
    let items = value.cast::<PyMapping>().ok()?.items().ok()?;
    let one = |item: Bound<'_, PyAny>| {
        let (column, wanted): (String, Bound<'_, PyAny>) = item.extract().ok()?;
        let values = match scalar(&wanted) {
            Some(value) => vec![value],
            None => wanted.try_iter().ok()?.map(|item| scalar(&item.ok()?)).collect::<Option<_>>()?,
        };
        Some((column, values))
    };
    items.iter().map(one).collect()
}

/// The filters that are set, as `name=value`.
pub fn show(py: Python<'_>, settings: &Settings) -> PyResult<Vec<String>> {
    let filters = &settings.filters;
    let mut parts = Vec::new();
    let mut bound = |name: &str, of: &dyn Fn(&Bounds) -> Option<String>| -> PyResult<()> {
        let values: Vec<Option<String>> = filters.bounds.iter().map(of).collect();
        match values.first() {
            Some(Some(first)) if values.iter().all(|value| value.as_ref() == Some(first)) => {
                parts.push(format!("{name}={first}"));
            }
            _ => {
                let mut text = String::new();
                for (measure, value) in settings.measures.iter().zip(values) {
                    if let Some(value) = value {
                        let comma = if text.is_empty() { "" } else { ", " };
                        let _ = write!(text, "{comma}{}: {value}", PyString::new(py, &measure.name).repr()?);
                    }
                }
                if !text.is_empty() {
                    parts.push(format!("{name}={{{text}}}"));
                }
            }
        }
        Ok(())
    };
    let positive = |value: f64| (value > 0.0).then(|| format!("{value:?}"));
    bound("min_deviation", &|bounds| positive(bounds.deviation))?;
    bound("min_relative_deviation", &|bounds| positive(bounds.relative))?;
    bound("direction", &|bounds| {
        (bounds.direction != Direction::Both).then(|| format!("'{}'", bounds.direction.name()))
    })?;
    if !filters.sensitivity.is_empty() {
        let columns = PyDict::new(py);
        for one in &filters.sensitivity {
            let factors = columns.call_method1("setdefault", (&one.column, PyDict::new(py)))?;
            factors.set_item(value(py, &one.value)?, one.factor)?;
        }
        parts.push(format!("sensitivity={}", columns.repr()?));
    }
    if !filters.quiet_hours.is_empty() {
        let texts: Vec<&str> = filters.quiet_hours.iter().map(QuietHours::text).collect();
        parts.push(format!("quiet_hours={}", texts.into_pyobject(py)?.repr()?));
    }
    if !filters.maintenance.is_empty() {
        let unit = settings.unit.nanoseconds();
        let mut texts = Vec::new();
        for work in &filters.maintenance {
            // In the detector's own unit, cut where that is coarser.
            let mut items = vec![
                work.start.div_euclid(unit).into_pyobject(py)?.into_any(),
                work.end.div_euclid(unit).into_pyobject(py)?.into_any(),
            ];
            if !work.keys.is_empty() {
                let keys = PyDict::new(py);
                for (column, values) in &work.keys {
                    let values = values.iter().map(|one| value(py, one)).collect::<PyResult<Vec<_>>>()?;
                    keys.set_item(column, values)?;
                }
                items.push(keys.into_any());
            }
            texts.push(PyTuple::new(py, items)?.repr()?.to_string());
        }
        parts.push(format!("maintenance=[{}]", texts.join(", ")));
    }
    Ok(parts)
}

/// A key's value as Python has it.
pub fn value<'py>(py: Python<'py>, value: &Scalar) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Scalar::Null => py.None().into_bound(py),
        Scalar::Bool(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Scalar::Int(value) => value.into_pyobject(py)?.into_any(),
        Scalar::Float(value) => value.into_pyobject(py)?.into_any(),
        Scalar::Str(value) => value.into_pyobject(py)?.into_any(),
    })
}
