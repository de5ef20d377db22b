"""Narrow floats → float64: the shortest number that is the same float16 or float32.

The float32 7.9 is 7.900000095367432 exactly, which a schema with `maximum: 7.9` would refuse, and which is another
number for a model of float64. What is rounded to the narrow dtype again has the same bits as before.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.models.data.array import Array

_DIGITS = range(6, 10)  # decimals of so many digits survive any float32 but the least, and so many tell all apart
_TEXTS = 10_000  # at a time, of 128 bytes each
_POWERS: Array = np.array([10.0**exponent for exponent in range(23)])  # which float64 holds exactly
_LEAST, _MOST = -13, 22  # exponents for which these are enough


def shortest_numbers(cells: Array) -> Array:
    """Return floats of any width as float64."""
    if cells.dtype == np.float16:
        halves: Array = _halves()[cells.view(np.uint16)]
        return halves
    wide: Array = cells.astype(np.float64)
    if cells.dtype != np.float32:
        return wide
    with np.errstate(divide="ignore", invalid="ignore"):  # zeros, NaN and infinity stay as they are
        exponents = np.floor(np.log10(np.abs(wide)))
    usual = (exponents >= _LEAST) & (exponents < _MOST) & (np.abs(wide) >= np.finfo(cells.dtype).tiny)
    left = np.flatnonzero(usual)
    for digits in _DIGITS:
        if not len(left):
            break
        near = _rounded(wide[left], digits - 1 - exponents[left].astype(np.int64))
        found = near.astype(cells.dtype) == cells[left]
        wide[left[found]] = near[found]
        left = left[~found]
        if digits == _DIGITS.start:
            # A power of two has its neighbours at different distances, so that rounding may miss it.
            is_two = np.abs(np.frexp(wide[left])[0]) == 0.5  # noqa: PLR2004 - its fraction
            usual[left[is_two]] = False
            left = left[~is_two]
    rare = np.flatnonzero(~usual & np.isfinite(wide) & (wide != 0))
    for begin in range(0, len(rare), _TEXTS):
        some = rare[begin : begin + _TEXTS]
        wide[some] = _read_again(cells[some])
    return wide


@cache
def _halves() -> Array:
    """Return the numbers of all 65,536 float16, by their bits."""
    return _read_again(np.arange(2**16, dtype=np.uint16).view(np.float16))


def _rounded(numbers: Array, places: Array) -> Array:
    """Round each number to so many places behind its point, or before it, as if by its decimal digits."""
    up, down = _POWERS[np.maximum(places, 0)], _POWERS[np.maximum(-places, 0)]
    rounded: Array = np.rint(numbers * up / down) * down / up
    return rounded


def _read_again(cells: Array) -> Array:
    """Read the text that numpy writes of each float, which is the shortest one."""
    near = cells.astype(str).astype(np.float64)
    # A number half-way between two is not the same once it is rounded twice.
    same: Array = np.where(near.astype(cells.dtype) == cells, near, cells.astype(np.float64))
    return same
