"""A model that is an ONNX graph already: there is no scikit-learn to compare it with, so it is served as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import SpecError
from engine.models.compiling.graphs.feature_binding import FittedInputs, fit_inputs
from engine.models.compiling.graphs.graph_categories import known_categories
from engine.models.compiling.graphs.graph_outputs import ChosenOutputs, choose_outputs, require_probabilities
from engine.models.compiling.graphs.graph_session import OpenGraph, open_graph
from engine.models.data.instances import Columns, TrainedInput
from engine.models.data.learnt_categories import KnownCategories, unlearnt_values
from engine.models.proving.proof_rows import RowMaker
from engine.models.proving.tryout import Tried, try_out
from engine.models.restoring.compiled_model import CompiledModel
from engine.models.runtime import steps as s
from engine.models.runtime.class_names import Wording, key_of
from engine.models.runtime.graph_columns import ColumnsGraph
from engine.models.runtime.onnx_graphs import Graph
from engine.models.runtime.program import Program, dump_program
from engine.models.runtime.report import Report
from engine.models.runtime.threshold import decision_of
from engine.schema import show
from engine.spec import FileModel
from engine.text import plural


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A graph that matches its spec; `categories` are those that it knows of columns, by their places."""

    wanted: TrainedInput
    columns: Columns
    wording: Wording
    kind: str
    program: Program
    categories: Mapping[int, KnownCategories]

    @property
    def learnt(self) -> Mapping[str, KnownCategories]:
        """The categories by the names of features."""
        names = self.columns.names or ()
        return {names[place]: known for place, known in self.categories.items() if place < len(names)}


def read_graph(model: FileModel, data: bytes, beside: Mapping[str, bytes]) -> GraphFile:
    """Read a .onnx file; raise `SpecError` if it is invalid, or does not match its spec."""
    opened = open_graph(model, data, beside)
    fitted, chosen = _fit(model, opened)
    classes, is_declared = opened.classes(chosen)
    labels = _labels(model, classes)
    wording = Wording(classes, labels, labels or tuple(map(key_of, classes or ())))
    kind = "classifier" if chosen.is_classifier else "regressor"
    categories = _categories(opened, fitted)
    program = _program(model, opened, fitted, chosen, wording, is_declared=is_declared)
    return GraphFile(fitted.wanted, fitted.columns, wording, kind, program, categories)


def compile_graph(
    model: FileModel, data: bytes, beside: Mapping[str, bytes], *, is_tried: bool
) -> tuple[CompiledModel, Tried]:
    """Compile a graph, with its data in files `beside` it; unless `is_tried`, it is not asked anything."""
    graph = read_graph(model, data, beside)
    tried, learnt = Tried(), {place: known.values for place, known in graph.categories.items()}
    if is_tried:
        tried = try_out(graph.program, RowMaker(model, graph.columns, {}, learnt).rows(None, ()))
    report = Report("onnx", verdict="not proven", why="the file is a graph already", one_by_one=tried.depends)
    compiled = CompiledModel(
        size=len(data) + sum(map(len, beside.values())),
        estimator="ONNX graph",
        kind=graph.kind,
        trained_with="",
        wanted=graph.wanted,
        wording=graph.wording,
        report=report,
        program=dump_program(graph.program),
        warnings=tuple(unlearnt_values(model, graph.learnt)),
    )
    return compiled, tried


def _fit(model: FileModel, opened: OpenGraph) -> tuple[FittedInputs, ChosenOutputs]:
    """Fit an entry to the inputs and to the outputs of a graph; raise `SpecError` with what is wrong in both."""
    try:
        fitted = fit_inputs(model, opened.inputs)
    except SpecError as of_inputs:
        try:
            choose_outputs(model, opened.outputs)
        except SpecError as of_outputs:
            raise SpecError([*of_inputs.diagnostics, *of_outputs.diagnostics]) from None
        raise
    return fitted, choose_outputs(model, opened.outputs)


def _categories(opened: OpenGraph, fitted: FittedInputs) -> Mapping[int, KnownCategories]:
    known = known_categories(opened.read, opened.inputs) if fitted.tensors else {}
    places = {(one.name, place): column for one in fitted.tensors for place, column in enumerate(one.columns)}
    return {places[column]: found for column, found in known.items() if column in places}


def _program(
    model: FileModel,
    opened: OpenGraph,
    fitted: FittedInputs,
    chosen: ChosenOutputs,
    wording: Wording,
    *,
    is_declared: bool,
) -> Program:
    """Make the program of a graph: its inputs, the outputs that are wanted, and what becomes of these."""
    classes = wording.classes
    kind = "classifier" if chosen.is_classifier else "regressor"
    if model.threshold is not None and chosen.is_classifier and classes is None:
        raise model.error("the graph does not declare its classes, so it cannot have a threshold", "threshold")
    decision = decision_of(model, wording, kind)
    needs_chances = model.output.probabilities or decision is not None
    if needs_chances and (classes is None or chosen.chances is None):
        raise model.error("the graph has no probabilities of numbered classes", "output", "probabilities")
    if needs_chances:
        require_probabilities(model, chosen.chances)
    outputs = [] if decision is not None else [*chosen.result]
    outputs += [chosen.chances] * (needs_chances and chosen.chances not in outputs)
    names = tuple(one.name for one in outputs)
    chances: tuple[s.Step, ...] = ()
    if needs_chances:
        chances = (s.Pick(names.index(chosen.chances.name)), s.RequireColumns(len(classes or ())))
    result = (*chances, *decision.steps) if decision is not None else _result(model, chosen)
    if decision is None and wording.labels is not None and not is_declared:
        result = (*result, s.RequireClasses(np.array(classes)))
    return Program(_scores(opened, fitted, names), result, chances if model.output.probabilities else None)


def _scores(opened: OpenGraph, fitted: FittedInputs, names: tuple[str, ...]) -> tuple[s.Step, ...]:
    data, first = np.frombuffer(opened.answering(names), np.uint8), opened.inputs[0]
    if fitted.tensors:
        return (ColumnsGraph(data, fitted.tensors, names),)
    graph = Graph(data, first.dtype, names)
    if first.kind != "float":
        return (graph,)
    exact = (s.RequireExact(np.array(fitted.whole), first.dtype),) if fitted.whole and first.dtype != "float64" else ()
    return (s.Check(missing=True, dtype=first.dtype), *exact, graph)


def _result(model: FileModel, chosen: ChosenOutputs) -> tuple[s.Step, ...]:
    """Return the steps from the outputs that are computed to the results."""
    if len(chosen.result) > 1:
        return (s.Join(tuple(range(len(chosen.result)))),)
    if model.response_method == "predict_proba":
        return (s.Pick(0),)
    return (s.Pick(0), s.Squeeze())


def _labels(model: FileModel, classes: tuple[Any, ...] | None) -> tuple[str, ...] | None:
    labels = model.output.labels
    if labels is None:
        return None
    if classes is None:
        raise model.error("the graph does not declare its classes, so they cannot be named", "output", "labels")
    if len(labels) != len(classes):
        found = f"{plural(len(labels), 'label')} for {len(classes)} classes ({', '.join(map(show, classes))})"
        raise model.error(f"{found}; name each class once, in this order", "output", "labels")
    return labels
