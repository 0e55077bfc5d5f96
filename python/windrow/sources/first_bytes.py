"""What an input's first bytes say: gzip is unpacked as it comes, and what is no text is told at once.

Owns the signatures. A stream of lines whose beginning is something else (a Parquet file, an archive, UTF-16, one large
JSON array) would otherwise end as rejects without number.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

from windrow.errors import DataError

__all__ = ["GZIP", "checked", "unpacked"]

Read = Callable[[], bytes | None]

GZIP = b"\x1f\x8b"
#: How much one read may unpack.
MOST = 1 << 22
_BINARY = {
    b"\x28\xb5\x2f\xfd": "Zstandard data: unpack it first (zstd -dc)",
    b"\xfd7zXZ\x00": "xz data: unpack it first (xz -dc)",
    b"BZh": "bzip2 data: unpack it first (bzip2 -dc)",
    b"\x04\x22\x4d\x18": "LZ4 data: unpack it first (lz4 -dc)",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"PAR1": 'a Parquet file: name it .parquet, or set `format = "parquet"`, and give it as a file',
    b"ARROW1": "an Arrow file: write it as Parquet, CSV or JSON lines",
    b"Obj\x01": "an Avro file: write it as Parquet, CSV or JSON lines",
    b"\xff\xfe": "UTF-16 text: write it as UTF-8 (iconv -f utf-16 -t utf-8)",
    b"\xfe\xff": "UTF-16 text: write it as UTF-8 (iconv -f utf-16 -t utf-8)",
}


def unpacked(read: Read) -> Read:
    """Give what `read` gives, unpacked where it begins as gzip does.

    Raises
    ------
    DataError
        When the gzip data is cut off or altered; what came before it was given.
    """
    pieces = _unpacked(read)
    return lambda: next(pieces, b"")


def _unpacked(read: Read) -> Iterator[bytes | None]:
    head = b""
    while len(head) < len(GZIP):
        data = read()
        if data is None:
            yield None
            continue
        if not data:
            break
        head += data
        if not GZIP.startswith(head[: len(GZIP)]):
            break
    if not head.startswith(GZIP):
        yield head
        if head:
            while True:
                yield read()
        return
    yield from _gunzip(head, read)


def _gunzip(data: bytes | None, read: Read) -> Iterator[bytes | None]:
    member = _member()
    while True:
        if data is None:
            yield None
        elif not data:
            break
        while data:
            if member.eof:
                # Members follow each other; zeros may fill up a block at the end.
                data = data.lstrip(b"\0")
                if not data:
                    break
                member = _member()
            try:
                out = member.decompress(data, MOST)
            except zlib.error as error:
                raise DataError(f"the input is no whole gzip data: {error}") from error
            data = member.unused_data if member.eof else member.unconsumed_tail
            if out:
                yield out
        data = read()
    if not member.eof:
        raise DataError("the input is no whole gzip data: it ends within it")


def _member() -> Any:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


def checked(blocks: Iterator[bytes | None], form: str) -> Iterator[bytes | None]:
    """Give what `blocks` gives, once its beginning looks like text of this form: csv or jsonl.

    Raises
    ------
    DataError
        It is something else.
    """
    for block in blocks:
        if block is not None and block.strip():
            _check(block, form)
            yield block
            break
        yield block
    yield from blocks


def _check(block: bytes, form: str) -> None:
    what = "CSV" if form == "csv" else "JSON lines"
    for signature, found in _BINARY.items():
        if block.startswith(signature):
            raise DataError(f"the input must be {what}, got {found}")
    line = block.lstrip().partition(b"\n")[0].strip()
    if b"\0" in line or (b"\0" in block[:512] and not _is_text(line)):
        raise DataError(f"the input must be {what}, got binary data")
    if form == "csv":
        return
    if line == b"{":
        raise DataError(
            "the input must be JSON lines, got JSON over several lines: write one object a line (jq -c)"
        )
    if line == b"[" or (line.startswith(b"[") and line[1:].lstrip().startswith(b"{")):
        raise DataError("the input must be JSON lines, got a JSON array: write one object a line (jq -c .[])")


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
