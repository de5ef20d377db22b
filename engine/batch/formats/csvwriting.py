"""Predictions as CSV, beside the rows that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from engine.batch.formats.csvblocks import quoted
from engine.batch.formats.parsed import Parsed
from engine.batch.scoring.predictions import PredictionColumns
from engine.batch.scoring.records import ABSENT, Scored

_PLAIN = {bool, float, int, type(None)}
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


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

    @property
    def needs_values(self) -> bool:
        """A CSV has texts."""
        return False

    def head(self) -> bytes:
        """Write the line that names the columns."""
        carried = self.names if self.carried is None else self.carried
        names = self.separator.join(quoted(name, self.separator) for name in (*carried, *self.predictions.names))
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
        return quoted(orjson.dumps(cell).decode(), self.separator)


_quoted = lru_cache(maxsize=4096)(quoted)
