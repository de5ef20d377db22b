"""Tables of values by the bins of features → trees whose leaves are the cells of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.trees.tree import Tree


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """The bins of one feature: `last` has the last number of each bin but the highest, `places` each bin's place.

    `missing` is the place of NaN, None if there is no NaN. `count` is the length of this axis of the table.
    """

    feature: int
    last: Array
    places: Array
    missing: int | None
    count: int


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """A tree without values: `cells` has the place of each leaf in a flat table, 0 for other nodes."""

    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    cells: Array


def bins_tree(axes: Sequence[Bins], values: Array) -> Tree:
    """Make the tree of a table with an axis for each feature, and a last one for the outputs."""
    shape = _of_one(axes[0])
    for axis in axes[1:]:
        shape = _below_leaves(shape, _of_one(axis), axis.count)
    flat = values.reshape(-1, values.shape[-1])
    return Tree(shape.left, shape.right, shape.feature, shape.threshold, shape.missing_left, flat[shape.cells])


def _of_one(bins: Bins) -> _Shape:
    """Find a bin by bisection; NaN always goes to the left, where a last node takes it out."""
    left: list[int] = []
    right: list[int] = []
    threshold: list[float] = []
    cells: list[int] = []
    missing_left: list[bool] = []

    def add(bound: float, cell: int, *, missing: bool) -> int:
        for column, value in ((left, -1), (right, -1), (threshold, bound), (cells, cell), (missing_left, missing)):
            column.append(value)  # type: ignore[arg-type]
        return len(left) - 1

    def grow(begin: int, end: int) -> int:
        """Add the nodes of some bins; return the first one."""
        if end - begin > 1:
            middle = (begin + end) // 2
            node = add(float(bins.last[middle - 1]), 0, missing=True)
            left[node], right[node] = grow(begin, middle), grow(middle, end)
        elif begin == 0 and bins.missing is not None:
            node = add(np.inf, 0, missing=False)
            left[node] = add(0.0, int(bins.places[0]), missing=True)
            right[node] = add(0.0, bins.missing, missing=True)
        else:
            node = add(0.0, int(bins.places[begin]), missing=True)
        return node

    grow(0, len(bins.places))
    return _Shape(
        np.array(left),
        np.array(right),
        np.full(len(left), bins.feature),
        np.array(threshold),
        np.array(missing_left, np.uint8),
        np.array(cells),
    )


def _below_leaves(upper: _Shape, lower: _Shape, count: int) -> _Shape:
    """Put a copy of the `lower` tree in place of each leaf of the upper one, whose cells have `count` cells each."""
    leaves = np.flatnonzero(upper.left < 0)
    nodes, inner = len(upper.left), len(lower.left) - 1
    places = np.empty((len(leaves), inner + 1), np.int64)  # of each copy's nodes; a leaf is its copy's first node
    places[:, 0] = leaves
    places[:, 1:] = nodes + np.arange(len(leaves) * inner).reshape(len(leaves), inner)

    def joined(above: Array, below: Array) -> Array:
        made = np.empty(nodes + len(leaves) * inner, above.dtype)
        made[:nodes] = above
        made[places] = below
        return made

    def children(below: Array) -> Array:
        return np.where(below < 0, -1, places[:, below])

    return _Shape(
        joined(upper.left, children(lower.left)),
        joined(upper.right, children(lower.right)),
        joined(upper.feature, lower.feature),
        joined(upper.threshold, lower.threshold),
        joined(upper.missing_left, lower.missing_left),
        joined(upper.cells, np.where(lower.left < 0, upper.cells[leaves, None] * count + lower.cells, 0)),
    )
