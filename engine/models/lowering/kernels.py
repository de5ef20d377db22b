"""Support vector machines and kernel ridge regression → a kernel, and the steps after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import svm
from sklearn.kernel_ridge import KernelRidge

from engine.models.data.array import Array
from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.sklearn_private import private_part
from engine.models.lowering.tree_models import known_classes
from engine.models.runtime import steps as s

_KERNELS = ("linear", "poly", "rbf", "sigmoid")


def _machine(model: Any) -> Steps:
    """Return the steps to the kernel of each row with each support vector."""
    if model.kernel not in _KERNELS or sparse.issparse(model.support_vectors_):
        raise NotLowered(f"{type(model).__name__} with another kernel, or fitted on sparse rows")
    kernel = s.Kernel(
        model.kernel,
        np.ascontiguousarray(model.support_vectors_),
        float(private_part(model, "_gamma")),  # "scale" depends on the rows of the training
        float(model.coef0),
        float(model.degree),
    )
    return (s.Check(), kernel)


def _regressor(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001 - the shape of the table
    scores: Steps = (*_machine(model), s.Dot(model.dual_coef_, transposed=True), s.Arithmetic("add", model.intercept_))
    return Lowered(scores, {"predict": (s.Ravel(),)})


def _one_class(model: Any, lower: Lower) -> Lowered:
    scores = _regressor(model, lower).scores
    choose = s.Choose(np.array([-1, 1]))
    return Lowered(scores, {"predict": (choose,), "decision_function": (s.Ravel(),)})


def _classifier(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001
    if model.break_ties:
        raise NotLowered(f"{type(model).__name__} with break_ties")
    count = len(model.classes_)
    # For two classes, scikit-learn shows libsvm's numbers with the opposite sign.
    sign = -1.0 if count == 2 else 1.0  # noqa: PLR2004
    dual, intercept = sign * model.dual_coef_, sign * model.intercept_
    scores: Steps = (*_machine(model), s.Dot(_pairs(model.n_support_, dual)), s.Arithmetic("add", intercept))
    classes = known_classes(model)
    if count == 2:  # noqa: PLR2004
        turned: s.Step = s.Arithmetic("multiply", np.array(-1.0))
        methods: dict[str, Steps] = {"predict": (s.Choose(classes, inclusive=True),), "decision_function": (s.Ravel(),)}
        return Lowered((*scores, turned), methods)
    by_class = (s.OneVsOne(count, confident=True),) if model.decision_function_shape == "ovr" else ()
    predict = (s.OneVsOne(count, confident=False), s.Choose(classes))
    return Lowered(scores, {"predict": predict, "decision_function": by_class})


def _pairs(n_support: Array, dual: Array) -> Array:
    """Return the support vectors' weights for each pair of classes: of shape (vectors, pairs), as libsvm sums them."""
    ends = np.cumsum(n_support)
    vectors = [slice(end - count, end) for end, count in zip(ends, n_support, strict=True)]
    pairs = list(combinations(range(len(vectors)), 2))
    weights = np.zeros((ends[-1], len(pairs)))
    for place, (one, other) in enumerate(pairs):
        weights[vectors[one], place] = dual[other - 1, vectors[one]]
        weights[vectors[other], place] = dual[one, vectors[other]]
    return weights


def _kernel_ridge(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001
    if model.kernel not in _KERNELS or model.kernel_params:
        raise NotLowered("KernelRidge with another kernel")
    gamma = 1.0 / model.n_features_in_ if model.gamma is None else float(model.gamma)
    kernel = s.Kernel(model.kernel, np.asarray(model.X_fit_), gamma, float(model.coef0), float(model.degree))
    return Lowered((s.Check(), kernel, s.Dot(model.dual_coef_)), {"predict": ()})


KERNEL_MACHINES: Mapping[type, Callable[[Any, Lower], Lowered]] = {
    KernelRidge: _kernel_ridge,
    svm.NuSVC: _classifier,
    svm.NuSVR: _regressor,
    svm.OneClassSVM: _one_class,
    svm.SVC: _classifier,
    svm.SVR: _regressor,
}
