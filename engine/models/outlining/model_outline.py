"""A model's file → its outline: its inputs and outputs, from the estimator itself and a CSV of real rows."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import sklearn

from engine.diagnostics import Diagnostic, Place
from engine.errors import SpecError
from engine.models.estimators.estimator_parts import as_declared, first_of, has_threshold, last_of, takes_mappings
from engine.models.estimators.inspection import (
    answers_in_rows,
    classes_of,
    kind_of,
    require_training,
    title_of,
    wanted_by,
)
from engine.models.estimators.known_inputs import KnownInput, known_inputs, known_of_mappings, takes_texts
from engine.models.estimators.readers.skops_file import untrusted_types
from engine.models.files.formats import require_format
from engine.models.files.model_file import ModelFile, blaming_file, read_file
from engine.models.lowering.lower import lower_estimator
from engine.models.lowering.tree_walk import find_walk
from engine.models.outlining.csv_sample import Sample, SampleColumn, read_sample
from engine.models.outlining.example import as_written, plausible_instance
from engine.models.outlining.graph_outline import SeenGraph, see_graph
from engine.models.outlining.interview import Interview
from engine.models.outlining.signed_outline import as_signed, named_method, own_example, signed_names
from engine.models.proving.learnt_ranges import known_texts, learnt_ranges
from engine.models.restoring.prepared import LoadedEstimators
from engine.spec import RESPONSE_METHODS, FileModel, Outline, OutlinedFeature, bare_model
from engine.text import did_you_mean, plural

MAX_MADE_UP = 30
MAX_CHOICES = 200
MAX_MISTAKES = 10


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an estimator reveals: its outline so far, its features' names, the facts about each, and words."""

    outline: Outline
    names: tuple[str, ...] | None = None
    columns: Sequence[KnownInput] = ()
    texts: Sequence[str] = ()
    graph: SeenGraph | None = None


def outline_model(
    file: Path,
    reference: Path | None = None,
    *,
    trusted: Sequence[str] = (),
    allow_version_mismatch: bool = False,
    folder: Path | None = None,
    opened: LoadedEstimators | None = None,
) -> Outline:
    """Outline the model in a file, which runs the code in it; `reference` is a CSV of instances.

    `folder` has the modules that the file refers to: that of models.yaml, by default the file's own. Raises `SpecError`
    for a file without a model that can be served, or for a reference that does not match it.
    """
    with blaming_file(file):
        model = replace(bare_model(file, tuple(trusted)), folder=folder or file.parent)
        read, opened = read_file(model), opened or LoadedEstimators()
        if require_format(model).is_graph:
            graph = see_graph(model, read, opened)
            seen = _Seen(graph.outline, graph.names, graph.columns, graph=graph)
        else:
            seen = _seen_estimator(model, read, opened, allow_version_mismatch=allow_version_mismatch)
    described = model.model_folder
    if (names := signed_names(described, seen.outline)) is not None and seen.names is None:
        seen = replace(seen, names=names, outline=replace(seen.outline, named_by="signature"))
    sample = read_sample(reference, seen.names or ()) if reference is not None else None
    outline, usual = _with_features(seen, sample, reference), [known.usual for known in seen.columns]
    outline = as_signed(described, outline)
    with blaming_file(file):
        interview = Interview(model, read, opened, reference if outline.form != "text" else None)
        return interview.complete(
            outline,
            lambda known: own_example(described, known) or plausible_instance(known, sample, usual, seen.texts),
        )


def _seen_estimator(
    model: FileModel, file: ModelFile, opened: LoadedEstimators, *, allow_version_mismatch: bool
) -> _Seen:
    if file.data and require_format(model).name == "skops":
        _require_trust(model, file)
    artifact = opened.open(replace(model, allow_version_mismatch=True), file)
    if artifact.trained_with and not allow_version_mismatch:
        raise model.error(
            f"the model was saved by scikit-learn {artifact.trained_with}, and this is {sklearn.__version__}; "
            "train it again, install that version, or accept the risk with --allow-version-mismatch"
        )
    estimator = artifact.estimator
    require_training(model, estimator)
    wanted = wanted_by(estimator)
    method = named_method(model.model_folder) or _METHODS[0]
    if not hasattr(estimator, method):
        method = next((name for name in _METHODS if hasattr(estimator, name)), _METHODS[0])
    answers = method == "predict" and not answers_in_rows(estimator, wanted)
    classes = classes_of(model, estimator) if answers else None
    outline = Outline(
        title=title_of(estimator),
        form="text" if takes_texts(estimator) else "object",
        count=wanted.count,
        response_method=method,
        is_outlier_detector=method == "predict" and kind_of(estimator) == "outlier detector",
        classes=classes,
        probabilities=classes is not None and hasattr(estimator, "predict_proba"),
        has_threshold=has_threshold(last_of(estimator)),
    )
    if takes_mappings(estimator):
        known = known_of_mappings(first_of(estimator))
        return _Seen(replace(outline, count=len(known) or None), tuple(known) or None, list(known.values()))
    _, walk = find_walk(lambda trees: lower_estimator(estimator, method, trees, probabilities=False))
    columns = known_inputs(estimator, wanted.count or 0)
    for place, (low, high) in learnt_ranges(estimator, None if wanted.by_name else walk).items():
        columns[place].is_usually((low + high) / 2)
    return _Seen(outline, wanted.names, columns, known_texts(estimator))


