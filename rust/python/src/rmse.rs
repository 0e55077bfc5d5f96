//! `cumulative()`, `rolling(...)`, `ewm(...)`: how a `ResidualScorer` remembers errors.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyTuple};
use windrow_core::duration;
use windrow_core::residual::rmse::Rmse as Core;

use crate::arguments::{self, shown};
use crate::error::{OrRaise, config};
use crate::time;

/// How the size of a series' errors is remembered; made by `cumulative`, `rolling` and `ewm`.
///
/// Examples
/// --------
/// >>> import windrow as wr
/// >>> wr.cumulative(), wr.rolling(500), wr.ewm("6h")
/// (cumulative(), rolling(500), ewm('6h'))
#[pyclass(frozen, eq, module = "windrow", name = "Rmse")]
#[derive(PartialEq)]
pub struct Rmse {
    core: Core,
}

impl Rmse {
    fn checked(core: Core) -> PyResult<Self> {
        core.check().or_raise()?;
        Ok(Self { core })
    }

    /// What a caller passed as `rmse`.
    pub fn read(value: Option<&Bound<'_, PyAny>>) -> PyResult<Core> {
        let Some(value) = value else { return Ok(Core::Cumulative) };
        if let Ok(rule) = value.cast::<Self>() {
            return Ok(rule.get().core);
        }
        if number(value) {
            let fixed = arguments::number(Some(value), "rmse")?.unwrap_or(f64::NAN);
            return Self::checked(Core::Fixed(fixed)).map(|rule| rule.core);
        }
        Err(config(format!(
            "`rmse` must be cumulative(), rolling(...), ewm(...) or a number, got {}",
            shown(value)
        )))
    }

    /// How a caller would write it.
    pub fn print(core: Core) -> String {
        match core {
            Core::Cumulative => "cumulative()".to_owned(),
            Core::RollingRows(rows) => format!("rolling({rows})"),
            Core::RollingTime(span) => format!("rolling('{}')", duration::print(span)),
            Core::EwmRows(half_life) => format!("ewm({half_life})"),
            Core::EwmTime(half_life) => format!("ewm('{}')", duration::print(half_life)),
            Core::Fixed(rmse) => format!("{rmse:?}"),
        }
    }
}

#[pymethods]
impl Rmse {
    fn __repr__(&self) -> String {
        Self::print(self.core)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.repr()?.hash()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let windrow = py.import("windrow")?;
        let text = |length| duration::print(length).into_pyobject(py).map(|text| text.into_any().unbind());
        let (name, argument) = match self.core {
            Core::RollingRows(rows) => ("rolling", rows.into_pyobject(py)?.into_any().unbind()),
            Core::RollingTime(span) => ("rolling", text(span)?),
            Core::EwmRows(half_life) => ("ewm", half_life.into_pyobject(py)?.into_any().unbind()),
            Core::EwmTime(half_life) => ("ewm", text(half_life)?),
            Core::Cumulative | Core::Fixed(_) => {
                return Ok((windrow.getattr("cumulative")?, PyTuple::empty(py)));
            }
        };
        Ok((windrow.getattr(name)?, PyTuple::new(py, [argument])?))
    }
}

fn number(value: &Bound<'_, PyAny>) -> bool {
    (value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>())
        && !value.is_instance_of::<PyBool>()
        || value.hasattr("__index__").unwrap_or(false) && !value.is_instance_of::<PyBool>()
}

/// All errors so far, alike.
///
/// Returns
/// -------
/// Rmse
///     For `ResidualScorer(rmse=...)`.
#[pyfunction]
pub fn cumulative() -> Rmse {
    Rmse { core: Core::Cumulative }
}

/// The errors of the newest rows, or of the newest stretch of time ``(t - over, t]``.
///
/// Parameters
/// ----------
/// over : int, str or datetime.timedelta
///     Rows, or a duration.
///
/// Returns
/// -------
/// Rmse
///     For `ResidualScorer(rmse=...)`.
///
/// Raises
/// ------
/// ConfigError
///     If it is not positive.
#[pyfunction]
pub fn rolling(over: &Bound<'_, PyAny>) -> PyResult<Rmse> {
    if !number(over) {
        return Rmse::checked(Core::RollingTime(time::duration(over, "over")?));
    }
    let rows = over.extract::<usize>().map_err(|_| mistaken("over", over))?;
    Rmse::checked(Core::RollingRows(rows))
}

/// Errors whose weight halves every so many rows, or every so long.
///
/// ``S = a S + (1 - a) r^2`` with ``a = 2^(-1/h)`` for `h` rows, ``a = 2^(-dt/h)`` for a duration, from ``S = r^2``
/// of the first row on.
///
/// Parameters
/// ----------
/// half_life : float, str or datetime.timedelta
///     Rows, or a duration.
///
/// Returns
/// -------
/// Rmse
///     For `ResidualScorer(rmse=...)`.
///
/// Raises
/// ------
/// ConfigError
///     If it is not positive.
#[pyfunction]
pub fn ewm(half_life: &Bound<'_, PyAny>) -> PyResult<Rmse> {
    if !number(half_life) {
        return Rmse::checked(Core::EwmTime(time::duration(half_life, "half_life")?));
    }
    let rows = half_life.extract::<f64>().map_err(|_| mistaken("half_life", half_life))?;
    Rmse::checked(Core::EwmRows(rows))
}

fn mistaken(name: &str, value: &Bound<'_, PyAny>) -> PyErr {
    config(format!("`{name}` must be a positive number of rows or a duration, got {}", shown(value)))
}
