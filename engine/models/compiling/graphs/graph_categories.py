"""The categories that the encoders in a graph know of its columns, where a column reaches an encoder unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.models.compiling.graphs.graph_inputs import GraphInput
from engine.models.compiling.graphs.graph_tensors import PASSING, SELECTING, GraphTensors
from engine.models.data.learnt_categories import KnownCategories

Column = tuple[str, int]
"""A column of a graph: the name of its input, and the place in it."""

_ENCODERS = frozenset(("LabelEncoder", "OneHotEncoder"))
_MOST_STEPS = 10_000


def known_categories(read: Any, inputs: Sequence[GraphInput]) -> Mapping[Column, KnownCategories]:
    """Return what the encoders of a graph know of its columns."""
    flow: dict[str, tuple[Column, ...]] = {
        one.name: tuple((one.name, place) for place in range(one.width or 1)) for one in inputs
    }
    tensors = GraphTensors(read)
    found: dict[Column, KnownCategories] = {}
    for node in read.graph.node[:_MOST_STEPS]:  # every operator stands behind those that make its inputs
        columns = _columns_of(node, flow, tensors)
        if node.op_type in _ENCODERS:
            known = _categories(node)
            if known is not None and len(columns) == 1:
                found.setdefault(columns[0], known)
        elif columns and node.output:
            flow[node.output[0]] = columns
    return found


def _columns_of(node: Any, flow: Mapping[str, tuple[Column, ...]], tensors: GraphTensors) -> tuple[Column, ...]:
    """Return the columns that an operator passes on unchanged; none if it computes."""
    if not node.input:
        return ()
    first = flow.get(node.input[0], ())
    if node.op_type in PASSING or node.op_type in _ENCODERS:
        return first
    if node.op_type == "Concat":
        parts = [flow.get(name, ()) for name in node.input]
        return tuple(column for part in parts for column in part) if all(parts) else ()
    if node.op_type in SELECTING and len(node.input) > 1:
        places = tensors.values(node.input[1]) or []
        if all(isinstance(place, int) and 0 <= place < len(first) for place in places):
            return tuple(first[place] for place in places)
    return ()


def _categories(node: Any) -> KnownCategories | None:
    attributes = {one.name: one for one in node.attribute}
    values = next(filter(None, map(tuple, _listed(attributes))), None)
    if values is None or len(set(values)) < len(values):
        return None
    zeros = attributes.get("zeros")
    return KnownCategories(values, node.op_type == "OneHotEncoder" and (zeros is None or zeros.i != 0))


def _listed(attributes: Mapping[str, Any]) -> Iterator[list[Any]]:
    for name in ("cats_strings", "keys_strings"):
        if name in attributes:
            yield [one.decode(errors="replace") for one in attributes[name].strings]
    for name in ("cats_int64s", "keys_int64s"):
        if name in attributes:
            yield list(attributes[name].ints)
