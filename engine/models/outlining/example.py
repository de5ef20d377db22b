"""One plausible instance: a row of the sample, else values from the middle of each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.models.data.csv_file import read_cell
from engine.models.outlining.csv_sample import Sample
from engine.schema import Validator
from engine.spec import Outline, OutlinedFeature

_WORDS = 3
_MAX_WHOLE = 1e15


def plausible_instance(outline: Outline, sample: Sample | None, usual: Sequence[Any], texts: Sequence[str]) -> Any:
    """Return an instance that is valid by the outline's schema, or None if there is not enough information.

    It leaves out unused features. `usual` are the columns' usual values, None if unknown, and `texts` words that the
    model knows.
    """
    is_valid = Validator(outline.schema).is_valid
    used = [feature for feature in outline.features if not feature.is_unused]
    for row in sample.rows if sample is not None else ():
        instance = _from_row(used, row) if outline.form != "text" else next(iter(row.values()))
        if is_valid(instance) and (outline.form == "text" or len(instance) == len(used)):
            return instance
    instance = _made_up(outline, usual, texts)
    return instance if instance is not None and is_valid(instance) else None


def as_written(value: Any) -> Any:
    """Return a number as people write it: 1 for 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _MAX_WHOLE else value


def _from_row(features: Sequence[OutlinedFeature], row: Mapping[str, str]) -> Any:
    cells = {feature.name: _cell(feature, row[feature.name]) for feature in features}
    return {name: cell for name, cell in cells.items() if cell is not None}


def _cell(feature: OutlinedFeature, text: str) -> Any:
    if feature.kind == "string" or any(isinstance(choice, str) for choice in feature.choices):
        return text or None
    return as_written(read_cell(text)) if feature.choices else read_cell(text)


def _made_up(outline: Outline, usual: Sequence[Any], texts: Sequence[str]) -> Any:
    if outline.form == "text":
        words = [text for text in texts if text.isalpha()] or texts
        return " ".join(words[len(words) // 2 :][:_WORDS]) or None
    if outline.form == "array":
        return list(map(_middle, usual)) or None
    values = usual or [None] * len(outline.features)
    pairs = [pair for pair in zip(outline.features, values, strict=True) if not pair[0].is_unused]
    if any(feature.kind == "string" for feature, _ in pairs):
        return None
    return {feature.name: _value(feature, value) for feature, value in pairs}


def _value(feature: OutlinedFeature, usual: Any) -> Any:
    if feature.choices:
        return as_written(usual) if as_written(usual) in feature.choices else feature.choices[0]
    if feature.kind == "boolean":
        return False
    if feature.minimum is not None and feature.maximum is not None:
        middle = feature.minimum / 2 + feature.maximum / 2
        return int(middle) if feature.kind == "integer" else _middle(middle)
    return _middle(usual)


def _middle(value: Any) -> Any:
    """Write a value from the middle with three digits; 0 if there is none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return as_written(float(f"{value:.3g}")) if is_number else 0
