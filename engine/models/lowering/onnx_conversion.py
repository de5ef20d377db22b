"""Estimators and trees → ONNX graphs: whole estimators by skl2onnx, tree ensembles by ourselves.

skl2onnx keeps a tree's thresholds and leaves in float32, which is close. A `TreeTable` in the operator
TreeEnsemble (ai.onnx.ml, version 5) keeps float64, which is exact.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor

from engine.models.data.array import Array
from engine.models.runtime import steps as s
from engine.models.runtime.onnx_graphs import Graph, OnnxTrees
from engine.models.runtime.program import Program
from engine.models.runtime.threshold import Decision
from engine.models.runtime.tree_table import TreeTable

IR_VERSION = 10
OPSET = 18
TREES_OPSET = 5

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


def trees_graph(table: TreeTable) -> OnnxTrees:
    """Write a `TreeTable` as a graph.

    The operator's leaves have one output each: a tree with several is written once for each of its outputs, in the
    order of the sum.
    """
    roots: list[int] = []
    parts: list[tuple[Array, ...]] = []
    targets: list[Array] = []
    weights: list[Array] = []
    first_node = first_leaf = 0
    for nodes, missing_right, values in _single_trees(table):
        for output in _outputs(values):
            interior, leaves = _tree_attributes(nodes, missing_right, first_node, first_leaf)
            roots.append(first_node)
            parts.append(interior)
            targets.append(np.full(leaves, output))
            weights.append(np.repeat(values[:, output], leaves // len(values)))
            first_node += len(interior[0])
            first_leaf += leaves
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    names = (
        *("nodes_featureids", "nodes_splits", "nodes_missing_value_tracks_true"),
        *("nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs"),
    )
    attributes: dict[str, Any] = {name: column.tolist() for name, column in zip(names, columns, strict=True)}
    attributes["nodes_splits"] = numpy_helper.from_array(columns[1].astype(np.float64))
    node = helper.make_node(
        "TreeEnsemble",
        ["rows"],
        ["sums"],
        domain="ai.onnx.ml",
        n_targets=table.values.shape[1],
        aggregate_function=1,
        post_transform=0,
        tree_roots=roots,
        nodes_modes=numpy_helper.from_array(np.zeros(len(columns[0]), np.uint8)),
        leaf_targetids=np.concatenate(targets).tolist(),
        leaf_weights=numpy_helper.from_array(np.concatenate(weights).astype(np.float64)),
        **attributes,
    )
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("rows", TensorProto.DOUBLE, [None, table.width])],
        [helper.make_tensor_value_info("sums", TensorProto.DOUBLE, [None, table.values.shape[1]])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
    return OnnxTrees(_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)))


def _single_trees(table: TreeTable) -> Any:
    """Return each tree's own nodes (with children numbered from 0), missing directions, and leaf values."""
    ends = [*table.roots[1:].tolist(), len(table.nodes)]
    leaf = table.is_leaf
    for begin, end in zip(table.roots.tolist(), ends, strict=True):
        nodes = table.nodes[begin:end].copy()
        nodes["left"] -= begin
        values = table.values[table.leaves[begin:end][leaf[begin:end]]]
        yield nodes, table.missing_right[begin:end], values


def _outputs(values: Array) -> list[int]:
    """Return the outputs to which a tree adds; at least one, so that every tree is written."""
    used = np.flatnonzero(np.any(values != 0, axis=0)).tolist()
    return used or [0]


def _tree_attributes(nodes: Array, missing_right: Array, first_node: int, first_leaf: int) -> tuple[Any, int]:
    leaf = nodes["left"] == np.arange(len(nodes))
    if leaf[0]:  # the operator requires a node: one whose two children are the same leaf
        zero = np.zeros(1, np.int64)
        one = np.ones(1, np.int64)
        return (zero, np.zeros(1), zero, zero + first_leaf, one, zero + first_leaf, one), 1
    number = np.where(leaf, np.cumsum(leaf) - 1 + first_leaf, np.cumsum(~leaf) - 1 + first_node)
    inner = nodes[~leaf]
    left = inner["left"].astype(np.int64)
    return (
        inner["feature"].astype(np.int64),
        inner["threshold"],
        1 - missing_right[~leaf].astype(np.int64),
        *(number[left], leaf[left].astype(np.int64), number[left + 1], leaf[left + 1].astype(np.int64)),
    ), int(leaf.sum())


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
        raise NotConverted(f"{type(estimator).__name__}.{method}")
    return known[method]


def _convert(estimator: Any, dtype: str, *, raw_scores: bool) -> Graph:
    width = 1 if dtype == "string" else getattr(estimator, "n_features_in_", None)
    options: dict[str, Any] = {"zipmap": False} if is_classifier(estimator) else {}
    if raw_scores:
        options["raw_scores"] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = to_onnx(
            estimator,
            initial_types=[("rows", _INPUTS[dtype]([None, width]))],
            options={id(estimator): options} if options else None,
            target_opset={"": OPSET, "ai.onnx.ml": 3},
        )
    return Graph(_bytes(model), dtype)


def _bytes(model: onnx.ModelProto) -> Array:
    return np.frombuffer(model.SerializeToString(), np.uint8)
