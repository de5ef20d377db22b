"""A block of a file, as it is sent to a worker, and as the worker has read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from engine.batch.scoring.record_batch import Key, RecordBatch, Scored
from engine.batch.scoring_errors import Unreadable

BLOCK_BYTES = 512 * 1024
MOST_RECORD_BYTES = 16 * 1024 * 1024

Unit = Literal["line", "row"]


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records of a file: their bytes, the line that they begin on, and the offset and line where they end."""

    data: bytes
    line: int
    end: int = 0
    end_line: int = 0


@dataclass(frozen=True, slots=True)
class Parsed:
    """The records of a block.

    `raws` are their texts as they were, `lines` where each begins, `column` has the cells under a name, and `table` is
    an Arrow table of them where the file has one. `texts` are those of the broken records, which may differ from what
    is carried over.
    """

    batch: RecordBatch
    raws: Sequence[str]
    lines: Sequence[int]
    column: Callable[[str], Sequence[Any]]
    table: Any = None
    texts: Mapping[int, str] = field(default_factory=dict)

    def before(self, row: int) -> Parsed:
        batch = replace(self.batch, count=row)
        table = None if self.table is None else self.table.slice(0, row)
        return Parsed(batch, self.raws[:row], self.lines[:row], lambda name: self.column(name)[:row], table)


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """Read some bytes; none at the end."""

    def readline(self, size: int, /) -> bytes:
        """Read a line, or so many bytes of it; none at the end."""


def read_blocks(
    stream: Readable, offset: int, line: int, size: int, last_end: Callable[[bytes], int], endless: str
) -> Iterator[Block]:
    """Read blocks of whole records from where a stream stands, which is at an offset and on a line.

    `last_end` finds the end of the last whole record, 0 where there is none. Raise `Unreadable` for a record that is
    `endless`.
    """
    rest = b""
    # As much again as there is of a record without an end: that all of it is looked at again costs twice the time then.
    while chunk := stream.read(max(size, min(len(rest), MOST_RECORD_BYTES - len(rest)))):
        data = rest + chunk
        end = last_end(data)
        if end:
            offset += end
            end_line = line + data.count(b"\n", 0, end)
            yield Block(data[:end], line, offset, end_line)
            line = end_line
        rest = data[end:]
        if len(rest) > MOST_RECORD_BYTES:
            raise Unreadable(line, endless)
    if rest:
        yield Block(rest, line, offset + len(rest), line + rest.count(b"\n"))


class RecordLayout(Protocol):
    """How the records of one file are read; it can be sent to another process."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that the file names; empty where each record names its own."""

    @property
    def keys(self) -> Mapping[Key, str]:
        """The columns that an instance is made of."""

    @property
    def unit(self) -> Unit:
        """What places in the file count."""

    def require_text(self, names: Sequence[str], place: str) -> None:
        """Raise `BatchError` where columns cannot be written as texts."""

    def parse(self, block: Block) -> Parsed:
        """Read a block; raise `Unreadable`."""


class Writer(Protocol):
    """Writes blocks of predictions; it can be sent to another process."""

    @property
    def needs_values(self) -> bool:
        """Whether the features of a CSV are written as values, and not as the texts that they are."""

    def head(self) -> bytes:
        """Return what comes before all rows."""

    def write(self, parsed: Parsed, scored: Scored) -> bytes: ...
