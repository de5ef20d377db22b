"""A model that is an ONNX graph already: there is no scikit-learn to compare it with, so it is served as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.models.compiling.zipmap import without_zipmap
from engine.models.data.instances import Columns, TrainedInput, fit_columns
from engine.models.proving.proof_rows import RowMaker
from engine.models.proving.tryout import Tried, try_out
from engine.models.restoring.compiled_model import CompiledModel
from engine.models.runtime import steps as s
from engine.models.runtime.class_names import Wording, key_of
from engine.models.runtime.onnx_graphs import Graph, open_session, rows_at_once
from engine.models.runtime.program import Program, dump_program
from engine.models.runtime.report import Report
from engine.models.runtime.threshold import decision_of
from engine.schema import clip, show
from engine.spec import RESPONSE_METHODS, FileModel
from engine.text import plural

ROW_DIMENSIONS = 2
_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(string)": "string"}
_LABELS = ("tensor(int64)", "tensor(string)")
_NUMBERS = frozenset(
    f"tensor({name})" for name in "double float float16 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
)
_RESULTS = _NUMBERS | {"tensor(string)", "tensor(bool)"}


@dataclass(frozen=True, slots=True)
class GraphFile:
    """A graph that matches its spec."""

    wanted: TrainedInput
    columns: Columns
    wording: Wording
    kind: str
    program: Program


def read_graph(model: FileModel, data: bytes) -> GraphFile:
    """Read a .onnx file; raise `SpecError` if it is invalid, or does not match its spec."""
    loaded = _load(model, data)
    dtype, outputs = loaded.dtype, loaded.session.get_outputs()
    texts = dtype == "string"
    wanted = TrainedInput(count=loaded.count)
    fitting = fit_columns(model, wanted)
    if texts != (fitting.form == "texts"):
        wants = "texts; its input is of type string" if texts else "numbers; its input is an object or an array"
        raise model.error(f"the graph takes {wants}", "input", "type")
    is_classifier = outputs[0].type in _LABELS
    classes = loaded.classes
    result = _result(model, len(outputs), is_classifier=is_classifier)
    chances = (s.Pick(1),) if model.output.probabilities and len(outputs) > 1 else None
    if model.output.probabilities and classes is None:
        raise model.error("the graph has no probabilities of numbered classes", "output", "probabilities")
    labels = _labels(model, classes)
    wording = Wording(classes, labels, labels or tuple(map(key_of, classes or ())))
    kind = "classifier" if is_classifier else "regressor"
    if model.threshold is not None and is_classifier and classes is None:
        raise model.error("the graph does not declare its classes, so it cannot have a threshold", "threshold")
    decision = decision_of(model, wording, kind)
    _require_tensors(model, outputs, needs_probabilities=chances is not None or decision is not None)
    if decision is not None:
        result = (s.Pick(1), *decision.steps)
    check: tuple[s.Step, ...] = () if texts else (s.Check(missing=True, dtype=dtype),)
    is_label_only = chances is None and decision is None and result[:1] == (s.Pick(0),)
    graph = Graph(np.frombuffer(loaded.data, np.uint8), dtype, 1 if is_label_only else 2)
    return GraphFile(wanted, fitting, wording, kind, Program((*check, graph), result, chances))


def compile_graph(model: FileModel, data: bytes, *, is_tried: bool) -> tuple[CompiledModel, Tried]:
    """Compile a graph; unless `is_tried`, it is not asked anything."""
    graph = read_graph(model, data)
    tried = Tried()
    if is_tried:
        tried = try_out(graph.program, RowMaker(model, fit_columns(model, graph.wanted), {}).rows(None, ()))
    report = Report("onnx", verdict="not proven", why="the file is a graph already", one_by_one=tried.depends)
    compiled = CompiledModel(
        size=len(data),
        estimator="ONNX graph",
        kind=graph.kind,
        trained_with="",
        wanted=graph.wanted,
        wording=graph.wording,
        report=report,
        program=dump_program(graph.program),
    )
    return compiled, tried


def outline_graph(model: FileModel, data: bytes) -> tuple[int | None, bool, tuple[Any, ...] | None]:
    """Return the number of a graph's columns, whether these are texts, and its classes; raise `SpecError`."""
    loaded = _load(model, data)
    return loaded.count, loaded.dtype == "string", loaded.classes


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A graph without its ZipMap, and a session of it; `named` are the classes that the ZipMap named."""

    data: bytes
    dtype: str
    session: Any
    named: tuple[Any, ...] | None

    @property
    def count(self) -> int | None:
        """The number of columns, if the graph declares it."""
        shape = self.session.get_inputs()[0].shape
        return shape[1] if len(shape) > 1 and isinstance(shape[1], int) and self.dtype != "string" else None

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """The classes of a classifier, if the graph declares them."""
        outputs = self.session.get_outputs()
        return (self.named or _classes(outputs)) if outputs[0].type in _LABELS else None


def _load(model: FileModel, data: bytes) -> _Loaded:
    import onnx  # noqa: PLC0415 - only where a model is one

    try:
        read = onnx.load_from_string(data)
    except Exception as error:  # noqa: BLE001 - protobuf has errors of its own
        raise model.error(f"the file is not an ONNX graph ({clip(str(error), 200)})", "file") from None
    elsewhere = _data_elsewhere(read)
    if elsewhere is not None:
        raise model.error(
            f"the graph keeps data in other files ({show(elsewhere)}); save it in one: save_as_external_data=False",
            "file",
        )
    named = without_zipmap(read)
    if named is not None:
        data = read.SerializeToString()
    try:
        session = open_session(data)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - onnxruntime has errors of its own
        reason = clip(str(error).strip().partition("\n")[0], 300)
        raise model.error(f"onnxruntime cannot load the graph: {reason}", "file") from None
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _DTYPES:
        found = ", ".join(f"{one.name}: {one.type}" for one in inputs)
        raise model.error(f"the graph has the inputs {found}; it needs one, of float, double or string", "file")
    shape = inputs[0].shape
    if len(shape) > ROW_DIMENSIONS:
        found = " x ".join("any" if not isinstance(length, int) else str(length) for length in shape)
        raise model.error(
            f'the input "{inputs[0].name}" of the graph has {len(shape)} dimensions ({found}); an instance is a row of '
            "numbers, so the input needs two: rows and columns. Export the graph with a reshape in front",
            "file",
        )
    if not session.get_outputs():
        raise model.error("the graph has no outputs; it needs one, the result", "file")
    at_once = rows_at_once(session)
    if at_once is not None and at_once != 1:
        raise model.error(
            f"the graph takes {at_once} rows at once, no fewer and no more; export it with a first dimension that is "
            "free (dynamic_axes)",
            "file",
        )
    return _Loaded(data, _DTYPES[inputs[0].type], session, named)


def _data_elsewhere(read: Any) -> str | None:
    """Name a file that contains the data of a tensor, anywhere in the graph.

    Tensors are in initializers, in the attributes of operators, in the graphs that are attributes, in functions. So
    every part of the message is searched, not only the places known today.
    """
    waiting = [read]
    while waiting:
        part = waiting.pop()
        if part.DESCRIPTOR.name == "TensorProto" and part.data_location == part.EXTERNAL:
            return next((entry.value for entry in part.external_data if entry.key == "location"), "")
        for field, value in part.ListFields():
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else value
    return None


def _classes(outputs: Any) -> tuple[Any, ...] | None:
    """Return the classes as numbers, from the width of the probabilities; a graph does not declare them otherwise."""
    numbered = len(outputs) > 1 and outputs[0].type == "tensor(int64)"
    shape: Any = outputs[1].shape if numbered else ()
    return tuple(range(shape[-1])) if shape and isinstance(shape[-1], int) else None


def _result(model: FileModel, outputs: int, *, is_classifier: bool) -> tuple[s.Step, ...]:
    output = RESPONSE_METHODS[model.response_method].graph_output
    if output == 0:
        return (s.Pick(0), s.Ravel()) if is_classifier else (s.Pick(0), s.Squeeze())
    if output is not None and output < outputs:
        return (s.Pick(output),)
    raise model.error(f"the graph has no {model.response_method}; a graph has predict", "response_method")


def _require_tensors(model: FileModel, outputs: Any, *, needs_probabilities: bool) -> None:
    """Raise `SpecError` for an output that is part of an answer and has a type that JSON cannot represent."""
    is_result = RESPONSE_METHODS[model.response_method].graph_output == 0
    if is_result and outputs[0].type not in _RESULTS:
        must = "the result must be a tensor of numbers, texts or booleans"
        raise model.error(f"{_typed(outputs[0])}; {must}", "file")
    if (not is_result or needs_probabilities) and outputs[1].type not in _NUMBERS:
        must = 'the probabilities must be a tensor of numbers: export the model with options={"zipmap": False}'
        raise model.error(f"{_typed(outputs[1])}; {must}", "file")


def _typed(output: Any) -> str:
    return f"the output {show(output.name)} is of type {output.type}"


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
