"""Cells of JSON → the arrays of a column; a cell that a column cannot hold is refused, never changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from math import hypot
from typing import Any

import numpy as np

from engine.errors import RefusedInstance
from engine.models.data.array import Array
from engine.models.data.dtypes.kinds import Dtype
from engine.schema import show

EXACT = 2**53  # float64 holds every integer up to here
NAN = float("nan")
_FINER = re.compile(r"[.,]\d{6}\d*[1-9]", re.ASCII)  # digits that a time in microseconds would lose
OBJECTS = ("category", "object", "string")  # columns of cells as they are

Make = Callable[[list[list[Any]]], Iterable[Array]]
"""Rows of cells to their columns; raises `RefusedInstance`. A missing cell is NaN or None."""


def column_makers(dtypes: Mapping[str, Dtype]) -> Iterator[tuple[list[str], Make]]:
    """Return functions that make columns of their dtypes, each with the names of the columns that it makes together."""
    floats = [name for name, dtype in dtypes.items() if dtype.kind == "float"]
    objects = [name for name, dtype in dtypes.items() if dtype.kind in OBJECTS]
    if floats:
        make = float_rows(floats, None)
        yield floats, lambda rows: np.asfortranarray(make(rows).reshape(len(rows), len(floats))).T
    if objects:
        yield objects, lambda rows: np.array(rows, object, order="F").reshape(len(rows), len(objects), order="A").T
    yield from (([name], _maker(name, dtype)) for name, dtype in dtypes.items() if name not in {*floats, *objects})


def _maker(name: str, dtype: Dtype) -> Make:
    match dtype.kind:
        case "int":
            return lambda rows: [_whole([cell for (cell,) in rows], name)]
        case "bool":
            return lambda rows: np.array(rows, np.bool_).T
        case _:
            return lambda rows: [_times([cell for (cell,) in rows], name, dtype.zone)]


def float_rows(names: Sequence[str | int], dtype: Any) -> Callable[[list[Any]], Array]:
    """Return a function that makes an array of rows of numbers; it raises `RefusedInstance` for an inexact integer.

    Columns without `names` are numbered; without a `dtype` it is float64. A missing cell is NaN.
    """

    def make(rows: list[Any]) -> Array:
        try:  # no cell is larger than the norm of all, which is faster for one row than numpy's maximum
            is_small = len(rows) == 1 and (hypot(*rows[0]) < EXACT or hypot(*_known(rows[0])) < EXACT)
        except OverflowError:  # an integer beyond every float
            is_small = False
        made = np.array(rows, np.float64) if is_small else _float_array(rows, lambda: _require_exact(rows, names))
        return made if dtype is None else made.astype(dtype)

    return make


def _known(row: Sequence[Any]) -> list[Any]:
    return [cell for cell in row if cell == cell]  # noqa: PLR0124 - NaN


def whole_rows(rows: list[Any], names: Sequence[str | int]) -> Array:
    """Make an array of rows of integers; raise `RefusedInstance` for one beyond 64 bits."""
    made = np.array(rows)
    if made.dtype == np.int64:
        return made
    keys = names or range(len(rows[0]))
    return np.column_stack([_whole([row[place] for row in rows], key) for place, key in enumerate(keys)])


def _float_array(cells: Sequence[Any], require_exact: Callable[[], None]) -> Array:
    try:
        made = np.array(cells, np.float64)
    except OverflowError:  # an integer beyond every float
        require_exact()
        raise
    if np.fmax.reduce(np.abs(made), axis=None, initial=0.0) >= EXACT:  # 2**53 + 1 becomes 2**53
        require_exact()
    return made


def _require_exact(rows: Sequence[Sequence[Any]], names: Sequence[str | int]) -> None:
    for row, cells in enumerate(rows):
        for key, cell in zip(names or count(), cells, strict=False):
            if isinstance(cell, int) and abs(cell) > EXACT and not _is_exact(cell):
                reason = f"{_called(key)} is a float for the model, and no float is exactly {show(cell)}"
                raise RefusedInstance(row, reason, key=key)


def _called(key: str | int) -> str:
    return key if isinstance(key, str) else f"item {key}"


def _is_exact(cell: int) -> bool:
    try:
        return int(float(cell)) == cell
    except OverflowError:
        return False


def _whole(cells: Sequence[Any], key: str | int) -> Array:
    made = np.array(cells)
    if made.dtype == np.int64:
        return made
    column = np.empty(len(cells), np.int64)
    for row, cell in enumerate(cells):
        if int(cell) != cell:
            raise RefusedInstance(row, f"{_called(key)} is an integer for the model, not {show(cell)}", key=key)
        try:
            column[row] = int(cell)
        except OverflowError:
            shown = show(cell) if isinstance(cell, int) else f"a number as large as {show(cell)}"  # its digits are gone
            reason = f"{_called(key)} is a 64-bit integer for the model, which cannot hold {shown}"
            raise RefusedInstance(row, reason, key=key) from None
    return column


def _times(cells: Sequence[Any], name: str, zone: str) -> Array:
    """Make times in UTC, or local times if there is no zone."""
    column = np.empty(len(cells), "datetime64[us]")
    for row, cell in enumerate(cells):
        column[row] = _time(cell, row, name, zone) if isinstance(cell, str) else np.datetime64("NaT")
    return column


def _time(cell: str, row: int, name: str, zone: str) -> datetime:
    try:
        time = datetime.fromisoformat(cell)
    except ValueError:
        shape = "2024-01-31T12:00:00Z" if zone else "2024-01-31 or 2024-01-31T12:00:00"
        reason = f"{name} must be a date or time such as {shape}, not {show(cell)}"
        raise RefusedInstance(row, reason, key=name) from None
    if _FINER.search(cell):
        reason = f"{name} is a time in microseconds for the model, and {show(cell)} is more exact"
        raise RefusedInstance(row, reason, key=name)
    if time.tzinfo is None:
        if zone:
            reason = f"{name} must have a time zone, as in {cell}Z: the model was trained on times with one"
            raise RefusedInstance(row, reason, key=name)
        return time
    if not zone and time.utcoffset():
        reason = f"{name} must be in UTC or have no time zone: the model was trained on times without one"
        raise RefusedInstance(row, reason, key=name)
    return time.astimezone(UTC).replace(tzinfo=None)
