"""scikit-learn's trees → `TreeTable`s."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.sklearn_private import private_part
from engine.models.lowering.trees.ranges import code_ranges, read_bits, split_by_ranges
from engine.models.lowering.trees.tree import Tree, make_table, stump
from engine.models.runtime.tree_table import TreeTable


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
    return make_table(trees, width or members[0].n_features_in_)


def voting_table(members: Sequence[Any], weights: Array, classes: Array) -> TreeTable:
    """Read an AdaBoost classifier: a tree votes with its weight for one class, and a share of it against the others."""

    def values(member: Any, weight: float) -> Array:
        chosen = member.classes_.take(member.tree_.value[:, 0, :].argmax(axis=1))
        return np.where(chosen[:, None] == classes, weight, -1 / (len(classes) - 1) * weight)

    pairs = zip(members, weights, strict=False)
    return make_table(
        (_read(member.tree_, values(member, weight)) for member, weight in pairs), members[0].n_features_in_
    )


def members_table(members: Sequence[Any]) -> TreeTable:
    """Read regression trees, each of which has an output of its own."""

    def values(place: int, member: Any) -> Array:
        alone = np.zeros((member.tree_.node_count, len(members)))
        alone[:, place] = member.tree_.value[:, 0, 0]
        return alone

    trees = (_read(member.tree_, values(place, member)) for place, member in enumerate(members))
    return make_table(trees, members[0].n_features_in_)


def gradient_boosting_table(model: Any, start: Array) -> TreeTable:
    """Read a GradientBoosting model; the first tree is a single leaf with the scores that it starts from."""
    outputs = model.estimators_.shape[1]

    def trees() -> Iterable[Tree]:
        yield stump(start)
        for stage in model.estimators_:
            for output, member in enumerate(stage):
                values = np.zeros((member.tree_.node_count, outputs))
                values[:, output] = model.learning_rate * member.tree_.value[:, 0, 0]
                yield _read(member.tree_, values)

    return make_table(trees(), model.n_features_in_)


def histogram_table(model: Any) -> TreeTable:
    """Read a HistGradientBoosting model; the first tree is a single leaf with its baseline."""
    outputs = model.n_trees_per_iteration_

    def trees() -> Iterable[Tree]:
        yield stump(np.ravel(private_part(model, "_baseline_prediction")))
        for stage in private_part(model, "_predictors"):  # the trees have no public form
            for output, member in enumerate(stage):
                nodes = member.nodes
                leaf = nodes["is_leaf"].astype(bool)
                values = np.zeros((len(nodes), outputs))
                values[:, output] = nodes["value"]
                tree = Tree(
                    left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
                    right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
                    feature=nodes["feature_idx"].astype(np.int64),
                    threshold=nodes["num_threshold"],
                    missing_left=nodes["missing_go_to_left"],
                    values=values,
                )
                by_code = np.flatnonzero(nodes["is_categorical"])
                sets = member.raw_left_cat_bitsets[nodes["bitset_idx"][by_code]] if len(by_code) else ()
                ranges = [code_ranges(read_bits(bits)) for bits in sets]
                yield split_by_ranges(tree, dict(zip(by_code.tolist(), ranges, strict=True)))

    return make_table(trees(), model.n_features_in_)


def _leaf_values(member: Any) -> Array:
    """Return a row for each node: its targets, or the fractions of each output's classes, side by side."""
    values: Array = member.tree_.value
    if member.tree_.n_outputs == 1:
        return np.asarray(values[:, 0, :])
    if not hasattr(member, "classes_"):
        return np.asarray(values[:, :, 0])
    return np.hstack([values[:, output, :count] for output, count in enumerate(member.n_classes_)])


def _read(tree: Any, values: Array) -> Tree:
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=tree.missing_go_to_left,
        values=values,
    )
