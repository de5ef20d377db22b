"""The features of a model's input: their types, their missing values, and the dtypes of their columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.models.data.dtypes import NAN, Dtype, Feature, fits_schema, from_schema
from engine.spec import FileModel


def dtype_of_column(model: FileModel, recorded: Dtype | None, name: str, feature: Feature) -> Dtype:
    """Decide the dtype of a column: the declared one, else the model's own, else one that follows from the schema."""
    known = recorded or from_schema(feature)
    declared = model.dtypes.get(name)
    if declared is not None:
        kind, _, zone = declared.rstrip("]").partition("[")
        known = replace(known, kind=kind, zone=zone or known.zone, ordered=False)  # type: ignore[arg-type]
    if known.kind == "category":
        known = replace(known, values=_categories(model, name, feature, recorded))
        if not known.values:
            message = f'the categories of "{name}" are not known; list them in its enum, or name a reference'
            where = ("dtypes", name) if declared is not None else ("input", "properties", name)
            raise model.error(message, *where)
    if declared is not None or fits_schema(known, feature):
        return known
    return replace(from_schema(feature), values=known.values)


def _categories(model: FileModel, name: str, feature: Feature, known: Dtype | None) -> tuple[Any, ...]:
    """Return a column's categories: those of the model or its reference, and those of its schema."""
    if feature.types - {"null"} == {"boolean"}:
        return (False, True)
    listed = model.input.instance.properties[name].listed
    if known is None or known.kind != "category":
        return listed or (known.values if known is not None else ())
    return tuple(dict.fromkeys((*known.values, *listed)))


def feature_of(model: FileModel, name: str, default: Any, *, required: bool) -> Feature:
    """Describe a feature; raise `SpecError` if it cannot be a column."""
    schema = model.input.instance.properties[name]
    if schema.types & {"array", "object"}:
        raise model.error(
            f'the feature "{name}" may be an array or an object, which cannot be a column; '
            "give it a type: number, integer, boolean or string",
            *("input", "properties", name),
        )
    gaps = default is NAN and (not required or schema.is_nullable)
    whole = schema.is_whole and (default is NAN or not isinstance(default, float))
    return Feature(schema.types, whole, gaps)


def default_of(model: FileModel, name: str) -> Any:
    """Return a feature's default, or else a missing value: NaN."""
    default = model.input.instance.properties[name].default
    if default is None:
        return NAN
    where = ("input", "properties", name, "default")
    if isinstance(default, list | dict):
        raise model.error("a default that is an array or an object cannot become a column", *where)
    if isinstance(default, int) and abs(default) > 2**1023:
        raise model.error("this default is too large for a column", *where)
    return default
