"""Mixtures of Gaussians → distances from their components, and the likelihood of a row under each component."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log, pi
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB

from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.tree_models import known_classes
from engine.models.runtime import steps as s


def _mixture(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001 - the shape of the table
    distances, determinants = _distances(model)
    likelihoods: Steps = (
        s.Check(),
        distances,
        s.Arithmetic("add", np.array(model.n_features_in_ * log(2 * pi))),
        s.Arithmetic("multiply", np.array(-0.5)),
        s.Arithmetic("add", determinants),
        s.Arithmetic("add", np.log(model.weights_)),
    )
    chosen = s.Choose(np.arange(model.n_components))
    methods: Mapping[str, Steps] = {
        "predict": (chosen,),
        "predict_proba": (s.Softmax(),),
        "score_samples": (s.LogSum(),),
    }
    return Lowered(likelihoods, methods)


def _distances(model: Any) -> tuple[s.Step, Any]:
    """Return the step to the distances, and the logarithm of each component's determinant."""
    means, factors = model.means_, model.precisions_cholesky_
    match model.covariance_type:
        case "full":
            determinants = np.log(factors.diagonal(axis1=1, axis2=2)).sum(axis=1)
            return _in_own_directions(means, tuple(factors)), determinants
        case "tied":
            return _in_own_directions(means, (factors,) * len(means)), np.log(factors.diagonal()).sum()
        case "diag":
            squares = factors**2
            constants = (means**2 * squares).sum(axis=1)
            return s.AxisDistances(constants, (means * squares).T, squares.T), np.log(factors).sum(axis=1)
    raise NotLowered("GaussianMixture with spherical covariances")


def _in_own_directions(means: Any, factors: tuple[Any, ...]) -> s.Step:
    centres = [mean @ factor for mean, factor in zip(means, factors, strict=True)]
    return s.Distances(factors, np.array(centres))


def _gaussian_bayes(model: Any, lower: Lower) -> Lowered:  # noqa: ARG001 - the shape of the table
    determinants = np.array([-0.5 * np.sum(np.log(2.0 * np.pi * one)) for one in model.var_])
    scores = (s.Check(), s.NormalScores(model.theta_, model.var_, determinants, np.log(model.class_prior_)))
    return Lowered(scores, {"predict": (s.Choose(known_classes(model)),), "predict_proba": (s.Softmax(),)})


MIXTURES: Mapping[type, Callable[[Any, Lower], Lowered]] = {GaussianMixture: _mixture, GaussianNB: _gaussian_bayes}
