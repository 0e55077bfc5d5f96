//! `Detector`, continued: the text that could rebuild it.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use windrow_core::detect::completeness::LEAST;
use windrow_core::detect::joint::FIT_ROWS;
use windrow_core::duration;
use windrow_core::residual::drift::STRETCH;
use windrow_core::residual::rmse::Rmse as RmseCore;
use windrow_core::residual::smooth::Smooth;
use windrow_core::snapshot::{self, Kind};
use windrow_core::times::Unit;

use crate::alarm::Alarm;
use crate::detector::Detector;
use crate::error::OrRaise;
use crate::filters;
use crate::model::Model;
use crate::rmse::Rmse;
use crate::time;

#[pymethods]
impl Detector {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let core = self.lock().or_raise()?;
        let set = core.settings();
        let text = |text: &str| PyString::new(py, text).repr().map(|text| text.to_string());
        let list = |names: &[&String]| {
            PyList::new(py, names).and_then(|list| list.repr()).map(|text| text.to_string())
        };
        let mut parts = vec![text(set.method.name())?];
        let named = set.measures.iter().any(|one| one.extremes.is_some() || one.name != one.column);
        parts.push(format!(
            "measures={}",
            if named {
                let dict = PyDict::new(py);
                for one in &set.measures {
                    match &one.extremes {
                        Some([low, high]) => dict.set_item(&one.name, (&one.column, low, high))?,
                        None => dict.set_item(&one.name, &one.column)?,
                    }
                }
                dict.repr()?.to_string()
            } else {
                list(&set.measures.iter().map(|one| &one.name).collect::<Vec<_>>())?
            }
        ));
        if !set.by.is_empty() {
            parts.push(format!("by={}", list(&set.by.iter().collect::<Vec<_>>())?));
        }
        if set.time != "window_start" {
            parts.push(format!("time={}", text(&set.time)?));
        }
        if let Some(zone) = &set.zone {
            parts.push(format!("zone={}", text(zone)?));
        }
        if !set.holidays.is_empty() {
            parts.push(format!("holidays={}", time::show_days(py, &set.holidays)?));
        }
        if let Some(completeness) = &set.completeness {
            parts.push(format!("completeness={}", text(&completeness.column)?));
            if completeness.least != LEAST {
                parts.push(format!("min_completeness={:?}", completeness.least));
            }
        }
        if let Some(every) = set.every {
            parts.push(format!("every='{}'", duration::print(every)));
        }
        let alarm = snapshot::write(Kind::Alarm, &set.alarm).or_raise()?;
        let alarm = py.get_type::<Alarm>().call_method1("restore", (PyBytes::new(py, &alarm),))?;
        parts.push(format!("alarm={}", alarm.repr()?));
        if let Some(silence) = set.silence {
            parts.push(format!("silence='{}'", duration::print(silence)));
        }
        let predicted: Vec<&String> = set.measures.iter().filter_map(|one| one.predicted.as_ref()).collect();
        if !predicted.is_empty() {
            parts.push(format!("predicted={}", list(&predicted)?));
        }
        if set.rule.rmse != RmseCore::Cumulative {
            parts.push(format!("rmse={}", Rmse::print(set.rule.rmse)));
        }
        match set.rule.smooth {
            Smooth::Rows(1) => {}
            Smooth::Rows(rows) => parts.push(format!("smooth={rows}")),
            Smooth::Time(span) => parts.push(format!("smooth='{}'", duration::print(span))),
        }
        match set.drift.map(|drift| drift.stretch) {
            None if set.model.is_some() => parts.push("drift='off'".to_owned()),
            Some(stretch) if set.model.is_none() || stretch != STRETCH => {
                parts.push(format!("drift='{}'", duration::print(stretch)));
            }
            _ => {}
        }
        if set.fit_rows != FIT_ROWS {
            parts.push(format!("fit_rows={}", set.fit_rows));
        }
        if let Some(model) = &set.model {
            parts.push(format!("model={}", Model::shown(model)));
        }
        if set.adopt != set.method.adopt() {
            parts.push(format!("adopt='{}'", duration::print(set.adopt)));
        }
        if set.unit != Unit::Nanosecond {
            parts.push(format!("time_unit='{}'", set.unit.name()));
        }
        parts.extend(filters::show(py, set)?);
        Ok(format!("Detector({})", parts.join(", ")))
    }
}
