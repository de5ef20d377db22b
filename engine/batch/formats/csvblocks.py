"""CSV: blocks of whole records, how a block is read, and how predictions are written beside its rows.

The `csv` module decides what a record is. Blocks are split in one process and read in others.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar

import orjson

from engine.batch.formats.parsed import BLOCK_BYTES, MOST_RECORD_BYTES, Block, Parsed, Readable, Unit, read_blocks
from engine.batch.scoring.record_batch import ABSENT, Key, PredictionColumns, RecordBatch, Scored
from engine.batch.scoring_errors import Unreadable
from engine.text import plural

# The module has one limit for the whole process, 128 KiB at first: whatever is read later, it is this one.
csv.field_size_limit(MOST_RECORD_BYTES)
_PLAIN = {bool, float, int, type(None)}
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """The columns of a CSV and how it is written; `keys` are the columns of an instance, by their names."""

    names: tuple[str, ...]
    separator: str
    ending: str = "\n"
    mark: bool = False
    keys: Mapping[Key, str] = field(default_factory=dict)
    unit: ClassVar[Unit] = "line"

    def require_text(self, names: Sequence[str], place: str) -> None:
        """Do nothing: every column is text."""

    def parse(self, block: Block) -> Parsed:
        """Read the records of a block; raise `Unreadable`."""
        try:
            text = block.data.decode()
        except UnicodeDecodeError as error:
            line = block.line + block.data.count(b"\n", 0, error.start)
            raise Unreadable(line, "this is not UTF-8; convert the file, or save it as UTF-8") from None
        columns: Sequence[Sequence[str]]
        if (plain := self._plain(text)) is not None:
            columns, raws = plain
            return self._parsed(columns, raws, range(block.line, block.line + len(raws)), {}, {})
        rows, raws, lines = self._records(text, block.line)
        broken, texts = {}, {}
        if {*map(len, rows)} - {len(self.names)}:
            for place, row in enumerate(rows):
                if len(row) != len(self.names):
                    cells = plural(len(row), "cell")
                    broken[place] = f"the row has {cells}; the first line has {len(self.names)} columns"
                    texts[place] = raws[place]
                    rows[place], raws[place] = self._fitted(row, raws[place])
        columns = list(zip(*rows, strict=True)) or [()] * len(self.names)
        return self._parsed(columns, raws, lines, broken, texts)

    def _fitted(self, row: Sequence[str], raw: str) -> tuple[list[str], str]:
        """Make a cell for each column: what is too much stays in the last, so that it is under no prediction's name."""
        lacks, last = len(self.names) - len(row), len(self.names) - 1
        if lacks > 0:
            return [*row, *[""] * lacks], raw + self.separator * lacks
        cells = [*row[:last], self.written(row[last:])]
        return cells, self.written(cells)

    def _parsed(
        self,
        columns: Sequence[Sequence[str]],
        raws: list[str],
        lines: Sequence[int],
        broken: Mapping[int, str],
        texts: Mapping[int, str],
    ) -> Parsed:
        places = {name: place for place, name in reversed([*enumerate(self.names)])}
        chosen = {key: columns[places[name]] for key, name in self.keys.items()}
        batch = RecordBatch(chosen, len(raws), is_text=True, broken=broken)
        return Parsed(batch, raws, lines, lambda name: columns[places[name]], texts=texts)

    def _plain(self, text: str) -> tuple[list[list[str]], list[str]] | None:
        """Split a text without quotes and blank lines, in which all rows have a cell for each name, else None.

        No list is made for each row, which takes most of the time that the `csv` module needs.
        """
        width, text = len(self.names), text.replace("\r\n", "\n").removesuffix("\n")
        if '"' in text or "\r" in text or width == 1 or not text or len(text) > MOST_RECORD_BYTES:
            return None
        raws = text.split("\n")
        cells = text.replace("\n", f"{self.separator}\n").split(self.separator)
        # Each line break begins a cell now. If only the cells of the first column begin with one, no row is longer or
        # shorter than the others.
        first = "".join(cells[::width]).split("\n")
        if len(cells) != width * len(raws) or len(first) != len(raws):
            return None
        return [first, *(cells[place::width] for place in range(1, width))], raws

    def written(self, cells: Sequence[str]) -> str:
        """Write a row of cells, quoted where that is needed."""
        return self.separator.join(quote_cell(cell, self.separator) for cell in cells)

    def _records(self, text: str, line: int) -> tuple[list[list[str]], list[str], Sequence[int]]:
        """Split a text into its records: their cells, their own texts, and the lines that they begin on."""
        texts = text.split("\n")
        if not texts[-1]:
            texts.pop()
        if '"' in text:
            return self._quoted_records(texts, line)
        if "\r" in text:
            texts = [one.removesuffix("\r") for one in texts]
        reader = csv.reader(texts, delimiter=self.separator, strict=True)
        try:
            rows = list(reader)
        except csv.Error as error:
            raise Unreadable(line + reader.line_num - 1, explain_csv(error)) from None
        if [] not in rows:
            return rows, texts, range(line, line + len(rows))
        kept = [place for place, row in enumerate(rows) if row]
        return [rows[place] for place in kept], [texts[place] for place in kept], [line + place for place in kept]

    def _quoted_records(self, texts: list[str], line: int) -> tuple[list[list[str]], list[str], list[int]]:
        reader = csv.reader((f"{one}\n" for one in texts), delimiter=self.separator, strict=True)
        rows, raws, lines, begin = [], [], [], 0
        try:
            for row in reader:
                if row:
                    rows.append(row)
                    raws.append("\n".join(texts[begin : reader.line_num]).removesuffix("\r"))
                    lines.append(line + begin)
                begin = reader.line_num
        except csv.Error as error:
            raise Unreadable(line + begin, explain_csv(error)) from None
        return rows, raws, lines


