"""scikit-learn's trees, forests and boosting → steps around one walk of all their trees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import ensemble, tree

from engine.models.data.array import Array
from engine.models.estimators.column_selections import column_selections
from engine.models.lowering.preprocessing.transformers import lower_transformer, select_columns
from engine.models.lowering.result import Lower, Lowered, NotLowered, Steps
from engine.models.lowering.sklearn_private import private_part
from engine.models.lowering.tree_tables import (
    forest_table,
    gradient_boosting_table,
    histogram_table,
    members_table,
    voting_table,
)
from engine.models.runtime import steps as s


def known_classes(model: Any) -> Array:
    """Return a classifier's classes as an array that can be saved."""
    return np.array(model.classes_.tolist()) if model.classes_.dtype == object else model.classes_


def _tree_classifier(model: Any, lower: Lower) -> Lowered:
    _refuse_monotonic(model)
    scores = _averaged(model, lower)
    if model.n_outputs_ == 1:
        return Lowered(scores, {"predict": (s.Choose(known_classes(model)),), "predict_proba": ()})
    if any(classes.dtype != model.classes_[0].dtype or classes.dtype == object for classes in model.classes_):
        raise NotLowered("outputs of several types")
    return Lowered(scores, {"predict": (s.ChooseEach(tuple(model.classes_)),)})


def _tree_regressor(model: Any, lower: Lower) -> Lowered:
    return Lowered(_averaged(model, lower), {"predict": (s.Ravel(),) if model.n_outputs_ == 1 else ()})


def _averaged(model: Any, lower: Lower) -> Steps:
    """Return the steps to a tree's values, or to the average of a forest's."""
    forest = getattr(model, "estimators_", None)
    members = [model] if forest is None else forest
    scores = (s.Narrow(_takes_missing(members[0])), lower.trees(forest_table(members)))
    return scores if forest is None else (*scores, _divided_by(len(forest)))


def _divided_by(number: float) -> s.Step:
    return s.Arithmetic("divide", np.array(float(number)))


def _refuse_monotonic(model: Any) -> None:
    binary = model.n_outputs_ == 1 and len(model.classes_) == 2  # noqa: PLR2004
    if getattr(model, "monotonic_cst", None) is not None and binary:
        raise NotLowered("trees with monotonic_cst")


def _takes_missing(member: Any) -> bool:
    """Return whether a decision tree accepts missing values."""
    try:
        member.predict(np.full((1, member.n_features_in_), np.nan, np.float32))
    except ValueError:
        return False
    return True


def bagged_trees(model: Any, lower: Lower) -> Lowered | None:
    """Lower a Bagging model of trees, each with its own selection of the columns; None if it has other members."""
    members = model.estimators_
    classifier = hasattr(model, "classes_")
    kind = tree.DecisionTreeClassifier if classifier else tree.DecisionTreeRegressor
    if not all(isinstance(member, kind) and member.n_outputs_ == 1 for member in members):
        return None
    if classifier and any(len(member.classes_) != len(model.classes_) for member in members):
        return None
    table = forest_table(members, model.estimators_features_, model.n_features_in_)
    scores = (s.Narrow(_takes_missing(members[0])), lower.trees(table), _divided_by(len(members)))
    if not classifier:
        return Lowered(scores, {"predict": (s.Ravel(),)})
    return Lowered(scores, {"predict": (s.Choose(known_classes(model)),), "predict_proba": ()})


def _ada_boost_classifier(model: Any, lower: Lower) -> Lowered:
    if not all(isinstance(member, tree.DecisionTreeClassifier) for member in model.estimators_):
        raise NotLowered("AdaBoostClassifier of other than trees")
    count = len(model.classes_)
    weights = model.estimator_weights_
    scores: Steps = (
        s.Check(),
        s.Narrow(),
        lower.trees(voting_table(model.estimators_, weights, model.classes_)),
        _divided_by(weights.sum()),
    )
    predict: Steps = (s.Choose(known_classes(model)),)
    if count == 2:  # noqa: PLR2004
        both: Steps = (s.Arithmetic("multiply", np.array([-1.0, 1.0])), s.RowSums())
        halves: Steps = (s.AsColumn(), s.Arithmetic("multiply", np.array([-1.0, 1.0])), _divided_by(2), s.Softmax())
        methods: dict[str, Steps] = {"predict": predict, "decision_function": (s.Ravel(),), "predict_proba": halves}
        return Lowered((*scores, *both), methods)
    chances = (_divided_by(count - 1), s.Softmax())
    return Lowered(scores, {"predict": predict, "decision_function": (), "predict_proba": chances})


