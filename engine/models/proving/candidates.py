"""The candidates to serve a model in place of scikit-learn, in one table, and the choice among the proven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from engine.isolation import Progress, Step
from engine.models.data.rows import count_rows, join_rows, repeat_rows, slice_rows
from engine.models.estimators.estimator_parts import is_foreign, library_of, parts_of
from engine.models.estimators.inspection import Inspected
from engine.models.estimators.known_inputs import known_inputs
from engine.models.estimators.margins import margin_of
from engine.models.estimators.sklearn_runtime import SklearnRuntime
from engine.models.lowering.lower import lower_estimator
from engine.models.lowering.result import NotLowered
from engine.models.lowering.skl2onnx_graph import NotConverted, estimator_program
from engine.models.lowering.tree_graph import trees_graph
from engine.models.lowering.tree_walk import TreeEnsemble, find_walk
from engine.models.proving.choice import Chosen, choose_best, with_faster_batches
from engine.models.proving.comparison import MANY, Examination, examine_baseline, judge_candidate, seconds_for
from engine.models.proving.learnt_ranges import known_texts, learnt_ranges
from engine.models.proving.proof_rows import ProofRows, RowMaker
from engine.models.proving.tree_rows import nodes_reached
from engine.models.proving.tryout import try_out
from engine.models.runtime import steps as s
from engine.models.runtime.answer import Refusal, Runtime
from engine.models.runtime.native_trees import NativeTrees, build_library, find_compiler, load_library
from engine.models.runtime.onnx_graphs import Graph, OnnxTrees
from engine.models.runtime.program import Program, dump_program, load_program
from engine.models.runtime.report import Report, Trial
from engine.models.runtime.tree_table import TreeTable
from engine.schema import clip
from engine.spec import FileModel, RuntimeName

REASON_LENGTH = 300


@dataclass(slots=True)
class Subject:
    """A model under trial: its estimator, how to call it, and scikit-learn's answers."""

    model: FileModel
    inspected: Inspected
    check: tuple[s.Step, ...] = ()
    tables: list[TreeTable] = field(default_factory=list)

    @property
    def estimator(self) -> Any:
        """The estimator itself."""
        return self.inspected.estimator

    def lowered(self, trees: Callable[[TreeTable], s.Step]) -> Program:
        """Make its program with one kind of trees."""
        fitting = self.inspected.columns
        return lower_estimator(
            self.estimator,
            self.model.response_method,
            trees,
            probabilities=self.model.output.probabilities,
            columns=fitting.count if fitting.form == "table" else None,
            decision=self.inspected.decision,
        )


def _native(subject: Subject) -> Program:
    _require_trees(subject)
    library = build_library()
    load_library(library.tobytes())  # if it cannot be loaded, another candidate is faster than its replacement
    return _narrowing_in_c(subject.lowered(lambda table: NativeTrees(table, library)))


def _narrowing_in_c(program: Program) -> Program:
    """Let the trees do the rounding and checking of the step before them."""
    steps = list(program.scores)
    for place, (narrow, trees) in enumerate(pairwise(steps)):
        if isinstance(narrow, s.Narrow) and isinstance(trees, NativeTrees):
            fused = NativeTrees(trees.table, trees.library, narrow=True, missing=narrow.missing)
            return replace(program, scores=(*steps[:place], fused, *steps[place + 2 :]))
    return program


def _onnx_trees(subject: Subject) -> Program:
    _require_trees(subject)
    return subject.lowered(trees_graph)


def _require_trees(subject: Subject) -> None:
    """Raise `NotLowered` with the reason why no trees were found: what cannot be lowered hides them."""
    if not subject.tables:
        subject.lowered(trees_graph)
        raise NotLowered("the model has no trees")


def _arrays(subject: Subject) -> Program:
    if subject.tables:
        raise NotLowered("the model has trees")
    return subject.lowered(trees_graph)