def _require_trust(model: FileModel, file: ModelFile) -> None:
    try:
        refused = untrusted_types(file.data, model)
    except (ValueError, LookupError, zipfile.BadZipFile):  # damaged, which is reported where it is opened
        return
    if refused:
        options = " ".join(f"--trusted {name}" for name in refused)
        raise model.error(f"the file contains types that are not trusted; if you know them to be safe, add {options}")


_METHODS = tuple(name for name, method in RESPONSE_METHODS.items() if method.is_default)


def _with_features(seen: _Seen, sample: Sample | None, reference: Path | None) -> Outline:
    """Name the features and determine their types."""
    outline, names, named_by = seen.outline, seen.names, seen.outline.named_by
    if outline.form == "text":
        return outline
    if names is not None and sample is not None:
        names = as_declared(names, sample.columns) if seen.graph is None else seen.graph.named_as([*sample.columns])
    if names is None and sample is not None:
        names, named_by = tuple(sample.columns), "reference"
    if names is None:
        is_plain = all(known.is_plain for known in seen.columns)
        if outline.count is None or (outline.count > MAX_MADE_UP and is_plain):
            return replace(outline, form="array", named_by="nobody")
        names, named_by = tuple(f"x{place + 1}" for place in range(outline.count)), "nobody"
    if sample is not None and reference is not None:
        unused = {name for name, known in zip(names, seen.columns, strict=False) if known.is_unused}
        _require_columns(names, unused, outline.count, sample, reference)
        _require_numbers(names, seen.columns, sample, reference)
    columns = seen.columns or [KnownInput() for _ in names]
    sampled = sample.columns if sample is not None else {}
    features = tuple(_feature(name, known, sampled.get(name)) for name, known in zip(names, columns, strict=True))
    if seen.graph is not None:
        features = tuple(seen.graph.fit(one, place) for place, one in enumerate(features))
    if seen.names is None:  # an array, which would become slow if one value were a text
        features = tuple(replace(one, kind="number") if one.kind is None else one for one in features)
    return replace(outline, features=features, named_by=cast("Any", named_by))


def _require_columns(
    names: Sequence[str], unused: Collection[str], count: int | None, sample: Sample, reference: Path
) -> None:
    """Raise `SpecError` if the reference lacks a column of the model, or if the model's columns are ambiguous."""
    where = Place(str(reference))
    missing = (name for name in names if name not in sample.columns and name not in unused)
    mistakes = [
        f'there is no column "{name}" {did_you_mean(name, sample.columns, "its columns are")}, which the model takes'
        for name in islice(missing, MAX_MISTAKES)
    ]
    if count is not None and len(names) != count:
        mistakes.append(
            f"there are {plural(len(names), 'column')}, but the model takes {plural(count, 'feature')} and does not "
            "know their names; keep only these columns, in the order of its training"
        )
    if mistakes:
        raise SpecError([Diagnostic(where, mistake) for mistake in mistakes])


def _require_numbers(names: Sequence[str], columns: Sequence[KnownInput], sample: Sample, reference: Path) -> None:
    """Raise `SpecError` if a cell is a text, but the model accepts only numbers in its column."""
    numbers = [name for name, known in zip(names, columns, strict=False) if _is_number(known)]
    words = ((name, sample.columns[name].first_word) for name in numbers)
    mistakes = (f"line {row.line}: {row.not_a_number(name)}" for name, row in words if row is not None)
    if found := [Diagnostic(Place(str(reference)), mistake) for mistake in islice(mistakes, MAX_MISTAKES)]:
        raise SpecError(found)


def _is_number(known: KnownInput) -> bool:
    return known.is_number and known.categories is None and not known.is_text


def _feature(name: str, known: KnownInput, column: SampleColumn | None) -> OutlinedFeature:
    gaps = known.gaps or (column is not None and column.gaps)
    if known.is_unused:
        return OutlinedFeature(name=name, kind=column.kind if column is not None else None, gaps=True, is_unused=True)
    if known.categories:
        choices = tuple(map(as_written, known.categories))
        if all(isinstance(choice, bool) for choice in choices):
            return OutlinedFeature(name=name, kind="boolean", gaps=gaps)
        if len(choices) <= MAX_CHOICES:
            return OutlinedFeature(name=name, choices=choices, ignores_others=known.ignores_others, gaps=gaps)
        kind = "string" if any(isinstance(choice, str) for choice in choices) else "integer"
        if any(isinstance(choice, float) for choice in choices):
            kind = "number"
        return OutlinedFeature(name=name, kind=cast("Any", kind), gaps=gaps)
    if known.is_text:
        return OutlinedFeature(name=name, kind="string", gaps=gaps)
    if column is None:
        return OutlinedFeature(
            name=name, gaps=gaps, is_guess=known.is_plain and not known.is_number and known.dtype is None
        )
    is_bounded = column.kind in ("number", "integer") and column.numbers
    low, high = map(as_written, (column.low, column.high)) if is_bounded else (None, None)
    return OutlinedFeature(
        name=name,
        kind=column.kind,
        minimum=low,
        maximum=high,
        gaps=gaps,
        padded=column.padded,
        has_dates=column.has_dates,
    )
