"""Trees whose nodes of one level all have the same test, as CatBoost makes them, for symmetric_trees.c."""

from __future__ import annotations

import ctypes

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.tree_table import TreeTable

_TEST = np.dtype([("threshold", "f8"), ("feature", "i4"), ("missing_right", "i4")])


class SymmetricTrees:
    """An ensemble of trees that `suit`; `structure` is the struct `Symmetric` of symmetric_trees.c."""

    def __init__(self, table: TreeTable) -> None:
        levels = np.log2(_sizes(table) + 1).astype(np.int64) - 1
        tests = np.repeat(table.roots, levels) + (1 << _places(levels)) - 1  # the first node of each level
        used, places = np.unique(table.nodes["feature"][tests], return_inverse=True)
        made = np.zeros(len(tests), _TEST)
        made["threshold"], made["feature"] = table.nodes["threshold"][tests], places
        made["missing_right"] = table.missing_right[tests]
        values = np.ascontiguousarray(table.values[table.leaves[table.is_leaf]])
        self._arrays = (made, _begins(levels), _begins(1 << levels), used.astype(np.int32), values)
        self.structure = _Symmetric(
            *(array.ctypes.data for array in self._arrays),
            len(used), len(levels), values.shape[1], table.width, table.single,
            _are_of_float32(made["threshold"]),
        )  # fmt: skip


def are_symmetric(table: TreeTable) -> bool:
    """Return whether all trees are full, level by level, each level with one test; and some are no leaf alone."""
    roots, sizes = table.roots, _sizes(table)
    if roots[0] or (sizes < 1).any() or (sizes & (sizes + 1)).any() or sizes.max() == 1:
        return False
    places = _places(sizes)  # of the nodes in their trees
    is_inner = places < np.repeat(sizes, sizes) // 2
    level = np.frexp(places + 1.0)[1] - 1
    first = np.repeat(roots, sizes) + (1 << level) - 1  # of its level
    same = table.nodes["left"] == np.repeat(roots, sizes) + 2 * places + 1
    for values in (table.nodes["feature"], table.nodes["threshold"], table.missing_right):
        same &= values == values[first]
    return bool(np.where(is_inner, same, table.is_leaf).all())


def _sizes(table: TreeTable) -> Array:
    """Return the number of nodes of each tree."""
    computed: Array = np.diff(np.append(table.roots.astype(np.int64), len(table.nodes)))
    return computed


def _begins(counts: Array) -> Array:
    """Return where each of some runs begins, and the end of the last one."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _places(counts: Array) -> Array:
    """Return the place of each item of some runs in its own run."""
    computed: Array = np.arange(counts.sum()) - np.repeat(_begins(counts)[:-1], counts)
    return computed


def _are_of_float32(thresholds: Array) -> bool:
    """Return whether rounding a cell and a threshold to float32 changes no comparison of theirs.

    It changes none if the next number above the threshold is rounded to a larger one than the threshold is.
    """
    with np.errstate(over="ignore"):
        above = np.nextafter(thresholds, np.inf).astype(np.float32)
        return bool((above > thresholds.astype(np.float32)).all())


class _Symmetric(ctypes.Structure):
    """The struct `Symmetric` of symmetric_trees.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("tests", "levels", "leaves", "features", "values")),
        *((name, ctypes.c_int64) for name in ("feature_count", "trees", "outputs", "width", "single", "floats")),
    )
