"""Prepared models → predictors, in this process or another; reads no file.

scikit-learn is imported only if a model is served by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine.diagnostics import Diagnostic
from engine.models.data.instances import Wanted, columns
from engine.models.predictor import Facts, ModelPredictor, Predictor, ResultForm
from engine.models.restoring.choose_runtime import open_runtime
from engine.models.restoring.needed_libraries import lacking, to_serve
from engine.models.restoring.prepared import Opened, Prepared
from engine.models.runtime.class_names import Wording
from engine.models.runtime.native_trees import NativeTrees
from engine.models.runtime.program import Program, load
from engine.models.runtime.report import Report, Trial
from engine.models.runtime.threshold import named_threshold
from engine.spec import Model, Spec


def restore_models(
    spec: Spec,
    prepared: Mapping[str, Prepared],
    known: Mapping[tuple[str, str], Predictor] | None = None,
    opened: Opened | None = None,
) -> Mapping[str, Predictor]:
    """Make the models' predictors; those that are `known`, by name and key, are reused.

    scikit-learn is imported only if a model is served by it.
    """
    known, opened = known or {}, opened or Opened()
    return {
        name: known.get((name, one.key)) or restore(spec.models[name], one, opened) for name, one in prepared.items()
    }


def restore_alone(model: Model, prepared: Prepared) -> ModelPredictor:
    """Make the predictor of a model for a single caller, who waits for each call without a limit."""
    return restore(model, prepared, Opened(), is_shared=False)


def restore(model: Model, prepared: Prepared, opened: Opened, *, is_shared: bool = True) -> ModelPredictor:
    """Make the predictor that an entry describes."""
    if lack := lacking("to serve this model", to_serve(model, prepared)):
        raise model.error(lack, "file")
    facts = prepared.entry.facts
    fitting = columns(model, Wanted.restored(facts["wanted"]))
    wording = Wording.restored(facts["wording"])
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
        loaded=prepared.loaded,
        rows=tuple(facts.get("rows", ())),
        result=_form(facts.get("result")),
        largest=facts.get("largest"),
        trained_with=facts["trained_with"],
        examples=len(model.examples),
        report=report,
        note=prepared.note,
        warnings=tuple(
            Diagnostic(model.place(*path), model.node.hidden(text), "warning")
            for path, text in facts.get("warnings", ())
        ),
        dtypes={name: dtype.declared for name, dtype in fitting.dtypes.items()} if fitting.form == "table" else {},
    )
    runtime = open_runtime(model, prepared, programs, report, opened, is_shared=is_shared)
    return ModelPredictor(fitting, runtime, wording, shown, facts.get("good"))


def _as_loaded(report: Report, programs: Iterable[Program]) -> Report:
    """Describe what walks the trees if this process may not load the chosen code."""
    unloaded = [step.unloaded for program in programs for step in program if isinstance(step, NativeTrees)]
    why = next(filter(None, unloaded), "")
    if not why:
        return report
    runtime, batch_runtime = ("numpy" if name == "native" else name for name in (report.runtime, report.batch_runtime))
    instead = f"the trees in C cannot be loaded here ({why}); numpy computes the same, more slowly"
    return replace(report, runtime=runtime or "numpy", batch_runtime=batch_runtime, instead=instead)


def _form(facts: Mapping[str, Any] | None) -> ResultForm | None:
    return ResultForm(tuple(facts["lengths"]), facts["type"]) if facts else None
