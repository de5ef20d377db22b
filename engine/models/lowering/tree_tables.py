"""scikit-learn's trees → `TreeTable`s."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.sklearn_private import private_part
from engine.models.runtime.tree_table import NODE, TreeTable


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    """One tree as it is in memory: -1 in `left` marks a leaf, `values` has a row for each node."""

    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    values: Array


def forest_table(members: Sequence[Any], columns: Sequence[Array] | None = None, width: int | None = None) -> TreeTable:
    """Read decision trees whose values are averaged: class fractions, or targets.

    If each tree has seen only a selection of the columns, `columns` has these, and `width` counts all columns.
    """
    trees = [_read(member.tree_, _leaf_values(member)) for member in members]
    if columns is not None:
        trees = [
            replace(tree, feature=np.asarray(own)[np.maximum(tree.feature, 0)])
            for tree, own in zip(trees, columns, strict=True)
        ]
    return _table(trees, width or members[0].n_features_in_)


def voting_table(members: Sequence[Any], weights: Array, classes: Array) -> TreeTable:
    """Read an AdaBoost classifier: a tree votes with its weight for one class, and a share of it against the others."""

    def values(member: Any, weight: float) -> Array:
        chosen = member.classes_.take(member.tree_.value[:, 0, :].argmax(axis=1))
        return np.where(chosen[:, None] == classes, weight, -1 / (len(classes) - 1) * weight)

    pairs = zip(members, weights, strict=False)
    return _table((_read(member.tree_, values(member, weight)) for member, weight in pairs), members[0].n_features_in_)


def members_table(members: Sequence[Any]) -> TreeTable:
    """Read regression trees, each of which has an output of its own."""

    def values(place: int, member: Any) -> Array:
        alone = np.zeros((member.tree_.node_count, len(members)))
        alone[:, place] = member.tree_.value[:, 0, 0]
        return alone

    trees = (_read(member.tree_, values(place, member)) for place, member in enumerate(members))
    return _table(trees, members[0].n_features_in_)


def gradient_boosting_table(model: Any, start: Array) -> TreeTable:
    """Read a GradientBoosting model; the first tree is a single leaf with the scores that it starts from."""
    outputs = model.estimators_.shape[1]

    def trees() -> Iterable[_Tree]:
        yield _stump(start)
        for stage in model.estimators_:
            for output, member in enumerate(stage):
                values = np.zeros((member.tree_.node_count, outputs))
                values[:, output] = model.learning_rate * member.tree_.value[:, 0, 0]
                yield _read(member.tree_, values)

    return _table(trees(), model.n_features_in_)


def histogram_table(model: Any) -> TreeTable:
    """Read a HistGradientBoosting model; the first tree is a single leaf with its baseline."""
    outputs = model.n_trees_per_iteration_

    def trees() -> Iterable[_Tree]:
        yield _stump(np.ravel(private_part(model, "_baseline_prediction")))
        for stage in private_part(model, "_predictors"):  # the trees have no public form
            for output, member in enumerate(stage):
                nodes = member.nodes
                leaf = nodes["is_leaf"].astype(bool)
                values = np.zeros((len(nodes), outputs))
                values[:, output] = nodes["value"]
                tree = _Tree(
                    left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
                    right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
                    feature=nodes["feature_idx"].astype(np.int64),
                    threshold=nodes["num_threshold"],
                    missing_left=nodes["missing_go_to_left"],
                    values=values,
                )
                by_code = np.flatnonzero(nodes["is_categorical"])
                sets = member.raw_left_cat_bitsets[nodes["bitset_idx"][by_code]] if len(by_code) else ()
                yield _by_thresholds(tree, dict(zip(by_code.tolist(), sets, strict=True)))

    return _table(trees(), model.n_features_in_)


def _by_thresholds(tree: _Tree, sets: Mapping[int, Array]) -> _Tree:
    """Turn nodes that send a set of codes to the left, each as bits, into nodes with thresholds between the codes.

    A set is a few ranges of codes, which are found by bisection. Several ranges lead to one branch: only its root is
    copied for each, since a node's children are adjacent, and the copies share the nodes below.
    """
    if not sets:
        return tree
    growing = _Growing(tree)
    for node in sorted(sets, reverse=True):  # from the leaves up, so that a copied root has its thresholds already
        growing.split(node, np.unpackbits(sets[node].astype("<u4").view(np.uint8), bitorder="little").astype(bool))
    return growing.tree()


class _Growing:
    """A tree whose nodes are changed and copied."""

    def __init__(self, tree: _Tree) -> None:
        self._values = tree.values
        self._left, self._right = tree.left.tolist(), tree.right.tolist()
        self._feature, self._threshold = tree.feature.tolist(), tree.threshold.tolist()
        self._missing_left = tree.missing_left.astype(bool).tolist()
        self._copy_of = list(range(len(self._left)))

    def split(self, node: int, goes_left: Array) -> None:
        """Split by thresholds; `goes_left` says of each code whether it goes to the left."""
        branches = {True: self._left[node], False: self._right[node]}
        ends = np.flatnonzero(goes_left[1:] != goes_left[:-1])
        sides = [*goes_left[ends].tolist(), False]  # no code is as large as the largest that a set can have
        if not len(ends):  # only missing values go to the left
            ends, sides = np.array([-1]), [True, False]
        self._grow(node, ends.tolist(), sides, branches, [])

    def _grow(
        self, node: int, ends: list[int], sides: list[bool], branches: Mapping[bool, int], used: list[bool]
    ) -> None:
        """Let a node distinguish ranges of codes: `ends` has the last code of each but the last."""
        middle = (len(sides) + 1) // 2
        halves = (ends[: middle - 1], sides[:middle]), (ends[middle:], sides[middle:])
        to_left, to_right = (self._branch(node, *half, branches, used) for half in halves)
        missing = self._missing_left[node]
        self._threshold[node], self._missing_left[node] = float(ends[middle - 1]), missing in sides[:middle]
        self._left[node], self._right[node] = to_left, to_right

    def _branch(
        self, node: int, ends: list[int], sides: list[bool], branches: Mapping[bool, int], used: list[bool]
    ) -> int:
        if len(sides) > 1:
            inner = self._copy(node)
            self._grow(inner, ends, sides, branches, used)
            return inner
        (side,) = sides
        used.append(side)
        return branches[side] if used.count(side) == 1 else self._copy(branches[side])

    def _copy(self, node: int) -> int:
        for column in (self._left, self._right, self._feature, self._threshold, self._missing_left, self._copy_of):
            column.append(column[node])
        return len(self._left) - 1

    def tree(self) -> _Tree:
        """Return the tree as it is now."""
        return _Tree(
            left=np.array(self._left),
            right=np.array(self._right),
            feature=np.array(self._feature),
            threshold=np.array(self._threshold),
            missing_left=np.array(self._missing_left, np.uint8),
            values=self._values[self._copy_of],
        )


def _leaf_values(member: Any) -> Array:
    """Return a row for each node: its targets, or the fractions of each output's classes, side by side."""
    values: Array = member.tree_.value
    if member.tree_.n_outputs == 1:
        return np.asarray(values[:, 0, :])
    if not hasattr(member, "classes_"):
        return np.asarray(values[:, :, 0])
    return np.hstack([values[:, output, :count] for output, count in enumerate(member.n_classes_)])


