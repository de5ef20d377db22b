"""scikit-learn's trees → `TreeTable`s."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.models.private import private_part
from engine.models.trees import NODE, Array, TreeTable


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

    Where each tree has seen a selection of the columns only, `columns` has these, and `width` counts all columns.
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
                yield _Tree(
                    left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
                    right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
                    feature=nodes["feature_idx"].astype(np.int64),
                    threshold=nodes["num_threshold"],
                    missing_left=nodes["missing_go_to_left"],
                    values=values,
                )

    return _table(trees(), model.n_features_in_)


def _leaf_values(member: Any) -> Array:
    """Give a row for each node: its targets, or the fractions of each output's classes, side by side."""
    values = member.tree_.value
    if member.tree_.n_outputs == 1:
        return values[:, 0, :]
    if not hasattr(member, "classes_"):
        return values[:, :, 0]
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
        place = np.empty(len(order), np.int64)
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
    order = [0]
    for node in order:  # the list grows while it is read
        if left[node] >= 0:
            order += [left[node], right[node]]
    return np.array(order)
