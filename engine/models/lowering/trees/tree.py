"""A tree as plain arrays, and trees → a `TreeTable`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.result import NotLowered
from engine.models.runtime.tree_table import NODE, TreeTable


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree: -1 in `left` marks a leaf, `values` has a row for each node.

    A number goes to the left if it is at most the threshold, NaN if `missing_left`.
    """

    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    values: Array


def stump(values: Array) -> Tree:
    """Return a tree of one leaf, with one value for each output."""
    leaf = np.array([-1])
    return Tree(leaf, leaf, np.array([0]), np.array([0.0]), np.array([0]), np.reshape(values, (1, -1)))


def make_table(trees: Iterable[Tree], width: int, *, single: bool = False) -> TreeTable:
    """Make the table of trees in the order of their sum, which is computed in float32 if `single`."""
    nodes, missing, roots, leaves, values = [], [], [], [], []
    first, first_leaf = 0, 0
    for tree in trees:
        order = breadth_first(tree)
        place = np.empty(len(tree.left), np.int64)
        place[order] = np.arange(len(order))
        leaf = tree.left[order] < 0
        own = np.empty(len(order), NODE)
        own["threshold"] = np.where(leaf, np.inf, tree.threshold[order])
        own["feature"] = np.where(leaf, 0, tree.feature[order])
        own["left"] = np.where(leaf, np.arange(len(order)), place[tree.left[order]]) + first
        nodes.append(own)
        missing.append(np.where(leaf, 0, 1 - tree.missing_left[order].astype(np.int64)).astype(np.uint8))
        leaves.append(np.where(leaf, np.cumsum(leaf) - 1 + first_leaf, 0).astype(np.int32))
        values.append(tree.values[order][leaf])
        roots.append(first)
        first += len(order)
        first_leaf += int(leaf.sum())
    table = np.concatenate(nodes)
    if table["feature"].min() < 0 or table["feature"].max() >= width:  # C would read beyond a row
        raise NotLowered(f"trees of other features than the model's {width}")
    distinct, row = _distinct(np.ascontiguousarray(np.concatenate(values), dtype=np.float64))
    return TreeTable(
        nodes=table,
        missing_right=np.concatenate(missing),
        roots=np.array(roots, np.int32),
        leaves=row[np.concatenate(leaves)].astype(np.int32),
        values=distinct,
        width=int(width),
        single=single,
    )


def _distinct(values: Array) -> tuple[Array, Array]:
    """Return the distinct rows, compared by their bits, and the place of each row among them.

    Most leaves of a forest are pure, and a small table of values fits into a processor's cache.
    """
    bits = values.view(np.int64 if values.shape[1] == 1 else np.dtype((np.void, values.strides[0]))).ravel()
    _, first, row = np.unique(bits, return_index=True, return_inverse=True)
    return values[first], row


def breadth_first(tree: Tree) -> Array:
    """Order the nodes breadth first, so that a right child follows its left one."""
    left, right = tree.left.tolist(), tree.right.tolist()
    order, placed = [0], bytearray(len(left))
    for node in order:  # the list grows while it is read
        if left[node] >= 0 and not placed[left[node]]:
            placed[left[node]] = True
            order += [left[node], right[node]]
    return np.array(order)
