"""Linear models → a product with their coefficients, and the steps after it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn import linear_model

from engine.models.lowering.result import Lowered, Steps
from engine.models.lowering.sklearn_private import private_part
from engine.models.lowering.tree_models import known_classes
from engine.models.runtime import steps as s


def lower_linear(estimator: Any) -> Lowered | None:
    """Lower a linear model, by the base class that all of these have; None for another estimator."""
    bases = private_part(linear_model, "_base")
    if isinstance(estimator, private_part(bases, "LinearClassifierMixin")) and hasattr(estimator, "coef_"):
        return _linear_classifier(estimator)
    if isinstance(estimator, private_part(bases, "LinearModel")):
        return _linear_regressor(estimator)
    return None


def _linear_regressor(model: Any) -> Lowered:
    flat = model.coef_.ndim == 1
    scores = (s.Check(), s.Dot(model.coef_, transposed=not flat), s.Arithmetic("add", np.asarray(model.intercept_)))
    return Lowered(scores, {"predict": ()})


def _linear_classifier(model: Any) -> Lowered:
    coefficients, intercept = model.coef_, np.asarray(model.intercept_)
    scores = (s.Check(), s.Dot(coefficients, transposed=True), s.Arithmetic("add", intercept))
    binary = len(model.classes_) == 2  # noqa: PLR2004
    methods: dict[str, Steps] = {
        "predict": (s.Choose(known_classes(model)),),
        "decision_function": (s.Ravel(),) if binary else (),
    }
    if isinstance(model, linear_model.LogisticRegression):
        methods["predict_proba"] = _logistic_probabilities(model, binary=binary)
    return Lowered(scores, methods)


def _logistic_probabilities(model: Any, *, binary: bool) -> Steps:
    if binary:
        return (s.Logistic(), s.Stack())
    return (s.Logistic(), s.Normalize()) if model.solver == "liblinear" else (s.Softmax(),)
