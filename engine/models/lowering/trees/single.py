"""Comparisons of float32 → the same comparisons of float64, so that rows need not be rounded.

A library that compares in float32 rounds each cell first. Since rounding never changes an order, the cells that it
rounds to a number or below are those up to one float64, the last one that is rounded to it.
"""

from __future__ import annotations

import numpy as np

from engine.models.data.array import Array

_BEYOND = 2.0**128 - 2.0**103  # the least number that float32 rounds to infinity


def at_most(numbers: Array) -> Array:
    """Return, for each number of float32, the last float64 that rounds to it or below."""
    bounds = np.asarray(numbers, np.float32)
    with np.errstate(all="ignore"):
        above = np.nextafter(bounds, np.float32(np.inf))
        middle = (bounds.astype(np.float64) + above.astype(np.float64)) / 2  # exact
    middle = np.where(np.isposinf(above), _BEYOND, np.where(np.isneginf(bounds), -_BEYOND, middle))
    is_even = bounds.view(np.uint32) & 1 == 0  # a tie is rounded to the even one
    last = np.where(is_even, middle, np.nextafter(middle, -np.inf))
    return np.where(np.isposinf(bounds), np.inf, last)


def below(numbers: Array) -> Array:
    """Return, for each number of float32, the last float64 that rounds to less."""
    with np.errstate(over="ignore"):
        return at_most(np.nextafter(np.asarray(numbers, np.float32), np.float32(-np.inf)))
