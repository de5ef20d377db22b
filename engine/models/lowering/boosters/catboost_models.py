"""CatBoost's estimators → a walk of their trees, and the link of their loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.models.lowering.boosters.catboost_json import CatBoostJson, read_model
from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.tree_models import known_classes
from engine.models.runtime import steps as s

_EXPONENTIAL = ("Poisson", "Tweedie")
_OTHER_ANSWERS = ("RMSEWithUncertainty", "LogLinQuantile", "Cox", "SurvivalAft", "PythonUserDefinedPerObject")
_USUAL_THRESHOLD = 0.5


def _classifier(model: Any, lower: Lower) -> Lowered:
    found, classes = read_model(model), known_classes(model)
    scores = _scores(model, found, lower)
    if found.loss in ("Logloss", "CrossEntropy") and len(classes) == 2:  # noqa: PLR2004
        if model.get_probability_threshold() != _USUAL_THRESHOLD:
            raise NotLowered("CatBoost with a threshold of its own")
        chances: Steps = (s.Ravel(), s.Sigmoid(), s.Stack())
        return Lowered(scores, {"predict": (s.Choose(classes),), "predict_proba": chances})
    links: Mapping[str, s.Step] = {"MultiClass": s.SoftMaximum("fmath"), "MultiClassOneVsAll": s.Sigmoid()}
    link = links.get(found.loss)
    if link is None or len(classes) != len(found.bias):
        raise NotLowered(f"CatBoostClassifier with the loss {found.loss}")
    return Lowered(scores, {"predict": (s.Choose(classes),), "predict_proba": (link,)})


def _regressor(model: Any, lower: Lower) -> Lowered:
    found = read_model(model)
    if found.loss in _OTHER_ANSWERS:
        raise NotLowered(f"CatBoostRegressor with the loss {found.loss}")
    ravel: Steps = (s.Ravel(),) if len(found.bias) == 1 else ()
    link: Steps = (s.Exponential("fmath"),) if found.loss in _EXPONENTIAL else ()
    return Lowered(_scores(model, found, lower), {"predict": (*ravel, *link)})


def _scores(model: Any, found: CatBoostJson, lower: Lower) -> Steps:
    trees = lower.trees(found.table(len(model.feature_names_)))  # n_features_in_ is not in its files
    scale: Steps = () if found.scale == 1 else (s.Arithmetic("multiply", np.array(found.scale)),)
    return (s.WholeAsSingle(), trees, *scale, s.Arithmetic("add", found.bias))


CATBOOST: Mapping[str, Callable[[Any, Lower], Lowered]] = {
    "catboost.core.CatBoostClassifier": _classifier,
    "catboost.core.CatBoostRegressor": _regressor,
    "catboost.core.CatBoostRanker": _regressor,
}
