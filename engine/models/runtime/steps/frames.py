"""Steps on columns that are kept apart, as transformers of DataFrames treat them: each has cells of its own type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import Refusal
from engine.models.runtime.saved import saved, saved_step
from engine.models.runtime.steps.checks import as_floats
from engine.models.runtime.steps.encoding import cell_key, places_of


def columns_of(rows: Any) -> list[Array]:
    """Return the columns of a table or an array, or those that are apart already."""
    if isinstance(rows, list):
        return rows
    return list(rows.values()) if isinstance(rows, dict) else list(rows.T)


@saved_step
class Apart:
    """Make columns of columns: each branch gets some of them, by number, and makes one or more, in order.

    A branch without steps passes its columns on. `width` is the number of columns that are made.
    """

    branches: tuple[tuple[Array, tuple[Callable[[Any], Any], ...]], ...]
    width: int

    def __call__(self, rows: Any) -> list[Array]:
        cells = columns_of(rows)
        made: list[Array] = []
        for places, steps in self.branches:
            chosen: Any = [cells[place] for place in places]
            for step in steps:
                try:
                    chosen = step(chosen)
                except Refusal as refusal:
                    refusal.column = int(places[0])
                    raise
            made += columns_of(chosen)
        return made


@saved
@dataclass(slots=True, eq=False)
class Lookup:
    """Turn the cells of one column into those of one or more: `found` has a row for each of the `known` cells.

    Its last two rows are for a missing cell and for every other one. `refused` says which rows have no answer.
    If `blanks` are given, these texts are missing cells too, and so are texts of spaces alone.
    """

    known: Array
    found: Array
    refused: Array
    message: str
    blanks: tuple[str, ...] | None = None
    _places: Mapping[Any, int] = field(init=False)

    def __post_init__(self) -> None:
        missing = (None, cell_key(np.nan), *(self.blanks or ()))
        self._places = {**places_of(self.known), **dict.fromkeys(missing, len(self.known))}

    def __call__(self, columns: Sequence[Array]) -> Array:
        """Compute: of shape (rows, columns made); raise `Refusal`."""
        other = len(self.known) + 1
        cells = columns[0].tolist()
        if self.blanks is not None:
            cells = [None if isinstance(cell, str) and not cell.strip() else cell for cell in cells]
        places = np.array([self._places.get(cell_key(cell), other) for cell in cells], np.intp)
        if self.refused[places].any():
            raise Refusal(self.message)
        computed: Array = self.found[places]
        return computed


@saved_step
class Fill:
    """Replace missing cells of one column by a value, an array of one."""

    value: Array

    def __call__(self, columns: Sequence[Array]) -> list[Array]:
        cells = columns[0]
        if cells.dtype.kind != "O":
            return [np.where(np.isnan(cells), self.value, cells)] if cells.dtype.kind == "f" else [cells]
        value = self.value.item()
        made = np.empty(len(cells), object)
        made[:] = [value if cell is None or cell != cell else cell for cell in cells.tolist()]  # noqa: PLR0124 - NaN
        return [made]


@saved_step
class Present:
    """Refuse a missing cell."""

    message: str

    def __call__(self, columns: Sequence[Array]) -> Sequence[Array]:
        for cells in columns:
            if is_missing(cells).any():
                raise Refusal(self.message)
        return columns


@saved_step
class Missing:
    """Return 1 for each missing cell, and 0 for the others."""

    def __call__(self, columns: Sequence[Array]) -> list[Array]:
        return [is_missing(cells).astype(np.float64) for cells in columns]


@saved_step
class Positive:
    """Refuse a number that is not above 0."""

    message: str

    def __call__(self, rows: Array) -> Array:
        if (rows <= 0).any():
            raise Refusal(self.message)
        return rows


@saved_step
class Numbers:
    """Make an array of numbers of some columns, of shape (rows, columns)."""

    def __call__(self, columns: Sequence[Array]) -> Array:
        """Compute; raise `Refusal` for a cell that is not a number."""
        return np.column_stack([as_floats(cells) if cells.dtype.kind not in "fiub" else cells for cells in columns])


def is_missing(cells: Array) -> Array:
    """Return which cells are missing: None, NaN, or no time."""
    if cells.dtype.kind == "O":
        return np.array([cell is None or cell != cell for cell in cells.tolist()], bool)  # noqa: PLR0124 - NaN
    if cells.dtype.kind == "M":
        return np.isnat(cells)
    return np.isnan(cells) if cells.dtype.kind == "f" else np.zeros(len(cells), bool)
