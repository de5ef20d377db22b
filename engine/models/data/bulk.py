"""Whole columns → rows, the same as `Columns.convert` makes of instances, without an object for each instance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.data.dtypes import EXACT, NAN, OBJECTS, Dtype, Table, column_makers

Key = str | int
"""A feature's name, or its place in an instance that is an array."""

ColumnsToRows = Callable[[Mapping[Key, Any], int], Any]


class Unsure(Exception):
    """The columns contain a value that needs the checks of `Columns.convert`."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """Makes rows of columns: `make` gets the columns by key, and the number of rows.

    Those in `floats` are arrays of float64 with NaN for a missing value, if possible; all others are lists with None
    for a missing value. A column may be absent. `make` raises `Unsure` or `RefusedInstance` if each row must be
    checked.
    """

    make: ColumnsToRows
    floats: frozenset[Key] = frozenset()


def array_bulk(
    order: Sequence[Key], defaults: Mapping[Any, Any], used: Collection[Key], kind: str, *, single: bool
) -> Bulk | None:
    """Make an array of numbers; None for booleans, whose columns are rare."""
    if kind == "bool":
        return None
    dtype = np.float32 if single else np.float64

    def make(columns: Mapping[Key, Any], count: int) -> Array:
        rows = np.empty((count, len(order)))
        for place, key in enumerate(order):
            cells = columns.get(key) if key in used else None
            rows[:, place] = defaults[key] if cells is None else _filled(_as_floats(cells), defaults[key])
        if kind == "int":
            return _as_integers(rows)
        return rows if dtype is np.float64 else rows.astype(dtype)

    return Bulk(make, frozenset(order))


def table_bulk(dtypes: Mapping[str, Dtype], missing: Mapping[str, Any], used: Collection[str]) -> Bulk:
    """Make a table; columns that are not `used` are empty."""
    make = {name: one for name in used for _, one in column_makers({name: dtypes[name]})}
    floats: frozenset[Key] = frozenset(name for name in used if dtypes[name].kind in ("float", "int"))

    def column(name: str, cells: Any, count: int) -> Array:
        if name not in make:
            return np.full(count, None, object)
        gap = missing[name]
        if isinstance(cells, np.ndarray):
            filled = _filled(cells, gap)
            return _as_integers(filled) if dtypes[name].kind == "int" else filled
        if cells is None:
            cells = [None] * count
        if dtypes[name].kind in OBJECTS:
            return np.fromiter(
                cells if gap is None else (gap if cell is None else cell for cell in cells), object, count
            )
        [made] = make[name]([[gap if cell is None else cell] for cell in cells])
        return made

    return Bulk(
        lambda columns, count: Table({name: column(name, columns.get(name), count) for name in dtypes}, dtypes), floats
    )


def cells_bulk(order: Sequence[str], missing: Mapping[str, Any], used: Collection[str]) -> Bulk:
    """Make an array of cells of any type."""

    def make(columns: Mapping[Key, Any], count: int) -> Array:
        rows = np.empty((count, len(order)), dtype=object)
        for place, name in enumerate(order):
            cells = columns.get(name) if name in used else None
            gap = missing[name]
            rows[:, place] = [gap] * count if cells is None else [gap if cell is None else cell for cell in cells]
        return rows

    return Bulk(make)


TEXTS = Bulk(lambda columns, _: list(columns[0]))
"""Instances that are texts: the only column as it is."""


def _as_floats(cells: Any) -> Array:
    if isinstance(cells, np.ndarray):
        return cells
    made = np.array([NAN if cell is None else cell for cell in cells], np.float64)
    if np.fmax.reduce(np.abs(made), initial=0.0) >= EXACT:
        raise Unsure
    return made


def _as_integers(cells: Array) -> Array:
    if not (cells == np.floor(cells)).all():
        raise Unsure
    return cells.astype(np.int64)


def _filled(cells: Array, gap: Any) -> Array:
    return cells if gap is NAN else np.where(np.isnan(cells), float(gap), cells)
