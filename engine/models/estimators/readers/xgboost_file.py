"""Files of XGBoost's own `save_model`, in binary JSON or in JSON: they contain no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.models.data.array import Array
from engine.models.estimators.readers.folder_class import require_class
from engine.models.estimators.readers.lacking_library import lacks_library
from engine.models.estimators.readers.sound_trees import (
    DamagedTree,
    reporting_damage,
    require_lengths,
    require_sound_tree,
)
from engine.spec import FileModel

_LFS = b"version https://git-lfs"
_CLASSES = ("binary:logistic", "multi:")
_ESTIMATORS = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
_KINDS = {"classifier": "XGBClassifier", "ranker": "XGBRanker", "regressor": "XGBRegressor"}
_CODES = 2**24  # of categories, which XGBoost can tell apart


def read(data: bytes, model: FileModel) -> Any:
    """Read the estimator in a file's bytes; raise `SpecError` if xgboost is not installed."""
    try:
        import xgboost  # noqa: PLC0415
    except ImportError as error:
        raise lacks_library(model, "an .ubj or .json", "xgboost", error) from None
    if data and not data.startswith((b"{", _LFS)):
        raise model.error(
            "the file is in XGBoost's old binary format, or damaged; open it with the XGBoost that saved it, and save "
            "it as .ubj or .json",
            "file",
        )
    if data.startswith(b"{") and not data.rstrip().endswith(b"}"):
        raise model.error("the model's file is cut off; copy it again, or save the model again", "file")
    if model.file.suffix.lower() == ".json":
        content = json.loads(data)
        with reporting_damage(model):
            require_sound_model(content)  # before the library, which trusts it
    booster = xgboost.Booster()
    booster.load_model(bytearray(data))
    with reporting_damage(model):
        require_sound_model(json.loads(booster.save_raw("json")))
    estimator = getattr(xgboost, _named_class(model) or _kind_of(booster))()
    estimator.load_model(bytearray(data))
    return estimator


def _named_class(model: FileModel) -> str | None:
    """Return the class that a model folder names; a booster there answers with numbers, as a regressor does."""
    if model.model_folder is None:
        return None
    named = model.model_folder.class_name
    require_class(model, named, (*_ESTIMATORS, "Booster"), "XGBoost")
    return "XGBRegressor" if named == "Booster" else named


def _kind_of(booster: Any) -> str:
    """Name the class that wrote a model, or that suits its objective."""
    said = json.loads(booster.attr("scikit_learn") or "{}").get("_estimator_type")
    if said in _KINDS:
        return _KINDS[said]
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    if objective.startswith(_CLASSES):
        return "XGBClassifier"
    return "XGBRanker" if objective.startswith("rank:") else "XGBRegressor"


def require_sound_model(content: Any) -> None:
    """Raise `DamagedTree` for a model whose trees cannot be walked; the library says what else is wrong."""
    try:
        learner = content["learner"]
        booster, parameters = learner["gradient_booster"], learner["learner_model_param"]
        model = booster.get("gbtree", booster).get("model", {})
        trees, groups = model.get("trees", ()), model.get("tree_info", ())
        width = int(parameters["num_feature"])
        outputs = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DamagedTree("the parameters of the model are not complete") from None
    require_lengths(len(trees), groups, booster.get("weight_drop", trees))
    if any(type(group) is not int or not 0 <= group < outputs for group in groups):
        raise DamagedTree(f"a tree is of another output than the model's {outputs}")
    for place, tree in enumerate(trees):
        try:
            if tree.get("id", place) != place:
                raise DamagedTree(f"its tree {place} has another number")
            _require_sound(tree, width)
        except (AttributeError, KeyError, OverflowError, TypeError) as error:
            raise DamagedTree(f"a tree is not complete: {error}") from None


def _require_sound(tree: Mapping[str, Any], width: int) -> None:
    names = ("left_children", "right_children", "split_indices")
    left, right, feature = (np.array(tree[name], np.int64) for name in names)
    require_lengths(len(left), tree["default_left"])
    if int(tree["tree_param"].get("size_leaf_vector", 1)) <= 1:
        require_lengths(len(left), tree["split_conditions"])
    require_sound_tree(left, right, feature, width)
    _require_parents(tree.get("parents"), left, right)
    codes = tree.get("categories", ())  # which old versions do not write
    nodes, begins, sizes = (tree.get(f"categories_{name}", ()) for name in ("nodes", "segments", "sizes"))
    require_lengths(len(nodes), begins, sizes)
    for node, begin, size in zip(nodes, begins, sizes, strict=True):
        is_there = 0 <= node < len(left) and left[node] != -1 and 0 <= begin <= begin + size <= len(codes)
        if not is_there or not all(0 <= code < _CODES for code in codes[begin : begin + size]):
            raise DamagedTree("a tree has categories that no node of it has")


def _require_parents(parents: Any, left: Array, right: Array) -> None:
    """Raise `DamagedTree` for nodes that have another parent than the one that leads to them."""
    if parents is None:
        return
    require_lengths(len(left), parents)
    inner = np.flatnonzero(left != -1)
    above = np.array(parents, np.int64)
    if (above[left[inner]] != inner).any() or (above[right[inner]] != inner).any():
        raise DamagedTree("a node has another parent than the one that leads to it")
