"""Make every model of a spec ready to answer, in two steps.

`prepare_models` reads the files, and compiles and proves the models that the cache lacks; `restore_models` (in
`restoring`) makes predictors of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING

from engine.diagnostics import Diagnostic
from engine.errors import SpecError
from engine.isolation import Progress, Step
from engine.models.compiling.described_model import other_versions, require_signed_order
from engine.models.compiling.largest_number import largest_number
from engine.models.composing.open_models import OpenModels, in_order, restore_models
from engine.models.data.reference import allowed_instances, refused_rows, require_reference
from engine.models.files.formats import require_format
from engine.models.files.model_file import ModelFile, ModelFiles, read_file
from engine.models.files.modules import hash_modules
from engine.models.predictor import ModelPredictor, Predictor
from engine.models.restoring.cache import Cache, mode_for
from engine.models.restoring.compiled_model import CompiledModel
from engine.models.restoring.known_answers import hold_examples, hold_golden
from engine.models.restoring.needed_libraries import to_compile
from engine.models.restoring.pinned_entry import require_pinned_entry
from engine.models.restoring.prepared import LoadedEstimators, PreparedModel, take_cached, whole_key
from engine.models.restoring.restore import restore_model
from engine.models.restoring.result_form import result_form
from engine.models.runtime.program import Program, dump_program
from engine.models.runtime.report import Report
from engine.spec import FileModel, Spec

if TYPE_CHECKING:
    from engine.models.proving.tryout import Tried

MAX_SHOWN = 5  # rows of a reference that the docs page may show


def compile_models(
    spec: Spec, progress: Progress = lambda _: None, opened: LoadedEstimators | None = None
) -> Mapping[str, Predictor]:
    """Make every model of the spec ready to answer, in this process; raise `SpecError` as `prepare_models` does."""
    opened = opened or LoadedEstimators()
    return restore_models(spec, prepare_models(spec, progress, opened), opened=opened, is_checked=False)


def prepare_models(
    spec: Spec, progress: Progress = lambda _: None, opened: LoadedEstimators | None = None
) -> Mapping[str, PreparedModel]:
    """Take every model of the spec from the cache, or load, compare, compile and prove it.

    `progress` is called with each step. Raises `SpecError` with every mistake found, at the places of their keys.
    scikit-learn is imported only if a model is not in the cache.
    """
    cache, files, loaded = Cache(spec.folder), ModelFiles(), opened or LoadedEstimators()
    prepared: dict[str, PreparedModel] = {}
    found: list[Diagnostic] = []
    models = OpenModels(spec, lambda model: restore_model(model, prepared[model.name], loaded))
    failed: set[str] = set()
    for name in in_order(spec):
        try:
            if failed.isdisjoint(spec.only([name]).models):
                prepared[name] = _prepare(models.complete(name, with_examples=True), cache, files, loaded, progress)
        except SpecError as error:
            failed.add(name)
            found += error.diagnostics
    if found:
        raise SpecError([*found, *spec.warnings])
    return {name: prepared[name] for name in spec.file_models}


def needs_sklearn(spec: Spec) -> bool:
    """Return whether a model of the spec is not in the cache, or is served by scikit-learn."""
    cache, files, opened = Cache(spec.folder), ModelFiles(), LoadedEstimators()
    prepared: dict[str, PreparedModel] = {}
    models = OpenModels(spec, lambda model: restore_model(model, prepared[model.name], opened))
    try:
        for name in in_order(spec):
            model = models.complete(name, with_examples=True)
            file = files.read(model)
            found = take_cached(model, cache, cache.key(model, file.sha256), file)
            if found is None or found.compiled.needs_estimator:
                return True
            prepared[name] = found
    except (OSError, SpecError):
        return True
    return False


def open_uncompiled(
    model: FileModel, file: ModelFile, opened: LoadedEstimators
) -> tuple[ModelPredictor, PreparedModel]:
    """Make the predictor of a model as it is in its file, without compiling and proof; raise `SpecError`."""
    compiled, _ = _compile(replace(model, runtime="sklearn"), file, opened, lambda _: None, is_tried=False)
    prepared = PreparedModel("", compiled, file, file.sha256)
    return restore_model(model, prepared, opened), prepared


def _prepare(
    model: FileModel, cache: Cache, files: ModelFiles, opened: LoadedEstimators, progress: Progress
) -> PreparedModel:
    """Read a model's file, take its compiled form from the cache or make it, and hold it to its golden answers."""
    progress(Step("reading", model.name))
    file = read_file(model, files)
    require_pinned_file(model, file)
    key = _key_of(model, cache, file)
    golden = () if model.pin is None else tuple((one.input, one.result) for one in model.pin.golden)
    prepared = take_cached(model, cache, key, file, opened.opens)
    if prepared is None:
        prepared = replace(prepare_anew(model, key, file, opened, progress), note=cache.distrusted(key))
    else:
        require_pinned_entry(model, prepared.compiled)
        if prepared.compiled.programs and json.dumps(golden) == json.dumps(prepared.compiled.golden):
            return prepared
    if model.pin is not None and golden:
        progress(Step("computing its golden answers", model.name))
        hold_golden(model, model.pin.golden, restore_model(model, prepared, opened))
    compiled = replace(prepared.compiled, golden=golden)
    cache.write(key, compiled, mode_for(model.file))
    return replace(prepared, compiled=compiled)


