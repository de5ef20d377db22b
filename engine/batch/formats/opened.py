"""A file whose beginning was read: where its rows begin, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from engine.batch.formats.csvblocks import CsvLayout, csv_blocks
from engine.batch.formats.jsonlines import json_blocks
from engine.batch.formats.parsed import Block, RecordLayout
from engine.batch.inputs import Limited, Prefixed, Stream

if TYPE_CHECKING:
    from engine.batch.formats.parquetreading import OpenedParquet

RowFile: TypeAlias = "OpenedText | OpenedParquet"
"""A file of rows in any format."""


@dataclass(frozen=True, slots=True)
class OpenedText:
    """A file of lines, whose rows begin at an offset and on a line, until the end of the file or an offset.

    `ahead` was read already; `notes` are what people should know of the file.
    """

    stream: Stream
    layout: RecordLayout
    offset: int = 0
    line: int = 1
    ahead: bytes = b""
    notes: Sequence[str] = field(default_factory=tuple)
    until: int | None = None

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

    def at(self, offset: int, line: int, until: int | None = None) -> OpenedText:
        """Move to where whole records begin, such as where an interrupted run has stopped."""
        self.stream.seek(offset)
        return replace(self, offset=offset, line=line, ahead=b"", until=until)

    def blocks(self, size: int) -> Iterator[Block]:
        """Read the rows in blocks of about so many bytes."""
        whole = Prefixed(self.ahead, self.stream)
        stream = whole if self.until is None else Limited(self.stream, self.until - self.offset)
        if isinstance(self.layout, CsvLayout):
            return csv_blocks(stream, self.layout, self.offset, self.line, size)
        return json_blocks(stream, self.offset, self.line, size)
