"""XGBoost's JSON of a model → its trees."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.estimators.booster_columns import xgboost_categories
from engine.models.lowering.result import NotLowered
from engine.models.lowering.trees.ranges import Ranges, join_equal_sides, split_by_ranges
from engine.models.lowering.trees.single import below
from engine.models.lowering.trees.tree import Tree, make_table, stump
from engine.models.runtime.tree_table import TreeTable

_FIRST_UNKNOWN = 2**24  # numbers from here on are no categories


@dataclass(frozen=True, slots=True)
class XGBoostJson:
    """The `learner` of a model: its trees, its objective and its parameters."""

    learner: Mapping[str, Any]

    @property
    def objective(self) -> str:
        name: str = self.learner["objective"]["name"]
        return name

    @property
    def outputs(self) -> int:
        """The number of sums for each row: one for each class of several, or for each target."""
        parameters = self.learner["learner_model_param"]
        return max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)

    @property
    def categories(self) -> Mapping[int, Sequence[Any]]:
        """The categories of the columns that had any in the table of the training."""
        columns = self._model.get("cats", {}).get("enc", ())
        return {place: _values(column) for place, column in enumerate(columns) if column["values"]}

    def table(self) -> TreeTable:
        """Make the table of the trees that predictions use, after one leaf with the scores from which sums start.

        If training stopped early, these are the trees up to the best iteration.
        """
        model, count = self._model, self._count()
        start = self._start()
        weights = self.learner["gradient_booster"].get("weight_drop")

        def trees() -> Iterator[Tree]:
            yield stump(start)
            for place, (found, group) in enumerate(zip(model["trees"][:count], model["tree_info"], strict=False)):
                leaves = np.array(found["split_conditions"], np.float32)
                if weights is not None:  # a dropped tree is weighed after it was added to the base score
                    leaves = (leaves + start[group] - start[group]) * np.float32(weights[place])
                values = np.zeros((len(leaves), self.outputs))
                values[:, group] = leaves
                yield _tree(found, values)

        return make_table(trees(), int(self.learner["learner_model_param"]["num_feature"]), single=True)

    @property
    def _model(self) -> Any:
        booster = self.learner["gradient_booster"]
        if booster["name"] not in ("gbtree", "dart"):
            raise NotLowered(f"XGBoost with booster={booster['name']}")
        return booster["gbtree"]["model"] if booster["name"] == "dart" else booster["model"]

    def _count(self) -> int:
        best, model = self.learner["attributes"].get("best_iteration"), self._model
        if best is None:
            return len(model["trees"])
        ends = model["iteration_indptr"]
        return int(ends[min(int(best) + 1, len(ends) - 1)])

    def _start(self) -> Array:
        """Return the scores from which sums start: `base_score` before the link of the objective."""
        text = self.learner["learner_model_param"]["base_score"]
        base = np.atleast_1d(np.array(json.loads(text), np.float32))
        with np.errstate(all="ignore"):
            if self.objective in ("binary:logistic", "reg:logistic"):
                base = -_log(np.float32(1) / base - np.float32(1))
            elif self.objective in EXPONENTIAL:
                base = _log(base)
        return np.broadcast_to(base, (self.outputs,))


def _log(values: Array) -> Array:
    """Compute the C library's `logf`, which differs from numpy's in the last bit."""
    try:
        logf = ctypes.CDLL(None).logf
    except (AttributeError, OSError):  # not in this process
        return np.log(values.astype(np.float64)).astype(np.float32)
    logf.restype, logf.argtypes = ctypes.c_float, [ctypes.c_float]
    return np.array([logf(value) for value in values.tolist()], np.float32)


EXPONENTIAL = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:aft", "survival:cox")


def read_json(text: bytes | bytearray) -> XGBoostJson:
    """Read a model, as `Booster.save_raw("json")` writes it."""
    return XGBoostJson(json.loads(text)["learner"])


def _values(column: Mapping[str, Any]) -> Sequence[Any]:
    try:
        return xgboost_categories(column)
    except ValueError:
        raise NotLowered("XGBoost with categories that are not ASCII") from None


def _tree(found: Mapping[str, Any], values: Array) -> Tree:
    """Read a tree with these values of its nodes.

    A number goes to the left if it is less than the condition, a category if it is not chosen.
    """
    if int(found["tree_param"].get("size_leaf_vector", 1)) > 1:
        raise NotLowered("XGBoost with multi_strategy=multi_output_tree")
    conditions = np.array(found["split_conditions"], np.float32)
    left = np.array(found["left_children"], np.int64)
    tree = Tree(
        left=left,
        right=np.array(found["right_children"], np.int64),
        feature=np.array(found["split_indices"], np.int64),
        threshold=below(conditions),
        missing_left=np.array(found["default_left"], bool),
        values=values,
    )
    sets = zip(found["categories_nodes"], found["categories_segments"], found["categories_sizes"], strict=True)
    ranges = {node: _of_categories(found["categories"][begin : begin + size]) for node, begin, size in sets}
    return split_by_ranges(tree, ranges)


def _of_categories(chosen: list[int]) -> Ranges:
    """Return the ranges of numbers that become chosen codes, which go to the right, if their fraction is cut off."""
    known = {code for code in chosen if code < _FIRST_UNKNOWN}
    codes = sorted({*known, *(code + 1 for code in known)})
    sides = [True, *(code not in known for code in codes)]
    return join_equal_sides(below(np.array(codes)).tolist(), sides)
