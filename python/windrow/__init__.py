"""Events to windows, windows to expectations, residuals and alarms."""

from windrow._windrow import Alarm, Batch, ResidualScorer, Rmse, __version__, cumulative, ewm, rolling
from windrow.errors import BusyError, ConfigError, DataError, LimitError, SnapshotError, WindrowError

__all__ = [
    "Alarm",
    "Batch",
    "BusyError",
    "ConfigError",
    "DataError",
    "LimitError",
    "ResidualScorer",
    "Rmse",
    "SnapshotError",
    "WindrowError",
    "__version__",
    "cumulative",
    "ewm",
    "rolling",
]
