//! What windows are asked to be: from Python's arguments to the engine's specification, and back to an expression.

use pyo3::prelude::*;
use pyo3::types::{PyMapping, PyString};
use windrow_core::column::Scalar;
use windrow_core::duration;
use windrow_core::times::Unit;
use windrow_core::window::{Aggregate, Condition, CountOn, Function, Label, Spec};

use crate::arguments::{names, number, shown, size, text};
use crate::error::config;
use crate::numpy::scalar;
use crate::time;

/// The aggregates by their names.
pub fn aggregates(value: &Bound<'_, PyAny>) -> PyResult<Vec<Aggregate>> {
    let mapping = value.cast::<PyMapping>().map_err(|_| {
        config(format!("`aggregates` must be a dict of names to aggregates, got {}", shown(value)))
    })?;
    let read = |item: Bound<'_, PyAny>| {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        aggregate(&name, &value)
    };
    mapping.items()?.iter().map(read).collect()
}

/// Which end of a window is its time.
pub fn label(value: Option<&Bound<'_, PyAny>>) -> PyResult<Label> {
    match text(value, "label")?.as_deref() {
        None | Some("start") => Ok(Label::Start),
        Some("end") => Ok(Label::End),
        Some(other) => Err(config(format!("`label` must be \"start\" or \"end\", got {other:?}"))),
    }
}

/// Coarser keys.
pub fn rollup(value: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Vec<String>>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    if value.is_instance_of::<PyString>() {
        return Err(config(format!("`rollup` must be a list of lists of names, got {}", shown(value))));
    }
    value
        .try_iter()
        .map_err(|_| config(format!("`rollup` must be a list of lists of names, got {}", shown(value))))?
        .map(|level| names(&level?, "rollup"))
        .collect()
}

