"""Small trees as masks of leaves, for leaf_masks.c: a node whose test fails rules out the leaves on its left."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import numpy as np

from engine.models.data.array import Array
from engine.models.runtime.tree_table import TreeTable

MOST_LEAVES = 32  # of a tree: a bit for each
GROUP = 256  # trees at a time, whose masks for 8 rows stay in the nearest cache
_CUT = np.dtype([("threshold", "f8"), ("tree", "i4"), ("ruled", "i4")])
_RUN = np.dtype([("feature", "i4"), ("begin", "i4"), ("end", "i4")])


class LeafMasks:
    """The masks of an ensemble; `structure` is the struct `Masks` of leaf_masks.c.

    If rows are `narrow`, thresholds are rounded down to float32, which changes no comparison with a float32.
    """

    def __init__(self, table: TreeTable, narrow: bool) -> None:
        first, ruled, ranges = _leaf_ranges(table)
        cuts = np.flatnonzero(~table.is_leaf)
        trees = np.searchsorted(table.roots, cuts, side="right") - 1
        features, thresholds = table.nodes["feature"][cuts], table.nodes["threshold"][cuts]
        thresholds = _round_down(thresholds) if narrow else thresholds
        order = np.lexsort((thresholds, features, trees // GROUP))
        made = np.empty(len(cuts), _CUT)
        made["threshold"], made["tree"], made["ruled"] = thresholds[order], trees[order] % GROUP, ruled[cuts][order]
        used, places = np.unique(features, return_inverse=True)
        runs, groups = _runs(trees[order] // GROUP, places[order], -(-len(table.roots) // GROUP))
        # The leaves of each tree from the left to the right.
        values = np.ascontiguousarray(table.values[table.leaves[ranges]])
        self._arrays = (made, runs, groups, used.astype(np.int32), first, values)
        self.structure = _Masks(
            *(array.ctypes.data for array in self._arrays),
            len(groups) - 1, GROUP, len(used), len(table.roots), values.shape[1], table.width, table.single,
        )  # fmt: skip


def suits(table: TreeTable) -> bool:
    """Return whether each tree has few enough leaves, not all are leaves alone, and no branch is shared."""
    leaves = np.add.reduceat(table.is_leaf, table.roots)
    if leaves.max() > MOST_LEAVES or leaves.sum() == len(leaves):
        return False
    left = table.nodes["left"][~table.is_leaf]
    parents = np.bincount(np.concatenate([left, left + 1]), minlength=len(table.nodes))
    parents[table.roots] += 1
    return bool((parents == 1).all())


def _leaf_ranges(table: TreeTable) -> tuple[Array, Array, Array]:
    """Return the first leaf of each tree, the mask of the leaves on each node's left, and all leaves in their order."""
    levels = list(_levels(table))
    left, is_leaf = table.nodes["left"], table.is_leaf
    counts = is_leaf.astype(np.int64)
    for nodes in reversed(levels):
        counts[nodes] = counts[left[nodes]] + counts[left[nodes] + 1]
    begins = np.zeros(len(left), np.int64)  # the place of each node's first leaf in its tree
    for nodes in levels:
        begins[left[nodes]] = begins[nodes]
        begins[left[nodes] + 1] = begins[nodes] + counts[left[nodes]]
    on_left = np.where(is_leaf, 0, counts[left])
    ruled = ((np.int64(1) << on_left) - 1) << begins
    first = np.concatenate([[0], np.cumsum(counts[table.roots])[:-1]])
    trees = np.searchsorted(table.roots, np.flatnonzero(is_leaf), side="right") - 1
    ordered = np.empty(len(trees), np.int64)
    ordered[first[trees] + begins[is_leaf]] = np.flatnonzero(is_leaf)
    return first.astype(np.int32), ruled.astype(np.uint32).view(np.int32), ordered


def _levels(table: TreeTable) -> Iterator[Array]:
    """Yield the inner nodes of all trees, level by level."""
    nodes = table.roots.astype(np.int64)
    while len(nodes := nodes[~table.is_leaf[nodes]]):
        yield nodes
        nodes = np.concatenate([table.nodes["left"][nodes], table.nodes["left"][nodes] + 1])


def _runs(groups: Array, places: Array, count: int) -> tuple[Array, Array]:
    """Return the runs of equal features in each group of trees, and the first run of each group."""
    begins = np.flatnonzero(np.diff(groups, prepend=-1) | np.diff(places, prepend=-1))
    runs = np.empty(len(begins), _RUN)
    runs["feature"], runs["begin"], runs["end"] = places[begins], begins, np.append(begins[1:], len(groups))
    return runs, np.searchsorted(groups[begins], np.arange(count + 1)).astype(np.int32)


def _round_down(thresholds: Array) -> Array:
    """Return the largest float32 that is not above each threshold, as float64."""
    with np.errstate(over="ignore"):
        rounded = thresholds.astype(np.float32)
    above = rounded > thresholds
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    computed: Array = rounded.astype(np.float64)
    return computed


class _Masks(ctypes.Structure):
    """The struct `Masks` of leaf_masks.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("cuts", "runs", "groups", "features", "first", "values")),
        *(
            (name, ctypes.c_int64)
            for name in ("group_count", "group_size", "feature_count", "trees", "outputs", "width", "single")
        ),
    )