def _ada_boost_regressor(model: Any, lower: Lower) -> Lowered:
    members = model.estimators_
    if not all(isinstance(member, tree.DecisionTreeRegressor) for member in members):
        raise NotLowered("AdaBoostRegressor of other than trees")
    median = s.WeightedMedian(model.estimator_weights_[: len(members)])
    return Lowered((s.Check(), s.Narrow(), lower.trees(members_table(members))), {"predict": (median,)})


def _gradient_boosting(model: Any, lower: Lower) -> Lowered:
    scores = (s.Narrow(), lower.trees(gradient_boosting_table(model, _start_of(model))))
    return Lowered(scores, _boosted_methods(model))


def _start_of(model: Any) -> Array:
    """Return the raw scores from which boosting starts, if they are the same for every row."""
    if isinstance(model.init_, str) and model.init_ == "zero":
        return np.zeros(model.estimators_.shape[1])
    if type(model.init_).__name__ not in ("DummyClassifier", "DummyRegressor"):
        raise NotLowered(f"{type(model).__name__} with an init of its own")
    start = private_part(model, "_raw_predict_init")
    computed: Array = np.asarray(start(np.zeros((1, model.n_features_in_), np.float32)))[0]
    return computed


def _histogram_boosting(model: Any, lower: Lower) -> Lowered:
    encoder = private_part(model, "_preprocessor")
    before = () if encoder is None else (_categories_first(encoder),)
    return Lowered((*before, lower.trees(histogram_table(model))), _boosted_methods(model))


def _categories_first(encoder: Any) -> s.Step:
    """Return the codes of the categories, then the other columns, as histogram boosting encodes its rows."""
    return s.Concatenate(
        tuple(
            select_columns(columns, lower_transformer(part) if hasattr(part, "categories_") else (s.Cast(),))
            for part, columns in column_selections(encoder)
            if len(columns)
        )
    )


def _boosted_methods(model: Any) -> Mapping[str, Steps]:
    if not hasattr(model, "classes_"):
        link = {"poisson": (s.Elementwise("exp"),), "gamma": (s.Elementwise("exp"),)}
        return {"predict": (s.Ravel(), *link.get(model.loss, ()))}
    if getattr(model, "loss", "log_loss") != "log_loss":
        raise NotLowered(f"{type(model).__name__} with loss {model.loss}")
    binary = len(model.classes_) == 2  # noqa: PLR2004
    histogram = isinstance(model, ensemble.HistGradientBoostingClassifier)
    return {
        "predict": (s.Choose(known_classes(model), inclusive=not histogram),),
        "predict_proba": (s.Ravel(), s.Sigmoid(), s.Stack()) if binary else (s.Softmax(),),
        "decision_function": (s.Ravel(),) if binary else (),
    }


TREE_MODELS: Mapping[type, Callable[[Any, Lower], Lowered]] = {
    ensemble.AdaBoostClassifier: _ada_boost_classifier,
    ensemble.AdaBoostRegressor: _ada_boost_regressor,
    ensemble.ExtraTreesClassifier: _tree_classifier,
    ensemble.ExtraTreesRegressor: _tree_regressor,
    ensemble.GradientBoostingClassifier: _gradient_boosting,
    ensemble.GradientBoostingRegressor: _gradient_boosting,
    ensemble.HistGradientBoostingClassifier: _histogram_boosting,
    ensemble.HistGradientBoostingRegressor: _histogram_boosting,
    ensemble.RandomForestClassifier: _tree_classifier,
    ensemble.RandomForestRegressor: _tree_regressor,
    tree.DecisionTreeClassifier: _tree_classifier,
    tree.DecisionTreeRegressor: _tree_regressor,
    tree.ExtraTreeClassifier: _tree_classifier,
    tree.ExtraTreeRegressor: _tree_regressor,
}
