"""Standard output, for what a writer writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from engine.batch.formats.csvwriting import CsvWriter
from engine.batch.formats.jsonlines import JsonWriter
from engine.batch.formats.parsed import Writer
from engine.batch.outputs.whole import Seal


class Output(Protocol):
    """Where bytes go."""

    def write(self, data: bytes) -> None:
        """Write some bytes; raise `BatchError`."""


class Stdout:
    """Standard output."""

    def write(self, data: bytes) -> None:
        """Write some bytes."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


@contextmanager
def stdout_for(writer: Writer) -> Iterator[Output]:
    """Return standard output for what a writer writes."""
    if isinstance(writer, CsvWriter | JsonWriter):
        yield Stdout()
        return
    from engine.batch.formats.parquetfile import ParquetFile  # noqa: PLC0415 - needs pyarrow

    with ParquetFile(sys.stdout.buffer) as file:
        yield file


def seal_for(writer: Writer) -> Seal | None:
    """Return what makes a file of all that a writer has written, None where it is a file already."""
    if isinstance(writer, CsvWriter | JsonWriter):
        return None
    from engine.batch.formats.parquetfile import seal_parquet  # noqa: PLC0415 - needs pyarrow

    return seal_parquet
