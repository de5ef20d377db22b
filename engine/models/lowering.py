"""Estimators → programs: one explicit table of scikit-learn's classes, each turned into its own operations.

A class that is not in the table, or an option of one that is not covered, raises `NotLowered` with the reason.
What is lowered is still only a candidate: the proof decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn import ensemble, linear_model, tree
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from engine.models import program as p
from engine.models.converting import transformer_graph
from engine.models.trees import Array, TreeTable
from engine.models.treetables import forest_table, gradient_boosting_table, histogram_table

Trees = Callable[[TreeTable], p.Step]
Steps = tuple[p.Step, ...]


class NotLowered(Exception):
    """An estimator, or one of its options, has no program."""


def lower(estimator: Any, response_method: str, trees: Trees, *, probabilities: bool) -> p.Program:
    """Make the program of a fitted estimator; `trees` makes the step that walks a tree ensemble."""
    before, last = _preprocessing(estimator)
    if response_method == "transform":
        return p.Program((*before, *_transformer(last)), ())
    scores, methods = _predictor(last, trees)
    wanted = [response_method] + ["predict_proba"] * probabilities
    for method in wanted:
        if method not in methods:
            raise NotLowered(f"{type(last).__name__}.{method}")
    chances = methods["predict_proba"] if probabilities else None
    return p.Program((*before, *scores), methods[response_method], chances)


def _preprocessing(estimator: Any) -> tuple[Steps, Any]:
    """Split an estimator into the steps before its last one, and that one."""
    if hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if not isinstance(estimator, Pipeline):
        return (), estimator
    steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
    if not steps or estimator.steps[-1][1] in (None, "passthrough"):
        raise NotLowered("a pipeline without a last step")
    before = tuple(operation for step in steps[:-1] for operation in _transformer(step))
    inner, last = _preprocessing(steps[-1])
    return (*before, *inner), last


def _transformer(step: Any) -> Steps:
    if isinstance(step, Pipeline):
        before, last = _preprocessing(step)
        return (*before, *_transformer(last))
    lowered = _TRANSFORMERS.get(type(step))
    if lowered is None and isinstance(step, SelectorMixin):
        lowered = _selector
    if lowered is not None:
        return lowered(step)
    try:
        return transformer_graph(step)
    except Exception as error:
        raise NotLowered(type(step).__name__) from error


def _predictor(estimator: Any, trees: Trees) -> tuple[Steps, Mapping[str, Steps]]:
    lowered = _PREDICTORS.get(type(estimator))
    if lowered is not None:
        return lowered(estimator, trees)
    if isinstance(estimator, LinearClassifierMixin) and hasattr(estimator, "coef_"):
        return _linear_classifier(estimator)
    if isinstance(estimator, LinearModel):
        return _linear_regressor(estimator)
    raise NotLowered(type(estimator).__name__)


# Transformers


def _standard_scaler(step: Any) -> Steps:
    steps: list[p.Step] = [p.Check(missing=True)]
    steps += [p.Arithmetic("subtract", step.mean_)] * bool(step.with_mean)
    steps += [p.Arithmetic("divide", step.scale_)] * bool(step.with_std)
    return tuple(steps)


def _min_max_scaler(step: Any) -> Steps:
    scaled = (p.Check(missing=True), p.Arithmetic("multiply", step.scale_), p.Arithmetic("add", step.min_))
    low, high = step.feature_range
    return (*scaled, p.Clip(float(low), float(high))) if step.clip else scaled


def _max_abs_scaler(step: Any) -> Steps:
    scaled = (p.Check(missing=True), p.Arithmetic("divide", step.scale_))
    return (*scaled, p.Clip(-1.0, 1.0)) if getattr(step, "clip", False) else scaled


def _robust_scaler(step: Any) -> Steps:
    steps: list[p.Step] = [p.Check(missing=True)]
    steps += [p.Arithmetic("subtract", step.center_)] * bool(step.with_centering)
    steps += [p.Arithmetic("divide", step.scale_)] * bool(step.with_scaling)
    return tuple(steps)


def _imputer(step: Any) -> Steps:
    if step.add_indicator or not (isinstance(step.missing_values, float) and np.isnan(step.missing_values)):
        raise NotLowered("SimpleImputer with add_indicator or missing_values")
    values = step.statistics_
    if values.dtype == object:
        return (p.FillTexts(values),)
    kept = np.flatnonzero(~np.isnan(values)) if not step.keep_empty_features else np.arange(len(values))
    select = (p.Select(kept),) if len(kept) < len(values) else ()
    return (*select, p.Check(missing=True), p.Impute(values[kept]))


def _pca(step: Any) -> Steps:
    if step.whiten:
        raise NotLowered("PCA with whiten")
    offset = (step.mean_.reshape(1, -1) @ step.components_.T).ravel()
    return (p.Check(), p.Dot(step.components_, transposed=True), p.Arithmetic("subtract", offset))


def _truncated_svd(step: Any) -> Steps:
    return (p.Check(), p.Dot(step.components_, transposed=True))


def _selector(step: Any) -> Steps:
    return (p.Check(missing=True), p.Select(np.flatnonzero(step.get_support())))


def _one_hot(step: Any) -> Steps:
    if step.handle_unknown not in ("error", "ignore") or step.min_frequency or step.max_categories:
        raise NotLowered("OneHotEncoder with infrequent categories")
    dropped = [-1] * len(step.categories_) if step.drop_idx_ is None else step.drop_idx_
    places = tuple(-1 if place is None else int(place) for place in dropped)
    return (p.OneHot(tuple(step.categories_), places, step.handle_unknown == "ignore"),)


def _column_transformer(step: Any) -> Steps:
    branches: list[Steps] = []
    for name, transformer, _ in step.transformers_:
        columns = np.asarray(step._transformer_to_input_indices[name], dtype=np.int64)  # noqa: SLF001 - no public way
        if (isinstance(transformer, str) and transformer == "drop") or not len(columns):
            continue
        inner = () if isinstance(transformer, str) else _transformer(transformer)
        branches.append((p.Select(columns), *inner))
    if not branches:
        raise NotLowered("ColumnTransformer that keeps no column")
    return (p.Concatenate(tuple(branches)),)


def _feature_union(step: Any) -> Steps:
    if step.transformer_weights:
        raise NotLowered("FeatureUnion with weights")
    return (p.Concatenate(tuple(_transformer(part) for _, part in step.transformer_list if part != "drop")),)


def _polynomial(step: Any) -> Steps:
    combinations = [np.repeat(np.arange(len(powers)), powers) for powers in step.powers_]
    longest = max(map(len, combinations))
    padded = np.full((len(combinations), longest), -1)
    for row, combination in zip(padded, combinations, strict=True):
        row[longest - len(combination) :] = combination
    return (p.Check(), p.Products(padded))


def _function_transformer(step: Any) -> Steps:
    if step.func is not None:
        raise NotLowered("FunctionTransformer")
    return ()


_TRANSFORMERS: Mapping[type, Callable[[Any], Steps]] = {
    ColumnTransformer: _column_transformer,
    FeatureUnion: _feature_union,
    FunctionTransformer: _function_transformer,
    MaxAbsScaler: _max_abs_scaler,
    MinMaxScaler: _min_max_scaler,
    OneHotEncoder: _one_hot,
    PCA: _pca,
    PolynomialFeatures: _polynomial,
    RobustScaler: _robust_scaler,
    SimpleImputer: _imputer,
    StandardScaler: _standard_scaler,
    TruncatedSVD: _truncated_svd,
}


# Predictors


def _linear_regressor(model: Any) -> tuple[Steps, Mapping[str, Steps]]:
    flat = model.coef_.ndim == 1
    scores = (p.Check(), p.Dot(model.coef_, transposed=not flat), p.Arithmetic("add", np.asarray(model.intercept_)))
    return scores, {"predict": ()}


def _linear_classifier(model: Any) -> tuple[Steps, Mapping[str, Steps]]:
    coefficients, intercept = model.coef_, np.asarray(model.intercept_)
    scores = (p.Check(), p.Dot(coefficients, transposed=True), p.Arithmetic("add", intercept))
    binary = len(model.classes_) == 2  # noqa: PLR2004
    methods: dict[str, Steps] = {
        "predict": (p.Choose(_classes(model)),),
        "decision_function": (p.Ravel(),) if binary else (),
    }
    if isinstance(model, linear_model.LogisticRegression):
        methods["predict_proba"] = _logistic_probabilities(model, binary=binary)
    return scores, methods


def _logistic_probabilities(model: Any, *, binary: bool) -> Steps:
    if binary:
        return (p.Logistic(), p.Stack())
    return (p.Logistic(), p.Normalize()) if model.solver == "liblinear" else (p.Softmax(),)


def _tree_classifier(model: Any, trees: Trees) -> tuple[Steps, Mapping[str, Steps]]:
    if model.n_outputs_ > 1:
        raise NotLowered("trees with several outputs")
    _refuse_monotonic(model)
    return _averaged(model, trees), {"predict": (p.Choose(_classes(model)),), "predict_proba": ()}


def _tree_regressor(model: Any, trees: Trees) -> tuple[Steps, Mapping[str, Steps]]:
    return _averaged(model, trees), {"predict": (p.Ravel(),) if model.n_outputs_ == 1 else ()}


def _averaged(model: Any, trees: Trees) -> Steps:
    """Give the steps to a tree's values, or to the average of a forest's."""
    forest = getattr(model, "estimators_", None)
    members = [model] if forest is None else forest
    scores = (p.Narrow(_takes_missing(members[0])), trees(forest_table(members)))
    return scores if forest is None else (*scores, p.Arithmetic("divide", np.array(float(len(forest)))))


def _refuse_monotonic(model: Any) -> None:
    if getattr(model, "monotonic_cst", None) is not None and len(model.classes_) == 2:  # noqa: PLR2004
        raise NotLowered("trees with monotonic_cst")


def _takes_missing(member: Any) -> bool:
    return bool(member._support_missing_values(np.zeros((1, 1))))  # noqa: SLF001 - decides what predict refuses


def _gradient_boosting(model: Any, trees: Trees) -> tuple[Steps, Mapping[str, Steps]]:
    start = _start_of(model)
    scores = (p.Narrow(), trees(gradient_boosting_table(model, start)))
    return scores, _boosted_methods(model)


def _start_of(model: Any) -> Array:
    """Give the raw scores that boosting starts from, where they are the same for every row."""
    if isinstance(model.init_, str) and model.init_ == "zero":
        return np.zeros(model.estimators_.shape[1])
    if type(model.init_).__name__ not in ("DummyClassifier", "DummyRegressor"):
        raise NotLowered(f"{type(model).__name__} with an init of its own")
    return np.asarray(model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32)))[0]  # noqa: SLF001


def _histogram_boosting(model: Any, trees: Trees) -> tuple[Steps, Mapping[str, Steps]]:
    if model.is_categorical_ is not None and model.is_categorical_.any():
        raise NotLowered(f"{type(model).__name__} with categorical features")
    return (trees(histogram_table(model)),), _boosted_methods(model)


def _boosted_methods(model: Any) -> Mapping[str, Steps]:
    if not hasattr(model, "classes_"):
        link = {"poisson": (p.Elementwise("exp"),), "gamma": (p.Elementwise("exp"),)}
        return {"predict": (p.Ravel(), *link.get(model.loss, ()))}
    if getattr(model, "loss", "log_loss") != "log_loss":
        raise NotLowered(f"{type(model).__name__} with loss {model.loss}")
    binary = len(model.classes_) == 2  # noqa: PLR2004
    histogram = isinstance(model, ensemble.HistGradientBoostingClassifier)
    return {
        "predict": (p.Choose(_classes(model), inclusive=not histogram),),
        "predict_proba": (p.Ravel(), p.Logistic(), p.Stack()) if binary else (p.Softmax(),),
        "decision_function": (p.Ravel(),) if binary else (),
    }


def _classes(model: Any) -> Array:
    return np.array(model.classes_.tolist()) if model.classes_.dtype == object else model.classes_


_PREDICTORS: Mapping[type, Callable[[Any, Trees], tuple[Steps, Mapping[str, Steps]]]] = {
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
