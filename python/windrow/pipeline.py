"""Everything from one file: source, windows, detector, sinks, state, report.

Owns what a caller may ask for, and checks it; ends in order at the end of the input, on Ctrl-C and on SIGTERM.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import windrow as wr
from windrow.config.check import ConfigFileError, check, load
from windrow.config.sections import Config
from windrow.run import Outcome, Progress, Run
from windrow.service.service import Service
from windrow.stages import detector, onnx, windows
from windrow.stopping import Stop

__all__ = ["Outcome", "Pipeline"]


class Pipeline:
    """A pipeline as its config says.

    Parameters
    ----------
    config : Config
        Checked sections, as `from_toml` reads them.

    Examples
    --------
    >>> import windrow as wr
    >>> pipeline = wr.Pipeline.from_dict({
    ...     "source": {"kind": "simulate", "scenario": "traffic", "days": 0.5, "healthy": True},
    ...     "window": {"every": "1h", "by": "camera", "aggregate": [{"name": "cars", "count": True}]},
    ...     "sink": [{"kind": "file", "path": "/dev/null", "what": "windows"}],
    ... })
    >>> pipeline.run().windows
    24
    """

    def __init__(self, config: Config) -> None:
        if not isinstance(config, Config):
            raise wr.ConfigError(f"`config` must be a Config, as `from_toml` reads it, got {config!r}")
        self.config = config
        self._path: Path | None = None

    @classmethod
    def from_toml(cls, path: str | Path) -> Pipeline:
        """Read a file.

        Raises
        ------
        ConfigError
            With everything that is wrong with it.
        """
        pipeline = cls(load(path))
        pipeline._path = Path(path)
        return pipeline

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Pipeline:
        """Take the sections as `tomllib` would read them.

        Raises
        ------
        ConfigError
            With everything that is wrong with them.
        """
        if not isinstance(data, Mapping):
            raise wr.ConfigError(f"`data` must be a mapping of sections, got {data!r}")
        config, problems = check(data)
        if config is None:
            raise ConfigFileError(problems)
        return cls(config)

    def check(self) -> None:
        """Build every stage without reading anything.

        Raises
        ------
        ConfigError
            What the engine can't be meant to do.
        """
        windows(self.config, "ns")
        detector(self.config)
        onnx(self.config.detect)

    def _again(self) -> Config:
        """Read the file anew; nothing changes where it is wrong."""
        if self._path is None:
            raise wr.ConfigError("there is no file to read anew")
        again = Pipeline.from_toml(self._path)
        again.check()
        return again.config

    def run(
        self,
        *,
        input: str | os.PathLike[str] | None = None,
        report: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
        quiet: bool = False,
        stop: Stop | None = None,
    ) -> Outcome:
        """Run until the input ends or someone asks for the end.

        Parameters
        ----------
        input : path, optional
            A file instead of the source of the config, or `-` for standard input.
        report : path, optional
            Where to write a report, instead of where the config says.
        progress : callable, optional
            Called with how much is read, and of how much, where that is known.
        quiet : bool
            Leave out sinks that write to standard output.
        stop : Stop, optional
            How to ask for the end; Ctrl-C and SIGTERM unless given.

        Returns
        -------
        Outcome

        Raises
        ------
        ConfigError
            Something of the config can't be had: a file, a column.
        DataError
            Input of a shape that can't be read. What was found until then is written.
        """
        for name, value in (("input", input), ("report", report)):
            if value is not None and not isinstance(value, str | os.PathLike):
                raise wr.ConfigError(f"`{name}` must be a file's name, got {value!r}")
        if progress is not None and not callable(progress):
            raise wr.ConfigError(f"`progress` must be callable, got {progress!r}")
        if stop is not None and not isinstance(stop, Stop):
            raise wr.ConfigError(f"`stop` must be a Stop, got {stop!r}")
        with contextlib.ExitStack() as stack:
            if stop is None:
                stop = stack.enter_context(Stop())
            if report is not None:
                check_place(Path(report))
            service = None
            if self.config.service is not None:
                service = stack.enter_context(Service(self.config.service))
            run = Run(
                self.config,
                stop,
                None if input is None else os.fspath(input),
                keep=report is not None or self.config.report is not None,
            )
            stack.callback(run.close)
            run.open(quiet=quiet)
            if service is not None:
                run.serve(service, self._again)
                service.ready()
            try:
                run.read(progress)
            finally:
                if service is not None:
                    service.stopping()
                run.finish()
            # Who asks for the end now waits for the page, which shows what was found until then.
            path = report or (self.config.report and self.config.report.path)
            if path:
                from windrow.report.run import write

                write(path, self.config, run.outcome, run.history, run.faults)
        return run.outcome


def check_place(report: Path) -> None:
    """Find out before the input is read that a report can't be written after it."""
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise wr.ConfigError(f"the report `{report}` can't be written: {error.strerror}") from error
    if report.is_dir():
        raise wr.ConfigError(f"the report `{report}` can't be written: it is a folder")
