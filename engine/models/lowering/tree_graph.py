"""Tree ensembles → ONNX graphs, by ourselves.

skl2onnx keeps a tree's thresholds and leaves in float32, which is close. A `TreeTable` in the operator
TreeEnsemble (ai.onnx.ml, version 5) keeps float64, which is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine.models.data.array import Array
from engine.models.runtime.onnx_graphs import OnnxTrees
from engine.models.runtime.tree_table import TreeTable

IR_VERSION = 10
OPSET = 18
TREES_OPSET = 5


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
    return OnnxTrees(graph_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)))


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


def graph_bytes(model: onnx.ModelProto) -> Array:
    """Return a graph as bytes in an array."""
    return np.frombuffer(model.SerializeToString(), np.uint8)
