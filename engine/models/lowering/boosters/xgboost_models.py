"""XGBoost's estimators → a walk of their trees with sums in float32, and the link of their objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.models.lowering.boosters.category_columns import walk_columns
from engine.models.lowering.boosters.xgboost_json import EXPONENTIAL, XGBoostJson, read_json
from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.tree_models import known_classes
from engine.models.runtime import steps as s

_IDENTITY = (
    *("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror"),
    *("reg:expectileerror", "binary:logitraw", "rank:ndcg", "rank:map", "rank:pairwise"),
)


def _classifier(model: Any, lower: Lower) -> Lowered:
    found = _model_of(model)
    scores, classes = _scores(found, lower), known_classes(model)
    if found.objective in ("multi:softprob", "multi:softmax") and len(classes) == found.outputs:
        if found.objective == "multi:softmax":
            return Lowered(scores, {"predict": (s.Choose(classes.astype(np.int32)),)})
        chances: Steps = (s.Single(), s.SoftMaximum("single"))
        return Lowered(scores, {"predict": (*chances, s.Choose(classes)), "predict_proba": chances})
    if found.objective != "binary:logistic" or found.outputs != 1:
        raise NotLowered(f"XGBoost's classifier with the objective {found.objective}, or of several labels")
    chance: Steps = (s.Single(), s.SingleSigmoid())
    predict: Steps = (*chance, s.Choose(classes, bar=0.5))
    return Lowered(scores, {"predict": predict, "predict_proba": (*chance, s.Stack())})


def _regressor(model: Any, lower: Lower) -> Lowered:
    found = _model_of(model)
    ravel: Steps = (s.Ravel(),) if found.outputs == 1 else ()
    return Lowered(_scores(found, lower), {"predict": (*ravel, s.Single(), *_link(found.objective))})


def _model_of(model: Any) -> XGBoostJson:
    missing = model.missing
    if missing is not None and missing == missing:  # noqa: PLR0124 - NaN
        raise NotLowered(f"XGBoost with missing={missing}")
    return read_json(model.get_booster().save_raw("json"))


def _scores(found: XGBoostJson, lower: Lower) -> Steps:
    return walk_columns(found.table(), found.categories, lower)


def _link(objective: str) -> Steps:
    """Return the steps from a row's sums to XGBoost's answer."""
    if objective in _IDENTITY:
        return ()
    if objective in EXPONENTIAL:
        return (s.Exponential("single"),)
    if objective in ("reg:logistic", "binary:logistic"):
        return (s.SingleSigmoid(),)
    raise NotLowered(f"XGBoost with the objective {objective}")


XGBOOST: Mapping[str, Callable[[Any, Lower], Lowered]] = {
    "xgboost.sklearn.XGBClassifier": _classifier,
    "xgboost.sklearn.XGBRegressor": _regressor,
    "xgboost.sklearn.XGBRFClassifier": _classifier,
    "xgboost.sklearn.XGBRFRegressor": _regressor,
    "xgboost.sklearn.XGBRanker": _regressor,
}
