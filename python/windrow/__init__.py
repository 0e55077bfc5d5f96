"""Events to windows, windows to expectations, residuals and alarms."""

from windrow._windrow import Batch, TumblingWindows, __version__
from windrow.aggregates import (
    Aggregate,
    count,
    distinct,
    first,
    last,
    max,
    mean,
    min,
    quantile,
    std,
    sum,
    var,
)
from windrow.errors import BusyError, ConfigError, DataError, LimitError, SnapshotError, WindrowError

__all__ = [
    "Aggregate",
    "Batch",
    "BusyError",
    "ConfigError",
    "DataError",
    "LimitError",
    "SnapshotError",
    "TumblingWindows",
    "WindrowError",
    "__version__",
    "count",
    "distinct",
    "first",
    "last",
    "max",
    "mean",
    "min",
    "quantile",
    "std",
    "sum",
    "var",
]
