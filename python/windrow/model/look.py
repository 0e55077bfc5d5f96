"""A first look at measurements: what each column holds, and what in it would spoil a model.

Owns the figures and the warnings: columns that never change, that are another's copy, or nearly the target itself; gaps
in time and clocks that step back. Changes nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from windrow.model.features import shown
from windrow.model.training_data import need

__all__ = ["look", "told"]

#: Correlation with the target from which a column is nearly the target itself.
LEAKING = 0.999
#: A step is a gap from so many usual ones on.
GAP = 10
BINS = 12
BARS = " ▁▂▃▄▅▆▇█"


def look(table: Any, *, target: str, time: str = "time", times: Any = None) -> dict[str, Any]:
    """Look at a table.

    Parameters
    ----------
    table : pyarrow.Table
        The rows.
    target : str
        The column to predict.
    time : str
        The time column, which is looked at as such.
    times : ndarray of datetime64[ns], optional
        Its times, as the engine read them.

    Returns
    -------
    dict
        ``columns``: for each its type, rows missing, range, histogram; ``warnings``: sentences.
    """
    pa = need("pyarrow", "train")
    columns, warnings = [], []
    numbers: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        if name == time:
            continue
        one: dict[str, Any] = {"name": name, "type": str(column.type), "missing": int(column.null_count)}
        if (
            pa.types.is_integer(column.type)
            or pa.types.is_floating(column.type)
            or pa.types.is_boolean(column.type)
        ):
            values = np.array(column.cast(pa.float64()).to_numpy(), float)
            finite = np.isfinite(values)
            one["missing"] = int((~finite).sum())
            numbers[name] = np.where(finite, values, np.nan)
            if finite.any():
                counts, _ = np.histogram(values[finite], bins=BINS)
                low, high = float(values[finite].min()), float(values[finite].max())
                one |= {
                    "min": low,
                    "max": high,
                    "mean": float(values[finite].mean()),
                    "histogram": counts.tolist(),
                }
            if not finite.any() or one["min"] == one["max"]:
                warnings.append(
                    f"{name} never changes: it tells nothing" if finite.any() else f"{name} holds no number"
                )
        else:
            one["different"] = len(column.unique())
        columns.append(one)
    warnings += _copies(numbers, target)
    if times is not None:
        warnings += _clock(times)
    return {"rows": len(table), "columns": columns, "warnings": warnings}


def _copies(numbers: dict[str, Any], target: str) -> list[str]:
    found = []
    names = list(numbers)
    for at, name in enumerate(names):
        same = [
            other for other in names[:at] if np.array_equal(numbers[name], numbers[other], equal_nan=True)
        ]
        found += [f"{name} is a copy of {other}" for other in same]
        if name != target and target in numbers:
            both = np.isfinite(numbers[name]) & np.isfinite(numbers[target])
            mine, goal = numbers[name][both], numbers[target][both]
            if len(mine) > 2 and np.ptp(mine) and np.ptp(goal):
                near = abs(float(np.corrcoef(mine, goal)[0, 1]))
                if near >= LEAKING:
                    found.append(
                        f"{name} is nearly {target} itself (correlation {near:.4f}): a model of it learns nothing of "
                        "the machine"
                    )
    return found


def _clock(times: Any) -> list[str]:
    """Look for steps back and gaps in the order in which the rows came."""
    known = np.asarray(times, "M8[ns]")
    missing = int(np.isnat(known).sum())
    found = [f"{missing:,} rows have no readable time"] if missing else []
    steps = np.diff(known[~np.isnat(known)].astype(np.int64))
    back = int((steps < 0).sum())
    forward = steps[steps > 0]
    if back:
        found.append(f"time steps back {back:,} times, by {shown(int(-steps.min()))} at most")
    if len(forward):
        usual = int(np.median(forward))
        gaps = forward[forward > GAP * usual]
        if len(gaps):
            found.append(
                f"{len(gaps):,} gaps of more than {shown(GAP * usual)} in time, the longest {shown(int(gaps.max()))}"
            )
    return found


def told(found: dict[str, Any]) -> str:
    """Say it for people: a line a column, then the warnings."""
    lines = []
    width = max((len(one["name"]) for one in found["columns"]), default=4)
    for one in found["columns"]:
        counts = one.get("histogram")
        if counts:
            tallest = max(counts)
            picture = "".join(BARS[-(-count * (len(BARS) - 1) // tallest)] for count in counts)
            what = f"{one['min']:.6g} to {one['max']:.6g}  {picture}"
        else:
            what = f"{one.get('different', 0):,} different values"
        missing = f"  {one['missing']:,} missing" if one["missing"] else ""
        lines.append(f"  {one['name']:{width}}  {one['type']:8}  {what}{missing}")
    return "\n".join([*lines, *(f"  warning: {warning}" for warning in found["warnings"])])
