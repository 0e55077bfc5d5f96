"""What all sources have in common, and which one a config means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from windrow.config import Config, FileSource, StdinSource, Unit
from windrow.errors import ConfigError
from windrow.stopping import Stop

__all__ = ["Needs", "Source", "open_source"]


#: How messages are to be read: a decoder's name, or a mapping with `kind` and options.
Decoder: TypeAlias = "str | dict[str, Any]"


@dataclass(frozen=True)
class Needs:
    """What the first stage wants from a source.

    Attributes
    ----------
    columns : tuple of str
        The columns it reads, besides the time.
    messages : bool
        Whether it takes bytes of messages; a stage without windows takes tables only.
    where : mapping
        Rows to keep, by their columns' values; for a stage that can't choose for itself.
    """

    columns: tuple[str, ...]
    messages: bool
    where: Mapping[str, Any] = field(default_factory=dict)


class Source(Protocol):
    """An input, read once."""

    #: For `TumblingWindows.push_messages`: how the bytes are to be read.
    decoder: Decoder
    #: The unit of integer times in tables.
    time_unit: Unit
    #: Bytes in all, where that is known.
    total: int | None
    #: Bytes read so far.
    done: int
    #: Lines or values that could not be read.
    unreadable: int
    #: Whether it comes as it happens, so that the clock means something.
    live: bool

    def __iter__(self) -> Iterator[Any]:
        """Pieces: bytes of whole lines, or tables; `None` where nothing came for a while."""
        ...


def open_source(config: Config, needs: Needs, stop: Stop, override: str | None = None) -> Source:
    """Open the source that a config names, or a file (or `-`, standard input) in its place.

    Raises
    ------
    ConfigError
        There is no path, or no such file.
    """
    source = config.source
    if override is not None:
        shared = source.model_dump(exclude={"kind", "path", "format", "scenario", "days", "seed", "healthy"})
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
    idle = None if config.window is None else config.window.idle_timeout
    if isinstance(source, FileSource):
        from windrow.sources.file import File

        if source.path is None:
            raise ConfigError("[source] `path` is missing: give it there, or a file by --input")
        return File(source, needs, stop)
    if isinstance(source, StdinSource):
        from windrow.sources.stdin import Stdin

        return Stdin(source, needs, stop, tick=None if idle is None else 1.0)
    from windrow.sources.simulate import Simulate

    return Simulate(source, needs, stop)
