"""Remove the operator ZipMap, by which converters turn a classifier's probabilities into dictionaries."""

from __future__ import annotations

from collections.abc import Container
from typing import Any


def without_zipmap(read: Any) -> tuple[Any, ...] | None:
    """Make a graph return its probabilities as the tensor before ZipMap, in place; return the classes in ZipMap.

    None if the graph does not end in a ZipMap.
    """
    import onnx  # noqa: PLC0415 - only where a model is one

    graph = read.graph
    outputs = {output.name: place for place, output in enumerate(graph.output)}
    node = next((one for one in graph.node if _is_last_zipmap(one, outputs)), None)
    if node is None or any(node.output[0] in other.input for other in graph.node):
        return None
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    texts = tuple(text.decode() for text in attributes.get("classlabels_strings", ()))
    classes = texts or tuple(attributes.get("classlabels_int64s", ()))
    shape = [None, len(classes)]
    tensor = onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, shape)
    graph.output[outputs[node.output[0]]].CopyFrom(tensor)
    graph.node.remove(node)
    return classes


def _is_last_zipmap(node: Any, outputs: Container[str]) -> bool:
    is_one_to_one = len(node.input) == len(node.output) == 1
    return node.op_type == "ZipMap" and is_one_to_one and node.output[0] in outputs
