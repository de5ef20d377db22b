"""The runtimes behind a predictor: compiled programs, scikit-learn, or one of them by the number of rows."""

from __future__ import annotations

from typing import Any

from engine.models.data.rows import count_rows
from engine.models.restoring.prepared import LoadedEstimators, PreparedModel
from engine.models.runtime.answer import Answer, Runtime
from engine.models.runtime.batching import OneByOne, SharedRuntime
from engine.models.runtime.program import Program
from engine.models.runtime.report import Report
from engine.models.runtime.threshold import decision_of
from engine.spec import FileModel


def open_runtime(
    model: FileModel,
    prepared: PreparedModel,
    programs: tuple[Program | None, Program | None],
    report: Report,
    opened: LoadedEstimators,
    *,
    is_shared: bool = True,
) -> Runtime:
    """Return the runtime that a report names, of the program and that for batches.

    Callers share calls of scikit-learn if `is_shared`.
    """
    program, batch_program = programs
    if program is None:
        return _sklearn(model, prepared, opened, one_by_one=bool(report.one_by_one), is_shared=is_shared)
    if report.one_by_one:
        return OneByOne(program)
    if report.batch_runtime is None:
        return program
    batch = batch_program or _sklearn(model, prepared, opened, is_shared=is_shared)

    def by_size(rows: Any) -> Answer:
        return (batch if count_rows(rows) >= report.batch_from else program)(rows)

    return by_size


def _sklearn(
    model: FileModel, prepared: PreparedModel, opened: LoadedEstimators, *, one_by_one: bool = False, is_shared: bool
) -> Runtime:
    """Answer by scikit-learn, in calls that requests share unless the rows are computed one by one."""
    from engine.models.estimators.sklearn_runtime import SklearnRuntime  # noqa: PLC0415 - see LoadedEstimators

    if prepared.file is None:
        raise ValueError(f"the file of {model.name} is needed and was left out")
    artifact = opened.open(model, prepared.file, prepared.modules)
    decision = decision_of(model, prepared.compiled.wording, prepared.compiled.kind)
    alone = SklearnRuntime(
        artifact.estimator, model.response_method, probabilities=model.output.probabilities, decision=decision
    )

    def finding(rows: Any) -> Answer:
        with artifact.modules.found():
            return alone(rows)

    runtime = OneByOne(finding) if one_by_one else finding
    if not is_shared:
        return runtime
    if one_by_one:
        return SharedRuntime(runtime, 1, 0.0, model.timeout)
    return SharedRuntime(runtime, model.batch.max_size, model.batch.max_wait_ms / 1000, model.timeout)
