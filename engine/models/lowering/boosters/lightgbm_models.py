"""LightGBM's estimators → a walk of their trees, and the link of their objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.models.estimators.booster_columns import booster_dtypes
from engine.models.estimators.readers.lightgbm_file import LightGBMClassifier, LightGBMRegressor
from engine.models.lowering.boosters.category_columns import walk_columns
from engine.models.lowering.boosters.lightgbm_text import LightGBMText, read_text
from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.tree_models import known_classes
from engine.models.runtime import steps as s

_IDENTITY = ("regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg")
_EXPONENTIAL = ("poisson", "gamma", "tweedie")


def _classifier(model: Any, lower: Lower) -> Lowered:
    text = _text_of(model)
    scores, link = _scores(model, text, lower), _link(text)
    classes = known_classes(model)
    if len(classes) != max(text.outputs, 2) or callable(getattr(model, "objective", None)):
        raise NotLowered("LGBMClassifier with an objective of its own, or with one class")
    chances: Steps = (*link, s.Stack()) if text.outputs == 1 else link
    methods: dict[str, Steps] = {"predict": (*chances, s.Choose(classes)), "predict_proba": chances}
    if not text.is_average:
        methods["decision_function"] = (s.Ravel(),) if text.outputs == 1 else ()
    return Lowered(scores, methods)


def _regressor(model: Any, lower: Lower) -> Lowered:
    text = _text_of(model)
    ravel = (s.Ravel(),) if text.outputs == 1 else ()
    return Lowered(_scores(model, text, lower), {"predict": (*ravel, *_link(text))})


def _text_of(model: Any) -> LightGBMText:
    """Read the trees that predictions use: those up to the best iteration, if training stopped early."""
    options = model.get_params() if hasattr(model, "get_params") else {}
    if options.get("pred_early_stop") or options.get("predict_disable_shape_check"):
        raise NotLowered("LightGBM with options of its predictions")
    return read_text(model.booster_.model_to_string())


def _scores(model: Any, text: LightGBMText, lower: Lower) -> Steps:
    table = text.table()
    average = (s.Arithmetic("divide", np.array(float(text.iterations))),) if text.is_average else ()
    return (*walk_columns(table, _categories(model, table.width), lower), *average)


def _categories(model: Any, width: int) -> Mapping[int, Sequence[Any]]:
    """Return the categories of the columns that had any in the table of the training."""
    known = model.booster_.pandas_categorical or ()
    found = {
        place: dtype.values
        for place, dtype in enumerate(booster_dtypes(model, width) if any(known) else ())
        if dtype is not None and dtype.kind == "category"
    }
    if [list(values) for values in found.values()] != [list(values) for values in known if len(values)]:
        raise NotLowered("LightGBM with categories that are neither texts nor numbers")
    return found


def _link(text: LightGBMText) -> Steps:
    """Return the steps from a row's sums to LightGBM's answer."""
    name, options = text.objective
    if name in ("binary", "multiclassova"):
        return (s.Sigmoid(float(options["sigmoid"])),)
    if name == "cross_entropy":
        return (s.Sigmoid(),)
    if name == "multiclass":
        return (s.SoftMaximum(),)
    if name in _EXPONENTIAL:
        return (s.Exponential(),)
    if name in _IDENTITY or (name == "regression" and "sqrt" not in options):
        return ()
    raise NotLowered(f"LightGBM with the objective {' '.join((name, *options))}")


LIGHTGBM: Mapping[str, Callable[[Any, Lower], Lowered]] = {
    "lightgbm.sklearn.LGBMClassifier": _classifier,
    "lightgbm.sklearn.LGBMRegressor": _regressor,
    "lightgbm.sklearn.LGBMRanker": _regressor,
    f"{LightGBMClassifier.__module__}.LightGBMClassifier": _classifier,
    f"{LightGBMRegressor.__module__}.LightGBMRegressor": _regressor,
}
