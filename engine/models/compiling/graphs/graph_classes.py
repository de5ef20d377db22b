"""The classes of a classifier that is a graph, as the operators before its label know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.models.compiling.graphs.graph_tensors import PASSING, SELECTING, GraphTensors

MOST_CLASSES = 100_000


def declared_classes(read: Any, label: str, type_name: str) -> tuple[Any, ...] | None:
    """Return the classes among which a graph's label is chosen, in the order of probabilities; None if unknown.

    `type_name` is that of the label, which may be cast from another.
    """
    tensors = GraphTensors(read)
    for node in tensors.makers(label):
        values: Sequence[Any] | None = None
        attributes = {one.name: one for one in node.attribute}
        if node.op_type in SELECTING and node.input:
            values = tensors.values(node.input[0])
        elif node.op_type.endswith("Classifier"):
            values = _classlabels(attributes)
        elif node.op_type == "LabelEncoder":
            values = _encoded(attributes)
        elif node.op_type in PASSING:
            continue
        return _as_labels(values, type_name)
    return None


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
