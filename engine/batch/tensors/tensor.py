"""A tensor as it was sent: its name, its shape, and its values by columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import isinf, prod
from typing import Any

import numpy as np
import orjson

from engine.batch.tensors.datatypes import BrokenTensor, Cells, Datatype, cells_from_bytes, cells_from_json
from engine.schema import show


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor with its values in row-major order."""

    name: str
    shape: tuple[int, ...]
    datatype: Datatype
    cells: Cells

    @property
    def width(self) -> int | None:
        """How many columns each row has, None if its rows are single values."""
        return self.shape[1] if len(self.shape) == 2 else None  # noqa: PLR2004 - rows and columns

    def columns(self) -> list[Cells]:
        """Return the columns of a tensor of rows, as arrays of their own or as lists."""
        width = self.width
        if width in (None, 1):
            return [self.cells]
        if isinstance(self.cells, list):
            return [self.cells[place::width] for place in range(width)]
        return [*np.ascontiguousarray(self.cells.reshape(self.shape).T)]  # one copy, in which columns are read faster


def tensor_from_json(name: str, shape: tuple[int, ...], datatype: Datatype, data: list[Any]) -> Tensor:
    """Read a tensor whose values are flat or nested; raise `BrokenTensor`."""
    place = show(name)
    cells = _flat(data, place)
    count = prod(shape)
    if len(cells) != count:
        raise BrokenTensor(f"{place} has {len(cells):,} values, but its shape {list(shape)} has {count:,}")
    return Tensor(name, shape, datatype, cells_from_json(cells, datatype, place))


def tensor_from_bytes(name: str, shape: tuple[int, ...], datatype: Datatype, data: memoryview) -> Tensor:
    """Read a tensor whose values are bytes; raise `BrokenTensor`."""
    return Tensor(name, shape, datatype, cells_from_bytes(data, prod(shape), datatype, show(name)))


def texts_as_json(tensor: Tensor) -> Tensor:
    """Read each text of a tensor as JSON, as pandas' columns of several types are sent; raise `BrokenTensor`."""
    values: list[Any] = []
    for row, text in enumerate(tensor.cells):
        try:
            values.append(None if text is None else orjson.loads(text))
        except orjson.JSONDecodeError:
            raise BrokenTensor(
                f"the value at index {row} of {show(tensor.name)} is {show(text)}, which is not JSON, though its "
                "content_type says so"
            ) from None
    return replace(tensor, cells=values)


def values_of(cells: Cells) -> list[Any]:
    """Return cells as JSON has them, None for a gap; infinity stays, which JSON does not have."""
    if isinstance(cells, list):
        return cells
    values: list[Any] = cells.tolist()
    if cells.dtype.kind == "f" and np.isnan(cells).any():
        return [None if value != value else value for value in values]  # noqa: PLR0124 - only NaN differs from itself
    return values


def first_infinite(values: Sequence[Any]) -> int | None:
    """Return the row of the first infinity, None without one."""
    return next((row for row, value in enumerate(values) if isinstance(value, float) and isinf(value)), None)


def _flat(data: list[Any], place: str) -> list[Any]:
    """Take values out of lists, which must all be equally deep."""
    while data and list in (kinds := {*map(type, data)}):
        if len(kinds) > 1:
            raise BrokenTensor(f"{place} has values beside lists of values; nest them as its shape says, or not at all")
        data = list(chain.from_iterable(data))
    return data
