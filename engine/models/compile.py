"""Every model of a spec, made ready to answer, in two steps.

`prepare_models` reads the files, compiles and proves what the cache lacks; `restore_models` makes predictors of what
it gives, in this process or another, and reads no file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from engine.errors import Diagnostic, SpecError
from engine.models.batching import SharedRuntime
from engine.models.cache import Cache, Entry
from engine.models.holding import hold, hold_golden
from engine.models.instances import Wanted, columns
from engine.models.modelfile import ModelFile, ModelFiles, format_of, read_file
from engine.models.native import NativeTrees
from engine.models.predictor import Answer, Facts, ModelPredictor, Predictor, ResultForm, Runtime, Wording
from engine.models.program import Program, dump, load
from engine.models.reach import largest_number
from engine.models.reference import require_reference
from engine.models.report import Report, Trial
from engine.models.results import result_form
from engine.models.rows import count_rows
from engine.spec import Model, Spec

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a predictor is made of; of one name, two with the same `key` are the same.

    `file` is the model's own; once compiled, it is needed no more.
    """

    key: str
    entry: Entry
    file: ModelFile | None

    def without_file(self) -> Prepared:
        """Leave the file out where nobody needs it."""
        return replace(self, file=None) if self.entry.programs else self


class Opened:
    """The estimators in model files, each unpickled once; imports scikit-learn with the first."""

    def __init__(self) -> None:
        self._artifacts: Any = None

    def open(self, model: Model, file: ModelFile) -> Any:
        """Give the model's `Artifact`; raise `SpecError`."""
        from engine.models.artifacts import Artifacts  # noqa: PLC0415 - not where everything is compiled

        self._artifacts = self._artifacts or Artifacts()
        return self._artifacts.open(model, file.data, file.sha256)


def compile_models(spec: Spec, progress: Progress = lambda _: None) -> Mapping[str, Predictor]:
    """Make every model of the spec ready to answer, in this process; raise `SpecError` as `prepare_models` does."""
    opened = Opened()
    return restore_models(spec, prepare_models(spec, progress, opened), opened=opened)


def prepare_models(
    spec: Spec, progress: Progress = lambda _: None, opened: Opened | None = None
) -> Mapping[str, Prepared]:
    """Take every model of the spec from the cache, or load, compare, compile and prove it.

    `progress` is told what is being done. Raises `SpecError` with every mistake found, at the places of the keys
    they are about. scikit-learn is imported only where a model is not in the cache.
    """
    cache, files, opened = Cache(spec.folder), ModelFiles(), opened or Opened()
    prepared: dict[str, Prepared] = {}
    found: list[Diagnostic] = []
    for name, model in spec.models.items():
        try:
            prepared[name] = _prepare(model, cache, files, opened, progress)
        except SpecError as error:
            found += error.diagnostics
    if found:
        raise SpecError([*found, *spec.warnings])
    return prepared


def restore_models(
    spec: Spec,
    prepared: Mapping[str, Prepared],
    known: Mapping[tuple[str, str], Predictor] | None = None,
    opened: Opened | None = None,
) -> Mapping[str, Predictor]:
    """Make the models' predictors; those that are `known`, by name and key, are taken as they are.

    scikit-learn is imported only where a model is served by it.
    """
    known, opened = known or {}, opened or Opened()
    return {
        name: known.get((name, one.key)) or _restore(spec.models[name], one, opened) for name, one in prepared.items()
    }


def needs_sklearn(spec: Spec) -> bool:
    """Tell whether a model of the spec is not in the cache, or is served by scikit-learn."""
    cache, files = Cache(spec.folder), ModelFiles()
    try:
        entries = [cache.read(cache.key(model, files.read(model).data)) for model in spec.models.values()]
    except OSError:
        return True
    return any(entry is None or not entry.programs for entry in entries)


def uncompiled(model: Model, file: ModelFile, opened: Opened) -> Predictor:
    """Make the predictor of a model as its file has it, with no compiling and no proof; raise `SpecError`."""
    entry = _compile(replace(model, runtime="sklearn"), file, opened, lambda _: None)
    return _restore(model, Prepared("", entry, file), opened)


def _prepare(model: Model, cache: Cache, files: ModelFiles, opened: Opened, progress: Progress) -> Prepared:
    progress(f"{model.name}: reading")
    file = read_file(model, files)
    if model.pin is not None and model.pin.format != format_of(model.file):
        raise model.error(
            f"this file is pinned as {model.pin.format}, and by its name it is {format_of(model.file)}; "
            f"if you trust it, accept it: {model.lock_command}",
            "file",
        )
    if model.pin is not None and model.pin.sha256 != file.sha256:
        raise model.error(
            f"this is not the file that is pinned: its sha256 is {file.sha256}, {model.pin.place().file} has "
            f"{model.pin.sha256}; if you trust it, accept it: {model.lock_command}",
            "file",
        )
    try:
        key = cache.key(model, file.data)
    except OSError as error:
        raise model.error(f"the file cannot be read: {error.strerror}", "reference") from None
    golden = model.pin.golden if model.pin is not None else ()
    known = {"golden": [(one.input, one.result) for one in golden]}
    entry = cache.read(key)
    if entry is None:
        entry = _compile(model, file, opened, progress)
        progress(f"{model.name}: asking for its answers to examples")
        predictor = _restore(model, Prepared(key, entry, file), opened)
        hold(model.examples, predictor)
        form = result_form(model, predictor.columns, predictor)
        entry = replace(entry, facts={**entry.facts, "result": form and asdict(form)})
        if entry.programs:  # others may be anybody's code, or slow, and are not called without need
            largest = largest_number(predictor.columns, predictor.runtime)
            entry = replace(entry, facts={**entry.facts, "largest": largest})
    elif entry.programs and json.dumps(known["golden"]) == json.dumps(entry.facts["golden"]):
        return Prepared(key, entry, file)
    if golden:
        progress(f"{model.name}: asking for its golden answers")
        hold_golden(model, golden, _restore(model, Prepared(key, entry, file), opened))
    entry = replace(entry, facts={**entry.facts, **known})
    cache.write(key, entry)
    return Prepared(key, entry, file)


