"""CSV, JSON lines and Parquet as tables with the names and types that the stages expect.

Owns the reading of rows by pyarrow (extra `arrow`), a block at a time. What can't be read becomes null, or is left
out where it is no row at all, and is counted: one bad line never costs the good ones around it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from windrow.config.problem import near
from windrow.config.sections import Decoded
from windrow.errors import DataError, WindrowError
from windrow.sources.piece import Needs

__all__ = ["Tables", "need_arrow"]

#: Words that stand for a missing number.
NOTHING = ("nan", "na", "n/a", "null", "none", "-")


def need_arrow(what: str) -> Any:
    """Import pyarrow, or say which extra has it."""
    try:
        import pyarrow
    except ImportError as error:
        raise WindrowError(f"reading {what} needs pyarrow: pip install 'windrow[arrow]'") from error
    return pyarrow


class Tables:
    """Reads blocks of one input into record batches."""

    def __init__(self, source: Decoded, needs: Needs, what: str) -> None:
        self.pa = need_arrow(what)
        import pyarrow.compute

        self.pc = pyarrow.compute
        times = source.time or "time"
        self.times = [times] if isinstance(times, str) else list(times)
        self.format = source.time_format
        self.fields = dict(source.fields)
        self.needs = needs
        self.unreadable = 0
        self._types: dict[str, Any] = {}
        self._seen: dict[str, None] = {}

    # ---- formats

    def csv(self, blocks: Iterable[bytes | None]) -> Iterator[Any]:
        """Tables of CSV with a header line."""
        from pyarrow import csv as reader

        names: list[str] = []

        def skip(row: Any) -> str:
            self.unreadable += 1
            return "skip"

        for block in blocks:
            if block is None:
                yield None
                continue
            if not names:
                head, _, block = block.partition(b"\n")
                text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").rstrip("\r")
                try:
                    names = next(csv.reader([text]), [])
                except csv.Error as error:
                    raise DataError(f"the first line must be a CSV header: {error}") from error
                wanted = self._wanted(names)
            if block.count(b'"') % 2:
                # A quote that nothing closes spoils its own line, not the rest of the input.
                lines = block.split(b"\n")
                whole = [line for line in lines if line.count(b'"') % 2 == 0]
                self.unreadable += len(lines) - len(whole)
                block = b"\n".join(whole)
            if not block.strip():
                continue
            options: dict[str, Any] = {
                "read_options": reader.ReadOptions(column_names=names, block_size=max(len(block), 1) + 1),
                "parse_options": reader.ParseOptions(invalid_row_handler=skip, newlines_in_values=True),
                "convert_options": reader.ConvertOptions(
                    column_types={name: self.pa.string() for name in names},
                    include_columns=list(wanted),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            }
            try:
                table = reader.read_csv(io.BytesIO(block), **options)
            except self.pa.ArrowInvalid:
                # Bytes that aren't UTF-8 spoil their own value only.
                block = block.decode("utf-8", "replace").encode()
                table = reader.read_csv(io.BytesIO(block), **options)
            yield self._finish(
                {ours: self._typed(ours, table.column(theirs)) for theirs, ours in wanted.items()}
            )

    def json(self, blocks: Iterable[bytes | None]) -> Iterator[Any]:
        """Tables of JSON lines."""
        from pyarrow import json as reader

        for block in blocks:
            if block is None:
                yield None
                continue
            if not block.strip():
                continue
            try:
                table = reader.read_json(io.BytesIO(block), reader.ReadOptions(block_size=len(block) + 1))
            except (self.pa.ArrowInvalid, self.pa.ArrowNotImplementedError):
                table = self._line_by_line(block)
            yield self._pick(self._completed(table))

    def parquet(self, file: Any) -> Iterator[Any]:
        """Tables of a Parquet file, some ten thousand rows at a time."""
        from pyarrow import parquet

        opened = parquet.ParquetFile(file)
        wanted = self._wanted(opened.schema_arrow.names)
        for batch in opened.iter_batches(columns=list(wanted)):
            yield self._pick(self.pa.table(batch))

    # ---- columns

    def _wanted(self, names: list[str]) -> dict[str, str]:
        """Find the columns that are needed, each with our name for it; errors name the nearest right one."""
        wanted: dict[str, str] = {}
        time = next(
            (self.fields.get(name, name) for name in self.times if self.fields.get(name, name) in names), None
        )
        if time is None:
            name = self.fields.get(self.times[0], self.times[0])
            raise DataError(self._unknown("time column", name, names))
        wanted[time] = "time"
        for ours in (*self.needs.columns, *self.needs.where):
            theirs = self.fields.get(ours, ours)
            if theirs not in names:
                raise DataError(self._unknown("column", theirs, names))
            wanted.setdefault(theirs, ours)
        for theirs in wanted:
            if names.count(theirs) > 1:
                raise DataError(f"column `{theirs}` must be there once, got it {names.count(theirs)} times")
        return wanted

    def _unknown(self, what: str, name: str, names: list[str]) -> str:
        known = [
            one if one.isprintable() and len(one) <= 60 else ascii(one[:20]) + "..." for one in names[:20]
        ]
        shown = ", ".join(f"`{one}`" for one in known) or "none"
        return f"unknown {what} `{name}`{near(name, names)}: the input has {shown}"

    def _completed(self, table: Any) -> Any:
        """Add nulls for the columns that other blocks of JSON lines had and this one doesn't."""
        for name in self._seen:
            if name not in table.column_names:
                table = table.append_column(name, self.pa.nulls(table.num_rows))
        self._seen.update(dict.fromkeys(table.column_names))
        return table

    def _pick(self, table: Any) -> Any:
        wanted = self._wanted(table.column_names)
        return self._finish(
            {
                ours: self._times(table.column(theirs)) if ours == "time" else table.column(theirs)
                for theirs, ours in wanted.items()
            }
        )

    def _finish(self, columns: dict[str, Any]) -> Any:
        table = self.pa.table(columns)
        for name, values in self.needs.where.items():
            allowed = self.pa.array(values if isinstance(values, list) else [values])
            column = table.column(name)
            if column.type != allowed.type:
                column, allowed = column.cast(self.pa.string()), allowed.cast(self.pa.string())
            table = table.filter(self.pc.is_in(column, value_set=allowed))
        return table

    def _times(self, column: Any) -> Any:
        if self.format is None or not self.pa.types.is_string(column.type):
            return column
        times = self.pc.strptime(column, format=self.format, unit="us", error_is_null=True)
        self.unreadable += times.null_count - column.null_count
        return times

    def _typed(self, name: str, column: Any) -> Any:
        """Read a column of text in the type that its first block had; what doesn't fit is null."""
        if name == "time" and self.format is not None:
            return self._times(column)
        if name in self.needs.texts:
            return column
        if name not in self._types:
            number = name in self.needs.numbers
            self._types[name] = self._guess(column, time=name == "time", number=number)
        kind = self._types[name]
        if kind is None or self.pa.types.is_string(kind):
            return column
        try:
            return column.cast(kind)
        except self.pa.ArrowInvalid:
            pass
        if self.pa.types.is_integer(kind):
            try:
                return column.cast(self.pa.float64())
            except self.pa.ArrowInvalid:
                pass
        return self.pa.array([self._number(text) for text in column.to_pylist()], self.pa.float64())

    def _number(self, text: str | None) -> float | None:
        try:
            return None if text is None or text.strip().lower() in NOTHING else float(text)
        except ValueError:
            self.unreadable += 1
            return None

    def _guess(self, column: Any, *, time: bool, number: bool = False) -> Any:
        """Choose the narrowest type that the first block fits, or mostly fits."""
        filled = column.drop_null()
        if not time:
            filled = filled.filter(
                self.pc.invert(
                    self.pc.is_in(
                        self.pc.utf8_lower(self.pc.utf8_trim_whitespace(filled)),
                        value_set=self.pa.array(NOTHING),
                    )
                )
            )
        for kind in (self.pa.int64(), self.pa.float64(), self.pa.bool_()):
            try:
                filled.cast(kind)
            except self.pa.ArrowInvalid:
                continue
            # Leading zeros and the like make a name of a number; a column of mostly numbers has a bad value.
            return kind
        if number:
            return self.pa.float64()
        if not time and len(filled):
            readable = sum(_is_number(text) for text in filled.slice(0, 10_000).to_pylist())
            if readable > 0.9 * min(len(filled), 10_000):
                return self.pa.float64()
        return self.pa.string()

    def _line_by_line(self, block: bytes) -> Any:
        rows: list[dict[str, Any]] = []
        for line in block.splitlines():
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if isinstance(row, dict):
                rows.append(row)
            else:
                self.unreadable += 1
        names = {name: None for row in rows for name in row}
        return self.pa.table({name: self._mixed([row.get(name) for row in rows]) for name in names})

    def _mixed(self, values: list[Any]) -> Any:
        """Make a column of whatever JSON held: of its own type if it has one, else numbers, else text."""
        try:
            return self.pa.array(values)
        except (self.pa.ArrowInvalid, self.pa.ArrowTypeError):
            pass
        numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in values]
        if sum(numbers) * 2 > len(values):
            self.unreadable += sum(
                not ok and value is not None for ok, value in zip(numbers, values, strict=True)
            )
            return self.pa.array(
                [float(v) if ok else None for ok, v in zip(numbers, values, strict=True)], self.pa.float64()
            )
        return self.pa.array(
            [value if isinstance(value, str) or value is None else json.dumps(value) for value in values]
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
