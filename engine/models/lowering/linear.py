"""Linear models → a product with their coefficients, and the steps after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import linear_model

from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.sklearn_private import private_part
from engine.models.lowering.tree_models import known_classes
from engine.models.runtime import steps as s


def _linear_regressor(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001 - the shape of the table
    flat = model.coef_.ndim == 1
    scores = (s.Check(), s.Dot(model.coef_, transposed=not flat), s.Arithmetic("add", np.asarray(model.intercept_)))
    return Lowered(scores, {"predict": ()})


def _linear_classifier(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001 - the shape of the table
    if not hasattr(model, "coef_"):
        raise NotLowered(type(model).__name__)
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


def _derives_from(name: str) -> Callable[[Any], bool]:
    return lambda estimator: isinstance(estimator, private_part(private_part(linear_model, "_base"), name))


# By their bases, which other libraries use for their linear models too.
LINEAR: tuple[tuple[Callable[[Any], bool], Callable[[Any, Lower], Lowered]], ...] = (
    (_derives_from("LinearClassifierMixin"), _linear_classifier),
    (_derives_from("LinearModel"), _linear_regressor),
)
