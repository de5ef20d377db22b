"""The classes of a classifier that is a graph, as the operators before its label know them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MOST_CLASSES = 100_000
_PASSING = frozenset(("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"))
_LOOKING_UP = frozenset(("ArrayFeatureExtractor", "Gather"))


def declared_classes(read: Any, label: str, type_name: str) -> tuple[Any, ...] | None:
    """Return the classes among which a graph's label is chosen, in the order of probabilities; None if unknown.

    `type_name` is that of the label, which may be cast from another.
    """
    makers = {name: node for node in read.graph.node for name in node.output}
    constants = {one.name: one for one in read.graph.initializer}
    for node in _backwards(makers, label):
        values: Sequence[Any] | None = None
        attributes = {one.name: one for one in node.attribute}
        if node.op_type in _LOOKING_UP and node.input:
            values = constant_values(node.input[0], makers, constants)
        elif node.op_type.endswith("Classifier"):
            values = _classlabels(attributes)
        elif node.op_type == "LabelEncoder":
            values = _encoded(attributes)
        elif node.op_type in _PASSING:
            continue
        return _as_labels(values, type_name)
    return None


def _backwards(makers: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield the operator that makes a tensor, that of its first input, and so on."""
    for _ in makers:
        node = makers.get(name)
        if node is None:
            return
        yield node
        if not node.input:
            return
        name = node.input[0]


def _classlabels(attributes: Mapping[str, Any]) -> Sequence[Any] | None:
    named = [one for name, one in attributes.items() if name.startswith("classlabels")]
    return next((list(one.strings) or list(one.ints) for one in named if one.strings or one.ints), None)


def _encoded(attributes: Mapping[str, Any]) -> Sequence[Any] | None:
    """Return the values of an encoder whose keys are the numbers of the classes."""
    keys = attributes.get("keys_int64s")
    values = [one for name, one in attributes.items() if name in ("values_int64s", "values_strings")]
    if keys is None or not values:
        return None
    found = dict(zip(keys.ints, list(values[0].strings) or list(values[0].ints), strict=False))
    return [found[place] for place in range(len(found))] if sorted(found) == [*range(len(found))] else None


def constant_values(name: str, makers: Mapping[str, Any], constants: Mapping[str, Any]) -> Sequence[Any] | None:
    """Return the values of a tensor that a graph itself has, flat; None for one that is computed."""
    import onnx  # noqa: PLC0415 - only where a model is one

    tensor, maker = constants.get(name), makers.get(name)
    if tensor is None and maker is not None and maker.op_type == "Constant":
        tensor = next((one.t for one in maker.attribute if one.name == "value"), None)
    if tensor is None:
        return None
    try:
        values: list[Any] = onnx.numpy_helper.to_array(tensor).ravel().tolist()
    except Exception:  # noqa: BLE001 - a tensor may contradict itself, which onnxruntime reports
        return None
    return values


def _as_labels(values: Sequence[Any] | None, type_name: str) -> tuple[Any, ...] | None:
    if not values or len(values) > MOST_CLASSES:
        return None
    try:
        if type_name == "tensor(string)":
            classes: tuple[Any, ...] = tuple(one.decode() if isinstance(one, bytes) else str(one) for one in values)
        else:
            classes = tuple((bool if type_name == "tensor(bool)" else int)(one) for one in values)
    except (ValueError, OverflowError):
        return None
    return classes if len(set(classes)) == len(classes) else None
