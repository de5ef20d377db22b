"""CatBoost's JSON of a model → its trees."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.lowering.result import NotLowered
from engine.models.lowering.trees.single import at_most
from engine.models.lowering.trees.tree import Tree, make_table
from engine.models.runtime.tree_table import TreeTable

_MISSING_RIGHT = "AsTrue"


@dataclass(frozen=True, slots=True)
class CatBoostJson:
    """A model: its trees, the loss of its training, and what is done with their sums."""

    content: Mapping[str, Any]

    @property
    def loss(self) -> str:
        name: str = self.content["model_info"]["params"]["loss_function"]["type"]
        return name

    @property
    def scale(self) -> float:
        """The factor of a row's sums."""
        return float(self.content["scale_and_bias"][0])

    @property
    def bias(self) -> Array:
        """The number that is added to each of a row's sums."""
        return np.array(self.content["scale_and_bias"][1], np.float64)

    def table(self, width: int) -> TreeTable:
        """Make the table of all trees, in the order of CatBoost's sum; raise `NotLowered`."""
        kinds = sorted(kind for kind, features in self.content["features_info"].items() if features)
        if kinds != ["float_features"]:
            raise NotLowered("CatBoost with features that are not numbers")
        features = self.content["features_info"]["float_features"]
        if any(np.any(np.diff(feature["borders"] or ()) <= 0) for feature in features):
            raise NotLowered("CatBoost with borders that are not in order")  # it counts those below a number
        columns = np.array([feature["flat_feature_index"] for feature in features])
        missing_left = np.array([feature["nan_value_treatment"] != _MISSING_RIGHT for feature in features])
        return make_table(self._trees(columns, missing_left), width)

    def _trees(self, columns: Array, missing_left: Array) -> Iterator[Tree]:
        outputs = len(self.bias)
        for found in self.content.get("oblivious_trees", ()):
            yield _symmetric(found, columns, missing_left, outputs)
        for found in self.content.get("trees", ()):
            yield _any_tree(found, columns, missing_left, outputs)


def read_model(model: Any) -> CatBoostJson:
    """Read a CatBoost model, which writes JSON only into a file."""
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        file = Path(folder) / "model.json"
        model.save_model(str(file), format="json")
        return CatBoostJson(json.loads(file.read_bytes()))


def _symmetric(found: Mapping[str, Any], columns: Array, missing_left: Array, outputs: int) -> Tree:
    """Read a tree whose nodes of one level are all the same: the last split is the root."""
    splits = (found["splits"] or [])[::-1]
    inner = 2 ** len(splits) - 1
    levels = np.repeat(np.arange(len(splits)), 2 ** np.arange(len(splits)))
    values = np.zeros((2 * inner + 1, outputs))
    values[inner:] = np.reshape(found["leaf_values"], (-1, outputs))
    left = np.append(2 * np.arange(inner) + 1, np.full(inner + 1, -1))
    return _tree([splits[level] for level in levels], left, left + 1, values, (columns, missing_left))


def _any_tree(found: Mapping[str, Any], columns: Array, missing_left: Array, outputs: int) -> Tree:
    """Read a tree of nested nodes: the inner ones come first, then the leaves."""
    order = [found]
    for node in order:  # the list grows while it is read
        order += [node[side] for side in ("left", "right") if "split" in node]
    inner = [node for node in order if "split" in node]
    leaves = [node for node in order if "split" not in node]
    place = {id(node): number for number, node in enumerate((*inner, *leaves))}
    ends = [-1] * len(leaves)
    left, right = ([*(place[id(node[side])] for node in inner), *ends] for side in ("left", "right"))
    values = np.zeros((len(order), outputs))
    values[len(inner) :] = np.reshape([node["value"] for node in leaves], (-1, outputs))
    splits = [node["split"] for node in inner]
    return _tree(splits, np.array(left), np.array(right), values, (columns, missing_left))


def _tree(
    splits: Sequence[Mapping[str, Any]], left: Array, right: Array, values: Array, features: tuple[Array, Array]
) -> Tree:
    """Make a tree; a number goes to the right if it is above the border, in float32."""
    if any(split["split_type"] != "FloatFeature" for split in splits):
        raise NotLowered("CatBoost with features that are not numbers")
    columns, missing_left = features
    places = np.array([split["float_feature_index"] for split in splits], np.int64)
    rest = (0, len(left) - len(splits))
    return Tree(
        left=left,
        right=right,
        feature=np.pad(columns[places], rest),
        threshold=np.pad(at_most(np.array([split["border"] for split in splits], np.float32)), rest),
        missing_left=np.pad(missing_left[places], rest),
        values=values,
    )