def _read(tree: Any, values: Array) -> _Tree:
    return _Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_go_to_left,
        values=values,
    )


def _stump(values: Array) -> _Tree:
    leaf = np.array([-1])
    return _Tree(leaf, leaf, np.array([0]), np.array([0.0]), np.array([0]), np.reshape(values, (1, -1)))


def _table(trees: Iterable[_Tree], width: int) -> TreeTable:
    nodes, missing, roots, leaves, values = [], [], [], [], []
    first, first_leaf = 0, 0
    for tree in trees:
        order = _children_side_by_side(tree)
        place = np.empty(len(tree.left), np.int64)
        place[order] = np.arange(len(order))
        leaf = tree.left[order] < 0
        table = np.empty(len(order), NODE)
        table["threshold"] = np.where(leaf, np.inf, tree.threshold[order])
        table["feature"] = np.where(leaf, 0, tree.feature[order])
        table["left"] = np.where(leaf, np.arange(len(order)), place[tree.left[order]]) + first
        nodes.append(table)
        missing.append(np.where(leaf, 0, 1 - tree.missing_left[order].astype(np.int64)).astype(np.uint8))
        leaves.append(np.where(leaf, np.cumsum(leaf) - 1 + first_leaf, 0).astype(np.int32))
        values.append(tree.values[order][leaf])
        roots.append(first)
        first += len(order)
        first_leaf += int(leaf.sum())
    distinct, row = _distinct(np.ascontiguousarray(np.concatenate(values), dtype=np.float64))
    return TreeTable(
        nodes=np.concatenate(nodes),
        missing_right=np.concatenate(missing),
        roots=np.array(roots, np.int32),
        leaves=row[np.concatenate(leaves)].astype(np.int32),
        values=distinct,
        width=int(width),
    )


def _distinct(values: Array) -> tuple[Array, Array]:
    """Return the distinct rows, compared by their bits, and the place of each row among them.

    Most leaves of a forest are pure, and a small table of values fits into a processor's cache.
    """
    bits = values.view(np.int64 if values.shape[1] == 1 else np.dtype((np.void, values.strides[0]))).ravel()
    _, first, row = np.unique(bits, return_index=True, return_inverse=True)
    return values[first], row


def _children_side_by_side(tree: _Tree) -> Array:
    """Order the nodes breadth first, so that a right child follows its left one."""
    left, right = tree.left.tolist(), tree.right.tolist()
    order, placed = [0], bytearray(len(left))
    for node in order:  # the list grows while it is read
        if left[node] >= 0 and not placed[left[node]]:
            placed[left[node]] = True
            order += [left[node], right[node]]
    return np.array(order)
