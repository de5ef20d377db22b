"""Objects → the columns of a table, in a fraction of the time, where every value is there and of its column's own type.

Everything else is left to the makers of columns, which fill gaps, and refuse what a column cannot hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.data.dtypes import EXACT, Dtype

PlainColumns = Callable[[Sequence[Any]], dict[str, Array] | None]
"""Instances to their columns; None if a value is missing, or needs to be judged."""

_LEAST, _MOST = -(2**63), 2**63 - 1
_TYPES: Mapping[str, tuple[Any, Any]] = {  # of values, and of the arrays of them
    "bool": (bool, np.bool_),
    "float": (float, np.float64),
    "int": (int, np.int64),
    "string": (str, object),
}


def plain_columns(dtypes: Mapping[str, Dtype]) -> PlainColumns | None:
    """Return a function that makes columns of these dtypes; None if one of them is not as plain as that."""
    if len(dtypes) < 2 or any(dtype.kind not in _TYPES for dtype in dtypes.values()):  # noqa: PLR2004
        return None
    cells_of, plan = itemgetter(*dtypes), [(name, *_TYPES[dtype.kind]) for name, dtype in dtypes.items()]

    def make(instances: Sequence[Any]) -> dict[str, Array] | None:
        try:
            rows = [cells_of(instance) for instance in instances]
        except KeyError:
            return None
        return _one_row(plan, rows[0]) if len(rows) == 1 else _many_rows(plan, rows)

    return make


def _one_row(plan: Sequence[tuple[str, Any, Any]], cells: Sequence[Any]) -> dict[str, Array] | None:
    made: dict[str, Array] = {}
    for (name, kind, dtype), cell in zip(plan, cells, strict=True):
        if type(cell) is not kind and not (kind is float and type(cell) is int and -EXACT < cell < EXACT):
            return None
        if kind is int and not _LEAST <= cell <= _MOST:
            return None
        column = made[name] = np.empty(1, dtype)
        column[0] = cell
    return made


def _many_rows(plan: Sequence[tuple[str, Any, Any]], rows: Sequence[Sequence[Any]]) -> dict[str, Array] | None:
    made: dict[str, Array] = {}
    for (name, kind, dtype), cells in zip(plan, zip(*rows, strict=True), strict=True):
        kinds = {*map(type, cells)}
        if kinds != {kind} and not (kind is float and kinds <= {int, float}):
            return None
        try:
            column = made[name] = np.fromiter(cells, dtype, len(cells))
        except OverflowError:
            return None
        if kind is float and int in kinds and np.fmax.reduce(np.abs(column)) >= EXACT:
            return None
    return made
