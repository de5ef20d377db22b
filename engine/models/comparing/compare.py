"""Compare a model of the spec with a file that may replace it: compile both, ask the same rows, time them in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.isolation import Progress, Step
from engine.models.comparing.tallies import Asked, Differences, Differing, compare_answers
from engine.models.compiling.prepare import prepare_anew, prepare_models
from engine.models.composing.open_models import complete_spec
from engine.models.data.reference import allowed_rows
from engine.models.estimators.inspection import inspect_estimator
from engine.models.files.formats import require_format
from engine.models.files.model_file import read_file
from engine.models.predictor import Facts, Predictor
from engine.models.proving.candidates import usual_instances
from engine.models.proving.comparison import MANY, seconds_for
from engine.models.proving.proof_rows import RowMaker
from engine.models.restoring.cache import Cache, mode_for
from engine.models.restoring.prepared import LoadedEstimators, PreparedModel, take_cached
from engine.models.restoring.restore import restore_model
from engine.spec import FileModel, Spec, in_other_file

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models, and its seconds for 1 and for 1,000 instances; None if both answer none of the rows."""

    facts: Facts
    one_row: float | None
    many_rows: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A model in service and its new file; `tallies` are those of each source of rows."""

    current: Side
    new: Side
    tallies: tuple[Differences, ...]

    @property
    def asked(self) -> int:
        """The number of rows that both models were asked."""
        return sum(tally.asked for tally in self.tallies)

    @property
    def answered(self) -> int:
        """The number of rows that at least one of the models answers."""
        return self.asked - sum(tally.refused for tally in self.tallies)

    @property
    def differing(self) -> tuple[Differing, ...]:
        """The rows with different answers: first those with another result, then by the size of the difference."""
        rows = chain.from_iterable(tally.differing for tally in self.tallies)
        return tuple(sorted(rows, key=lambda row: (not row.has_other_result, -(row.difference or 0.0))))


def compare_files(spec: Spec, name: str, file: Path, tolerance: float, progress: Progress) -> Comparison:
    """Compare a model of the spec with the same entry for another file, which is opened.

    Raises `SpecError`: for the spec's own model as `check` does, and for the file at its name.
    """
    opened, spec = LoadedEstimators(), spec.only([name])
    all_prepared = prepare_models(spec, progress, opened)
    model, prepared = complete_spec(spec, all_prepared, opened).file_models[name], all_prepared[name]
    current = restore_model(model, prepared, opened)
    other = in_other_file(model, file)
    with _told_of(model, file):
        new = _predictor_of(other, spec, opened, progress)
    progress(Step("comparing the answers", name))
    sources = {
        "examples": (Asked(one.input, number) for number, one in enumerate(model.examples, 1)),
        "reference": (Asked(instance, row.line) for row, instance in allowed_rows(model)),
        "made up": map(Asked, _made_up(model, prepared, opened)),
    }
    tallies = tuple(compare_answers(source, rows, current, new, tolerance) for source, rows in sources.items())
    progress(Step("measuring the speed", name))
    answered = next((tally.answered for tally in tallies if tally.answered is not None), None)
    first, second = _timed(current, new, answered)
    warnings = tuple(
        _of_file(warning, model, file) for warning in second.facts.warnings if warning not in first.facts.warnings
    )
    return Comparison(first, replace(second, facts=replace(second.facts, warnings=warnings)), tallies)


def _predictor_of(model: FileModel, spec: Spec, opened: LoadedEstimators, progress: Progress) -> Predictor:
    """Make the predictor of a file that is not in service yet, whatever its results for the examples.

    The cache keeps it separate from models that have passed their examples.
    """
    cache, file = Cache(spec.folder), read_file(model)
    unheld = {**model.node.plain, "examples": [example.input for example in model.examples]}
    key = cache.key(replace(model, node=replace(model.node, plain=unheld)), file.sha256)
    prepared = take_cached(model, cache, key, file, opened.opens)
    if prepared is None:
        prepared = prepare_anew(model, key, file, opened, progress, is_held=False)
        cache.write(key, prepared.compiled, mode_for(model.file))
    return restore_model(model, prepared, opened)


@contextmanager
def _told_of(model: FileModel, file: Path) -> Iterator[None]:
    """Reword a mistake as one in the new file, which the spec does not name."""
    try:
        yield
    except SpecError as error:
        raise SpecError([_of_file(found, model, file) for found in error.diagnostics]) from None


def _of_file(found: Diagnostic, model: FileModel, file: Path) -> Diagnostic:
    if found.place == model.place("file"):
        return replace(found, place=Place(str(file)))
    return replace(found, message=f"{found.message} (with {file})")


def _made_up(model: FileModel, prepared: PreparedModel, opened: LoadedEstimators) -> list[Any]:
    """Make instances that the input allows, inside the ranges that the model in service has seen."""
    if prepared.file is None or require_format(model).is_graph:
        return RowMaker(model, prepared.columns(model), {}).usual(())
    artifact = opened.open(model, prepared.file, prepared.modules)
    with artifact.modules.found():
        return usual_instances(model, inspect_estimator(model, artifact.estimator))


def _timed(current: Predictor, new: Predictor, instance: Any) -> tuple[Side, Side]:
    """Measure both models with 1 and with 1,000 instances, in turn, so that other work slows both."""
    one: dict[Predictor, list[float]] = {current: [], new: []}
    many: dict[Predictor, list[float]] = {current: [], new: []}
    for _ in range(ROUNDS if instance is not None else 0):
        for predictor in (current, new):
            one[predictor].append(seconds_for(predictor, [instance]))
            many[predictor].append(seconds_for(predictor, [instance] * MANY))
    first, second = (
        Side(each.facts, min(one[each], default=None), min(many[each], default=None)) for each in (current, new)
    )
    return first, second