def _graph(dtype: str) -> Callable[[Subject], Program]:
    def make(subject: Subject) -> Program:
        kind = "string" if subject.inspected.columns.form == "texts" else dtype
        return estimator_program(
            subject.estimator,
            subject.model.response_method,
            kind,
            subject.check,
            probabilities=subject.model.output.probabilities,
            decision=subject.inspected.decision,
        )

    return make


CANDIDATES: Mapping[str, tuple[RuntimeName, Callable[[Subject], Program]]] = {
    "trees in C": ("native", _native),
    "trees in onnxruntime": ("onnx", _onnx_trees),
    "arrays": ("numpy", _arrays),
    "graph in float64": ("onnx", _graph("float64")),
    "graph in float32": ("onnx", _graph("float32")),
}
# If one sort of candidate is exact, a whole graph of skl2onnx need not be tried.
_WHOLE_GRAPHS = ("graph in float64", "graph in float32")


def choose_candidate(model: FileModel, inspected: Inspected, progress: Progress) -> Chosen:
    """Try every candidate, and choose the best proven one."""
    subject = Subject(model, inspected)
    baseline = SklearnRuntime(
        inspected.estimator,
        model.response_method,
        probabilities=model.output.probabilities,
        decision=inspected.decision,
    )
    library = library_of(inspected.estimator)
    progress(Step(f"computing {library}'s answers to the proof rows", model.name))
    with np.errstate(all="ignore"):
        walk = _walk(subject) if model.runtime != "sklearn" else None
        rows = _row_maker(subject, walk).rows(walk, known_texts(subject.estimator))
        tried = try_out(baseline, rows)
        if model.runtime == "sklearn" or tried.is_hopeless:
            chosen = Chosen(None, None, Report("sklearn", verdict="exact", why="the spec says so"))
        elif tried.is_dependent:
            why = "its answer to a row depends on the other rows of the batch"
            chosen = Chosen(None, None, Report("sklearn", verdict="not proven", why=why))
        else:
            chosen = _try_all(subject, baseline, rows, walk, progress)
    if model.runtime not in ("auto", chosen.report.runtime) and not tried.is_hopeless:
        raise model.error(f'the runtime "{model.runtime}" cannot serve this model: {chosen.report.why}', "runtime")
    chosen = replace(chosen, report=replace(chosen.report, library=library))
    if chosen.program is not None:  # each row has its own answer there, or it would not have passed the proof
        return replace(chosen, tried=replace(tried, depends=""))
    return replace(chosen, tried=tried, report=replace(chosen.report, one_by_one=tried.depends))


def usual_instances(model: FileModel, inspected: Inspected) -> list[Any]:
    """Make instances that the input allows, inside the ranges that the model has seen."""
    subject = Subject(model, inspected)
    return _row_maker(subject, _walk(subject)).usual(known_texts(subject.estimator))


def _row_maker(subject: Subject, walk: TreeEnsemble | None) -> RowMaker:
    """Return the maker of rows, with the values that the model knows of its columns."""
    columns, estimator = subject.inspected.columns, subject.estimator
    count = subject.inspected.wanted.count or 0
    categories = {place: one.categories for place, one in enumerate(known_inputs(estimator, count)) if one.categories}
    return RowMaker(subject.model, columns, learnt_ranges(estimator, walk), categories)


