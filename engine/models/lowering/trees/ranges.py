"""Nodes that send ranges of numbers to one side or the other → nodes with thresholds; so are sets of categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.result import NotLowered
from engine.models.lowering.trees.tree import Tree, breadth_first

MOST_NODES = 1_000_000  # of one tree

Ranges = tuple[Sequence[float], Sequence[bool]]
"""The last number of each range but the last one, and for each range whether it goes to the left."""


def split_by_ranges(tree: Tree, ranges: Mapping[int, Ranges]) -> Tree:
    """Turn nodes that distinguish ranges of numbers into nodes with thresholds between them, found by bisection.

    Several ranges lead to one branch: only its root is copied for each, since a node's children are adjacent, and the
    copies share the nodes below.
    """
    if not ranges:
        return tree
    growing = _Growing(tree)
    order = [node for node in breadth_first(tree).tolist() if node in ranges]
    for node in reversed(order):  # from the leaves up, so that a copied root has its thresholds already
        growing.split(node, *ranges[node])
    return growing.tree()


def join_equal_sides(ends: Sequence[float], sides: Sequence[bool]) -> Ranges:
    """Make one range of neighbouring ones that go to the same side."""
    kept = [place for place in range(len(ends)) if sides[place] != sides[place + 1]]
    return [ends[place] for place in kept], [*(sides[place] for place in kept), sides[-1]]


class _Growing:
    """A tree whose nodes are changed and copied."""

    def __init__(self, tree: Tree) -> None:
        self._values = tree.values
        self._left, self._right = tree.left.tolist(), tree.right.tolist()
        self._feature, self._threshold = tree.feature.tolist(), tree.threshold.tolist()
        self._missing_left = tree.missing_left.astype(bool).tolist()
        self._copy_of = list(range(len(self._left)))

    def split(self, node: int, ends: Sequence[float], sides: Sequence[bool]) -> None:
        """Split a node by thresholds; a missing value goes to the side of the node."""
        branches = {True: self._left[node], False: self._right[node]}
        if not ends or self._missing_left[node] not in sides:
            raise NotLowered("a split that sends every number to the same side")
        self._grow(node, ends, sides, branches, [])

    def _grow(
        self, node: int, ends: Sequence[float], sides: Sequence[bool], branches: Mapping[bool, int], used: list[bool]
    ) -> None:
        middle = (len(sides) + 1) // 2
        halves = (ends[: middle - 1], sides[:middle]), (ends[middle:], sides[middle:])
        to_left, to_right = (self._branch(node, *half, branches, used) for half in halves)
        missing = self._missing_left[node]
        self._threshold[node], self._missing_left[node] = float(ends[middle - 1]), missing in sides[:middle]
        self._left[node], self._right[node] = to_left, to_right

    def _branch(
        self, node: int, ends: Sequence[float], sides: Sequence[bool], branches: Mapping[bool, int], used: list[bool]
    ) -> int:
        if len(sides) > 1:
            inner = self._copy(node)
            self._grow(inner, ends, sides, branches, used)
            return inner
        (side,) = sides
        used.append(side)
        return branches[side] if used.count(side) == 1 else self._copy(branches[side])

    def _copy(self, node: int) -> int:
        if len(self._left) >= MOST_NODES:
            raise NotLowered(f"a tree whose categories need more than {MOST_NODES:,} nodes")
        for column in (self._left, self._right, self._feature, self._threshold, self._missing_left, self._copy_of):
            column.append(column[node])
        return len(self._left) - 1

    def tree(self) -> Tree:
        """Return the tree as it is now."""
        return Tree(
            left=np.array(self._left),
            right=np.array(self._right),
            feature=np.array(self._feature),
            threshold=np.array(self._threshold),
            missing_left=np.array(self._missing_left, np.uint8),
            values=self._values[self._copy_of],
        )


def read_bits(words: Array) -> Array:
    """Return the bits of 32-bit words as booleans, the lowest first."""
    return np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little").astype(bool)


def code_ranges(goes_left: Array) -> Ranges:
    """Return the ranges of codes; `goes_left` says of each one, and those beyond go to the right."""
    ends = np.flatnonzero(goes_left[1:] != goes_left[:-1])
    if not len(ends):  # only missing values go to the left
        return [-1.0], [True, False]
    return ends.astype(np.float64).tolist(), [*goes_left[ends].tolist(), False]
