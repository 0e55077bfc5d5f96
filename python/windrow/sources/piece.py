"""What all sources have in common: what they give, and what the first stage wants of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

from windrow.config.sections import Unit

__all__ = ["Alive", "Decoder", "Linked", "Messages", "Needs", "Resumable", "Source"]


#: How messages are to be read: a decoder's name, or a mapping with `kind` and options.
Decoder: TypeAlias = "str | dict[str, Any]"


@dataclass(frozen=True)
class Alive:
    """A piece that holds no rows: word that a source lives."""

    source: str


@dataclass(frozen=True)
class Messages:
    """A piece that holds lines of messages, and what is known of each besides.

    Attributes
    ----------
    lines : bytes
        Whole lines.
    beside : mapping
        Columns by name, one value a line: what its topic says, when it arrived.
    """

    lines: bytes
    beside: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def apart(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Give each line, without its end, with what is known of it."""
        lines = self.lines.removesuffix(b"\n").split(b"\n") if self.lines else []
        for at, line in enumerate(lines):
            yield line, {name: values[at] for name, values in self.beside.items()}

    @classmethod
    def of(cls, lines: Sequence[tuple[bytes, Mapping[str, Any]]], names: Iterable[str]) -> Messages:
        """Put lines together, each with what is known of it under these names."""
        data = b"".join(line + b"\n" for line, _ in lines)
        return cls(data, {name: [known.get(name) for _, known in lines] for name in names})


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
    numbers : frozenset of str
        Columns that are read as numbers, whatever a first block of text looks like.
    texts : frozenset of str
        Columns of text that stay it, whatever a first block of it looks like.
    """

    columns: tuple[str, ...]
    messages: bool
    where: Mapping[str, Any] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


class Source(Protocol):
    """An input, read once."""

    #: For `TumblingWindows.push_messages`: how the bytes are to be read.
    decoder: Decoder
    #: The unit of integer times in tables.
    time_unit: Unit
    #: Whether it comes as it happens, so that the clock means something.
    live: bool

    @property
    def total(self) -> int | None:
        """Bytes in all, where that is known."""
        ...

    @property
    def done(self) -> int:
        """Bytes read so far."""
        ...

    @property
    def unreadable(self) -> int:
        """Lines or values that could not be read."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Pieces: bytes of whole lines, `Messages`, or tables; `None` where nothing came for a while."""
        ...


@runtime_checkable
class Linked(Protocol):
    """A way in or out over a network."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    @property
    def fault(self) -> str | None:
        """Why it doesn't work now; nothing where it does."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A source that can go on where the last checkpoint was."""

    @property
    def pressing(self) -> bool:
        """Whether somebody waits for the next checkpoint."""
        ...

    def position(self) -> dict[str, Any]:
        """How far it was read, with all pieces that were given."""
        ...

    def committed(self) -> None:
        """Hear that the position asked for last, and all that came of it, is safe."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...
