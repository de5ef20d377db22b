"""What was prepared → predictors, in this process or another; reads no file.

scikit-learn is imported only where a model is served by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from engine.errors import Diagnostic
from engine.models.batching import OneByOne, SharedRuntime
from engine.models.instances import Wanted, columns
from engine.models.native import NativeTrees
from engine.models.predictor import Answer, Facts, ModelPredictor, Predictor, ResultForm, Runtime, Wording
from engine.models.prepared import Opened, Prepared
from engine.models.program import Program, load
from engine.models.report import Report, Trial
from engine.models.rows import count_rows
from engine.spec import Model, Spec


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
        name: known.get((name, one.key)) or restore(spec.models[name], one, opened) for name, one in prepared.items()
    }


def restore(model: Model, prepared: Prepared, opened: Opened) -> ModelPredictor:
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
    runtime = _runtime(model, prepared, programs, report, opened)
    return ModelPredictor(fitting, runtime, wording, shown, facts.get("good"))


def _runtime(
    model: Model, prepared: Prepared, programs: Mapping[str, Program], report: Report, opened: Opened
) -> Runtime:
    if "one" not in programs:
        return _shared(model, prepared, opened, one_by_one=bool(report.one_by_one))
    one: Runtime = programs["one"]
    if report.one_by_one:
        return OneByOne(one)
    if report.batch_runtime is None:
        return one
    batch = programs["batch"] if "batch" in programs else _shared(model, prepared, opened)

    def by_size(rows: Any) -> Answer:
        return (batch if count_rows(rows) >= report.batch_from else one)(rows)

    return by_size


def _shared(model: Model, prepared: Prepared, opened: Opened, *, one_by_one: bool = False) -> Runtime:
    """Have scikit-learn answer, in calls that requests share unless the rows are computed one by one."""
    from engine.models.estimator import SklearnRuntime  # noqa: PLC0415 - see Opened

    if prepared.file is None:
        raise ValueError(f"the file of {model.name} is needed and was left out")
    artifact = opened.open(model, prepared.file, prepared.modules)
    alone = SklearnRuntime(artifact.estimator, model.response_method, probabilities=model.output.probabilities)

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