def _compile_graph(model: Model, file: ModelFile) -> Entry:
    from engine.models.onnxfile import read_graph  # noqa: PLC0415 - few models are graphs

    graph = read_graph(model, file.data)
    facts = {
        "bytes": len(file.data),
        "estimator": "ONNX graph",
        "kind": graph.kind,
        "trained_with": "",
        "wanted": asdict(graph.wanted),
        "wording": asdict(graph.wording),
        "report": asdict(Report("onnx", verdict="not proven", why="the file is a graph already")),
    }
    return Entry(facts, {"one": dump(graph.program)})


def _compile(model: Model, file: ModelFile, opened: Opened, progress: Progress) -> Entry:
    require_reference(model)
    progress(f"{model.name}: loading")
    if model.file.suffix.lower() == ".onnx":
        return _compile_graph(model, file)
    from engine.models.candidates import choose  # noqa: PLC0415 - see Opened
    from engine.models.estimator import inspect  # noqa: PLC0415
    from engine.models.independent import require_trained_dtypes  # noqa: PLC0415

    artifact = opened.open(model, file)
    inspected = inspect(model, artifact.estimator)
    require_trained_dtypes(model, inspected)
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
    return Entry(facts, {name: dump(program) for name, program in programs.items() if program is not None})


def _restore(model: Model, prepared: Prepared, opened: Opened) -> ModelPredictor:
    """Make the predictor that an entry describes."""
    facts = prepared.entry.facts
    fitting = columns(model, Wanted.restored(facts["wanted"]))
    wording = Wording(*(_tuple(facts["wording"][name]) for name in ("classes", "labels", "keys")))
    trials = tuple(Trial(**trial) for trial in facts["report"]["trials"])
    programs = {name: load(data) for name, data in prepared.entry.programs.items()}
    report = _as_loaded(Report(**{**facts["report"], "trials": trials}), programs.values())
    shown = Facts(
        name=model.name,
        file=str(model.file),
        bytes=facts["bytes"],
        estimator=facts["estimator"],
        kind=facts["kind"],
        response_method=model.response_method,
        features=fitting.names or fitting.count,
        classes=wording.classes,
        keys=wording.keys,
        result=_form(facts.get("result")),
        largest=facts.get("largest"),
        trained_with=facts["trained_with"],
        examples=len(model.examples),
        report=report,
        dtypes={name: dtype.declared for name, dtype in fitting.dtypes.items()} if fitting.form == "table" else {},
    )
    return ModelPredictor(fitting, _runtime(model, prepared, programs, report.batch_from, opened), wording, shown)


def _runtime(
    model: Model, prepared: Prepared, programs: Mapping[str, Program], batch_from: int, opened: Opened
) -> Runtime:
    if prepared.file is not None and "one" not in programs:
        from engine.models.estimator import SklearnRuntime  # noqa: PLC0415 - see Opened

        estimator = opened.open(model, prepared.file).estimator
        alone = SklearnRuntime(estimator, model.response_method, probabilities=model.output.probabilities)
        return SharedRuntime(alone, model.batch.max_size, model.batch.max_wait_ms / 1000, model.timeout)
    one = programs["one"]
    if "batch" not in programs:
        return one
    batch = programs["batch"]

    def by_size(rows: Any) -> Answer:
        return (batch if count_rows(rows) >= batch_from else one)(rows)

    return by_size


def _as_loaded(report: Report, programs: Iterable[Program]) -> Report:
    """Say by what the trees are walked where this process may not load the code that was chosen for it."""
    unloaded = [step.unloaded for program in programs for step in program if isinstance(step, NativeTrees)]
    why = next(filter(None, unloaded), "")
    if not why:
        return report
    runtime, batch_runtime = ("numpy" if name == "native" else name for name in (report.runtime, report.batch_runtime))
    instead = f"the trees in C cannot be loaded here ({why}); numpy computes the same, more slowly"
    return replace(report, runtime=runtime or "numpy", batch_runtime=batch_runtime, instead=instead)


def _form(facts: Mapping[str, Any] | None) -> ResultForm | None:
    return ResultForm(tuple(facts["lengths"]), facts["type"]) if facts else None


def _tuple(values: list[Any] | None) -> Any:
    return None if values is None else tuple(values)
