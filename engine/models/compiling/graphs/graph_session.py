"""A graph's bytes → the graph with all of its data inside, and a session that shows its inputs and outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from engine.models.compiling.graphs.graph_classes import MOST_CLASSES, declared_classes
from engine.models.compiling.graphs.graph_data import put_inside
from engine.models.compiling.graphs.graph_inputs import GraphInput, read_inputs
from engine.models.compiling.graphs.graph_outputs import LABELS, ChosenOutputs
from engine.models.compiling.zipmap import without_zipmap
from engine.models.runtime.onnx_graphs import open_session
from engine.schema import clip
from engine.spec import FileModel


@dataclass(frozen=True, slots=True)
class OpenGraph:
    """A graph without its ZipMap, and a session of it; `named` are the classes that the ZipMap named."""

    data: bytes
    session: Any
    read: Any
    inputs: tuple[GraphInput, ...]
    named: tuple[Any, ...] | None

    @property
    def outputs(self) -> tuple[Any, ...]:
        """Its outputs, as onnxruntime describes them."""
        return tuple(self.session.get_outputs())

    def classes(self, chosen: ChosenOutputs) -> tuple[tuple[Any, ...] | None, bool]:
        """Return the classes of a classifier, None if they are unknown, and whether the graph declares them."""
        if not chosen.is_classifier or _width(chosen.label) not in (None, 1):
            return None, False
        declared = self.named or declared_classes(self.read, chosen.label.name, chosen.label.type)
        if declared is not None:
            return (declared if len(set(declared)) == len(declared) else None), True
        if chosen.label.type == "tensor(bool)":
            return (False, True), True
        width = _width(chosen.chances) if chosen.chances is not None else None
        is_numbered = chosen.label.type in LABELS[:2] and width is not None and 1 < width <= MOST_CLASSES
        return (tuple(range(width)) if width and is_numbered else None), False

    def answering(self, names: Collection[str]) -> bytes:
        """Return the graph with only these outputs, and the operators that compute them."""
        if len(self.outputs) == len(names):
            return self.data
        graph = self.read.graph
        outputs = [deepcopy(one) for one in graph.output if one.name in names]
        nodes = [deepcopy(node) for node in _needed(graph, names)]
        for several, kept in ((graph.output, outputs), (graph.node, nodes)):
            del several[:]
            several.extend(kept)
        data: bytes = self.read.SerializeToString()
        return data


def _needed(graph: Any, names: Iterable[str]) -> list[Any]:
    """Return the operators that compute some tensors, in the order of the graph."""
    makers = {name: place for place, node in enumerate(graph.node) for name in node.output}
    waiting, needed = [*names], set[int]()
    while waiting:
        place = makers.get(waiting.pop())
        if place is not None and place not in needed:
            needed.add(place)
            waiting += _read_by(graph.node[place])
    return [graph.node[place] for place in sorted(needed)]


def _read_by(node: Any) -> Iterator[str]:
    """Name the tensors that an operator reads, also within the graphs in it, which see all of those around them."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        yield from one.input
        graphs = [graph for attribute in one.attribute for graph in (attribute.g, *attribute.graphs)]
        for graph in graphs:
            yield from (output.name for output in graph.output)
            waiting += graph.node


def _width(output: Any) -> int | None:
    """Return the last dimension of an output in rows and columns, None if that is not declared."""
    shape = output.shape
    return shape[-1] if shape and len(shape) > 1 and isinstance(shape[-1], int) else None


def open_graph(model: FileModel, data: bytes, beside: Mapping[str, bytes]) -> OpenGraph:
    """Open a graph, with its data in files `beside` it; raise `SpecError` for one that cannot be served."""
    import onnx  # noqa: PLC0415 - only where a model is one

    try:
        read = onnx.load_from_string(data)
    except Exception as error:  # noqa: BLE001 - protobuf has errors of its own
        raise model.error(f"the file is not an ONNX graph ({clip(str(error), 200)})", "file") from None
    is_changed = put_inside(model, read, beside)
    named = without_zipmap(read)
    if named is not None or is_changed:
        data = read.SerializeToString()
    try:
        session = open_session(data)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - onnxruntime has errors of its own
        reason = clip(str(error).strip().partition("\n")[0], 300)
        raise model.error(f"onnxruntime cannot load the graph: {reason}", "file") from None
    if not session.get_outputs():
        raise model.error("the graph has no outputs; it needs one, the result", "file")
    return OpenGraph(data, session, read, read_inputs(model, session), named)
