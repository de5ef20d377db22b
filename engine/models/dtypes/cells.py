"""Cells of JSON → the arrays of a column; a cell that a column cannot hold is refused, never changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

import numpy as np

from engine.errors import RefusedInstance
from engine.models.dtypes.kinds import Dtype
from engine.models.trees import Array
from engine.validation import show

EXACT = 2**53  # float64 holds every integer up to here
NAN = float("nan")

Make = Callable[[Sequence[Any]], Array]
"""Cells, one for each row, to a column; raises `RefusedInstance`. A missing cell is NaN or None."""


def maker(name: str, dtype: Dtype) -> Make:
    """Give what makes a column of this dtype."""
    match dtype.kind:
        case "float":
            return lambda cells: _floats(cells, name)
        case "int":
            return lambda cells: _whole(cells, name)
        case "bool":
            return lambda cells: np.array(cells, np.bool_)
        case "datetime":
            return lambda cells: _times(cells, name, dtype.zone)
        case _:
            return _objects


def float_rows(rows: list[Any], names: Sequence[str], dtype: Any, *, gaps: bool) -> Array:
    """Make an array of rows of numbers, NaN among them if `gaps`; raise `RefusedInstance` for what no float is.

    Columns without `names` are numbered; without a `dtype` it is float64.
    """
    if len(rows) == 1 and not gaps:  # the usual request, where numpy's own maximum would take the longest
        if max(rows[0]) >= EXACT or min(rows[0]) <= -EXACT:
            _require_exact(rows, names)
        made = np.array(rows, np.float64)
    else:
        made = _float_array(rows, lambda: _require_exact(rows, names))
    return made if dtype is None else made.astype(dtype)


def whole_rows(rows: list[Any], names: Sequence[str]) -> Array:
    """Make an array of rows of integers; raise `RefusedInstance` for one beyond 64 bits."""
    made = np.array(rows)
    if made.dtype == np.int64:
        return made
    named = names or [f"item {place}" for place in range(len(rows[0]))]
    return np.column_stack([_whole([row[place] for row in rows], name) for place, name in enumerate(named)])


def _floats(cells: Sequence[Any], name: str) -> Array:
    return _float_array(cells, lambda: _require_exact([(cell,) for cell in cells], (name,)))


def _float_array(cells: Sequence[Any], require_exact: Callable[[], None]) -> Array:
    try:
        made = np.array(cells, np.float64)
    except OverflowError:  # an integer beyond every float
        require_exact()
        raise
    if np.fmax.reduce(np.abs(made), axis=None, initial=0.0) >= EXACT:  # 2**53 + 1 becomes 2**53
        require_exact()
    return made


def _require_exact(rows: Sequence[Sequence[Any]], names: Sequence[str]) -> None:
    for row, cells in enumerate(rows):
        for name, cell in zip(names or map("item {}".format, count()), cells, strict=False):
            if isinstance(cell, int) and abs(cell) > EXACT and not _is_exact(cell):
                reason = f"{name} is a float for the model, and no float is exactly {show(cell)}"
                raise RefusedInstance(row, reason)


def _is_exact(cell: int) -> bool:
    try:
        return int(float(cell)) == cell
    except OverflowError:
        return False


def _whole(cells: Sequence[Any], name: str) -> Array:
    made = np.array(cells)
    if made.dtype == np.int64:
        return made
    column = np.empty(len(cells), np.int64)
    for row, cell in enumerate(cells):
        if int(cell) != cell:
            raise RefusedInstance(row, f"{name} is an integer for the model, not {show(cell)}")
        try:
            column[row] = int(cell)
        except OverflowError:
            reason = f"{name} is a 64-bit integer for the model, which cannot hold {show(cell)}"
            raise RefusedInstance(row, reason) from None
    return column


def _times(cells: Sequence[Any], name: str, zone: str) -> Array:
    """Make times in UTC, or as a clock on the wall shows them where there is no zone."""
    column = np.empty(len(cells), "datetime64[us]")
    for row, cell in enumerate(cells):
        column[row] = _time(cell, row, name, zone) if isinstance(cell, str) else np.datetime64("NaT")
    return column


def _time(cell: str, row: int, name: str, zone: str) -> datetime:
    try:
        time = datetime.fromisoformat(cell)
    except ValueError:
        shape = "2024-01-31T12:00:00Z" if zone else "2024-01-31 or 2024-01-31T12:00:00"
        raise RefusedInstance(row, f"{name} must be a date or time such as {shape}, not {show(cell)}") from None
    if time.tzinfo is None:
        if zone:
            reason = f"{name} must have a time zone, as in {cell}Z: the model was trained on times with one"
            raise RefusedInstance(row, reason)
        return time
    if not zone and time.utcoffset():
        reason = f"{name} must be in UTC or have no time zone: the model was trained on times without one"
        raise RefusedInstance(row, reason)
    return time.astimezone(UTC).replace(tzinfo=None)


def _objects(cells: Sequence[Any]) -> Array:
    return np.array(cells, object)
