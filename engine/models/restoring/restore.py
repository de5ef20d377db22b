"""Prepared models → predictors, in this process or another; reads no file.

scikit-learn is imported only if a model is served by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from engine.diagnostics import Diagnostic
from engine.models.data.instances import Columns
from engine.models.predictor import Facts, ModelPredictor
from engine.models.restoring.choose_runtime import open_runtime
from engine.models.restoring.needed_libraries import describe_lack, to_serve
from engine.models.restoring.placement import place_model
from engine.models.restoring.prepared import LoadedEstimators, PreparedModel
from engine.models.runtime.answer import Runtime
from engine.models.runtime.native_trees import NativeTrees
from engine.models.runtime.program import Program, load_program
from engine.models.runtime.report import Report
from engine.models.runtime.threshold import named_threshold
from engine.spec import RUNTIMES, FileModel


def restore_model(
    model: FileModel, prepared: PreparedModel, opened: LoadedEstimators, *, is_shared: bool = True
) -> ModelPredictor:
    """Make the predictor of a compiled model."""
    if lack := describe_lack("to serve this model", to_serve(model, prepared)):
        raise model.error(lack, "file")
    compiled = prepared.compiled
    known: ModelPredictor | None = opened.predictors.get((model.name, prepared.key)) if is_shared else None
    if known is not None:
        known.facts = facts_of(model, prepared, known.columns, known.facts.report)
        return known
    fitting = prepared.columns(model)
    program, batch_program = (
        load_program(data) if data else None for data in (compiled.program, compiled.batch_program)
    )
    report = _as_loaded(compiled.report, filter(None, (program, batch_program)))
    runtime = open_runtime(model, prepared, (program, batch_program), report, opened, is_shared=is_shared)
    facts = facts_of(model, prepared, fitting, report)
    return ModelPredictor(fitting, runtime, compiled.wording, facts, compiled.good)


def restore_remote(model: FileModel, prepared: PreparedModel, runtime: Runtime) -> ModelPredictor:
    """Make the predictor of a model that another process computes, by a runtime that asks it."""
    fitting, compiled = prepared.columns(model), prepared.compiled
    facts = replace(facts_of(model, prepared, fitting, compiled.report), is_remote=True)
    return ModelPredictor(fitting, runtime, compiled.wording, facts, compiled.good)


def facts_of(model: FileModel, prepared: PreparedModel, fitting: Columns, report: Report) -> Facts:
    """Return the facts about a model that is ready to answer."""
    compiled = prepared.compiled
    return Facts(
        name=model.name,
        file=str(model.file),
        bytes=compiled.size,
        sha256=prepared.identity(model),
        estimator=compiled.estimator,
        kind=compiled.kind,
        response_method=model.response_method,
        features=fitting.names or fitting.count,
        classes=compiled.wording.classes,
        keys=compiled.wording.keys,
        threshold=named_threshold(model, compiled.wording),
        loaded=prepared.loaded,
        rows=compiled.rows,
        result=compiled.result,
        largest=compiled.largest,
        trained_with=compiled.trained_with,
        examples=len(model.examples),
        report=report,
        note=prepared.note,
        warnings=tuple(
            Diagnostic(model.place(*path), model.node.hidden(text), "warning") for path, text in compiled.warnings
        ),
        placement=place_model(model, compiled) if model.scale is not None else None,
        dtypes={name: dtype.declared for name, dtype in fitting.dtypes.items()} if fitting.form == "table" else {},
    )


def _as_loaded(report: Report, programs: Iterable[Program]) -> Report:
    """Describe what walks the trees if this process may not load the chosen code."""
    unloaded = [step.unloaded for program in programs for step in program if isinstance(step, NativeTrees)]
    why = next(filter(None, unloaded), "")
    if not why:
        return report
    runtime, batch = (name and (RUNTIMES[name].replacement or name) for name in (report.runtime, report.batch_runtime))
    instead = f"the trees in C cannot be loaded here ({why}); numpy computes the same, more slowly"
    return replace(report, runtime=runtime or report.runtime, batch_runtime=batch, instead=instead)
