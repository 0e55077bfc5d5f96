"""Events to windows, windows to expectations, residuals and alarms."""

from windrow._windrow import Batch, Decoded, __version__, decode
from windrow.errors import BusyError, ConfigError, DataError, LimitError, SnapshotError, WindrowError

__all__ = [
    "Batch",
    "BusyError",
    "ConfigError",
    "DataError",
    "Decoded",
    "LimitError",
    "SnapshotError",
    "WindrowError",
    "__version__",
    "decode",
]
