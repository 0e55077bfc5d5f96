"""Bytes in blocks that end where a line ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from windrow.errors import DataError

__all__ = ["BLOCK", "LONGEST", "blocks"]

BLOCK = 1 << 22
#: A line longer than this is no line.
LONGEST = 1 << 26


def blocks(read: Callable[[], bytes | None], *, quotes: bool = False) -> Iterator[bytes | None]:
    """Cut what `read` gives at line ends.

    Parameters
    ----------
    read : callable
        Gives the next bytes, `b""` at the end, `None` where nothing came for a while.
    quotes : bool
        Whether line ends between double quotes are part of a value, as in CSV.

    Yields
    ------
    bytes or None
        Whole lines (the last one maybe without its end), or `None` where `read` gave that.

    Raises
    ------
    DataError
        A line doesn't end within 64 MB.
    """
    held = b""
    begun = False
    while True:
        data = read()
        if data is None:
            yield None
            continue
        if not data:
            break
        if not begun:
            begun = True
            data = data.removeprefix(b"\xef\xbb\xbf")
        held += data
        end = _end(held, quotes)
        if end:
            yield held[:end]
            held = held[end:]
        elif len(held) > LONGEST:
            raise DataError(
                f"a line must end within {LONGEST >> 20} MB, got {len(held)} bytes without an end"
            )
    if held:
        yield held


def _end(data: bytes, quotes: bool) -> int:
    """Where the last whole line ends; 0 where there is none."""
    end = data.rfind(b"\n") + 1
    if not quotes:
        return end
    while end and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end
