"""A file whose beginning was read: where its rows begin, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from engine.batch.formats.csvblocks import CsvLayout, csv_blocks
from engine.batch.formats.jsonlines import json_blocks
from engine.batch.formats.parsed import Block, RecordLayout
from engine.batch.inputs import Prefixed, Stream

if TYPE_CHECKING:
    from engine.batch.formats.parquetreading import OpenedParquet

RowFile: TypeAlias = "OpenedText | OpenedParquet"
"""A file of rows in any format."""


@dataclass(frozen=True, slots=True)
class OpenedText:
    """A file of lines, whose rows begin at an offset and on a line; `ahead` was read already.

    `notes` are what people should know of it.
    """

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
        """How many bytes of the file were read, None where that is not known."""
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
        stream = Prefixed(self.ahead, self.stream)
        if isinstance(self.layout, CsvLayout):
            return csv_blocks(stream, self.layout, self.offset, self.line, size)
        return json_blocks(stream, self.offset, self.line, size)
