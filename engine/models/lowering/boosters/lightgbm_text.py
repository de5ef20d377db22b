"""LightGBM's text of a model → its trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.result import NotLowered
from engine.models.lowering.trees.ranges import Ranges, join_equal_sides, read_bits, split_by_ranges
from engine.models.lowering.trees.tree import Tree, make_table
from engine.models.runtime.tree_table import TreeTable

_ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold: a number no larger is zero
_BELOW_ZERO = float(np.nextafter(-_ZERO, -np.inf))
# The bits of a node's decision_type.
_BY_CATEGORY, _DEFAULT_LEFT, _MISSING = 1, 2, 12
_MISSING_NONE, _MISSING_ZERO = 0, 4


@dataclass(frozen=True, slots=True)
class LightGBMText:
    """A model: the lines of its head, and those of each tree."""

    head: Mapping[str, str]
    trees: Sequence[Mapping[str, str]]

    @property
    def outputs(self) -> int:
        """The number of trees in one iteration: one for each class of several."""
        return int(self.head["num_tree_per_iteration"])

    @property
    def iterations(self) -> int:
        return len(self.trees) // self.outputs

    @property
    def is_average(self) -> bool:
        """Whether the trees are averaged, as those of a random forest are."""
        return "average_output" in self.head

    @property
    def objective(self) -> tuple[str, Mapping[str, str]]:
        """The name of the objective, and its options; no name if there is none, or if it is the user's own."""
        name, *options = self.head.get("objective", "").split() or ["custom"]
        pairs = (option.partition(":") for option in options)
        return name, {key: value for key, _, value in pairs}

    def table(self) -> TreeTable:
        """Make the table of all trees, in the order of LightGBM's sum."""
        trees = (_tree(lines, place % self.outputs, self.outputs) for place, lines in enumerate(self.trees))
        return make_table(trees, int(self.head["max_feature_idx"]) + 1)


def read_text(text: str) -> LightGBMText:
    """Read a model's text, as `Booster.model_to_string` or `save_model` writes it."""
    head, *trees = text.partition("\nend of trees")[0].split("\nTree=")
    return LightGBMText(_lines(head), [_lines(tree) for tree in trees])


def _lines(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in text.splitlines())}


def _tree(lines: Mapping[str, str], output: int, outputs: int) -> Tree:
    """Read a tree: its inner nodes come first, then its leaves, whose numbers have all bits inverted."""
    if lines.get("is_linear", "0") != "0":
        raise NotLowered("LightGBM with linear_tree")
    leaves = _numbers(lines, "leaf_value", np.float64)
    inner = len(leaves) - 1
    values = np.zeros((inner + len(leaves), outputs))
    values[inner:, output] = leaves
    left, right = (_with_leaves(_numbers(lines, side, np.int64), inner) for side in ("left_child", "right_child"))
    decisions = np.pad(_numbers(lines, "decision_type", np.int64), (0, len(leaves)))
    thresholds = np.pad(_numbers(lines, "threshold", np.float64), (0, len(leaves)))
    missing = decisions & _MISSING
    default_left = (decisions & _DEFAULT_LEFT) != 0
    by_category = (decisions & _BY_CATEGORY) != 0
    tree = Tree(
        left=left,
        right=right,
        feature=np.pad(_numbers(lines, "split_feature", np.int64), (0, len(leaves))),
        threshold=_of_flushed(thresholds),
        missing_left=np.where(missing == _MISSING_NONE, thresholds >= 0, default_left) & ~by_category,
        values=values,
    )
    ranges = {
        node: _around_zero(thresholds[node], bool(default_left[node]))
        for node in np.flatnonzero((missing == _MISSING_ZERO) & ~by_category[: len(missing)]).tolist()
    }
    if by_category.any():
        bounds = _numbers(lines, "cat_boundaries", np.int64)
        words = _numbers(lines, "cat_threshold", np.uint32)
        for node in np.flatnonzero(by_category).tolist():
            place = int(thresholds[node])
            ranges[node] = _of_categories(read_bits(words[bounds[place] : bounds[place + 1]]))
    return split_by_ranges(tree, ranges)


def _numbers(lines: Mapping[str, str], key: str, dtype: type) -> Array:
    return np.array(lines.get(key, "").split(), dtype)


def _with_leaves(children: Array, inner: int) -> Array:
    """Put the leaves after the inner nodes; they have no children."""
    return np.append(np.where(children < 0, inner + ~children, children), np.full(inner + 1, -1))


def _of_flushed(thresholds: Array) -> Array:
    """Move the thresholds next to zero, since LightGBM takes every number that is almost zero for zero."""
    moved = np.where((thresholds >= -_ZERO) & (thresholds < 0), _BELOW_ZERO, thresholds)
    return np.where((thresholds >= 0) & (thresholds < _ZERO), _ZERO, moved)


def _around_zero(threshold: float, default_left: bool) -> Ranges:
    """Return the ranges of a node for which zero is a missing value."""
    ends = sorted({_BELOW_ZERO, _ZERO, threshold})
    sides = [default_left if _BELOW_ZERO < end <= _ZERO else end <= threshold for end in ends]
    return join_equal_sides(ends, [*sides, False])


def _of_categories(chosen: Array) -> Ranges:
    """Return the ranges of numbers that become the chosen codes, which go to the left, if their fraction is cut off."""
    ends = [-1.0, *np.nextafter(np.arange(1.0, len(chosen) + 1), -np.inf).tolist()]
    return join_equal_sides(ends, [False, *chosen.tolist(), False])
