"""A CSV of real rows, by column: numbers or not, integers, bounds, missing values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.models.data.csv_file import NAMELESS, Row, read_cell, read_csv
from engine.schema import Validator

MAX_ROWS = 100
CHUNK = 100  # rows that are read together, column by column
_NUMBERS = frozenset((float, int))
_is_date = Validator({"format": "date"}, formats=True).is_valid


@dataclass(slots=True)
class SampleColumn:
    """One column: `low` and `high` bound its numbers, and `first_word` is the row of the first cell that is a text.

    A cell with NA or the like is a missing value, but a word among words. `padded` is a cell with leading zeros, and
    `dates` says that every text so far is a date.
    """

    low: float = math.inf
    high: float = -math.inf
    numbers: int = 0
    booleans: int = 0
    first_word: Row | None = None
    whole: bool = True
    empty: bool = False
    not_available: bool = False
    padded: str = ""
    dates: bool = True

    def take(self, texts: Sequence[str], values: Sequence[Any], rows: Sequence[Row]) -> None:
        """Add some cells, as text and as they are read, with their rows."""
        if not self.padded:
            self.padded = next((text for text in texts if text[:1] == "0" and text[1:].isdigit()), "")
        if {*map(type, values)} <= _NUMBERS:
            self._take_numbers(values)
            return
        numbers = [value for value in values if type(value) in _NUMBERS]
        if numbers:
            self._take_numbers(numbers)
        self.booleans += sum(isinstance(value, bool) for value in values)
        gaps = [not text.strip() for text, value in zip(texts, values, strict=True) if value is None]
        self.empty, self.not_available = self.empty or any(gaps), self.not_available or not all(gaps)
        words = [(row, value) for row, value in zip(rows, values, strict=True) if isinstance(value, str)]
        self.first_word = self.first_word or next((row for row, _ in words), None)
        self.dates = self.dates and all(_is_date(value) for _, value in words)

    def _take_numbers(self, numbers: Sequence[float]) -> None:
        self.numbers += len(numbers)
        self.low, self.high = min(self.low, *numbers), max(self.high, *numbers)
        self.whole = self.whole and float not in map(type, numbers)

    @property
    def gaps(self) -> bool:
        """Whether some rows have no value."""
        return self.empty or (self.not_available and self.first_word is None)

    @property
    def has_dates(self) -> bool:
        """Whether all of its cells are dates, or missing."""
        return self.first_word is not None and self.dates and not (self.numbers or self.booleans)

    @property
    def kind(self) -> Literal["number", "integer", "boolean", "string"]:
        """The JSON type of all of its cells."""
        if self.first_word or (self.booleans and self.numbers):
            return "string"
        if self.booleans:
            return "boolean"
        return "integer" if self.numbers and self.whole else "number"


@dataclass(frozen=True, slots=True)
class Sample:
    """The columns by name, and the first rows as text."""

    columns: Mapping[str, SampleColumn]
    rows: list[Mapping[str, str]] = field(default_factory=list)


def read_sample(file: Path, expected: Sequence[str] = ()) -> Sample:
    """Read a CSV with names in its first line, which may be numbers if they are `expected`; raise `SpecError`."""

    def wrong(message: str) -> SpecError:
        return SpecError([Diagnostic(Place(str(file)), message)])

    csv = read_csv(file, wrong, expected)
    if _is_a_row(csv.names) and not (expected and set(expected) <= set(csv.names)):
        raise wrong(NAMELESS)
    sample = Sample({name: SampleColumn() for name in csv.names})
    while rows := list(islice(csv.rows, CHUNK)):
        texts = zip(*(row.texts for row in rows), strict=True)
        values = zip(*(row.values() for row in rows), strict=True)
        for column, written, read in zip(sample.columns.values(), texts, values, strict=True):
            column.take(written, read, rows)
        sample.rows.extend(row.cells for row in rows[: MAX_ROWS - len(sample.rows)])
    if not sample.rows:
        raise wrong("there are no rows below the header line")
    return sample


def _is_a_row(names: Sequence[str]) -> bool:
    """Return whether a first line has numbers for names, other than the names that pandas gives to unnamed columns."""
    is_counted = list(names) == [str(place) for place in range(len(names))]
    return not is_counted and all(isinstance(read_cell(name), int | float) for name in names)