def explain_csv(error: csv.Error) -> str:
    """Say why a text is no CSV."""
    if "field larger" in str(error):
        return f"a cell has more than {MOST_RECORD_BYTES:,} characters, or a closing quote is missing"
    if "new-line" in str(error):
        return "this is not a CSV: there is a carriage return inside a line"
    return f"this is not a CSV: {error}; is a quote missing?"


def quote_cell(cell: str, separator: str) -> str:
    """Write a cell, in quotes if it has a character in it that means something else."""
    if '"' in cell or separator in cell or "\n" in cell or "\r" in cell:
        return '"' + cell.replace('"', '""') + '"'
    return cell


def csv_blocks(stream: Readable, layout: CsvLayout, offset: int, line: int, size: int = BLOCK_BYTES) -> Iterator[Block]:
    """Read blocks of whole records from where a stream stands; raise `Unreadable` for a record without an end."""
    endless = f"a row of more than {MOST_RECORD_BYTES // 1024**2} MiB begins here; is a closing quote missing?"
    return read_blocks(stream, offset, line, size, lambda data: _last_end(data, layout.separator), endless)


def _last_end(data: bytes, separator: str) -> int:
    """Find the end of the last whole record; 0 where there is none."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    # A line break inside of quotes ends no record. Latin-1 keeps every byte a character.
    lines = data.decode("latin-1").split("\n")
    reader = csv.reader((f"{one}\n" for one in islice(lines, len(lines) - 1)), delimiter=separator, strict=True)
    whole = 0
    try:
        for _ in reader:
            whole = reader.line_num
    except csv.Error as error:
        if "unexpected end" not in str(error):  # whoever reads the block says what is wrong there
            return data.rfind(b"\n") + 1
    return sum(len(one) + 1 for one in lines[:whole])


@dataclass(frozen=True, slots=True)
class CsvWriter:
    """Writes blocks of a CSV.

    `carried` are the columns that come first: None for rows of a CSV as they are, under `names`. `mark` is a byte order
    mark, without which some programs do not read UTF-8.
    """

    predictions: PredictionColumns
    names: tuple[str, ...] = ()
    carried: tuple[str, ...] | None = None
    separator: str = ","
    ending: str = "\n"
    mark: bool = False
    needs_values: ClassVar[bool] = False  # a CSV has texts

    def head(self) -> bytes:
        """Write the line that names the columns."""
        carried = self.names if self.carried is None else self.carried
        names = self.separator.join(quote_cell(name, self.separator) for name in (*carried, *self.predictions.names))
        return f"{_BOM * self.mark}{names}{self.ending}".encode()

    def write(self, parsed: Parsed, scored: Scored) -> bytes:
        count = parsed.batch.count
        if not count:
            return b""
        parts: list[Iterable[str]] = []
        if self.carried is None:
            parts.append(parsed.raws)
        else:
            parts += [self._texts(parsed.column(name)) for name in self.carried]
        parts += [self._texts(column) for column in self.predictions.results_of(scored)]
        if self.predictions.label is not None:
            parts.append(self._texts(scored.labels or []))
        if self.predictions.probabilities:
            parts.append(self._chances(scored))
        rows = parts[0] if len(parts) == 1 else map(self.separator.join, zip(*parts, strict=True))
        return (self.ending.join(rows) + self.ending).encode("utf-8", "surrogatepass")

    def _chances(self, scored: Scored) -> list[str]:
        """Write the probabilities of each row, already separated."""
        text = orjson.dumps(scored.probabilities, option=orjson.OPT_SERIALIZE_NUMPY).decode()
        rows = text[2:-2].split("],[")
        if self.separator != ",":
            rows = [row.replace(",", self.separator) for row in rows]
        for row in scored.bad_rows:
            rows[row] = self.separator * (len(self.predictions.probabilities) - 1)
        return rows

    def _texts(self, cells: Sequence[Any]) -> list[str]:
        kinds = {*map(type, cells)}
        if kinds <= _PLAIN:
            try:
                texts = orjson.dumps(cells).decode()[1:-1].split(",")
            except orjson.JSONEncodeError:  # an integer of more than 64 bits
                return [self._text(cell) for cell in cells]
            return ["" if text == "null" else text for text in texts] if type(None) in kinds else texts
        if kinds == {str}:
            return [_quoted(cell, self.separator) for cell in cells]
        return [self._text(cell) for cell in cells]

    def _text(self, cell: Any) -> str:
        if cell is None or cell is ABSENT:
            return ""
        if isinstance(cell, str):
            return _quoted(cell, self.separator)
        if isinstance(cell, int) and not isinstance(cell, bool):
            return str(cell)
        return quote_cell(orjson.dumps(cell).decode(), self.separator)


_quoted = lru_cache(maxsize=4096)(quote_cell)
