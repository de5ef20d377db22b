"""The largest number that a compiled model accepts: many cast their rows to float32, and refuse larger numbers."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable

import numpy as np

from engine.models.data.instances import Columns
from engine.models.runtime.answer import Refusal, Runtime, Stopped

FLOAT32_END = 3.4028235677973366e38  # the smallest number that float32 rounds to infinity (IEEE 754)
BELOW_FLOAT32_END = float(np.nextafter(FLOAT32_END, 0.0))


def largest_number(columns: Columns, runtime: Runtime) -> float | None:
    """Return the largest number that every column accepts at the same time, with either sign.

    None if every number is accepted, if rows have texts, so that none can be made up, or if the model fails on a number
    for another reason, which says nothing about larger ones.
    """
    if columns.form != "array" or columns.count is None:
        return None
    count = columns.count

    def takes(number: float) -> bool:
        try:
            for sign in (1.0, -1.0):
                runtime(np.full((1, count), sign * number))
        except Stopped:
            raise
        except Refusal:
            return False
        return True

    try:
        return _largest(takes)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a runtime may raise anything
        return None


def _largest(takes: Callable[[float], bool]) -> float | None:
    if takes(sys.float_info.max) or not takes(1.0):
        return None
    if takes(BELOW_FLOAT32_END) and not takes(FLOAT32_END):
        return BELOW_FLOAT32_END
    return _search(takes)


def _search(takes: Callable[[float], bool]) -> float:
    """Search among float64 numbers, whose bits, read as integers, are in their order."""
    low, high = _bits(1.0), _bits(sys.float_info.max)
    while high - low > 1:
        middle = (low + high) // 2
        if takes(_number(middle)):
            low = middle
        else:
            high = middle
    return _number(low)


def _bits(number: float) -> int:
    bits: int = struct.unpack(">q", struct.pack(">d", number))[0]
    return bits


def _number(bits: int) -> float:
    number: float = struct.unpack(">d", struct.pack(">q", bits))[0]
    return number
