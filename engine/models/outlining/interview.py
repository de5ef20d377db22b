"""Complete a model's outline by asking it: dtypes, which missing values it accepts, and its answer to an example."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import SpecError
from engine.models.compiling.prepare import open_uncompiled
from engine.models.data.dtypes import DtypesNeeded
from engine.models.files.model_file import ModelFile
from engine.models.predictor import Predictor
from engine.models.restoring.known_answers import own_answer, round_fraction
from engine.models.restoring.prepared import LoadedEstimators
from engine.spec import FileModel, Outline, bare_model

MAX_RESULT = 500
MAX_ASKED = 100


class Interview:
    """A model that can be asked with any outline of it."""

    def __init__(self, model: FileModel, file: ModelFile, opened: LoadedEstimators, reference: Path | None) -> None:
        self._model = model
        self._file = file
        self._opened = opened
        self._reference = reference
        self._last: tuple[Outline, Predictor] | None = None

    def complete(self, outline: Outline, instance_of: Callable[[Outline], Any]) -> Outline:
        """Add the dtypes that the model needs, the missing values that it refuses and an example to its outline.

        `instance_of` makes an instance, or None. Raises `SpecError`.
        """
        outline = self._with_dtypes(outline)
        instance = instance_of(outline)
        if instance is not None and any(feature.gaps for feature in outline.features):
            refused = refused_gaps(self._predictor(outline), outline, instance)
            features = tuple(replace(one, gaps=one.gaps and one.name not in refused) for one in outline.features)
            outline = replace(outline, features=features)
        predict = self._predictor(outline)
        answer = own_answer(predict, instance) if instance is not None else None
        if answer is None:
            return outline
        if isinstance(answer[0], list) and outline.classes is not None:  # several classes at once
            outline = replace(outline, classes=None, probabilities=False)
        result = round_fraction(answer[0])
        is_short = len(json.dumps(result)) <= MAX_RESULT
        return replace(outline, example=(instance, result)) if is_short else outline

    def _predictor(self, outline: Outline) -> Predictor:
        """Make the predictor for an entry of this outline, unless the last one had the same; raise `SpecError`."""
        if self._last is None or self._last[0] != outline:
            bare = bare_model(self._model.file, self._model.trusted, outline, self._reference)
            bare = replace(
                bare, folder=self._model.folder, model_folder=self._model.model_folder, allow_version_mismatch=True
            )
            self._last = outline, open_uncompiled(bare, self._file, self._opened)[0]
        return self._last[1]

    def _with_dtypes(self, outline: Outline) -> Outline:
        """Declare the dtypes that the model needs and that cannot be inferred."""
        try:
            self._predictor(outline)
        except DtypesNeeded as needed:
            return replace(outline, dtypes=needed.dtypes)
        except SpecError:  # reported where it is asked
            return outline
        return outline


def refused_gaps(predict: Predictor, outline: Outline, instance: Mapping[str, Any]) -> set[str]:
    """Name the features whose missing values the model refuses after all, or was not asked about."""
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
