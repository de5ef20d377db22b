"""Predictions as columns of Arrow, beside the columns that they belong to, and one Parquet file of their streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, ClassVar, Protocol, Self

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from engine.batch.formats.parsed import Parsed, RecordLayout
from engine.batch.scoring.record_batch import ABSENT, PredictionColumns, Scored
from engine.batch.scoring_errors import Unreadable
from engine.schema import InstanceSchema, Subschema

_INTEGER, _NUMBER, _BOOLEAN, _TEXT = pa.int64(), pa.float64(), pa.bool_(), pa.string()
_KINDS: Mapping[frozenset[str], Any] = {
    frozenset(("boolean",)): _BOOLEAN,
    frozenset(("integer",)): _INTEGER,
    frozenset(("number",)): _NUMBER,
    frozenset(("integer", "number")): _NUMBER,
}
_GROUP_ROWS = 128 * 1024
_GROUP_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ParquetWriter:
    """Writes each block as a stream of Arrow by itself; `carried` are the columns that come first."""

    predictions: PredictionColumns
    carried: tuple[str, ...]
    schema: Any
    needs_values: ClassVar[bool] = True  # columns have types

    def head(self) -> bytes:
        """Write a stream without rows, for a file without any."""
        return self._streamed(self.schema.empty_table())

    def write(self, parsed: Parsed, scored: Scored) -> bytes:
        """Write the rows of a block; raise `Unreadable` for an integer that a column cannot hold."""
        return self._streamed(self.table(parsed, scored)) if parsed.batch.count else b""

    def table(self, parsed: Parsed, scored: Scored) -> Any:
        """Return the rows of a block as a table; raise `Unreadable` for an integer that a column cannot hold."""
        if not parsed.batch.count:
            return self.schema.empty_table()
        columns = [self._carried(parsed, name) for name in self.carried]
        columns += [self._made(parsed, cells, name) for name, cells in self._results(scored)]
        columns += self._chances(scored)
        return pa.table(columns, schema=self.schema)

    def _carried(self, parsed: Parsed, name: str) -> Any:
        if parsed.table is not None:
            return parsed.table[name]
        return self._made(parsed, parsed.column(name), name)

    def _results(self, scored: Scored) -> list[tuple[str, Sequence[Any]]]:
        named = [*zip(self.predictions.results, self.predictions.results_of(scored), strict=True)]
        if self.predictions.label is not None:
            named.append((self.predictions.label, scored.labels or []))
        return named

    def _chances(self, scored: Scored) -> list[Any]:
        if not self.predictions.probabilities:
            return []
        bad = np.zeros(len(scored.result), bool)
        bad[[*scored.bad_rows]] = True
        return [pa.array(chances, _NUMBER, mask=bad) for chances in np.asarray(scored.probabilities).T]

    def _made(self, parsed: Parsed, cells: Sequence[Any], name: str) -> Any:
        """Make a column of JSON values; a value of another type, which is in a bad row, is null."""
        kind = self.schema.field(name).type
        held = [_HOLD[kind](cell) for cell in cells]
        try:
            return pa.array(held, kind)
        except OverflowError:
            row = next(row for row, cell in enumerate(held) if cell is not None and not -(2**63) <= cell < 2**63)
            reason = f"{name} is {held[row]}, and integers in a Parquet file have 64 bits; write CSV or JSON Lines"
            raise Unreadable(parsed.lines[row], reason) from None

    def _streamed(self, table: Any) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue().to_pybytes())


def parquet_writer(
    predictions: PredictionColumns, layout: RecordLayout, carried: Sequence[str], instance: InstanceSchema
) -> ParquetWriter:
    """Lay out a file: columns of Parquet keep their types, and others get those that the input's schema gives them."""
    if layout.unit == "row":
        fields = [layout.schema.field(name) for name in carried]  # type: ignore[attr-defined]
    else:
        keys = {name: key for key, name in layout.keys.items()}
        parts = {name: instance.feature(keys[name]) for name in carried if name in keys}
        fields = [pa.field(name, _kind(parts[name]) if name in parts else _TEXT) for name in carried]
    fields += [pa.field(name, _KINDS.get(predictions.types, _TEXT)) for name in predictions.results]
    fields += [pa.field(predictions.label, _TEXT)] if predictions.label is not None else []
    fields += [pa.field(name, _NUMBER) for name in predictions.probabilities]
    return ParquetWriter(predictions, tuple(carried), pa.schema(fields))


def _kind(part: Subschema) -> Any:
    types = part.types - {"null"}
    return _INTEGER if types == {"number"} and part.is_whole else _KINDS.get(types, _TEXT)


def _whole(cell: Any) -> int | None:
    return int(cell) if type(cell) in (int, float) and cell == cell // 1 else None


def _text(cell: Any) -> str | None:
    if cell is None or cell is ABSENT or isinstance(cell, str):
        return cell if isinstance(cell, str) else None
    return orjson.dumps(cell, default=str).decode()


_HOLD: Mapping[Any, Callable[[Any], Any]] = {
    _INTEGER: _whole,
    _NUMBER: lambda cell: float(cell) if type(cell) in (int, float) else None,
    _BOOLEAN: lambda cell: cell if type(cell) is bool else None,
    _TEXT: _text,
}


class Sink(Protocol):
    """Where the bytes of a file go."""

    def write(self, data: Any, /) -> Any: ...

    def flush(self) -> None: ...


class ParquetFile:
    """A file that grows block by block, and is whole at the end of its context."""

    def __init__(self, stream: Sink) -> None:
        """Write to a stream, which may be a pipe."""
        self._stream = _Counted(stream)
        self._writer: Any = None
        self._waiting: list[Any] = []
        self._rows = self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._write_group()
            self._writer.close()
            self._stream.flush()

    def write(self, data: bytes) -> None:
        """Write a block, which is a stream by itself."""
        if data:
            self.put(pa.py_buffer(data))

    def put(self, source: Any) -> None:
        with pa.ipc.open_stream(source) as reader:
            if self._writer is None:
                self._writer = pq.ParquetWriter(self._stream, reader.schema)
            for batch in reader:
                self._waiting.append(batch)
                self._rows += batch.num_rows
                self._bytes += batch.nbytes
                if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
                    self._write_group()

    def _write_group(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_batches(self._waiting).unify_dictionaries(), self._rows)
        self._waiting, self._rows, self._bytes = [], 0, 0


def seal_parquet(written: IO[bytes], sealed: IO[bytes]) -> None:
    """Make a file of the streams in another file, which stand one behind the other."""
    with ParquetFile(sealed) as file:
        for stream in _streams(written):
            file.put(stream)


def _streams(written: IO[bytes]) -> Iterator[Any]:
    end = written.seek(0, 2)
    written.seek(0)
    source = pa.PythonFile(written, "r")
    while source.tell() < end:
        yield source


class _Counted:
    """What Arrow asks of a file, on a stream that need not know where it stands."""

    closed = False

    def __init__(self, stream: Sink) -> None:
        self._stream = stream
        self._size = 0

    def write(self, data: Any) -> int:
        self._stream.write(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open: it is somebody else's."""
