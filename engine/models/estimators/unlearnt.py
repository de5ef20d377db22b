"""What the parts of an estimator have learnt of each feature, held against the values that its input allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import SpecError
from engine.models.data.learnt_categories import KnownCategories, Warned, other_kinds, unlearnt_values
from engine.models.estimators.estimator_parts import first_of
from engine.models.estimators.inspection import Inspected
from engine.models.estimators.known_inputs import KnownInput, known_inputs, known_of_mappings
from engine.spec import FileModel


def require_learnt_kinds(model: FileModel, inspected: Inspected) -> None:
    """Raise `SpecError` for features that allow only numbers where the model has learnt texts, or only texts.

    So are values of an `enum` that make the model refuse every row.
    """
    if inspected.columns.form == "mappings":
        return
    known = _known(inspected)
    numbers = [name for name, one in known.items() if one.takes_no_texts and one.categories is None]
    others = other_kinds(model, _categories(known), numbers)
    strict = _categories({name: one for name, one in known.items() if one.is_strict and name not in others})
    found = [*others.values(), *(model.error(message, *where) for where, message in unlearnt_values(model, strict))]
    if found:
        raise SpecError(one for error in found for one in error.diagnostics)


def warn_of_unlearnt(model: FileModel, inspected: Inspected) -> Warned:
    """Warn of each value of an `enum` that the model was not trained with."""
    return unlearnt_values(model, _categories(_known(inspected)))


def _categories(known: Mapping[str, KnownInput]) -> dict[str, KnownCategories]:
    return {
        name: KnownCategories(one.categories, one.ignores_others)
        for name, one in known.items()
        if one.categories is not None
    }


def _known(inspected: Inspected) -> Mapping[str, Any]:
    columns = inspected.columns
    if columns.form == "mappings":
        return known_of_mappings(first_of(inspected.estimator))
    known = known_inputs(inspected.estimator, columns.count or 0)
    return dict(zip(columns.names or (), known, strict=False))
