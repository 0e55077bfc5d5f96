"""Events to windows, windows to expectations, residuals and alarms."""

from windrow._windrow import Batch, __version__
from windrow.errors import BusyError, ConfigError, DataError, LimitError, SnapshotError, WindrowError

__all__ = [
    "Batch",
    "BusyError",
    "ConfigError",
    "DataError",
    "LimitError",
    "SnapshotError",
    "WindrowError",
    "__version__",
]
