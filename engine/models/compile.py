"""Every model of a spec, made ready to answer, in two steps.

`prepare_models` reads the files, compiles and proves what the cache lacks; `restore_models` makes predictors of what
it gives, in this process or another, and reads no file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from engine.errors import Diagnostic, SpecError
from engine.models.batching import OneByOne, SharedRuntime
from engine.models.cache import Cache, Entry, mode_for
from engine.models.deciding import decision_of, named_threshold
from engine.models.holding import hold, hold_golden
from engine.models.instances import Wanted, columns
from engine.models.modelfile import ModelFile, ModelFiles, format_of, read_file
from engine.models.modules import hash_modules
from engine.models.native import NativeTrees, find_compiler
from engine.models.predictor import Answer, Facts, ModelPredictor, Predictor, ResultForm, Runtime, Wording
from engine.models.prepared import Opened, Prepared, take_cached, whole_key
from engine.models.program import Program, dump, load
from engine.models.reach import largest_number
from engine.models.reference import require_reference
from engine.models.report import Report, Trial
from engine.models.results import result_form
from engine.models.rows import count_rows
from engine.spec import Model, Spec

if TYPE_CHECKING:
    from engine.models.trying import Tried

Progress = Callable[[str], None]


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
        read = [(model, files.read(model)) for model in spec.models.values()]
        found = [take_cached(model, cache, cache.key(model, file.data), file) for model, file in read]
    except (OSError, SpecError):
        return True
    return any(prepared is None or prepared.needs_file for prepared in found)


def uncompiled(model: Model, file: ModelFile, opened: Opened) -> Predictor:
    """Make the predictor of a model as its file has it, with no compiling and no proof; raise `SpecError`."""
    entry, _ = _compile(replace(model, runtime="sklearn"), file, opened, lambda _: None, is_tried=False)
    return _restore(model, Prepared("", entry, file, file.sha256), opened)


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
    prepared = take_cached(model, cache, key, file, opened.opens)
    if prepared is None:
        prepared = prepare_anew(model, key, file, opened, progress)
        prepared = replace(prepared, note=cache.distrusted(key))
    elif prepared.entry.programs and json.dumps(known["golden"]) == json.dumps(prepared.entry.facts["golden"]):
        return prepared
    if golden:
        progress(f"{model.name}: asking for its golden answers")
        hold_golden(model, golden, _restore(model, prepared, opened))
    entry = replace(prepared.entry, facts={**prepared.entry.facts, **known})
    cache.write(key, entry, mode_for(model.file))
    return replace(prepared, entry=entry)


def prepare_anew(
    model: Model, key: str, file: ModelFile, opened: Opened, progress: Progress, *, is_held: bool = True
) -> Prepared:
    """Compile a model, and hold it to its examples unless its answers are another's."""
    entry, tried = _compile(model, file, opened, progress)
    progress(f"{model.name}: asking for its answers to examples")
    predictor = _restore(model, Prepared(key, entry, file, file.sha256), opened)
    if is_held:
        hold(model, predictor)
    tried.require_answer(model)
    facts = {**entry.facts, "good": tried.good, "warnings": list(tried.warnings())}
    form = result_form(model, predictor.columns, predictor)
    modules = opened.modules(model, file)  # now that all are imported that answers need
    facts = {
        **facts,
        "compiler": find_compiler() is not None,
        "modules": hash_modules(modules),
        "result": form and asdict(form),
    }
    if entry.programs:  # others may be anybody's code, or slow, and are not called without need
        facts["largest"] = largest_number(predictor.columns, predictor.runtime)
    return Prepared(whole_key(key, modules), replace(entry, facts=facts), file, file.sha256, modules)


def _compile(
    model: Model, file: ModelFile, opened: Opened, progress: Progress, *, is_tried: bool = True
) -> tuple[Entry, Tried]:
    """Make an entry; unless `is_tried`, the model is not asked anything, and stays as its file has it."""
    require_reference(model)
    progress(f"{model.name}: loading")
    if model.file.suffix.lower() == ".onnx":
        from engine.models.onnxfile import compile_graph  # noqa: PLC0415 - few models are graphs

        return compile_graph(model, file.data, is_tried=is_tried)
    from engine.models.artifacts import blaming_version  # noqa: PLC0415 - see Opened
    from engine.models.candidates import choose  # noqa: PLC0415
    from engine.models.choosing import Chosen  # noqa: PLC0415
    from engine.models.estimator import inspect  # noqa: PLC0415
    from engine.models.independent import require_trained_dtypes  # noqa: PLC0415

    artifact = opened.open(model, file)
    chosen = Chosen(None, None, Report("sklearn"))
    with artifact.modules.found():
        inspected = inspect(model, artifact.estimator)
        require_trained_dtypes(model, inspected)
        if is_tried:
            with blaming_version(artifact.trained_with):
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
    made = {name: dump(program) for name, program in programs.items() if program is not None}
    return Entry(facts, made), chosen.tried


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
        sha256=prepared.sha256,
        estimator=facts["estimator"],
        kind=facts["kind"],
        response_method=model.response_method,
        features=fitting.names or fitting.count,
        classes=wording.classes,
        keys=wording.keys,
        threshold=named_threshold(model, wording),
        result=_form(facts.get("result")),
        largest=facts.get("largest"),
        trained_with=facts["trained_with"],
        examples=len(model.examples),
        report=report,
        note=prepared.note,
        warnings=tuple(
            Diagnostic(model.place(key), model.node.hidden(text), "warning") for key, text in facts.get("warnings", ())
        ),
        dtypes={name: dtype.declared for name, dtype in fitting.dtypes.items()} if fitting.form == "table" else {},
    )
    runtime = _runtime(model, prepared, programs, report, wording, opened)
    return ModelPredictor(fitting, runtime, wording, shown, facts.get("good"))


def _runtime(
    model: Model,
    prepared: Prepared,
    programs: Mapping[str, Program],
    report: Report,
    wording: Wording,
    opened: Opened,
) -> Runtime:
    if "one" not in programs:
        return _shared(model, prepared, wording, opened, one_by_one=bool(report.one_by_one))
    one: Runtime = programs["one"]
    if report.one_by_one:
        return OneByOne(one)
    if report.batch_runtime is None:
        return one
    batch = programs["batch"] if "batch" in programs else _shared(model, prepared, wording, opened)

    def by_size(rows: Any) -> Answer:
        return (batch if count_rows(rows) >= report.batch_from else one)(rows)

    return by_size


def _shared(model: Model, prepared: Prepared, wording: Wording, opened: Opened, *, one_by_one: bool = False) -> Runtime:
    """Have scikit-learn answer, in calls that requests share unless the rows are computed one by one."""
    from engine.models.estimator import SklearnRuntime  # noqa: PLC0415 - see Opened

    if prepared.file is None:
        raise ValueError(f"the file of {model.name} is needed and was left out")
    artifact = opened.open(model, prepared.file, prepared.modules)
    decision = decision_of(model, wording, prepared.entry.facts["kind"])
    alone = SklearnRuntime(
        artifact.estimator, model.response_method, probabilities=model.output.probabilities, decision=decision
    )

    def finding(rows: Any) -> Answer:
        with artifact.modules.found():
            return alone(rows)

    if one_by_one:
        return SharedRuntime(OneByOne(finding), 1, 0.0, model.timeout)
    return SharedRuntime(finding, model.batch.max_size, model.batch.max_wait_ms / 1000, model.timeout)


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
