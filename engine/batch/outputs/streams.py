"""Standard output, for what a writer writes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from engine.batch.formats.csvblocks import CsvWriter
from engine.batch.formats.jsonlines import JsonWriter
from engine.batch.formats.parsed import Writer
from engine.batch.outputs.whole import Seal, cannot_write


class ByteSink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes) -> None:
        """Write some bytes; raise `BatchError`."""


class Stdout:
    """Standard output; raises `BatchError` where it cannot be written."""

    def write(self, data: bytes) -> None:
        """Write some bytes at once."""
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # nobody reads on, which is no fault
            raise
        except OSError as error:
            _discard_the_rest()
            raise cannot_write("stdout", error) from None

    def flush(self) -> None:
        """Do nothing: every write is flushed."""


def _discard_the_rest() -> None:
    """Keep Python from failing once more at its end, with what could not be written."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def stdout_for(writer: Writer) -> Iterator[ByteSink]:
    """Return standard output for what a writer writes."""
    if isinstance(writer, CsvWriter | JsonWriter):
        yield Stdout()
        return
    from engine.batch.formats.parquetwriting import ParquetFile  # noqa: PLC0415 - needs pyarrow

    with ParquetFile(Stdout()) as file:
        yield file


def seal_for(writer: Writer) -> Seal | None:
    """Return what makes a file of all that a writer has written, None where it is a file already."""
    if isinstance(writer, CsvWriter | JsonWriter):
        return None
    from engine.batch.formats.parquetwriting import seal_parquet  # noqa: PLC0415 - needs pyarrow

    return seal_parquet
