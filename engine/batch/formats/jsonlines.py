"""JSON Lines (https://jsonlines.org): a JSON value on each line, read and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from engine.batch.formats.parsed import BLOCK_BYTES, MOST_RECORD_BYTES, Block, Parsed, Readable, Unit, read_blocks
from engine.batch.scoring.record_batch import ABSENT, Key, PredictionColumns, RecordBatch, Scored
from engine.batch.scoring_errors import Unreadable, column_taken
from engine.schema import describe_mistyped, explain_not_json, stray_token

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class JsonLayout:
    """How the values of a file become instances.

    If it is of the form `object`, an instance is made of the `features` of an object, or is all of it if there are
    none. An `array` has `count` items, if that is known. `taken` are names of predictions, which no object may have.
    """

    form: str
    features: tuple[str, ...] = ()
    count: int | None = None
    taken: tuple[str, ...] = ()
    names: ClassVar[tuple[str, ...]] = ()  # each record names its own
    unit: ClassVar[Unit] = "line"

    @property
    def keys(self) -> Mapping[Key, str]:
        return {name: name for name in self.features} if self.features else {0: ""}

    def require_text(self, names: Sequence[str], place: str) -> None:
        """Do nothing: every column is text."""

    def parse(self, block: Block) -> Parsed:
        """Read the values of a block; raise `Unreadable` for an object that has a prediction already."""
        data = block.data.removeprefix(_BOM) if block.line == 1 else block.data
        texts = data.split(b"\n")
        lines = [place for place, text in enumerate(texts) if text and not text.isspace()]
        values, broken = [], {}
        for row, place in enumerate(lines):
            value, reason = self._read(texts[place])
            if isinstance(value, dict) and (both := [name for name in self.taken if name in value]):
                raise Unreadable(block.line + place, column_taken(f'the key "{both[0]}"'))
            values.append(value)
            if reason:
                broken[row] = reason
        batch = RecordBatch(self._columns(values), len(values), has_nulls=True, broken=broken)
        raws = [texts[place].strip().decode("utf-8", "replace") for place in lines]
        numbers = [block.line + place for place in lines]
        return Parsed(
            batch, raws, numbers, lambda name: _column(values, name), texts={row: raws[row] for row in broken}
        )

    def _read(self, text: bytes) -> tuple[Any, str]:
        """Read a value, or say what is wrong with it."""
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return {}, _not_json(error)
        if self.form == "object" and not isinstance(value, dict):
            return {}, describe_mistyped(value, ["object"])
        if self.form == "array":
            if not isinstance(value, list):
                return [], describe_mistyped(value, ["array"])
            if self.count is not None and len(value) != self.count:
                return [], f"the array has {len(value)} items, and the model takes {self.count}"
        return value, ""

    def _columns(self, values: Sequence[Any]) -> Mapping[Key, Sequence[Any]]:
        if self.features:
            return {name: _column(values, name) for name in self.features}
        if self.form == "array":
            width = self.count if self.count is not None else max(map(len, values), default=0)
            return {
                place: [value[place] if place < len(value) else ABSENT for value in values] for place in range(width)
            }
        return {0: values}


def _not_json(error: orjson.JSONDecodeError) -> str:
    if (found := explain_not_json(error)) is not None:
        return f"{found[0]} (column {found[1]})"
    said, column = stray_token(error) or (error.msg, error.colno)
    return f"this is not JSON: {said} (column {column})"


def _column(values: Sequence[Any], name: str) -> list[Any]:
    return [value.get(name, ABSENT) if isinstance(value, dict) else ABSENT for value in values]


def json_blocks(stream: Readable, offset: int, line: int, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read blocks of whole lines from where a stream stands; raise `Unreadable` for a line without an end."""
    endless = f"the line is longer than {MOST_RECORD_BYTES // 1024**2} MiB; are these JSON Lines?"
    return read_blocks(stream, offset, line, size, lambda data: data.rfind(b"\n") + 1, endless)


@dataclass(frozen=True, slots=True)
class JsonWriter:
    """Writes an object for each row; `carried` are the columns that come first, None for records as they are.

    A record that is no object, which a model takes as an array or a value, is carried under the name `instance`.
    """

    predictions: PredictionColumns
    carried: tuple[str, ...] | None = None
    form: str = "object"
    needs_values: ClassVar[bool] = True  # JSON has types

    def head(self) -> bytes:
        """Write nothing."""
        return b""

    def write(self, parsed: Parsed, scored: Scored) -> bytes:
        names = self.predictions.names
        columns = self.predictions.columns_of(scored)
        if self.carried is None:
            dumped = (orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))
            are_broken = (row in parsed.batch.broken for row in range(parsed.batch.count))
            return b"".join(map(self._joined, parsed.raws, dumped, are_broken))
        carried = [parsed.column(name) for name in self.carried]
        every = (*self.carried, *names)
        rows = (_object(every, row) for row in zip(*carried, *columns, strict=True))
        return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE, default=str) for row in rows)

    def _joined(self, raw: str, predictions: bytes, is_broken: bool) -> bytes:
        """Put predictions behind a record, whose text stays as it is."""
        if is_broken:
            return predictions + b"\n"
        text = raw.encode()
        if self.form != "object":
            return b'{"instance":' + text + b"," + predictions[1:] + b"\n"
        inside = text[:-1].rstrip()
        return inside + (b"" if inside == b"{" else b",") + predictions[1:] + b"\n"


def _object(names: Sequence[str], cells: Sequence[Any]) -> dict[str, Any]:
    return {name: cell for name, cell in zip(names, cells, strict=True) if cell is not ABSENT}
