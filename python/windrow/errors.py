"""The errors that windrow raises.

One small tree, so that a caller can catch as much or as little as it means to. Messages are lower case, name the
argument in backticks, and say what was expected, then what came.
"""

__all__ = [
    "BusyError",
    "ConfigError",
    "DataError",
    "LimitError",
    "ModelError",
    "SnapshotError",
    "WindrowError",
]


class WindrowError(Exception):
    """Anything that windrow raises on purpose."""


class ConfigError(WindrowError, ValueError):
    """An argument or an option that can't be meant."""


class DataError(WindrowError, ValueError):
    """Rows of a shape or type that can't be read."""


class SnapshotError(WindrowError, ValueError):
    """Bytes that are no snapshot, are damaged, or come from a newer version."""


class ModelError(WindrowError, ValueError):
    """A model's file that is no model, is damaged, or comes from a newer version."""


class LimitError(WindrowError):
    """A stated limit (`max_cells`) is reached; nothing of the batch was read."""


class BusyError(WindrowError):
    """Another thread is at work on the same lane; use one writer per thread."""
