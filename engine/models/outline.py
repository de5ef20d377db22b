"""A model's file → its outline: what it takes and what it answers, from the estimator itself and a CSV of real rows."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import sklearn

from engine.errors import Diagnostic, Place, SpecError, did_you_mean, plural
from engine.models.artifacts import RESPONSE_METHODS, untrusted_types
from engine.models.candidates import find_walk
from engine.models.compile import uncompiled
from engine.models.estimator import answers_in_rows, classes_of, kind_of, require_training, title_of, wanted_by
from engine.models.holding import own_answer, rounded
from engine.models.independent import DtypesNeeded
from engine.models.inputs import Known, known_inputs, known_of_mappings, takes_texts
from engine.models.lowering import lower
from engine.models.modelfile import ModelFile, read_file
from engine.models.parts import as_declared, first_of, has_threshold, last_of, takes_mappings
from engine.models.plausible import as_written, plausible_instance
from engine.models.predictor import Predictor
from engine.models.prepared import Opened
from engine.models.ranges import known_texts, learnt_ranges
from engine.models.sample import Column, Sample, read_sample
from engine.spec import Feature, Model, Outline, bare_model

MAX_MADE_UP = 30
MAX_CHOICES = 200
MAX_RESULT = 500
MAX_ASKED = 100


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an estimator shows: its outline so far, its features' names, what is known of each, and words."""

    outline: Outline
    names: tuple[str, ...] | None = None
    columns: Sequence[Known] = ()
    texts: Sequence[str] = ()


def outline_model(
    file: Path,
    reference: Path | None = None,
    *,
    trusted: Sequence[str] = (),
    allow_version_mismatch: bool = False,
    folder: Path | None = None,
) -> Outline:
    """Outline the model in a file, which runs what is in it; `reference` is a CSV of instances.

    `folder` has the modules that the file refers to: that of models.yaml, by default the file's own.
    Raises `SpecError` for a file that holds no model that can be served, or for a reference that does not fit it.
    """
    with _told_of(file):
        model = replace(bare_model(file, tuple(trusted)), folder=folder or file.parent)
        read, opened = read_file(model), Opened()
        if file.suffix.lower() == ".onnx":
            seen = _seen_graph(model, read)
        else:
            seen = _seen_estimator(model, read, opened, allow_version_mismatch=allow_version_mismatch)
    sample = read_sample(reference, seen.names or ()) if reference is not None else None
    outline = _with_features(seen, sample, reference)
    with _told_of(file):
        asked = _Asked(model, read, opened, reference if outline.form != "text" else None)
        return _asked(asked, _with_dtypes(asked, outline), seen, sample)


@contextmanager
def _told_of(file: Path) -> Iterator[None]:
    """Say of a mistake that it is in the model's file: there is no spec yet."""
    try:
        yield
    except SpecError as error:
        raise SpecError([Diagnostic(Place(str(file)), found.message) for found in error.diagnostics]) from None


def _seen_graph(model: Model, file: ModelFile) -> _Seen:
    from engine.models.onnxfile import outline_graph  # noqa: PLC0415 - few models are graphs

    count, texts, classes = outline_graph(model, file.data)
    outline = Outline(
        title="ONNX graph",
        form="text" if texts else "object",
        count=count,
        classes=classes,
        probabilities=classes is not None,
    )
    return _Seen(outline, None, [Known(is_number=True) for _ in range(count or 0)])


def _seen_estimator(model: Model, file: ModelFile, opened: Opened, *, allow_version_mismatch: bool) -> _Seen:
    if file.data and model.file.suffix.lower() == ".skops":
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
    method = next((name for name in _METHODS if hasattr(estimator, name)), "predict")
    answers = method == "predict" and not answers_in_rows(estimator, wanted)
    classes = classes_of(model, estimator) if answers else None
    outline = Outline(
        title=title_of(estimator),
        form="text" if takes_texts(estimator) else "object",
        count=wanted.count,
        response_method=cast("Any", method),
        is_outlier_detector=method == "predict" and kind_of(estimator) == "outlier detector",
        classes=classes,
        probabilities=classes is not None and hasattr(estimator, "predict_proba"),
        has_threshold=has_threshold(last_of(estimator)),
    )
    if takes_mappings(estimator):
        known = known_of_mappings(first_of(estimator))
        return _Seen(replace(outline, count=len(known) or None), tuple(known) or None, list(known.values()))
    _, walk = find_walk(lambda trees: lower(estimator, method, trees, probabilities=False))
    columns = known_inputs(estimator, wanted.count or 0)
    for place, (low, high) in learnt_ranges(estimator, None if wanted.by_name else walk).items():
        columns[place].is_usually((low + high) / 2)
    return _Seen(outline, wanted.names, columns, known_texts(estimator))


def _require_trust(model: Model, file: ModelFile) -> None:
    try:
        refused = untrusted_types(file.data, model)
    except (ValueError, LookupError, zipfile.BadZipFile):  # damaged, which is told where it is opened
        return
    if refused:
        options = " ".join(f"--trusted {name}" for name in refused)
        raise model.error(f"the file contains types that are not trusted; if you know them to be safe, add {options}")


_METHODS = ("predict", *(name for name in RESPONSE_METHODS if name not in ("predict", "predict_proba")))


