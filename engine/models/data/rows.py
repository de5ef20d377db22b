"""Rows in any of their forms: an array, a table of columns, or a list of texts or objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.models.data.dtypes import Table

MAX_CELLS = 200_000
LEAST_ROWS = 50


def rows_within(most: int, width: int) -> int:
    """Return how many rows to make, fewer if they are wide, so that the work for all cells is bounded."""
    return min(most, max(LEAST_ROWS, MAX_CELLS // max(width, 1)))


def count_rows(rows: Any) -> int:
    """Count the rows."""
    return len(next(iter(rows.values()), ())) if isinstance(rows, Table) else len(rows)


def slice_rows(rows: Any, begin: int, end: int) -> Any:
    """Take some of the rows."""
    if isinstance(rows, Table):
        return Table({name: cells[begin:end] for name, cells in rows.items()}, rows.dtypes)
    return rows[begin:end]


def repeat_rows(rows: Any, count: int) -> Any:
    """Make `count` rows by repeating the given ones."""
    places = np.arange(count) % count_rows(rows)
    if isinstance(rows, Table):
        return Table({name: cells[places] for name, cells in rows.items()}, rows.dtypes)
    return [rows[place] for place in places] if isinstance(rows, list) else rows[places]


def join_rows(parts: Sequence[Any]) -> Any:
    """Put rows of one form together, in their order."""
    first = parts[0]
    if isinstance(first, Table):
        return Table({name: np.concatenate([part[name] for part in parts]) for name in first}, first.dtypes)
    return [row for part in parts for row in part] if isinstance(first, list) else np.concatenate(parts)
