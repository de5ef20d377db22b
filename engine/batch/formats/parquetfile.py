"""Streams of Arrow → one Parquet file, in row groups of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import IO, Any, Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

_GROUP_ROWS = 128 * 1024
_GROUP_BYTES = 16 * 1024 * 1024


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
        """Write the batches of a stream."""
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
