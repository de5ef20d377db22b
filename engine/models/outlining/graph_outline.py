"""What `init` reads off a graph: its columns by their inputs' names, and their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.models.compiling.graphs.graph_categories import known_categories
from engine.models.compiling.graphs.graph_data import read_beside
from engine.models.compiling.graphs.graph_inputs import GraphInput, as_identifier
from engine.models.compiling.graphs.graph_outputs import choose_outputs
from engine.models.compiling.graphs.graph_session import open_graph
from engine.models.estimators.known_inputs import KnownInput
from engine.models.files.model_file import ModelFile
from engine.models.restoring.prepared import LoadedEstimators
from engine.schema import show
from engine.spec import FileModel, Outline, OutlinedFeature
from engine.text import plural

_KINDS: Mapping[str, Any] = {"int": "integer", "bool": "boolean", "string": "string"}


@dataclass(frozen=True, slots=True)
class SeenGraph:
    """A graph's outline without features, and its `columns`; `names` are None where the graph has none.

    `inputs` are the inputs of the columns, by place, and `made_up` the places whose names only number an input's.
    """

    outline: Outline
    names: tuple[str, ...] | None
    columns: tuple[KnownInput, ...]
    inputs: tuple[GraphInput, ...] = ()
    made_up: frozenset[int] = field(default_factory=frozenset)

    def named_as(self, sampled: Sequence[str]) -> tuple[str, ...] | None:
        """Return the names as a CSV spells them; those that the graph lacks are the others of the CSV."""
        if self.names is None:
            return None
        spelt = {as_identifier(name): name for name in reversed(sampled)}
        names = [name if name in sampled else spelt.get(as_identifier(name), name) for name in self.names]
        known = {name for place, name in enumerate(names) if place not in self.made_up}
        rest = [name for name in sampled if name not in known]
        if len(rest) == len(self.made_up):
            for place, name in zip(sorted(self.made_up), rest, strict=True):
                names[place] = name
        return tuple(names)

    def fit(self, feature: OutlinedFeature, place: int) -> OutlinedFeature:
        """Let a feature have the type that its input takes."""
        if not self.inputs or self.inputs[place].kind == "float":
            return feature
        if feature.choices:
            return replace(feature, gaps=False)
        one = self.inputs[place]
        return replace(feature, kind=_KINDS[one.kind], gaps=False, is_guess=False, held=one.bounds)


def see_graph(model: FileModel, file: ModelFile, opened: LoadedEstimators) -> SeenGraph:
    """Open a graph, and describe what it takes and answers; raise `SpecError`."""
    graph = open_graph(model, file.data, read_beside(model, file, opened))
    chosen = choose_outputs(model, graph.outputs)
    classes, _ = graph.classes(chosen)
    inputs, first = graph.inputs, graph.inputs[0]
    outline = Outline(
        title="ONNX graph", classes=classes, probabilities=classes is not None and chosen.chances is not None
    )
    is_alone = len(inputs) == 1
    if is_alone and first.kind == "string" and first.width in (None, 1):
        return SeenGraph(replace(outline, form="text"), None, ())
    if is_alone and first.kind == "float":
        columns = tuple(KnownInput(is_number=True) for _ in range(first.width or 0))
        return SeenGraph(replace(outline, count=first.width), None, columns)
    if unknown := next((one for one in inputs if one.width is None), None):
        raise model.error(
            f"the input {show(unknown.name)} of the graph does not declare how many columns it has, so the features "
            f"cannot be listed; declare its second dimension in the export, or write the entry by hand "
            f"({plural(len(inputs), 'input')})",
            "file",
        )
    places = [(one, place) for one in inputs for place in range(one.width or 1)]
    known = known_categories(graph.read, inputs)
    found = tuple(_column(one, known.get((one.name, place))) for one, place in places)
    names = tuple(f"x{place + 1}" if is_alone else _name(one, place) for one, place in places)
    made_up = frozenset(at for at, (one, _) in enumerate(places) if is_alone or one.width != 1)
    return SeenGraph(replace(outline, count=len(places)), names, found, tuple(one for one, _ in places), made_up)


def _name(one: GraphInput, place: int) -> str:
    return one.name if one.width == 1 else f"{one.name}_{place + 1}"


def _column(one: GraphInput, known: Any) -> KnownInput:
    if (
        known is not None
        and (one.kind == "string") == isinstance(known.values[0], str)
        and one.kind in ("string", "int")
    ):
        return KnownInput(categories=known.values, ignores_others=known.ignores_others)
    return KnownInput(is_number=one.kind != "string", is_text=one.kind == "string")
