"""Files of LightGBM's own `save_model`: its text, which contains no code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.estimators.readers.lacking_library import lacks_library
from engine.models.estimators.readers.sound_trees import (
    DamagedTree,
    reporting_damage,
    require_lengths,
    require_sound_tree,
)
from engine.spec import FileModel

_CLASSES = ("binary", "multiclass", "multiclassova")
_BY_CATEGORY = 1  # a bit of a node's decision_type
_NODES = ("left_child", "right_child", "split_feature", "decision_type", "threshold")
_TOLD = ("split_gain", "internal_value", "internal_weight", "internal_count", "leaf_value", "leaf_weight", "leaf_count")


class LightGBMRegressor:
    """A booster with the methods of an estimator: its numbers."""

    def __init__(self, booster: Any) -> None:
        self.booster_ = booster
        self.n_features_in_ = booster.num_feature()
        self.feature_names_in_ = np.array(booster.feature_name(), object)

    def predict(self, rows: Any) -> Array:
        """Return a number for each row."""
        computed: Array = self.booster_.predict(rows)
        return computed


class LightGBMClassifier(LightGBMRegressor):
    """A booster with the methods of a classifier, whose classes are numbered: the text has no others."""

    def __init__(self, booster: Any) -> None:
        super().__init__(booster)
        self.classes_ = np.arange(max(booster.num_model_per_iteration(), 2))

    def predict_proba(self, rows: Any) -> Array:
        """Return the probability of each class."""
        chances = super().predict(rows)
        both: Array = chances if chances.ndim > 1 else np.column_stack([1.0 - chances, chances])
        return both

    def predict(self, rows: Any) -> Array:
        """Return the most probable class."""
        chosen: Array = self.classes_.take(self.predict_proba(rows).argmax(axis=1))
        return chosen


def read(data: bytes, model: FileModel) -> Any:
    """Read the estimator that suits the objective in a file's bytes; raise `SpecError` if lightgbm is not installed."""
    try:
        import lightgbm  # noqa: PLC0415
    except ImportError as error:
        raise lacks_library(model, "a .txt", "lightgbm", error) from None
    text = data.decode()
    with reporting_damage(model):
        require_sound_text(text)  # before the library, which crashes
    booster = lightgbm.Booster(model_str=text, params={"verbose": -1})
    objective = next((line for line in text.splitlines() if line.startswith("objective=")), "objective=custom")
    # In a model folder, a booster answers with numbers, as it does for the library that wrote the folder.
    is_classifier = model.model_folder is None and objective.removeprefix("objective=").split()[0] in _CLASSES
    return LightGBMClassifier(booster) if is_classifier else LightGBMRegressor(booster)


def require_sound_text(text: str) -> None:
    """Raise `DamagedTree` for a text whose trees LightGBM cannot read or walk."""
    begin, end = text.find("\nTree="), text.find("\nend of trees")
    if not text.startswith("tree\n") or end < 0:
        raise DamagedTree('it begins with another line than "tree", or lacks the line "end of trees"')
    if "\nparameters:" in text[end:] and "\nend of parameters" not in text[end:]:
        raise DamagedTree('it lacks the line "end of parameters"')
    if begin < 0:
        raise DamagedTree("it has no trees")
    head = _lines(text[:begin])
    sizes = [int(size) for size in head.get("tree_sizes", "").split()]
    trees = text[begin:end].split("\nTree=")[1:]
    if len(sizes) != len(trees) or sum(sizes) != len(text[begin + 1 : end + 1].encode()):
        raise DamagedTree("its trees have other sizes than tree_sizes says")
    width, outputs = int(head.get("max_feature_idx", "-1")) + 1, int(head.get("num_tree_per_iteration", "0"))
    if width < 1 or not 0 < outputs <= int(head.get("num_class", "0")) or len(trees) % outputs:
        raise DamagedTree("its head is not that of its trees")
    for place, tree in enumerate(trees):
        if tree.partition("\n")[0] != str(place):
            raise DamagedTree(f"its tree {place} has another number")
        _require_sound(_lines(tree), width)


def _lines(text: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in text.splitlines())}


def _require_sound(lines: Mapping[str, str], width: int) -> None:
    count = int(lines.get("num_leaves", "0"))
    require_lengths(count, lines.get("leaf_value", "").split())
    if count < 1:
        raise DamagedTree("a tree has no leaves")
    for name in _TOLD:  # all of which LightGBM reads as numbers
        np.array(lines.get(name, "").split(), np.float64)
    columns = [np.array(lines.get(name, "").split(), np.float64) for name in _NODES]
    require_lengths(count - 1, *columns)
    left, right, feature, decisions = (column.astype(np.int64) for column in columns[:-1])
    if ((left == 0) | (right == 0) | (left < -count) | (right < -count) | (left >= count) | (right >= count)).any():
        raise DamagedTree("a tree leads to a node that it does not have")
    # The leaves, whose numbers have all bits inverted, stand behind the nodes.
    ends = np.full(count, -1)
    to_left, to_right = (np.append(np.where(side < 0, count - 1 + ~side, side), ends) for side in (left, right))
    require_sound_tree(to_left, to_right, np.append(feature, ends), width)
    _require_categories(lines, columns[-1][(decisions & _BY_CATEGORY) != 0])


def _require_categories(lines: Mapping[str, str], places: Array) -> None:
    """Raise `DamagedTree` for nodes that ask for a set of categories which the tree does not have."""
    bounds = [int(bound) for bound in lines.get("cat_boundaries", "0").split()]
    words = lines.get("cat_threshold", "").split()
    is_sound = bounds[0] == 0 and bounds == sorted(bounds) and bounds[-1] == len(words)
    if not is_sound or len(bounds) != int(lines.get("num_cat", "0")) + 1 or not all(word.isdigit() for word in words):
        raise DamagedTree("a tree's sets of categories are not complete")
    if not all(0 <= place < len(bounds) - 1 for place in places.tolist()):
        raise DamagedTree("a tree asks for a set of categories that it does not have")
