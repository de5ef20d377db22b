"""The datatypes of tensors: how their values are written in JSON and in bytes, and which numbers they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from engine.batch.tensors.shortest import shortest_numbers
from engine.errors import EngineError
from engine.models.data.array import Array
from engine.models.data.dtypes import EXACT, NAN
from engine.schema import show

Cells = Any
"""Values in row-major order: an array of float64, of integers or of booleans, or a list; a gap is NaN or None."""
_LENGTH = 4  # bytes before each text


class BrokenTensor(EngineError):
    """The values of a tensor cannot be read."""


@dataclass(frozen=True, slots=True)
class Datatype:
    """A datatype; `dtype` is numpy's, in the byte order of the wire, None for texts."""

    name: str
    kind: Literal["bool", "float", "int", "text"]
    dtype: np.dtype[Any] | None


def _numeric(name: str, kind: Literal["float", "int"], code: str) -> Datatype:
    return Datatype(name, kind, np.dtype(f"<{code}"))


DATATYPES: Mapping[str, Datatype] = {
    one.name: one
    for one in (
        Datatype("BOOL", "bool", np.dtype("u1")),
        *(_numeric(f"INT{8 * size}", "int", f"i{size}") for size in (1, 2, 4, 8)),
        *(_numeric(f"UINT{8 * size}", "int", f"u{size}") for size in (1, 2, 4, 8)),
        *(_numeric(f"FP{8 * size}", "float", f"f{size}") for size in (2, 4, 8)),
        Datatype("BYTES", "text", None),
    )
}


def cells_from_json(cells: list[Any], datatype: Datatype, place: str) -> Cells:
    """Read the flat values of a tensor in JSON; raise `BrokenTensor` for one that the datatype does not hold."""
    kinds = {*map(type, cells)}
    if datatype.kind == "text":
        _require(cells, kinds, {str}, datatype, place)
        return cells
    if datatype.kind == "bool":
        _require(cells, kinds, {bool}, datatype, place)
        return cells if type(None) in kinds else np.array(cells, np.bool_)
    _require(cells, kinds, {int, float}, datatype, place)
    return _floats(cells, datatype, place) if datatype.kind == "float" else _integers(cells, kinds, datatype, place)


def cells_from_bytes(data: memoryview, count: int, datatype: Datatype, place: str) -> Cells:
    """Read `count` values in bytes; raise `BrokenTensor` for more or fewer bytes than these take, or broken ones."""
    if datatype.dtype is None:
        return _texts(data, count, place)
    if len(data) != count * datatype.dtype.itemsize:
        size = datatype.dtype.itemsize
        raise BrokenTensor(
            f"{place} has {len(data):,} bytes, but {count:,} values of {datatype.name} take {count * size:,}"
        )
    found = np.frombuffer(data, datatype.dtype)
    if datatype.kind == "bool":
        if found.size and found.max() > 1:
            raise BrokenTensor(f"{place} has the byte {found.max()} for a BOOL; send 0 or 1")
        return found.view(np.bool_)
    return shortest_numbers(found) if datatype.kind == "float" else found


def bytes_of(cells: Cells, datatype: Datatype) -> bytes:
    """Write values, none of them a gap, in bytes."""
    if datatype.dtype is None:
        texts = [one.encode() for one in cells]
        return b"".join(part for text in texts for part in (len(text).to_bytes(_LENGTH, "little"), text))
    return np.ascontiguousarray(cells, datatype.dtype).tobytes()


def _require(cells: Sequence[Any], kinds: set[type], allowed: set[type], datatype: Datatype, place: str) -> None:
    if kinds <= allowed | {type(None)}:
        return
    odd = next(place for place, cell in enumerate(cells) if cell is not None and type(cell) not in allowed)
    raise _unheld(cells[odd], odd, datatype, place)


def _floats(cells: list[Any], datatype: Datatype, place: str) -> Array:
    try:
        wide = np.array([NAN if cell is None else cell for cell in cells], np.float64)
    except OverflowError:
        odd = next(row for row, cell in enumerate(cells) if isinstance(cell, int) and abs(cell) > np.finfo(float).max)
        raise _unheld(cells[odd], odd, datatype, place) from None
    if datatype.name == "FP64":
        for row in np.flatnonzero(np.abs(wide) >= EXACT).tolist():
            if isinstance(cells[row], int) and cells[row] != int(wide[row]):
                raise _unheld(cells[row], row, datatype, place)
        return wide
    with np.errstate(over="ignore"):  # looked for below
        narrow = wide.astype(datatype.dtype)
    grown = np.flatnonzero(np.isinf(narrow) & np.isfinite(wide))
    if len(grown):
        raise _unheld(cells[grown[0]], int(grown[0]), datatype, place)
    return shortest_numbers(narrow)


def _integers(cells: list[Any], kinds: set[type], datatype: Datatype, place: str) -> Cells:
    """Read integers, which may be written as 3.0; a list if there are gaps, else an array."""
    bounds = np.iinfo(datatype.dtype or np.int64)
    least, most = int(bounds.min), int(bounds.max)
    if float in kinds:
        for row, cell in enumerate(cells):
            # An integer beyond 64 bits has become a float, which may round it up to the least one that is held.
            if isinstance(cell, float) and (not cell.is_integer() or (cell <= least < 0)):
                raise _unheld(cell, row, datatype, place)
        cells = [int(cell) if isinstance(cell, float) else cell for cell in cells]
    held = [cell for cell in cells if cell is not None] if type(None) in kinds else cells
    if held and (min(held) < least or max(held) > most):
        odd = next(row for row, cell in enumerate(cells) if cell is not None and not least <= cell <= most)
        raise _unheld(cells[odd], odd, datatype, place)
    return cells if len(held) < len(cells) else np.array(cells, datatype.dtype)


def _texts(data: memoryview, count: int, place: str) -> list[str]:
    """Read texts, each behind its length."""
    texts: list[str] = []
    at, size = 0, len(data)
    while at < size:
        begin = at + _LENGTH
        at = begin + int.from_bytes(data[at:begin], "little")
        if begin > size or at > size:
            raise BrokenTensor(f"{place} ends within its text {len(texts)}")
        try:
            texts.append(str(data[begin:at], "utf-8"))
        except UnicodeDecodeError:
            raise BrokenTensor(f"text {len(texts)} of {place} is not UTF-8") from None
        if len(texts) > count:
            break
    if len(texts) != count:
        more = "more" if len(texts) > count else f"only {len(texts):,}"
        raise BrokenTensor(f"the shape of {place} has {count:,} values, but its bytes have {more}")
    return texts


def _unheld(value: Any, row: int, datatype: Datatype, place: str) -> BrokenTensor:
    return BrokenTensor(f"the value at index {row} of {place} is {show(value)}, which {datatype.name} cannot hold")
