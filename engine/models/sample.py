"""A CSV of real rows, as its columns are: numbers or not, whole, between which bounds, with which gaps."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.errors import Diagnostic, Place, SpecError

MAX_ROWS = 100
_BOOLEANS = {"true": True, "false": False}
_MAX_WHOLE = 2**53


@dataclass(slots=True)
class Column:
    """One column: `low` and `high` bound its numbers, and `gaps` tells that a cell is empty or no finite number."""

    low: float = math.inf
    high: float = -math.inf
    numbers: int = 0
    booleans: int = 0
    words: int = 0
    whole: bool = True
    gaps: bool = False

    def take(self, text: str | None) -> None:
        """Note a cell."""
        value = read_cell(text)
        if value is None:
            self.gaps = True
        elif isinstance(value, bool):
            self.booleans += 1
        elif isinstance(value, str):
            self.words += 1
        else:
            self.numbers += 1
            self.low, self.high = min(self.low, value), max(self.high, value)
            self.whole = self.whole and isinstance(value, int)

    @property
    def kind(self) -> Literal["number", "integer", "boolean", "string"]:
        """The JSON type that all of its cells are of."""
        if self.words or (self.booleans and self.numbers):
            return "string"
        if self.booleans:
            return "boolean"
        return "integer" if self.numbers and self.whole else "number"


@dataclass(frozen=True, slots=True)
class Sample:
    """The columns by name, and the first rows as text."""

    columns: Mapping[str, Column]
    rows: list[Mapping[str, str]] = field(default_factory=list)


def read_sample(file: Path) -> Sample:
    """Read a CSV with names in its first line; raise `SpecError`."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return _read(csv.reader(lines, strict=True), file)
    except OSError as error:
        raise _wrong(file, f"the file cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong(file, f"the file is not a CSV in UTF-8: {error}") from None


def read_cell(text: str | None) -> Any:
    """Read a cell: a number, a boolean, a text, or None where it is empty or no finite number."""
    text = (text or "").strip()
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    try:
        number = float(text)
    except ValueError:
        return text or None
    if not math.isfinite(number):
        return None
    is_whole = text.lstrip("+-").isdigit() and abs(number) < _MAX_WHOLE
    return int(number) if is_whole else number


def _read(rows: Iterable[list[str]], file: Path) -> Sample:
    lines = iter(rows)
    names = next(lines, [])
    if (
        not any(names)
        or len(set(names)) < len(names)
        or all(isinstance(read_cell(name), int | float) for name in names)
    ):
        raise _wrong(
            file, "its first line does not name the columns, each by a name of its own; write one above the rows"
        )
    sample = Sample({name: Column() for name in names})
    for cells in lines:
        if not any(cells):
            continue
        row = dict(zip(names, [*cells, *[""] * len(names)], strict=False))
        for name, column in sample.columns.items():
            column.take(row[name])
        if len(sample.rows) < MAX_ROWS:
            sample.rows.append(row)
    if not sample.rows:
        raise _wrong(file, "there are no rows under its first line")
    return sample


def _wrong(file: Path, message: str) -> SpecError:
    return SpecError([Diagnostic(Place(str(file)), message)])
