"""Every model of a spec, made ready to answer: from the cache, or loaded, compared, compiled and proven."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.errors import Diagnostic, RefusedInstance, SpecError
from engine.models.batching import SharedRuntime
from engine.models.cache import Cache, Entry
from engine.models.instances import Wanted, columns
from engine.models.predictor import Answer, Facts, ModelPredictor, Predictor, Runtime, Wording
from engine.models.program import dump, load
from engine.models.report import Report, Trial
from engine.models.rows import count_rows
from engine.spec import Example, Model, Spec
from engine.validation import show

EXAMPLE_TOLERANCE = 1e-6

Progress = Callable[[str], None]


def compile_models(spec: Spec, progress: Progress = lambda _: None) -> Mapping[str, Predictor]:
    """Make every model of the spec ready to answer; `progress` is told what is being done.

    Raises `SpecError` with every mistake found, at the places of the keys they are about. scikit-learn is
    imported only where a model is not in the cache, or is served by it.
    """
    cache = Cache(spec.folder)
    loaded = _Loaded()
    predictors: dict[str, Predictor] = {}
    found: list[Diagnostic] = []
    for name, model in spec.models.items():
        try:
            predictors[name] = _ready(model, cache, loaded, progress)
        except SpecError as error:
            found += error.diagnostics
    if found:
        raise SpecError([*found, *spec.warnings])
    return predictors


def is_compiled(spec: Spec) -> bool:
    """Tell whether the cache has every model of the spec."""
    cache, loaded = Cache(spec.folder), _Loaded()
    try:
        return all(cache.read(cache.key(model, loaded.read(model))) is not None for model in spec.models.values())
    except OSError:
        return False


class _Loaded:
    """Model files, each read once; imports scikit-learn when the first one is opened."""

    def __init__(self) -> None:
        self._contents: dict[Path, bytes] = {}
        self._artifacts: Any = None

    def read(self, model: Model) -> bytes:
        """Give the bytes of a model's file; raise `OSError`."""
        path = model.file.resolve()
        if path not in self._contents:
            self._contents[path] = model.file.read_bytes()
        return self._contents[path]

    def open(self, model: Model) -> Any:
        """Give the model's `Artifact`; raise `SpecError`."""
        from engine.models.artifacts import Artifacts  # noqa: PLC0415 - not where everything is compiled

        self._artifacts = self._artifacts or Artifacts()
        return self._artifacts.open(model, self.read(model))


def _ready(model: Model, cache: Cache, loaded: _Loaded, progress: Progress) -> Predictor:
    try:
        key = cache.key(model, loaded.read(model))
    except OSError as error:
        raise model.error(f"the model's file cannot be read: {error.strerror}", "file") from None
    entry = cache.read(key)
    if entry is not None:
        return _restore(model, entry, loaded)
    predictor, entry = _compile(model, loaded, progress)
    mistakes = [found for example in model.examples for found in _try(example, predictor)]
    if mistakes:
        raise SpecError(mistakes)
    cache.write(key, entry)
    return predictor


def _compile_graph(model: Model, loaded: _Loaded) -> tuple[Predictor, Entry]:
    from engine.models.onnxfile import read_graph  # noqa: PLC0415 - few models are graphs

    data = loaded.read(model)
    graph = read_graph(model, data)
    facts = {
        "bytes": len(data),
        "estimator": "ONNX graph",
        "kind": graph.kind,
        "trained_with": "",
        "wanted": asdict(graph.wanted),
        "wording": asdict(graph.wording),
        "report": asdict(Report("onnx", verdict="not proven", why="the file is a graph already")),
    }
    entry = Entry(facts, {"one": dump(graph.program)})
    return _restore(model, entry, loaded), entry


def _compile(model: Model, loaded: _Loaded, progress: Progress) -> tuple[Predictor, Entry]:
    if model.file.suffix.lower() == ".onnx":
        return _compile_graph(model, loaded)
    from engine.models.candidates import choose  # noqa: PLC0415 - see _Loaded
    from engine.models.estimator import inspect  # noqa: PLC0415

    progress(f"{model.name}: loading")
    artifact = loaded.open(model)
    inspected = inspect(model, artifact.estimator)
    chosen = choose(model, inspected, lambda text: progress(f"{model.name}: {text}"))
    facts = {
        "bytes": artifact.bytes,
        "estimator": inspected.title,
        "kind": inspected.kind,
        "trained_with": artifact.trained_with or version("scikit-learn"),
        "wanted": asdict(inspected.wanted),
        "wording": asdict(inspected.wording),
        "report": asdict(chosen.report),
    }
    programs = {"one": chosen.program, "batch": chosen.batch_program}
    entry = Entry(facts, {name: dump(program) for name, program in programs.items() if program is not None})
    return _restore(model, entry, loaded), entry


def _restore(model: Model, entry: Entry, loaded: _Loaded) -> Predictor:
    """Make the predictor that an entry describes."""
    facts = entry.facts
    wanted = facts["wanted"]
    fitting = columns(model, Wanted(**{**wanted, "names": _tuple(wanted["names"])}))
    wording = Wording(*(_tuple(facts["wording"][name]) for name in ("classes", "labels", "keys")))
    trials = tuple(Trial(**trial) for trial in facts["report"]["trials"])
    report = Report(**{**facts["report"], "trials": trials})
    shown = Facts(
        name=model.name,
        file=str(model.file),
        bytes=facts["bytes"],
        estimator=facts["estimator"],
        kind=facts["kind"],
        response_method=model.response_method,
        features=fitting.names or fitting.count,
        classes=wording.classes,
        trained_with=facts["trained_with"],
        examples=len(model.examples),
        report=report,
    )
    return ModelPredictor(fitting, _runtime(model, entry, report, loaded), wording, shown)


def _runtime(model: Model, entry: Entry, report: Report, loaded: _Loaded) -> Runtime:
    if "one" not in entry.programs:
        from engine.models.estimator import SklearnRuntime  # noqa: PLC0415 - see _Loaded

        estimator = loaded.open(model).estimator
        alone = SklearnRuntime(estimator, model.response_method, probabilities=model.output.probabilities)
        return SharedRuntime(alone, model.batch.max_size, model.batch.max_wait_ms / 1000)
    one = load(entry.programs["one"])
    if "batch" not in entry.programs:
        return one
    batch, batch_from = load(entry.programs["batch"]), report.batch_from

    def by_size(rows: Any) -> Answer:
        return (batch if count_rows(rows) >= batch_from else one)(rows)

    return by_size


def _tuple(values: list[Any] | None) -> Any:
    return None if values is None else tuple(values)


def _try(example: Example, predictor: Predictor) -> list[Diagnostic]:
    """Run an example; a model that fails on it is as wrong as one that answers otherwise."""
    try:
        result = predictor([example.input]).result[0]
    except RefusedInstance as refused:
        return [Diagnostic(example.place("input"), refused.reason)]
    except Exception as error:  # noqa: BLE001 - an estimator may raise anything
        message = f"the model fails on this example: {type(error).__name__}: {error}"
        return [Diagnostic(example.place("input"), message)]
    if _same(example.result, result):
        return []
    return [Diagnostic(example.place("result"), f"the model answers {show(result)}, not {show(example.result)}")]


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_same, expected, actual))
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    if isinstance(expected, float) or isinstance(actual, float):
        numbers = isinstance(expected, int | float) and isinstance(actual, int | float)
        return numbers and math.isclose(expected, actual, rel_tol=EXAMPLE_TOLERANCE, abs_tol=1e-12)
    return bool(expected == actual)
