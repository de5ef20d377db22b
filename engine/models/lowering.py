"""Estimators → programs: one explicit table of scikit-learn's classes, each turned into its own operations.

A class that is not in the table, or an option of one that is not covered, raises `NotLowered` with the reason.
What is lowered is still only a candidate: the proof decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import linear_model

from engine.models import steps as s
from engine.models.deciding import Decision
from engine.models.ensembles import ENSEMBLES
from engine.models.kernels import KERNEL_MACHINES
from engine.models.lowered import Lower, Lowered, NotLowered, Steps
from engine.models.private import private_part
from engine.models.program import Program
from engine.models.transformers import preprocessing, transformer
from engine.models.treemodels import TREE_MODELS, known_classes
from engine.models.trees import TreeTable

Trees = Callable[[TreeTable], s.Step]


def lower(
    estimator: Any, response_method: str, trees: Trees, *, probabilities: bool, decision: Decision | None = None
) -> Program:
    """Make the program of a fitted estimator; `trees` makes the step that walks a tree ensemble.

    With a `decision`, that chooses the class from the probabilities in place of the estimator.
    """
    before, last = preprocessing(estimator)
    if response_method == "transform":
        return Program((*before, *transformer(last)), ())
    lowered = _Lower(trees).last(last)
    asked = response_method if decision is None else "predict_proba"
    for method in [asked] + ["predict_proba"] * probabilities:
        if method not in lowered.methods:
            raise NotLowered(f"{type(last).__name__}.{method}")
    chances = lowered.methods["predict_proba"] if probabilities else None
    result = (*lowered.methods[asked], *(decision.steps if decision is not None else ()))
    return Program((*before, *lowered.scores), result, chances)


class _Lower:
    """Lowers predictors with one kind of trees."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees

    def __call__(self, estimator: Any) -> Lowered:
        """Lower a predictor, or a pipeline that ends in one."""
        before, last = preprocessing(estimator)
        lowered = self.last(last)
        return Lowered((*before, *lowered.scores), lowered.methods)

    def last(self, estimator: Any) -> Lowered:
        """Lower the last step of a pipeline."""
        lowered = _PREDICTORS.get(type(estimator))
        if lowered is not None:
            return lowered(estimator, self)
        bases = private_part(linear_model, "_base")
        if isinstance(estimator, private_part(bases, "LinearClassifierMixin")) and hasattr(estimator, "coef_"):
            return _linear_classifier(estimator)
        if isinstance(estimator, private_part(bases, "LinearModel")):
            return _linear_regressor(estimator)
        raise NotLowered(type(estimator).__name__)


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


_PREDICTORS: Mapping[type, Callable[[Any, Lower], Lowered]] = {**TREE_MODELS, **ENSEMBLES, **KERNEL_MACHINES}