def require_pinned_file(model: FileModel, file: ModelFile) -> None:
    """Raise `SpecError` for a file that is not the one that is pinned."""
    if model.pin is not None and model.pin.format != (named := require_format(model).name):
        raise model.error(
            f"this file is pinned as {model.pin.format}, but its name says {named}; "
            f"if you trust it, accept it: {model.lock_command}",
            "file",
        )
    if model.pin is not None and model.pin.sha256 != file.sha256:
        raise model.error(
            f"the file differs from its pin: its sha256 is {file.sha256}, {model.pin.place().file} has "
            f"{model.pin.sha256}; if you trust it, accept it: {model.lock_command}",
            "file",
        )


def _key_of(model: FileModel, cache: Cache, file: ModelFile) -> str:
    try:
        return cache.key(model, file.sha256)
    except OSError as error:
        raise model.error(f"the file cannot be read: {error.strerror}", "reference") from None


def prepare_anew(
    model: FileModel, key: str, file: ModelFile, opened: LoadedEstimators, progress: Progress, *, is_held: bool = True
) -> PreparedModel:
    """Compile a model, check its examples if `is_held`, and ask it what is to be known of its answers."""
    compiled, tried = _compile(model, file, opened, progress)
    require_pinned_entry(model, compiled)
    progress(Step("checking its examples", model.name))
    predictor = restore_model(model, PreparedModel(key, compiled, file, file.sha256), opened)
    if is_held:
        hold_examples(model, predictor)
    tried.require_answer(model)
    form = result_form(model, predictor.columns, predictor)
    modules = opened.modules(model, file)  # now that everything that answers need is imported
    compiled = replace(
        compiled,
        good=tried.good,
        warnings=(*compiled.warnings, *refused_rows(model), *tried.warnings(), *other_versions(model)),
        modules=hash_modules(modules),
        result=form,
        rows=tuple(islice(allowed_instances(model), MAX_SHOWN)) if model.show_reference else (),
        # Others may be user code, or slow, and are not called without need.
        largest=largest_number(predictor.columns, predictor.runtime) if compiled.programs else None,
    )
    prepared = PreparedModel(whole_key(key, modules), compiled, file, file.sha256, modules)
    predictor.good = tried.good
    opened.predictors[model.name, prepared.key] = predictor
    return prepared


def _compile(
    model: FileModel, file: ModelFile, opened: LoadedEstimators, progress: Progress, *, is_tried: bool = True
) -> tuple[CompiledModel, Tried]:
    """Compile a model; unless `is_tried`, it is not asked anything, and stays as it is in its file."""
    require_reference(model)
    if lack := to_compile(model.file, model.model_folder):
        raise model.error(lack, "file")
    progress(Step("loading", model.name))
    if require_format(model).is_graph:
        from engine.models.compiling.graphs.graph_data import read_beside  # noqa: PLC0415
        from engine.models.compiling.onnx_file import compile_graph  # noqa: PLC0415 - few models are graphs

        graph = compile_graph(model, file.data, read_beside(model, file, opened), is_tried=is_tried)
        require_signed_order(model, graph[0].wanted)
        return graph
    if model.graph_outputs:
        raise model.error(
            "graph_outputs is for .onnx files; an estimator answers by its response_method", "graph_outputs"
        )
    from engine.models.data.reference_frames import reading_once  # noqa: PLC0415
    from engine.models.estimators.inspection import inspect_estimator  # noqa: PLC0415
    from engine.models.estimators.loading import blaming_version  # noqa: PLC0415 - see LoadedEstimators
    from engine.models.estimators.unlearnt import require_learnt_kinds, warn_of_unlearnt  # noqa: PLC0415
    from engine.models.proving.candidates import choose_candidate  # noqa: PLC0415
    from engine.models.proving.choice import Chosen  # noqa: PLC0415
    from engine.models.proving.frame_check import require_trained_dtypes  # noqa: PLC0415

    artifact = opened.open(model, file)
    chosen = Chosen(None, None, Report("sklearn"))
    with artifact.modules.found(), reading_once():
        inspected = inspect_estimator(model, artifact.estimator)
        require_signed_order(model, inspected.wanted)
        require_learnt_kinds(model, inspected)
        require_trained_dtypes(model, inspected)
        if is_tried:
            with blaming_version(artifact.trained_with):
                chosen = choose_candidate(model, inspected, progress)
    compiled = CompiledModel(
        size=artifact.bytes,
        estimator=inspected.title,
        kind=inspected.kind,
        trained_with=artifact.trained_with or version("scikit-learn"),
        wanted=inspected.wanted,
        wording=inspected.wording,
        report=chosen.report,
        program=_dumped(chosen.program),
        batch_program=_dumped(chosen.batch_program),
        warnings=tuple(warn_of_unlearnt(model, inspected)),
        lacked_compiler=chosen.lacked_compiler,
    )
    return compiled, chosen.tried


def _dumped(program: Program | None) -> bytes | None:
    return None if program is None else dump_program(program)