def _with_features(seen: _Seen, sample: Sample | None, reference: Path | None) -> Outline:
    """Name the features and say of which type each is."""
    outline, names, named_by = seen.outline, seen.names, "model"
    if outline.form == "text":
        return outline
    if names is not None and sample is not None:
        names = as_declared(names, sample.columns)
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
    columns = seen.columns or [Known() for _ in names]
    sampled = sample.columns if sample is not None else {}
    features = tuple(_feature(name, known, sampled.get(name)) for name, known in zip(names, columns, strict=True))
    if seen.names is None:  # an array, which one text would make slow
        features = tuple(replace(one, kind="number") if one.kind is None else one for one in features)
    return replace(outline, features=features, named_by=cast("Any", named_by))


def _require_columns(
    names: Sequence[str], unused: Collection[str], count: int | None, sample: Sample, reference: Path
) -> None:
    """Raise `SpecError` where the reference lacks what the model takes, or leaves open which columns it takes."""
    where = Place(str(reference))
    mistakes = [
        f'there is no column "{name}" {did_you_mean(name, sample.columns, "there are")}, which the model takes'
        for name in names
        if name not in sample.columns and name not in unused
    ]
    if count is not None and len(names) != count:
        mistakes.append(
            f"there are {plural(len(names), 'column')}, and the model takes {plural(count, 'feature')} whose names it "
            "does not know; leave only these in, in the order of its training"
        )
    if mistakes:
        raise SpecError([Diagnostic(where, mistake) for mistake in mistakes])


def _require_numbers(names: Sequence[str], columns: Sequence[Known], sample: Sample, reference: Path) -> None:
    """Raise `SpecError` where a cell is a text, and the model takes nothing but numbers in its column."""
    numbers = [name for name, known in zip(names, columns, strict=False) if _is_number(known)]
    words = {name: sample.columns[name].first_word for name in numbers}
    mistakes = [f"line {row.line}: {row.not_a_number(name)}" for name, row in words.items() if row is not None]
    if mistakes:
        raise SpecError([Diagnostic(Place(str(reference)), mistake) for mistake in mistakes])


def _is_number(known: Known) -> bool:
    return known.is_number and known.categories is None and not known.is_text


def _feature(name: str, known: Known, column: Column | None) -> Feature:
    gaps = known.gaps or (column is not None and column.gaps)
    if known.is_unused:
        return Feature(name=name, kind=column.kind if column is not None else None, gaps=True, is_unused=True)
    if known.categories:
        choices = tuple(map(as_written, known.categories))
        if all(isinstance(choice, bool) for choice in choices):
            return Feature(name=name, kind="boolean", gaps=gaps)
        if len(choices) <= MAX_CHOICES:
            return Feature(name=name, choices=choices, ignores_others=known.ignores_others, gaps=gaps)
        kind = "string" if any(isinstance(choice, str) for choice in choices) else "integer"
        if any(isinstance(choice, float) for choice in choices):
            kind = "number"
        return Feature(name=name, kind=cast("Any", kind), gaps=gaps)
    if known.is_text:
        return Feature(name=name, kind="string", gaps=gaps)
    if column is None:
        return Feature(name=name, gaps=gaps)
    is_bounded = column.kind in ("number", "integer") and column.numbers
    low, high = map(as_written, (column.low, column.high)) if is_bounded else (None, None)
    return Feature(name=name, kind=column.kind, minimum=low, maximum=high, gaps=gaps)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A model that can be asked by any outline of it."""

    model: Model
    file: ModelFile
    opened: Opened
    reference: Path | None

    def predictor(self, outline: Outline) -> Predictor:
        """Make the predictor that an entry of this outline will have; raise `SpecError`."""
        bare = bare_model(self.model.file, self.model.trusted, outline, self.reference)
        bare = replace(bare, folder=self.model.folder, allow_version_mismatch=True)
        return uncompiled(bare, self.file, self.opened)


def _with_dtypes(asked: _Asked, outline: Outline) -> Outline:
    """Declare the dtypes that the model needs and that cannot be found out."""
    try:
        asked.predictor(outline)
    except DtypesNeeded as needed:
        return replace(outline, dtypes=needed.dtypes)
    except SpecError:  # told where it is asked
        return outline
    return outline


def _asked(asked: _Asked, outline: Outline, seen: _Seen, sample: Sample | None) -> Outline:
    """Ask the model whether it does without what may be missing, and for its answer to an example."""
    instance = plausible_instance(outline, sample, [known.usual for known in seen.columns], seen.texts)
    if instance is not None and any(feature.gaps for feature in outline.features):
        refused = _refused_gaps(asked.predictor(outline), outline, instance)
        features = tuple(replace(one, gaps=one.gaps and one.name not in refused) for one in outline.features)
        outline = replace(outline, features=features)
    predict = asked.predictor(outline)
    answer = own_answer(predict, instance) if instance is not None else None
    if answer is None:
        return outline
    if isinstance(answer[0], list) and outline.classes is not None:  # several classes at once
        outline = replace(outline, classes=None, probabilities=False)
    result = rounded(answer[0])
    is_short = len(json.dumps(result)) <= MAX_RESULT
    return replace(outline, example=(instance, result)) if is_short else outline


def _refused_gaps(predict: Predictor, outline: Outline, instance: Mapping[str, Any]) -> set[str]:
    """Name the features that the model does not do without, all the same; also those that it was not asked about."""
    gaps = [feature.name for feature in outline.features if feature.gaps]
    refused: set[str] = set()
    waiting, asked = [gaps], 0
    while waiting:
        names = waiting.pop()
        asked += 1
        if asked <= MAX_ASKED and own_answer(predict, {**instance, **dict.fromkeys(names)}) is not None:
            continue
        if len(names) == 1 or asked > MAX_ASKED:
            refused.update(names)
        else:
            waiting += [names[: len(names) // 2], names[len(names) // 2 :]]
    return refused if refused or asked == 1 else set(gaps)
