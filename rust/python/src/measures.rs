//! A detector's measures: from Python's names to columns, and one row's values for them.

use pyo3::prelude::*;
use pyo3::types::PyMapping;
use windrow_core::column::Scalar;
use windrow_core::detect::{Input, Measure, Settings};

use crate::arguments::{names, shown};
use crate::error::{config, data};
use crate::numpy::scalar;

/// Which columns make each measure.
pub fn measures(value: &Bound<'_, PyAny>) -> PyResult<Vec<Measure>> {
    let plain = |name: String, column: String| Measure { name, column, extremes: None, predicted: None };
    let Ok(mapping) = value.cast::<PyMapping>() else {
        let columns = names(value, "measures")?;
        return Ok(columns.into_iter().map(|name| plain(name.clone(), name)).collect());
    };
    let measure = |item: &Bound<'_, PyAny>| -> PyResult<Measure> {
        let (name, columns): (String, Bound<'_, PyAny>) = item
            .extract()
            .map_err(|_| config(format!("`measures` must have names as its keys, got {}", shown(value))))?;
        match names(&columns, "measures")?.as_slice() {
            [column] => Ok(plain(name, column.clone())),
            [column, low, high] => {
                Ok(Measure { extremes: Some([low.clone(), high.clone()]), ..plain(name, column.clone()) })
            }
            _ => Err(config(format!(
                "`measures` must have one column or three (mean, min, max) for {name:?}, got {}",
                shown(&columns)
            ))),
        }
    };
    mapping.items()?.iter().map(|item| measure(&item)).collect()
}

/// Which columns predict them.
pub fn predicted(value: &Bound<'_, PyAny>, measures: &mut [Measure]) -> PyResult<()> {
    if let Ok(mapping) = value.cast::<PyMapping>() {
        for measure in measures {
            measure.predicted = match mapping.get_item(&measure.name) {
                Ok(column) => Some(column.extract().map_err(|_| {
                    config(format!("`predicted` must have names of columns, got {}", shown(value)))
                })?),
                Err(_) => None,
            };
        }
        return Ok(());
    }
    let columns = names(value, "predicted")?;
    if columns.len() != measures.len() {
        return Err(config(format!(
            "`predicted` must name a column for each of {} measures, got {}",
            measures.len(),
            shown(value)
        )));
    }
    for (measure, column) in measures.iter_mut().zip(columns) {
        measure.predicted = Some(column);
    }
    Ok(())
}

/// What was passed for each input, by name or in the order of the inputs.
fn items<'py>(values: &Bound<'py, PyAny>, columns: &[&str]) -> PyResult<Vec<Bound<'py, PyAny>>> {
    if let Ok(mapping) = values.cast::<PyMapping>() {
        let of = |name: &&str| {
            mapping
                .get_item(name)
                .map_err(|_| data(format!("`values` must have `{name}`, got {}", shown(values))))
        };
        return columns.iter().map(of).collect();
    }
    if columns.len() == 1 && scalar(values).is_some() {
        return Ok(vec![values.clone()]);
    }
    let items = values.extract::<Vec<Bound<'_, PyAny>>>().unwrap_or_default();
    if items.len() != columns.len() {
        return Err(data(format!(
            "`values` must hold {} values ({}), got {}",
            columns.len(),
            columns.join(", "),
            shown(values)
        )));
    }
    Ok(items)
}

/// One row's values as a model reads them.
pub fn scalars(values: &Bound<'_, PyAny>, settings: &Settings) -> PyResult<Vec<Scalar>> {
    let columns = settings.inputs();
    let one = |(item, name): (&Bound<'_, PyAny>, &&str)| {
        scalar(item).ok_or_else(|| {
            data(format!("`values` must hold numbers or text, got {} for `{name}`", shown(item)))
        })
    };
    items(values, &columns)?.iter().zip(&columns).map(one).collect()
}

/// One row's values, by name or in the order of the inputs, as each measure reads them.
pub fn inputs(values: &Bound<'_, PyAny>, settings: &Settings) -> PyResult<Vec<Input>> {
    let columns = settings.inputs();
    let number = |item: &Bound<'_, PyAny>, name: &str| -> PyResult<(f64, bool)> {
        match scalar(item) {
            Some(Scalar::Null) => Ok((f64::NAN, false)),
            Some(Scalar::Bool(value)) => Ok((f64::from(u8::from(value)), false)),
            Some(Scalar::Int(value)) => Ok((value as f64, true)),
            Some(Scalar::Float(value)) => Ok((value, false)),
            // A model reads its own.
            Some(Scalar::Str(_)) if settings.model.as_ref().is_some_and(|model| model.is_text(name)) => {
                Ok((f64::NAN, false))
            }
            _ => Err(data(format!("`values` must hold numbers, got {} for `{name}`", shown(item)))),
        }
    };
    let items = items(values, &columns)?;
    let numbers: Vec<(f64, bool)> =
        items.iter().zip(&columns).map(|(item, name)| number(item, name)).collect::<PyResult<_>>()?;
    let get = |name: &str| columns.iter().position(|column| *column == name).map(|at| numbers[at]);
    let shares = settings.completeness.as_ref().and_then(|one| get(&one.column));
    let completeness = shares.map_or(f64::NAN, |(share, _)| share);
    let measure = |measure: &Measure| {
        let (value, integer) = get(&measure.column).unwrap_or((f64::NAN, false));
        let plain = |name: &String| get(name).map_or(f64::NAN, |(value, _)| value);
        Input {
            value,
            integer,
            completeness,
            extremes: measure.extremes.as_ref().map_or([value; 2], |[low, high]| [plain(low), plain(high)]),
            predicted: measure.predicted.as_ref().map_or(f64::NAN, plain),
        }
    };
    Ok(settings.measures.iter().map(measure).collect())
}
