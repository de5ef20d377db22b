"""Whole estimators → ONNX graphs, by skl2onnx."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor

from engine.models.lowering.tree_graph import OPSET, graph_bytes
from engine.models.runtime import steps as s
from engine.models.runtime.onnx_graphs import Graph
from engine.models.runtime.program import Program
from engine.models.runtime.threshold import Decision

_UNKNOWN_TYPE = re.compile(r"type '?<class '[\w.]*?(\w+)'>")
_INPUTS = {"float32": FloatTensorType, "float64": DoubleTensorType, "string": StringTensorType}


class NotConverted(Exception):
    """skl2onnx has no graph for an estimator, or none for the wanted method."""


def estimator_program(
    estimator: Any,
    response_method: str,
    dtype: str,
    check: tuple[s.Step, ...],
    *,
    probabilities: bool,
    decision: Decision | None = None,
) -> Program:
    """Convert a whole estimator in one precision; `check` are the steps that refuse the values that it refuses.

    With a `decision`, that chooses the class from the probabilities in place of the graph.
    """
    asked = response_method if decision is None else "predict_proba"
    steps = {method: _steps_of(estimator, method) for method in [asked] + ["predict_proba"] * probabilities}
    scores_wanted = response_method == "decision_function"
    graph = _convert(estimator, dtype, raw_scores=scores_wanted)
    result = (*steps[asked], *(decision.steps if decision is not None else ()))
    return Program((*check, graph), result, steps["predict_proba"] if probabilities else None)


def transformer_graph(step: Any) -> tuple[s.Step, ...]:
    """Convert a transformer in float64."""
    return _convert(step, "float64", raw_scores=False), s.Pick(0)


def _steps_of(estimator: Any, method: str) -> tuple[s.Step, ...]:
    """Name the output of its graph for a method, and the shape in which scikit-learn returns it."""
    if method == "transform":
        return (s.Pick(1 if is_clusterer(estimator) else 0),)
    if is_classifier(estimator) and isinstance(getattr(estimator, "classes_", None), np.ndarray):
        binary = len(estimator.classes_) == 2  # noqa: PLR2004
        known: dict[str, tuple[s.Step, ...]] = {
            "predict": (s.Pick(0), s.Ravel()),
            "predict_proba": (s.Pick(1),),
            "decision_function": (s.Pick(1), s.LastColumn()) if binary else (s.Pick(1),),
        }
    elif is_regressor(estimator):
        known = {"predict": (s.Pick(0), s.Squeeze())}
    elif is_clusterer(estimator) or is_outlier_detector(estimator):
        known = {"predict": (s.Pick(0), s.Ravel())}
    else:
        known = {}
    if method not in known:
        raise NotConverted(f"skl2onnx has no graph for {type(estimator).__name__}.{method}")
    return known[method]


def _convert(estimator: Any, dtype: str, *, raw_scores: bool) -> Graph:
    width = 1 if dtype == "string" else getattr(estimator, "n_features_in_", None)
    options: dict[str, Any] = {"zipmap": False} if is_classifier(estimator) else {}
    if raw_scores:
        options["raw_scores"] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = to_onnx(
                estimator,
                initial_types=[("rows", _INPUTS[dtype]([None, width]))],
                options={id(estimator): options} if options else None,
                target_opset={"": OPSET, "ai.onnx.ml": 3},
            )
        except Exception as error:
            if (why := _explain(error)) is None:
                raise
            raise NotConverted(why) from None
    return Graph(graph_bytes(model), dtype)


def _explain(error: Exception) -> str | None:
    """Say in a sentence what skl2onnx tells its own users, where that is known."""
    if "Unable to find column name" in str(error):
        return "the model selects its columns by name, and a graph gets one array"
    if isinstance(error, MissingConverter | MissingShapeCalculator):
        named = _UNKNOWN_TYPE.search(str(error))
        return f"skl2onnx cannot convert {named[1] if named else 'a part of the model'}"
    return None
