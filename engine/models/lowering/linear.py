"""Linear models and networks → products with their coefficients, and the steps after them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import linear_model, naive_bayes, neural_network
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

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
    elif isinstance(model, LinearDiscriminantAnalysis):
        methods["predict_proba"] = (s.Sigmoid(), s.Stack()) if binary else (s.Softmax(),)
    return Lowered(scores, methods)


def _logistic_probabilities(model: Any, *, binary: bool) -> Steps:
    if binary:
        return (s.Logistic(), s.Stack())
    return (s.Logistic(), s.Normalize()) if model.solver == "liblinear" else (s.Softmax(),)


def _generalized(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001 - the shape of the table
    """Lower a generalized linear model, whose mean is the exponential of the product, or that itself."""
    link = getattr(model, "link", "log")
    is_plain = link == "identity" or (link == "auto" and model.power <= 0)
    scores = (s.Check(), s.Dot(model.coef_), s.Arithmetic("add", np.asarray(model.intercept_)))
    return Lowered(scores, {"predict": () if is_plain else (s.Elementwise("exp"),)})


def _counting_bayes(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001 - the shape of the table
    """Lower naive Bayes of counts: the product with the logarithms of their chances."""
    product = (s.Check(), s.Dot(model.feature_log_prob_, transposed=True))
    is_complement = isinstance(model, naive_bayes.ComplementNB)
    if is_complement and len(model.classes_) == 1:
        raise NotLowered("ComplementNB of one class")
    prior: Steps = () if is_complement else (s.Arithmetic("add", model.class_log_prior_),)
    methods: dict[str, Steps] = {"predict": (s.Choose(known_classes(model)),), "predict_proba": (s.Softmax(),)}
    return Lowered((*product, *prior), methods)


def _network(model: Any) -> Steps:
    """Return the steps through the layers of a network, each a product and a function of each number."""
    steps: list[s.Step] = [s.Check()]
    for place, (weights, intercepts) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        steps += [s.Dot(weights), s.Arithmetic("add", intercepts)]
        name = model.activation if place < len(model.coefs_) - 1 else model.out_activation_
        steps += _ACTIVATIONS[name]
    return tuple(steps)


def _network_classifier(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001 - the shape of the table
    is_binary = model.out_activation_ == "logistic" and model.n_outputs_ == 1
    if not is_binary and model.out_activation_ != "softmax":
        raise NotLowered("MLPClassifier of several labels")
    chances: Steps = (s.Ravel(), s.Stack()) if is_binary else ()
    predict = s.Choose(known_classes(model), bar=0.5)
    return Lowered(_network(model), {"predict": (predict,), "predict_proba": chances})


def _network_regressor(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001 - the shape of the table
    return Lowered(_network(model), {"predict": (s.Squeeze(),)})


_ACTIVATIONS: Mapping[str, Steps] = {
    "exp": (s.Elementwise("exp"),),
    "identity": (),
    "logistic": (s.Sigmoid(),),
    "relu": (s.Arithmetic("maximum", np.array(0.0)),),
    "softmax": (s.Softmax(),),
    "tanh": (s.Elementwise("tanh"),),
}
GENERALIZED: Mapping[type, Callable[[Any, Lower], Lowered]] = {
    linear_model.GammaRegressor: _generalized,
    linear_model.PoissonRegressor: _generalized,
    linear_model.TweedieRegressor: _generalized,
    naive_bayes.ComplementNB: _counting_bayes,
    naive_bayes.MultinomialNB: _counting_bayes,
    neural_network.MLPClassifier: _network_classifier,
    neural_network.MLPRegressor: _network_regressor,
}


def _derives_from(name: str) -> Callable[[Any], bool]:
    return lambda estimator: isinstance(estimator, private_part(private_part(linear_model, "_base"), name))


# By their bases, which other libraries use for their linear models too.
LINEAR: tuple[tuple[Callable[[Any], bool], Callable[[Any, Lower], Lowered]], ...] = (
    (_derives_from("LinearClassifierMixin"), _linear_classifier),
    (_derives_from("LinearModel"), _linear_regressor),
)
