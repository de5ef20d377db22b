"""What a model folder's description says of the model, where the model itself does not: names, types, an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.models.outlining.example import as_written
from engine.schema import Validator
from engine.spec import (
    RESPONSE_METHODS,
    ModelFolder,
    Outline,
    OutlinedFeature,
    ResponseMethodName,
    SignedColumn,
    example_in,
)


def named_method(folder: ModelFolder | None) -> ResponseMethodName | None:
    """Return the method that answers by the description; None if it names none, or one that is no response method."""
    return next((name for name in RESPONSE_METHODS if folder is not None and name == folder.predict), None)


def signed_names(folder: ModelFolder | None, outline: Outline) -> tuple[str, ...] | None:
    """Return the names of the columns by the signature; None if it has none for all columns of the model."""
    signature = folder.signature if folder is not None else None
    if signature is None or not signature.columns or outline.form != "object":
        return None
    is_whole = outline.count in (None, len(signature.columns))
    return tuple(one.name for one in signature.columns) if is_whole else None


def as_signed(folder: ModelFolder | None, outline: Outline) -> Outline:
    """Let an outline have the types and the optional columns of the signature, as far as the model knows no better."""
    signature = folder.signature if folder is not None else None
    if signature is None:
        return outline
    if outline.form == "array" and outline.count is None:
        return replace(outline, count=signature.count)
    signed = {one.name: one for one in signature.columns}
    features = tuple(_as_signed(one, signed[one.name]) if one.name in signed else one for one in outline.features)
    times = {one.name: "datetime" for one in features if one.has_times}
    return replace(outline, features=features, dtypes={**times, **outline.dtypes})


def _as_signed(feature: OutlinedFeature, column: SignedColumn) -> OutlinedFeature:
    if feature.is_unused:
        return feature
    gaps, is_optional = feature.gaps or not column.required, not column.required
    known = replace(feature, gaps=gaps, is_optional=is_optional, is_guess=feature.is_guess and column.kind is None)
    if feature.choices or column.kind is None or feature.kind == column.kind:
        return known
    if feature.kind == "integer" and column.kind == "number":  # all that the reference has
        return known
    if column.kind not in ("number", "integer"):
        known = replace(known, minimum=None, maximum=None)
    is_time = column.is_time and not feature.has_dates
    return replace(known, kind=column.kind, has_times=is_time)


def own_example(folder: ModelFolder | None, outline: Outline) -> Any:
    """Return the instance of the folder's example; None if there is none that is valid by the outline."""
    found = example_in(folder) if folder is not None else None
    if found is None:
        return None
    instance = _as_object(found, outline.features) if outline.form == "object" else _as_value(found, outline)
    return instance if instance is not None and Validator(outline.schema).is_valid(instance) else None


def _as_object(found: Any, features: Sequence[OutlinedFeature]) -> Any:
    """Make an object of an example, without missing values and columns that the model does not use."""
    names = [one.name for one in features]
    if isinstance(found, list) and len(found) == len(names):
        found = dict(zip(names, found, strict=True))
    if not isinstance(found, Mapping):
        return None
    used = [one.name for one in features if not one.is_unused and found.get(one.name) is not None]
    return {name: as_written(found[name]) for name in used} or None


def _as_value(found: Any, outline: Outline) -> Any:
    """Make an array or a text of an example, which may be the only column of a row."""
    values = [*found.values()] if isinstance(found, Mapping) else found
    if outline.form == "text":
        return values[0] if isinstance(values, list) and len(values) == 1 else values
    return [*map(as_written, values)] if isinstance(values, list) else None
