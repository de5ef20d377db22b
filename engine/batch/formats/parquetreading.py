"""Parquet: its columns, and blocks of its rows, which other processes get as Arrow's own stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from engine.batch.formats.arrowcells import feature_cells, is_feature, is_writable, written_cells
from engine.batch.formats.expected import Expected
from engine.batch.formats.parsed import Block, Parsed, Unit
from engine.batch.inputs import Stream
from engine.batch.scoring.cells import Field
from engine.batch.scoring.record_batch import Key, RecordBatch
from engine.batch.scoring_errors import BatchError

_BATCH_ROWS = 4096  # few, as nothing tells how long texts are before they are read
_MOST_ROWS = 32_768
_BUFFER_BYTES = 1024 * 1024
_DAY, _MIDNIGHT = "2024-01-31", "T00:00:00"


@dataclass(frozen=True, slots=True)
class ParquetLayout:
    """The columns of a file that are read, and those of an instance, `keys`, by their names.

    `days` are features that are dates, while their column has timestamps, as pandas stores dates.
    """

    schema: Any
    keys: Mapping[Key, str]
    days: frozenset[Key] = frozenset()
    unit: ClassVar[Unit] = "row"  # a Parquet file has no lines

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    def require_text(self, names: Sequence[str], place: str) -> None:
        """Raise `BatchError` where columns cannot be written as texts."""
        for name in names:
            kind = self.schema.field(name).type
            if not is_writable(kind):
                raise BatchError(
                    f'{place}: column "{name}" is {kind}, which CSV and JSON Lines cannot hold; '
                    "write a .parquet file, or choose other columns with --columns"
                )

    def parse(self, block: Block) -> Parsed:
        with pa.ipc.open_stream(pa.py_buffer(block.data)) as reader:
            return self.parsed(reader.read_all(), block.line)

    def parsed(self, table: Any, line: int = 1) -> Parsed:
        """Read a table, whose first row has a number."""
        cells = {key: feature_cells(table[name]) for key, name in self.keys.items()}
        cells.update({key: [cell and cell.partition(_MIDNIGHT)[0] for cell in cells[key]] for key in self.days})
        lines = range(line, line + table.num_rows)
        return Parsed(RecordBatch(cells, table.num_rows), (), lines, lambda name: written_cells(table[name]), table)


@dataclass(slots=True)
class OpenedParquet:
    """A Parquet file that is read from some row on, until its end or another row."""

    name: str
    file: Any
    layout: ParquetLayout
    is_seekable: bool
    position: int = 0
    notes: Sequence[str] = field(default_factory=tuple)
    until: int | None = None

    @property
    def size(self) -> int:
        return int(self.file.metadata.num_rows)

    def reading(self, names: Sequence[str] | None) -> OpenedParquet:
        """Read some columns beside those of an instance, all where no names are given."""
        needed = {*self.layout.keys.values(), *(self.layout.names if names is None else names)}
        schema = pa.schema([one for one in self.layout.schema if one.name in needed])
        return replace(self, layout=replace(self.layout, schema=schema))

    def at(self, offset: int, line: int, until: int | None = None) -> OpenedParquet:  # noqa: ARG002
        """Move to a row, which is its own offset, such as where an interrupted run has stopped."""
        return replace(self, position=offset, until=until)

    def ranges(self, size: int) -> Iterator[tuple[int, int]]:
        """Divide the rows into ranges of about so many bytes, none of which has parts of two groups."""
        begin = filled = end = 0
        for number in range(self.file.num_row_groups):
            group = self.file.metadata.row_group(number)
            if filled and filled + group.total_byte_size > size:
                yield begin, end
                begin, filled = end, 0
            count = -(-group.total_byte_size // size)
            for part in range(1, count):
                at = end + group.num_rows * part // count
                yield begin, at
                begin = at
            end, filled = end + group.num_rows, filled + group.total_byte_size // count
        yield begin, end

    def blocks(self, size: int) -> Iterator[Block]:
        """Read the rows in blocks of about so many bytes."""
        waiting: list[Any] = []
        filled = rows = 0
        for batch in self._small_batches(size):
            waiting.append(batch)
            filled, rows = filled + batch.nbytes, rows + batch.num_rows
            if filled >= size or rows + _BATCH_ROWS > _MOST_ROWS:
                yield self._block(waiting, rows)
                waiting, filled, rows = [], 0, 0
        if rows:
            yield self._block(waiting, rows)

    def _block(self, batches: Sequence[Any], rows: int) -> Block:
        begin, self.position = self.position, self.position + rows
        return Block(_as_stream(self.layout.schema, batches), begin + 1, self.position, self.position + 1)

    def _small_batches(self, size: int) -> Iterator[Any]:
        for batch in self._within():
            most = max(1, size * batch.num_rows // max(batch.nbytes, 1))
            for begin in range(0, batch.num_rows, most):
                yield _compact(batch.slice(begin, most))

    def _within(self) -> Iterator[Any]:
        """Read batches as far as the last row that is to be read."""
        left = None if self.until is None else self.until - self.position
        for batch in self._batches():
            if left is None:
                yield batch
            elif left > 0:
                yield batch.slice(0, left)
                left -= batch.num_rows
            else:
                return

    def _batches(self) -> Iterator[Any]:
        skipped = self.position
        names = [*self.layout.names]
        with _told(self.name):
            for group in range(self.file.num_row_groups):
                count = self.file.metadata.row_group(group).num_rows
                if skipped >= count:
                    skipped -= count
                    continue
                for batch in self.file.iter_batches(_BATCH_ROWS, [group], names, use_threads=False):
                    if skipped < batch.num_rows:
                        yield batch.select(names).slice(skipped)
                    skipped = max(0, skipped - batch.num_rows)


def open_parquet(stream: Stream, expected: Expected, fields: Mapping[Key, Field]) -> OpenedParquet:
    """Read the columns of a Parquet file; raise `BatchError` for one that cannot be read or does not fit the model."""
    name = stream.name
    if stream.is_compressed:
        raise BatchError(
            f"{name}: the file is compressed with gzip; decompress it, since a Parquet file is read from its end"
        )
    with _told(name):
        file = pq.ParquetFile(stream.seekable(), buffer_size=_BUFFER_BYTES, pre_buffer=False)
        schema = file.schema_arrow
    if not schema.names:
        raise BatchError(f"{name}: the file has no columns")
    return OpenedParquet(
        name, file, layout_of_schema(schema, expected, fields, name), is_seekable=stream.size is not None
    )


def layout_of_schema(schema: Any, expected: Expected, fields: Mapping[Key, Field], name: str) -> ParquetLayout:
    """Find the columns of an instance in a schema of Arrow; raise `BatchError` where they do not fit the model."""
    keys = expected.keys_in(schema.names, name)
    for column in keys.values():
        kind = schema.field(column).type
        if not is_feature(kind):
            raise BatchError(
                f'{name}: column "{column}" is a feature of the model and is {kind}; it must have a number, a string, '
                "a boolean, a date or a time in each row"
            )
    return ParquetLayout(schema, keys, frozenset(_days(schema, keys, fields)))


def _days(schema: Any, keys: Mapping[Key, str], fields: Mapping[Key, Field]) -> Iterator[Key]:
    for key, name in keys.items():
        if pa.types.is_timestamp(schema.field(name).type) and key in fields:
            takes = fields[key].takes
            if takes(_DAY) and not takes(_DAY + _MIDNIGHT) and not takes(f"{_DAY}{_MIDNIGHT}Z"):
                yield key


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Raise `BatchError` for a file that cannot be read."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise BatchError(f"{name} cannot be read as Parquet: {str(error).rstrip('.')}") from None


def _as_stream(schema: Any, batches: Sequence[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def _compact(batch: Any) -> Any:
    """Leave out of dictionaries what the rows do not use, where that is most of them."""
    columns = [
        _encoded_again(column)
        if pa.types.is_dictionary(column.type) and len(column.dictionary) > len(column)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _encoded_again(column: Any) -> Any:
    kind = column.type
    again = column.dictionary_decode().dictionary_encode()
    return pa.DictionaryArray.from_arrays(again.indices.cast(kind.index_type), again.dictionary, ordered=kind.ordered)
