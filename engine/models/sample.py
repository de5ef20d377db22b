"""A CSV of real rows, as its columns are: numbers or not, whole, between which bounds, with which gaps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.errors import Diagnostic, Place, SpecError
from engine.models.csvfile import NAMELESS, Row, read_cell, read_csv

MAX_ROWS = 100


@dataclass(slots=True)
class Column:
    """One column: `low` and `high` bound its numbers, and `first_word` is the row of the first cell that is a text.

    A cell that says NA or the like is a gap, but a word among words.
    """

    low: float = math.inf
    high: float = -math.inf
    numbers: int = 0
    booleans: int = 0
    first_word: Row | None = None
    whole: bool = True
    empty: bool = False
    not_available: bool = False

    def take(self, row: Row, name: str) -> None:
        """Note a row's cell of this name."""
        value = read_cell(row.cells[name])
        if value is None:
            is_empty = not row.cells[name].strip()
            self.empty, self.not_available = self.empty or is_empty, self.not_available or not is_empty
        elif isinstance(value, bool):
            self.booleans += 1
        elif isinstance(value, str):
            self.first_word = self.first_word or row
        else:
            self.numbers += 1
            self.low, self.high = min(self.low, value), max(self.high, value)
            self.whole = self.whole and isinstance(value, int)

    @property
    def gaps(self) -> bool:
        """Whether some rows have no value."""
        return self.empty or (self.not_available and self.first_word is None)

    @property
    def kind(self) -> Literal["number", "integer", "boolean", "string"]:
        """The JSON type that all of its cells are of."""
        if self.first_word or (self.booleans and self.numbers):
            return "string"
        if self.booleans:
            return "boolean"
        return "integer" if self.numbers and self.whole else "number"


@dataclass(frozen=True, slots=True)
class Sample:
    """The columns by name, and the first rows as text."""

    columns: Mapping[str, Column]
    rows: list[Mapping[str, str]] = field(default_factory=list)


def read_sample(file: Path, expected: Sequence[str] = ()) -> Sample:
    """Read a CSV with names in its first line, which may be numbers where they are `expected`; raise `SpecError`."""

    def wrong(message: str) -> SpecError:
        return SpecError([Diagnostic(Place(str(file)), message)])

    read = read_csv(file, wrong, expected)
    if _is_a_row(read.names) and not (expected and set(expected) <= set(read.names)):
        raise wrong(NAMELESS)
    sample = Sample({name: Column() for name in read.names})
    for row in read.rows:
        for name, column in sample.columns.items():
            column.take(row, name)
        if len(sample.rows) < MAX_ROWS:
            sample.rows.append(row.cells)
    if not sample.rows:
        raise wrong("there are no rows under its first line")
    return sample


def _is_a_row(names: Sequence[str]) -> bool:
    """Tell whether a first line has numbers for names, other than those that pandas gives to columns without."""
    is_counted = list(names) == [str(place) for place in range(len(names))]
    return not is_counted and all(isinstance(read_cell(name), int | float) for name in names)
