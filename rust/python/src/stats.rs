//! The counts of `TumblingWindows` as a dict.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use windrow_core::window::Stats;

use crate::time;

/// By name, as Python knows them.
pub fn to_dict(py: Python<'_>, stats: Stats) -> PyResult<Bound<'_, PyDict>> {
    let out = PyDict::new(py);
    let tally = stats.tally;
    for (name, count) in [
        ("read", tally.read),
        ("counted", tally.counted),
        ("late", tally.late),
        ("rejected", tally.rejected),
        ("nan", tally.nan),
        ("overflow", stats.overflows),
        ("open", stats.open),
        ("series", stats.series),
    ] {
        out.set_item(name, count)?;
    }
    out.set_item("watermark", stats.watermark.map(|at| time::to_datetime(py, at)).transpose()?)?;
    Ok(out)
}