/// An aggregate as `windrow.aggregates` describes it.
fn aggregate(name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<Aggregate> {
    let name: String = name
        .extract()
        .map_err(|_| config(format!("`aggregates` must have names as its keys, got {}", shown(name))))?;
    let unfit = || {
        config(format!(
            "`aggregates[{name:?}]` must be an aggregate such as windrow.count(), got {}",
            shown(value)
        ))
    };
    let get = |part: &str| value.getattr(part).map_err(|_| unfit());
    let function: String = get("function")?.extract().map_err(|_| unfit())?;
    let columns: Vec<String> = get("columns")?.extract().map_err(|_| unfit())?;
    let function = match function.as_str() {
        "count" => Function::Count,
        "sum" => Function::Sum,
        "mean" => Function::Mean,
        "min" => Function::Min,
        "max" => Function::Max,
        "std" => Function::Std,
        "var" => Function::Var,
        "first" => Function::First,
        "last" => Function::Last,
        "quantile" => Function::Quantile(number(Some(&get("q")?), "q")?.unwrap_or(f64::NAN)),
        "distinct" => Function::Distinct {
            min_hits: hits(&get("min_hits")?)?,
            count_on: {
                let retain = time::duration(&get("retain")?, "retain")?;
                let first = get("count_on")?.extract::<String>().map_err(|_| unfit())? == "first";
                if first { CountOn::First { retain } } else { CountOn::Every }
            },
        },
        _ => return Err(unfit()),
    };
    let mut filter = Vec::new();
    let conditions = get("where")?;
    let no_mapping =
        || config(format!("`where` must be a mapping of columns to values, got {}", shown(&conditions)));
    for item in conditions.cast::<PyMapping>().map_err(|_| no_mapping())?.items()? {
        let (column, wanted): (String, Bound<'_, PyAny>) = item.extract().map_err(|_| no_mapping())?;
        let one = |wanted: &Bound<'_, PyAny>| {
            scalar(wanted).ok_or_else(|| {
                config(format!(
                    "`where` must hold numbers, booleans, text or lists of these, got {} for `{column}`",
                    shown(wanted)
                ))
            })
        };
        let single = wanted.is_instance_of::<PyString>() || wanted.is_instance_of::<PyMapping>();
        let any_of: Vec<Scalar> = if single || wanted.try_iter().is_err() {
            vec![one(&wanted)?]
        } else {
            wanted.try_iter()?.map(|wanted| one(&wanted?)).collect::<PyResult<_>>()?
        };
        if any_of.is_empty() {
            return Err(config(format!(
                "`where` must have a value at least for `{column}`, got {}",
                shown(&wanted)
            )));
        }
        filter.push(Condition { column, any_of });
    }
    Ok(Aggregate { name, function, columns, filter })
}

fn hits(value: &Bound<'_, PyAny>) -> PyResult<u32> {
    let hits = size(Some(value), "min_hits")?.unwrap_or(1);
    u32::try_from(hits).map_err(|_| config(format!("`min_hits` must be at most {}, got {hits}", u32::MAX)))
}

/// A Python expression that makes windows of these parameters.
pub fn represent(spec: &Spec) -> String {
    let text = |value: &str| format!("{value:?}").replace("\\'", "'");
    let list = |values: &[String]| {
        format!("[{}]", values.iter().map(|value| text(value)).collect::<Vec<_>>().join(", "))
    };
    let aggregates: Vec<String> = spec
        .aggregates
        .iter()
        .map(|aggregate| format!("{}: {}", text(&aggregate.name), represent_aggregate(aggregate)))
        .collect();
    let mut arguments = vec![
        format!("every={:?}", duration::print(spec.every)),
        format!("aggregates={{{}}}", aggregates.join(", ")),
    ];
    let mut add = |name: &str, shown: bool, value: String| {
        if shown {
            arguments.push(format!("{name}={value}"));
        }
    };
    let length = |value: i64| format!("{:?}", duration::print(value));
    match spec.by.as_slice() {
        [] => {}
        [one] => add("by", true, text(one)),
        several => add("by", true, list(several)),
    }
    add("time", spec.time != "time", text(&spec.time));
    add("time_unit", spec.time_unit != Unit::Nanosecond, text(spec.time_unit.name()));
    add("source", spec.source.is_some(), text(spec.source.as_deref().unwrap_or_default()));
    add("offset", spec.offset != 0, length(spec.offset));
    add("zone", spec.zone.is_some(), text(spec.zone.as_deref().unwrap_or_default()));
    add("label", spec.label == Label::End, text("end"));
    add("out_of_orderness", spec.out_of_orderness != 0, length(spec.out_of_orderness));
    add("allowed_lateness", spec.allowed_lateness != 0, length(spec.allowed_lateness));
    add("idle_timeout", spec.idle_timeout.is_some(), length(spec.idle_timeout.unwrap_or(0)));
    add("max_ahead", spec.max_ahead.is_some(), length(spec.max_ahead.unwrap_or(0)));
    add("fill", spec.fill, "True".to_owned());
    add("fill_limit", spec.fill_limit.is_some(), spec.fill_limit.unwrap_or(0).to_string());
    let levels: Vec<String> = spec.rollup.iter().map(|level| list(level)).collect();
    add("rollup", !levels.is_empty(), format!("[{}]", levels.join(", ")));
    add("max_cells", spec.max_cells != 10_000_000, spec.max_cells.to_string());
    add("max_series", spec.max_series.is_some(), spec.max_series.unwrap_or(0).to_string());
    format!("TumblingWindows({})", arguments.join(", "))
}

fn represent_aggregate(aggregate: &Aggregate) -> String {
    let quoted = |columns: &[String]| {
        columns.iter().map(|column| format!("{column:?}")).collect::<Vec<_>>().join(", ")
    };
    let value = |value: &Scalar| match value {
        Scalar::Null => "None".to_owned(),
        Scalar::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => format!("{value:?}"),
        Scalar::Str(text) => format!("{text:?}"),
    };
    let mut arguments = match aggregate.columns.as_slice() {
        [] => Vec::new(),
        [one] => vec![format!("{one:?}")],
        several => vec![format!("[{}]", quoted(several))],
    };
    let name = match aggregate.function {
        Function::Count => "count",
        Function::Sum => "sum",
        Function::Mean => "mean",
        Function::Min => "min",
        Function::Max => "max",
        Function::Std => "std",
        Function::Var => "var",
        Function::First => "first",
        Function::Last => "last",
        Function::Quantile(q) => {
            arguments.push(format!("{q:?}"));
            "quantile"
        }
        Function::Distinct { min_hits, count_on } => {
            if min_hits != 1 {
                arguments.push(format!("min_hits={min_hits}"));
            }
            if let CountOn::First { retain } = count_on {
                arguments.push(format!("count_on=\"first\", retain={:?}", duration::print(retain)));
            }
            "distinct"
        }
    };
    if !aggregate.filter.is_empty() {
        let conditions: Vec<String> = aggregate
            .filter
            .iter()
            .map(|condition| match condition.any_of.as_slice() {
                [one] => format!("{:?}: {}", condition.column, value(one)),
                several => format!(
                    "{:?}: [{}]",
                    condition.column,
                    several.iter().map(value).collect::<Vec<_>>().join(", ")
                ),
            })
            .collect();
        arguments.push(format!("where={{{}}}", conditions.join(", ")));
    }
    format!("{name}({})", arguments.join(", "))
}
