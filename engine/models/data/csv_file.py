"""A CSV of real rows, as text: the names in its first line, the rows, and the values of its cells."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from engine.errors import SpecError
from engine.schema import show
from engine.spec import read_regular
from engine.text import first_words

_BOOLEANS = {"true": True, "false": False}
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_LEAST_INT, _MOST_INT = -(2**63), 2**64 - 1  # integers in JSON; other numbers become floats
_MAX_DIGITS = 30
_SCALARS = frozenset((bool, float, int, type(None)))
_SEPARATORS = {";": '";"', "\t": "tabs", "|": '"|"'}
# Missing values in pandas.read_csv, and numbers that are not finite.
_GAPS = frozenset("#n/a #na +inf -inf -infinity -nan <na> inf infinity n/a na nan none null".split()) | {""}

MOST_NAMED: Final = 6
NAMELESS = "its first line does not give each column a unique name; add a header line"

Wrong = Callable[[str], SpecError]
"""Makes the error for a mistake in the file, at its place."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its cells as text, one for each of the `names`, and the line that it ends on."""

    line: int
    names: tuple[str, ...]
    texts: Sequence[str]

    @property
    def cells(self) -> Mapping[str, str]:
        """The cells by the names of their columns."""
        return dict(zip(self.names, self.texts, strict=True))

    def values(self) -> list[Any]:
        """Read the cells, as `read_cell` does."""
        return read_cells(self.texts)

    def not_a_number(self, column: str) -> str:
        """Say that a column must have numbers, and has something else in this row."""
        found = f'column "{column}" has {show(self.cells[column])}, which is not a number'
        return f"{found}; leave the cell empty if there is no value"


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV: the names of its columns, and its rows, which are read on demand."""

    names: tuple[str, ...]
    rows: Iterator[Row]


def read_csv(file: Path, wrong: Wrong, expected: Collection[str] = ()) -> CsvFile:
    """Read a CSV with names in its first line, `expected` ones or others; `wrong` makes the error for any mistake."""
    try:
        data = read_regular(file)
    except OSError as error:
        raise wrong(f"the file cannot be read: {error.strerror}") from None
    return parse_csv(data, wrong, expected)


def parse_csv(data: bytes, wrong: Wrong, expected: Collection[str] = ()) -> CsvFile:
    """Read the bytes of a CSV as `read_csv` does."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong(_no_csv(error)) from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = tuple(next(lines, ()))
    except csv.Error as error:
        raise wrong(_no_csv(error)) from None
    separator = next((one for one in _SEPARATORS if len(names) == 1 and one in names[0]), None)
    if separator is not None and names[0] not in expected:
        raise wrong(f"its columns seem to be separated by {_SEPARATORS[separator]}; separate them by commas")
    if not any(names) or len(set(names)) < len(names):
        raise wrong(NAMELESS)
    if expected and not {*names} & {*expected} and {*map(type, map(read_cell, names))} & {bool, float, int}:
        shown = first_words([*map(show, names)], MOST_NAMED)
        raise wrong(f"its first line is a row of values ({shown}), and must name the columns; add a header line")
    return CsvFile(names, _rows(lines, names, wrong))


def read_cell(text: str) -> Any:
    """Read a cell: a number, a boolean, a text, or None for a missing value, such as NA."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):  # tried first, since most cells of a large file are numbers
        word = text.lower()
        return None if word in _GAPS else _BOOLEANS.get(word, text)
    if len(text) <= _MAX_DIGITS and text.lstrip("+-").isdigit() and _LEAST_INT <= (whole := int(text)) <= _MOST_INT:
        return whole
    number = float(text)
    return number if math.isfinite(number) else None


def read_cells(texts: Sequence[str]) -> list[Any]:
    """Read cells as `read_cell` does: all at once if each is empty or a number, as in most rows of wide files."""
    try:
        values: list[Any] = orjson.loads(f"[{','.join([text or 'null' for text in texts])}]")
    except orjson.JSONDecodeError:
        return [*map(read_cell, texts)]
    # A cell that contains a comma, a bracket or a quote gives more values, or others.
    is_one_each = len(values) == len(texts) and not {*map(type, values)} - _SCALARS
    return values if is_one_each else [*map(read_cell, texts)]


def _rows(lines: Any, names: tuple[str, ...], wrong: Wrong) -> Iterator[Row]:
    """Yield the rows that are not blank, each with a cell for every name."""
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            raise wrong(_no_csv(error)) from None
        if cells is None:
            return
        if any(cells):
            if len(cells) != len(names):
                cells = [*cells, *[""] * len(names)][: len(names)]
            yield Row(lines.line_num, names, cells)


def _no_csv(error: Exception) -> str:
    return f"the file is not a CSV in UTF-8: {error}"
