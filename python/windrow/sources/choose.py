"""Which source a config means; what each needs is imported when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from windrow.config.sections import Config, Decoded, FileSource, MqttSource, StdinSource
from windrow.errors import ConfigError
from windrow.sources.piece import Needs, Source
from windrow.stopping import Stop

__all__ = ["open_source"]


def open_source(
    config: Config,
    needs: Needs,
    stop: Stop,
    override: str | None = None,
    position: Mapping[str, Any] | None = None,
) -> Source:
    """Open the source that a config names, or a file (or `-`, standard input) in its place.

    Where it can go on from a position, and the position is its own, it does.

    Raises
    ------
    ConfigError
        There is no path, or no such file.
    """
    source = config.source
    if override is not None:
        # What only the source of the config has, a file or a pipe can't take.
        shared = {name: value for name, value in source.model_dump().items() if name in Decoded.model_fields}
        if "decoder" not in shared:
            shared["decoder"] = "deepstream" if getattr(source, "scenario", "") == "traffic" else "rows"
        if override == "-":
            csv = getattr(source, "format", None) == "csv" or getattr(source, "scenario", None) == "motor"
            source = StdinSource.model_validate(
                {"kind": "stdin", **shared, "format": "csv" if csv else "jsonl"}
            )
        else:
            form = source.format if isinstance(source, FileSource) else None
            source = FileSource.model_validate({"kind": "file", **shared, "path": override, "format": form})
    if isinstance(source, FileSource):
        from windrow.sources.file import File

        if source.path is None:
            raise ConfigError("[source] `path` is missing: give it there, or a file by --input")
        if source.follow:
            from windrow.sources.follow import Follow

            return Follow(source, needs, stop, _own(position, "file"))
        return File(source, needs, stop)
    if isinstance(source, MqttSource):
        from windrow.sources.mqtt import Mqtt

        return Mqtt(source, needs, stop, _own(position, "mqtt"))
    if isinstance(source, StdinSource):
        from windrow.sources.stdin import Stdin

        return Stdin(source, needs, stop)
    from windrow.sources.simulate import Simulate

    return Simulate(source, needs, stop)


def _own(position: Mapping[str, Any] | None, kind: str) -> Mapping[str, Any] | None:
    return position if position is not None and position.get("kind") == kind else None
