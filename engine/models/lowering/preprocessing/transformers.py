"""scikit-learn's transformers → steps: one explicit table of classes, each turned into its own operations.

A class that is not in the table becomes a graph in float64, if possible; an option that is not covered raises
`NotLowered` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from engine.models.data.array import Array
from engine.models.estimators.column_selections import column_selections
from engine.models.estimators.estimator_parts import numpy_function, steps_of, unfreeze
from engine.models.lowering.frames.category_encoders import lower_category_encoder
from engine.models.lowering.frames.feature_engine import lower_feature_engine
from engine.models.lowering.frames.skrub import lower_skrub
from engine.models.lowering.preprocessing.encoders import ENCODERS
from engine.models.lowering.preprocessing.vectorizers import VECTORIZERS
from engine.models.lowering.result import NotLowered, Steps
from engine.models.lowering.skl2onnx_graph import transformer_graph
from engine.models.lowering.sklearn_private import private_part
from engine.models.runtime import steps as s


def split_pipeline(estimator: Any) -> tuple[Steps, Any]:
    """Split an estimator into the steps before its last one, and that one."""
    estimator = unfreeze(estimator)
    if hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    if not isinstance(estimator, Pipeline):
        return (), estimator
    steps = [step for step in steps_of(estimator) if step not in (None, "passthrough")]
    if not steps or estimator.steps[-1][1] in (None, "passthrough"):
        raise NotLowered("a pipeline without a last step")
    before = tuple(operation for step in steps[:-1] for operation in lower_transformer(step))
    inner, last = split_pipeline(steps[-1])
    return (*before, *inner), last


def lower_transformer(step: Any) -> Steps:
    """Return the steps of a fitted transformer; raise `NotLowered`."""
    step = unfreeze(step)
    if isinstance(step, Pipeline):
        before, last = split_pipeline(step)
        return (*before, *lower_transformer(last))
    for lower in (lower_category_encoder, lower_feature_engine, lower_skrub):
        steps = lower(step, lower_transformer)
        if steps is not None:
            return steps
    lowered = _TRANSFORMERS.get(type(step))
    if lowered is None and isinstance(step, SelectorMixin):
        lowered = _selector
    if lowered is not None:
        return lowered(step)
    try:
        return transformer_graph(step)
    except Exception as error:
        raise NotLowered(type(step).__name__) from error


def _standard_scaler(step: Any) -> Steps:
    return _scaler(step.mean_ if step.with_mean else None, step.scale_ if step.with_std else None)


def _robust_scaler(step: Any) -> Steps:
    return _scaler(step.center_ if step.with_centering else None, step.scale_ if step.with_scaling else None)


def _scaler(center: Any, scale: Any) -> Steps:
    steps: list[s.Step] = [s.Check(missing=True)]
    if center is not None:
        steps.append(s.Arithmetic("subtract", center, in_place=True))
    if scale is not None:
        steps.append(s.Arithmetic("divide", scale, in_place=True))
    return tuple(steps)


def _min_max_scaler(step: Any) -> Steps:
    scaled = (
        s.Check(missing=True),
        s.Arithmetic("multiply", step.scale_, in_place=True),
        s.Arithmetic("add", step.min_, in_place=True),
    )
    low, high = step.feature_range
    return (*scaled, s.Clip(float(low), float(high))) if step.clip else scaled


def _max_abs_scaler(step: Any) -> Steps:
    scaled = (s.Check(missing=True), s.Arithmetic("divide", step.scale_, in_place=True))
    return (*scaled, s.Clip(-1.0, 1.0)) if getattr(step, "clip", False) else scaled


def _imputer(step: Any) -> Steps:
    if not (isinstance(step.missing_values, float) and np.isnan(step.missing_values)):
        raise NotLowered(f"SimpleImputer with missing_values={step.missing_values!r}")
    values = step.statistics_
    if values.dtype == object:
        if step.add_indicator:
            raise NotLowered("SimpleImputer of texts with add_indicator")
        return (s.FillTexts(values),)
    kept = np.flatnonzero(~np.isnan(values)) if not step.keep_empty_features else np.arange(len(values))
    select = (s.Select(kept),) if len(kept) < len(values) else ()
    filled = (*select, s.Impute(values[kept]))
    if not step.add_indicator:
        return (s.Check(missing=True), *filled)
    is_missing = (s.Select(step.indicator_.features_), s.Elementwise("isnan"))
    return (s.Check(missing=True), s.Concatenate((filled, is_missing)))


def _power(step: Any) -> Steps:
    is_signed = step.method == "yeo-johnson"
    smallest = np.full(len(step.lambdas_), np.nextafter(0.0, 1.0))
    message = "The Box-Cox transformation can only be applied to strictly positive data"
    bound = () if is_signed else (s.Within(smallest, np.full(len(step.lambdas_), np.inf), message),)
    scaler = private_part(step, "_scaler") if step.standardize else None
    scaled = () if scaler is None else _standard_scaler(scaler)
    return (s.Check(missing=True), *bound, s.Powers(np.asarray(step.lambdas_, np.float64), is_signed), *scaled)


def _binarizer(step: Any) -> Steps:
    return (s.Check(), s.Arithmetic("greater", np.array(float(step.threshold)), in_place=True))


def _pca(step: Any) -> Steps:
    scale = np.sqrt(step.explained_variance_)
    smallest = np.finfo(scale.dtype).eps
    divided = s.Arithmetic("divide", np.where(scale < smallest, smallest, scale), in_place=True)
    offset = (step.mean_.reshape(1, -1) @ step.components_.T).ravel()
    return (
        s.Check(),
        s.Dot(step.components_, transposed=True),
        s.Arithmetic("subtract", offset),
        *[divided] * bool(step.whiten),
    )


def _normalizer(step: Any) -> Steps:
    return (s.Check(), s.Length(step.norm))


def _missing_indicator(step: Any) -> Steps:
    if not (isinstance(step.missing_values, float) and np.isnan(step.missing_values)):
        raise NotLowered(f"MissingIndicator with missing_values={step.missing_values!r}")
    refused: Steps = ()  # of all columns, those that had no gaps in the training are looked at, and left out again
    if step.error_on_new and step.features != "all":
        others = np.setdiff1d(np.arange(step.n_features_in_), step.features_)
        refused = (s.Append((s.Select(others), s.Check(), s.Select(others[:0]))),) if len(others) else ()
    return (s.Check(missing=True), *refused, s.Select(step.features_), s.Elementwise("isnan"))


def _truncated_svd(step: Any) -> Steps:
    return (s.Check(), s.Dot(step.components_, transposed=True))


def _selector(step: Any) -> Steps:
    return (s.Check(missing=True), s.Select(np.flatnonzero(step.get_support())))


def _column_transformer(step: Any) -> Steps:
    branches: list[Steps] = []
    for part, columns in column_selections(step):
        if (isinstance(part, str) and part == "drop") or not len(columns):
            continue
        inner = () if isinstance(part, str) else lower_transformer(part)
        branches.append(select_columns(np.asarray(columns), inner))
    if not branches:
        raise NotLowered("ColumnTransformer that keeps no column")
    return (s.Concatenate(tuple(branches)),)


def select_columns(columns: Array, steps: Steps) -> Steps:
    """Put a selection of columns before some steps; encoders of categories and of texts get them as they are."""
    if isinstance(next(iter(steps), None), s.Words):
        return (s.Select(columns, apart=True), s.OneText(), *steps)
    return (s.Select(columns, apart=isinstance(next(iter(steps), None), s.Apart | s.OneHot | s.Ordinal)), *steps)


def _feature_union(step: Any) -> Steps:
    if step.transformer_weights:
        raise NotLowered("FeatureUnion with weights")
    return (s.Concatenate(tuple(lower_transformer(part) for _, part in step.transformer_list if part != "drop")),)


def _polynomial(step: Any) -> Steps:
    combinations = [np.repeat(np.arange(len(powers)), powers) for powers in step.powers_]
    longest = max(map(len, combinations))
    padded = np.full((len(combinations), longest), -1)
    for row, combination in zip(padded, combinations, strict=True):
        row[longest - len(combination) :] = combination
    return (s.Check(), s.Products(padded))


def _function_transformer(step: Any) -> Steps:
    function = numpy_function(step.func)
    if step.func is not None and (function is None or step.kw_args):
        raise NotLowered("FunctionTransformer with a function that is not one of numpy's for single numbers")
    check = (s.Check(),) if step.validate else ()
    return (*check, s.Elementwise(function)) if function is not None else check


_TRANSFORMERS: Mapping[type, Callable[[Any], Steps]] = {
    **ENCODERS,
    **VECTORIZERS,
    Binarizer: _binarizer,
    ColumnTransformer: _column_transformer,
    FeatureUnion: _feature_union,
    FunctionTransformer: _function_transformer,
    MaxAbsScaler: _max_abs_scaler,
    MinMaxScaler: _min_max_scaler,
    MissingIndicator: _missing_indicator,
    Normalizer: _normalizer,
    PCA: _pca,
    PolynomialFeatures: _polynomial,
    PowerTransformer: _power,
    RobustScaler: _robust_scaler,
    SimpleImputer: _imputer,
    StandardScaler: _standard_scaler,
    TruncatedSVD: _truncated_svd,
}
