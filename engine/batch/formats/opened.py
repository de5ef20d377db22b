"""A file whose beginning was read: where its rows begin, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from engine.batch.formats.csvblocks import CsvLayout, csv_blocks
from engine.batch.formats.jsonlines import json_blocks
from engine.batch.formats.parsed import Block, RecordLayout
from engine.batch.inputs import Stream


class RowFile(Protocol):
    """A file of rows in any format."""

    @property
    def layout(self) -> RecordLayout: ...

    @property
    def notes(self) -> Sequence[str]:
        """What people should know of it."""

    @property
    def is_seekable(self) -> bool:
        """Whether another run can continue in the middle."""

    @property
    def position(self) -> int | None:
        """How much of it was read, None where that is not known."""

    @property
    def size(self) -> int | None:
        """How much of it there is, None where that is not known."""

    def at(self, offset: int, line: int) -> RowFile:
        """Move to where an interrupted run has stopped."""

    def blocks(self, size: int) -> Iterator[Block]:
        """Read the rows in blocks of about so many bytes."""


@dataclass(frozen=True, slots=True)
class OpenedText:
    """A file of lines, whose rows begin at an offset and on a line; `ahead` was read already."""

    stream: Stream
    layout: RecordLayout
    offset: int = 0
    line: int = 1
    ahead: bytes = b""
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def is_seekable(self) -> bool:
        """Whether another run can continue in the middle."""
        return self.stream.size is not None

    @property
    def position(self) -> int | None:
        """How many bytes of the file were read."""
        return self.stream.position

    @property
    def size(self) -> int | None:
        return self.stream.size

    def at(self, offset: int, line: int) -> OpenedText:
        """Move to where an interrupted run has stopped."""
        self.stream.seek(offset)
        return replace(self, offset=offset, line=line, ahead=b"")

    def blocks(self, size: int) -> Iterator[Block]:
        """Read the rows in blocks of about so many bytes."""
        stream = self.stream.prefixed(self.ahead)
        if isinstance(self.layout, CsvLayout):
            return csv_blocks(stream, self.layout, self.offset, self.line, size)
        return json_blocks(stream, self.offset, self.line, size)
