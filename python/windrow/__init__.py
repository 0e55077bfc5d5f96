"""Events to windows, windows to expectations, residuals and alarms."""

from typing import TYPE_CHECKING, Any

from windrow._windrow import (
    DEBUG as _DEBUG,
)
from windrow._windrow import (
    Alarm,
    Batch,
    Decoded,
    Detector,
    Model,
    ResidualScorer,
    Rmse,
    TumblingWindows,
    Writer,
    __version__,
    cumulative,
    decode,
    ewm,
    rolling,
)
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
from windrow.errors import (
    BusyError,
    ConfigError,
    DataError,
    LimitError,
    ModelError,
    SnapshotError,
    WindrowError,
)

if TYPE_CHECKING:
    from windrow import simulate
    from windrow.model.train import train
    from windrow.pipeline import Pipeline

__all__ = [
    "Aggregate",
    "Alarm",
    "Batch",
    "BusyError",
    "ConfigError",
    "DataError",
    "Decoded",
    "Detector",
    "LimitError",
    "Model",
    "ModelError",
    "Pipeline",
    "ResidualScorer",
    "Rmse",
    "SnapshotError",
    "TumblingWindows",
    "WindrowError",
    "Writer",
    "__version__",
    "count",
    "cumulative",
    "decode",
    "distinct",
    "ewm",
    "first",
    "last",
    "max",
    "mean",
    "min",
    "quantile",
    "rolling",
    "simulate",
    "std",
    "sum",
    "train",
    "var",
]


def __getattr__(name: str) -> Any:
    """Import what not every program needs when it is first asked for: pydantic comes with `Pipeline` only."""
    from importlib import import_module

    if name == "Pipeline":
        return import_module("windrow.pipeline").Pipeline
    if name == "train":
        return import_module("windrow.model.train").train
    if name == "simulate":
        return import_module("windrow.simulate")
    raise AttributeError(f"module 'windrow' has no attribute {name!r}")


if _DEBUG:
    import warnings

    warnings.warn("this is a debug build of windrow: it is many times slower than a release", stacklevel=2)