def _try_all(
    subject: Subject, baseline: Runtime, rows: ProofRows, walk: TreeEnsemble | None, progress: Progress
) -> Chosen:
    examination = examine_baseline(baseline, margin_of(subject.inspected), rows)
    accepted = [question.rows for question in examination.questions if question.answer is not None]
    if not accepted:
        return Chosen(None, None, Report("sklearn", verdict="not proven", why="there are no rows to prove it with"))
    sample = max(accepted, key=count_rows)
    one, many = slice_rows(sample, 0, 1), repeat_rows(sample, MANY)
    subject.check = _checks(baseline, one)
    trials: list[tuple[Trial, Program | None]] = []
    for name, (runtime, make) in CANDIDATES.items():
        if subject.model.runtime not in ("auto", runtime):
            continue
        if name in _WHOLE_GRAPHS and any(trial.verdict == "exact" for trial, _ in trials):
            continue
        progress(Step(f"proving {name}", subject.model.name))
        trials.append(_try(name, runtime, make, subject, examination, (one, many)))
    report = Report(
        runtime="sklearn",
        library=library_of(subject.estimator),
        rows=examination.rows,
        refused=examination.refused,
        nodes_reached=nodes_reached(walk, join_rows(accepted)) if walk is not None else None,
        trials=tuple(trial for trial, _ in trials),
        one_row=seconds_for(baseline, one),
        many_rows=seconds_for(baseline, many),
    )
    chosen = choose_best(report, trials, sample, wanted=subject.model.runtime != "auto")
    wants_compiler = bool(subject.tables) and any(trial.runtime == "native" for trial in report.trials)
    chosen = replace(chosen, lacked_compiler=wants_compiler and find_compiler() is None)
    may_split = subject.model.runtime == "auto" and not any(map(is_foreign, parts_of(subject.estimator)))
    return with_faster_batches(chosen, baseline, sample) if may_split else chosen  # a worker needs no other library


def _try(
    name: str,
    runtime: RuntimeName,
    make: Callable[[Subject], Program],
    subject: Subject,
    examination: Examination,
    timed: tuple[Any, Any],
) -> tuple[Trial, Program | None]:
    try:
        made = make(subject)
    except Exception as error:  # noqa: BLE001 - a converter may raise anything
        return Trial(name, runtime, "failed", reason=_reason(error)), None
    program = load_program(dump_program(made))  # the proof uses the form that a worker will read
    outcome = judge_candidate(examination, program)
    if changed := _changed_trees(program, subject.tables):
        outcome.note_wrong(changed)
    trial = Trial(
        name,
        _runtime_of(program, runtime),
        outcome.verdict,
        outcome.worst,
        clip(outcome.reason, REASON_LENGTH),
        ties=outcome.ties,
    )
    if outcome.verdict == "wrong":
        return trial, None
    return replace(trial, one_row=seconds_for(program, timed[0]), many_rows=seconds_for(program, timed[1])), program


def _changed_trees(program: Program, tables: list[TreeTable]) -> str:
    """Compare the trees of a program with the model's own: no row can show every last bit of them."""
    walked = [step for step in program if isinstance(step, NativeTrees | OnnxTrees)]
    for step, table in zip(walked, tables, strict=False):
        if isinstance(step, NativeTrees):
            changed = step.table.differs_from(table)
        else:
            changed = "" if step.graph.tobytes() == trees_graph(table).graph.tobytes() else "graph"
        if changed:
            return f"its trees are not the model's: {changed} differ"
    return ""


def _reason(error: Exception) -> str:
    words = str(error).strip().partition("\n")[0]
    name = "" if isinstance(error, NotLowered | NotConverted) else f"{type(error).__name__}: "
    return clip(f"{name}{words}", REASON_LENGTH)


def _runtime_of(program: Program, runtime: RuntimeName) -> RuntimeName:
    """Name the runtime of a program of arrays: onnxruntime, if one of its steps is a graph."""
    if runtime == "numpy" and any(isinstance(step, Graph | OnnxTrees) for step in program):
        return "onnx"
    return runtime


def _walk(subject: Subject) -> TreeEnsemble | None:
    subject.tables, walk = find_walk(subject.lowered)
    return walk if subject.inspected.columns.form in ("array", "table") else None


def _checks(baseline: Runtime, row: Any) -> tuple[s.Step, ...]:
    """Find out which values scikit-learn's input validation refuses, for graphs that have none."""
    if not isinstance(row, np.ndarray):
        return ()
    return (s.Check(_takes(baseline, row, np.nan), "float64" if _takes(baseline, row, 1e39) else "float32"),)


def _takes(baseline: Runtime, row: Any, value: float) -> bool:
    try:
        baseline(np.full_like(row, value))
    except Refusal:
        return False
    except Exception:  # noqa: BLE001 - another part than its validation refused
        return True
    return True
