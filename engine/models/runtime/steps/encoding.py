"""Steps that turn categories and ranges of numbers into numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.answer import Refusal
from engine.models.runtime.saved import saved, saved_step

_MOST_SHOWN = 10  # unknown categories in one message


@saved
@dataclass(slots=True, eq=False)
class OneHot:
    """Turn each column of categories into columns of 0 and 1; with `ignore`, unknown ones are all 0."""

    categories: tuple[Array, ...]
    dropped: tuple[int, ...]
    ignore: bool
    _places: list[Mapping[Any, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._places = [places_of(known) for known in self.categories]

    def __call__(self, rows: Array | list[Array]) -> Array:
        """Compute; raise `Refusal` for an unknown category."""
        blocks = []
        for column, (places, dropped) in enumerate(zip(self._places, self.dropped, strict=True)):
            found = _found(rows, column, places, refuse=not self.ignore)
            block = (found[:, None] == np.arange(len(places))).astype(np.float64)
            blocks.append(np.delete(block, dropped, axis=1) if dropped >= 0 else block)
        return np.hstack(blocks)


@saved
@dataclass(slots=True, eq=False)
class Ordinal:
    """Turn each column of categories into a column of codes.

    `codes` has one for each category and then one for all other values, unless the step is to `refuse` those.
    """

    categories: tuple[Array, ...]
    codes: tuple[Array, ...]
    refuse: bool
    _places: list[Mapping[Any, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._places = [places_of(known) for known in self.categories]

    def __call__(self, rows: Array | list[Array]) -> Array:
        """Compute; raise `Refusal` for an unknown category."""
        columns = [
            codes[_found(rows, column, places, refuse=self.refuse)]
            for column, (places, codes) in enumerate(zip(self._places, self.codes, strict=True))
        ]
        return np.column_stack(columns)


@saved_step
class Bins:
    """Return the number of the bin that each value is in, or a column of 0 and 1 for each bin if `one_hot`.

    `edges` are those between a column's bins.
    """

    edges: tuple[Array, ...]
    one_hot: bool

    def __call__(self, rows: Array) -> Array:
        """Compute; a value on an edge is in the bin above it."""
        found = [np.searchsorted(edges, rows[:, place], side="right") for place, edges in enumerate(self.edges)]
        if not self.one_hot:
            return np.column_stack(found).astype(np.float64)
        pairs = zip(found, self.edges, strict=True)
        return np.hstack([(one[:, None] == np.arange(len(edges) + 1)).astype(np.float64) for one, edges in pairs])


@saved_step
class Pieces:
    """Evaluate piecewise polynomials, several for each column, side by side.

    `edges` lie between a column's pieces: of shape (columns, pieces - 1). `origins` are the points from which each
    piece counts, of shape (columns, pieces), and `coefficients` begins with the highest power: (columns, pieces,
    powers, polynomials).
    """

    edges: Array
    origins: Array
    coefficients: Array

    def __call__(self, rows: Array) -> Array:
        """Compute, by Horner's rule."""
        piece = (rows[:, :, None] >= self.edges).sum(axis=2)
        every = np.arange(rows.shape[1])
        distance = (rows - self.origins[every, piece])[:, :, None]
        highest, *others = np.moveaxis(self.coefficients[every, piece], 2, 0)
        values = highest
        for coefficients in others:
            values = values * distance + coefficients
        computed: Array = values.reshape(len(rows), -1)
        return computed


def places_of(known: Array) -> Mapping[Any, int]:
    """Map each known category to its position."""
    return {cell_key(value): place for place, value in enumerate(known.tolist())}


def _found(rows: Array | list[Array], column: int, places: Mapping[Any, int], *, refuse: bool) -> Array:
    """Find the position of each cell of a column, -1 for an unknown category; raise `Refusal`."""
    cells = (rows[column] if isinstance(rows, list) else rows[:, column]).tolist()
    known = list(map(places.get, cells))
    if None not in known:
        return np.array(known, np.intp)
    found = np.array([places.get(cell_key(cell), -1) for cell in cells], np.intp)
    if refuse and (found < 0).any():
        unknown = dict.fromkeys(cell for cell, place in zip(cells, found, strict=True) if place < 0)
        shown = [*unknown][:_MOST_SHOWN]
        raise Refusal(f"Found unknown categories {shown} in column {column} during transform", column)
    return found


def cell_key(value: Any) -> Any:
    """Return the key of a value in a dict: NaN is not equal to itself."""
    return value if value == value else ("nan",)  # noqa: PLR0124 - NaN
