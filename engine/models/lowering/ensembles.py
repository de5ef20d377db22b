"""Estimators made of other estimators → their members' results, side by side, and the steps that combine them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import ensemble, multiclass, multioutput
from sklearn.base import is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from engine.models.estimators.estimator_parts import numpy_function
from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.sklearn_private import private_part
from engine.models.lowering.tree_models import bagged_trees, known_classes
from engine.models.runtime import steps as s
from engine.models.runtime.threshold import Decision


def _voting_classifier(model: Any, lower: Lower) -> Lowered:
    members, weights = [lower(member) for member in model.estimators_], _weights(model)
    predict = s.Choose(known_classes(model))
    if model.voting == "soft":
        together = s.Concatenate(tuple(member.way("predict_proba") for member in members))
        return Lowered((together, s.Average(len(members), weights)), {"predict": (predict,), "predict_proba": ()})
    together = s.Concatenate(tuple(member.column() for member in members))
    return Lowered((together, s.CountVotes(len(model.classes_), weights)), {"predict": (predict,)})


def _voting_regressor(model: Any, lower: Lower) -> Lowered:
    together = s.Concatenate(tuple(lower(member).column() for member in model.estimators_))
    return Lowered((together, s.Average(len(model.estimators_), _weights(model))), {"predict": (s.Ravel(),)})


def _weights(model: Any) -> Any:
    """Return the weights of the members that were not dropped, or None if all are equal."""
    if model.weights is None:
        return None
    pairs = zip(model.weights, model.estimators, strict=True)
    return np.array([weight for weight, (_, member) in pairs if member != "drop"], np.float64)


def _bagging_classifier(model: Any, lower: Lower) -> Lowered:
    trees = bagged_trees(model, lower)
    if trees is not None:
        return trees
    if any(len(member.classes_) != len(model.classes_) for member in model.estimators_):
        raise NotLowered("a member that does not know every class")
    scores = _bagged(model, lower, lambda member: member.way("predict_proba"))
    return Lowered(scores, {"predict": (s.Choose(known_classes(model)),), "predict_proba": ()})


def _bagging_regressor(model: Any, lower: Lower) -> Lowered:
    trees = bagged_trees(model, lower)
    if trees is not None:
        return trees
    return Lowered(_bagged(model, lower, lambda member: member.column()), {"predict": (s.Ravel(),)})


def _bagged(model: Any, lower: Lower, way: Callable[[Lowered], Steps]) -> Steps:
    pairs = zip(model.estimators_, model.estimators_features_, strict=True)
    branches: tuple[Steps, ...] = tuple(
        (s.Select(np.asarray(columns)), *way(lower(member))) for member, columns in pairs
    )
    return (s.Concatenate(branches), s.Average(len(branches), None))


def _stacking(model: Any, lower: Lower) -> Lowered:
    branches: list[Steps] = []
    for member, method in zip(model.estimators_, model.stack_method_, strict=True):
        lowered = lower(member)
        single = method == "predict" or (hasattr(member, "classes_") and len(member.classes_) == 2)  # noqa: PLR2004
        branches.append(lowered.column(method) if single else lowered.way(method))
    if model.passthrough:
        branches.append(())
    final = lower(model.final_estimator_)
    methods = dict(final.methods)
    if hasattr(model, "classes_"):
        methods["predict"] = (*methods["predict"], s.Take(known_classes(model)))
    return Lowered((s.Concatenate(tuple(branches)), *final.scores), methods)


def _one_vs_rest(model: Any, lower: Lower) -> Lowered:
    if model.multilabel_ or len(model.estimators_) == 1:
        raise NotLowered("OneVsRestClassifier of two classes, or of several labels")
    members = [lower(member) for member in model.estimators_]
    scored = all("decision_function" in member.methods for member in members)
    if scored:
        together = s.Concatenate(tuple(member.column("decision_function") for member in members))
        return Lowered((together,), {"predict": (s.Choose(known_classes(model)),), "decision_function": ()})
    method = "predict" if all(map(is_regressor, model.estimators_)) else "predict_proba"
    together = s.Concatenate(tuple(member.column(method) for member in members))
    chances = {"predict_proba": (s.Normalize(),)} if method == "predict_proba" else {}
    return Lowered((together,), {"predict": (s.Choose(known_classes(model)),), **chances})


def _multi_output(model: Any, lower: Lower) -> Lowered:
    return Lowered(
        (s.Concatenate(tuple(lower(member).column() for member in model.estimators_)),),
        {"predict": ()},
    )


def _chain(model: Any, lower: Lower) -> Lowered:
    if getattr(model, "chain_method_", "predict") != "predict":
        raise NotLowered("a chain of other than predictions")
    links = tuple(s.Append(lower(member).column()) for member in model.estimators_)
    width = model.n_features_in_
    return Lowered((s.Check(), *links), {"predict": (s.Select(width + np.argsort(model.order_)),)})


def _delegating(model: Any, lower: Lower) -> Lowered:
    return lower(model.estimator_)


def _threshold(model: Any, lower: Lower) -> Lowered:
    member = getattr(model, "estimator_", model.estimator)
    methods = ("predict_proba", "decision_function") if model.response_method == "auto" else (model.response_method,)
    method = next((name for name in methods if hasattr(member, name)), methods[0])
    is_chance = method == "predict_proba"
    bar, label = _tuned(model) if isinstance(model, TunedThresholdClassifierCV) else (model.threshold, model.pos_label)
    if bar == "auto":
        bar = 0.5 if is_chance else 0.0
    classes = known_classes(model)
    place = 1 if label is None else classes.tolist().index(label)
    decision = Decision(classes, place, float(bar))
    if is_chance:
        decide = decision.steps
    else:  # a score is that of the second class, its negative that of the first
        against: Steps = (s.AsColumn(), s.Arithmetic("multiply", np.array([-1.0, 1.0])))
        decide = (*against, *decision.steps)
    lowered = lower(member)
    return Lowered(lowered.scores, {**lowered.methods, "predict": (*lowered.rest(method), *decide)})


def _tuned(model: Any) -> tuple[Any, Any]:
    """Return the tuned threshold, and the positive class that its score names or None for the second class."""
    scorer = private_part(model, "_curve_scorer")
    return model.best_threshold_, private_part(scorer, "_get_pos_label")()


def _transformed_target(model: Any, lower: Lower) -> Lowered:
    lowered = lower(model.regressor_)
    inverse = _inverse(model.transformer_)
    return Lowered(lowered.scores, {"predict": (*lowered.rest("predict"), *inverse)})


def _inverse(transformer: Any) -> Steps:
    if isinstance(transformer, StandardScaler) and transformer.scale_ is not None and len(transformer.scale_) == 1:
        steps: list[s.Step] = [s.Arithmetic("multiply", transformer.scale_)] * bool(transformer.with_std)
        return (*steps, *[s.Arithmetic("add", transformer.mean_)] * bool(transformer.with_mean))
    if not isinstance(transformer, FunctionTransformer) or transformer.inv_kw_args:
        raise NotLowered("TransformedTargetRegressor with a transformer of its own")
    function = transformer.inverse_func
    if function is None:
        return ()
    name = numpy_function(function)
    if name is None:
        raise NotLowered("TransformedTargetRegressor with a function of its own")
    return (s.Elementwise(name),)


ENSEMBLES: Mapping[type, Callable[[Any, Lower], Lowered]] = {
    FixedThresholdClassifier: _threshold,
    SelfTrainingClassifier: _delegating,
    TransformedTargetRegressor: _transformed_target,
    TunedThresholdClassifierCV: _threshold,
    ensemble.BaggingClassifier: _bagging_classifier,
    ensemble.BaggingRegressor: _bagging_regressor,
    ensemble.StackingClassifier: _stacking,
    ensemble.StackingRegressor: _stacking,
    ensemble.VotingClassifier: _voting_classifier,
    ensemble.VotingRegressor: _voting_regressor,
    multiclass.OneVsRestClassifier: _one_vs_rest,
    multioutput.ClassifierChain: _chain,
    multioutput.MultiOutputClassifier: _multi_output,
    multioutput.MultiOutputRegressor: _multi_output,
    multioutput.RegressorChain: _chain,
}
